//! The tables a range shares with what lies beside it.
//!
//! A table is shared if it lies neither wholly in the range nor wholly outside. At each level there are at most two,
//! one on each edge: two paths that part at the lowest table with both edges in it, the joint.
//!
//! ```text
//!        root                common, from the joint up
//!          │
//!        joint
//!       /     \
//!    left     right          chains, down to where the edge is aligned
//! ```

use super::frame::Frame;
use super::range::{VaRange, index_at, is_aligned, round_down, round_up};
use super::{LEVELS, PageTree, Slot};
use crate::mem::Defect;
use crate::mem::format::{Level, entry_bytes, shift};
use crate::mem::pages::{Link, PtMemory, TableId};
use crate::num::low32;

/// A path of tables, by level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    tables: [Frame; LEVELS],
    lowest: Level,
    top: Level,
}

impl Chain {
    const fn at(level: Level, table: Frame) -> Self {
        Self { tables: [table; LEVELS], lowest: level, top: level }
    }

    /// The tables with their levels, the lowest first.
    pub(super) fn upwards(&self) -> impl Iterator<Item = (Level, Frame)> + use<> {
        let (lowest, top) = (self.lowest, self.top);
        Level::ALL.into_iter().zip(self.tables).filter(move |(level, _)| (lowest..=top).contains(level))
    }

    fn last(&self) -> Frame {
        let [first, ..] = self.tables;
        self.tables.get(usize::from(self.lowest.number())).copied().unwrap_or(first)
    }

    /// Goes one table down along `va`.
    fn descend(&mut self, pages: &PtMemory<'_>, va: u64) -> Result<(), Defect> {
        let edge = Defect::Edge { va };
        let below = self.lowest.below().ok_or(edge)?;
        let (parent, index) = (self.last().directory(), index_at(self.lowest, va));
        let child = pages.child(parent, index).ok_or(edge)?;
        if child.is_compact() {
            return Err(edge);
        }
        if let Some(entry) = self.tables.get_mut(usize::from(below.number())) {
            *entry = Frame::live(child, Link::new(parent, index));
        }
        self.lowest = below;
        Ok(())
    }

    /// A chain that begins where this one ends.
    const fn branch(&self) -> Self {
        Self { top: self.lowest, ..*self }
    }

    /// Without its highest table, which belongs to the chain above; nothing if that was all.
    fn below_top(self) -> Option<Self> {
        let top = self.top.below()?;
        if self.lowest < self.top { Some(Self { top, ..self }) } else { None }
    }
}

/// The tables a range shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    pub(super) left: Option<Chain>,
    pub(super) right: Option<Chain>,
    /// From the joint to the root.
    pub(super) common: Chain,
}

impl Edges {
    /// Finds them.
    ///
    /// # Errors
    /// [`Defect::Edge`] where a leaf, a compact table or nothing reaches over an edge.
    pub(super) fn find(tree: &PageTree, pages: &PtMemory<'_>, range: VaRange) -> Result<Self, Defect> {
        let last = range.end.saturating_sub(1);
        let aligned = |va, level| is_aligned(va, entry_bytes(level));
        let mut common = Chain::at(tree.root_level, Frame::root(tree.root));
        while range.start >> shift(common.lowest) == last >> shift(common.lowest)
            && !(aligned(range.start, common.lowest) && aligned(range.end, common.lowest))
        {
            common.descend(pages, range.start)?;
        }
        let (mut left, mut right) = (common.branch(), common.branch());
        while !aligned(range.start, left.lowest) {
            left.descend(pages, range.start)?;
        }
        while !aligned(range.end, right.lowest) {
            right.descend(pages, last)?;
        }
        Ok(Self { left: left.below_top(), right: right.below_top(), common })
    }
}

/// The entries of a shared table that lie wholly in `part`: where they begin, how many they are, and whether they are
/// all that `part` touches.
pub(super) fn covered(level: Level, table: TableId, part: VaRange) -> Option<(Slot, u32, bool)> {
    let bytes = entry_bytes(level);
    let whole = VaRange { start: round_up(part.start, bytes), end: round_down(part.end, bytes) };
    let count = low32(whole.len_bytes() >> shift(level));
    let slot = Slot { table, level, first: index_at(level, whole.start), va: whole.start };
    if count == 0 { None } else { Some((slot, count, whole == part)) }
}
