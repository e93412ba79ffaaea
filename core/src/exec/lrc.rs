//! Logical ring contexts: one ring, one context image and one fence word, reached by the engine through the GGTT.
//!
//! How far the ring is free is known from the numbers that jobs wrote, not from the head the hardware saves: that one
//! is only written when the context leaves the engine.

use crate::Error;
use crate::context::create::{ContextRequest, VmRoot, rebase, write_context, write_image, write_seqno_page};
use crate::context::descriptor::Descriptor;
use crate::context::layout::{LrcAddrs, LrcLayout, SEQNO_BYTES, START_SEQNO_BYTES};
use crate::context::tables::REGISTER_DWORDS;
use crate::gt::{DeviceInfo, EngineClass};
use crate::mem::format::GgttCaching;
use crate::mem::ggtt::{Ggtt, GgttRange};
use crate::num::{u64_of, usize_of};
use crate::ring::RingFormat;
use crate::ring::command::{BatchAddr, FlushScope};
use crate::ring::emitter::NoRoom;
use crate::ring::gang::{GANG_DWORDS_MAX, Part};
use crate::ring::job::{
    JOB_DWORDS_MAX, JobRequest, MigrationRequest, emit_job, emit_marker, emit_migration, emit_part,
};
use crate::ring::writer::{RingError, RingState};
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, DmaCaching, DmaMemory, DmaOwner, DmaRequest, DwordWriter, GpuVa, Hal};

/// Bytes of a ring (commands-and-fences sheet §2.1).
pub const RING_BYTES: u32 = 16 << 10;
/// Jobs a ring has room for, each as long as jobs get.
pub const RING_JOBS: u32 = crate::num::u32_capped((usize_of(RING_BYTES) / 4) / JOB_DWORDS_MAX);

/// Room that any part of a job of several engines needs, in dwords.
const PART_DWORDS_MAX: usize = JOB_DWORDS_MAX + GANG_DWORDS_MAX;

/// A context to create.
#[derive(Clone, Copy, Debug)]
pub struct LrcRequest {
    /// Position of the engine in [`DeviceInfo::engines`].
    pub engine: u8,
    /// The VM it runs in: ASID and root descriptor.
    pub vm: Option<(u32, u64)>,
}

/// A batch to run.
#[derive(Clone, Copy, Debug)]
pub struct BatchRequest {
    /// Where it starts.
    pub batch: GpuVa,
    /// What the GPU stores when it is over, and where.
    pub user_fence: Option<(GpuVa, u64)>,
    /// Whether translations are dropped first.
    pub flush_tlb: bool,
}

/// Where a job lies in the ring, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Its number.
    pub seqno: Seqno,
    tail_bytes: u32,
}

/// A context.
#[derive(Debug)]
pub struct Lrc {
    buffer: DmaBuffer,
    range: GgttRange,
    seqno_page: DmaBuffer,
    seqno_range: GgttRange,
    layout: LrcLayout,
    addrs: LrcAddrs,
    ring: RingState,
    head_bytes: u32,
    submitted_tail: u32,
    last: Seqno,
    seen: Seqno,
    descriptor: Descriptor,
    id: u32,
    request: LrcRequest,
    /// The next submission must not be taken for the one before.
    force_restore: bool,
    /// The newest job found no room, and none has been over since.
    full: bool,
}

const fn page_request(len_bytes: u64, info: &DeviceInfo) -> DmaRequest {
    DmaRequest {
        len_bytes,
        align_bytes: 4096,
        last_addr: info.dma_last,
        caching: DmaCaching::WriteBack,
        owner: DmaOwner::Driver,
    }
}

/// Memory that a tile reaches through its GGTT.
///
/// # Errors
/// The HAL's, [`Error::Exhausted`]; nothing stays allocated.
pub fn ggtt_memory<H: Hal>(
    (tile, len_bytes): (u8, u64),
    info: &DeviceInfo,
    ggtt: &mut Ggtt<'_>,
    hal: &mut H,
) -> Result<(DmaBuffer, GgttRange), Error> {
    let buffer = hal.alloc(page_request(len_bytes, info))?;
    let pages = crate::num::low32(u64_of(buffer.len_bytes()) >> 12);
    let range = match ggtt.alloc_on(tile, pages, 1) {
        Ok(range) => range,
        Err(error) => {
            hal.free(buffer);
            return Err(error);
        }
    };
    match ggtt.map(hal, &range, buffer.bus(), GgttCaching::Cached) {
        Ok(()) => Ok((buffer, range)),
        Err(error) => {
            free_ggtt_memory((buffer, range), ggtt, hal);
            Err(error)
        }
    }
}

