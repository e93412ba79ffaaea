//! Staging of an unbind (page-tables sheet §5.4).
//!
//! Only shared tables change. What the range covers of one becomes empty; a table that would be left with no live
//! entry is not written at all: the entry that points to it becomes empty instead, and it is dropped with everything
//! below. The root is never dropped.

use super::edges::{Chain, Edges, covered};
use super::frame::Frame;
use super::range::{VaRange, index_at, span_of};
use super::{PageTree, Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::format::{Level, entry_bytes, shift};
use crate::mem::pages::{Entries, TableId};
use crate::mem::tlb::Cause;
use crate::num::low32;

impl PageTree {
    /// Unbinds a range in which every byte is bound and over whose edges no leaf and no compact table reaches.
    ///
    /// Gives the range widened to what one entry of the highest changed table covers. Dropped tables go to the
    /// stage's [`Stale`](crate::mem::tlb::Stale).
    ///
    /// # Errors
    /// [`Defect::Edge`] if something does reach over an edge; nothing has changed then.
    pub fn unbind<S: Sink>(&self, stage: &mut Stage<'_, '_, S>, range: VaRange) -> Result<VaRange, Defect> {
        let count = low32(range.len_bytes() >> shift(Level::L0));
        let link = self.link_of_pages(stage.pages, range);
        if let Some(table) = link.and_then(|link| stage.pages.shrink(link, count)) {
            return self.unbind_pages(stage, table, range, count);
        }
        let edges = Edges::find(self, stage.pages, range)?;
        let mut unbind = Unbind { tree: self, stage, range, top: Level::L0 };
        let done = unbind.run(&edges);
        let widened = range.widened(entry_bytes(unbind.top));
        stage.stale.note(widened, Cause::Unbound);
        done.map(|()| widened)
    }

    /// The unbind of a few pages out of a table that others use too.
    fn unbind_pages<S: Sink>(
        &self,
        stage: &mut Stage<'_, '_, S>,
        table: TableId,
        range: VaRange,
        count: u32,
    ) -> Result<VaRange, Defect> {
        let slot = Slot { table, level: Level::L0, first: index_at(Level::L0, range.start), va: range.start };
        stage.update(slot, &Entries::fill(self.empty(Level::L0), count))?;
        stage.stale.note(range, Cause::Unbound);
        Ok(range)
    }
}

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Entries became empty, or none had to.
    Stays,
    /// Nothing live would be left in it.
    Killed,
}

#[derive(Debug)]
struct Unbind<'u, 's, 'a, S: Sink> {
    tree: &'u PageTree,
    stage: &'u mut Stage<'s, 'a, S>,
    /// Grows outwards over the slots of killed tables.
    range: VaRange,
    /// Highest level at which a live table changed.
    top: Level,
}

impl<S: Sink> Unbind<'_, '_, '_, S> {
    /// Deepest tables first: the left edge, the right edge, then what is common to both.
    fn run(&mut self, edges: &Edges) -> Result<(), Defect> {
        for (level, table) in edges.left.iter().flat_map(Chain::upwards) {
            let span = span_of(level, self.range.start);
            if self.clear(level, table, VaRange { start: self.range.start, end: span.end })? == Fate::Killed {
                self.range.start = span.start;
            }
        }
        for (level, table) in edges.right.iter().flat_map(Chain::upwards) {
            let span = span_of(level, self.range.end.saturating_sub(1));
            if self.clear(level, table, VaRange { start: span.start, end: self.range.end })? == Fate::Killed {
                self.range.end = span.end;
            }
        }
        for (level, table) in edges.common.upwards() {
            if self.clear(level, table, self.range)? == Fate::Stays {
                break;
            }
            self.range = span_of(level, self.range.start);
        }
        Ok(())
    }

    /// Empties the entries that lie wholly in `part`, unless that is all there is in the table.
    fn clear(&mut self, level: Level, frame: Frame, part: VaRange) -> Result<Fate, Defect> {
        let table = frame.table(level, self.stage.pages);
        let Some((slot, count, all)) = covered(level, table, part) else { return Ok(Fate::Stays) };
        if all && level != self.tree.root_level && count == self.stage.pages.live(frame.link()) {
            return Ok(Fate::Killed);
        }
        self.stage.update(slot, &Entries::fill(self.tree.empty(level), count))?;
        if level > Level::L0 {
            self.stage.pages.detach(frame.directory(), slot.first, count, self.stage.stale.dropped_mut());
        }
        self.stage.pages.sub_live(frame.link(), count);
        self.top = self.top.max(level);
        Ok(Fate::Stays)
    }
}
