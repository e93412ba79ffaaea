//! The page-table walk of the hardware (page-tables sheet, appendix A).
//!
//! Reads tables through the bus, from the root the driver put into the context image, with the simulator's own idea
//! of every bit. What hardware would refuse is a [`WalkFault`]; what a driver should never write, though hardware
//! may let it pass, is refused too, so that tests see it.

mod contents;
mod entry;
mod show;

pub use contents::{PageTables, Run, SeenTable, contents};

use crate::bus::Bus;
use core::fmt;
use entry::{ADDRESS, COMPACT_CHILD, GROUP, PAGE_SIZE, PRESENT, field};

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
    /// The address is not one of this part: bits above the usable ones differ from the highest usable one.
    NotCanonical,
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
    /// An entry breaks the format. The root descriptor counts as an entry one level above the root table.
    Malformed {
        /// Level of the entry.
        level: u8,
        /// The entry.
        entry: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for WalkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCanonical => write!(f, "the address is not canonical"),
            Self::NotPresent { level } => write!(f, "the entry of level {level} is not present"),
            Self::ReadOnly => write!(f, "the page is read-only"),
            Self::NoAtomics => write!(f, "the page does not allow atomics"),
            Self::TableUnreachable { table } => write!(f, "no memory is at {table:#x}, where a table should be"),
            Self::Malformed { level, entry, why } => write!(f, "entry {entry:#x} of level {level}: {why}"),
        }
    }
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

/// A table on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Level of its entries.
    pub level: u8,
    /// Bus address.
    pub addr: u64,
    /// 32 entries of 64 KiB instead of 512 of 4 KiB.
    pub compact: bool,
}

impl Table {
    /// Bits of an address that lie inside what the whole table covers.
    #[must_use]
    pub const fn covered_bits(level: u8) -> u32 {
        21 + 9 * level as u32
    }
}

/// The address without its sign extension.
///
/// # Errors
/// [`WalkFault::NotCanonical`]. Both forms of an address in the upper half are taken: clients extend the sign of some
/// and not of others.
pub const fn canonical(spec: &WalkSpec, va: u64) -> Result<u64, WalkFault> {
    let inside = field(0, spec.va_bits as u32 - 1);
    let upper_half = va >> (spec.va_bits - 1) & 1 != 0;
    if va & !inside == 0 || (upper_half && va & !inside == !inside) {
        Ok(va & inside)
    } else {
        Err(WalkFault::NotCanonical)
    }
}

/// The table that a root descriptor names.
///
/// # Errors
/// [`WalkFault::Malformed`].
pub fn root(spec: &WalkSpec, descriptor: u64) -> Result<Table, WalkFault> {
    let level = spec.root_level + 1;
    if descriptor & PRESENT == 0 {
        return Err(WalkFault::Malformed { level, entry: descriptor, why: "the root descriptor is not present" });
    }
    entry::check(spec, level, false, false, descriptor)?;
    Ok(Table { level: spec.root_level, addr: descriptor & ADDRESS, compact: false })
}

/// Walks from the root `descriptor` to the leaf of `va`.
///
/// # Errors
/// [`WalkFault`].
pub fn walk(bus: &mut dyn Bus, spec: &WalkSpec, descriptor: u64, va: u64) -> Result<Leaf, WalkFault> {
    let va = canonical(spec, va)?;
    walk_from(bus, spec, root(spec, descriptor)?, va, &mut |_| {})
}

/// Walks from a table on the way to `va`, a canonical address without its sign extension, and shows every further
/// table it comes to.
///
/// # Errors
/// [`WalkFault`].
pub fn walk_from(
    bus: &mut dyn Bus,
    spec: &WalkSpec,
    from: Table,
    va: u64,
    visit: &mut dyn FnMut(Table),
) -> Result<Leaf, WalkFault> {
    let mut table = from;
    loop {
        let Table { level, addr, compact } = table;
        let index = if compact { va >> 16 & 31 } else { va >> (12 + 9 * u32::from(level)) & 511 };
        let [entry] = read_entries(bus, addr, index)?;
        if entry & PRESENT == 0 {
            return Err(WalkFault::NotPresent { level });
        }
        let leaf = level == 0 || (level <= 2 && entry & PAGE_SIZE != 0);
        entry::check(spec, level, leaf, compact, entry)?;
        if leaf && level == 0 && entry & GROUP != 0 {
            return group(bus, spec, addr, index);
        }
        if leaf {
            return Ok(entry::decode(spec, level, compact, false, entry));
        }
        let compact = level == 1 && entry & COMPACT_CHILD != 0;
        table = Table { level: level - 1, addr: entry & ADDRESS, compact };
        visit(table);
    }
}

/// The leaf of an entry that is marked as one of sixteen that stand for 64 KiB: hardware may take any of them for all.
fn group(bus: &mut dyn Bus, spec: &WalkSpec, table: u64, index: u64) -> Result<Leaf, WalkFault> {
    let entries: [u64; 16] = read_entries(bus, table, index & !15)?;
    leaf_of_group(spec, &entries)
}

