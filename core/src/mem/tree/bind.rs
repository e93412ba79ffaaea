//! Staging of a bind (page-tables sheet §5.2).
//!
use super::backing::{Backing, Cursor, PAGE_BYTES, SLOT_BYTES, Segment, hinted};
use super::range::{VaRange, index_at};
use super::sizes::Sizes;
use super::walk::Walk;
use super::{Attributes, PageTree, Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::format::{AtomicPolicy, LeafBits, LeafLayout, Level, PtFormat, entry_bytes, shift};
use crate::mem::pages::{ENTRIES, Entries, Link, PtMemory, TableId};
use crate::mem::tlb::Cause;
use crate::num::low32;

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
    #[inline]
    pub fn bind<'p, S: Sink, B: Backing<'p>>(
        &self,
        stage: &mut Stage<'_, '_, S>,
        mapping: Mapping<B>,
    ) -> Result<Bound, Defect> {
        let added = if mapping.rebind { 0 } else { low32(mapping.range.len_bytes() / PAGE_BYTES) };
        let link = self.link_of_pages(stage.pages, mapping.range);
        match link.and_then(|link| stage.pages.grow(link, added)) {
            Some(table) => bind_pages(stage, table, mapping),
            None => self.bind_anywhere(stage, mapping),
        }
    }

    /// A bind of any shape.
    #[inline(never)]
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

    /// Where the table of level 0 hangs, or would hang, that a small range lies in; none if the directory is not there.
    #[inline]
    pub(super) fn link_of_pages(&self, pages: &PtMemory<'_>, range: VaRange) -> Option<Link> {
        let in_one = (range.start ^ range.end.wrapping_sub(1)) < SLOT_BYTES && range.len_bytes() < SLOT_BYTES;
        if !in_one {
            return None;
        }
        let (mut directory, mut shift) = (self.root, shift(self.root_level));
        while shift > SLOT_BYTES.trailing_zeros() {
            directory = pages.child(directory, low32(range.start >> shift) & (ENTRIES - 1))?.directory();
            shift = shift.wrapping_sub(9);
        }
        Some(Link::new(directory, low32(range.start >> shift)))
    }
}

#[inline]
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
    table: TableId,
    mapping: Mapping<B>,
) -> Result<Bound, Defect> {
    let Mapping { range, mut backing, attributes, rebind } = mapping;
    let len = range.len_bytes();
    stage.stale.note(range, cause(rebind));
    let first = backing.next();
    // Mostly they lie in one piece and are all of one kind.
    if let Some(Segment::Run { addr, bytes }) = first
        && let (run, group) = hinted(range.start, addr.get(), len)
        && run == len
        && len <= bytes
    {
        let (layout, sizes) = if group { GROUPS } else { PLAIN };
        let first = addr.get() | bits(stage.format, attributes).of(Level::L0, layout, false);
        let count = low32(len / PAGE_BYTES);
        stage.update(slot_at(table, range.start), &Entries::Steps { first, step: PAGE_BYTES, count })?;
        return Ok(Bound { range, sizes });
    }
    store_pages(stage, table, range, Cursor::after(first, backing), attributes)
}

const PLAIN: (LeafLayout, Sizes) = (LeafLayout::Plain, Sizes::PAGE_4K);
const GROUPS: (LeafLayout, Sizes) = (LeafLayout::Group64K, Sizes::PAGE_4K.union(Sizes::GROUP_64K));

const fn slot_at(table: TableId, va: u64) -> Slot {
    Slot { table, level: Level::L0, first: index_at(Level::L0, va), va }
}

/// Stores the entries of pages piece by piece.
#[inline(never)]
fn store_pages<'p, S: Sink, B: Backing<'p>>(
    stage: &mut Stage<'_, '_, S>,
    table: TableId,
    range: VaRange,
    mut cursor: Cursor<'p, B>,
    attributes: Attributes,
) -> Result<Bound, Defect> {
    let bits = bits(stage.format, attributes);
    let (mut va, mut sizes) = (range.start, Sizes::PAGE_4K);
    while va < range.end {
        let (entries, hinted) = cursor.small(va, range.end.wrapping_sub(va), bits);
        let bytes = u64::from(entries.count()).wrapping_mul(PAGE_BYTES);
        if bytes == 0 {
            return Err(Defect::Backing { va });
        }
        stage.update(slot_at(table, va), &entries)?;
        sizes |= if hinted { Sizes::GROUP_64K } else { Sizes::empty() };
        cursor.advance(bytes);
        va = va.wrapping_add(bytes);
    }
    Ok(Bound { range, sizes })
}
