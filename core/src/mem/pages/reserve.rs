//! Promises of tables, and the blocks behind them.

use super::{Directory, List, MAX_TABLES, NONE, PtMemory, TableId, TableNote};
use crate::mem::Defect;
use crate::mem::format::Level;
use crate::num::usize_of;
use crate::{Capacity, Error};
use barexe_hal::{DmaMemory, DmaOwner, DmaRequest};

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

    /// What is left of it without the other; not below 0.
    const fn minus(self, other: Self) -> Self {
        Self {
            leaf_tables: self.leaf_tables.saturating_sub(other.leaf_tables),
            directories: self.directories.saturating_sub(other.directories),
        }
    }

    const fn tables(self) -> u32 {
        self.leaf_tables.saturating_add(self.directories)
    }

    const fn of(&mut self, level: Level) -> &mut u32 {
        match level {
            Level::L0 => &mut self.leaf_tables,
            Level::L1 | Level::L2 | Level::L3 | Level::L4 => &mut self.directories,
        }
    }
}

/// Tables that were promised to one change.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "tables that are not taken stay promised until `unreserve`"]
pub struct Reservation {
    left: Need,
}

impl Reservation {
    /// No table.
    pub const NONE: Self = Self { left: Need { leaf_tables: 0, directories: 0 } };

    /// Tables not taken yet.
    #[must_use]
    pub const fn left(&self) -> Need {
        self.left
    }
}

impl PtMemory<'_> {
    /// Tables that are promised and not taken.
    #[must_use]
    pub const fn reserved(&self) -> Need {
        self.reserved
    }

    /// Promises `need` to the caller, taking blocks from the HAL as necessary.
    ///
    /// # Errors
    /// [`Error::Exhausted`] or the HAL's error; nothing changed, blocks taken on the way are given back.
    pub fn reserve(&mut self, dma: &mut impl DmaMemory, need: Need) -> Result<Reservation, Error> {
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
        Ok(Reservation { left: need })
    }

    /// Takes back what is left of a promise.
    pub const fn unreserve(&mut self, reservation: Reservation) {
        self.reserved = self.reserved.minus(reservation.left);
    }

    /// Takes a table of `level` out of a reservation.
    ///
    /// # Errors
    /// [`Defect::Reservation`] when more is taken than was reserved.
    #[inline]
    pub fn take(&mut self, reservation: &mut Reservation, level: Level) -> Result<TableId, Defect> {
        let missing = Defect::Reservation(level);
        let left = reservation.left.of(level);
        *left = left.checked_sub(1).ok_or(missing)?;
        let reserved = self.reserved.of(level);
        *reserved = reserved.saturating_sub(1);
        let directory = if level == Level::L0 { NONE } else { self.pop_directory().ok_or(missing)? };
        let index = self.pop_table().ok_or(missing)?;
        if let Some(note) = self.notes.get_mut(usize_of(index)) {
            *note = TableNote { directory, level, ..TableNote::EMPTY };
        }
        Ok(TableId(index))
    }

    /// Takes a table of level 0 of which `live` entries will be used, all there are.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_full(&mut self, reservation: &mut Reservation, live: u32, compact: bool) -> Result<TableId, Defect> {
        let table = self.take(reservation, Level::L0)?;
        if let Some(note) = self.notes.get_mut(usize_of(table.position())) {
            note.live = u16::try_from(live).unwrap_or(u16::MAX);
            note.compact = compact;
        }
        Ok(table)
    }

    fn add_block(&mut self, dma: &mut impl DmaMemory) -> Result<(), Error> {
        let block_tables = 1u32.wrapping_shl(self.block_shift);
        let first = self.blocks_used.saturating_mul(block_tables);
        let end = first.saturating_add(block_tables);
        if usize_of(end) > self.notes.len().min(MAX_TABLES) {
            return Err(Error::Exhausted(Capacity::PtNodes));
        }
        let slot = self.blocks.get_mut(usize_of(self.blocks_used));
        let slot = slot.ok_or(Error::Exhausted(Capacity::PtBlocks))?;
        let buffer = dma.alloc(DmaRequest {
            len_bytes: u64::from(block_tables) << 12,
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
            for _ in 0..1u32.wrapping_shl(self.block_shift) {
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

    #[inline]
    fn pop_table(&mut self) -> Option<u32> {
        let index = self.free_tables.head;
        let note = self.notes.get(usize_of(index))?;
        self.free_tables = List { head: note.next, len: self.free_tables.len.saturating_sub(1) };
        Some(index)
    }

    pub(super) fn free_directory(&mut self, index: u32) {
        if let Some(directory) = self.directories.get_mut(usize_of(index)) {
            directory.next_free = self.free_directories.head;
            self.free_directories = List { head: index, len: self.free_directories.len.saturating_add(1) };
        }
    }

    fn pop_directory(&mut self) -> Option<u32> {
        let index = self.free_directories.head;
        let directory: &Directory = self.directories.get(usize_of(index))?;
        self.free_directories = List { head: directory.next_free, len: self.free_directories.len.saturating_sub(1) };
        Some(index)
    }
}
