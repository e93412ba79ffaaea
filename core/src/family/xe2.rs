//! Graphics 20.04: Lunar Lake.

use super::{Family, xe2_gt, xe2_unverified};
use crate::context::descriptor::DescriptorFormat;
use crate::context::{LrcFormat, tables};
use crate::mem::format::{AtomicsRule, GgttFormat, Level, PatBits, PtFormat};
use crate::mem::pat::{PatEntry, PatIndex, PatTable};
use crate::ring::{FlushQuirks, RingFormat};

const WB: PatIndex = PatIndex::row(2);
const WT: PatIndex = PatIndex::row(15);
const UC: PatIndex = PatIndex::row(3);
const UC_COMPRESSED: PatIndex = PatIndex::row(12);

/// Page-tables sheet §2.4, in groups of four.
static PAT_ENTRIES: [PatEntry; 32] = [
    PatEntry::xe2(0x00C),
    PatEntry::xe2(0x00E),
    PatEntry::xe2(0x00F),
    PatEntry::xe2(0x03C),
    PatEntry::xe2(0x032),
    PatEntry::xe2(0x03E),
    PatEntry::xe2(0x41C),
    PatEntry::xe2(0x033),
    PatEntry::xe2(0x030),
    PatEntry::xe2(0x20C),
    PatEntry::xe2(0x230),
    PatEntry::xe2(0x61C),
    PatEntry::xe2(0x23C),
    PatEntry::xe2(0x000),
    PatEntry::xe2(0x200),
    PatEntry::xe2(0x614),
    PatEntry::reserved(),
    PatEntry::reserved(),
    PatEntry::reserved(),
    PatEntry::reserved(),
    PatEntry::xe2(0x04C),
    PatEntry::xe2(0x24C),
    PatEntry::xe2(0x04E),
    PatEntry::xe2(0x04F),
    PatEntry::xe2(0x08C),
    PatEntry::xe2(0x28C),
    PatEntry::xe2(0x08E),
    PatEntry::xe2(0x08F),
    PatEntry::xe2(0x0CC),
    PatEntry::xe2(0x2CC),
    PatEntry::xe2(0x0CE),
    PatEntry::xe2(0x0CF),
];

/// Page attribute table (page-tables sheet §2.4).
pub(super) static PAT: PatTable = PatTable {
    entries: &PAT_ENTRIES,
    wb: WB,
    wt: WT,
    uc: UC,
    uc_compressed: Some(UC_COMPRESSED),
    ats: Some(0x00F),
    multicast: true,
};

/// The family's table.
pub static XE2: Family = Family {
    name: "Xe2",
    // Page-tables sheet §0, §2. Five levels, though only 48 bits of address are usable.
    pt: PtFormat {
        root_level: Level::L4,
        va_bits: 48,
        dma_addr_bits: 46,
        directory_pat: UC,
        scratch_pat: WB,
        cached_tables: false,
        compact_tables: true,
        atomics: AtomicsRule::UnlessCpuOnly,
        pat_bits: PatBits::scattered(&[3, 4, 7, 62, 61], &[3, 4, 12, 62, 61]),
        ggtt: GgttFormat { cached: WB, uncached: UC, pat_bits: &[52, 53], stolen_bits: 1 << 1 },
    },
    pat: &PAT,
    // Commands sheet §0.
    ring: RingFormat::new(None, FlushQuirks { pre_flush: false, depth_stall: false, data_port_flush: true }),
    // Engines sheet §6.
    lrc: LrcFormat {
        render_pages: 3,
        compute_pages: 2,
        render_table: &tables::XE2_RENDER,
        copy_table: &tables::XE2_COPIER,
        other_table: &tables::XE2_OTHER,
        has_asid: true,
        wide_timestamp: true,
        restores_timestamp: false,
        render_debug_mode: None,
        aux: None,
        descriptor: DescriptorFormat { id_shift: 39, id_bits: 16, names_engine: false },
    },
    gt: xe2_gt::GT,
    unverified: Some(xe2_unverified::WHAT),
};
