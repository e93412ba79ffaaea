//! The page-table walk of the hardware (page-tables sheet, appendix A).
//!
//! Reads tables through the bus, from the root the driver put into the context image, with the simulator's own idea
//! of every bit. What hardware would refuse is a [`WalkFault`]; what a driver should never write, though hardware
//! may let it pass, is refused too, so that tests see it.

use crate::bus::Bus;

/// What of a platform decides about a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkSpec {
    /// Level of the root table: 3 or 4.
    pub root_level: u8,
    /// Bits of a usable virtual address.
    pub va_bits: u8,
    /// Bits of a bus address.
    pub dma_bits: u8,
    /// Compact 64 KiB tables exist.
    pub compact: bool,
    /// Entries have an atomics bit.
    pub atomics_bit: bool,
    /// PAT rows that exist, one bit each.
    pub pat_rows: u32,
}

/// Kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store.
    Write,
    /// Read-modify-write.
    Atomic,
}

/// Why an address does not translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkFault {
    /// An entry is not present.
    NotPresent {
        /// Level of the entry.
        level: u8,
    },
    /// Store to a read-only page.
    ReadOnly,
    /// Atomic on a page that does not allow it.
    NoAtomics,
    /// A table lies where no memory is.
    TableUnreachable {
        /// Its bus address.
        table: u64,
    },
    /// An entry breaks the format.
    Malformed {
        /// Level of the entry.
        level: u8,
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Bus address of the page's first byte; none for a null page.
    pub page: Option<u64>,
    /// Bytes the leaf covers.
    pub bytes: u64,
    /// Stores are allowed.
    pub writable: bool,
    /// Atomics are allowed.
    pub atomics: bool,
    /// PAT index.
    pub pat: u8,
}

