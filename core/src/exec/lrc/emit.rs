//! Jobs put into the ring of a context.

use super::{BatchRequest, Emitted, Lrc};
use crate::Error;
use crate::gt::EngineClass;
use crate::ring::RingFormat;
use crate::ring::command::{BatchAddr, FlushScope};
use crate::ring::emitter::NoRoom;
use crate::ring::gang::{GANG_DWORDS_MAX, Part};
use crate::ring::job::{
    JOB_DWORDS_MAX, JobRequest, MigrationRequest, emit_job, emit_marker, emit_migration, emit_part,
};
use crate::ring::writer::RingError;
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaMemory, DwordWriter, GpuVa};

/// Room that a job needs, in qwords.
const JOB_QWORDS: usize = JOB_DWORDS_MAX.div_ceil(2);
/// Room that any part of a job of several engines needs, in qwords.
const PART_QWORDS: usize = (JOB_DWORDS_MAX + GANG_DWORDS_MAX).div_ceil(2);

impl Lrc {
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
        self.write::<JOB_QWORDS>(job.seqno, dma, |out| emit_job(format, class, &addrs, &job, out))
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
        self.write::<PART_QWORDS>(job.seqno, dma, |out| emit_part(format, class, (&addrs, part), &job, out))
    }

    /// Whether any part of a job has room in the ring now.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn has_room_for_part(&mut self) -> Result<bool, Error> {
        match self.ring.reserve(&self.buffer, self.head_bytes, PART_QWORDS * 2) {
            Ok(_) => Ok(true),
            Err(RingError::Full { .. }) => Ok(false),
            Err(_) => Err(self.broken_ring()),
        }
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
        self.write::<JOB_QWORDS>(seqno, dma, |out| emit_marker(format, class, &addrs, seqno, out))
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
        self.write::<JOB_QWORDS>(seqno, dma, |out| emit_migration(&addrs, &job, out))
    }

    const fn broken_ring(&self) -> Error {
        Error::DeviceBroken { what: "ring", value: self.ring.tail_bytes() as u64 }
    }

    fn write<const QWORDS: usize>(
        &mut self,
        seqno: Seqno,
        dma: &mut impl DmaMemory,
        emit: impl FnOnce(&mut DwordWriter<'_>) -> Result<(), NoRoom>,
    ) -> Result<Option<Emitted>, Error> {
        let broken = self.broken_ring();
        let reserved = self.ring.reserve(&self.buffer, self.head_bytes, const { QWORDS * 2 });
        let span = match reserved.and_then(|reservation| reservation.emit::<QWORDS>(emit)) {
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
}

const fn job(seqno: Seqno, request: &BatchRequest) -> JobRequest {
    JobRequest {
        batch: BatchAddr::Ppgtt(request.batch),
        seqno,
        flush_tlb: request.flush_tlb,
        user_fence: request.user_fence,
        virtual_function: false,
    }
}
