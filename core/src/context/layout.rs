//! Where the parts of a context's buffer lie.
//!
//! ```text
//! | ring | PPHWSP | register page, engine state | indirect context batch | per-context batch |
//! 0      ring size  + 4 KiB                       (only where needed)      last page
//! ```
//!
//! The buffer is contiguous in the GGTT. A page of its own, in system memory, holds the two words of the fence
//! (engines sheet §6.1, §6.2).

use super::{LrcFormat, slot};
use crate::gt::EngineClass;
use barexe_hal::GgttAddr;

const PAGE_BYTES: u32 = 4096;
/// Offset in the PPHWSP that invalidations write to.
pub const FLUSH_SCRATCH_BYTES: u32 = 0x0D0;
/// Offset in the PPHWSP of the timestamp each job begins with.
pub const JOB_TIMESTAMP_BYTES: u32 = 0x200;
/// Offset in the PPHWSP of the identity of the engine that last restored the context.
pub const ENGINE_ID_BYTES: u32 = 0x400;
/// Offset in the PPHWSP of the scratch of parallel submission.
pub const PARALLEL_BYTES: u32 = 0x800;
/// Offset of the seqno in the seqno page.
pub const SEQNO_BYTES: u32 = 0;
/// Offset of the start seqno in the seqno page.
pub const START_SEQNO_BYTES: u32 = 8;

/// Offsets in a context's buffer, in bytes. The ring is at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LrcLayout {
    /// Size of the ring.
    pub ring_bytes: u32,
    /// The PPHWSP.
    pub pphwsp: u32,
    /// The register page.
    pub registers: u32,
    /// Size of PPHWSP, register page and engine state together.
    pub image_bytes: u32,
    /// The indirect context batch, where there is one.
    pub indirect_batch: Option<u32>,
    /// The per-context batch.
    pub context_batch: u32,
    /// Size of the buffer.
    pub total_bytes: u32,
}

impl LrcFormat {
    /// Layout of a context of `class` with a ring of `ring_bytes`; `None` if that is not a power of two from 4 KiB
    /// to 2 MiB.
    #[must_use]
    pub fn layout(&self, class: EngineClass, ring_bytes: u32) -> Option<LrcLayout> {
        if !ring_bytes.is_power_of_two() || !(PAGE_BYTES..=2 << 20).contains(&ring_bytes) {
            return None;
        }
        let registers = ring_bytes.checked_add(PAGE_BYTES)?;
        let image_bytes = self.image_pages(class).checked_add(1)?.checked_mul(PAGE_BYTES)?;
        let image_end = ring_bytes.checked_add(image_bytes)?;
        let indirect_batch = self.has_indirect_batch(class).then_some(image_end);
        let context_batch = image_end.checked_add(if indirect_batch.is_some() { PAGE_BYTES } else { 0 })?;
        Some(LrcLayout {
            ring_bytes,
            pphwsp: ring_bytes,
            registers,
            image_bytes,
            indirect_batch,
            context_batch,
            total_bytes: context_batch.checked_add(PAGE_BYTES)?,
        })
    }
}

impl LrcLayout {
    /// Offset of a value of the register page, by its [`slot`].
    #[must_use]
    pub const fn slot(&self, slot: usize) -> u32 {
        self.registers.wrapping_add(slot::byte_offset(slot))
    }

    /// Offset of the ring tail, which each submission rewrites.
    #[must_use]
    pub const fn ring_tail(&self) -> u32 {
        self.slot(slot::RING_TAIL)
    }

    /// Offset of the context's own clock, whose lower half the hardware saves at switch-out.
    #[must_use]
    pub const fn context_timestamp(&self) -> u32 {
        self.slot(slot::CTX_TIMESTAMP)
    }

    /// Offset of its upper half; a word of other use on families with 32-bit timestamps.
    #[must_use]
    pub const fn context_timestamp_upper(&self) -> u32 {
        self.slot(slot::CTX_TIMESTAMP_UPPER)
    }

    /// Offset of the ring head, which the hardware saves at switch-out.
    #[must_use]
    pub const fn ring_head(&self) -> u32 {
        self.slot(slot::RING_HEAD)
    }

    /// Addresses of the parts, for a buffer and a seqno page at these places; `None` where one lies past the end of
    /// the GGTT or is not aligned to a page.
    #[must_use]
    pub fn addrs(&self, buffer: GgttAddr, seqno_page: GgttAddr) -> Option<LrcAddrs> {
        if !buffer.is_aligned(PAGE_BYTES) || !seqno_page.is_aligned(PAGE_BYTES) {
            return None;
        }
        buffer.checked_add(self.total_bytes.checked_sub(1)?)?;
        let pphwsp = buffer.checked_add(self.pphwsp)?;
        Some(LrcAddrs {
            ring: buffer,
            pphwsp,
            registers: buffer.checked_add(self.registers)?,
            job_timestamp: pphwsp.checked_add(JOB_TIMESTAMP_BYTES)?,
            engine_id: pphwsp.checked_add(ENGINE_ID_BYTES)?,
            parallel: pphwsp.checked_add(PARALLEL_BYTES)?,
            context_timestamp: buffer.checked_add(self.slot(slot::CTX_TIMESTAMP))?,
            context_timestamp_upper: buffer.checked_add(self.slot(slot::CTX_TIMESTAMP_UPPER))?,
            indirect_batch: self.indirect_batch.and_then(|offset| buffer.checked_add(offset)),
            context_batch: buffer.checked_add(self.context_batch)?,
            seqno: seqno_page.checked_add(SEQNO_BYTES)?,
            start_seqno: seqno_page.checked_add(START_SEQNO_BYTES)?,
        })
    }
}

