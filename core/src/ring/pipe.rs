//! PIPE_CONTROL, the cache command of render and compute engines.
//!
//! Its flags stand in two groups: some in the header, most in the dword after it (commands sheet §1.5). Which flags a
//! step sets is decided in [`format`](super::format).

use crate::num::{high32, low32};

bitflags::bitflags! {
    /// Flags in the header.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PipeGroup0: u32 {
        /// Flush the HDC pipeline.
        const HDC_FLUSH = 1 << 9;
        /// Invalidate the read-only part of L3.
        const L3_READ_ONLY_INVALIDATE = 1 << 10;
        /// Flush the untyped data port.
        const DATA_PORT_FLUSH = 1 << 11;
    }

    /// Flags in the second dword.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PipeGroup1: u32 {
        /// Flush the depth cache.
        const DEPTH_FLUSH = 1 << 0;
        /// Stall at the pixel scoreboard.
        const SCOREBOARD_STALL = 1 << 1;
        /// Invalidate the state cache.
        const STATE_INVALIDATE = 1 << 2;
        /// Invalidate the constant cache.
        const CONSTANT_INVALIDATE = 1 << 3;
        /// Invalidate the vertex-fetch cache.
        const VF_INVALIDATE = 1 << 4;
        /// Flush the data cache.
        const DC_FLUSH = 1 << 5;
        /// Wait until flushes have reached memory.
        const FLUSH_ENABLE = 1 << 7;
        /// Invalidate the texture cache.
        const TEXTURE_INVALIDATE = 1 << 10;
        /// Invalidate the instruction cache.
        const INSTRUCTION_INVALIDATE = 1 << 11;
        /// Flush the render-target cache.
        const RENDER_TARGET_FLUSH = 1 << 12;
        /// Stall the depth pipeline.
        const DEPTH_STALL = 1 << 13;
        /// After everything else, write a qword.
        const WRITE_QWORD = 1 << 14;
        /// Synchronise pixel shaders.
        const PSD_SYNC = 1 << 17;
        /// Invalidate address translations.
        const TLB_INVALIDATE = 1 << 18;
        /// Reset the snapshot of the pipeline.
        const SNAPSHOT_RESET = 1 << 19;
        /// Stall the command streamer until all of it is done.
        const CS_STALL = 1 << 20;
        /// The address is an offset in the PPHWSP.
        const STORE_INDEX = 1 << 21;
        /// The address is in the global GTT.
        const GGTT = 1 << 24;
        /// Flush the AMFS cache.
        const AMFS_FLUSH = 1 << 25;
        /// Flush the tile cache.
        const TILE_FLUSH = 1 << 28;
        /// Invalidate the command cache.
        const COMMAND_INVALIDATE = 1 << 29;
    }
}

impl PipeGroup1 {
    /// Flags that belong to the 3D pipeline, which a compute engine does not have (commands sheet §2.5).
    pub const ONLY_3D: Self = Self::DEPTH_FLUSH
        .union(Self::SCOREBOARD_STALL)
        .union(Self::VF_INVALIDATE)
        .union(Self::RENDER_TARGET_FLUSH)
        .union(Self::DEPTH_STALL)
        .union(Self::PSD_SYNC)
        .union(Self::SNAPSHOT_RESET)
        .union(Self::AMFS_FLUSH)
        .union(Self::TILE_FLUSH);
}

/// The flags of one PIPE_CONTROL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeFlags(pub PipeGroup0, pub PipeGroup1);

/// PIPE_CONTROL with these flags; `addr` and `value` matter only to flags that write.
#[must_use]
pub const fn pipe_control(flags: PipeFlags, addr: u32, value: u64) -> [u32; 6] {
    [0x7A00_0004 | flags.0.bits(), flags.1.bits(), addr, 0, low32(value), high32(value)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_flag_groups_stand_in_the_first_two_dwords() {
        let flags = PipeFlags(PipeGroup0::HDC_FLUSH, PipeGroup1::CS_STALL | PipeGroup1::DC_FLUSH);
        let want = [0x7A00_0204, 0x0010_0020, 0xD0, 0, 0x5566_7788, 0x1122_3344];
        assert_eq!(pipe_control(flags, 0xD0, 0x1122_3344_5566_7788), want);
    }

    /// Commands sheet §2.5: the set {12, 0, 28, 13, 1, 17, 25, 4, 19}.
    #[test]
    fn the_3d_set_is_that_of_the_sheet() {
        let bits = [12, 0, 28, 13, 1, 17, 25, 4, 19].iter().fold(0u32, |set, bit| set | 1 << bit);
        assert_eq!(PipeGroup1::ONLY_3D.bits(), bits);
    }
}
