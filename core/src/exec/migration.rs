//! The driver's own context on a copy engine, which writes page tables for binds that cannot be written by the CPU.
//!
//! It runs in the migration VM ([`mem::migrate`](crate::mem::migrate)). Each job has a piece of batch memory of its
//! own until it is over; how many there are bounds the jobs in flight.

use super::lrc::{Emitted, Lrc, LrcRequest};
use super::queue::Queue;
use crate::Error;
use crate::gt::{DeviceInfo, MAX_TILES};
use crate::mem::Defect;
use crate::mem::ggtt::Ggtt;
use crate::mem::migrate::{BATCH_BYTES, Halves, MigrateLayout, TABLE_BYTES, TableBatch, write_tables};
use crate::mem::pages::{Entries, PtMemory, TableRun};
use crate::mem::tree::{Sink, Slot};
use crate::num::{u64_of, usize_of};
use crate::pool::Handle;
use crate::shares::Owner;
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest, Hal};

/// Page-table jobs in flight.
pub const JOBS: usize = 4;

/// Batch memory of one job, and the job while it is not over.
#[derive(Debug)]
struct Batch {
    buffer: DmaBuffer,
    running: Option<(Emitted, Handle<Queue>)>,
}

/// The contexts of all tiles, in their order; none on a device that has a tile without a copy engine.
///
/// Every page-table job goes to all of them or to none, so that its number is the same on each.
pub type Migrations = heapless::Vec<Migration, MAX_TILES>;

/// The context on one tile, its VM's tables and its batch memory.
#[derive(Debug)]
pub struct Migration {
    /// Position of its engine in [`DeviceInfo::engines`].
    pub engine: u8,
    /// Ring and context image.
    pub lrc: Lrc,
    layout: MigrateLayout,
    tables: DmaBuffer,
    batches: heapless::Vec<Batch, JOBS>,
}

/// A piece of batch memory that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeBatch(usize);

impl Migration {
    /// The contexts of all tiles.
    ///
    /// # Errors
    /// The HAL's, [`Error::Exhausted`]; nothing stays allocated.
    pub fn on_all_tiles<H: Hal>(info: &DeviceInfo, ggtt: &mut Ggtt<'_>, hal: &mut H) -> Result<Migrations, Error> {
        let mut made = Migrations::new();
        for tile in 0..info.tile_count() {
            match Self::new(tile, info, ggtt, hal) {
                // There are no more tiles than places.
                Ok(Some(migration)) => drop(made.push(migration)),
                Ok(None) => {
                    Self::free_all(made, ggtt, hal);
                    return Ok(Migrations::new());
                }
                Err(error) => {
                    Self::free_all(made, ggtt, hal);
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    /// Gives the memory of all of them back. No engine holds them any more.
    pub fn free_all<H: Hal>(mut all: Migrations, ggtt: &mut Ggtt<'_>, hal: &mut H) {
        while let Some(migration) = all.pop() {
            migration.free(ggtt, hal);
        }
    }

    /// The context of a tile; none if it has no copy engine.
    fn new<H: Hal>(tile: u8, info: &DeviceInfo, ggtt: &mut Ggtt<'_>, hal: &mut H) -> Result<Option<Self>, Error> {
        let Some(engine) = info.driver_copy_engine(tile).map(|engine| engine.id) else { return Ok(None) };
        let position = info.engines.iter().position(|other| (other.tile, other.id) == (tile, engine));
        let Some(engine) = position.and_then(|position| u8::try_from(position).ok()) else { return Ok(None) };
        let tables = hal.alloc(memory(TABLE_BYTES, info))?;
        let mut batches = heapless::Vec::new();
        let made = fill(&mut batches, info, hal).and_then(|()| context(engine, &tables, &batches, info, ggtt, hal));
        match made {
            Ok((layout, lrc)) => Ok(Some(Self { engine, lrc, layout, tables, batches })),
            Err(error) => {
                free_memory(tables, batches, hal);
                Err(error)
            }
        }
    }

    fn free<H: Hal>(self, ggtt: &mut Ggtt<'_>, hal: &mut H) {
        self.lrc.free(ggtt, hal);
        free_memory(self.tables, self.batches, hal);
    }

    /// Looks which jobs are over, and makes their batch memory free again.
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] for a number that no job has.
    pub fn completed(&mut self, dma: &mut impl DmaMemory) -> Result<Seqno, Error> {
        let written = self.lrc.completed(dma)?;
        let mut newest: Option<Emitted> = None;
        for batch in &mut self.batches {
            let over = batch.running.take_if(|(job, _)| job.seqno.reached_by(written)).map(|(job, _)| job);
            newest = match (newest, over) {
                (Some(before), Some(job)) if !job.seqno.is_later_than(before.seqno) => Some(before),
                (before, over) => over.or(before),
            };
        }
        if let Some(job) = newest {
            self.lrc.retire(job);
        }
        Ok(written)
    }

    /// Batch memory that no job uses.
    #[must_use]
    pub fn free_batch(&self) -> Option<FreeBatch> {
        self.batches.iter().position(|batch| batch.running.is_none()).map(FreeBatch)
    }

    /// An empty job in free batch memory.
    #[must_use]
    pub fn begin(&self, batch: FreeBatch) -> Option<TableBatch<'_>> {
        Some(TableBatch::new(&self.batches.get(batch.0)?.buffer, self.layout))
    }

    /// Makes the oldest job that is not over count as over, for an engine that does not get past it; the bind queue it
    /// was for. The context is to be [rewound](Lrc::rewind).
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] for a number that no job has.
    pub fn skip_oldest<H: Hal>(&mut self, hal: &mut H) -> Result<Option<Handle<Queue>>, Error> {
        self.completed(hal)?;
        let running = self.batches.iter().filter_map(|batch| batch.running);
        let oldest = running.reduce(|one, other| if one.0.seqno.is_later_than(other.0.seqno) { other } else { one });
        let Some((job, owner)) = oldest else { return Ok(None) };
        self.lrc.write_off(job, hal);
        self.completed(hal)?;
        Ok(Some(owner))
    }

    /// Puts a finished job into the ring; its number. `owner` is the bind queue it is for.
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] if the ring is not what it was made to be: it has room for more jobs than there is
    /// batch memory.
    pub fn submit(
        &mut self,
        batch: FreeBatch,
        halves: Halves,
        owner: Handle<Queue>,
        dma: &mut impl DmaMemory,
    ) -> Result<Seqno, Error> {
        let broken = Error::DeviceBroken { what: "page-table job", value: u64_of(batch.0) };
        let place = self.batches.get_mut(batch.0).ok_or(broken)?;
        dma.publish(&place.buffer, 0..halves.end);
        let base = u64_of(batch.0).saturating_mul(u64_of(BATCH_BYTES));
        let va = |offset: usize| self.layout.batch(base.saturating_add(u64_of(offset))).ok_or(broken);
        let batches = (va(halves.first)?, va(halves.second)?);
        let job = self.lrc.emit_migration(batches, dma)?.ok_or(broken)?;
        place.running = Some((job, owner));
        Ok(job.seqno)
    }
}

