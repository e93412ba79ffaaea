//! Rings: order, wrapping, full and broken ones, interrupts.

use super::driver::{Driver, RING, TO_GUC, TO_HOST};
use crate::Platform;

#[test]
fn requests_are_answered_and_fast_ones_only_if_they_fail() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    assert_eq!(driver.ask(&[0x0000_3004, 1]), Some(vec![0xF000_0000]));
    assert_eq!(driver.ask(&[0x2000_3004, 1]), None);
    assert_eq!(driver.ask(&[0x0000_0777]), Some(vec![0xE000_0030]));
    assert_eq!(driver.ask(&[0x2000_0777]), Some(vec![0xE000_0030]));
    assert_eq!(driver.ask(&[0x1000_0777]), None, "events are never answered");
    assert_eq!(driver.ask(&[0x8000_3004, 1]), Some(vec![0xE000_0004]), "who says it is not the host");
    assert_eq!(driver.sim.unknown_guc_actions()[&0x777], 3);
}

#[test]
fn both_rings_wrap_and_nothing_is_lost() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    for number in 1..2000 {
        assert_eq!(driver.ask(&[0x2000_7000, number, 0x8000_0001, 0, 0, 0, 0]), Some(vec![0x9000_7001, number]));
    }
}

#[test]
fn what_has_no_room_waits_for_it() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    // 3 dwords each, in a ring of 1024 of which one stays free.
    for number in 1..=400 {
        driver.send(&[0x2000_7000, number, 0]);
        driver.ring();
    }
    assert!(driver.sim.run(0).idle);
    for number in 1..=341 {
        assert_eq!(driver.receive().unwrap()[1..], [0x9000_7001, number]);
    }
    assert_eq!(driver.receive(), None);
    driver.wait(200_000);
    for number in 342..=400 {
        assert_eq!(driver.receive().unwrap()[1..], [0x9000_7001, number]);
    }
    assert_eq!(driver.receive(), None);
}

#[test]
fn a_ring_that_is_out_of_order_says_so_and_stays_so() {
    for (head, tail, header, state) in [
        (RING / 4, 0, 0, 1),
        (0, RING / 4, 0, 1),
        (0, u32::MAX, 0, 1),
        (0, 3, 5, 2),
        (0, 3, 0x1001, 2),
        (RING / 4 - 1, 1, 9, 2),
    ] {
        let mut driver = Driver::ready(Platform::tgl(), false);
        driver.put(TO_GUC + 0x1000 + 4 * (head % (RING / 4)), &[header]);
        driver.put(TO_GUC, &[head, tail]);
        driver.ring();
        assert_eq!(driver.get(TO_GUC + 8), state, "{head:#x} {tail:#x}");
        driver.put(TO_GUC, &[0, 0]);
        assert_eq!(driver.ask(&[0x0000_3004, 1]), None);
    }
}

#[test]
fn filling_is_passed_over() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    driver.put(TO_GUC + 0x1000, &[0, 0, 0x0007_0002, 0x3004, 1]);
    driver.put(TO_GUC, &[0, 5]);
    driver.ring();
    assert_eq!(driver.receive(), Some(vec![0x0007_0001, 0xF000_0000]));
    assert_eq!(driver.get(TO_GUC), 5);
}

#[test]
fn a_message_interrupts_through_its_own_bit() {
    for (platform, media, pending) in
        [(Platform::tgl(), false, 1 << 25), (Platform::lnl(), false, 1 << 25), (Platform::lnl(), true, 1 << 24)]
    {
        let mut driver = Driver::ready(platform, media);
        driver.write_absolute(0x19_0038, 0x8000_0000);
        driver.write_absolute(0x19_00E8, 0x7FFF_7FFF);
        assert!(driver.ask(&[0x2000_7000, 1, 0]).is_some());
        assert_eq!(driver.read_absolute(0x19_0018), pending);
    }
}

#[test]
fn a_host_that_never_reads_is_given_up() {
    let mut driver = Driver::ready(Platform::tgl(), false);
    for _ in 0..5000 {
        driver.send(&[0x2000_7000, 1, 0]);
        driver.ring();
    }
    assert_eq!(driver.get(TO_HOST + 8), 1);
}
