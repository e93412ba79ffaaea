//! The HAL's own suite, on both parts and in both memory modes.

use barexe_hal::conformance::{self, Setup, UserSetup};
use barexe_hal::{BusAddr, ClientAddr, ConfigSpace as _, Mmio as _, Nanos, RegOffset, UserSpace};
use barexe_sim::{Coherence, Platform, Sim, SimConfig};

#[test]
fn the_simulated_device_keeps_every_rule_of_the_hal() {
    for platform in [Platform::tgl(), Platform::lnl()] {
        for coherence in [Coherence::Strict, Coherence::Coherent] {
            let mut config = SimConfig::new(platform.clone());
            config.coherence = coherence;
            let sim = Sim::new(&config).unwrap();
            let mut hal = sim.hal();
            hal.config_write32(4, 6).unwrap();
            hal.write32(RegOffset::at(0xA188), 0x0001_0001);
            sim.advance(Nanos::from_micros(10));
            let setup = Setup {
                // General register 0 of the first copy engine: free while no context runs.
                scratch_register: RegOffset::at(0x2_2600),
                scratch_bits: u32::MAX,
                ggtt_hole_first: 0x1000,
                ggtt_hole_entries: 32,
                last_addr: BusAddr::new((1 << 39) - 1).unwrap(),
                user: Some(UserSetup {
                    space: UserSpace(5),
                    addr: ClientAddr::new(0x9000).unwrap(),
                    len_bytes: 0x9000,
                }),
            };
            sim.user_map(UserSpace(5), 0x9000..0x1_2000, 0x4000);
            let report = conformance::run(&mut hal, setup).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(report.rules as usize, conformance::RULE_COUNT);
            let (given, taken) = sim.buffers();
            assert!(given == taken && given > 0);
            assert_eq!(sim.user_pinned(), 0);
        }
    }
}
