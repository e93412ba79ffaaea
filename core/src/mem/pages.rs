//! Page-table memory: 4 KiB tables out of larger blocks, with the driver's own notes about each.
//!
//! Blocks come from the HAL in pieces of a fixed size, never page by page. Whoever changes page tables first
//! *reserves* the most it can need; taking a table against a reservation cannot fail. The notes (level, live entries,
//! children) are kept beside the tables, so that nothing the device could have overwritten steers the driver.

use crate::mem::format::Level;
use crate::num::{u64_of, usize_of};
use crate::{Capacity, Error};
use barexe_hal::{BusAddr, DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest};
use core::fmt;

/// Bytes of a page table, at every level.
pub const TABLE_BYTES: usize = 4096;
/// Entries of a page table.
pub const ENTRIES: u32 = 512;
/// Tables in one block of page-table memory, unless the HAL's largest block is smaller.
pub const BLOCK_TABLES: u32 = 32;

const NONE: u32 = u32::MAX;

/// Names a table: its position in page-table memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId(u32);

/// Notes about one table. Lent to the driver as an array.
#[derive(Clone, Copy, Debug)]
pub struct TableNote {
    /// Next in the free list or in a list of dropped tables.
    next: u32,
    /// Position of its directory notes, for levels that have children.
    directory: u32,
    /// Entries in use.
    live: u16,
    level: Level,
}

impl TableNote {
    /// Filler for lent arrays.
    pub const EMPTY: Self = Self { next: NONE, directory: NONE, live: 0, level: Level::L0 };
}

/// Notes about the entries of one directory. Lent to the driver as an array.
#[derive(Clone, Debug)]
pub struct Directory {
    children: [u32; 512],
    next_free: u32,
}

impl Directory {
    /// Filler for lent arrays.
    pub const EMPTY: Self = Self { children: [NONE; 512], next_free: NONE };
}

/// What an entry of a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Nothing, or scratch.
    Empty,
    /// A large-page leaf.
    Leaf,
    /// A table of the next level down.
    Table(TableId),
}

const LEAF: u32 = u32::MAX - 1;

/// The most tables a change can need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Tables of level 0.
    pub leaf_tables: u32,
    /// Tables of higher levels.
    pub directories: u32,
}

impl Need {
    /// Both needs together; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            leaf_tables: self.leaf_tables.saturating_add(other.leaf_tables),
            directories: self.directories.saturating_add(other.directories),
        }
    }

    const fn tables(self) -> u32 {
        self.leaf_tables.saturating_add(self.directories)
    }
}

/// Tables that were unhooked and may still be cached by the device; see [`PtMemory::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "tables dropped from a tree are lost unless they are released after the TLB invalidation"]
pub struct Dropped {
    head: u32,
    tail: u32,
}

impl Dropped {
    /// No tables.
    pub const NONE: Self = Self { head: NONE, tail: NONE };

    /// Whether there is nothing to release.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// All page-table memory of a device.
pub struct PtMemory<'a> {
    blocks: &'a mut [Option<DmaBuffer>],
    notes: &'a mut [TableNote],
    directories: &'a mut [Directory],
    block_tables: u32,
    blocks_used: u32,
    last_addr: BusAddr,
    caching: DmaCaching,
    free_tables: List,
    free_directories: List,
    reserved: Need,
}

