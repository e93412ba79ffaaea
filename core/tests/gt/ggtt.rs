//! The global GTT: what is written, what is left alone, what is given back.

use crate::recorder::{Event, Recorder};
use barexe_core::gt::{DeviceInfo, bring_up};
use barexe_core::mem::format::GgttCaching;
use barexe_core::mem::ggtt::{Ggtt, GgttNode};
use barexe_core::{Capacity, Error, Slot};
use barexe_hal::BusAddr;

type Slots = [Slot<GgttNode>; 6];
const SLOTS: Slots = [const { Slot::EMPTY }; 6];

const FIRST_TGL: usize = 0x200;
const FIRST_LNL: usize = 0x800;
const END: usize = 0xF_EE00;

fn up(mut hal: Recorder) -> (Recorder, DeviceInfo) {
    let info = bring_up(&mut hal).unwrap();
    hal.log.clear();
    (hal, info)
}

fn bus(addr: u64) -> BusAddr {
    BusAddr::new(addr).unwrap()
}

#[test]
fn set_up_fills_the_window_and_nothing_else_with_scratch() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = SLOTS;
    let ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    assert_eq!(ggtt.usable(), (0x200, 0xF_EE00));
    let scratch = hal.ggtt[FIRST_TGL];
    assert_eq!(scratch, 0x1_2345_6001);
    assert!(hal.ggtt[FIRST_TGL..END].iter().all(|entry| *entry == scratch));
    assert!(hal.ggtt[..FIRST_TGL].iter().chain(&hal.ggtt[END..]).all(|entry| *entry == 0));
    ggtt.close(&mut hal);
    assert!(hal.ggtt.iter().all(|entry| *entry == 0));
    assert_eq!(hal.live_buffers, 0);
}

#[test]
fn firmware_entries_survive_set_up_use_and_close() {
    let (mut hal, info) = up(Recorder::lnl());
    let firmware: Vec<usize> = [FIRST_LNL, FIRST_LNL + 1, FIRST_LNL + 100, END - 1].into();
    for page in &firmware {
        hal.ggtt[*page] = 0xABCD_E001;
    }
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    assert_eq!(ggtt.ranges_in_use(), 3, "neighbours share a node");
    let range = ggtt.alloc(98, 1).unwrap();
    assert_eq!(range.addr().get() >> 12, 0x802, "first fit lies between the firmware's ranges");
    ggtt.map(&mut hal, &range, bus(0x10_0000), GgttCaching::Cached).unwrap();
    ggtt.free(&mut hal, range);
    ggtt.close(&mut hal);
    for (page, entry) in hal.ggtt.iter().enumerate() {
        assert_eq!(*entry, if firmware.contains(&page) { 0xABCD_E001 } else { 0 }, "page {page:#x}");
    }
}

#[test]
fn entries_are_those_of_the_sheet() {
    // page-tables sheet §4 check 4.
    let cases = [
        (Recorder::tgl as fn() -> Recorder, GgttCaching::Cached, 0x0000_0001_2345_6001),
        (Recorder::tgl, GgttCaching::Uncached, 0x0000_0001_2345_6001),
        (Recorder::lnl, GgttCaching::Cached, 0x0020_0001_2345_6001),
        (Recorder::lnl, GgttCaching::Uncached, 0x0030_0001_2345_6001),
    ];
    for (make, caching, entry) in cases {
        let (mut hal, info) = up(make());
        let mut slots = SLOTS;
        let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
        let range = ggtt.alloc(2, 1).unwrap();
        ggtt.map(&mut hal, &range, bus(0x1_2345_6000), caching).unwrap();
        let page = usize::try_from(range.addr().get() >> 12).unwrap();
        assert_eq!(hal.ggtt[page..page + 2], [entry, entry + 0x1000]);
        ggtt.free(&mut hal, range);
        ggtt.close(&mut hal);
    }
}

