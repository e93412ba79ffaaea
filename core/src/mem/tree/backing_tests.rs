//! How lists of pages, runs and nothing are cut into entries.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

use super::*;
use crate::family::XE2;
use crate::mem::format::AtomicPolicy;
use crate::mem::pat::PatIndex;
use std::vec::Vec;

fn bits() -> LeafBits {
    XE2.pt.leaf_bits(PatIndex::row(0), false, AtomicPolicy::Cpu)
}

fn bus(addr: u64) -> BusAddr {
    BusAddr::new(addr).unwrap()
}

/// Runs of entries from `va` to `end`: how many, and whether they carry the hint.
fn cut<'p>(va: u64, end: u64, segments: &[Segment<'p>]) -> Vec<(u32, bool)> {
    let mut cursor = Cursor::new(segments.iter().copied());
    let (mut va, mut runs) = (va, Vec::new());
    while va < end {
        let (entries, hinted) = cursor.small(va, end - va, bits());
        let bytes = u64::from(entries.count()) * PAGE_BYTES;
        if bytes == 0 {
            break;
        }
        runs.push((entries.count(), hinted));
        cursor.advance(bytes);
        va += bytes;
    }
    runs
}

fn list(addr: u64, count: u64) -> Vec<BusAddr> {
    (0..count).map(|n| bus(addr + n * PAGE_BYTES)).collect()
}

/// Geometry, check 6: one segment and the same pages one by one.
#[test]
fn the_hint_is_given_to_whole_groups_that_lie_alike_in_both_spaces() {
    let want = [(15, false), (16, true), (1, false)];
    assert_eq!(cut(0x3_1000, 0x5_1000, &[Segment::Run { addr: bus(0x6_1000), bytes: 0x2_0000 }]), want);
    assert_eq!(cut(0x3_1000, 0x5_1000, &[Segment::Pages(&list(0x6_1000, 32))]), want);
    assert_eq!(cut(0x3_1000, 0x5_1000, &[Segment::Null]), want);
}

#[test]
fn memory_that_lies_askew_is_one_plain_run() {
    assert_eq!(cut(0x4_0000, 0x8_0000, &[Segment::Run { addr: bus(0x6_1000), bytes: 0x4_0000 }]), [(64, false)]);
    assert_eq!(cut(0x4_0000, 0x8_0000, &[Segment::Pages(&list(0x6_1000, 64))]), [(64, false)]);
}

#[test]
fn a_group_over_two_runs_is_none_but_pages_that_continue_are_one_piece() {
    let halves = [0x6_0000, 0x6_8000].map(|addr| Segment::Run { addr: bus(addr), bytes: 0x8000 });
    assert_eq!(cut(0x4_0000, 0x5_0000, &halves), [(8, false), (8, false)]);
    assert_eq!(cut(0x4_0000, 0x5_0000, &[Segment::Pages(&list(0x6_0000, 16))]), [(16, true)]);
}

#[test]
fn groups_of_a_list_join_only_if_they_continue_each_other() {
    let mut pages = list(0x6_0000, 32);
    pages.extend(list(0xA_0000, 16));
    pages.extend(list(0xF_1000, 16));
    assert_eq!(cut(0, 0x5_0000, &[Segment::Pages(&pages)]), [(32, true), (16, true), (16, false)]);
}

#[test]
fn a_group_needs_its_whole_64_kib_in_the_range() {
    assert_eq!(cut(0, 0xF000, &[Segment::Run { addr: bus(0x6_0000), bytes: 0x1_0000 }]), [(15, false)]);
    assert_eq!(cut(0, 0xF000, &[Segment::Pages(&list(0x6_0000, 16))]), [(15, false)]);
    assert_eq!(cut(0, 0xF000, &[Segment::Null]), [(15, false)]);
}

#[test]
fn where_the_backing_ends_there_is_no_entry() {
    assert_eq!(cut(0, 0x4000, &[Segment::Run { addr: bus(0x6_1000), bytes: 0x2000 }]), [(2, false)]);
    assert_eq!(cut(0, 0x4000, &[Segment::Pages(&[])]), []);
    let mut cursor = Cursor::new([Segment::Pages(&[])].into_iter());
    cursor.advance(0x1000);
    assert_eq!(cursor.leaves(Level::L1, LeafLayout::Plain, SLOT_BYTES, 5, bits()).count(), 0);
}

#[test]
fn large_leaves_are_as_many_as_fit_one_after_another() {
    let leaves = |segment: Segment<'_>, bytes, limit| Cursor::new(core::iter::once(segment)).fitting(bytes, limit);
    let run = |addr, bytes| Segment::Run { addr: bus(addr), bytes };
    assert_eq!(leaves(run(0x20_0000, 0x70_0000), SLOT_BYTES, 9), 3);
    assert_eq!(leaves(run(0x20_0000, 0x70_0000), SLOT_BYTES, 2), 2);
    assert_eq!(leaves(run(0x21_0000, 0x70_0000), SLOT_BYTES, 9), 0);
    assert_eq!(leaves(Segment::Null, SLOT_BYTES, 9), 9);
    assert_eq!(leaves(Segment::Pages(&list(0x40_0000, 512)), SLOT_BYTES, 9), 1);
    assert_eq!(leaves(Segment::Pages(&list(0x40_0000, 511)), SLOT_BYTES, 9), 0);
}

#[test]
fn a_compact_table_may_be_pieced_together_from_blocks_of_64_kib() {
    let blocks: Vec<_> =
        (0..32u64).map(|n| Segment::Run { addr: bus(0x10_0000 * (n + 1)), bytes: GROUP_BYTES }).collect();
    assert!(Cursor::new(blocks.iter().copied()).fits_compact());
    assert!(!Cursor::new(blocks[1..].iter().copied()).fits_compact(), "31 are too few");
    let mut broken = blocks;
    broken[17] = Segment::Run { addr: bus(0x70_1000), bytes: GROUP_BYTES };
    assert!(!Cursor::new(broken.iter().copied()).fits_compact());
    assert!(Cursor::new([Segment::Pages(&list(0x41_0000, 512))].into_iter()).fits_compact());
    assert!(!Cursor::new([Segment::Pages(&list(0x41_1000, 512))].into_iter()).fits_compact());
}

#[test]
fn a_cursor_moves_over_several_pieces_at_once() {
    let pieces = [0x1000u64, 0x2000, 0x5000].map(|bytes| Segment::Run { addr: bus(bytes << 20), bytes });
    let mut cursor = Cursor::new(pieces.into_iter());
    cursor.advance(0x4000);
    assert_eq!(cursor.address(), Some((0x5000 << 20) + 0x1000));
}
