//! What of a platform a command streamer depends on.

use crate::ppgtt::WalkSpec;

/// Constants of one graphics version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsSpec {
    /// Graphics version times 100.
    pub version: u32,
    /// How page tables are walked.
    pub walk: WalkSpec,
    /// The context timestamp has 64 bits.
    pub timestamp64: bool,
    /// Descriptors name the engine's class and instance.
    pub descriptor_names_engine: bool,
    /// `MEM_COPY` and `MEM_SET` exist, `XY_SRC_COPY` and `XY_FAST_COLOR` do not.
    pub mem_copy: bool,
    /// Translations are cached by the address-space id of the context image instead of by the root table.
    pub asid: bool,
    /// GGTT entries have PAT bits.
    pub ggtt_pat: bool,
}

/// Ticks per second of the timestamps (engines sheet §13.1, as fused here).
pub(crate) const TIMESTAMP_HZ: u64 = 19_200_000;

impl CsSpec {
    /// The constants of graphics `version` times 100; none for a version that is not simulated.
    #[must_use]
    pub const fn for_version(version: u32) -> Option<Self> {
        match version {
            1200 => Some(Self {
                version,
                walk: WalkSpec {
                    root_level: 3,
                    va_bits: 48,
                    dma_bits: 39,
                    compact: false,
                    atomics_bit: false,
                    pat_rows: 0xF,
                },
                timestamp64: false,
                descriptor_names_engine: true,
                mem_copy: false,
                asid: false,
                ggtt_pat: false,
            }),
            2004 => Some(Self {
                version,
                walk: WalkSpec {
                    root_level: 4,
                    va_bits: 48,
                    dma_bits: 46,
                    compact: true,
                    atomics_bit: true,
                    // All but rows 16 to 19 (page-tables sheet §2.4).
                    pat_rows: !(0xF << 16),
                },
                timestamp64: true,
                descriptor_names_engine: false,
                mem_copy: true,
                asid: true,
                ggtt_pat: true,
            }),
            _ => None,
        }
    }
}

/// Virtual nanoseconds as timestamp ticks.
#[must_use]
pub(super) const fn ticks(ns: u64) -> u64 {
    ((ns as u128 * TIMESTAMP_HZ as u128) / 1_000_000_000) as u64
}
