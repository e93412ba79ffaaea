//! Order and values of what bring-up writes.

use crate::recorder::{Event, Recorder};
use barexe_core::Error;
use barexe_core::gt::{DeviceInfo, EngineClass, Stepping, bring_up, quiesce, restore};
use barexe_hal::HalErrorKind;

fn up(mut hal: Recorder) -> (Recorder, DeviceInfo) {
    let info = bring_up(&mut hal).unwrap();
    (hal, info)
}

/// Asserts that the events come in this order.
fn in_order(hal: &Recorder, events: &[Event]) {
    let positions: Vec<usize> = events.iter().map(|event| hal.position(*event)).collect();
    assert!(positions.is_sorted(), "{events:x?} at {positions:?}");
}

#[test]
fn tgl_is_found_as_the_fuses_say() {
    let (_, info) = up(Recorder::tgl());
    let engines: Vec<_> = info.engines.iter().map(|e| (e.class, e.instance, e.logical, e.gt)).collect();
    let want = [
        (EngineClass::Render, 0, 0, 0),
        (EngineClass::Copy, 0, 0, 0),
        (EngineClass::VideoDecode, 0, 0, 0),
        (EngineClass::VideoDecode, 2, 1, 0),
        (EngineClass::VideoEnhance, 0, 0, 0),
    ];
    assert_eq!(engines, want);
    assert_eq!((info.platform.name, info.gt_count, info.graphics.step), ("tgl", 1, Stepping::B0));
    assert_eq!((info.timestamp_hz(0), info.ggtt_entries, info.dma_last.get()), (19_200_000, 1 << 20, 0x7F_FFFF_FFFF));
    assert!(info.client_engines().count() == 5 && !info.flat_ccs);
}

#[test]
fn lnl_offers_the_engines_of_the_recordings_and_keeps_its_highest_copy_engine() {
    let (_, info) = up(Recorder::lnl());
    let seen: Vec<_> = info.client_engines().map(|e| (e.class.client_code().unwrap(), e.logical, e.gt)).collect();
    assert_eq!(seen, [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 0, 1), (4, 0, 0)]);
    assert_eq!(info.driver_copy_engine(0).map(|e| (e.instance, e.base.get())), Some((8, 0x3E_E000)));
    assert_eq!((info.timestamp_hz(0), info.timestamp_hz(1)), (19_200_000, 24_000_000));
    assert_eq!((info.graphics.verx100(), info.graphics.step), (2004, Stepping::B0));
    assert!(info.flat_ccs);
}

#[test]
fn forcewake_is_requested_for_all_before_any_is_waited_for() {
    let (hal, _) = up(Recorder::lnl());
    // The GT domains before fuses, the others after; engines sheet §2 checks.
    in_order(
        &hal,
        &[
            Event::Write(0xA188, 0x0001_0001),
            Event::Write(0x38_A188, 0x0001_0001),
            Event::Read(0xDFC),
            Event::Read(0x38_0DFC),
            Event::Read(0x9114),
            Event::Read(0x38_9140),
            Event::Write(0xA278, 0x0001_0001),
            Event::Write(0x38_A540, 0x0001_0001),
            Event::Write(0x38_A560, 0x0001_0001),
            Event::Read(0xD84),
            Event::Read(0x38_0D50),
            Event::Read(0x38_0D70),
        ],
    );
}

#[test]
fn memory_decode_and_bus_master_come_first_and_status_bits_are_not_cleared() {
    let (hal, _) = up(Recorder::tgl());
    assert_eq!(hal.log.first(), Some(&Event::Config(4, 6)));
    assert_eq!(hal.config.get(&4), Some(&0x0010_0006));
}

