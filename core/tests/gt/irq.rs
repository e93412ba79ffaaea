//! Interrupt service, event by event.

use crate::recorder::{Event, Recorder};
use barexe_core::family::{GEN12, XE2};
use barexe_core::gt::irq::{IrqReport, service};
use barexe_core::gt::{DeviceInfo, EngineMask, Registers, bring_up, irq::enables};

fn up(mut hal: Recorder) -> (Recorder, DeviceInfo) {
    let info = bring_up(&mut hal).unwrap();
    hal.log.clear();
    (hal, info)
}

/// Raises identities: (bank, bit, identity).
fn raise(hal: &mut Recorder, identities: &[(u32, u32, u32)]) {
    for (bank, bit, identity) in identities {
        *hal.regs.entry(0x19_0018 + bank * 4).or_default() |= 1 << bit;
        *hal.regs.entry(0x19_0010).or_default() |= 1 << bank;
        hal.regs.insert(0x19_0008, 1);
        hal.identities.insert((*bank, *bit), *identity);
    }
}

/// The log without the flushes that precede each read on LNL.
fn log(hal: &Recorder) -> Vec<Event> {
    hal.log.iter().filter(|event| **event != Event::Write(0x13_0030, 0)).copied().collect()
}

#[test]
fn tgl_walks_the_tree_without_a_tile_register() {
    let (mut hal, info) = up(Recorder::tgl());
    // engines sheet §9 checks: BCS0 user.
    raise(&mut hal, &[(0, 15, 0x8003_0001)]);
    let report = service(&mut hal, &info);
    assert_eq!(report, IrqReport { ours: true, user: 1 << 1, ..IrqReport::default() });
    let want = [
        Event::Write(0x19_0010, 0),
        Event::Read(0x19_0010),
        Event::Read(0x19_0018),
        Event::Write(0x19_0070, 1 << 15),
        Event::Read(0x19_0060),
        Event::Write(0x19_0060, 0x8003_0001),
        Event::Write(0x19_0018, 1 << 15),
        Event::Write(0x19_0010, 0x8000_0000),
    ];
    assert_eq!(hal.log, want);
}

#[test]
fn lnl_acknowledges_tile_and_master_before_the_banks() {
    let (mut hal, info) = up(Recorder::lnl());
    // engines sheet §9 checks: BCS8 switch.
    raise(&mut hal, &[(0, 23, 0x8083_0100)]);
    let report = service(&mut hal, &info);
    assert_eq!(report, IrqReport { ours: true, context_switch: 1 << 9, ..IrqReport::default() });
    let want = [
        Event::Write(0x19_0008, 0),
        Event::Read(0x19_0008),
        Event::Write(0x19_0008, 1),
        Event::Read(0x19_0010),
        Event::Write(0x19_0010, 1),
        Event::Read(0x19_0018),
        Event::Write(0x19_0070, 0x0080_0000),
        Event::Read(0x19_0060),
        Event::Write(0x19_0060, 0x8083_0100),
        Event::Write(0x19_0018, 0x0080_0000),
        Event::Write(0x19_0008, 0x8000_0000),
    ];
    assert_eq!(log(&hal), want);
}

#[test]
fn every_identity_is_drained_before_the_word_of_its_bank_is_cleared() {
    let (mut hal, info) = up(Recorder::tgl());
    raise(&mut hal, &[(0, 0, 0x8000_0101), (0, 15, 0x8003_0809), (1, 2, 0x8021_0001)]);
    let report = service(&mut hal, &info);
    assert_eq!((report.user, report.context_switch), (1 << 0 | 1 << 1 | 1 << 12, 1 << 0));
    assert_eq!((report.error, report.semaphore_wait), (1 << 1, 1 << 1));
    assert_eq!(report.engines(), 1 << 0 | 1 << 1 | 1 << 12);
    let clear = hal.position(Event::Write(0x19_0018, 0x8001));
    for identity in [0x8000_0101, 0x8003_0809] {
        assert!(hal.position(Event::Write(0x19_0060, identity)) < clear);
    }
    assert!(hal.log.contains(&Event::Write(0x19_0064, 0x8021_0001)) && hal.log.contains(&Event::Write(0x19_001C, 4)));
}

#[test]
fn a_unit_without_identity_is_still_cleared_and_the_wait_is_bounded() {
    let (mut hal, info) = up(Recorder::tgl());
    raise(&mut hal, &[(0, 15, 0)]);
    let before = hal.now;
    let report = service(&mut hal, &info);
    assert_eq!((report.silent, report.engines()), (1, 0));
    assert_eq!(hal.regs[&0x19_0018], 0);
    assert!(hal.now - before <= 100_000, "100 us at most");
    assert_eq!(hal.log.last(), Some(&Event::Write(0x19_0010, 0x8000_0000)));
}

#[test]
fn identities_of_absent_engines_and_of_firmware_are_counted_and_name_nobody() {
    let (mut hal, info) = up(Recorder::tgl());
    // CCS1, GuC, class 7.
    raise(&mut hal, &[(0, 5, 0x8015_0001), (0, 25, 0x8004_8000), (0, 3, 0x8FF7_FFFF)]);
    let report = service(&mut hal, &info);
    assert_eq!((report.foreign, report.engines(), report.ours), (3, 0, true));
}

