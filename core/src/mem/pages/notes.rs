//! Notes about tables: which there are, what they hang from, how many of their entries are in use.
//!
//! What the driver asks about a table on its way down stands beside the number it came for, in one word of the parent's
//! notes: a walk reads one cache line for each level.

use super::{Dropped, ENTRIES, NONE, PtMemory};
use crate::mem::format::Level;
use crate::num::usize_of;
use crate::shares::Owner;

/// Names a table: its position in page-table memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId(pub(super) u32);

impl TableId {
    /// The table at a position that [`position`](Self::position) gave.
    pub(crate) const fn at(position: u32) -> Self {
        Self(position)
    }

    /// Its position in page-table memory, counted in tables.
    #[must_use]
    pub const fn position(self) -> u32 {
        self.0
    }
}

/// Names a directory by its notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId(u32);

impl DirectoryId {
    /// The directory with this number.
    pub(crate) const fn at(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

/// What a directory notes about one child: 31 compact, 30:21 entries in use, 20:0 its number, of the directory notes
/// or, of a table of level 0, of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child(u32);

impl Child {
    /// No child.
    const NONE: Self = Self(NONE);
    const COMPACT: u32 = 1 << 31;
    const LIVE_SHIFT: u32 = 21;
    const LIVE: u32 = 0x3FF << Self::LIVE_SHIFT;
    const NUMBER: u32 = (1 << Self::LIVE_SHIFT) - 1;

    /// A table of level 0 with entries in use.
    #[must_use]
    pub const fn of_table(table: TableId, live: u32, compact: bool) -> Self {
        let compact = if compact { Self::COMPACT } else { 0 };
        Self(table.0 & Self::NUMBER | (live & 0x3FF) << Self::LIVE_SHIFT | compact)
    }

    /// A directory with nothing in use.
    #[must_use]
    pub const fn of_directory(directory: DirectoryId) -> Self {
        Self(directory.0 & Self::NUMBER)
    }

    /// Its number: of a directory, or of a table of level 0.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 & Self::NUMBER
    }

    /// The child, if it is a directory.
    #[must_use]
    pub const fn directory(self) -> DirectoryId {
        DirectoryId(self.number())
    }

    /// The child, if it is a table of level 0.
    #[must_use]
    pub const fn table(self) -> TableId {
        TableId(self.number())
    }

    /// Entries that mappings use: leaves and child tables alike.
    #[must_use]
    pub const fn live(self) -> u32 {
        (self.0 & Self::LIVE) >> Self::LIVE_SHIFT
    }

    /// Whether its entries map 64 KiB each.
    #[must_use]
    pub const fn is_compact(self) -> bool {
        self.0 & Self::COMPACT != 0
    }
}

/// Where a table hangs: 29:9 the directory's number, 8:0 the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u32);

impl Link {
    /// Where roots hang.
    pub const NOWHERE: Self = Self(NONE);

    /// Entry `index` of a directory.
    #[must_use]
    pub const fn new(directory: DirectoryId, index: u32) -> Self {
        Self(directory.0 << 9 | (index & (ENTRIES - 1)))
    }

    /// The link as a word, and back.
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// The link that [`word`](Self::word) gave.
    pub(crate) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    const fn directory(self) -> u32 {
        self.0 >> 9
    }

    const fn index(self) -> u32 {
        self.0 & (ENTRIES - 1)
    }
}

/// Notes about one table. Lent to the driver as an array.
#[derive(Clone, Copy, Debug)]
pub struct TableNote {
    /// Next in the free list or in a list of dropped tables.
    pub(super) next: u32,
    /// Number of its directory notes, for levels that have children.
    pub(super) directory: u32,
    /// To whom it is charged.
    pub(super) owner: Owner,
}

impl TableNote {
    /// Filler for lent arrays.
    pub const EMPTY: Self = Self { next: NONE, directory: NONE, owner: Owner::NOBODY };
}

/// Notes about one directory. Lent to the driver as an array.
///
/// Free ones have no children, so that taking one costs nothing.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) children: [Child; 512],
    /// How many of them there are.
    pub(super) count: u32,
    /// Its table; none while it is free.
    pub(super) table: u32,
    pub(super) next_free: u32,
    pub(super) level: Level,
}

impl Directory {
    /// Filler for lent arrays.
    pub const EMPTY: Self =
        Self { children: [Child::NONE; 512], count: 0, table: NONE, next_free: NONE, level: Level::L1 };

    /// Its children with the entries that point to them.
    pub(super) fn children(&self) -> impl Iterator<Item = (usize, Child)> {
        self.children.iter().copied().enumerate().filter(|(_, child)| *child != Child::NONE)
    }
}