/// Shows the tables in use and the promises given: what stands in the notes of free tables is not part of the state.
impl fmt::Debug for PtMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = |note: &&TableNote| note.live > 0 || note.directory != NONE;
        let mut shown = f.debug_struct("PtMemory");
        shown.field("blocks", &self.blocks_used).field("free", &(self.free_tables.len, self.free_directories.len));
        shown.field("reserved", &self.reserved);
        for note in self.notes.iter().filter(used) {
            shown.field("table", note);
        }
        shown.finish()
    }
}

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
        let most = crate::num::low32(max_block_bytes.min(u64::from(BLOCK_TABLES) << 12) >> 12);
        let block_tables = most.clamp(1, BLOCK_TABLES);
        let mut memory = Self {
            blocks,
            notes,
            directories,
            block_tables,
            blocks_used: 0,
            last_addr,
            caching,
            free_tables: List::EMPTY,
            free_directories: List::EMPTY,
            reserved: Need::default(),
        };
        for index in (0..crate::num::u32_capped(memory.directories.len())).rev() {
            memory.free_directory(index);
        }
        memory
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

    /// Tables in use or reserved, and directories among them; for tests and reports.
    #[must_use]
    pub const fn reserved(&self) -> Need {
        self.reserved
    }

    /// Tables that hold something.
    #[must_use]
    pub const fn tables_in_use(&self) -> u32 {
        self.blocks_used.saturating_mul(self.block_tables).saturating_sub(self.free_tables.len)
    }

    /// Promises `need` to the caller, taking blocks from the HAL as necessary.
    ///
    /// # Errors
    /// [`Error::Exhausted`] or the HAL's error; nothing changed, blocks taken on the way are given back.
    pub fn reserve(&mut self, dma: &mut impl DmaMemory, need: Need) -> Result<(), Error> {
        let wanted = self.reserved.plus(need);
        if wanted.directories > self.free_directories.len {
            return Err(Error::Exhausted(Capacity::PtDirectories));
        }
        let before = self.blocks_used;
        while wanted.tables() > self.free_tables.len {
            if let Err(error) = self.add_block(dma) {
                self.shrink_to(dma, before);
                return Err(error);
            }
        }
        self.reserved = wanted;
        Ok(())
    }

    /// Takes back a promise, or what is left of one.
    pub const fn unreserve(&mut self, need: Need) {
        self.reserved.leaf_tables = self.reserved.leaf_tables.saturating_sub(need.leaf_tables);
        self.reserved.directories = self.reserved.directories.saturating_sub(need.directories);
    }

    fn add_block(&mut self, dma: &mut impl DmaMemory) -> Result<(), Error> {
        let first = self.blocks_used.saturating_mul(self.block_tables);
        let end = first.saturating_add(self.block_tables);
        if usize_of(end) > self.notes.len() {
            return Err(Error::Exhausted(Capacity::PtNodes));
        }
        let slot = self.blocks.get_mut(usize_of(self.blocks_used));
        let slot = slot.ok_or(Error::Exhausted(Capacity::PtBlocks))?;
        let buffer = dma.alloc(DmaRequest {
            len_bytes: u64::from(self.block_tables) << 12,
            align_bytes: 4096,
            last_addr: self.last_addr,
            caching: self.caching,
            owner: DmaOwner::Driver,
        })?;
        *slot = Some(buffer);
        self.blocks_used = self.blocks_used.saturating_add(1);
        for index in (first..end).rev() {
            self.free_table(index);
        }
        Ok(())
    }

    /// Gives back the newest blocks until `count` are left. They must be wholly free and newest in the free list,
    /// which holds right after they were added.
    fn shrink_to(&mut self, dma: &mut impl DmaMemory, count: u32) {
        while self.blocks_used > count {
            for _ in 0..self.block_tables {
                let _ = self.pop_table();
            }
            self.blocks_used = self.blocks_used.saturating_sub(1);
            let block = self.blocks.get_mut(usize_of(self.blocks_used)).and_then(Option::take);
            if let Some(buffer) = block {
                dma.free(buffer);
            }
        }
    }

    fn free_table(&mut self, index: u32) {
        if let Some(note) = self.notes.get_mut(usize_of(index)) {
            *note = TableNote { next: self.free_tables.head, ..TableNote::EMPTY };
            self.free_tables = List { head: index, len: self.free_tables.len.saturating_add(1) };
        }
    }

    fn pop_table(&mut self) -> Option<u32> {
        let index = self.free_tables.head;
        let note = self.notes.get(usize_of(index))?;
        self.free_tables = List { head: note.next, len: self.free_tables.len.saturating_sub(1) };
        Some(index)
    }

    fn free_directory(&mut self, index: u32) {
        if let Some(directory) = self.directories.get_mut(usize_of(index)) {
            directory.next_free = self.free_directories.head;
            self.free_directories = List { head: index, len: self.free_directories.len.saturating_add(1) };
        }
    }

    fn pop_directory(&mut self) -> Option<u32> {
        let index = self.free_directories.head;
        let directory = self.directories.get_mut(usize_of(index))?;
        directory.children = [NONE; 512];
        self.free_directories = List { head: directory.next_free, len: self.free_directories.len.saturating_sub(1) };
        Some(index)
    }

    /// Takes a table of `level` out of the caller's reservation.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when the caller takes more than it reserved.
    pub fn take(&mut self, level: Level) -> Result<TableId, Error> {
        let directory = if level == Level::L0 {
            self.reserved.leaf_tables = reserved_minus_one(self.reserved.leaf_tables, Capacity::PtNodes)?;
            NONE
        } else {
            self.reserved.directories = reserved_minus_one(self.reserved.directories, Capacity::PtDirectories)?;
            self.pop_directory().ok_or(Error::Exhausted(Capacity::PtDirectories))?
        };
        let index = self.pop_table().ok_or(Error::Exhausted(Capacity::PtNodes))?;
        if let Some(note) = self.notes.get_mut(usize_of(index)) {
            *note = TableNote { next: NONE, directory, live: 0, level };
        }
        Ok(TableId(index))
    }

    fn note(&self, table: TableId) -> Option<&TableNote> {
        self.notes.get(usize_of(table.0))
    }

    fn place(&self, table: TableId) -> Option<(&DmaBuffer, usize)> {
        let block = table.0.checked_div(self.block_tables)?;
        let in_block = table.0.checked_rem(self.block_tables)?;
        let buffer = self.blocks.get(usize_of(block))?.as_ref()?;
        Some((buffer, usize_of(in_block).saturating_mul(TABLE_BYTES)))
    }

    /// Bus address of a table.
    #[must_use]
    pub fn bus(&self, table: TableId) -> Option<BusAddr> {
        let (buffer, offset) = self.place(table)?;
        buffer.bus().checked_add(u64_of(offset))
    }

    /// Writes `count` entries of a table from `first` on: `value`, `value + step`, ...
    ///
    /// # Errors
    /// [`Error::Invalid`] if the run leaves the table; nothing is written then.
    pub fn write(&self, table: TableId, first: u32, value: u64, step: u64, count: u32) -> Result<(), Error> {
        let end = first.saturating_add(count);
        let place = if end <= ENTRIES { self.place(table) } else { None };
        let (buffer, base) = place.ok_or(Error::invalid("page-table run end", u64::from(end)))?;
        let at = base.saturating_add(usize_of(first).saturating_mul(8));
        let written = buffer.fill_steps(at, value, step, usize_of(count));
        written.map_err(|error| Error::invalid("page-table offset", u64_of(error.offset_bytes)))
    }

    /// Makes entries `first..first + count` of a table visible to the device.
    pub fn publish(&self, dma: &mut impl DmaMemory, table: TableId, first: u32, count: u32) {
        if let Some((buffer, base)) = self.place(table) {
            let start = base.saturating_add(usize_of(first).saturating_mul(8));
            dma.publish(buffer, start..start.saturating_add(usize_of(count).saturating_mul(8)));
        }
    }

    /// What entry `index` of a directory holds.
    #[must_use]
    pub fn child(&self, table: TableId, index: u32) -> Child {
        let directory = self.note(table).and_then(|note| self.directories.get(usize_of(note.directory)));
        match directory.and_then(|directory| directory.children.get(usize_of(index))) {
            None | Some(&NONE) => Child::Empty,
            Some(&LEAF) => Child::Leaf,
            Some(&child) => Child::Table(TableId(child)),
        }
    }

    /// Notes what entry `index` of a directory holds now.
    pub fn set_child(&mut self, table: TableId, index: u32, child: Child) {
        let position = self.note(table).map_or(NONE, |note| note.directory);
        let directory = self.directories.get_mut(usize_of(position));
        if let Some(entry) = directory.and_then(|directory| directory.children.get_mut(usize_of(index))) {
            *entry = match child {
                Child::Empty => NONE,
                Child::Leaf => LEAF,
                Child::Table(table) => table.0,
            };
        }
    }

    /// Adds to or subtracts from the live entries of a table; the new number.
    pub fn count_live(&mut self, table: TableId, added: u32, removed: u32) -> u32 {
        let Some(note) = self.notes.get_mut(usize_of(table.0)) else { return 0 };
        let live = u32::from(note.live).saturating_add(added).saturating_sub(removed).min(ENTRIES);
        note.live = u16::try_from(live).unwrap_or(u16::MAX);
        live
    }

    /// Puts a table that is no longer hooked in, with everything below it, on a list.
    pub fn drop_into(&mut self, dropped: &mut Dropped, table: TableId) {
        if let Some(note) = self.notes.get_mut(usize_of(table.0)) {
            note.next = NONE;
        }
        if let Some(last) = self.notes.get_mut(usize_of(dropped.tail)) {
            last.next = table.0;
        } else {
            dropped.head = table.0;
        }
        dropped.tail = table.0;
    }

    /// Appends one list of dropped tables to another.
    pub fn join(&mut self, into: &mut Dropped, more: Dropped) {
        if more.is_empty() {
            return;
        }
        if let Some(last) = self.notes.get_mut(usize_of(into.tail)) {
            last.next = more.head;
        } else {
            into.head = more.head;
        }
        into.tail = more.tail;
    }

    /// Frees dropped tables and everything below them. Only after the TLB invalidation that covers them.
    pub fn release(&mut self, mut dropped: Dropped) {
        while let Some(note) = self.notes.get(usize_of(dropped.head)).copied() {
            let table = TableId(dropped.head);
            if note.directory != NONE {
                for index in 0..ENTRIES {
                    if let Child::Table(child) = self.child(table, index) {
                        self.drop_into(&mut dropped, child);
                    }
                }
                self.free_directory(note.directory);
            }
            // Children were appended behind this table, so its link is read only now.
            dropped.head = self.notes.get(usize_of(table.0)).map_or(NONE, |note| note.next);
            self.free_table(table.0);
        }
    }

    /// The level a table was taken for.
    #[must_use]
    pub fn level(&self, table: TableId) -> Level {
        self.note(table).map_or(Level::L0, |note| note.level)
    }
}

fn reserved_minus_one(reserved: u32, capacity: Capacity) -> Result<u32, Error> {
    reserved.checked_sub(1).ok_or(Error::Exhausted(capacity))
}
