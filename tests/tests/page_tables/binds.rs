//! Binds: page-tables sheet §5 checks 1 to 3 and 5 to 8, §1 checks 6 and 7.

use super::{FORMATS, indexed, one, plain, range, run, scattered, shape};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::tree::{Segment, Sizes};
use barexe_hal::BusAddr;
use barexe_tests::tables::{Kind, Room, with_tables};

/// Update lists, checks 1, 2 and 3 at root level 3.
#[test]
fn a_first_page_builds_a_path_and_later_ones_join_it() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        let first = rig.bind(range(0, 0x1000), one(0x1_2345_6000, 0x1000), plain(&GEN12.pt), false).unwrap();
        assert_eq!(shape(&first.updates), [(3, 0, 0, 1)]);
        assert_eq!((first.created, first.answer.range), (3, range(0, 0x80_0000_0000)));
        let found: Vec<_> = rig.walk(range(0, 0x1000)).collect();
        assert_eq!((found.len(), found[0].entry), (1, 0x1_2345_6003));
        let second = rig.bind(range(0x20_1000, 0x20_2000), one(0x5000, 0x1000), plain(&GEN12.pt), false).unwrap();
        assert_eq!(shape(&second.updates), [(1, 0, 1, 1)]);
        assert_eq!((second.created, second.answer.range), (1, range(0x20_0000, 0x40_0000)));
        let third = rig.bind(range(0x1F_F000, 0x20_1000), one(0x9000, 0x2000), plain(&GEN12.pt), false).unwrap();
        assert_eq!(shape(&third.updates), [(0, 0, 511, 1), (0, 0x20_0000, 0, 1)]);
        assert_eq!((third.created, third.answer.range), (0, range(0x1F_F000, 0x20_1000)));
    });
}

/// Update lists, check 4, root level 4.
#[test]
fn with_five_levels_a_first_page_takes_four_tables_and_conflicts_with_everything() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        let first = rig.bind(range(0, 0x1000), one(0x1_2345_6000, 0x1000), plain(&XE2.pt), false).unwrap();
        assert_eq!(shape(&first.updates), [(4, 0, 0, 1)]);
        assert_eq!((first.created, first.answer.range), (4, range(0, 1 << 48)));
    });
}

/// Update lists, check 5, in system memory.
#[test]
fn large_leaves_go_into_a_table_that_is_there() {
    for format in FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(format), false).unwrap();
            let bound =
                rig.bind(range(0x40_0000, 0x80_0000), one(0x4000_0000, 0x40_0000), plain(format), false).unwrap();
            assert_eq!(shape(&bound.updates), [(1, 0, 2, 2)]);
            assert_eq!((bound.created, bound.answer.sizes), (0, Sizes::LARGE_2M));
            assert_eq!(bound.updates[0].values[1] - bound.updates[0].values[0], 0x20_0000);
        });
    }
}

/// Update lists, check 6, in system memory: only families with compact tables make one.
#[test]
fn a_slot_of_64_kib_blocks_is_compact_where_the_family_can() {
    let bind = |format| {
        with_tables(format, false, Room::PLENTY, |rig| {
            rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(format), false).unwrap();
            let bound =
                rig.bind(range(0x80_0000, 0xA0_0000), one(0x1201_0000, 0x20_0000), plain(format), false).unwrap();
            assert_eq!((shape(&bound.updates), bound.created), (vec![(1, 0, 4, 1)], 1));
            let leaves: Vec<_> = rig.walk(range(0x80_0000, 0xA0_0000)).collect();
            (bound.updates[0].values[0] & 0xFFF, bound.answer.sizes, leaves)
        })
    };
    let (low, sizes, leaves) = bind(&XE2.pt);
    assert_eq!((low, sizes, leaves.len()), (0x5B, Sizes::PAGE_4K | Sizes::COMPACT_64K, 32));
    assert_eq!((leaves[0].kind, leaves[0].entry), (Kind::Page64KCompact, 0x1201_0413));
    assert_eq!(leaves[31].entry, 0x1220_0413);
    let (low, sizes, leaves) = bind(&GEN12.pt);
    assert_eq!((low, sizes, leaves.len()), (0x3, Sizes::PAGE_4K | Sizes::GROUP_64K, 512));
    assert_eq!((leaves[511].kind, leaves[511].entry), (Kind::Page4KPs64, 0x1220_F103));
}

/// Update lists, check 7, in system memory.
#[test]
fn a_part_of_a_slot_is_a_normal_table_that_others_share() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(&XE2.pt), false).unwrap();
        let first = rig.bind(range(0xA0_0000, 0xA3_0000), one(0x1500_0000, 0x3_0000), plain(&XE2.pt), false).unwrap();
        assert_eq!(shape(&first.updates), [(1, 0, 5, 1)]);
        let leaves: Vec<_> = rig.walk(range(0xA0_0000, 0xA3_0000)).collect();
        assert_eq!((leaves[0].entry, leaves[47].entry, leaves.len()), (0x1500_0513, 0x1502_F513, 48));
        let second = rig.bind(range(0xA3_0000, 0xA4_0000), one(0x1510_0000, 0x1_0000), plain(&XE2.pt), false).unwrap();
        assert_eq!(shape(&second.updates), [(0, 0xA0_0000, 48, 16)]);
        assert_eq!((second.created, second.freed), (0, 0));
    });
}