/// Gives such memory back.
pub fn free_ggtt_memory<H: Hal>(memory: (DmaBuffer, GgttRange), ggtt: &mut Ggtt<'_>, hal: &mut H) {
    ggtt.free(hal, memory.1);
    hal.free(memory.0);
}

impl Lrc {
    /// A context that has never run.
    ///
    /// # Errors
    /// The HAL's, [`Error::Exhausted`]; nothing stays allocated.
    pub fn new<H: Hal>(
        request: &LrcRequest,
        info: &DeviceInfo,
        ggtt: &mut Ggtt<'_>,
        hal: &mut H,
    ) -> Result<Self, Error> {
        let engine = info.engines.get(usize::from(request.engine)).ok_or(Error::invalid("engine", 0))?;
        let format = &info.platform.family.lrc;
        let layout =
            format.layout(engine.class, RING_BYTES).ok_or(Error::invalid("ring size", u64::from(RING_BYTES)))?;
        let memory = ggtt_memory((engine.tile, u64::from(layout.total_bytes)), info, ggtt, hal)?;
        let seqno = match ggtt_memory((engine.tile, 4096), info, ggtt, hal) {
            Ok(seqno) => seqno,
            Err(error) => {
                free_ggtt_memory(memory, ggtt, hal);
                return Err(error);
            }
        };
        let made = fill(request, info, engine, &layout, &memory, &seqno);
        let Some((addrs, ring, descriptor)) = made else {
            free_ggtt_memory(seqno, ggtt, hal);
            free_ggtt_memory(memory, ggtt, hal);
            return Err(Error::invalid("context layout", u64::from(layout.total_bytes)));
        };
        let ((buffer, range), (seqno_page, seqno_range)) = (memory, seqno);
        hal.publish(&buffer, 0..buffer.len_bytes());
        hal.publish(&seqno_page, 0..seqno_page.len_bytes());
        let start = Seqno::initial_memory();
        let fresh = Self {
            buffer,
            range,
            seqno_page,
            seqno_range,
            layout,
            addrs,
            head_bytes: ring.tail_bytes(),
            submitted_tail: ring.tail_bytes(),
            ring,
            last: start,
            seen: start,
            descriptor,
            id: 0,
            request: *request,
            force_restore: false,
            full: false,
        };
        Ok(fresh)
    }

    /// Gives its memory back. No engine holds it any more.
    pub fn free<H: Hal>(self, ggtt: &mut Ggtt<'_>, hal: &mut H) {
        free_ggtt_memory((self.buffer, self.range), ggtt, hal);
        free_ggtt_memory((self.seqno_page, self.seqno_range), ggtt, hal);
    }

