//! Logical ring contexts: one ring, one context image and one fence word, reached by the engine through the GGTT.
//!
//! How far the ring is free is known from the numbers that jobs wrote, not from the head the hardware saves: that one
//! is only written when the context leaves the engine.
//!
//! | module | holds |
//! |---|---|
//! | `make` | contexts made, moved to another engine, begun anew, shown again, freed |
//! | `emit` | jobs put into the ring |
//! | `memory` | memory that engines reach through the GGTT |

mod emit;
mod make;
mod memory;

pub use memory::{free_ggtt_memory, ggtt_memory, show_ggtt_memory};

use crate::Error;
use crate::context::batches::TIMESTAMP_RUNNING;
use crate::context::descriptor::Descriptor;
use crate::context::layout::{LrcAddrs, LrcLayout, SEQNO_BYTES, START_SEQNO_BYTES};
use crate::gt::DeviceInfo;
use crate::mem::ggtt::GgttRange;
use crate::num::usize_of;
use crate::ring::job::JOB_DWORDS_MAX;
use crate::ring::writer::RingState;
use crate::shares::Owner;
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, DmaMemory, GpuVa};

/// Bytes of a ring (commands-and-fences sheet §2.1).
pub const RING_BYTES: u32 = 16 << 10;
/// Jobs a ring has room for, each as long as jobs get.
pub const RING_JOBS: u32 = crate::num::u32_capped((usize_of(RING_BYTES) / 4) / JOB_DWORDS_MAX);

/// A context to create.
#[derive(Clone, Copy, Debug)]
pub struct LrcRequest {
    /// Position of the engine in [`DeviceInfo::engines`].
    pub engine: u8,
    /// The VM it runs in: ASID and root descriptor.
    pub vm: Option<(u32, u64)>,
    /// To whom its GGTT ranges are charged.
    pub owner: Owner,
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

impl Lrc {
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

    /// What the context's own clock showed when the context left its engine last, in ticks: the lower half of it.
    #[must_use]
    pub fn saved_clock(&self, dma: &mut impl DmaMemory) -> u32 {
        let at = usize_of(self.layout.context_timestamp());
        dma.observe(&self.buffer, at..at.saturating_add(4));
        // The offset comes from the layout of this very buffer.
        self.buffer.read_u32(at).unwrap_or(0)
    }

    /// As [`saved_clock`](Self::saved_clock), all of it: `wide` says whether it has an upper half. `None` while an engine
    /// runs the context: then that engine shows it.
    #[must_use]
    pub fn clock(&self, dma: &mut impl DmaMemory, wide: bool) -> Option<u64> {
        let lower = self.saved_clock(dma);
        let upper = if wide {
            let at = usize_of(self.layout.context_timestamp_upper());
            dma.observe(&self.buffer, at..at.saturating_add(4));
            self.buffer.read_u32(at).unwrap_or(0)
        } else {
            0
        };
        (upper != 0 || lower != TIMESTAMP_RUNNING).then_some(u64::from(upper) << 32 | u64::from(lower))
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
}
