//! Staging of a bind (page-tables sheet §5.2).
//!
use super::backing::{Backing, Cursor, PAGE_BYTES, SLOT_BYTES};
use super::range::{VaRange, index_at};
use super::sizes::Sizes;
use super::walk::Walk;
use super::{Attributes, PageTree, Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::format::{AtomicPolicy, LeafBits, Level, PtFormat, entry_bytes};
use crate::mem::pages::{Child, Link, PtMemory, TableId};
use crate::mem::tlb::Cause;

/// What is to be bound.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<B> {
    /// Addresses.
    pub range: VaRange,
    /// The memory behind them; at least as long.
    pub backing: B,
    /// Attributes of the leaves.
    pub attributes: Attributes,
    /// The same range is bound already and gets new entries: its entries are counted (page-tables sheet §5.5).
    pub rebind: bool,
}

/// What a bind did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The range, widened to what one entry of the highest changed table covers: what the change conflicts with, and
    /// what it makes stale.
    pub range: VaRange,
    /// Sizes of the leaves.
    pub sizes: Sizes,
}

impl PageTree {
    /// Binds a mapping to a range in which nothing is bound, or rebinds it.
    ///
    /// Takes at most the tables that [`need`](super::need) says. Tables it replaces go to the stage's [`Stale`].
    ///
    /// [`Stale`]: crate::mem::tlb::Stale
    ///
    /// # Errors
    /// [`Defect`]; part of the change may have been carried out then.
    pub fn bind<'p, S: Sink, B: Backing<'p>>(
        &self,
        stage: &mut Stage<'_, '_, S>,
        mapping: Mapping<B>,
    ) -> Result<Bound, Defect> {
        match self.table_of_pages(stage.pages, mapping.range) {
            Some((link, child)) => bind_pages(stage, (link, child.table()), mapping),
            None => self.bind_anywhere(stage, mapping),
        }
    }

    /// A bind of any shape.
    fn bind_anywhere<'p, S: Sink, B: Backing<'p>>(
        &self,
        stage: &mut Stage<'_, '_, S>,
        mapping: Mapping<B>,
    ) -> Result<Bound, Defect> {
        let Mapping { range, backing, attributes, rebind } = mapping;
        let bits = bits(stage.format, attributes);
        let mut walk = Walk::new(self, stage, range.end, Cursor::new(backing), bits, rebind);
        let walked = walk.run(range.start);
        let bound = Bound { range: range.widened(entry_bytes(walk.top)), sizes: walk.sizes };
        stage.stale.note(bound.range, cause(rebind));
        walked.map(|()| bound)
    }

    /// The table of level 0 that a small range lies in, if it is there and has entries of 4 KiB.
    #[inline]
    pub(super) fn table_of_pages(&self, pages: &PtMemory<'_>, range: VaRange) -> Option<(Link, Child)> {
        let in_one = (range.start ^ range.end.wrapping_sub(1)) < SLOT_BYTES && range.len_bytes() < SLOT_BYTES;
        if !in_one {
            return None;
        }
        let (mut directory, mut level) = (self.root, self.root_level);
        loop {
            let index = index_at(level, range.start);
            let child = pages.child(directory, index)?;
            level = level.below()?;
            if level == Level::L0 {
                return if child.is_compact() { None } else { Some((Link::new(directory, index), child)) };
            }
            directory = child.directory();
        }
    }
}

fn bits(format: &PtFormat, attributes: Attributes) -> LeafBits {
    format.leaf_bits(attributes.pat, attributes.read_only, AtomicPolicy::Undefined)
}

const fn cause(rebind: bool) -> Cause {
    if rebind { Cause::Rebound } else { Cause::Bound }
}

/// The bind of a few pages whose table is there: no walk, no new table.
#[inline]
fn bind_pages<'p, S: Sink, B: Backing<'p>>(
    stage: &mut Stage<'_, '_, S>,
    (link, table): (Link, TableId),
    mapping: Mapping<B>,
) -> Result<Bound, Defect> {
    let Mapping { range, backing, attributes, rebind } = mapping;
    let bits = bits(stage.format, attributes);
    let (mut va, mut sizes) = (range.start, Sizes::PAGE_4K);
    let mut cursor = Cursor::new(backing);
    stage.stale.note(range, cause(rebind));
    loop {
        let (entries, hinted) = cursor.small(va, range.end.wrapping_sub(va), bits);
        let count = entries.count();
        if count == 0 {
            return Err(Defect::Backing { va });
        }
        stage.update(Slot { table, level: Level::L0, first: index_at(Level::L0, va), va }, &entries)?;
        if !rebind {
            stage.pages.add_live(link, count);
        }
        sizes |= if hinted { Sizes::GROUP_64K } else { Sizes::empty() };
        let bytes = u64::from(count).wrapping_mul(PAGE_BYTES);
        va = va.wrapping_add(bytes);
        if va >= range.end {
            return Ok(Bound { range, sizes });
        }
        cursor.advance(bytes);
    }
}
