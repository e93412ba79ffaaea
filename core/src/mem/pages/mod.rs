//! Page-table memory: 4 KiB tables out of larger blocks, with the driver's own notes about each.
//!
//! Blocks come from the HAL in pieces of a fixed size, never page by page. Whoever changes page tables first
//! *reserves* the most it can need; taking a table against a [`Reservation`] cannot fail. The notes (level, live
//! entries, children) are kept beside the tables, so that nothing the device could have overwritten steers the driver.

mod dropped;
mod entries;
mod notes;
mod reserve;
mod run;

pub use dropped::Dropped;
pub use entries::{Entries, TableEntries};
pub use notes::{Child, Directory, DirectoryId, Link, TableId, TableNote};
pub use reserve::{Need, Reservation};
pub use run::TableRun;

use crate::mem::Defect;
use crate::num::{u64_of, usize_of};
use crate::shares::Ledger;
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching, DmaMemory};
use core::fmt;
use core::ops::Range;

/// Bytes of a page table, at every level.
pub const TABLE_BYTES: usize = 4096;
/// Entries of a page table.
pub const ENTRIES: u32 = 512;
/// Tables in one block of page-table memory, unless the HAL's largest block is smaller. A power of two.
pub const BLOCK_TABLES: u32 = 32;

/// Most tables there can be: their numbers are 21 bits wide, and the last one is no table.
pub const MAX_TABLES: usize = (1 << 21) - 1;

/// No table, no directory.
const NONE: u32 = u32::MAX;

/// All page-table memory of a device.
pub struct PtMemory<'a> {
    blocks: &'a mut [Option<DmaBuffer>],
    notes: &'a mut [TableNote],
    directories: &'a mut [Directory],
    /// Tables in a block, as a power of two.
    block_shift: u32,
    blocks_used: u32,
    last_addr: BusAddr,
    caching: DmaCaching,
    free_tables: List,
    free_directories: List,
    reserved: Need,
    /// Where tables of all levels are counted, and those of the higher ones.
    ledgers: (Ledger<'a>, Ledger<'a>),
}

/// Shows the tables in use and the promises given: what stands in the notes of free tables is not part of the state.
impl fmt::Debug for PtMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PtMemory");
        shown.field("blocks", &self.blocks_used).field("free", &(self.free_tables.len, self.free_directories.len));
        shown.field("reserved", &self.reserved);
        for directory in self.directories.iter().filter(|directory| directory.table != NONE) {
            shown.field("table", &directory.table).field("level", &directory.level);
            for child in directory.children() {
                shown.field("child", &child);
            }
        }
        shown.finish()
    }
}

/// Tables that blocks of so many and notes make.
fn tables_in(blocks: usize, notes: usize, block_shift: u32) -> usize {
    notes.min(MAX_TABLES).wrapping_shr(block_shift).min(blocks).wrapping_shl(block_shift)
}

/// Tables of a block as a power of two.
fn block_shift(max_block_bytes: u64) -> u32 {
    let most = crate::num::low32((max_block_bytes >> 12).min(u64::from(BLOCK_TABLES)));
    most.checked_ilog2().unwrap_or(0)
}

/// A list through the notes of free tables or directories.
#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    len: u32,
}

impl List {
    const EMPTY: Self = Self { head: NONE, len: 0 };
}

impl<'a> PtMemory<'a> {
    /// Page-table memory over lent notes; takes no block yet.
    ///
    /// `max_block_bytes` is the HAL's largest block, `last_addr` the highest address a table may have, `caching` how
    /// the family wants tables mapped for the CPU.
    pub fn new(
        blocks: &'a mut [Option<DmaBuffer>],
        notes: &'a mut [TableNote],
        directories: &'a mut [Directory],
        max_block_bytes: u64,
        last_addr: BusAddr,
        caching: DmaCaching,
    ) -> Self {
        let mut memory = Self {
            blocks,
            notes,
            directories,
            block_shift: block_shift(max_block_bytes),
            blocks_used: 0,
            last_addr,
            caching,
            free_tables: List::EMPTY,
            free_directories: List::EMPTY,
            reserved: Need::default(),
            ledgers: (Ledger::NONE, Ledger::NONE),
        };
        // Whoever lent the notes may have used them before.
        for index in (0..crate::num::u32_capped(memory.directories.len().min(MAX_TABLES))).rev() {
            if let Some(directory) = memory.directories.get_mut(usize_of(index)) {
                *directory = Directory::EMPTY;
            }
            memory.free_directory(index);
        }
        memory
    }

    /// Tables that so many blocks and notes make, with blocks of at most `max_block_bytes`.
    pub(crate) fn tables_in(blocks: usize, notes: usize, max_block_bytes: u64) -> usize {
        tables_in(blocks, notes, block_shift(max_block_bytes))
    }

