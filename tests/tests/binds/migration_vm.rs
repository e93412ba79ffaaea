//! The migration VM's tables and page-table jobs, dword for dword (page-tables sheet §6).
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::family::{Family, GEN12, XE2};
use barexe_core::mem::migrate::{BATCH_BYTES, BatchError, MigrateLayout, TABLE_BYTES, TableBatch, write_tables};
use barexe_core::num::usize_capped;
use barexe_hal::{BusAddr, DmaBuffer};
use barexe_tests::memory::with_buffer;

const FAMILIES: [&Family; 2] = [&GEN12, &XE2];

const fn layout(family: &Family) -> MigrateLayout {
    MigrateLayout::new(family.pt.root_level)
}

fn bus(raw: u64) -> BusAddr {
    BusAddr::new(raw).unwrap_or(BusAddr::ZERO)
}

/// Builds the tables at bus address 0 and gives the object to `look`.
fn with_tables(family: &Family, look: impl FnOnce(&dyn Fn(usize) -> u64, BusAddr)) {
    with_buffer(usize_capped(TABLE_BYTES) / 8, !0, |tables| {
        with_buffer(BATCH_BYTES / 8, 0, |batch| {
            let root = write_tables(&layout(family), &family.pt, family.pat.wb, tables, [batch].into_iter());
            look(&|at| tables.read_u64(at).unwrap(), root.unwrap());
        });
    });
}

/// The batch as dwords between two offsets.
fn dwords(buffer: &DmaBuffer, from: usize, to: usize) -> Vec<u32> {
    (from..to).step_by(4).map(|at| buffer.read_u32(at).unwrap()).collect()
}

#[test]
fn the_tables_of_a_four_level_tree_are_those_of_the_sheet() {
    with_tables(&GEN12, |entry, root| {
        assert_eq!(root.get(), 0x2_0000);
        assert_eq!(entry(0x2_0000), 0x1_D003, "root to the level-2 page 29");
        assert_eq!(entry(0x1_D000), 0x1_C003, "level 2 to page 28");
        assert_eq!(entry(0x1_C000), 0x1_B003, "level 1 to the self map, page 27");
        assert_eq!((entry(0x1_B000), entry(0x1_B0F8)), (0x3, 0x1_F003), "the pages themselves");
        assert_eq!(entry(0x1_B100), 0x3, "batch memory, here at bus address 0");
        assert_eq!((entry(0x1_C008), entry(0x1_C0D8)), (0x3, 0x1_A003), "slots 0 and 26");
        assert_eq!(entry(0x1_C0E0), 0, "no slot 27");
        assert_eq!(entry(0x1_D7F8), 0x283, "zero source");
        assert_eq!(entry(0x2_0008), 0, "cleared");
    });
}

#[test]
fn the_tables_of_a_five_level_tree_are_those_of_the_sheet() {
    with_tables(&XE2, |entry, root| {
        assert_eq!(root.get(), 0x2_0000);
        assert_eq!(entry(0x2_0000), 0x1_D01B, "root to the level-3 page 29");
        assert_eq!((entry(0x1_D000), entry(0x1_C000), entry(0x1_B000)), (0x1_C01B, 0x1_B01B, 0x1_A01B));
        assert_eq!((entry(0x1_A000), entry(0x1_A0F8)), (0x13, 0x1_F013));
        assert_eq!(entry(0x1_C7F8), 0x293, "zero source, in the level-2 page 28");
        assert_eq!(entry(0x1_B0D0), 0x1_901B, "the last slot, 25");
        assert_eq!(entry(0x1_B0D8), 0);
    });
}

