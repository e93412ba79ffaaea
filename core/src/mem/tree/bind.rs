//! Staging of a bind (page-tables sheet §5.2).
//!
//! The walk goes through the range once, down into tables and up out of those it is done with. It stands either in a
//! live table, whose entries go to the sink, or in a *fresh* one, which it made and which nobody can reach yet.

use super::backing::{Backing, Cursor, GROUP_BYTES};
use super::hooks::Hooks;
use super::range::{VaRange, index_at, is_aligned, is_whole, span_of};
use super::sizes::Sizes;
use super::{Attributes, LEVELS, PageTree, Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::format::{AtomicPolicy, LeafBits, LeafLayout, Level, entry_bytes, shift, table_span_bytes};
use crate::mem::pages::{ENTRIES, Entries, TableId};
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
    pub fn bind<'p, S: Sink, B: Backing<'p>>(
        &self,
        stage: &mut Stage<'_, '_, S>,
        mapping: Mapping<B>,
    ) -> Result<Bound, Defect> {
        let Mapping { range, backing, attributes, rebind } = mapping;
        let here = Frame::live(self.root);
        let mut walk = Walk {
            tree: self,
            end: range.end,
            cursor: Cursor::new(backing),
            bits: stage.format.leaf_bits(attributes.pat, attributes.read_only, AtomicPolicy::Undefined),
            rebind,
            above: [here; LEVELS],
            here,
            level: self.root_level,
            hooks: Hooks::NONE,
            top: Level::L0,
            sizes: Sizes::empty(),
            stage,
        };
        let walked = walk.run(range.start);
        let bound = Bound { range: range.widened(entry_bytes(walk.top)), sizes: walk.sizes };
        stage.stale.note(bound.range, if rebind { Cause::Rebound } else { Cause::Bound });
        walked.map(|()| bound)
    }
}

/// A table the walk stands in or came through.
#[derive(Clone, Copy, Debug)]
struct Frame {
    table: TableId,
    /// Made by this walk: nobody can reach it yet.
    fresh: bool,
    /// A level-0 table of 64 KiB entries; fresh.
    compact: bool,
}

impl Frame {
    const fn live(table: TableId) -> Self {
        Self { table, fresh: false, compact: false }
    }
}

/// A bind under way.
#[derive(Debug)]
struct Walk<'b, 's, 'a, 'p, S, B> {
    tree: &'b PageTree,
    stage: &'b mut Stage<'s, 'a, S>,
    end: u64,
    cursor: Cursor<'p, B>,
    bits: LeafBits,
    rebind: bool,
    /// Tables above, by level.
    above: [Frame; LEVELS],
    here: Frame,
    level: Level,
    hooks: Hooks,
    /// Highest level at which a live table changed.
    top: Level,
    sizes: Sizes,
}