/// Hands changes of live tables to a job; tables that nobody reaches yet are published as they are.
#[derive(Debug)]
pub struct EngineSink<'d, 'b, D> {
    /// For publishing.
    pub dma: &'d mut D,
    /// The job.
    pub batch: TableBatch<'b>,
}

impl<D: DmaMemory> Sink for EngineSink<'_, '_, D> {
    fn built(&mut self, pages: &PtMemory<'_>, tables: TableRun) {
        pages.publish_run(self.dma, tables);
    }

    fn update(&mut self, pages: &PtMemory<'_>, slot: Slot, entries: &Entries<'_, '_>) -> Result<(), Defect> {
        let table = pages.bus(slot.table)?;
        if let Entries::Steps { first, step, count } = *entries {
            return Ok(self.batch.write(table, slot.first, first, step, count)?);
        }
        let (mut index, mut written) = (slot.first, Ok(()));
        entries.for_each(|value| {
            written = written.and_then(|()| self.batch.write(table, index, value, 0, 1));
            index = index.saturating_add(1);
        });
        Ok(written?)
    }
}

const fn memory(len_bytes: u64, info: &DeviceInfo) -> DmaRequest {
    let (caching, owner) = (DmaCaching::WriteBack, DmaOwner::Driver);
    DmaRequest { len_bytes, align_bytes: 4096, last_addr: info.dma_last, caching, owner }
}

fn fill<H: Hal>(batches: &mut heapless::Vec<Batch, JOBS>, info: &DeviceInfo, hal: &mut H) -> Result<(), Error> {
    while !batches.is_full() {
        let buffer = hal.alloc(memory(u64_of(BATCH_BYTES), info))?;
        // There is room: the loop ends when there is none.
        let _ = batches.push(Batch { buffer, running: None });
    }
    Ok(())
}

fn context<H: Hal>(
    engine: u8,
    tables: &DmaBuffer,
    batches: &heapless::Vec<Batch, JOBS>,
    info: &DeviceInfo,
    ggtt: &mut Ggtt<'_>,
    hal: &mut H,
) -> Result<(MigrateLayout, Lrc), Error> {
    let family = info.platform.family;
    let layout = MigrateLayout::new(family.pt.root_level);
    let buffers = batches.iter().map(|batch| &batch.buffer);
    let root = write_tables(&layout, &family.pt, family.pat.wb, tables, buffers)?;
    hal.publish(tables, 0..tables.len_bytes());
    // Address-space ids are for clients' VMs; the driver's own has 0.
    let vm = Some((0, family.pt.directory(root, false)));
    let lrc = Lrc::new(&LrcRequest { engine, vm, owner: Owner::NOBODY }, info, ggtt, hal)?;
    Ok((layout, lrc))
}

fn free_memory<H: Hal>(tables: DmaBuffer, mut batches: heapless::Vec<Batch, JOBS>, hal: &mut H) {
    // One by one from the end: dropping a half-used iterator over all of them could panic.
    while let Some(batch) = batches.pop() {
        hal.free(batch.buffer);
    }
    hal.free(tables);
}

// All batch memory appears in the leaf table behind the pages.
const _: () = assert!(JOBS * (BATCH_BYTES >> 12) + usize_of(crate::mem::migrate::PAGES) <= 512);
