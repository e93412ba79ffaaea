//! Where changes of live tables go.
//!
//! Staging stores into tables that nobody can reach by itself. Everything that changes a table the device may be
//! walking goes through a [`Sink`]: the CPU stores it at once, or commands are recorded that the copy engine runs
//! later, or a test looks at it.

use crate::mem::Defect;
use crate::mem::format::Level;
use crate::mem::pages::{Entries, PtMemory, TableId, TableRun};
use barexe_hal::DmaMemory;

/// Where a run of entries begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The table.
    pub table: TableId,
    /// Its level.
    pub level: Level,
    /// First entry.
    pub first: u32,
    /// First address of that entry.
    pub va: u64,
}

/// Takes the changes of live tables, in an order that is right if the device looks in between.
///
/// Runs that follow each other in one table come one after another: of one operation, all runs of a table are one
/// update record (page-tables sheet §5.1).
pub trait Sink {
    /// New tables are complete. They must be visible to the device before anything that comes after.
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun);

    /// Entries of a live table change.
    ///
    /// # Errors
    /// [`Defect::Table`].
    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect>;
}

/// Stores at once and makes each change visible before the next.
#[derive(Debug)]
pub struct CpuSink<'d, D> {
    /// For publishing what was stored.
    pub dma: &'d mut D,
}

impl<D: DmaMemory> Sink for CpuSink<'_, D> {
    #[inline]
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        pages.publish_run(self.dma, tables);
    }

    #[inline]
    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        let (buffer, stored) = pages.store(slot.table, slot.first, entries)?;
        self.dma.publish(buffer, stored);
        Ok(())
    }
}