impl Leaf {
    /// Whether `access` is allowed.
    ///
    /// # Errors
    /// [`WalkFault::ReadOnly`], [`WalkFault::NoAtomics`].
    pub const fn check(&self, access: Access) -> Result<(), WalkFault> {
        match access {
            Access::Write | Access::Atomic if !self.writable => Err(WalkFault::ReadOnly),
            Access::Atomic if !self.atomics => Err(WalkFault::NoAtomics),
            Access::Read | Access::Write | Access::Atomic => Ok(()),
        }
    }
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const COMPACT_CHILD: u64 = 1 << 6;
const PAGE_SIZE: u64 = 1 << 7;
const GROUP: u64 = 1 << 8;
const NULL: u64 = 1 << 9;
const ATOMICS: u64 = 1 << 10;
const LOCAL: u64 = 1 << 11;
const PAT_HIGH: u64 = 1 << 61 | 1 << 62;

const fn field(first: u32, last: u32) -> u64 {
    (u64::MAX >> (63 - last)) & (u64::MAX << first)
}

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

/// Walks from the root `descriptor` to the leaf of `va`.
///
/// # Errors
/// [`WalkFault`].
pub fn walk(bus: &mut dyn Bus, spec: &WalkSpec, descriptor: u64, va: u64) -> Result<Leaf, WalkFault> {
    let va = va & field(0, u32::from(spec.va_bits) - 1);
    let mut level = spec.root_level;
    let mut table = descriptor & field(12, 51);
    let mut compact = false;
    loop {
        let index = if compact { va >> 16 & 31 } else { va >> (12 + 9 * u32::from(level)) & 511 };
        let entry = read_entry(bus, table, index)?;
        if entry & PRESENT == 0 {
            return Err(WalkFault::NotPresent { level });
        }
        let leaf = level == 0 || (level <= 2 && entry & PAGE_SIZE != 0);
        check_entry(spec, level, leaf, compact, entry)?;
        if leaf {
            return Ok(decode(spec, level, compact, entry));
        }
        table = entry & field(12, 51);
        compact = level == 1 && entry & COMPACT_CHILD != 0;
        level -= 1;
    }
}

fn read_entry(bus: &mut dyn Bus, table: u64, index: u64) -> Result<u64, WalkFault> {
    let mut bytes = [0; 8];
    let read = bus.dma_read(table + index * 8, &mut bytes);
    read.map_err(|_| WalkFault::TableUnreachable { table })?;
    Ok(u64::from_le_bytes(bytes))
}

fn check_entry(spec: &WalkSpec, level: u8, leaf: bool, compact: bool, entry: u64) -> Result<(), WalkFault> {
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
    if entry & NULL == 0 && (entry & field(12, 51)) >> spec.dma_bits != 0 {
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

const fn decode(spec: &WalkSpec, level: u8, compact: bool, entry: u64) -> Leaf {
    let shift = match (level, compact) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryBus, lnl_walk, tgl_walk};

    #[test]
    fn a_four_level_tree_is_walked_to_a_page() {
        // page-tables sheet §5 check 1, on tables of the test's own.
        let mut bus = MemoryBus::new();
        bus.put64(0x1_0000, &[0x1_1003]);
        bus.put64(0x1_1000, &[0x1_2003]);
        bus.put64(0x1_2000, &[0x1_3003]);
        bus.put64(0x1_3000, &[0, 0x1_2345_6003]);
        let leaf = walk(&mut bus, &tgl_walk(), 0x1_0003, 0x1ABC).unwrap();
        assert_eq!((leaf.page, leaf.bytes, leaf.writable, leaf.pat), (Some(0x1_2345_6000), 4096, true, 0));
        assert_eq!(walk(&mut bus, &tgl_walk(), 0x1_0003, 0), Err(WalkFault::NotPresent { level: 0 }));
        assert_eq!(walk(&mut bus, &tgl_walk(), 0x1_0003, 1 << 39), Err(WalkFault::NotPresent { level: 3 }));
    }

    #[test]
    fn a_five_level_tree_with_a_compact_table_is_walked_to_64k() {
        let mut bus = MemoryBus::new();
        for level in 0..3u64 {
            bus.put64(0x1_0000 + level * 0x1000, &[(0x1_1000 + level * 0x1000) | 0x1B]);
        }
        bus.put64(0x1_3000, &[0x1_4000 | 0x5B]);
        bus.put64(0x1_4000, &[0, 0x1235_0000 | 0x413]);
        let leaf = walk(&mut bus, &lnl_walk(), 0x1_001B, 0x1_8000).unwrap();
        assert_eq!((leaf.page, leaf.bytes, leaf.pat, leaf.atomics), (Some(0x1235_0000), 1 << 16, 2, true));
    }

    #[test]
    fn large_leaves_and_their_moved_pat_bit_are_decoded() {
        // page-tables sheet §2 check 7: LNL index 15, 2 MiB at 0x600000, atomics.
        let leaf = decode(&lnl_walk(), 1, false, 0x4000_0000_0060_149B);
        assert_eq!((leaf.page, leaf.bytes, leaf.pat, leaf.atomics), (Some(0x60_0000), 2 << 20, 15, true));
    }

    #[test]
    fn null_pages_have_no_address_and_read_only_pages_refuse_stores() {
        let null = decode(&tgl_walk(), 0, false, 0x203);
        assert_eq!((null.page, null.check(Access::Write)), (None, Ok(())));
        let fixed = decode(&tgl_walk(), 0, false, 0x1_2345_6019);
        assert_eq!(fixed.check(Access::Write), Err(WalkFault::ReadOnly));
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
            assert!(check_entry(&spec, 0, true, false, entry).is_err(), "{entry:#x}");
        }
        assert!(check_entry(&tgl_walk(), 1, false, false, 0x1043).is_err(), "compact on tgl");
    }

    #[test]
    fn a_table_outside_memory_is_a_fault() {
        let mut bus = MemoryBus::new();
        let fault = walk(&mut bus, &tgl_walk(), 0x7777_0003, 0);
        assert_eq!(fault, Err(WalkFault::TableUnreachable { table: 0x7777_0000 }));
    }
}