/// Update lists, check 8, the bind.
#[test]
fn a_range_over_several_tables_changes_each_once_in_order_of_address() {
    for format in FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            for page in [0, 0x60_8000] {
                rig.bind(range(page, page + 0x1000), one(0x5000, 0x1000), plain(format), false).unwrap();
            }
            let pages = scattered(0x1000_0000, 0x40_2000);
            let bound = rig.bind(range(0x1F_F000, 0x60_1000), pages.iter().copied(), plain(format), false).unwrap();
            assert_eq!(shape(&bound.updates), [(0, 0, 511, 1), (1, 0, 1, 2), (0, 0x60_0000, 0, 1)]);
            assert_eq!((bound.created, bound.answer.range), (2, range(0, 0x80_0000)));
        });
    }
}

/// Geometry, check 6.
#[test]
fn the_hint_begins_and_ends_on_64_kib() {
    for format in FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            let span = range(0x3_1000, 0x5_1000);
            let bound = rig.bind(span, one(0x6_1000, 0x2_0000), plain(format), false).unwrap();
            assert_eq!(bound.answer.sizes, Sizes::PAGE_4K | Sizes::GROUP_64K);
            let kinds: Vec<Kind> = rig.walk(span).map(|leaf| leaf.kind).collect();
            assert!(kinds[..15].iter().all(|kind| *kind == Kind::Page4K));
            assert!(kinds[15..31].iter().all(|kind| *kind == Kind::Page4KPs64));
            assert_eq!(kinds[31..], [Kind::Page4K]);
        });
    }
}

/// Geometry, check 7.
#[test]
fn a_gib_is_one_leaf_or_512_by_the_alignment_of_its_memory() {
    for format in FORMATS {
        for (addr, kind, count) in [(0x8000_0000, Kind::Large1G, 1), (0x1_0020_0000, Kind::Large2M, 512)] {
            with_tables(format, false, Room::PLENTY, |rig| {
                let span = range(1 << 30, 2 << 30);
                rig.bind(span, one(addr, 1 << 30), plain(format), false).unwrap();
                let leaves: Vec<_> = rig.walk(span).collect();
                assert_eq!((leaves.len(), leaves[0].kind), (count, kind));
            });
        }
    }
}

/// Page-tables sheet §1.2: segments are not merged, lists of pages are.
#[test]
fn memory_in_two_segments_is_not_one_leaf_but_a_list_of_pages_is() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        let halves = [run(0x4000_0000, 0x10_0000), run(0x4010_0000, 0x10_0000)];
        let bound = rig.bind(range(0, 0x20_0000), halves.into_iter(), plain(&GEN12.pt), false).unwrap();
        assert_eq!(bound.answer.sizes, Sizes::PAGE_4K | Sizes::GROUP_64K);
        let pages: Vec<_> = (0..512u64).map(|n| BusAddr::new(0x4000_0000 + n * 0x1000).unwrap()).collect();
        let list = core::iter::once(Segment::Pages(&pages));
        let bound = rig.bind(range(0x20_0000, 0x40_0000), list, plain(&GEN12.pt), false).unwrap();
        assert_eq!(bound.answer.sizes, Sizes::LARGE_2M);
    });
}

#[test]
fn a_rebind_replaces_tables_and_leaves_and_keeps_the_count() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        let span = range(0x1F_F000, 0x80_0000);
        let leaves = |rig: &barexe_tests::tables::Rig<'_>| rig.walk(span).map(|leaf| leaf.kind).collect::<Vec<_>>();
        let pages = scattered(0x1000_0000, span.len_bytes());
        let bound = rig.bind(span, pages.iter().copied(), indexed(1), false).unwrap();
        assert_eq!((bound.created, bound.freed), (7, 0));
        // Larger leaves: the tables below them go.
        let large = rig.bind(span, [run(0x5FF_F000, 0x1000), run(0x600_0000, 0x60_0000)].into_iter(), indexed(1), true);
        let large = large.unwrap();
        assert_eq!(shape(&large.updates), [(0, 0, 511, 1), (1, 0, 1, 3)]);
        assert_eq!((large.created, large.freed), (0, 3));
        assert_eq!(leaves(rig)[1..], [Kind::Large2M; 3]);
        // Smaller ones: new tables in place of leaves; and again: new tables in place of tables.
        for freed in [0, 3] {
            let small = rig.bind(span, pages.iter().copied(), indexed(1), true).unwrap();
            assert_eq!(shape(&small.updates), [(0, 0, 511, 1), (1, 0, 1, 3)]);
            assert_eq!((small.created, small.freed), (3, freed));
        }
        let gone = rig.unbind(span).unwrap();
        assert_eq!((shape(&gone.updates), gone.freed), (vec![(4, 0, 0, 1)], 7), "counts were kept");
    });
}
