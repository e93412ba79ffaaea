//! One address space's page tables: staging of binds and unbinds.
//!
//! A change is staged when its turn has come, out of tables reserved when its call was accepted ([`need`]), so that
//! it cannot fail. Staging has two kinds of stores. Tables that nobody can reach yet are built by plain CPU stores.
//! Whatever changes a table the device may be walking (hook-ups of new tables, leaves in shared tables, entries that
//! become empty) goes to a [`Sink`], contents before the pointer to them. A device that looks in between sees either
//! the old or the new translation.
//!
//! ```text
//!   range ──► walk ──► new tables ─────► CPU stores, published before
//!                 └──► live entries ───► Sink: CPU stores now, or commands for the copy engine
//!                 └──► dropped tables ─► Stale: released after the TLB invalidation
//! ```
//!
//! The walks are loops over a path of at most five levels. Geometry, leaf choice and the 64 KiB rules: page-tables
//! sheet §1; scratch: §3; binds: §5.2; unbinds: §5.4.

mod backing;
mod bind;
mod column;
mod edges;
mod frame;
mod hooks;
mod list;
mod need;
mod range;
mod reach;
mod sink;
mod sizes;
mod unbind;
mod walk;
mod zap;

pub use backing::{Backing, Segment};
pub use bind::{Bound, Mapping};
pub use need::{need, need_of_new, shared};
pub use range::VaRange;
pub use sink::{CpuSink, Sink, Slot};
pub use sizes::Sizes;

use crate::mem::Defect;
use crate::mem::format::{Level, PtFormat};
use crate::mem::pages::{DirectoryId, Dropped, ENTRIES, Entries, PtMemory, Reservation, TableRun};
use crate::mem::pat::PatIndex;
use crate::mem::tlb::{Cause, Stale};
use barexe_hal::BusAddr;

/// Levels a tree can have, root included.
const LEVELS: usize = 5;

/// Attributes that all leaves of a mapping share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// PAT index.
    pub pat: PatIndex,
    /// Writes are refused.
    pub read_only: bool,
}

/// Changes that are being staged one after another, and what they leave stale.
#[derive(Debug)]
#[must_use = "what became stale is in it: see `finish`"]
pub struct Stage<'s, 'a, S: Sink> {
    /// Page-table memory.
    pub pages: &'s mut PtMemory<'a>,
    /// Tables promised to these changes.
    pub reservation: &'s mut Reservation,
    /// Entry encoding.
    pub format: &'static PtFormat,
    /// Where changes of live tables go.
    pub sink: &'s mut S,
    stale: Stale,
}

impl<'s, 'a, S: Sink> Stage<'s, 'a, S> {
    /// Nothing staged yet.
    pub const fn new(
        pages: &'s mut PtMemory<'a>,
        reservation: &'s mut Reservation,
        format: &'static PtFormat,
        sink: &'s mut S,
    ) -> Self {
        Self { pages, reservation, format, sink, stale: Stale::NONE }
    }

    /// The end: nothing more comes to the sink. What the device's TLBs may still hold of all that was staged.
    pub fn finish(mut self) -> Stale {
        self.sink.finish(self.pages);
        core::mem::take(&mut self.stale)
    }

    /// Sends a change of a live table on.
    fn update(&mut self, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        self.sink.update(self.pages, slot, entries)
    }
}

/// The sink learns of the end even if something went wrong before [`finish`](Stage::finish).
impl<S: Sink> Drop for Stage<'_, '_, S> {
    fn drop(&mut self) {
        self.sink.finish(self.pages);
    }
}

/// A tree of page tables.
#[derive(Debug)]
pub struct PageTree {
    root: DirectoryId,
    root_level: Level,
    /// Scratch tables by level; a VM without scratch has none.
    scratch: [Option<DirectoryId>; LEVELS],
    /// What stands in unused entries, by level.
    empty: [u64; LEVELS],
    has_scratch: bool,
}

impl PageTree {
    /// An empty tree out of a reservation of [`need_of_new`].
    ///
    /// # Errors
    /// [`Defect::Reservation`] if less was reserved.
    pub fn new<S: Sink>(stage: &mut Stage<'_, '_, S>, has_scratch: bool) -> Result<Self, Defect> {
        let (format, root_level) = (stage.format, stage.format.root_level);
        let (mut empty, mut scratch) = ([0; LEVELS], [None; LEVELS]);
        let mut below = None;
        for ((level, empty), scratch) in Level::ALL.into_iter().zip(&mut empty).zip(&mut scratch) {
            if has_scratch {
                *empty = format.empty(level, below);
            }
            if has_scratch && level >= Level::L2 && level < root_level {
                let table = filled(stage, level, *empty)?;
                below = Some(stage.pages.bus(stage.pages.table_of(table))?);
                *scratch = Some(table);
            }
        }
        let mut tree = Self { root: DirectoryId::at(0), root_level, scratch, empty, has_scratch };
        tree.root = filled(stage, root_level, tree.empty(root_level))?;
        Ok(tree)
    }

    /// The root table's notes.
    #[must_use]
    pub const fn root_directory(&self) -> DirectoryId {
        self.root
    }

    /// Bus address of the root table.
    #[must_use]
    pub fn root(&self, pages: &PtMemory<'_>) -> Option<BusAddr> {
        pages.bus(pages.table_of(self.root)).ok()
    }

    /// Whether unmapped addresses read as zero.
    #[must_use]
    pub const fn has_scratch(&self) -> bool {
        self.has_scratch
    }

    /// Cuts everything off: every entry of the root becomes not present, on scratch VMs too (page-tables sheet §5.7,
    /// VM close). The tree can only be given up afterwards.
    ///
    /// # Errors
    /// [`Defect::Table`].
    pub fn cut_off<S: Sink>(&self, stage: &mut Stage<'_, '_, S>) -> Result<(), Defect> {
        let all = VaRange { start: 0, end: stage.format.va_span_bytes() };
        stage.stale.note(all, Cause::Unbound);
        let table = stage.pages.table_of(self.root);
        let slot = Slot { table, level: self.root_level, first: 0, va: 0 };
        stage.update(slot, &Entries::fill(0, ENTRIES))
    }

    /// All tables of the tree, for release once no context can reach them.
    pub fn into_dropped(self, pages: &mut PtMemory<'_>) -> Dropped {
        let mut dropped = Dropped::NONE;
        // A scratch table is a child of nobody's notes: its parents hold it as an empty entry.
        for directory in self.scratch.iter().flatten().copied().chain([self.root]) {
            let table = pages.table_of(directory);
            pages.drop_into(&mut dropped, table);
        }
        dropped
    }

    const fn empty(&self, level: Level) -> u64 {
        let [l0, l1, l2, l3, l4] = self.empty;
        match level {
            Level::L0 => l0,
            Level::L1 => l1,
            Level::L2 => l2,
            Level::L3 => l3,
            Level::L4 => l4,
        }
    }
}

/// A new directory that is complete but for what points to it.
fn filled<S: Sink>(stage: &mut Stage<'_, '_, S>, level: Level, value: u64) -> Result<DirectoryId, Defect> {
    let directory = stage.pages.take_directory(stage.reservation, level)?;
    let table = stage.pages.table_of(directory);
    stage.pages.store(table, 0, &Entries::fill(value, ENTRIES))?;
    stage.sink.built(stage.pages, TableRun::of(table));
    Ok(directory)
}
