//! Tables that no entry points to any more, until the device has forgotten them too.

use super::{DirectoryId, ENTRIES, List, NONE, PtMemory, TableId, TableNote};
use crate::num::usize_of;

/// Tables that were unhooked and may still be cached by the device; see [`PtMemory::release`].
///
/// A table stands for everything below it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "tables dropped from a tree are lost unless they are released after the TLB invalidation"]
pub struct Dropped {
    head: u32,
    tail: u32,
}

impl Default for Dropped {
    fn default() -> Self {
        Self::NONE
    }
}

impl Dropped {
    /// No tables.
    pub const NONE: Self = Self { head: NONE, tail: NONE };

    /// Whether there is nothing to release.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Puts a table at the end of the list.
    pub(super) fn append(&mut self, notes: &mut [TableNote], table: u32) {
        if let Some(note) = notes.get_mut(usize_of(table)) {
            note.next = NONE;
        }
        match notes.get_mut(usize_of(self.tail)) {
            Some(last) => last.next = table,
            None => self.head = table,
        }
        self.tail = table;
    }
}

impl PtMemory<'_> {
    /// Puts a table that is no longer hooked in, with everything below it, on a list.
    pub fn drop_into(&mut self, dropped: &mut Dropped, table: TableId) {
        dropped.append(self.notes, table.0);
    }

    /// Appends one list of dropped tables to another.
    pub fn join(&mut self, into: &mut Dropped, more: Dropped) {
        if more.is_empty() {
            return;
        }
        match self.notes.get_mut(usize_of(into.tail)) {
            Some(last) => last.next = more.head,
            None => into.head = more.head,
        }
        into.tail = more.tail;
    }

    /// Frees dropped tables and everything below them. Only after the TLB invalidation that covers them.
    ///
    /// They are taken again in the order in which they were taken before, parents first: neighbours stay neighbours.
    pub fn release(&mut self, mut dropped: Dropped) {
        let mut at = dropped.head;
        let mut count = 0u32;
        while let Some(note) = self.notes.get_mut(usize_of(at)) {
            let directory = core::mem::replace(&mut note.directory, NONE);
            let owner = note.owner;
            self.ledgers.0.credit(owner, 1);
            if directory != NONE {
                self.ledgers.1.credit(owner, 1);
                self.detach(DirectoryId::at(directory), 0, ENTRIES, &mut dropped);
                self.free_directory(directory);
            }
            // Children were appended to the list, so its link is read only now.
            at = self.notes.get(usize_of(at)).map_or(NONE, |note| note.next);
            count = count.saturating_add(1);
        }
        self.free_list(&dropped, count);
    }

    /// Puts a whole list of `count` tables before the free ones.
    fn free_list(&mut self, list: &Dropped, count: u32) {
        if let Some(last) = self.notes.get_mut(usize_of(list.tail)) {
            last.next = self.free_tables.head;
            self.free_tables = List { head: list.head, len: self.free_tables.len.saturating_add(count) };
        }
    }
}