    /// The number of the newest job that is over.
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] for a number that no job has: the word does not belong to clients, so nothing that is
    /// read from it can be trusted then.
    pub fn completed(&mut self, dma: &mut impl DmaMemory) -> Result<Seqno, Error> {
        let at = usize_of(SEQNO_BYTES);
        dma.observe(&self.seqno_page, at..at.saturating_add(4));
        let word = self.seqno_page.read_u32(at).unwrap_or(u32::MAX);
        let seqno = Seqno::new(word);
        if seqno.is_later_than(self.last) || self.seen.is_later_than(seqno) {
            return Err(Error::DeviceBroken { what: "job number", value: u64::from(word) });
        }
        self.seen = seqno;
        Ok(seqno)
    }

    /// The number of the newest job that was over at the last look.
    #[must_use]
    pub const fn seen(&self) -> Seqno {
        self.seen
    }

    /// Frees the ring up to the end of a job that is over.
    pub const fn retire(&mut self, job: Emitted) {
        self.head_bytes = job.tail_bytes;
        self.full = false;
    }

    /// Whether a job found no room, and none has been over since: to try again is no use.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Whether jobs are in the ring that were not over at the last look.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        !self.last.reached_by(self.seen)
    }

    /// The oldest job that was not over at the last look; there is one while the context [is busy](Self::is_busy).
    #[must_use]
    pub const fn oldest_running(&self) -> Seqno {
        self.seen.next()
    }

    /// Whether jobs are in the ring that the engine was not told of.
    #[must_use]
    pub const fn has_unsubmitted(&self) -> bool {
        self.ring.tail_bytes() != self.submitted_tail
    }

    /// Software id it was last submitted with, 0 if never.
    #[must_use]
    pub const fn context_id(&self) -> u32 {
        self.id
    }

    /// Gives it a software id.
    pub const fn set_context_id(&mut self, id: u32) {
        self.id = id;
    }

    /// GGTT address of its PPHWSP, which descriptors name.
    #[must_use]
    pub const fn addrs(&self) -> &LrcAddrs {
        &self.addrs
    }

    /// Puts a job into the ring; `None` if there is no room now. The engine learns of it by
    /// [`publish_tail`](Self::publish_tail).
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] if the ring is not what it was made to be.
    pub fn emit(
        &mut self,
        format: &RingFormat,
        class: EngineClass,
        request: &BatchRequest,
        dma: &mut impl DmaMemory,
    ) -> Result<Option<Emitted>, Error> {
        let (job, addrs) = (job(self.last.next(), request), self.addrs);
        self.write::<JOB_DWORDS_MAX>(job.seqno, dma, |out| emit_job(format, class, &addrs, &job, out))
    }

    /// Puts one part of a job of several engines into the ring; all contexts of a gang get all of its jobs, so their
    /// numbers agree.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_part(
        &mut self,
        format: &RingFormat,
        class: EngineClass,
        (request, part): (&BatchRequest, Part<'_>),
        dma: &mut impl DmaMemory,
    ) -> Result<Option<Emitted>, Error> {
        let (job, addrs) = (job(self.last.next(), request), self.addrs);
        self.write::<PART_DWORDS_MAX>(job.seqno, dma, |out| emit_part(format, class, (&addrs, part), &job, out))
    }

    /// Whether any part of a job has room in the ring now.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn has_room_for_part(&mut self) -> Result<bool, Error> {
        match self.ring.reserve(&self.buffer, self.head_bytes, PART_DWORDS_MAX) {
            Ok(_) => Ok(true),
            Err(RingError::Full { .. }) => Ok(false),
            Err(_) => Err(self.broken_ring()),
        }
    }

    const fn broken_ring(&self) -> Error {
        Error::DeviceBroken { what: "ring", value: self.ring.tail_bytes() as u64 }
    }

    /// Puts a job without a batch into the ring: it only writes its number and raises the interrupt.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_marker(
        &mut self,
        format: &RingFormat,
        class: EngineClass,
        dma: &mut impl DmaMemory,
    ) -> Result<Option<Emitted>, Error> {
        let seqno = self.last.next();
        let addrs = self.addrs;
        self.write::<JOB_DWORDS_MAX>(seqno, dma, |out| emit_marker(format, class, &addrs, seqno, out))
    }

    /// Puts a job of two batches into the ring, translations being dropped between them and after (page-tables sheet
    /// §6.2).
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_migration(
        &mut self,
        (first, second): (GpuVa, GpuVa),
        dma: &mut impl DmaMemory,
    ) -> Result<Option<Emitted>, Error> {
        let seqno = self.last.next();
        let job = MigrationRequest { first, second, seqno, flush: FlushScope::TLB, virtual_function: false };
        let addrs = self.addrs;
        self.write::<JOB_DWORDS_MAX>(seqno, dma, |out| emit_migration(&addrs, &job, out))
    }

    fn write<const ROOM: usize>(
        &mut self,
        seqno: Seqno,
        dma: &mut impl DmaMemory,
        emit: impl FnOnce(&mut DwordWriter<'_>) -> Result<(), NoRoom>,
    ) -> Result<Option<Emitted>, Error> {
        let broken = self.broken_ring();
        let reserved = self.ring.reserve(&self.buffer, self.head_bytes, ROOM);
        let span = match reserved.and_then(|reservation| reservation.emit::<ROOM>(emit)) {
            Ok(span) => span,
            Err(RingError::Full { .. }) => {
                self.full = true;
                return Ok(None);
            }
            Err(_) => return Err(broken),
        };
        dma.publish(&self.buffer, span.before_end);
        dma.publish(&self.buffer, span.from_start);
        self.last = seqno;
        Ok(Some(Emitted { seqno, tail_bytes: span.tail_bytes }))
    }

    /// Stores the ring's tail in the context image; the descriptor to submit.
    pub fn publish_tail(&mut self, dma: &mut impl DmaMemory, info: &DeviceInfo) -> Descriptor {
        let at = usize_of(self.layout.ring_tail());
        let tail = self.ring.tail_bytes();
        // The offset comes from the layout of this very buffer.
        let _ = self.buffer.write_u32(at, tail);
        dma.publish(&self.buffer, at..at.saturating_add(4));
        let forced = self.force_restore || tail == self.submitted_tail;
        self.force_restore = false;
        self.submitted_tail = tail;
        let descriptor = info.platform.family.lrc.descriptor.with_id(self.descriptor, self.id);
        if forced { descriptor.forcing_restore() } else { descriptor }
    }

    /// Whether the newest job that started is not over: the context was in the middle of it, or is.
    #[must_use]
    pub fn has_started(&self, job: Seqno, dma: &mut impl DmaMemory) -> bool {
        let at = usize_of(START_SEQNO_BYTES);
        dma.observe(&self.seqno_page, at..at.saturating_add(4));
        let word = self.seqno_page.read_u32(at).unwrap_or(0);
        job.reached_by(Seqno::new(word))
    }

    /// Makes a job count as over that never will be. Nothing of the context is on an engine that runs.
    pub fn write_off(&mut self, job: Emitted, dma: &mut impl DmaMemory) {
        let at = usize_of(SEQNO_BYTES);
        // The page was made with room for the number.
        let _ = self.seqno_page.write_u32(at, job.seqno.get());
        dma.publish(&self.seqno_page, at..at.saturating_add(4));
        self.retire(job);
    }

    /// Lets another engine of the same class run the context. No engine has it, and what it saved stays.
    pub fn move_to<H: Hal>(&mut self, engine: u8, info: &DeviceInfo, hal: &mut H) {
        let Some(unit) = info.engines.get(usize::from(engine)) else { return };
        self.request.engine = engine;
        let format = &info.platform.family.lrc;
        let (instance, has_vm) = (u16::from(unit.instance), self.request.vm.is_some());
        self.descriptor = format.descriptor.describe(unit.class, instance, &self.addrs, has_vm);
        let start = usize_of(self.layout.registers);
        let page = start..start.saturating_add(REGISTER_DWORDS.saturating_mul(4));
        hal.observe(&self.buffer, page.clone());
        // The buffer was laid out by this very table when the context was made.
        let _ = rebase(format.table(unit.class), unit.base.get(), &self.buffer, start);
        hal.publish(&self.buffer, page);
        self.force_restore = true;
    }

    /// Makes the context begin anew with its oldest job that is not over. For one that a reset threw off its engine:
    /// what it saved is older than what it did since.
    pub fn rewind<H: Hal>(&mut self, info: &DeviceInfo, hal: &mut H) {
        let Some(engine) = info.engines.get(usize::from(self.request.engine)) else { return };
        let request = context_request(&self.request, engine, &self.layout, &self.addrs);
        // The buffer was laid out for this very image when the context was made.
        let _ = write_image(&info.platform.family.lrc, &self.layout, &request, &self.buffer, 0);
        let _ = self.buffer.write_u32(usize_of(self.layout.ring_head()), self.head_bytes);
        hal.publish(&self.buffer, usize_of(self.layout.registers)..usize_of(self.layout.total_bytes));
        self.force_restore = true;
    }
}

