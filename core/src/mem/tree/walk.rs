//! The walk of a bind (page-tables sheet §5.2).
//!
//! It goes through the range once, down into tables and up out of those it is done with. It stands either in a live
//! table, whose entries go to the sink, or in a *fresh* one, which it made and which nobody can reach yet.

use super::backing::{Backing, Cursor, GROUP_BYTES};
use super::frame::Frame;
use super::hooks::Hooks;
use super::range::{index_at, is_aligned, is_whole, span_of};
use super::sizes::Sizes;
use super::{LEVELS, PageTree, Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::format::{LeafBits, LeafLayout, Level, entry_bytes, shift, table_span_bytes};
use crate::mem::pages::{Child, ENTRIES, Entries, Link, TableEntries, TableRun};
use crate::num::low32;

/// A bind under way.
#[derive(Debug)]
pub(super) struct Walk<'b, 's, 'a, 'p, S: Sink, B> {
    pub(super) tree: &'b PageTree,
    pub(super) stage: &'b mut Stage<'s, 'a, S>,
    end: u64,
    pub(super) cursor: Cursor<'p, B>,
    pub(super) bits: LeafBits,
    rebind: bool,
    /// Tables above, by level.
    above: [Frame; LEVELS],
    pub(super) here: Frame,
    level: Level,
    pub(super) hooks: Hooks,
    /// Highest level at which a live table changed.
    pub(super) top: Level,
    /// Sizes of the leaves so far.
    pub(super) sizes: Sizes,
}

impl<'b, 's, 'a, 'p, S: Sink, B: Backing<'p>> Walk<'b, 's, 'a, 'p, S, B> {
    /// A walk that stands in the root.
    pub(super) const fn new(
        tree: &'b PageTree,
        stage: &'b mut Stage<'s, 'a, S>,
        end: u64,
        cursor: Cursor<'p, B>,
        bits: LeafBits,
        rebind: bool,
    ) -> Self {
        let here = Frame::root(tree.root);
        let (above, level) = ([here; LEVELS], tree.root_level);
        let (hooks, top, sizes) = (Hooks::NONE, Level::L0, Sizes::empty());
        Self { tree, stage, end, cursor, bits, rebind, above, here, level, hooks, top, sizes }
    }

    /// Binds everything from `start` on.
    pub(super) fn run(&mut self, start: u64) -> Result<(), Defect> {
        let mut va = start;
        while va < self.end {
            let mapped = match self.level {
                Level::L0 if self.here.is_compact() => self.compact_leaves(va)?,
                Level::L0 => self.small_leaves(va)?,
                Level::L1 | Level::L2 if is_whole(self.level, va, self.end) => self.whole_entries(va)?,
                Level::L1 | Level::L2 | Level::L3 | Level::L4 => 0,
            };
            if mapped == 0 {
                self.descend(va)?;
            } else {
                va = va.saturating_add(mapped);
                self.ascend(va);
            }
        }
        self.store_hooks()
    }

    /// Writes the leaves of one table of level 0; the bytes they map.
    fn small_leaves(&mut self, start: u64) -> Result<u64, Defect> {
        let end = span_of(Level::L0, start).end.min(self.end);
        let mut va = start;
        while va < end {
            let (entries, hinted) = self.cursor.small(va, end.wrapping_sub(va), self.bits);
            self.sizes |= if hinted { Sizes::PAGE_4K.union(Sizes::GROUP_64K) } else { Sizes::PAGE_4K };
            va = va.saturating_add(self.put(va, index_at(Level::L0, va), entry_bytes(Level::L0), &entries)?);
        }
        Ok(va.wrapping_sub(start))
    }

    /// Writes a run of leaves into a compact table; the bytes they map.
    fn compact_leaves(&mut self, va: u64) -> Result<u64, Defect> {
        let left = span_of(Level::L0, va).end.wrapping_sub(va);
        let limit = low32(left.checked_div(GROUP_BYTES).unwrap_or(0));
        let entries = self.cursor.leaves(Level::L0, LeafLayout::Compact, GROUP_BYTES, limit, self.bits);
        self.sizes |= Sizes::PAGE_4K | Sizes::COMPACT_64K;
        self.put(va, low32(va >> 16) & 31, GROUP_BYTES, &entries)
    }

    /// Fills entries that the range covers wholly: with large leaves, or with tables of a simple shape; the bytes they
    /// map, 0 if neither is possible.
    fn whole_entries(&mut self, va: u64) -> Result<u64, Defect> {
        let (level, index) = (self.level, index_at(self.level, va));
        let wanted = self.end.wrapping_sub(va) >> shift(level);
        let limit = low32(wanted.min(u64::from(ENTRIES.wrapping_sub(index))));
        let entries = self.cursor.leaves(level, LeafLayout::Plain, entry_bytes(level), limit, self.bits);
        match (entries.count(), level) {
            (0, Level::L1) => self.whole_tables(va, index, limit),
            (0, _) => Ok(0),
            _ => self.large_leaves(va, index, &entries),
        }
    }

    /// Writes a run of large leaves; the bytes they map.
    fn large_leaves(&mut self, va: u64, index: u32, entries: &Entries<'_, '_>) -> Result<u64, Defect> {
        let level = self.level;
        self.sizes |= Sizes::of_large(level);
        if !self.here.is_fresh() {
            // A rebind with larger leaves than before: the tables they replace are done with.
            let stage = &mut *self.stage;
            stage.pages.detach(self.here.directory(), index, entries.count(), stage.stale.dropped_mut());
        }
        self.put(va, index, entry_bytes(level), entries)
    }

    /// Writes leaves of `bytes` each where the walk stands and moves the cursor; the bytes they map.
    #[inline]
    fn put(&mut self, va: u64, first: u32, bytes: u64, entries: &Entries<'_, '_>) -> Result<u64, Defect> {
        let count = entries.count();
        if count == 0 {
            return Err(Defect::Backing { va });
        }
        let table = self.here.table(self.level, self.stage.pages);
        if self.here.is_fresh() {
            self.stage.pages.store(table, first, entries)?;
            self.stage.pages.add_live(self.here.link(), count);
        } else {
            self.store_hooks()?;
            self.stage.update(Slot { table, level: self.level, first, va }, entries)?;
            self.changed(self.here, self.level, count);
        }
        let mapped = bytes.wrapping_mul(u64::from(count));
        self.cursor.advance(mapped);
        Ok(mapped)
    }

    /// Notes that entries of a live table changed.
    fn changed(&mut self, table: Frame, level: Level, count: u32) {
        self.top = self.top.max(level);
        if !self.rebind {
            self.stage.pages.add_live(table.link(), count);
        }
    }

    /// Steps into the table below `va`: the one that is there, or a new one if there is none or the range covers all
    /// of it. An existing child of a covered slot is replaced, never edited.
    fn descend(&mut self, va: u64) -> Result<(), Defect> {
        let below = self.level.below().ok_or(Defect::Edge { va })?;
        let index = index_at(self.level, va);
        let whole = is_whole(self.level, va, self.end);
        let link = Link::new(self.here.directory(), index);
        let old =
            if self.here.is_fresh() || whole { None } else { self.stage.pages.child(self.here.directory(), index) };
        let frame = match old {
            None => self.create(below, va, index, whole)?,
            Some(child) if child.is_compact() => return Err(Defect::Edge { va }),
            Some(child) => Frame::live(child, link),
        };
        self.enter(below, frame);
        Ok(())
    }

    /// Makes the table below `va`, empty where the range will not fill it, and points to it.
    fn create(&mut self, below: Level, va: u64, index: u32, whole: bool) -> Result<Frame, Defect> {
        let stage = &mut *self.stage;
        let compact = below == Level::L0 && whole && stage.format.compact_tables && self.cursor.fits_compact();
        let (table, child) = if below == Level::L0 {
            let table = stage.pages.take_table(stage.reservation)?;
            (table, Child::of_table(table, 0, compact))
        } else {
            let directory = stage.pages.take_directory(stage.reservation, below)?;
            (stage.pages.table_of(directory), Child::of_directory(directory))
        };
        if !whole {
            let last = span_of(below, va).end.min(self.end).wrapping_sub(1);
            let (first, end) = (index_at(below, va), index_at(below, last).wrapping_add(1));
            let empty = self.tree.empty(below);
            stage.pages.store(table, 0, &Entries::fill(empty, first))?;
            stage.pages.store(table, end, &Entries::fill(empty, ENTRIES.wrapping_sub(end)))?;
        }
        let link = Link::new(self.here.directory(), index);
        stage.pages.adopt(link, child, stage.stale.dropped_mut());
        self.point_to(va, index, 1)?;
        Ok(Frame::fresh(child, link))
    }

    /// Makes `count` entries of the table the walk stands in point to the new tables that its notes have: at once where
    /// nobody can reach it, else as soon as what lies below is complete.
    pub(super) fn point_to(&mut self, va: u64, first: u32, count: u32) -> Result<(), Defect> {
        let parent = self.here.directory();
        let pages = &mut *self.stage.pages;
        let table = pages.table_of(parent);
        if !self.here.is_fresh() {
            return self.hook(Slot { table, level: self.level, first, va }, count);
        }
        let tables = TableEntries { pages, format: self.stage.format, parent, first, count };
        pages.store(table, first, &Entries::Tables(tables))?;
        pages.add_live(self.here.link(), count);
        Ok(())
    }

    fn enter(&mut self, below: Level, table: Frame) {
        if let Some(frame) = self.above.get_mut(usize::from(self.level.number())) {
            *frame = self.here;
        }
        self.here = table;
        self.level = below;
    }

    /// Goes up out of tables the walk is done with.
    fn ascend(&mut self, va: u64) {
        let over = va >= self.end;
        while self.level < self.tree.root_level && (over || is_aligned(va, table_span_bytes(self.level))) {
            if self.here.is_fresh() {
                let table = self.here.table(self.level, self.stage.pages);
                self.hooks.complete(self.stage, TableRun::of(table));
            } else if over {
                return;
            }
            let Some(above) = self.level.above() else { return };
            self.level = above;
            if let Some(frame) = self.above.get(usize::from(above.number())) {
                self.here = *frame;
            }
        }
    }

    /// Entries of a live table will point to new tables once those are complete.
    fn hook(&mut self, slot: Slot, count: u32) -> Result<(), Defect> {
        if !self.hooks.extend(slot, count) {
            self.store_hooks()?;
            self.hooks.begin(self.here, slot, count);
        }
        Ok(())
    }

    /// Stores the pointers that wait, before anything else of a live table changes.
    #[inline]
    fn store_hooks(&mut self) -> Result<(), Defect> {
        let Some((parent, slot, count)) = self.hooks.take() else { return Ok(()) };
        self.hooks.store(self.stage, parent.directory(), slot, count)?;
        self.changed(parent, slot.level, count);
        Ok(())
    }
}