#[test]
fn an_update_is_one_run_then_the_barrier_then_the_invalidation_of_each_gt() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let range = ggtt.alloc(200, 1).unwrap();
    hal.log.clear();
    ggtt.map(&mut hal, &range, bus(0x4000), GgttCaching::Cached).unwrap();
    let run = Event::Entries(0x80_0000 + 8 * 0x200, 0x4001, 0x1000, 200);
    assert_eq!(hal.log, [run, Event::Read(0x19_01F8), Event::Write(0xCEE8, 1)]);
    ggtt.free(&mut hal, range);
    ggtt.close(&mut hal);
}

#[test]
fn lnl_fences_every_63_entries_and_invalidates_both_gts() {
    let (mut hal, info) = up(Recorder::lnl());
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let mut since_fence = 0;
    for event in &hal.log {
        match event {
            Event::Entries(.., count) => since_fence += count,
            Event::Write(0x38_0D8C, 0) => since_fence = 0,
            _ => {}
        }
        assert!(since_fence <= 63);
    }
    assert_eq!(since_fence, 0);
    let range = ggtt.alloc(64, 1).unwrap();
    hal.log.clear();
    ggtt.map(&mut hal, &range, bus(0x4000), GgttCaching::Cached).unwrap();
    let interesting: Vec<Event> = hal.log.iter().filter(|e| **e != Event::Write(0x13_0030, 0)).copied().collect();
    let entry = |page: u32, addr: u64, count| Event::Entries(0x80_0000 + 8 * page, 2 << 52 | addr | 1, 0x1000, count);
    let want = [
        entry(0x800, 0x4000, 63),
        Event::Write(0x38_0D8C, 0),
        entry(0x83F, 0x4_3000, 1),
        Event::Write(0x38_0D8C, 0),
        Event::Read(0x19_01F8),
        Event::Write(0xCF80, 0x40),
        Event::Write(0xCF7C, 1),
        Event::Write(0x38_CF80, 0x40),
        Event::Write(0x38_CF7C, 1),
    ];
    assert_eq!(interesting, want);
    ggtt.free(&mut hal, range);
    ggtt.close(&mut hal);
}

#[test]
fn freed_pages_show_scratch_again_and_are_found_again() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let scratch = hal.ggtt[FIRST_TGL];
    let [a, b, c] = [4, 8, 4].map(|pages| ggtt.alloc(pages, 1).unwrap());
    ggtt.map(&mut hal, &b, bus(0x10_0000), GgttCaching::Cached).unwrap();
    let addr = b.addr();
    ggtt.free(&mut hal, b);
    assert!(hal.ggtt[FIRST_TGL..FIRST_TGL + 16].iter().all(|entry| *entry == scratch));
    let again = ggtt.alloc(8, 1).unwrap();
    assert_eq!(again.addr(), addr);
    for range in [a, c, again] {
        ggtt.free(&mut hal, range);
    }
    assert_eq!(ggtt.ranges_in_use(), 0);
    ggtt.close(&mut hal);
}

#[test]
fn alignment_skips_and_a_full_table_or_too_few_slots_are_named() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let one = ggtt.alloc(1, 1).unwrap();
    let aligned = ggtt.alloc(16, 16).unwrap();
    assert_eq!(aligned.addr().get(), 0x21_0000);
    assert_eq!(ggtt.alloc(0, 1).unwrap_err(), Error::invalid("GGTT range in pages", 0));
    assert_eq!(ggtt.alloc(1, 3).unwrap_err(), Error::invalid("GGTT alignment in pages", 3));
    assert_eq!(ggtt.alloc(1 << 20, 1).unwrap_err(), Error::Exhausted(Capacity::GgttSpace));
    assert_eq!(ggtt.alloc(u32::MAX, 1 << 31).unwrap_err(), Error::Exhausted(Capacity::GgttSpace));
    // Slots: two taken, four left; N - 1, N, N + 1.
    let rest: Vec<_> = (0..4).map(|_| ggtt.alloc(1, 1).unwrap()).collect();
    assert_eq!(ggtt.alloc(1, 1).unwrap_err(), Error::Exhausted(Capacity::GgttNodes));
    for range in rest.into_iter().chain([one, aligned]) {
        ggtt.free(&mut hal, range);
    }
    let all = ggtt.alloc(0xF_EE00 - 0x200, 1).unwrap();
    assert_eq!(ggtt.alloc(1, 1).unwrap_err(), Error::Exhausted(Capacity::GgttSpace));
    ggtt.free(&mut hal, all);
    ggtt.close(&mut hal);
}