#[test]
fn the_pat_is_programmed_before_interrupts_and_in_both_views_of_lnl() {
    let (hal, _) = up(Recorder::lnl());
    in_order(&hal, &[Event::Write(0x4800, 0x00C), Event::Write(0x4864, 0x614), Event::Write(0x19_0008, 0)]);
    assert_eq!(hal.regs.get(&0x38_4864), Some(&0x614));
    assert_eq!((hal.regs.get(&0x47FC), hal.regs.get(&0x38_47FC)), (Some(&0xF), Some(&0xF)));
    assert_eq!(hal.writes(|reg| reg == 0x4820), [], "page-table accesses keep their reset policy on LNL");
    let (hal, _) = up(Recorder::tgl());
    assert_eq!(hal.writes(|reg| (0x4800..0x4900).contains(&reg)), [(0x4800, 3), (0x4804, 1), (0x4808, 2), (0x480C, 0)]);
}

#[test]
fn replicated_pat_writes_of_lnl_are_made_under_the_semaphore_and_leave_the_selector_alone() {
    let (hal, _) = up(Recorder::lnl());
    let acquire = hal.position(Event::Read(0xFD0));
    let release = hal.position(Event::Write(0xFD0, 1));
    let pat = acquire + 1..release;
    assert!(
        pat.contains(&hal.position(Event::Write(0x4800, 0xC)))
            && pat.contains(&hal.position(Event::Write(0x47FC, 0xF)))
    );
    assert!(!hal.log[pat].iter().any(|event| matches!(event, Event::Write(0xFD4, _))));
}

#[test]
fn mocs_words_are_those_of_the_sheet() {
    let (hal, _) = up(Recorder::tgl());
    // engines sheet §13 checks.
    for (reg, word) in [
        (0xB020, 0x0030_0030),
        (0xB02C, 0x0030_0010),
        (0xB084, 0x0010_0010),
        (0xB09C, 0x0010_0010),
        (0x4000, 0x37),
        (0x400C, 0x05),
        (0x4048, 0x6_0037),
        (0x40FC, 0x37),
    ] {
        assert_eq!(hal.regs.get(&reg), Some(&word), "{reg:#x}");
    }
    let (hal, _) = up(Recorder::lnl());
    for shift in [0, 0x38_0000] {
        let words: Vec<u32> = (0..16).map(|i| hal.regs[&(0x4000 + 4 * i + shift)]).collect();
        assert_eq!((&words[..4], words[15]), (&[0x0C, 0x10C, 0x130, 0x13C][..], 0x100));
    }
    assert_eq!(hal.writes(|reg| (0xB020..0xB060).contains(&reg)), [], "no LNCF table from graphics 20 on");
}

#[test]
fn tgl_bcs0_list_is_that_of_the_sheet() {
    let (hal, _) = up(Recorder::tgl());
    let list = hal.writes(|reg| (0x2_2000..0x2_2800).contains(&reg) && ![0x2_209C, 0x2_20B0, 0x2_20B4].contains(&reg));
    // engines sheet §5 checks, then the slot that lets batches read the context timestamp (§4 checks).
    assert_eq!(list, [(0x2_20C4, 0x3F7E_0306), (0x2_2098, u32::MAX), (0x2_229C, 0x0008_0008), (0x2_24D0, 0x1002_23A8)]);
}

#[test]
fn lnl_rcs0_list_is_that_of_the_sheet() {
    let (hal, _) = up(Recorder::lnl());
    let wanted = [0x20C4, 0x2098, 0x229C, 0x20D4, 0x1_4800, 0x2050];
    let list = hal.writes(|reg| wanted.contains(&reg));
    // engines sheet §5 checks, one compute engine.
    assert_eq!(
        list,
        [
            (0x20C4, 0x3F7E_0306),
            (0x2098, u32::MAX),
            (0x229C, 0x0008_0008),
            (0x20D4, 0xC080_C080),
            (0x1_4800, 0x0001_0001),
            (0x2050, 0x1000_1000)
        ]
    );
}

