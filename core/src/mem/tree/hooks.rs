//! Pointers to new tables that are not stored yet.
//!
//! A new subtree hangs from a live table by one entry, and neighbouring subtrees by neighbouring entries. They are
//! stored together when the walk turns to something else: the subtrees are complete by then and are published first.

use super::frame::Frame;
use super::{Sink, Slot, Stage};
use crate::mem::Defect;
use crate::mem::pages::{DirectoryId, Entries, TableEntries, TableRun};

/// A run of entries of one live table that wait, and the tables to publish before.
#[derive(Debug)]
pub(super) struct Hooks {
    /// The directory, the first entry, how many there are.
    waiting: Option<(Frame, Slot, u32)>,
    built: TableRun,
}

impl Hooks {
    pub(super) const NONE: Self = Self { waiting: None, built: TableRun::EMPTY };

    /// Adds `more` entries if they are the next ones of the run.
    pub(super) fn extend(&mut self, slot: Slot, more: u32) -> bool {
        match &mut self.waiting {
            Some((_, first, count)) if first.table == slot.table && first.first.wrapping_add(*count) == slot.first => {
                *count = count.wrapping_add(more);
                true
            }
            _ => false,
        }
    }

    /// Begins a run; the one before must have been taken.
    pub(super) const fn begin(&mut self, parent: Frame, slot: Slot, count: u32) {
        self.waiting = Some((parent, slot, count));
    }

    /// Takes the run.
    pub(super) const fn take(&mut self) -> Option<(Frame, Slot, u32)> {
        self.waiting.take()
    }

    /// New tables are complete.
    #[inline]
    pub(super) fn complete<S: Sink>(&mut self, stage: &mut Stage<'_, '_, S>, tables: TableRun) {
        if let Some(run) = stage.pages.extend_run(&mut self.built, tables) {
            stage.sink.built(stage.pages, run);
        }
    }

    /// Publishes what is complete, then stores a run of pointers to it.
    pub(super) fn store<S: Sink>(
        &mut self,
        stage: &mut Stage<'_, '_, S>,
        parent: DirectoryId,
        slot: Slot,
        count: u32,
    ) -> Result<(), Defect> {
        let built = core::mem::replace(&mut self.built, TableRun::EMPTY);
        if !built.is_empty() {
            stage.sink.built(stage.pages, built);
        }
        let (pages, format) = (&*stage.pages, stage.format);
        let tables = TableEntries { pages, format, parent, first: slot.first, count };
        stage.sink.update(pages, slot, &Entries::Tables(tables))
    }
}
