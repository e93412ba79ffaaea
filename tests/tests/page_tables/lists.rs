//! Lists of pages: the same entries as the runs they make.

use super::model::{random_pages, random_range};
use super::{FORMATS, plain, range};
use barexe_core::mem::format::PtFormat;
use barexe_core::mem::tree::{Segment, Sizes, VaRange};
use barexe_hal::BusAddr;
use barexe_tests::random::Random;
use barexe_tests::tables::{Leaf, Room, with_tables};

/// The pages as runs: neighbours that continue each other are one.
fn runs(pages: &[BusAddr]) -> Vec<Segment<'static>> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some((addr, bytes)) if *addr + *bytes == page.get() => *bytes += 4096,
            _ => runs.push((page.get(), 4096)),
        }
    }
    runs.into_iter().map(|(addr, bytes)| super::run(addr, bytes)).collect()
}

/// Sizes noted, tables made and leaves found after a bind into an empty tree, or beside a page in the first slot.
fn bound(format: &'static PtFormat, beside: bool, span: VaRange, segments: &[Segment<'_>]) -> (Sizes, u32, Vec<Leaf>) {
    with_tables(format, false, Room::PLENTY, |rig| {
        if beside {
            let page = range(span.start - 4096, span.start);
            rig.bind(page, super::one(0x5000, 4096), plain(format), false).unwrap();
        }
        let done = rig.bind(span, segments.iter().copied(), plain(format), false).unwrap();
        let leaves = rig.walk(span).collect();
        (done.answer.sizes, done.created, leaves)
    })
}

fn assert_same(format: &'static PtFormat, span: VaRange, pages: &[BusAddr], seed: u64) {
    let beside = span.start > 0 && seed.is_multiple_of(2);
    let listed = bound(format, beside, span, &[Segment::Pages(pages)]);
    let in_runs = bound(format, beside, span, &runs(pages));
    assert_eq!((listed.0, listed.1), (in_runs.0, in_runs.1), "seed {seed} {span:?}");
    for (list, run) in listed.2.iter().zip(&in_runs.2) {
        assert_eq!(list, run, "seed {seed} {span:?}");
    }
    assert_eq!(listed.2.len(), in_runs.2.len(), "seed {seed}");
}

#[test]
fn a_list_is_bound_as_the_runs_it_makes() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let span = random_range(&mut random);
        if span.len_bytes() <= 64 << 20 {
            let pages = random_pages(&mut random, span.len_bytes());
            FORMATS.iter().for_each(|format| assert_same(format, span, &pages, seed));
        }
    }
}

/// Slots that are all of one kind, and what breaks the row: a group, a leaf, a slot that could be compact.
#[test]
fn whole_slots_of_a_list_are_bound_as_the_runs_they_make() {
    let page = |addr: u64| BusAddr::new(addr).unwrap();
    let scattered = |slot: u64| (0..512u64).map(move |n| page(0x1_0000_1000 + slot * 0x100_0000 + n * 0x2000));
    let block = |addr: u64| (0..512u64).map(move |n| page(addr + n * 0x1000));
    for odd in 0..5u64 {
        for kind in 0..5u64 {
            let mut pages: Vec<BusAddr> = (0..5).flat_map(scattered).collect();
            let at = (odd * 512) as usize;
            match kind {
                // A group in the middle, at the start, at the end.
                0..3 => {
                    let place = at + [256, 0, 496][kind as usize];
                    pages[place..place + 16].copy_from_slice(&block(0x30_0000).take(16).collect::<Vec<_>>());
                }
                3 => pages[at..at + 512].copy_from_slice(&block(0x4000_0000).collect::<Vec<_>>()),
                _ => pages[at..at + 512].copy_from_slice(&block(0x4001_0000).collect::<Vec<_>>()),
            }
            let span = range(0x4000_0000, 0x4000_0000 + 5 * (2 << 20));
            FORMATS.iter().for_each(|format| assert_same(format, span, &pages, odd * 5 + kind));
        }
    }
}