#[test]
fn media_engines_of_lnl_lack_the_primary_gts_front_end_bit() {
    let (hal, _) = up(Recorder::lnl());
    assert_eq!(hal.writes(|reg| reg == 0x1C_00D4), [(0x1C_00D4, 0xC000_C000)]);
    assert_eq!(hal.writes(|reg| reg == 0x1C_0050), [(0x1C_0050, 0x1000_1000)]);
}

#[test]
fn with_several_compute_engines_slices_are_fixed_and_all_go_to_the_first() {
    let mut hal = Recorder::lnl();
    hal.regs.insert(0x9114, 0x0003_0000);
    let (hal, info) = up(hal);
    // engines sheet §4 and §5 checks.
    assert_eq!(hal.writes(|reg| reg & !4 == 0x1_4800), [(0x1_4800, 0x0003_0003), (0x1_4804, 0x0FFF_0000)]);
    assert_eq!(info.client_engines().filter(|e| e.class == EngineClass::Compute).count(), 1);
    assert_eq!(info.engines.iter().filter(|e| e.class == EngineClass::Compute).count(), 2);
}

#[test]
fn a_steered_change_reads_a_live_copy_and_writes_all() {
    let mut hal = Recorder::lnl();
    hal.regs.insert(0x9118, 0x0002_00C0);
    hal.regs.insert(0xB154, 0x0000_0001);
    let (hal, _) = up(hal);
    // First bank 6: group 1, instance 2 (engines sheet §2 checks), multicast bit kept.
    let read = hal.position(Event::Read(0xB154));
    let select = hal.log[..read].iter().rfind(|event| matches!(event, Event::Write(0xFD4, _)));
    assert_eq!(select, Some(&Event::Write(0xFD4, 0x8000_0102)));
    assert_eq!(hal.log[read + 1], Event::Write(0xB154, 0x0002_0001));
    assert_eq!(hal.log[read + 2], Event::Write(0xFD0, 1));
}

#[test]
fn tgl_steers_by_the_older_selector() {
    let mut hal = Recorder::tgl();
    hal.regs.insert(0x913C, 1 << 9);
    let (hal, _) = up(hal);
    // DSS 9 is subslice 3 of slice 1 (engines sheet §2 checks).
    let read = hal.position(Event::Read(0x9550));
    assert_eq!(hal.log[read - 1], Event::Write(0xFDC, 0x8B00_0000));
    assert_eq!(hal.log[read + 1], Event::Write(0x9550, 1 << 9));
}

#[test]
fn lnl_flushes_pending_writes_before_every_read() {
    let (hal, _) = up(Recorder::lnl());
    let flush = Event::Write(0x13_0030, 0);
    for (at, event) in hal.log.iter().enumerate().filter(|(_, event)| matches!(event, Event::Read(_))) {
        assert_eq!(hal.log[at - 4..at], [flush; 4], "before {event:x?}");
    }
    let (hal, _) = up(Recorder::tgl());
    assert!(!hal.log.contains(&flush));
}

#[test]
fn interrupts_are_reset_then_installed_then_enabled_per_class() {
    let (hal, _) = up(Recorder::tgl());
    in_order(
        &hal,
        &[
            Event::Write(0x19_0010, 0),
            Event::Write(0x19_0030, 0),
            Event::Write(0x19_0090, u32::MAX),
            Event::Write(0x4_44E4, u32::MAX),
            Event::Irq(true),
            Event::Write(0x4_44F4, !(1 << 27)),
            Event::Write(0x19_0010, 0x8000_0000),
            Event::Write(0x19_0030, 0x0909_0909),
            Event::Write(0x19_0034, 0x0909_0909),
        ],
    );
    for (reg, word) in [
        (0x19_0090, 0xF6F6_FFFF),
        (0x19_00A0, 0xF6F6_FFFF),
        (0x19_00A8, 0xF6F6_F6F6),
        (0x19_00B4, 0xF6F6_F6F6),
        (0x19_00D4, 0xF6F6_F6F6),
    ] {
        assert_eq!(hal.regs.get(&reg), Some(&word), "{reg:#x}");
    }
    assert_eq!(hal.writes(|reg| reg == 0x19_0048), [], "no compute engine on TGL");
}