#[test]
fn more_firmware_ranges_than_slots_is_refused_before_anything_is_written() {
    let (mut hal, info) = up(Recorder::tgl());
    for page in 0..7 {
        hal.ggtt[FIRST_TGL + 2 * page] = 1;
    }
    let mut slots = SLOTS;
    let (error, returned) = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap_err();
    assert_eq!(error, Error::Exhausted(Capacity::GgttNodes));
    assert_eq!(returned.len(), SLOTS.len());
    assert!(!hal.log.iter().any(|event| matches!(event, Event::Entries(..))));
    hal.ggtt[FIRST_TGL] = 0;
    let ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    assert_eq!(ggtt.ranges_in_use(), 6);
    ggtt.close(&mut hal);
}

#[test]
fn parts_map_apart_and_what_is_outside_or_out_of_reach_is_refused() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = SLOTS;
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let range = ggtt.alloc(4, 1).unwrap();
    ggtt.map_part(&mut hal, &range, (1, 2), bus(0x8000), GgttCaching::Cached).unwrap();
    assert_eq!(hal.ggtt[FIRST_TGL + 1..FIRST_TGL + 3], [0x8001, 0x9001]);
    let before = hal.ggtt.clone();
    for (part, addr) in [((3, 2), 0), ((u32::MAX, 2), 0), ((0, 4), 0x123), ((0, 2), 0x7F_FFFF_F000), ((0, 1), 1 << 39)]
    {
        let result = ggtt.map_part(&mut hal, &range, part, bus(addr), GgttCaching::Cached);
        assert!(matches!(result, Err(Error::Invalid { .. })), "{part:?} at {addr:#x}");
    }
    ggtt.map_part(&mut hal, &range, (0, 1), bus(0x7F_FFFF_F000), GgttCaching::Cached).unwrap();
    hal.ggtt[FIRST_TGL] = before[FIRST_TGL];
    assert_eq!(hal.ggtt, before);
    ggtt.free(&mut hal, range);
    ggtt.close(&mut hal);
}

#[test]
fn random_use_never_overlaps_and_close_gives_everything_back() {
    let (mut hal, info) = up(Recorder::tgl());
    let mut slots = [const { Slot::EMPTY }; 64];
    let mut ggtt = Ggtt::set_up(&mut hal, &info, &mut slots).unwrap();
    let mut held = Vec::new();
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        u32::try_from(seed % below).unwrap()
    };
    for _ in 0..2000 {
        if random(5) < 3 {
            held.extend(ggtt.alloc(1 + random(40), 1 << random(5)).ok());
        } else if !held.is_empty() {
            let at = usize::try_from(random(held.len() as u64)).unwrap();
            ggtt.free(&mut hal, held.swap_remove(at));
        }
        let mut spans: Vec<_> = held.iter().map(|r| (r.addr().get() >> 12, r.pages())).collect();
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert!(spans.iter().all(|(first, pages)| *first >= 0x200 && first + pages <= 0xF_EE00));
    }
    let slots = ggtt.close(&mut hal);
    assert_eq!((slots.len(), hal.live_buffers), (64, 0));
    assert!(hal.ggtt.iter().all(|entry| *entry == 0));
}
