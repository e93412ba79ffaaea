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

    /// Nothing more comes. May be called more than once.
    fn finish(&mut self, _pages: &PtMemory<'_>) {}
}

/// Single entries that wait to be stored together.
const QUEUED: usize = 64;

/// Stores by the CPU, in order, each visible before the next that could depend on it.
///
/// Runs are stored at once. Single entries far apart gather first: a processor fetches the lines of many such stores
/// at the same time if nothing else stands between them.
#[derive(Debug)]
pub struct CpuSink<'d, D> {
    dma: &'d mut D,
    queue: [Single; QUEUED],
    queued: usize,
}

/// An entry that waits.
#[derive(Clone, Copy, Debug)]
struct Single {
    table: u32,
    index: u32,
    value: u64,
}

impl<'d, D: DmaMemory> CpuSink<'d, D> {
    /// A sink that publishes through `dma`.
    pub const fn new(dma: &'d mut D) -> Self {
        Self { dma, queue: [Single { table: 0, index: 0, value: 0 }; QUEUED], queued: 0 }
    }

    #[inline]
    fn enqueue(&mut self, pages: &PtMemory<'_>, slot: Slot, value: u64) -> Result<(), Defect> {
        if self.queued >= QUEUED {
            self.drain(pages)?;
        }
        if let Some(single) = self.queue.get_mut(self.queued) {
            *single = Single { table: slot.table.position(), index: slot.first, value };
            self.queued = self.queued.wrapping_add(1);
        }
        Ok(())
    }

    /// Stores what waits.
    fn drain(&mut self, pages: &PtMemory<'_>) -> Result<(), Defect> {
        let waiting = self.queue.get(..self.queued).unwrap_or(&[]);
        for Single { table, index, value } in waiting {
            pages.store_one(TableId::at(*table), *index, *value)?;
        }
        for Single { table, index, .. } in waiting {
            pages.publish_one(self.dma, TableId::at(*table), *index);
        }
        self.queued = 0;
        Ok(())
    }
}

impl<D: DmaMemory> Sink for CpuSink<'_, D> {
    #[inline]
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        pages.publish_run(self.dma, tables);
    }

    #[inline]
    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        if let Entries::Steps { first, count: 1, .. } = entries {
            return self.enqueue(pages, slot, *first);
        }
        self.drain(pages)?;
        let (buffer, stored) = pages.store(slot.table, slot.first, entries)?;
        self.dma.publish(buffer, stored);
        Ok(())
    }

    fn finish(&mut self, pages: &PtMemory<'_>) {
        // A table that is not there was found out when it was noted.
        let _ = self.drain(pages);
    }
}
