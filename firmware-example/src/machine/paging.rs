//! Page tables of the bare-metal image: everything at its physical address.
//!
//! The entry maps the first 4 GiB as memory, in pages of 2 MiB. Device memory is mapped before it is touched, wherever
//! it lies below 128 TiB: as uncached, and, above the first 4 GiB, with tables from a few that lie ready.

/// Entries of a table.
const ENTRIES: usize = 512;
/// Bytes of a table.
const TABLE_BYTES: u64 = 4096;
/// Bytes that one entry of the lowest level used here maps.
pub const LEAF_BYTES: u64 = 2 << 20;
/// End of what can be mapped: the lower half of a 48-bit address space.
const END: u64 = 1 << 47;
/// Tables the entry fills: the root, one directory of gigabytes, four of 2 MiB pages.
pub const BOOT_TABLES: usize = 6;
/// Tables for what lies above 4 GiB: six separate ranges, or as many gigabytes in one.
const SPARE_TABLES: usize = 12;
/// All of them.
pub const TABLES: usize = BOOT_TABLES + SPARE_TABLES;

/// Bits of an entry.
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const UNCACHED: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
/// Its address.
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// Why a range is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// It is empty, or ends where the processor's tables end or beyond.
    OutOfReach,
    /// There are no tables left.
    NoTables,
}

/// A table of 512 entries.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4096))]
pub struct Table([u64; ENTRIES]);

/// The tables, the root first, and how many of the spare ones are in use. All zeros to begin with: they take no room in
/// the image.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Tables {
    tables: [Table; TABLES],
    spares: usize,
}

impl Tables {
    /// Empty tables, for the entry to fill the first [`BOOT_TABLES`] of.
    pub const EMPTY: Self = Self { tables: [const { Table([0; ENTRIES]) }; TABLES], spares: 0 };

    /// Maps a range of device memory at its physical address, uncached. `base` is the address of these tables. What was
    /// mapped there before is uncached from now on; [`forget_page`](super::cpu) is the caller's business.
    ///
    /// # Errors
    /// [`MapError`]. Nothing is mapped then that was not before, except that tables may have been used up.
    pub fn map_device(&mut self, base: u64, start: u64, len_bytes: u64) -> Result<(), MapError> {
        let end = start.checked_add(len_bytes).filter(|end| len_bytes != 0 && *end <= END);
        let end = end.ok_or(MapError::OutOfReach)?;
        let mut at = start & !(LEAF_BYTES - 1);
        while at < end {
            let gigabytes = self.below(base, 0, at >> 39)?;
            let pages = self.below(base, gigabytes, at >> 30)?;
            let entry = self.entry(pages, at >> 21).ok_or(MapError::OutOfReach)?;
            *entry = at | PRESENT | WRITABLE | LARGE | WRITE_THROUGH | UNCACHED;
            at = at.saturating_add(LEAF_BYTES);
        }
        Ok(())
    }

    fn entry(&mut self, table: usize, index: u64) -> Option<&mut u64> {
        let index = barexe_core::num::usize_capped(index & 0x1FF);
        self.tables.get_mut(table)?.0.get_mut(index)
    }

    /// The table that an entry of `table` points to; a new one if it points to none.
    fn below(&mut self, base: u64, table: usize, index: u64) -> Result<usize, MapError> {
        let used = self.spares.saturating_add(BOOT_TABLES);
        let entry = self.entry(table, index).ok_or(MapError::NoTables)?;
        if *entry & PRESENT != 0 {
            let offset = (*entry & ADDRESS).wrapping_sub(base);
            return Ok(barexe_core::num::usize_capped(offset / TABLE_BYTES));
        }
        if used >= TABLES {
            return Err(MapError::NoTables);
        }
        let offset = barexe_core::num::u64_of(used).saturating_mul(TABLE_BYTES);
        *entry = base.saturating_add(offset) | PRESENT | WRITABLE;
        self.spares = self.spares.saturating_add(1);
        Ok(used)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
mod tests {
    use super::*;
    use std::boxed::Box;

    const BASE: u64 = 0x20_0000;

    /// As the entry leaves them.
    fn booted() -> Box<Tables> {
        let mut tables = Box::new(Tables::EMPTY);
        *tables.entry(0, 0).unwrap() = (BASE + 4096) | PRESENT | WRITABLE;
        for gigabyte in 0..4 {
            *tables.entry(1, gigabyte).unwrap() = (BASE + (2 + gigabyte) * 4096) | PRESENT | WRITABLE;
            for page in 0..512 {
                let leaf = gigabyte << 30 | page << 21 | PRESENT | WRITABLE | LARGE;
                *tables.entry(2 + usize::try_from(gigabyte).unwrap(), page).unwrap() = leaf;
            }
        }
        tables
    }

    /// What the processor finds for an address.
    fn walk(tables: &Tables, at: u64) -> Option<u64> {
        let entry = |table: usize, shift: u32| tables.tables[table].0[usize::try_from(at >> shift & 0x1FF).unwrap()];
        let next =
            |entry: u64| (entry & PRESENT != 0).then(|| usize::try_from((entry & ADDRESS) - BASE).unwrap() / 4096);
        let leaf = entry(next(entry(next(entry(0, 39))?, 30))?, 21);
        (leaf & PRESENT != 0).then_some(leaf)
    }

    const DEVICE: u64 = PRESENT | WRITABLE | LARGE | WRITE_THROUGH | UNCACHED;

    #[test]
    fn a_bar_is_mapped_where_it_lies_below_and_above_what_firmware_likes() {
        let mut tables = booted();
        for (start, len) in [(0xFD00_0000, 16 << 20), (0x38_0000_0000, 16 << 20), (0xC0_1000_0000, 256 << 20)] {
            tables.map_device(BASE, start, len).unwrap();
            for at in [start, start + len / 2, start + len - 1] {
                assert_eq!(walk(&tables, at), Some(at & !(LEAF_BYTES - 1) | DEVICE), "{at:#x}");
            }
            assert_eq!(walk(&tables, start - 1).map(|leaf| leaf & UNCACHED), (start < 1 << 32).then_some(0));
        }
        assert_eq!(walk(&tables, 0x10_0000), Some(PRESENT | WRITABLE | LARGE), "memory stays as it was");
    }

    #[test]
    fn a_range_that_crosses_gigabytes_has_no_hole() {
        let mut tables = booted();
        let start = 0xC0_3FF0_0000;
        tables.map_device(BASE, start, 0x20_0000).unwrap();
        assert_eq!(walk(&tables, start), Some(start & !(LEAF_BYTES - 1) | DEVICE));
        assert_eq!(walk(&tables, 0xC0_4000_0000), Some(0xC0_4000_0000 | DEVICE));
    }

    #[test]
    fn ranges_that_cannot_be_mapped_are_refused() {
        let mut tables = booted();
        let refused = [(0x1000, 0), (u64::MAX - 4095, 4096), (END - 4096, 8192), (END, 4096)];
        for (start, len) in refused {
            assert_eq!(tables.map_device(BASE, start, len), Err(MapError::OutOfReach), "{start:#x}");
        }
        assert_eq!(tables.map_device(BASE, 1 << 40, 64 << 30), Err(MapError::NoTables));
    }
}
