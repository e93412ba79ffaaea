//! Unbinds: page-tables sheet §5 checks 4, 7 and 8, §5.4 and §5.6.

use super::{FORMATS, one, plain, range, scattered, shape};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::pages::Need;
use barexe_core::mem::tree::Segment;
use barexe_tests::tables::{Kind, Rig, Room, with_tables};

fn bind_page(rig: &mut Rig<'_>, va: u64) {
    rig.bind(range(va, va + 0x1000), one(0x5000, 0x1000), plain(rig.format), false).unwrap();
}

fn bind_scattered(rig: &mut Rig<'_>, start: u64, end: u64) {
    let pages = scattered(0x1000_0000, end - start);
    rig.bind(range(start, end), pages.iter().copied(), plain(rig.format), false).unwrap();
}

/// Update lists, check 4.
#[test]
fn tables_go_with_the_last_mapping_in_them() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        for (start, end) in [(0, 0x1000), (0x20_1000, 0x20_2000), (0x1F_F000, 0x20_1000)] {
            bind_scattered(rig, start, end);
        }
        let third = rig.unbind(range(0x1F_F000, 0x20_1000)).unwrap();
        assert_eq!((shape(&third.updates), third.freed), (vec![(0, 0, 511, 1), (0, 0x20_0000, 0, 1)], 0));
        let second = rig.unbind(range(0x20_1000, 0x20_2000)).unwrap();
        assert_eq!((shape(&second.updates), second.freed), (vec![(1, 0, 1, 1)], 1));
        assert_eq!(second.answer, range(0x20_0000, 0x40_0000));
        let first = rig.unbind(range(0, 0x1000)).unwrap();
        assert_eq!((shape(&first.updates), first.freed), (vec![(3, 0, 0, 1)], 3));
    });
}

/// Update lists, check 7, the unbinds.
#[test]
fn a_shared_table_stays_and_a_compact_one_goes_untouched() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        bind_page(rig, 0);
        rig.bind(range(0x80_0000, 0xA0_0000), one(0x1201_0000, 0x20_0000), plain(&XE2.pt), false).unwrap();
        rig.bind(range(0xA0_0000, 0xA3_0000), one(0x1500_0000, 0x3_0000), plain(&XE2.pt), false).unwrap();
        rig.bind(range(0xA3_0000, 0xA4_0000), one(0x1510_0000, 0x1_0000), plain(&XE2.pt), false).unwrap();
        let shared = rig.unbind(range(0xA0_0000, 0xA3_0000)).unwrap();
        assert_eq!((shape(&shared.updates), shared.freed), (vec![(0, 0xA0_0000, 0, 48)], 0));
        let compact = rig.unbind(range(0x80_0000, 0xA0_0000)).unwrap();
        assert_eq!((shape(&compact.updates), compact.freed), (vec![(1, 0, 4, 1)], 1));
    });
}

/// Update lists, check 8, the unbind.
#[test]
fn edges_are_emptied_before_what_lies_between_them() {
    for format in FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            bind_page(rig, 0);
            bind_page(rig, 0x60_8000);
            bind_scattered(rig, 0x1F_F000, 0x60_1000);
            let gone = rig.unbind(range(0x1F_F000, 0x60_1000)).unwrap();
            assert_eq!(shape(&gone.updates), [(0, 0, 511, 1), (0, 0x60_0000, 0, 1), (1, 0, 1, 2)]);
            assert_eq!((gone.freed, gone.answer), (2, range(0, 0x80_0000)));
        });
    }
}

/// Update lists, check 8, the left-edge kill; and its mirror image.
#[test]
fn a_table_on_an_edge_that_nobody_else_uses_goes_with_the_middle() {
    for format in FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            bind_scattered(rig, 0x1F_F000, 0x40_1000);
            bind_page(rig, 0x40_2000);
            let gone = rig.unbind(range(0x1F_F000, 0x40_1000)).unwrap();
            assert_eq!((shape(&gone.updates), gone.freed), (vec![(0, 0x40_0000, 0, 1), (1, 0, 0, 2)], 2));
        });
        with_tables(format, false, Room::PLENTY, |rig| {
            bind_page(rig, 0);
            bind_scattered(rig, 0x1F_F000, 0x40_1000);
            let gone = rig.unbind(range(0x1F_F000, 0x40_1000)).unwrap();
            assert_eq!((shape(&gone.updates), gone.freed), (vec![(0, 0, 511, 1), (1, 0, 1, 2)], 2));
        });
    }
}

