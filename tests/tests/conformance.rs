//! The simulator is a HAL like any other: it passes the suite that porters run.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, and print what was checked"
)]

use barexe_hal::conformance::{RULE_COUNT, Setup, UserSetup, run};
use barexe_hal::{BusAddr, ClientAddr, ConfigSpace as _, MIN_BLOCK_BYTES, RegOffset, UserSpace};
use barexe_sim::{Coherence, Platform, Sim, SimConfig};
use barexe_tests::found::found;
use barexe_tests::rig::platforms;

/// Memory decode on.
const DECODE: u32 = 1 << 1;

/// A client's memory, and where it is.
const SPACE: UserSpace = UserSpace(9);
const CLIENT: u64 = 0x7000_0000;

fn setup(platform: &Platform) -> Setup {
    Setup {
        // An interrupt mask: awake whatever sleeps, and nobody listens.
        scratch_register: RegOffset::at(0x19_0090),
        scratch_bits: u32::MAX,
        ggtt_hole_first: 0x4000,
        ggtt_hole_entries: 60,
        last_addr: BusAddr::new(if platform.name == "tgl" { (1 << 39) - 1 } else { (1 << 46) - 1 }).unwrap(),
        user: Some(UserSetup { space: SPACE, addr: ClientAddr::new(CLIENT).unwrap(), len_bytes: 0x2_0000 }),
    }
}

fn check(platform: &Platform, coherence: Coherence, max_block_bytes: u64) {
    let config = SimConfig { coherence, max_block_bytes, ..SimConfig::new(platform.clone()) };
    let sim = Sim::new(&config).unwrap();
    let what = format!("{} {coherence:?} blocks of {max_block_bytes:#x}", platform.name);
    sim.hal().config_write32(4, DECODE).unwrap();
    sim.user_map(SPACE, CLIENT..CLIENT + 0x2_0000, 0x3000);
    let before = found(&sim);
    let report = run(&mut sim.hal(), setup(platform)).unwrap_or_else(|failure| panic!("{what}: {failure}"));
    assert_eq!(report.rules as usize, RULE_COUNT, "{what}");
    println!("{what}: {} rules, {} checks", report.rules, report.checks);
    assert!(report.checks > 10_000, "{what}: {report:?}");
    assert_eq!(found(&sim), before, "{what}: something was not put back");
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{what}");
    // The suite knows no platform's workarounds, which are the driver's business, and nothing else was wrong.
    let known = ["15015404425", "22019338487"];
    let others = sim.violations().into_iter().filter(|text| !known.iter().any(|rule| text.contains(rule)));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<String>::new(), "{what}");
}

#[test]
fn the_simulator_passes_every_rule_for_every_part_and_memory() {
    for platform in platforms() {
        for coherence in [Coherence::Strict, Coherence::Coherent] {
            for max_block_bytes in [MIN_BLOCK_BYTES, 4 << 20] {
                check(&platform, coherence, max_block_bytes);
            }
        }
    }
}

/// The same suite on a part whose memory decode is off, which answers like one that is not there: it must notice.
#[test]
fn a_part_that_does_not_answer_does_not_pass() {
    let sim = Sim::new(&SimConfig::new(Platform::tgl())).unwrap();
    let failure = run(&mut sim.hal(), setup(&Platform::tgl())).unwrap_err();
    assert_eq!(failure.rule, "a_register_reads_back_what_was_written");
}
