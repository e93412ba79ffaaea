//! The checks of the page-tables sheet, as literals, and sweeps over every level and index.

use super::*;
use crate::family::{GEN12, XE2};
use barexe_hal::GpuVa;

fn pat(index: u8) -> PatIndex {
    PatIndex::new(index).unwrap()
}

fn bus(addr: u64) -> BusAddr {
    BusAddr::new(addr).unwrap()
}

/// A writable leaf of plain layout with undefined atomics.
fn system(level: Level, addr: u64, index: u8) -> LeafRequest {
    LeafRequest {
        level,
        target: LeafTarget::System(bus(addr)),
        layout: LeafLayout::Plain,
        read_only: false,
        pat: pat(index),
        atomics: AtomicPolicy::Undefined,
    }
}

/// Geometry, check 1.
#[test]
fn an_address_splits_into_the_indices_of_the_sheet() {
    let va = GpuVa::new(0x7F12_3456_7000).unwrap();
    assert_eq!(Level::ALL.map(|level| index(level, va)), [359, 418, 72, 254, 0]);
    assert_eq!(compact_index(va), 22);
}

#[test]
fn every_index_of_every_level_comes_back_from_its_address() {
    for level in Level::ALL {
        for want in 0..TABLE_ENTRIES {
            let va = GpuVa::new(want as u64 * entry_bytes(level)).unwrap();
            assert_eq!(index(level, va), want, "{level:?}");
            let last = va.checked_add(entry_bytes(level) - 1).unwrap();
            assert_eq!(index(level, last), want, "{level:?}: last byte");
            for higher in Level::ALL.into_iter().filter(|l| *l > level) {
                assert_eq!(index(higher, va), 0, "{level:?} must not leak into {higher:?}");
            }
        }
    }
}

#[test]
fn an_entry_covers_exactly_the_table_below() {
    for level in Level::ALL {
        assert_eq!(Level::from_number(level.number()), Some(level));
        if let Some(below) = level.below() {
            assert_eq!(entry_bytes(level), table_span_bytes(below));
            assert_eq!(below.above(), Some(level));
        }
    }
    assert_eq!(entry_bytes(Level::L1), COMPACT_ENTRY_BYTES * COMPACT_ENTRIES as u64);
    assert_eq!(TABLE_BYTES, entry_bytes(Level::L0));
    assert!(Level::from_number(5).is_none() && Level::L4.above().is_none() && Level::L0.below().is_none());
}

/// Encodings, check 1.
#[test]
fn tgl_pages_are_those_of_the_sheet() {
    let wb = system(Level::L0, 0x1_2345_6000, 0);
    assert_eq!(GEN12.pt.leaf(wb), 0x0000_0001_2345_6003);
    let read_only = LeafRequest { read_only: true, pat: pat(3), ..wb };
    assert_eq!(GEN12.pt.leaf(read_only), 0x0000_0001_2345_6019);
}

/// Encodings, check 7.
#[test]
fn lnl_large_leaf_with_atomics_is_that_of_the_sheet() {
    let leaf = LeafRequest { atomics: AtomicPolicy::Device, ..system(Level::L1, 0x60_0000, 15) };
    assert_eq!(XE2.pt.leaf(leaf), 0x4000_0000_0060_149B);
}

/// Page-tables sheet §2.3, both columns; the leaf itself is 0x3 (present, writable), large ones add 0x80.
#[test]
fn pat_index_bits_scatter_as_in_the_table() {
    let rows: [(u8, u64, u64); 12] = [
        (0, 0x0, 0x0),
        (1, 0x8, 0x8),
        (2, 0x10, 0x10),
        (3, 0x18, 0x18),
        (4, 0x80, 0x1000),
        (7, 0x98, 0x1018),
        (8, 0x4000_0000_0000_0000, 0x4000_0000_0000_0000),
        (12, 0x4000_0000_0000_0080, 0x4000_0000_0000_1000),
        (15, 0x4000_0000_0000_0098, 0x4000_0000_0000_1018),
        (16, 0x2000_0000_0000_0000, 0x2000_0000_0000_0000),
        (19, 0x2000_0000_0000_0018, 0x2000_0000_0000_0018),
        (31, 0x6000_0000_0000_0098, 0x6000_0000_0000_1018),
    ];
    for (row, page, large) in rows {
        let kernel = |level| XE2.pt.kernel_leaf(level, LeafLayout::Plain, BusAddr::ZERO, pat(row));
        assert_eq!(kernel(Level::L0), page | 0x3, "index {row}");
        assert_eq!(kernel(Level::L1), large | 0x83, "index {row}");
        assert_eq!(kernel(Level::L2), large | 0x83, "index {row}");
        if row < 4 {
            assert_eq!(GEN12.pt.kernel_leaf(Level::L0, LeafLayout::Plain, BusAddr::ZERO, pat(row)), page | 0x3);
        }
    }
}

#[test]
fn no_two_pat_indices_share_an_encoding() {
    for level in [Level::L0, Level::L1, Level::L2] {
        let code = |i| XE2.pt.kernel_leaf(level, LeafLayout::Plain, BusAddr::ZERO, pat(i));
        for a in 0..32 {
            assert!((0..a).all(|b| code(a) != code(b)), "{level:?} index {a}");
        }
    }
}

