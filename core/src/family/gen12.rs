//! Graphics 12.00: Tiger Lake and its siblings.

use super::{Family, gen12_gt};
use crate::context::descriptor::DescriptorFormat;
use crate::context::{LrcFormat, tables};
use crate::mem::format::{AtomicsRule, GgttFormat, Level, PatBits, PtFormat};
use crate::mem::pat::{PatEntry, PatIndex, PatTable};
use crate::ring::command::AuxRegisters;
use crate::ring::{FlushQuirks, RingFormat};

const WB: PatIndex = PatIndex::row(0);
const WT: PatIndex = PatIndex::row(2);
const UC: PatIndex = PatIndex::row(3);

/// Commands sheet §2.4: rings and restores both invalidate the table.
const AUX: AuxRegisters = AuxRegisters { render: 0x4208, video_decode: 0x4218, video_enhance: 0x4238 };

/// Page-tables sheet §2.4: write-back, write-combining, write-through, uncached.
pub(super) static PAT: PatTable = PatTable {
    entries: &[PatEntry::gen12(3), PatEntry::gen12(1), PatEntry::gen12(2), PatEntry::gen12(0)],
    wb: WB,
    wt: WT,
    uc: UC,
    uc_compressed: None,
    ats: None,
    multicast: false,
};

/// The family's table.
pub static GEN12: Family = Family {
    name: "Gen12",
    // Page-tables sheet §0, §2.
    pt: PtFormat {
        root_level: Level::L3,
        va_bits: 48,
        dma_addr_bits: 39,
        directory_pat: WB,
        scratch_pat: WB,
        cached_tables: true,
        compact_tables: false,
        atomics: AtomicsRule::NoBit,
        // Four rows need two bits; the third has a place that no index of this family reaches.
        pat_bits: PatBits::scattered(&[3, 4, 7], &[3, 4, 12]),
        ggtt: GgttFormat { cached: WB, uncached: UC, pat_bits: &[], stolen_bits: 0 },
    },
    pat: &PAT,
    // Commands sheet §0.
    ring: RingFormat::new(Some(AUX), FlushQuirks { pre_flush: false, depth_stall: true, data_port_flush: false }),
    // Engines sheet §6.
    lrc: LrcFormat {
        render_pages: 13,
        compute_pages: 13,
        render_table: &tables::GEN12_RENDER,
        copy_table: &tables::GEN12_OTHER,
        other_table: &tables::GEN12_OTHER,
        has_asid: false,
        wide_timestamp: false,
        restores_timestamp: true,
        render_debug_mode: Some(0x0040_0040),
        aux: Some(AUX),
        descriptor: DescriptorFormat { id_shift: 37, id_bits: 11, names_engine: true },
    },
    gt: gen12_gt::GT,
    unverified: None,
};