impl PtMemory<'_> {
    /// Every table there is memory for, in use or not.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + use<> {
        (0..self.blocks_used.wrapping_shl(self.block_shift)).map(TableId)
    }

    #[inline]
    fn directory(&self, directory: DirectoryId) -> Option<&Directory> {
        self.directories.get(usize_of(directory.0))
    }

    /// The table of a directory.
    #[inline]
    #[must_use]
    pub fn table_of(&self, directory: DirectoryId) -> TableId {
        TableId(self.directory(directory).map_or(NONE, |directory| directory.table))
    }

    /// The table that entry `index` of a directory points to.
    #[inline]
    #[must_use]
    pub fn child(&self, directory: DirectoryId, index: u32) -> Option<Child> {
        let child = *self.directory(directory)?.children.get(usize_of(index))?;
        if child.0 == NONE { None } else { Some(child) }
    }

    /// The tables that entries `first..first + count` of a directory point to, and whether each is compact; entries
    /// without a child are left out.
    pub(super) fn child_tables(
        &self,
        directory: DirectoryId,
        first: u32,
        count: u32,
    ) -> impl Iterator<Item = (TableId, bool)> {
        let directory = self.directory(directory);
        let of_tables = directory.is_some_and(|directory| directory.level == Level::L1);
        let range = usize_of(first)..usize_of(first.saturating_add(count));
        let children = directory.and_then(|directory| directory.children.get(range)).unwrap_or(&[]);
        let children = children.iter().filter(|child| child.0 != NONE);
        children.map(move |child| {
            let table = if of_tables { child.table() } else { self.table_of(child.directory()) };
            (table, child.is_compact())
        })
    }

    /// Notes that a link leads to `child`. The table it led to before, if any, is dropped.
    #[inline]
    pub fn adopt(&mut self, link: Link, child: Child, dropped: &mut Dropped) {
        let Some(directory) = self.directories.get_mut(usize_of(link.directory())) else { return };
        let Some(entry) = directory.children.get_mut(usize_of(link.index())) else { return };
        if entry.0 == NONE {
            *entry = child;
            directory.count = directory.count.wrapping_add(1);
        } else {
            self.replace(link, child, dropped);
        }
    }

    fn replace(&mut self, link: Link, child: Child, dropped: &mut Dropped) {
        self.detach(DirectoryId(link.directory()), link.index(), 1, dropped);
        self.adopt_new(link, child);
    }

    fn adopt_new(&mut self, link: Link, child: Child) {
        let Some(directory) = self.directories.get_mut(usize_of(link.directory())) else { return };
        if let Some(entry) = directory.children.get_mut(usize_of(link.index())) {
            *entry = child;
            directory.count = directory.count.wrapping_add(1);
        }
    }

    /// Drops the tables that entries `first..first + count` of a directory point to.
    pub fn detach(&mut self, directory: DirectoryId, first: u32, count: u32, dropped: &mut Dropped) {
        let end = first.saturating_add(count).min(ENTRIES);
        for index in first..end {
            match self.directory(directory) {
                Some(notes) if notes.count > 0 => {}
                _ => return,
            }
            let Some((table, _)) = self.child_tables(directory, index, 1).next() else { continue };
            self.drop_into(dropped, table);
            if let Some(notes) = self.directories.get_mut(usize_of(directory.0)) {
                notes.count = notes.count.wrapping_sub(1);
                if let Some(entry) = notes.children.get_mut(usize_of(index)) {
                    *entry = Child::NONE;
                }
            }
        }
    }

    /// The table of level 0 at a link, if it has entries of 4 KiB; `added` of them come into use.
    #[inline]
    pub fn grow(&mut self, link: Link, added: u32) -> Option<TableId> {
        let directory = self.directories.get_mut(usize_of(link.directory()))?;
        let entry = directory.children.get_mut(usize_of(link.index()))?;
        // No child is one that is compact.
        if entry.is_compact() {
            return None;
        }
        *entry = Child(entry.0.wrapping_add(added << Child::LIVE_SHIFT));
        Some(entry.table())
    }

    /// The table of level 0 at a link, if it has entries of 4 KiB and more than `removed` of them in use, which go out
    /// of use.
    #[inline]
    pub fn shrink(&mut self, link: Link, removed: u32) -> Option<TableId> {
        let directory = self.directories.get_mut(usize_of(link.directory()))?;
        let entry = directory.children.get_mut(usize_of(link.index()))?;
        if entry.is_compact() || removed >= entry.live() {
            return None;
        }
        *entry = Child(entry.0.wrapping_sub(removed << Child::LIVE_SHIFT));
        Some(entry.table())
    }

    /// Entries of a table that mappings use; 0 for roots.
    #[must_use]
    pub fn live(&self, link: Link) -> u32 {
        self.child(DirectoryId(link.directory()), link.index()).map_or(0, Child::live)
    }

    /// Counts entries that came into use.
    #[inline]
    pub fn add_live(&mut self, link: Link, count: u32) {
        self.change_live(link, |live| live.wrapping_add(count));
    }

    /// Counts entries that went out of use.
    pub fn sub_live(&mut self, link: Link, count: u32) {
        self.change_live(link, |live| live.saturating_sub(count));
    }

    #[inline]
    fn change_live(&mut self, link: Link, change: impl FnOnce(u32) -> u32) {
        let directory = self.directories.get_mut(usize_of(link.directory()));
        let entry = directory.and_then(|directory| directory.children.get_mut(usize_of(link.index())));
        if let Some(entry) = entry {
            let live = (change(entry.live()) << Child::LIVE_SHIFT) & Child::LIVE;
            *entry = Child(entry.0 & !Child::LIVE | live);
        }
    }
}
