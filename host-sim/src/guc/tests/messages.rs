//! Short messages, and what is not the scheduler's among the long ones.

use super::driver::{Driver, SCRATCH};
use crate::Platform;

#[test]
fn settings_are_known_or_not() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    assert_eq!(driver.setting(0x900, 1), 0xF000_0000, "memory interrupts are not simulated");
    assert_eq!(driver.short(&[0x508, 0x0902_0001, 0, 0]), 0xE000_0103, "length of a key");
    assert_eq!(driver.short(&[0x508, 0x0902_0002, 0, 1]), 0xE000_0080, "beyond the GGTT");
    assert_eq!(driver.short(&[0x4509, 2]), 0xE000_0060);
    assert_eq!(driver.short(&[0x1000_4509, 1]), 0xE000_0004, "an event is no question");
    assert_eq!(driver.short(&[0x1234]), 0xE000_0030);
    assert_eq!(driver.sim.unknown_guc_actions().into_iter().collect::<Vec<_>>(), [(0x1234, 1)]);
}

#[test]
fn rings_that_cannot_be_are_not_switched_on() {
    let mut driver = Driver::new(Platform::tgl(), false);
    driver.load();
    driver.wait(5_000_000);
    assert_eq!(driver.short(&[0x4509, 1]), 0xE000_0304, "not registered");
    driver.rings_on();
    for (key, value, reason) in [
        (0x904, 0x1001, 0xE000_0070),
        (0x904, 0x800_0000, 0xE000_0070),
        (0x903, 0x100_0002, 0xE000_0306),
        (0x905, 0xFFFF_F000, 0xE000_0080),
    ] {
        driver.setting(key, value);
        assert_eq!(driver.short(&[0x4509, 1]), if key == 0x905 { 0xE000_0080 } else { reason }, "{key:#x}");
        driver.rings_on();
    }
}

#[test]
fn hardware_facts_are_told_where_there_is_a_table() {
    let mut tgl = Driver::ready(Platform::tgl(), false);
    assert_eq!(tgl.short(&[0x4100, 0, 0, 0]), 0xE000_0201);
    let mut lnl = Driver::ready(Platform::lnl(), false);
    let bytes = lnl.short(&[0x4100, 0, 0, 0]) & 0x0FFF_FFFF;
    assert_eq!(bytes, 24 * 12);
    assert_eq!(lnl.short(&[0x4100, SCRATCH, 0, 8]), 0xE000_0102);
    assert_eq!(lnl.short(&[0x4100, SCRATCH, 0, bytes]), 0xF000_0000 | bytes);
    assert_eq!([0, 4, 8, 12].map(|at| lnl.get(SCRATCH + at)), [1, 1, 2, 2]);
    assert_eq!(lnl.short(&[0x4100, 0x1000, 0, bytes]), 0xE000_0080, "its own memory");
}

#[test]
fn frequencies_are_what_the_host_wants_them_to_be() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    assert_eq!(driver.ask(&[0x0000_3003, 5 << 8 | 2, SCRATCH, 0]), Some(vec![0xE000_000A]), "not begun");
    assert_eq!(driver.ask(&[0x2000_3003, 2, SCRATCH, 0]), None, "a fast request");
    assert_eq!(driver.get(SCRATCH + 4), 3, "it runs");
    assert_eq!(driver.ask(&[0x2000_3003, 6 << 8 | 2, 6, 300]), None);
    assert_eq!(driver.ask(&[0x2000_3003, 6 << 8 | 2, 7, 1200]), None);
    assert_eq!(driver.ask(&[0x0000_3003, 5 << 8 | 2, SCRATCH, 0]), Some(vec![0xF000_0000]));
    assert_eq!(driver.get(SCRATCH + 132), 18 << 24 | 72 << 16 | 18 << 8 | 72);
    assert_eq!(driver.ask(&[0x2000_3003, 6 << 8 | 2, 7]), Some(vec![0xE000_0102]), "an argument is missing");
    assert_eq!(driver.ask(&[0x2000_3003, 6 << 8 | 2, 256, 0]), Some(vec![0xE000_0060]));
}

#[test]
fn features_are_keys_in_memory() {
    let mut driver = Driver::ready(Platform::lnl(), false);
    driver.put(SCRATCH, &[0x4001_0000, 0x4003_0000, 0x4777_0000]);
    assert_eq!(driver.ask(&[0x550E, SCRATCH, 0, 2]), Some(vec![0xF000_0000]));
    assert_eq!(driver.ask(&[0x550E, SCRATCH, 0, 3]), Some(vec![0xE000_0105]));
    assert_eq!(driver.ask(&[0x550E, SCRATCH, 0, 5000]), Some(vec![0xE000_0102]));
}

#[test]
fn invalidations_are_done_and_told() {
    let mut driver = Driver::ready(Platform::lnl(), true);
    assert_eq!(driver.ask(&[0x2000_7000, 7, 0x8000_0000]), Some(vec![0x9000_7001, 7]));
    assert_eq!(driver.ask(&[0x2000_7002, 8, 0x8000_0000]), Some(vec![0x9000_7001, 8]));
    assert_eq!(driver.ask(&[0x2000_7000, 9, 0x8000_0003]), Some(vec![0x9000_7001, 9]));
    assert_eq!(driver.ask(&[0x2000_7000, 10, 0x8000_0001, 1, 0x20_0000, 0, 9]), Some(vec![0x9000_7001, 10]));
    for wrong in [
        &[0x2000_7000, 11, 0x8000_0001, 1, 0x1000, 0, 9][..],
        &[0x2000_7000, 11, 1, 1, 0, 0, 64],
        &[0x2000_7000, 11, 9],
    ] {
        assert_eq!(driver.ask(wrong), Some(vec![0xE000_0060]), "{wrong:x?}");
    }
}

#[test]
fn a_soft_reset_forgets_the_rings() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    assert_eq!(driver.short(&[0x5507]), 0xF000_0000);
    assert_eq!(driver.ask(&[0x7000, 1, 0]), None, "nobody reads them");
    driver.rings_on();
    assert_eq!(driver.ask(&[0x2000_7000, 1, 0]), Some(vec![0x9000_7001, 1]));
}