#[test]
fn a_message_that_is_not_ours_only_switches_interrupts_on_again() {
    let (mut hal, info) = up(Recorder::tgl());
    assert_eq!(service(&mut hal, &info), IrqReport::default());
    assert_eq!(hal.log, [Event::Write(0x19_0010, 0), Event::Read(0x19_0010), Event::Write(0x19_0010, 0x8000_0000)]);
    let (mut hal, info) = up(Recorder::lnl());
    assert_eq!(service(&mut hal, &info), IrqReport::default());
    assert_eq!(log(&hal), [Event::Write(0x19_0008, 0), Event::Read(0x19_0008), Event::Write(0x19_0008, 0x8000_0000)]);
}

#[test]
fn a_device_that_is_gone_is_reported_and_left_off() {
    for make in [Recorder::tgl as fn() -> Recorder, Recorder::lnl] {
        for reads in 0..3 {
            let (mut hal, info) = up(make());
            raise(&mut hal, &[(0, 15, 0x8003_0001)]);
            let seen = hal.uses(crate::recorder::Point::Gone);
            let mut hal = hal.fail_at(crate::recorder::Point::Gone, seen + reads);
            assert!(service(&mut hal, &info).gone);
            assert!(!matches!(hal.log.last(), Some(Event::Write(_, 0x8000_0000))));
        }
    }
}

#[test]
fn hardware_errors_and_system_firmware_requests_are_taken_along() {
    let (mut hal, info) = up(Recorder::lnl());
    hal.regs.extend([(0x19_0008, 1), (0x19_0010, 1 << 29 | 1 << 28 | 1 << 26), (0x4_44F8, 1 << 27)]);
    let report = service(&mut hal, &info);
    assert_eq!((report.ours, report.hardware_errors), (true, 5));
    assert_eq!(hal.regs[&0x4_44F8], 0);
}

/// A part with one tile more, as far as interrupts are concerned.
fn with_second_tile(mut info: DeviceInfo) -> DeviceInfo {
    let tile = info.tiles[0].clone();
    info.tiles.push(tile).unwrap();
    info
}

#[test]
fn a_register_of_tile_0_says_which_tiles_are_pending() {
    let (mut hal, info) = up(Recorder::lnl());
    // Tile 1 has a correctable error to report, and GU_MISC, which is on tile 0 alone; tile 2 there is not.
    hal.regs.extend([(0x19_0008, 1 << 1 | 1 << 2), (0x119_0010, 1 << 26 | 1 << 29)]);
    let report = service(&mut hal, &with_second_tile(info));
    assert_eq!(report, IrqReport { ours: true, hardware_errors: 1, ..IrqReport::default() });
    let flush = |event: &&Event| !matches!(event, Event::Write(0x113_0030, 0));
    let want = [
        Event::Write(0x19_0008, 0),
        Event::Read(0x19_0008),
        Event::Write(0x19_0008, 1 << 1 | 1 << 2),
        Event::Read(0x119_0010),
        Event::Write(0x119_0010, 1 << 26 | 1 << 29),
        Event::Write(0x19_0008, 0x8000_0000),
    ];
    assert_eq!(log(&hal).iter().filter(flush).copied().collect::<Vec<_>>(), want);
}

#[test]
fn before_12_10_every_tile_has_a_top_level_of_its_own() {
    let (mut hal, info) = up(Recorder::tgl());
    hal.regs.insert(0x119_0010, 1 << 28);
    let report = service(&mut hal, &with_second_tile(info));
    assert_eq!(report, IrqReport { ours: true, hardware_errors: 4, ..IrqReport::default() });
    let top = |tile: u32| tile << 24 | 0x19_0010;
    let of_tile = |tile| [Event::Write(top(tile), 0), Event::Read(top(tile)), Event::Write(top(tile), 0x8000_0000)];
    assert_eq!(hal.log, [of_tile(0), of_tile(1)].concat());
}

#[test]
fn what_tile_0_has_alone_is_not_touched_on_another() {
    for (mut hal, format, top) in [(Recorder::tgl(), &GEN12.gt, Some(0x119_0010)), (Recorder::lnl(), &XE2.gt, None)] {
        enables::install(&mut Registers::on_tile(&mut hal, format, 1));
        enables::reset(&mut Registers::on_tile(&mut hal, format, 1), EngineMask(3));
        let outside =
            hal.log.iter().filter(|event| !matches!(event, Event::Write(at, _) | Event::Read(at) if at >> 24 == 1));
        assert_eq!(outside.count(), 0);
        let gu_misc_or_tiles = |at: u32| (0x144_44F0..0x144_4500).contains(&at) || at == 0x119_0008;
        assert_eq!(hal.writes(gu_misc_or_tiles), []);
        let on = hal.writes(|at| at == 0x119_0010).into_iter().filter(|(_, value)| *value == 0x8000_0000);
        assert_eq!(on.map(|(at, _)| at).next(), top);
    }
}