/// Page-tables sheet §2.6.
#[test]
fn atomics_are_allowed_where_the_bit_exists_unless_the_cpu_alone_may() {
    let bit =
        |format: &PtFormat, atomics| format.leaf(LeafRequest { atomics, ..system(Level::L0, 0x5000, 2) }) & 0x400 != 0;
    let policies = [AtomicPolicy::Undefined, AtomicPolicy::Device, AtomicPolicy::Global, AtomicPolicy::Cpu];
    assert_eq!(policies.map(|p| bit(&XE2.pt, p)), [true, true, true, false]);
    assert_eq!(policies.map(|p| bit(&GEN12.pt, p)), [false; 4]);
}

/// Scratch, check 4, on the families at hand: no atomics, but the 64 KiB group bit may be set.
#[test]
fn null_mappings_have_no_address_and_no_atomics() {
    let null = LeafRequest { target: LeafTarget::Null, ..system(Level::L0, 0, 0) };
    assert_eq!(GEN12.pt.leaf(LeafRequest { layout: LeafLayout::Group64K, ..null }), 0x303);
    assert_eq!(GEN12.pt.leaf(LeafRequest { level: Level::L1, ..null }), 0x283);
    assert_eq!(XE2.pt.leaf(LeafRequest { atomics: AtomicPolicy::Device, ..null }), 0x203);
}

#[test]
fn the_64k_group_bit_exists_on_level_0_only_and_not_in_compact_tables() {
    let with = |level, layout| XE2.pt.leaf(LeafRequest { layout, ..system(level, 0, 2) }) & 0x100 != 0;
    assert!(with(Level::L0, LeafLayout::Group64K));
    assert!(!with(Level::L0, LeafLayout::Compact));
    assert!(!with(Level::L0, LeafLayout::Plain));
    assert!(!with(Level::L1, LeafLayout::Group64K));
}

#[test]
fn address_bits_below_the_leaf_never_reach_the_attribute_bits() {
    let attributes = |level, layout| {
        let leaf = |addr| XE2.pt.leaf(LeafRequest { layout, ..system(level, addr, 2) });
        let ones = (1u64 << 46) - 1;
        (leaf(ones) ^ leaf(0)).trailing_zeros()
    };
    assert_eq!(attributes(Level::L0, LeafLayout::Plain), 12);
    assert_eq!(attributes(Level::L0, LeafLayout::Group64K), 12);
    assert_eq!(attributes(Level::L0, LeafLayout::Compact), 16);
    assert_eq!(attributes(Level::L1, LeafLayout::Plain), 21);
    assert_eq!(attributes(Level::L2, LeafLayout::Plain), 30);
}

/// Page-tables sheet §2.5, last rows but one: low bits of a directory entry.
#[test]
fn directories_carry_the_families_low_bits() {
    assert_eq!(GEN12.pt.directory(bus(0x3000), false), 0x3003);
    assert_eq!(XE2.pt.directory(bus(0x3000), false), 0x301B);
    assert_eq!(XE2.pt.directory(bus(0x3000), true), 0x305B);
}

/// Page-tables sheet §3, table of empty entries.
#[test]
fn empty_entries_of_leaf_levels_are_null_leaves() {
    let leaf_levels = [Level::L0, Level::L1, Level::L2];
    assert_eq!(leaf_levels.map(|l| GEN12.pt.empty(l, None)), [0x203, 0x283, 0x283]);
    assert_eq!(leaf_levels.map(|l| XE2.pt.empty(l, None)), [0x213, 0x293, 0x293]);
}

/// Scratch, check 2.
#[test]
fn empty_entries_above_point_to_the_scratch_table_below() {
    assert_eq!(XE2.pt.empty(Level::L4, Some(bus(0x11000))), 0x1101B);
    assert_eq!(XE2.pt.empty(Level::L3, Some(bus(0x10000))), 0x1001B);
    assert_eq!(GEN12.pt.empty(Level::L3, Some(bus(0x2000))), 0x2003);
    assert_eq!(XE2.pt.empty(Level::L3, None), 0, "no scratch table: not present");
}

/// GGTT, check 4, and the high bits of §4.2.
#[test]
fn ggtt_entries_are_those_of_the_sheet() {
    let page = bus(0x1_2345_6000);
    assert_eq!(GEN12.pt.ggtt_entry(page, GgttCaching::Cached), 0x0000_0001_2345_6001);
    assert_eq!(GEN12.pt.ggtt_entry(page, GgttCaching::Uncached), 0x0000_0001_2345_6001);
    assert_eq!(XE2.pt.ggtt_entry(page, GgttCaching::Cached), 0x0020_0001_2345_6001);
    assert_eq!(XE2.pt.ggtt_entry(page, GgttCaching::Uncached), 0x0030_0001_2345_6001);
}

/// Page-tables sheet §4.2, bit 1: stolen memory counts as local from 12.70 on.
#[test]
fn stolen_memory_is_marked_local_on_xe2_only() {
    let page = bus(0x80_0000);
    assert_eq!(GEN12.pt.ggtt_stolen_entry(page, GgttCaching::Cached), 0x0080_0001);
    assert_eq!(XE2.pt.ggtt_stolen_entry(page, GgttCaching::Uncached), 0x0030_0000_0080_0003);
}

/// Page-tables sheet §0, platform matrix.
#[test]
fn families_have_the_depths_and_widths_of_the_matrix() {
    let widths = |f: &PtFormat| (f.root_level.number(), f.va_bits, f.dma_addr_bits, f.compact_tables, f.cached_tables);
    assert_eq!(widths(&GEN12.pt), (3, 48, 39, false, true));
    assert_eq!(widths(&XE2.pt), (4, 48, 46, true, false));
    assert_eq!(XE2.pt.va_span_bytes(), 1 << 48);
}