impl<'p, S: Sink, B: Backing<'p>> Walk<'_, '_, '_, 'p, S, B> {
    fn run(&mut self, start: u64) -> Result<(), Defect> {
        let mut va = start;
        while va < self.end {
            let mapped = match self.level {
                Level::L0 if self.here.compact => self.compact_leaves(va)?,
                Level::L0 => self.small_leaves(va)?,
                Level::L1 | Level::L2 => self.large_leaves(va)?,
                Level::L3 | Level::L4 => 0,
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
            let (entries, hinted) = self.cursor.pages(va, end.wrapping_sub(va), self.bits);
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

    /// Writes a run of large leaves, if the entry at `va` can be one; the bytes they map.
    fn large_leaves(&mut self, va: u64) -> Result<u64, Defect> {
        if !is_whole(self.level, va, self.end) {
            return Ok(0);
        }
        let (level, index) = (self.level, index_at(self.level, va));
        let wanted = self.end.wrapping_sub(va) >> shift(level);
        let limit = low32(wanted.min(u64::from(ENTRIES.wrapping_sub(index))));
        let entries = self.cursor.leaves(level, LeafLayout::Plain, entry_bytes(level), limit, self.bits);
        if entries.count() == 0 {
            return Ok(0);
        }
        self.sizes |= Sizes::of_large(level);
        if !self.here.fresh {
            // A rebind with larger leaves than before: the tables they replace are done with.
            let stage = &mut *self.stage;
            stage.pages.detach(self.here.table, index, entries.count(), stage.stale.dropped_mut());
        }
        self.put(va, index, entry_bytes(level), &entries)
    }

    /// Writes leaves of `bytes` each where the walk stands and moves the cursor; the bytes they map.
    #[inline]
    fn put(&mut self, va: u64, first: u32, bytes: u64, entries: &Entries<'_, '_>) -> Result<u64, Defect> {
        let count = entries.count();
        if count == 0 {
            return Err(Defect::Backing { va });
        }
        let table = self.here.table;
        if self.here.fresh {
            self.stage.pages.store(table, first, entries)?;
            self.stage.pages.add_live(table, count);
        } else {
            self.store_hooks()?;
            self.stage.update(Slot { table, level: self.level, first, va }, entries)?;
            self.changed(table, self.level, count);
        }
        let mapped = bytes.wrapping_mul(u64::from(count));
        self.cursor.advance(mapped);
        Ok(mapped)
    }

    /// Notes that entries of a live table changed.
    fn changed(&mut self, table: TableId, level: Level, count: u32) {
        self.top = self.top.max(level);
        if !self.rebind {
            self.stage.pages.add_live(table, count);
        }
    }

    /// Steps into the table below `va`: the one that is there, or a new one if there is none or the range covers all
    /// of it. An existing child of a covered slot is replaced, never edited.
    fn descend(&mut self, va: u64) -> Result<(), Defect> {
        let below = self.level.below().ok_or(Defect::Edge { va })?;
        let index = index_at(self.level, va);
        let whole = is_whole(self.level, va, self.end);
        let child = if self.here.fresh || whole { None } else { self.stage.pages.child(self.here.table, index) };
        let Some(child) = child else {
            let child = self.create(below, va, index, whole)?;
            self.enter(below, child);
            return Ok(());
        };
        if self.stage.pages.is_compact(child) {
            return Err(Defect::Edge { va });
        }
        self.store_hooks()?;
        self.enter(below, Frame::live(child));
        Ok(())
    }

    /// Makes the table below `va`, empty unless the range will fill it, and points to it.
    fn create(&mut self, below: Level, va: u64, index: u32, whole: bool) -> Result<Frame, Defect> {
        let (parent, level, stage) = (self.here, self.level, &mut *self.stage);
        let table = stage.pages.take(stage.reservation, below)?;
        let compact = below == Level::L0 && whole && stage.format.compact_tables && self.cursor.fits_compact();
        if compact {
            stage.pages.set_compact(table);
        }
        if !whole {
            stage.pages.store(table, 0, &Entries::fill(self.tree.empty(below), ENTRIES))?;
        }
        stage.pages.adopt(parent.table, index, table, stage.stale.dropped_mut());
        if parent.fresh {
            let pointer = stage.format.directory(stage.pages.bus(table)?, compact);
            stage.pages.store(parent.table, index, &Entries::fill(pointer, 1))?;
            stage.pages.add_live(parent.table, 1);
        } else {
            self.hook(Slot { table: parent.table, level, first: index, va })?;
        }
        Ok(Frame { table, fresh: true, compact })
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
            if self.here.fresh {
                self.hooks.complete(self.stage, self.here.table);
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

    /// The entry of a live table will point to a new table once that is complete.
    fn hook(&mut self, slot: Slot) -> Result<(), Defect> {
        if !self.hooks.extend(slot) {
            self.store_hooks()?;
            self.hooks.begin(slot);
        }
        Ok(())
    }

    /// Stores the pointers that wait, before anything else of a live table changes.
    #[inline]
    fn store_hooks(&mut self) -> Result<(), Defect> {
        let Some((slot, count)) = self.hooks.take() else { return Ok(()) };
        self.hooks.store(self.stage, slot, count)?;
        self.changed(slot.table, slot.level, count);
        Ok(())
    }
}
