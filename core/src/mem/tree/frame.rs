//! A table on a path, in one word.

use crate::mem::format::Level;
use crate::mem::pages::{Child, DirectoryId, Link, PtMemory, TableId};

/// A table a walk stands in or came through: 63:32 where it hangs, 31 fresh, 30 compact, 20:0 its number.
///
/// One word, because it is stored and loaded on every step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame(u64);

const FRESH: u64 = 1 << 31;
const COMPACT: u64 = 1 << 30;
const NUMBER: u64 = (1 << 21) - 1;

impl Frame {
    const fn new(number: u32, link: Link, flags: u64) -> Self {
        Self(number as u64 & NUMBER | flags | (link.word() as u64) << 32)
    }

    /// The root of a tree.
    pub(super) const fn root(root: DirectoryId) -> Self {
        Self::new(root.number(), Link::NOWHERE, 0)
    }

    /// A table that the device may reach, and that is not compact.
    pub(super) const fn live(child: Child, link: Link) -> Self {
        Self::new(child.number(), link, 0)
    }

    /// A table that was made just now.
    pub(super) const fn fresh(child: Child, link: Link) -> Self {
        Self::new(child.number(), link, FRESH | if child.is_compact() { COMPACT } else { 0 })
    }

    const fn number(self) -> u32 {
        crate::num::low32(self.0 & NUMBER)
    }

    /// Where it hangs.
    pub(super) const fn link(self) -> Link {
        Link::from_word(crate::num::high32(self.0))
    }

    /// Its notes, if it is a directory.
    pub(super) const fn directory(self) -> DirectoryId {
        DirectoryId::at(self.number())
    }

    /// The table, which is of `level`.
    pub(super) fn table(self, level: Level, pages: &PtMemory<'_>) -> TableId {
        match level {
            Level::L0 => TableId::at(self.number()),
            Level::L1 | Level::L2 | Level::L3 | Level::L4 => pages.table_of(self.directory()),
        }
    }

    /// Whether nobody can reach it yet.
    pub(super) const fn is_fresh(self) -> bool {
        self.0 & FRESH != 0
    }

    /// Whether it is a table of 64 KiB entries; those are fresh.
    pub(super) const fn is_compact(self) -> bool {
        self.0 & COMPACT != 0
    }
}