#[test]
fn lnl_enables_compute_and_its_ninth_copy_engine_and_silences_the_gsc() {
    let (hal, _) = up(Recorder::lnl());
    for (reg, word) in [
        (0x19_0048, 0x0909_0000),
        (0x19_0100, 0xF6F6_F6F6),
        (0x19_011C, 0xF6F6_F6F6),
        (0x19_0044, 0),
        (0x19_00F4, u32::MAX),
    ] {
        assert_eq!(hal.regs.get(&reg), Some(&word), "{reg:#x}");
    }
    in_order(&hal, &[Event::Write(0x19_0010, u32::MAX), Event::Write(0x19_0008, 0x8000_0000)]);
    assert_eq!(hal.writes(|reg| reg == 0x19_0110), [], "BCS1 and BCS2 do not exist");
}

#[test]
fn quiesce_undoes_in_reverse_and_leaves_the_command_register_as_found() {
    let (mut hal, info) = up(Recorder::lnl());
    hal.log.clear();
    quiesce(&mut hal, &info);
    in_order(
        &hal,
        &[
            Event::Write(0x19_0008, 0),
            Event::Write(0x19_0030, 0),
            Event::Write(0x19_0010, u32::MAX),
            Event::Write(0x38_A560, 0x0001_0000),
            Event::Write(0xA188, 0x0001_0000),
            Event::Irq(false),
            Event::Config(4, 0),
        ],
    );
    assert_eq!((hal.awake(), hal.config[&4], hal.irq_on), (vec![], 0x0010_0000, false));
}

#[test]
fn quiesce_works_on_a_device_that_is_gone() {
    let (mut hal, info) = up(Recorder::tgl());
    (hal.gone, hal.deaf) = (true, true);
    let before = hal.now;
    quiesce(&mut hal, &info);
    assert_eq!((hal.irq_on, hal.config[&4]), (false, 0x0010_0000));
    assert!(hal.now - before < 1_000_000, "a gone device is not waited for");
}

#[test]
fn quiesce_of_a_device_that_stopped_acknowledging_is_bounded() {
    let (mut hal, info) = up(Recorder::tgl());
    hal.deaf = true;
    let before = hal.now;
    quiesce(&mut hal, &info);
    assert!(hal.now - before <= 6 * 50_000_000, "50 ms per domain at most");
}

#[test]
fn unknown_devices_are_refused_with_what_was_read() {
    let refused = |offset, word| {
        let mut hal = Recorder::lnl();
        hal.config.insert(offset, word);
        let error = bring_up(&mut hal).unwrap_err();
        assert!(hal.log.is_empty(), "nothing was written");
        error
    };
    assert_eq!(refused(0, 0x9A49_1002), Error::invalid("PCI vendor id", 0x1002));
    assert_eq!(refused(0, 0x1234_8086), Error::invalid("PCI device id", 0x1234));
    assert_eq!(refused(0, u32::MAX), Error::DeviceGone);
}

#[test]
fn an_unknown_graphics_version_is_refused_and_an_unknown_media_version_runs_without_media() {
    let with = |reg, word| {
        let mut hal = Recorder::lnl();
        hal.regs.insert(reg, word);
        let result = bring_up(&mut hal);
        (hal, result)
    };
    let (hal, result) = with(0xD8C, 0x0780_0000);
    assert_eq!(result.unwrap_err(), Error::invalid("graphics version", 3000));
    assert_eq!(hal.config[&4], 0x0010_0000);
    assert_eq!(with(0xD8C, 0).1.unwrap_err(), Error::invalid("graphics version", 0));
    for media in [0, 0x0FC0_0000] {
        let (hal, result) = with(0x38_0D8C, media);
        let info = result.unwrap();
        assert_eq!((info.gt_count, info.media), (1, None));
        assert!(info.engines.iter().all(|e| e.gt == 0));
        assert_eq!(hal.writes(|reg| (0x38_0000..0x3C_0000).contains(&reg)), [], "the media GT is left alone");
    }
}