fn leaf_of_group(spec: &WalkSpec, entries: &[u64; 16]) -> Result<Leaf, WalkFault> {
    let [first, ..] = *entries;
    if !entry::is_group(entries) {
        return Err(WalkFault::Malformed { level: 0, entry: first, why: "a 64 KiB group is not whole" });
    }
    entry::check(spec, 0, true, false, first)?;
    Ok(entry::decode(spec, 0, false, true, first))
}

fn read_entries<const N: usize>(bus: &mut dyn Bus, table: u64, index: u64) -> Result<[u64; N], WalkFault> {
    let mut bytes = [[0; 8]; N];
    let read = bus.dma_read(table + index * 8, bytes.as_flattened_mut());
    read.map_err(|_| WalkFault::TableUnreachable { table })?;
    Ok(bytes.map(u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryBus, lnl_walk, tgl_walk};

    /// Tables of four levels down to one of level 0 at `0x1_3000`, which is returned.
    fn four_levels(bus: &mut MemoryBus) -> u64 {
        // page-tables sheet §5 check 1, on tables of the test's own.
        bus.put64(0x1_0000, &[0x1_1003]);
        bus.put64(0x1_1000, &[0x1_2003]);
        bus.put64(0x1_2000, &[0x1_3003]);
        0x1_3000
    }

    #[test]
    fn a_four_level_tree_is_walked_to_a_page() {
        let mut bus = MemoryBus::new();
        let leaves = four_levels(&mut bus);
        bus.put64(leaves, &[0, 0x1_2345_6003]);
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
    fn a_table_outside_memory_is_a_fault() {
        let mut bus = MemoryBus::new();
        let fault = walk(&mut bus, &tgl_walk(), 0x7777_0003, 0);
        assert_eq!(fault, Err(WalkFault::TableUnreachable { table: 0x7777_0000 }));
    }

    #[test]
    fn a_root_descriptor_is_checked_like_a_directory_entry() {
        let mut bus = MemoryBus::new();
        for (descriptor, why) in [
            (0, "the root descriptor is not present"),
            (0x1_0002, "the root descriptor is not present"),
            (0x1_0001, "read-only directory"),
            (0x1_0083, "reserved bits are set"),
            (1 << 41 | 3, "address beyond the device's reach"),
        ] {
            let fault = walk(&mut bus, &tgl_walk(), descriptor, 0);
            assert_eq!(fault, Err(WalkFault::Malformed { level: 4, entry: descriptor, why }), "{descriptor:#x}");
        }
    }

    #[test]
    fn addresses_are_plain_or_sign_extended_and_nothing_else() {
        let spec = lnl_walk();
        for (va, want) in [
            (0x7FFF_FFFF_FFFF, Ok(0x7FFF_FFFF_FFFF)),
            (0x8000_0000_0000, Ok(0x8000_0000_0000)),
            (0xFFFF_8000_0000_0000, Ok(0x8000_0000_0000)),
            (0xFFFF_7FFF_FFFF_FFFF, Err(WalkFault::NotCanonical)),
            (0x0001_0000_0000_0000, Err(WalkFault::NotCanonical)),
            (0x7FFF_8000_0000_0000, Err(WalkFault::NotCanonical)),
        ] {
            assert_eq!(canonical(&spec, va), want, "{va:#x}");
        }
    }

    #[test]
    fn a_64k_group_is_one_leaf_only_if_it_is_whole() {
        let mut bus = MemoryBus::new();
        let leaves = four_levels(&mut bus);
        let group: Vec<u64> = (0..16).map(|page| (0x12_0000 + page * 0x1000) | 0x103).collect();
        bus.put64(leaves + 16 * 8, &group);
        let leaf = walk(&mut bus, &tgl_walk(), 0x1_0003, 0x1_5678).unwrap();
        assert_eq!((leaf.page, leaf.bytes), (Some(0x12_0000), 1 << 16));
        bus.put64(leaves + 20 * 8, &[0x55_5103]);
        let fault = walk(&mut bus, &tgl_walk(), 0x1_0003, 0x1_5678).unwrap_err();
        assert!(fault.to_string().contains("a 64 KiB group is not whole"), "{fault}");
        bus.put64(leaves + 16 * 8, &[0x303; 16]);
        assert_eq!(walk(&mut bus, &tgl_walk(), 0x1_0003, 0x1_5678).unwrap().page, None);
    }

    #[test]
    fn every_table_on_the_way_is_shown_once() {
        let mut bus = MemoryBus::new();
        let leaves = four_levels(&mut bus);
        bus.put64(leaves, &[0x5003]);
        let mut seen = Vec::new();
        let start = root(&tgl_walk(), 0x1_0003).unwrap();
        walk_from(&mut bus, &tgl_walk(), start, 0, &mut |table| seen.push((table.level, table.addr))).unwrap();
        assert_eq!(seen, [(2, 0x1_1000), (1, 0x1_2000), (0, 0x1_3000)]);
    }
}