/// GGTT addresses of a context's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LrcAddrs {
    /// The ring.
    pub ring: GgttAddr,
    /// The per-process hardware status page; what descriptors name.
    pub pphwsp: GgttAddr,
    /// The register page.
    pub registers: GgttAddr,
    /// Timestamp of the running job's start.
    pub job_timestamp: GgttAddr,
    /// Identity of the engine that last restored the context.
    pub engine_id: GgttAddr,
    /// Scratch of parallel submission.
    pub parallel: GgttAddr,
    /// Saved context timestamp.
    pub context_timestamp: GgttAddr,
    /// Its upper half; a word of other use on families with 32-bit timestamps.
    pub context_timestamp_upper: GgttAddr,
    /// The indirect context batch, where there is one.
    pub indirect_batch: Option<GgttAddr>,
    /// The per-context batch.
    pub context_batch: GgttAddr,
    /// The word with the number of the last finished job.
    pub seqno: GgttAddr,
    /// The word with the number of the last started job.
    pub start_seqno: GgttAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{GEN12, XE2};

    fn ggtt(raw: u32) -> GgttAddr {
        GgttAddr::new(raw).unwrap()
    }

    /// Engines sheet §6, Checks: LNL BCS0.
    #[test]
    fn lnl_copy_context_lies_as_in_the_sheet() {
        let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
        let addrs = layout.addrs(ggtt(0x0100_0000), ggtt(0x0200_0000)).unwrap();
        assert_eq!((layout.total_bytes, layout.image_bytes, layout.indirect_batch), (0x7000, 0x2000, None));
        assert_eq!((addrs.pphwsp, addrs.registers), (ggtt(0x0100_4000), ggtt(0x0100_5000)));
        assert_eq!(addrs.context_batch, ggtt(0x0100_6000));
        assert_eq!(addrs.context_timestamp, ggtt(0x0100_508C));
        assert_eq!(addrs.context_timestamp_upper, ggtt(0x0100_5094));
        assert_eq!((addrs.job_timestamp, addrs.engine_id), (ggtt(0x0100_4200), ggtt(0x0100_4400)));
        assert_eq!((addrs.seqno, addrs.start_seqno), (ggtt(0x0200_0000), ggtt(0x0200_0008)));
    }

    /// Engines sheet §6, Checks: TGL RCS0.
    #[test]
    fn tgl_render_context_lies_as_in_the_sheet() {
        let layout = GEN12.lrc.layout(EngineClass::Render, 0x4000).unwrap();
        let addrs = layout.addrs(ggtt(0x0100_0000), ggtt(0x0200_0000)).unwrap();
        assert_eq!((layout.total_bytes, layout.image_bytes), (0x14000, 0xE000));
        assert_eq!(addrs.indirect_batch, Some(ggtt(0x0101_2000)));
        assert_eq!(addrs.context_batch, ggtt(0x0101_3000));
        assert_eq!(layout.ring_tail(), 0x501C);
        assert_eq!(layout.ring_head(), 0x5014);
    }

    /// Engines sheet §6.6: which classes have an indirect context batch.
    #[test]
    fn only_gen12_classes_other_than_copy_have_an_indirect_batch() {
        use EngineClass::{Copy, Render, VideoDecode, VideoEnhance};
        let has = |class| GEN12.lrc.has_indirect_batch(class);
        assert_eq!([Render, VideoDecode, VideoEnhance, Copy].map(has), [true, true, true, false]);
        assert!([Render, VideoDecode, VideoEnhance, Copy].iter().all(|c| !XE2.lrc.has_indirect_batch(*c)));
    }

    #[test]
    fn ring_sizes_other_than_powers_of_two_and_places_past_the_end_are_refused() {
        for ring_bytes in [0, 2048, 0x3000, 4 << 20, u32::MAX] {
            assert!(XE2.lrc.layout(EngineClass::Copy, ring_bytes).is_none(), "{ring_bytes:#x}");
        }
        let layout = XE2.lrc.layout(EngineClass::Copy, 0x4000).unwrap();
        assert!(layout.addrs(ggtt(0xFFFF_9000), ggtt(0)).is_some(), "ends exactly at the end of the GGTT");
        assert!(layout.addrs(ggtt(0xFFFF_A000), ggtt(0)).is_none());
        assert!(layout.addrs(ggtt(0x100), ggtt(0)).is_none() && layout.addrs(ggtt(0), ggtt(8)).is_none());
    }
}
