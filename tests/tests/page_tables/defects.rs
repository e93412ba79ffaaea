//! Promises that other parts of the driver can break, one by one: each is a typed error, and nothing is lost.

use super::{one, plain, range, run};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::Defect;
use barexe_core::mem::format::Level;
use barexe_core::mem::pages::Need;
use barexe_core::mem::tree::{Mapping, Segment};
use barexe_tests::tables::{Kind, Room, with_tables};

/// Every reservation that is too small, up to the one that is enough.
#[test]
fn a_reservation_that_is_too_small_names_the_level() {
    let whole = Need { leaf_tables: 2, directories: 2 };
    let attempts = [(0, 0, Level::L2), (2, 0, Level::L2), (2, 1, Level::L1), (0, 2, Level::L0), (1, 2, Level::L0)];
    for (leaf_tables, directories, level) in attempts {
        with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
            let span = range(0x1F_F000, 0x20_1000);
            let mapping =
                |_| Mapping { range: span, backing: one(0x5000, 0x2000), attributes: plain(&GEN12.pt), rebind: false };
            let short = rig.stage(Need { leaf_tables, directories }, |tree, stage| tree.bind(stage, mapping(())));
            assert_eq!(short.unwrap_err(), Defect::Reservation(level));
            // Whatever was taken belongs to the tree: the rig sees that nothing is lost.
        });
    }
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        let span = range(0x1F_F000, 0x20_1000);
        let bound = rig.stage(whole, |tree, stage| {
            let (backing, attributes) = (one(0x5000, 0x2000), plain(&GEN12.pt));
            tree.bind(stage, Mapping { range: span, backing, attributes, rebind: false })
        });
        assert_eq!(bound.unwrap().created, 4);
    });
}

#[test]
fn a_backing_that_ends_early_names_the_address() {
    for format in super::FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            let short = rig.bind(range(0x1000, 0x4000), one(0x5000, 0x2000), plain(format), false);
            assert_eq!(short.unwrap_err(), Defect::Backing { va: 0x3000 });
        });
        with_tables(format, false, Room::PLENTY, |rig| {
            let none = rig.bind(range(0x1000, 0x4000), core::iter::empty(), plain(format), false);
            assert_eq!(none.unwrap_err(), Defect::Backing { va: 0x1000 });
        });
        with_tables(format, false, Room::PLENTY, |rig| {
            let backing = [run(0x4000_0000, 0x20_0000), Segment::Pages(&[])];
            let short = rig.bind(range(0, 0x40_0000), backing.into_iter(), plain(format), false);
            assert_eq!(short.unwrap_err(), Defect::Backing { va: 0x20_0000 });
        });
    }
}

#[test]
fn a_leaf_or_a_compact_table_over_an_edge_is_refused_and_nothing_changes() {
    for (addr, kind) in [(0x4000_0000, Kind::Large2M), (0x4001_0000, Kind::Page64KCompact)] {
        with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
            let whole = range(0, 0x40_0000);
            rig.bind(whole, one(addr, 0x40_0000), plain(&XE2.pt), false).unwrap();
            let before: Vec<_> = rig.walk(whole).collect();
            assert!(before.iter().all(|leaf| leaf.kind == kind));
            for (part, va) in [
                (range(0x1000, 0x20_0000), 0x1000),
                (range(0, 0x20_1000), 0x20_0FFF),
                (range(0x10_0000, 0x30_0000), 0x10_0000),
                (range(0x1000, 0x2000), 0x1000),
            ] {
                assert_eq!(rig.unbind(part).unwrap_err(), Defect::Edge { va }, "{part:?}");
                let zapped = rig.stage(Need::default(), |tree, stage| tree.zap(stage, part));
                assert_eq!(zapped.unwrap_err(), Defect::Edge { va }, "{part:?}");
            }
            assert_eq!(rig.walk(whole).collect::<Vec<_>>(), before);
        });
    }
}

#[test]
fn a_bind_into_a_compact_table_is_refused() {
    with_tables(&XE2.pt, false, Room::PLENTY, |rig| {
        rig.bind(range(0, 0x20_0000), one(0x4001_0000, 0x20_0000), plain(&XE2.pt), false).unwrap();
        let into = rig.bind(range(0x1000, 0x2000), one(0x5000, 0x1000), plain(&XE2.pt), false);
        assert_eq!(into.unwrap_err(), Defect::Edge { va: 0x1000 });
    });
}

#[test]
fn nothing_at_all_under_an_edge_is_refused() {
    with_tables(&GEN12.pt, false, Room::PLENTY, |rig| {
        assert_eq!(rig.unbind(range(0x1000, 0x2000)).unwrap_err(), Defect::Edge { va: 0x1000 });
    });
}
