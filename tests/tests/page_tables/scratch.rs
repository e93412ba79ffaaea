//! Scratch: page-tables sheet §3.

use super::{indexed, one, plain, range, run};
use barexe_core::family::{GEN12, XE2};
use barexe_core::mem::format::PtFormat;
use barexe_core::mem::tree::{Segment, VaRange};
use barexe_tests::tables::{Kind, Rig, Room, with_tables};

/// The entries of the table at a bus address, as the device sees them.
fn table(rig: &Rig<'_>, bus: u64) -> Vec<u64> {
    (0..512).map(|n| rig.arena.read((bus & !0xFFF) + n * 8)).collect()
}

fn root(rig: &Rig<'_>) -> Vec<u64> {
    table(rig, rig.tree.root(&rig.pages).unwrap().get())
}

/// Scratch, check 2; check 1 for a family of four levels.
#[test]
fn an_empty_scratch_vm_reads_zero_everywhere() {
    with_tables(&XE2.pt, true, Room::PLENTY, |rig| {
        let l4 = root(rig);
        assert!(l4.iter().all(|entry| *entry == l4[0]) && l4[0] & 0xFFF == 0x01B);
        let l3 = table(rig, l4[0]);
        assert!(l3.iter().all(|entry| *entry == l3[0]) && l3[0] & 0xFFF == 0x01B);
        assert_eq!(table(rig, l3[0]), [0x293; 512]);
        assert_eq!(rig.pages.tables_in_use(), 3);
    });
    with_tables(&GEN12.pt, true, Room::PLENTY, |rig| {
        let l3 = root(rig);
        assert!(l3.iter().all(|entry| *entry == l3[0]) && l3[0] & 0xFFF == 0x003);
        assert_eq!(table(rig, l3[0]), [0x283; 512]);
        assert_eq!(rig.pages.tables_in_use(), 2);
    });
}

#[test]
fn an_empty_vm_without_scratch_has_a_root_of_zeros_and_nothing_else() {
    for format in super::FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            assert_eq!(root(rig), [0; 512]);
            assert_eq!(rig.pages.tables_in_use(), 1);
        });
    }
}

/// What unbound entries of levels 0 and 1 hold after a page and a 2 MiB leaf beside others were unbound.
fn after_unbind(format: &'static PtFormat, scratch: bool) -> (u64, u64) {
    with_tables(format, scratch, Room::PLENTY, |rig| {
        let (page, large) = (range(0x5000, 0x6000), range(0x40_0000, 0x60_0000));
        for (span, addr) in [(range(0, 0x1000), 0x9000), (page, 0x7000), (large, 0x4000_0000)] {
            rig.bind(span, one(addr, span.len_bytes()), plain(format), false).unwrap();
        }
        let value = |rig: &mut Rig<'_>, span: VaRange| rig.unbind(span).unwrap().updates[0].values[0];
        (value(rig, page), value(rig, large))
    })
}

/// Scratch, check 3, with the values of the families at hand.
#[test]
fn unbound_entries_become_zero_or_null_leaves() {
    assert_eq!(after_unbind(&XE2.pt, false), (0, 0));
    assert_eq!(after_unbind(&XE2.pt, true), (0x213, 0x293));
    assert_eq!(after_unbind(&GEN12.pt, false), (0, 0));
    assert_eq!(after_unbind(&GEN12.pt, true), (0x203, 0x283));
}

/// Scratch, check 4.
#[test]
fn null_mappings_are_leaves_without_address_or_atomics() {
    for format in super::FORMATS {
        with_tables(format, false, Room::PLENTY, |rig| {
            let null = || core::iter::once(Segment::Null);
            rig.bind(range(0x1_0000, 0x2_0000), null(), indexed(0), false).unwrap();
            rig.bind(range(0x20_0000, 0x40_0000), null(), indexed(0), false).unwrap();
            let group: Vec<u64> = rig.walk(range(0x1_0000, 0x2_0000)).map(|leaf| leaf.entry).collect();
            assert_eq!(group, [0x303; 16]);
            let large: Vec<u64> = rig.walk(range(0x20_0000, 0x40_0000)).map(|leaf| leaf.entry).collect();
            assert_eq!(large, [0x283]);
        });
    }
}

/// Scratch, check 5, with the values of the families at hand.
#[test]
fn a_fresh_table_that_is_not_filled_is_empty_around_the_mapping() {
    for (format, scratch, empty) in
        [(&GEN12.pt, true, 0x203), (&XE2.pt, true, 0x213), (&GEN12.pt, false, 0), (&XE2.pt, false, 0)]
    {
        with_tables(format, scratch, Room::PLENTY, |rig| {
            rig.bind(range(0x5000, 0x6000), one(0x9000, 0x1000), plain(format), false).unwrap();
            let entries: Vec<u64> = rig.walk(range(0, 0x20_0000)).map(|leaf| leaf.entry).collect();
            assert_eq!(entries.len(), 512);
            assert!(entries.iter().enumerate().all(|(n, entry)| (*entry == empty) == (n != 5)));
        });
    }
}

/// Page-tables sheet §3: a table is not filled first if the range covers all of it, so old content shows nowhere.
#[test]
fn what_a_table_held_before_shows_nowhere() {
    with_tables(&GEN12.pt, true, Room::PLENTY, |rig| {
        let whole = range(0, 0x20_0000);
        rig.bind(whole, one(0x5000, 0x20_0000), plain(&GEN12.pt), false).unwrap();
        rig.unbind(whole).unwrap();
        rig.bind(range(0x1000, 0x2000), one(0x9000, 0x1000), plain(&GEN12.pt), false).unwrap();
        let mapped: Vec<_> = rig.walk(whole).filter(|leaf| leaf.entry != 0x203).collect();
        assert_eq!((mapped.len(), mapped[0].va), (1, 0x1000));
    });
}

#[test]
fn a_tree_that_is_cut_off_leads_nowhere_and_gives_everything_back() {
    for (format, scratch) in [(&GEN12.pt, true), (&XE2.pt, true), (&XE2.pt, false)] {
        with_tables(format, scratch, Room::PLENTY, |rig| {
            let backing = [run(0x5000, 0x1000), run(0x9000, 0x20_0000)];
            rig.bind(range(0x1000, 0x20_2000), backing.into_iter(), plain(format), false).unwrap();
            rig.stage(Default::default(), |tree, stage| tree.cut_off(stage)).unwrap();
            assert!(rig.walk(range(0, 1 << 48)).all(|leaf| leaf.kind == Kind::NoneDir));
        });
    }
}