/// GPU path check 2, in the encoding of 12.00.
#[test]
fn one_entry_is_one_store_through_the_slot() {
    with_buffer(BATCH_BYTES / 8, 0, |buffer| {
        let mut batch = TableBatch::new(buffer, layout(&GEN12));
        assert!(batch.is_empty());
        batch.write(bus(0x8765_4000), 0, 0x1_0003, 0, 1).unwrap();
        let halves = batch.finish(&GEN12.pt, GEN12.pat.wb).unwrap();
        let first = [0x1020_0003, 0xE000, 0, 0x8765_4003, 0, 0x0500_0000];
        assert_eq!(dwords(buffer, halves.first, halves.first + 24), first);
        let second = [0, 0x1020_0003, 0x01E0_0000, 0, 0x1_0003, 0, 0x0500_0000];
        assert_eq!(dwords(buffer, halves.second, halves.end), second);
    });
}

/// GPU path check 4.
#[test]
fn a_run_longer_than_one_command_is_split() {
    for family in FAMILIES {
        with_buffer(BATCH_BYTES / 8, 0, |buffer| {
            let mut batch = TableBatch::new(buffer, layout(family));
            batch.write(bus(0x5000), 1, 0, 0, 511).unwrap();
            let halves = batch.finish(&family.pt, family.pat.wb).unwrap();
            let all = dwords(buffer, halves.second, halves.end);
            assert_eq!(all[..4], [0, 0x1020_03FD, 0x01E0_0008, 0]);
            assert_eq!(all[4 + 1020..4 + 1020 + 4], [0, 0x1020_0003, 0x01E0_0FF8, 0]);
            assert_eq!(all.last(), Some(&0x0500_0000));
        });
    }
}

#[test]
fn entries_that_follow_each_other_share_a_command_and_payloads_are_aligned() {
    with_buffer(BATCH_BYTES / 8, 0, |buffer| {
        let mut batch = TableBatch::new(buffer, layout(&GEN12));
        batch.write(bus(0x5000), 3, 0x10, 1, 2).unwrap();
        batch.write(bus(0x5000), 5, 0x20, 0, 1).unwrap();
        batch.write(bus(0x6000), 6, 0x30, 0, 1).unwrap();
        batch.write(bus(0x5000), 9, 0x40, 0, 1).unwrap();
        let halves = batch.finish(&GEN12.pt, GEN12.pat.wb).unwrap();
        let want = [
            [0, 0x1020_0007, 0x01E0_0018, 0, 0x10, 0, 0x11, 0, 0x20, 0].as_slice(),
            &[0, 0x1020_0003, 0x01E0_1030, 0, 0x30, 0],
            &[0, 0x1020_0003, 0x01E0_0048, 0, 0x40, 0, 0x0500_0000],
        ];
        assert_eq!(dwords(buffer, halves.second, halves.end), want.concat());
        let first = dwords(buffer, halves.first, halves.first + 32);
        assert_eq!(first, [0x1020_0005, 0xE000, 0, 0x5003, 0, 0x6003, 0, 0x0500_0000]);
    });
}

#[test]
fn the_most_one_mapping_can_change_fits_and_more_is_refused() {
    with_buffer(BATCH_BYTES / 8, 0, |buffer| {
        let mut batch = TableBatch::new(buffer, layout(&XE2));
        for table in 1..=10 {
            batch.write(bus(table << 12), 0, 1, 1, 512).unwrap();
        }
        assert!(batch.finish(&XE2.pt, XE2.pat.wb).unwrap().end <= BATCH_BYTES);
        let mut batch = TableBatch::new(buffer, layout(&XE2));
        let refused = (1..20).find_map(|table| batch.write(bus(table << 12), 0, 1, 1, 512).err());
        assert_eq!(refused, Some(BatchError::TooLong));
        let mut batch = TableBatch::new(buffer, layout(&XE2));
        let refused = (1..20).find_map(|table| batch.write(bus(table << 12), 0, 1, 1, 1).err());
        assert_eq!(refused, Some(BatchError::TooManyTables));
        let outside = TableBatch::new(buffer, layout(&XE2)).write(bus(0x1000), 511, 0, 0, 2);
        assert_eq!(outside, Err(BatchError::OutsideTable { end: 513 }));
    });
}
