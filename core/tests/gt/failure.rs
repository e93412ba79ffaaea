//! All or nothing: each HAL call fails once, at every use, and the device is as before.

use crate::recorder::{Event, Point, Recorder};
use barexe_core::Slot;
use barexe_core::gt::irq::service;
use barexe_core::gt::{bring_up, quiesce};
use barexe_core::mem::ggtt::Ggtt;

const COMMAND_BEFORE: u32 = 0x0010_0000;

/// Interrupt registers are off: top level, enables 0, masks all ones.
fn interrupts_are_off(hal: &Recorder) {
    let last = |reg| hal.writes(|other| other == reg).last().map(|(_, value)| *value);
    let top = if hal.regs.contains_key(&0xFD0) { 0x19_0008 } else { 0x19_0010 };
    assert_ne!(last(top), Some(0x8000_0000));
    for enable in [0x19_0030, 0x19_0034, 0x19_0048] {
        assert!(matches!(last(enable), None | Some(0)));
    }
    for mask in [0x19_0090, 0x19_00A0, 0x19_00A8, 0x19_0100] {
        assert!(matches!(last(mask), None | Some(u32::MAX)));
    }
    assert!(!hal.irq_on);
}

fn bring_up_is_all_or_nothing(make: fn() -> Recorder, point: Point) -> usize {
    let mut clean = make();
    bring_up(&mut clean).unwrap();
    for nth in 0..clean.uses(point) {
        let mut hal = make().fail_at(point, nth);
        let result = bring_up(&mut hal);
        assert!(result.is_err(), "{point:?} {nth} is noticed");
        assert_eq!(hal.config[&4], COMMAND_BEFORE, "{point:?} {nth}");
        assert_eq!(hal.awake(), [0u32; 0], "{point:?} {nth}");
        interrupts_are_off(&hal);
        assert_eq!(hal.live_buffers, 0);
        assert!(!hal.log.iter().any(|event| matches!(event, Event::Entries(..))), "the GGTT is not touched");
        assert!(bring_up(&mut hal).is_ok(), "the same call then succeeds");
    }
    clean.uses(point)
}

#[test]
fn a_failure_at_any_hal_call_of_bring_up_leaves_the_device_as_before() {
    for make in [Recorder::tgl, Recorder::lnl] {
        for point in [Point::Config, Point::Relax, Point::IrqEnable] {
            let points = bring_up_is_all_or_nothing(make, point);
            println!("bring-up: {points} failure points of kind {point:?}");
            assert!(points > 0);
        }
    }
}

#[test]
fn a_device_that_goes_at_any_read_never_hangs_bring_up_and_gives_the_bus_back() {
    for make in [Recorder::tgl, Recorder::lnl] {
        let mut clean = make();
        bring_up(&mut clean).unwrap();
        let mut noticed = 0;
        for nth in 0..clean.uses(Point::Gone) {
            let mut hal = make().fail_at(Point::Gone, nth);
            if bring_up(&mut hal).is_err() {
                noticed += 1;
                assert_eq!((hal.config[&4], hal.irq_on), (COMMAND_BEFORE, false), "read {nth}");
            }
        }
        assert!(noticed * 2 > clean.uses(Point::Gone), "most reads notice");
    }
}

#[test]
fn a_failure_at_any_hal_call_of_ggtt_set_up_leaves_the_table_as_before() {
    for make in [Recorder::tgl, Recorder::lnl] {
        for point in [Point::Alloc, Point::Gone] {
            let mut clean = make();
            let info = bring_up(&mut clean).unwrap();
            let before = clean.uses(point);
            let mut slots = [const { Slot::EMPTY }; 4];
            let reads = |hal: &Recorder| hal.log.iter().filter(|e| matches!(e, Event::ReadEntries(..))).count();
            let ggtt = Ggtt::set_up(&mut clean, &info, &mut slots).unwrap();
            // Register reads after the scan cannot fail any more: they are barriers.
            let points = if point == Point::Gone { reads(&clean) } else { clean.uses(point) - before };
            ggtt.close(&mut clean);
            for nth in (0..points).step_by(if points > 1000 { 997 } else { 1 }) {
                let mut hal = make();
                let info = bring_up(&mut hal).unwrap();
                let mut hal = hal.fail_at(point, before + nth);
                assert!(Ggtt::set_up(&mut hal, &info, &mut slots).is_err(), "{point:?} {nth}");
                assert!(hal.ggtt.iter().all(|entry| *entry == 0));
                assert_eq!(hal.live_buffers, 0);
            }
        }
    }
}

#[test]
fn a_device_that_answers_anything_neither_panics_nor_hangs_nor_keeps_what_it_was_given() {
    let mut came_up = 0;
    for seed in 1..400u64 {
        for make in [Recorder::tgl, Recorder::lnl] {
            let mut hal = make();
            hal.noise = Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            if let Ok(info) = bring_up(&mut hal) {
                came_up += 1;
                for _ in 0..4 {
                    let report = service(&mut hal, &info);
                    assert_eq!(report.engines() & !(info.engine_mask(0).0 | info.engine_mask(1).0), 0);
                }
                quiesce(&mut hal, &info);
            }
            assert_eq!((hal.config[&4], hal.awake(), hal.irq_on), (COMMAND_BEFORE, vec![], false), "seed {seed}");
            assert!(hal.now < 5_000_000_000, "every wait is bounded");
        }
    }
    assert!(came_up > 0, "some noise is survived");
}
