//! Notes about tables: level, live entries, children.

use super::{Dropped, ENTRIES, NONE, PtMemory};
use crate::mem::format::Level;
use crate::num::usize_of;

/// Names a table: its position in page-table memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId(pub(super) u32);

impl TableId {
    /// No table.
    pub(crate) const NOWHERE: Self = Self(NONE);

    /// The table at a position that [`position`](Self::position) gave.
    pub(crate) const fn at(position: u32) -> Self {
        Self(position)
    }

    /// Its position in page-table memory, counted in tables. Below 2^30: see [`MAX_TABLES`](super::MAX_TABLES).
    #[must_use]
    pub const fn position(self) -> u32 {
        self.0
    }
}

/// Notes about one table. Lent to the driver as an array.
#[derive(Clone, Copy, Debug)]
pub struct TableNote {
    /// Next in the free list or in a list of dropped tables.
    pub(super) next: u32,
    /// Position of its directory notes, for levels that have children.
    pub(super) directory: u32,
    /// Entries that mappings use: leaves and child tables alike.
    pub(super) live: u16,
    pub(super) level: Level,
    /// A level-0 table of 64 KiB entries.
    pub(super) compact: bool,
}

impl TableNote {
    /// Filler for lent arrays.
    pub const EMPTY: Self = Self { next: NONE, directory: NONE, live: 0, level: Level::L0, compact: false };

    pub(super) const fn is_used(&self) -> bool {
        self.live > 0 || self.directory != NONE
    }
}

/// Notes about the children of one directory. Lent to the driver as an array.
///
/// Free ones have no children, so that taking one costs nothing.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) children: [u32; 512],
    /// Children that are tables.
    pub(super) tables: u32,
    pub(super) next_free: u32,
}

impl Directory {
    /// Filler for lent arrays.
    pub const EMPTY: Self = Self { children: [NONE; 512], tables: 0, next_free: NONE };
}

impl PtMemory<'_> {
    #[inline]
    pub(super) fn note(&self, table: TableId) -> Option<&TableNote> {
        self.notes.get(usize_of(table.0))
    }

    /// Every table there is memory for, in use or not.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + use<> {
        (0..self.blocks_used.wrapping_shl(self.block_shift)).map(TableId)
    }

    /// The level a table was taken for.
    #[must_use]
    pub fn level(&self, table: TableId) -> Level {
        self.note(table).map_or(Level::L0, |note| note.level)
    }

    /// Whether a table's entries map 64 KiB each.
    #[inline]
    #[must_use]
    pub fn is_compact(&self, table: TableId) -> bool {
        self.note(table).is_some_and(|note| note.compact)
    }

    /// Notes that a level-0 table's entries map 64 KiB each.
    pub fn set_compact(&mut self, table: TableId) {
        if let Some(note) = self.notes.get_mut(usize_of(table.0)) {
            note.compact = true;
        }
    }

    /// The table that entry `index` of a directory points to.
    #[inline]
    #[must_use]
    pub fn child(&self, table: TableId, index: u32) -> Option<TableId> {
        let directory = self.directories.get(usize_of(self.note(table)?.directory))?;
        let child = *directory.children.get(usize_of(index))?;
        if child == NONE { None } else { Some(TableId(child)) }
    }

    /// Notes that entry `index` of a directory points to `child`. The table it pointed to before, if any, is dropped.
    #[inline]
    pub fn adopt(&mut self, table: TableId, index: u32, child: TableId, dropped: &mut Dropped) {
        let position = self.note(table).map_or(NONE, |note| note.directory);
        let Some(directory) = self.directories.get_mut(usize_of(position)) else { return };
        let Some(entry) = directory.children.get_mut(usize_of(index)) else { return };
        let before = core::mem::replace(entry, child.0);
        if before == NONE {
            directory.tables = directory.tables.wrapping_add(1);
        } else {
            self.drop_into(dropped, TableId(before));
        }
    }

    /// Drops the tables that entries `first..first + count` of a directory point to.
    pub fn detach(&mut self, table: TableId, first: u32, count: u32, dropped: &mut Dropped) {
        let position = self.note(table).map_or(NONE, |note| note.directory);
        let Some(directory) = self.directories.get_mut(usize_of(position)) else { return };
        let range = usize_of(first)..usize_of(first.saturating_add(count).min(ENTRIES));
        for child in directory.children.get_mut(range).into_iter().flatten() {
            if directory.tables == 0 {
                return;
            }
            if *child != NONE {
                dropped.append(self.notes, *child);
                *child = NONE;
                directory.tables = directory.tables.wrapping_sub(1);
            }
        }
    }

    /// Entries of a table that mappings use.
    #[inline]
    #[must_use]
    pub fn live(&self, table: TableId) -> u32 {
        self.note(table).map_or(0, |note| u32::from(note.live))
    }

    /// Counts entries that came into use.
    #[inline]
    pub fn add_live(&mut self, table: TableId, count: u32) {
        self.change_live(table, |live| live.saturating_add(count));
    }

    /// Counts entries that went out of use.
    pub fn sub_live(&mut self, table: TableId, count: u32) {
        self.change_live(table, |live| live.saturating_sub(count));
    }

    #[inline]
    fn change_live(&mut self, table: TableId, change: impl FnOnce(u32) -> u32) {
        if let Some(note) = self.notes.get_mut(usize_of(table.0)) {
            note.live = u16::try_from(change(u32::from(note.live)).min(ENTRIES)).unwrap_or(u16::MAX);
        }
    }
}