const fn job(seqno: Seqno, request: &BatchRequest) -> JobRequest {
    JobRequest {
        batch: BatchAddr::Ppgtt(request.batch),
        seqno,
        flush_tlb: request.flush_tlb,
        user_fence: request.user_fence,
        force_reset: false,
        virtual_function: false,
    }
}

fn context_request<'a>(
    request: &LrcRequest,
    engine: &crate::gt::Engine,
    layout: &LrcLayout,
    addrs: &'a LrcAddrs,
) -> ContextRequest<'a> {
    ContextRequest {
        class: engine.class,
        engine_base: engine.base.get(),
        ring_bytes: layout.ring_bytes,
        lrc: addrs,
        vm: request.vm.map(|(asid, root_descriptor)| VmRoot { asid, root_descriptor }),
        run_alone: false,
        disable_state_cache_perf_fix: false,
        virtual_function: false,
    }
}

fn fill(
    request: &LrcRequest,
    info: &DeviceInfo,
    engine: &crate::gt::Engine,
    layout: &LrcLayout,
    memory: &(DmaBuffer, GgttRange),
    seqno: &(DmaBuffer, GgttRange),
) -> Option<(LrcAddrs, RingState, Descriptor)> {
    let format = &info.platform.family.lrc;
    let addrs = layout.addrs(memory.1.addr(), seqno.1.addr())?;
    let context = context_request(request, engine, layout, &addrs);
    let tail = write_context(format, layout, &context, &memory.0, 0).ok()?;
    write_seqno_page(&seqno.0, 0).ok()?;
    let ring = RingState::new(0, layout.ring_bytes, tail).ok()?;
    let descriptor = format.descriptor.describe(engine.class, u16::from(engine.instance), &addrs, request.vm.is_some());
    Some((addrs, ring, descriptor))
}
