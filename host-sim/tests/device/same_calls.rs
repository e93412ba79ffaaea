//! The same calls give the same device: timeline, state and time.

use crate::mini::{BCS, Mini, SECOND_VA, VCS, store};
use barexe_hal::{Clock as _, Nanos};
use barexe_sim::{DeviceSnapshot, Platform, SimConfig};

fn life(platform: Platform) -> (String, String, DeviceSnapshot, u64) {
    let mut config = SimConfig::new(platform);
    config.timeline_events = 10_000;
    let mut mini = Mini::new(&config, &[BCS, VCS]);
    for round in 0..20u32 {
        let base = if round % 3 == 0 { VCS } else { BCS };
        mini.context(base);
        mini.run(base, &store(SECOND_VA + u64::from(round) * 4, round), round + 1);
        let now = mini.hal.now();
        mini.hal.relax(now.saturating_add(Nanos::from_micros(u64::from(round)))).unwrap();
    }
    assert_eq!(mini.fence(), 20, "{:?}", mini.sim.halted());
    let sim = mini.sim;
    (sim.timeline().text(), sim.timeline().perfetto().to_string(), sim.snapshot(), sim.time().get())
}

#[test]
fn two_lives_of_the_same_calls_are_equal() {
    for platform in [Platform::tgl(), Platform::lnl()] {
        let (first, second) = (life(platform.clone()), life(platform));
        assert!(first.0.lines().count() > 100, "{}", first.0);
        assert_eq!(first, second);
    }
}
