//! Bits of page-table entries (page-tables sheet §2.1).

use super::{Leaf, WalkFault, WalkSpec};

pub(super) const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
pub(super) const COMPACT_CHILD: u64 = 1 << 6;
pub(super) const PAGE_SIZE: u64 = 1 << 7;
pub(super) const GROUP: u64 = 1 << 8;
pub(super) const NULL: u64 = 1 << 9;
const ATOMICS: u64 = 1 << 10;
const LOCAL: u64 = 1 << 11;
const PAT_HIGH: u64 = 1 << 61 | 1 << 62;

/// The bits from `first` to `last`.
pub(super) const fn field(first: u32, last: u32) -> u64 {
    (u64::MAX >> (63 - last)) & (u64::MAX << first)
}

/// Address bits of an entry.
pub(super) const ADDRESS: u64 = field(12, 51);

/// Bits that must be zero in an entry.
const fn reserved(level: u8, leaf: bool, compact: bool) -> u64 {
    let upper = field(52, 60) | 1 << 63;
    let low = 1 << 2 | 1 << 5;
    match (leaf, level) {
        (false, 1) => upper | low | PAT_HIGH | field(7, 11),
        (false, _) => upper | low | PAT_HIGH | COMPACT_CHILD | field(7, 11),
        (true, 2) => upper | low | COMPACT_CHILD | GROUP | field(13, 29),
        (true, 1) => upper | low | COMPACT_CHILD | GROUP | field(13, 20),
        (true, _) if compact => upper | low | COMPACT_CHILD | GROUP | field(12, 15),
        (true, _) => upper | low | COMPACT_CHILD,
    }
}

/// Refuses what hardware would not take, and what no driver should write though hardware may let it pass.
pub(super) fn check(spec: &WalkSpec, level: u8, leaf: bool, compact: bool, entry: u64) -> Result<(), WalkFault> {
    let malformed = |why| Err(WalkFault::Malformed { level, entry, why });
    if entry & reserved(level, leaf, compact) != 0 {
        return malformed("reserved bits are set");
    }
    if entry & LOCAL != 0 && leaf {
        return malformed("local memory on an integrated part");
    }
    if !leaf && entry & WRITABLE == 0 {
        return malformed("read-only directory");
    }
    if !leaf && level == 1 && entry & COMPACT_CHILD != 0 && !spec.compact {
        return malformed("compact table on a part without them");
    }
    if leaf && entry & ATOMICS != 0 && !spec.atomics_bit {
        return malformed("atomics bit on a part without it");
    }
    if leaf && spec.pat_rows >> pat_of(level, entry) & 1 == 0 {
        return malformed("PAT row does not exist");
    }
    if entry & NULL == 0 && (entry & ADDRESS) >> spec.dma_bits != 0 {
        return malformed("address beyond the device's reach");
    }
    Ok(())
}

/// PAT index of a leaf: its bit 2 moves with the level.
const fn pat_of(level: u8, entry: u64) -> u8 {
    const fn bit(entry: u64, from: u32, to: u32) -> u64 {
        (entry >> from & 1) << to
    }
    let second = if level == 0 { bit(entry, 7, 2) } else { bit(entry, 12, 2) };
    (bit(entry, 3, 0) | bit(entry, 4, 1) | second | bit(entry, 62, 3) | bit(entry, 61, 4)) as u8
}

/// What a leaf that passed [`check`] says. `grouped`: the first of sixteen that stand for 64 KiB.
pub(super) const fn decode(spec: &WalkSpec, level: u8, compact: bool, grouped: bool, entry: u64) -> Leaf {
    let shift = match (level, compact || grouped) {
        (0, false) => 12,
        (0, true) => 16,
        (1, _) => 21,
        _ => 30,
    };
    Leaf {
        page: if entry & NULL != 0 { None } else { Some(entry & field(shift, 51)) },
        bytes: 1 << shift,
        writable: entry & WRITABLE != 0,
        atomics: !spec.atomics_bit || entry & ATOMICS != 0 || entry & NULL != 0,
        pat: pat_of(level, entry),
    }
}

/// Whether sixteen entries are one 64 KiB group: all marked, one after the other, from an aligned address.
pub(super) fn is_group(entries: &[u64; 16]) -> bool {
    let [first, ..] = *entries;
    let step = if first & NULL != 0 { 0 } else { 4096 };
    let aligned = first & NULL != 0 || first & field(12, 15) == 0;
    aligned && (0u64..).zip(entries).all(|(index, entry)| *entry == first.wrapping_add(index * step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ppgtt::Access;
    use crate::testing::{lnl_walk, tgl_walk};

    #[test]
    fn large_leaves_and_their_moved_pat_bit_are_decoded() {
        // page-tables sheet §2 check 7: LNL index 15, 2 MiB at 0x600000, atomics.
        let leaf = decode(&lnl_walk(), 1, false, false, 0x4000_0000_0060_149B);
        assert_eq!((leaf.page, leaf.bytes, leaf.pat, leaf.atomics), (Some(0x60_0000), 2 << 20, 15, true));
    }

    #[test]
    fn null_pages_have_no_address_and_read_only_pages_refuse_stores() {
        let null = decode(&tgl_walk(), 0, false, false, 0x203);
        assert_eq!((null.page, null.check(Access::Write)), (None, Ok(())));
        let fixed = decode(&tgl_walk(), 0, false, false, 0x1_2345_6019);
        assert_eq!(fixed.check(Access::Write), Err(WalkFault::ReadOnly));
        assert_eq!((fixed.check(Access::Atomic), fixed.check(Access::Read)), (Err(WalkFault::ReadOnly), Ok(())));
        let plain = decode(&lnl_walk(), 0, false, false, 0x1003);
        assert_eq!((plain.check(Access::Atomic), plain.check(Access::Write)), (Err(WalkFault::NoAtomics), Ok(())));
    }

    #[test]
    fn entries_that_no_driver_should_write_are_refused() {
        for (entry, spec) in [
            (0x1003 | 1 << 5, tgl_walk()),
            (0x1003 | 1 << 52, tgl_walk()),
            (0x1003 | 1 << 11, tgl_walk()),
            (0x1003 | 1 << 10, tgl_walk()),
            (0x1003 | 1 << 40, tgl_walk()),
            (0x1003 | 1 << 7, tgl_walk()),
            (0x1003 | 1 << 61, lnl_walk()),
        ] {
            assert!(check(&spec, 0, true, false, entry).is_err(), "{entry:#x}");
        }
        assert!(check(&tgl_walk(), 1, false, false, 0x1043).is_err(), "compact on tgl");
        assert!(check(&lnl_walk(), 2, false, false, 0x105B).is_err(), "compact above level 1");
        assert!(check(&lnl_walk(), 0, true, true, 0x1_1403).is_err(), "a compact leaf that is not 64 KiB aligned");
    }
}