#[test]
fn a_missing_ggtt_is_an_error() {
    let mut hal = Recorder::tgl();
    hal.config.insert(0x50, 0);
    assert!(matches!(bring_up(&mut hal), Err(Error::DeviceBroken { .. })));
    hal.config.insert(0x50, 0x80);
    assert_eq!(bring_up(&mut hal).unwrap().ggtt_entries, 1 << 19);
}

#[test]
fn a_domain_that_never_wakes_times_out_after_50_ms() {
    let mut hal = Recorder::tgl();
    hal.deaf = true;
    assert_eq!(bring_up(&mut hal).unwrap_err(), Error::TimedOut);
    assert!((50_000_000..52_000_000).contains(&hal.now));
    assert_eq!(hal.awake(), [0u32; 0]);
}

#[test]
fn a_semaphore_that_never_comes_is_passed_over() {
    let mut hal = Recorder::lnl();
    hal.regs.remove(&0xFD0);
    assert!(bring_up(&mut hal).is_ok());
}

#[test]
fn a_platform_without_interrupts_is_an_error_that_undoes() {
    let mut hal = Recorder::tgl().fail_at(crate::recorder::Point::IrqEnable, 0);
    assert_eq!(bring_up(&mut hal).unwrap_err(), Error::Hal(HalErrorKind::Unsupported.into()));
    assert_eq!((hal.awake(), hal.config[&4]), (vec![], 0x0010_0000));
}

/// Registers a GT reset loses: not interrupts, forcewake, steering or the flush.
fn is_lost_by_reset(reg: u32) -> bool {
    let local = reg & 0x7_FFFF;
    let kept = [0xFD0, 0xFD4, 0xFDC, 0xDFC, 0xA188, 0xA278].contains(&local) || (0xA540..0xA570).contains(&local);
    let ack = (0xD50..0xD90).contains(&local) && local != 0xD8C;
    !kept && !ack && !(0x19_0000..0x1A_0000).contains(&reg) && !(0x4_44E0..0x4_4500).contains(&reg) && reg >> 16 != 0x13
}

#[test]
fn after_a_reset_everything_it_lost_is_programmed_as_at_bring_up() {
    for make in [Recorder::tgl, Recorder::lnl] {
        let (mut hal, info) = up(make());
        let first = hal.writes(is_lost_by_reset);
        hal.regs.retain(|reg, _| !is_lost_by_reset(*reg));
        hal.regs.extend(make().regs);
        hal.log.clear();
        restore(&mut hal, &info).unwrap();
        assert_eq!(hal.writes(is_lost_by_reset), first);
        in_order(&hal, &[Event::Write(0xA188, 0x0001_0001), Event::Write(0x19_0030, 0x0909_0909), Event::Read(0xD00)]);
    }
}

#[test]
fn a_failed_restore_may_be_repeated_and_quiesce_still_gives_everything_back() {
    let (hal, info) = up(Recorder::lnl());
    let relaxed = hal.uses(crate::recorder::Point::Relax);
    let mut hal = hal.fail_at(crate::recorder::Point::Relax, relaxed);
    // The acknowledges fall with the reset and come back late.
    hal.regs.insert(0xDFC, 0);
    assert_eq!(restore(&mut hal, &info), Err(Error::Interrupted));
    assert_eq!(restore(&mut hal, &info), Ok(()));
    quiesce(&mut hal, &info);
    assert_eq!((hal.awake(), hal.config[&4]), (vec![], 0x0010_0000));
}
