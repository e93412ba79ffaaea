//! Promises of tables, and the blocks behind them.

use super::{DirectoryId, List, MAX_TABLES, NONE, PtMemory, TableId, TableNote, TableRun, tables_in};
use crate::mem::Defect;
use crate::mem::format::Level;
use crate::num::{u32_capped, usize_of};
use crate::shares::{Ledger, Owner};
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

    /// The same on so many tiles; saturates.
    #[must_use]
    pub const fn on_tiles(self, tiles: u8) -> Self {
        let tiles = tiles as u32;
        Self {
            leaf_tables: self.leaf_tables.saturating_mul(tiles),
            directories: self.directories.saturating_mul(tiles),
        }
    }

    /// What is left of it without the other; not below 0.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            leaf_tables: self.leaf_tables.saturating_sub(other.leaf_tables),
            directories: self.directories.saturating_sub(other.directories),
        }
    }

    pub(super) const fn tables(self) -> u32 {
        self.leaf_tables.saturating_add(self.directories)
    }
}

/// Tables that were promised to one change.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "tables that are not taken stay promised until `unreserve`"]
pub struct Reservation {
    left: Need,
    /// To whom they are charged.
    owner: Owner,
}

impl Default for Reservation {
    fn default() -> Self {
        Self::NONE
    }
}

impl Reservation {
    /// No table.
    pub const NONE: Self = Self { left: Need { leaf_tables: 0, directories: 0 }, owner: Owner::NOBODY };

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

    /// As [`reserve_for`](Self::reserve_for), charged to nobody.
    ///
    /// # Errors
    /// As that.
    pub fn reserve(&mut self, dma: &mut impl DmaMemory, need: Need) -> Result<Reservation, Error> {
        self.reserve_for(Owner::NOBODY, dma, need)
    }

    /// Promises `need` to the caller, taking blocks from the HAL as necessary. The tables are charged to `owner`.
    ///
    /// # Errors
    /// [`Error::Exhausted`] or the HAL's error; nothing changed, blocks taken on the way are given back.
    pub fn reserve_for(&mut self, owner: Owner, dma: &mut impl DmaMemory, need: Need) -> Result<Reservation, Error> {
        self.check_share(owner, need)?;
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
        self.ledgers.0.charge(owner, need.tables());
        self.ledgers.1.charge(owner, need.directories);
        Ok(Reservation { left: need, owner })
    }

    /// Refuses what others were promised. Whether there is that much at all is not asked here.
    fn check_share(&self, owner: Owner, need: Need) -> Result<(), Error> {
        let beyond = |ledger: &Ledger<'_>, free: u32, wanted: u32| wanted <= free && wanted > ledger.room(free, owner);
        let free = self.free_directories.len.saturating_sub(self.reserved.directories);
        if beyond(&self.ledgers.1, free, need.directories) {
            return Err(Error::Exhausted(Capacity::PtDirectories));
        }
        let all = u32_capped(tables_in(self.blocks.len(), self.notes.len(), self.block_shift));
        let taken = self.tables_in_use().saturating_add(self.reserved.tables());
        if beyond(&self.ledgers.0, all.saturating_sub(taken), need.tables()) {
            return Err(Error::Exhausted(Capacity::PtNodes));
        }
        Ok(())
    }

    /// Takes back what is left of a promise.
    pub fn unreserve(&mut self, Reservation { left, owner }: Reservation) {
        self.reserved = self.reserved.minus(left);
        self.ledgers.0.credit(owner, left.tables());
        self.ledgers.1.credit(owner, left.directories);
    }

    /// Takes a table of level 0 out of a reservation.
    ///
    /// # Errors
    /// [`Defect::Reservation`] when more is taken than was reserved.
    #[inline]
    pub fn take_table(&mut self, reservation: &mut Reservation) -> Result<TableId, Defect> {
        let missing = Defect::Reservation(Level::L0);
        let left = &mut reservation.left.leaf_tables;
        *left = left.checked_sub(1).ok_or(missing)?;
        self.reserved.leaf_tables = self.reserved.leaf_tables.saturating_sub(1);
        self.pop_table(NONE, reservation.owner).ok_or(missing)
    }

    /// Takes 1 to `most` tables of level 0, neighbours; not more than are left of the reservation.
    ///
    /// # Errors
    /// As [`take_table`](Self::take_table).
    #[inline]
    pub fn take_run(&mut self, reservation: &mut Reservation, most: u32) -> Result<TableRun, Defect> {
        let mut run = TableRun::of(self.take_table(reservation)?);
        // Slots that turn out to be leaves need none, and are not reserved for.
        let most = most.min(reservation.left.leaf_tables.saturating_add(1));
        while run.count() < most && self.continues(&run, self.free_tables.head) {
            self.take_table(reservation)?;
            run.push();
        }
        Ok(run)
    }

    /// Puts tables of level 0 back that were taken and not used.
    pub fn put_back(&mut self, reservation: &mut Reservation, run: TableRun) {
        let more = Need { leaf_tables: run.count(), directories: 0 };
        reservation.left = reservation.left.plus(more);
        self.reserved = self.reserved.plus(more);
        for table in run.tables().rev() {
            self.free_table(table.position());
        }
    }

    /// Takes a table of a higher level out of a reservation.
    ///
    /// # Errors
    /// As [`take_table`](Self::take_table).
    pub fn take_directory(&mut self, reservation: &mut Reservation, level: Level) -> Result<DirectoryId, Defect> {
        let missing = Defect::Reservation(level);
        let left = &mut reservation.left.directories;
        *left = left.checked_sub(1).ok_or(missing)?;
        self.reserved.directories = self.reserved.directories.saturating_sub(1);
        let number = self.free_directories.head;
        let directory = self.directories.get(usize_of(number)).ok_or(missing)?;
        let rest = List { head: directory.next_free, len: self.free_directories.len.saturating_sub(1) };
        let table = self.pop_table(number, reservation.owner).ok_or(missing)?;
        self.free_directories = rest;
        if let Some(directory) = self.directories.get_mut(usize_of(number)) {
            (directory.table, directory.level) = (table.position(), level);
        }
        Ok(DirectoryId::at(number))
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
                let _ = self.pop_table(NONE, Owner::NOBODY);
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

    /// Takes the first free table, with the number of its directory notes. It is charged to `owner` already.
    #[inline]
    fn pop_table(&mut self, directory: u32, owner: Owner) -> Option<TableId> {
        let index = self.free_tables.head;
        let note = self.notes.get_mut(usize_of(index))?;
        self.free_tables = List { head: note.next, len: self.free_tables.len.saturating_sub(1) };
        *note = TableNote { next: NONE, directory, owner };
        Some(TableId(index))
    }

    pub(super) fn free_directory(&mut self, index: u32) {
        if let Some(directory) = self.directories.get_mut(usize_of(index)) {
            directory.table = NONE;
            directory.next_free = self.free_directories.head;
            self.free_directories = List { head: index, len: self.free_directories.len.saturating_add(1) };
        }
    }
}