    /// The same, with tables counted: those of all levels, and those of the higher ones. None is in use.
    #[must_use]
    pub(crate) const fn counted(mut self, tables: Ledger<'a>, directories: Ledger<'a>) -> Self {
        self.ledgers = (tables, directories);
        self
    }

    /// Where tables of all levels and those of the higher ones are counted, and how many are in use or promised.
    pub(crate) fn ledgers(&self) -> [(&Ledger<'a>, u32); 2] {
        let used =
            crate::num::u32_capped(self.directories.len().min(MAX_TABLES)).saturating_sub(self.free_directories.len);
        let tables = self.tables_in_use().saturating_add(self.reserved.tables());
        [(&self.ledgers.0, tables), (&self.ledgers.1, used.saturating_add(self.reserved.directories))]
    }

    /// Gives every block back to the HAL, and the lent notes to the caller.
    pub fn close(
        self,
        dma: &mut impl DmaMemory,
    ) -> (&'a mut [Option<DmaBuffer>], &'a mut [TableNote], &'a mut [Directory]) {
        for block in self.blocks.iter_mut() {
            if let Some(buffer) = block.take() {
                dma.free(buffer);
            }
        }
        (self.blocks, self.notes, self.directories)
    }

    /// Tables that hold something.
    #[must_use]
    pub const fn tables_in_use(&self) -> u32 {
        self.blocks_used.wrapping_shl(self.block_shift).saturating_sub(self.free_tables.len)
    }

    /// Position of a table in its block.
    const fn position_in_block(&self, table: u32) -> u32 {
        table & 1u32.wrapping_shl(self.block_shift).wrapping_sub(1)
    }

    /// The block a table lies in, and the byte it begins at.
    ///
    /// # Errors
    /// [`Defect::Table`] if there is no such table.
    #[inline]
    pub fn place(&self, table: TableId) -> Result<(&DmaBuffer, usize), Defect> {
        let position = table.position();
        match self.blocks.get(usize_of(position.wrapping_shr(self.block_shift))) {
            Some(Some(buffer)) => Ok((buffer, usize_of(self.position_in_block(position)).saturating_mul(TABLE_BYTES))),
            _ => Err(Defect::Table { position }),
        }
    }

    /// Bus address of a table.
    ///
    /// # Errors
    /// [`Defect::Table`] if there is no such table.
    pub fn bus(&self, table: TableId) -> Result<BusAddr, Defect> {
        let (buffer, offset) = self.place(table)?;
        buffer.bus().checked_add(u64_of(offset)).ok_or(Defect::Table { position: table.position() })
    }

    /// Stores entries of a table from `first` on, each as one 64-bit store; where they are now, for publishing.
    ///
    /// # Errors
    /// [`Defect::Table`] if there is no such table or the run leaves it; nothing is written then.
    #[inline]
    pub fn store(
        &self,
        table: TableId,
        first: u32,
        entries: &Entries<'_, '_>,
    ) -> Result<(&DmaBuffer, Range<usize>), Defect> {
        let (buffer, base) = self.place(table)?;
        let at = base.wrapping_add(usize_of(first).wrapping_mul(8));
        let inside = u64::from(first).wrapping_add(u64::from(entries.count())) <= u64::from(ENTRIES);
        if inside && entries.store(buffer, at).is_ok() {
            return Ok((buffer, at..at.wrapping_add(usize_of(entries.count()).wrapping_mul(8))));
        }
        Err(Defect::Table { position: table.position() })
    }

    /// Stores one entry of a table; the low nine bits of `index` count.
    ///
    /// # Errors
    /// [`Defect::Table`] if there is no such table.
    #[inline]
    pub fn store_one(&self, table: TableId, index: u32, value: u64) -> Result<(), Defect> {
        let (buffer, base) = self.place(table)?;
        let at = base.wrapping_add(usize_of(index & (ENTRIES - 1)).wrapping_mul(8));
        buffer.write_u64(at, value).map_err(|_| Defect::Table { position: table.position() })
    }

    /// Makes one entry visible to the device; the low nine bits of `index` count.
    #[inline]
    pub fn publish_one(&self, dma: &mut impl DmaMemory, table: TableId, index: u32) {
        if let Ok((buffer, base)) = self.place(table) {
            let at = base.wrapping_add(usize_of(index & (ENTRIES - 1)).wrapping_mul(8));
            dma.publish(buffer, at..at.wrapping_add(8));
        }
    }

    /// Reads an entry back.
    ///
    /// For reports and tests: what the device may have written must not steer the driver.
    #[must_use]
    pub fn load(&self, table: TableId, index: u32) -> Option<u64> {
        let (buffer, base) = self.place(table).ok()?;
        if index >= ENTRIES {
            return None;
        }
        buffer.read_u64(base.saturating_add(usize_of(index).saturating_mul(8))).ok()
    }
}