#[test]
fn edges_far_apart_are_two_chains_of_tables() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        // The range spans a 512 GiB border; both sides have neighbours two levels up only.
        bind_page(rig, 0x7F_8000_0000);
        bind_page(rig, 0x80_4000_0000);
        let span = range(0x7F_FFFF_F000, 0x80_0000_1000);
        bind_scattered(rig, span.start, span.end);
        let gone = rig.unbind(span).unwrap();
        let records = [(2, 0, 511, 1), (2, 0x80_0000_0000, 0, 1)];
        assert_eq!((shape(&gone.updates), gone.freed), (records.to_vec(), 4));
        assert_eq!(gone.answer, range(0x7F_C000_0000, 0x80_4000_0000));
    });
}

/// Page-tables sheet §5.4, the edge case: the root is never dropped, whatever the range covers of it.
#[test]
fn the_root_stays_even_if_one_mapping_was_all_there_was() {
    for (format, bytes) in [(&GEN12.pt, 512u64 << 30), (&XE2.pt, 256 << 40)] {
        with_tables(format, false, Room { directories: 1024, ..Room::PLENTY }, |rig| {
            let span = range(0, bytes);
            rig.bind(span, core::iter::once(Segment::Null), plain(format), false).unwrap();
            let gone = rig.unbind(span).unwrap();
            assert_eq!(shape(&gone.updates), [(format.root_level.number(), 0, 0, 1)]);
            assert_eq!((rig.pages.tables_in_use(), gone.answer), (1, span));
        });
    }
}

/// Page-tables sheet §5.5: a remnant whose edge is aligned to the largest size used keeps its entries.
#[test]
fn a_part_can_be_unbound_where_no_leaf_is_cut() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        let whole = range(0, 0x80_0000);
        let bound = rig.bind(whole, one(0x4000_0000, 0x80_0000), plain(&GEN12.pt), false).unwrap();
        let cut = bound.answer.sizes.cut_bytes();
        let gone = rig.unbind(range(cut, 3 * cut)).unwrap();
        assert_eq!(shape(&gone.updates), [(1, 0, 1, 2)]);
        let kinds: Vec<Kind> = rig.walk(whole).map(|leaf| leaf.kind).collect();
        assert_eq!(kinds, [Kind::Large2M, Kind::None2M, Kind::None2M, Kind::Large2M]);
    });
}

/// Page-tables sheet §5.6.
#[test]
fn a_zapped_range_is_not_present_and_comes_back_with_a_rebind() {
    for scratch in [false, true] {
        with_tables(&XE2.pt, scratch, Room::PLENTY, |rig| {
            bind_page(rig, 0);
            let span = range(0x1F_F000, 0x60_1000);
            bind_scattered(rig, span.start, span.end);
            let before: Vec<_> = rig.walk(span).collect();
            let zapped = rig.stage(Need::default(), |tree, stage| tree.zap(stage, span)).unwrap();
            assert_eq!(shape(&zapped.updates), [(0, 0, 511, 1), (0, 0x60_0000, 0, 1), (1, 0, 1, 2)]);
            assert!(zapped.updates.iter().flat_map(|update| &update.values).all(|value| *value == 0));
            assert!(rig.walk(span).all(|leaf| !leaf.kind.is_present()));
            assert_eq!((zapped.freed, zapped.answer), (0, range(0, 0x80_0000)));
            let pages = scattered(0x1000_0000, span.len_bytes());
            let again = rig.bind(span, pages.iter().copied(), plain(&XE2.pt), true).unwrap();
            assert_eq!((again.created, again.freed), (2, 2));
            assert_eq!(rig.walk(span).collect::<Vec<_>>(), before);
            assert_eq!(rig.unbind(span).unwrap().freed, 3);
        });
    }
}

#[test]
fn a_zapped_range_can_be_unbound_as_if_nothing_had_happened() {
    with_tables(&GEN12.pt, true, Room::PLENTY, |rig| {
        bind_page(rig, 0);
        let span = range(0x1F_F000, 0x60_1000);
        bind_scattered(rig, span.start, span.end);
        rig.stage(Need::default(), |tree, stage| tree.zap(stage, span)).unwrap();
        let gone = rig.unbind(span).unwrap();
        assert_eq!((shape(&gone.updates), gone.freed), (vec![(0, 0, 511, 1), (1, 0, 1, 3)], 3));
        assert!(rig.walk(span).all(|leaf| leaf.kind.is_present()), "null leaves of the scratch VM");
    });
}
