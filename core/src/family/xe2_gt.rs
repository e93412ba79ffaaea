//! Graphics 20.04 with media 20.00: values for the GT room.

use super::xe2_unverified;
use crate::gt::EngineClass::{Render, VideoDecode};
use crate::gt::format::{EngineFormat, GtFormat, MocsEntry, MocsFormat};
use crate::gt::platform::ip::Stepping;
use crate::gt::registers::mcr::{McrFormat, McrRange, Replication, l3_bank_in_fours};
use crate::gt::regs;
use crate::gt::setup::workaround::{Access, Change, Condition, Place, Rule, Scope, Tweak, Versions, Whitelisted};
use crate::gt::topology::{FuseFormat, eus_one_by_one, l3_banks_by_node};
use crate::mem::ggtt::{GgttRegisters, WriteFence};
use barexe_hal::RegOffset;
use core::num::NonZeroU32;

/// The family's part.
pub(super) const GT: GtFormat = GtFormat {
    read_needs_flush: true,
    has_media_gt: true,
    forcewake_ack_gt: regs::FORCEWAKE_ACK_GT,
    mcr: McrFormat {
        selector: regs::MCR_SELECTOR,
        semaphore: Some(regs::STEER_SEMAPHORE),
        group_shift: 8,
        instance_shift: 0,
        l3_bank: l3_bank_in_fours,
        dss_per_group: 4,
        ranges: &MCR_RANGES,
    },
    fuses: FuseFormat {
        media_bits_mean_absent: false,
        compute_in_fuse4: true,
        geometry_dss: &[regs::GEOMETRY_DSS0, regs::GEOMETRY_DSS1, regs::GEOMETRY_DSS2],
        compute_dss: &[regs::COMPUTE_DSS0, regs::COMPUTE_DSS1, regs::COMPUTE_DSS2],
        eu_mask: eus_one_by_one,
        l3_banks: l3_banks_by_node,
    },
    mocs: MocsFormat { count: 16, uncached: 3, unused: 4, has_lncf: false, entries: &MOCS },
    pat: &super::xe2::PAT,
    has_tile_irq: true,
    // Priority memory read.
    engine: EngineFormat {
        main_csfe_bits: 1 << 7,
        has_rcu_mode: true,
        adjusts_idle_delay: true,
        stops_prefetch_for_reset: false,
        resets_twice: false,
    },
    tweaks: &TWEAKS,
    whitelist: &WHITELIST,
    ggtt: GgttRegisters {
        sized_by_ggc: false,
        // The media GT's GMD_ID, integrated parts' limit (engines sheet §2.1).
        write_fence: Some(WriteFence { entries: FENCE_ENTRIES, register: RegOffset::at(0x38_0D8C) }),
        invalidate: &[(RegOffset::at(0xCF80), 0x40), (RegOffset::at(0xCF7C), 1)],
    },
    tlb: &xe2_unverified::TLB,
    fault: xe2_unverified::FAULT,
    reserves_copy_engine: true,
    may_have_flat_ccs: true,
};

const FENCE_ENTRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(62);

const fn range(replication: Replication, first: u32, last: u32) -> McrRange {
    McrRange { replication, first, last }
}

/// Replicated registers of graphics 20 and of media 20.00, the latter at shifted offsets (engines sheet §2.6).
const MCR_RANGES: [McrRange; 30] = {
    use Replication::{Dss, Gpmxmt, Instance0, L3Bank, Node, SqidiPsmi};
    [
        range(L3Bank, 0xB100, 0xB3FF),
        range(Node, 0xB000, 0xB0FF),
        range(Node, 0xD880, 0xD8FF),
        range(Dss, 0x5200, 0x52FF),
        range(Dss, 0x5500, 0x7FFF),
        range(Dss, 0x8140, 0x815F),
        range(Dss, 0x94D0, 0x955F),
        range(Dss, 0x9680, 0x96FF),
        range(Dss, 0xD800, 0xD87F),
        range(Dss, 0xDC00, 0xDCFF),
        range(Dss, 0xDE00, 0xE8FF),
        range(Dss, 0xE980, 0xE9FF),
        range(Dss, 0x1_3000, 0x1_33FF),
        range(Gpmxmt, 0x38_8160, 0x38_817F),
        range(Gpmxmt, 0x38_9480, 0x38_94CF),
        range(SqidiPsmi, 0x0B00, 0x0BFF),
        range(SqidiPsmi, 0x1000, 0x1FFF),
        range(Instance0, 0x4000, 0x4AFF),
        range(Instance0, 0x8700, 0x887F),
        range(Instance0, 0xC800, 0xCFFF),
        range(Instance0, 0xDD00, 0xDDFF),
        range(Instance0, 0xE900, 0xE97F),
        range(Instance0, 0xF000, 0xFFFF),
        range(Instance0, 0x1_3400, 0x1_35FF),
        range(Instance0, 0x38_4000, 0x38_47DF),
        range(Instance0, 0x38_4900, 0x38_4AFF),
        range(Instance0, 0x38_9560, 0x38_95FF),
        range(Instance0, 0x38_B600, 0x38_B8FF),
        range(Instance0, 0x38_C800, 0x38_D07F),
        range(Instance0, 0x38_F000, 0x38_F0FF),
    ]
};

const fn mocs(index: u8, glob: u32) -> MocsEntry {
    MocsEntry { index, glob, lncf: 0 }
}

/// Cache policies (engines sheet §13.4, last row).
const MOCS: [MocsEntry; 5] = [mocs(0, 0x00C), mocs(1, 0x10C), mocs(2, 0x130), mocs(3, 0x13C), mocs(4, 0x100)];

const fn graphics(low: u32, high: u32, scope: Scope) -> Rule {
    Rule { versions: Versions::Graphics(low, high), scope, condition: Condition::Always }
}

const fn media(low: u32, high: u32, scope: Scope) -> Rule {
    Rule { versions: Versions::Media(low, high), scope, condition: Condition::Always }
}

const fn when(rule: Rule, condition: Condition) -> Rule {
    Rule { condition, ..rule }
}

const SHEET: &str = "engines sheet 13.7";
const FIRST: Scope = Scope::FirstRenderOrCompute;
const EACH_VCS: Scope = Scope::GtPerEngine(VideoDecode);

const fn row(id: &'static str, rule: Rule, change: Change) -> Tweak {
    Tweak { id, rule, change, source: SHEET }
}

const fn steered(at: u32, bits: u32) -> Change {
    Change::set(Place::Gt(at), bits).steered()
}

const fn steered_masked(at: u32, bits: u32) -> Change {
    steered(at, bits).masked()
}

const fn own_masked(offset: u32, bits: u32) -> Change {
    Change::set(Place::Engine(offset), bits).masked()
}

const TWEAKS: [Tweak; 30] = [
    // The GTs.
    row("16021867713", media(1300, 3002, EACH_VCS), Change::set(Place::Engine(0x3F1C), 1 << 3)),
    row("14019449301", media(1301, 2000, EACH_VCS), Change::set(Place::Engine(0x3F08), 1 << 5)),
    row("14017421178", media(2000, 2000, EACH_VCS), Change::set(Place::Engine(0x3F10), 1 << 22)),
    row("tuning", graphics(2001, 3099, Scope::Gt), Change::field(Place::Gt(0xB158), 0x3FF, 0x7F).steered()),
    row("tuning", graphics(2001, 3099, Scope::Gt), steered(0xB108, 1 << 28)),
    row("tuning", graphics(2001, 3099, Scope::Gt), Change::clear(Place::Gt(0x4148), 0xF).steered()),
    row(
        "tuning",
        when(graphics(2001, 3099, Scope::Gt), Condition::FlatCcs),
        Change::field(Place::Gt(0x8828), 1 << 18 | 1 << 23, 1 << 23).steered(),
    ),
    row("tuning", when(graphics(2001, 3099, Scope::Gt), Condition::FlatCcs), steered(0xB104, 1 << 20)),
    row("tuning", graphics(2004, 2004, Scope::Gt), steered(0xB154, 1 << 17)),
    row("tuning", media(2000, 3099, Scope::Gt), Change::field(Place::Gt(0xB658), 0x3FF, 0x7F).steered()),
    row("tuning", media(2000, 9999, Scope::Gt), Change::field(Place::Gt(0x82A8), 1 << 18 | 1 << 23, 1 << 23)),
    row("tuning", media(2000, 9999, Scope::Gt), steered(0xB608, 1 << 28)),
    row("tuning", when(media(2000, 9999, Scope::Gt), Condition::FlatCcs), steered(0xB604, 1 << 20)),
    row("tuning", media(1301, 9999, Scope::Gt), Change::clear(Place::Gt(0x4148), 0xF).steered()),
    row("tuning", media(2000, 2000, Scope::Gt), steered(0xB654, 1 << 17)),
    // The engines.
    row("18032247524", graphics(2001, 2004, FIRST), steered(0xE7C8, 1 << 13)),
    row("16018712365", graphics(2001, 2004, FIRST), steered(0xE7CC, 1 << 15)),
    row("14018471104", graphics(2001, 2004, FIRST), steered(0xE7CC, 1 << 12)),
    row("14020338487", graphics(2001, 2004, FIRST), steered_masked(0xE49C, 1 << 14)),
    row("16021639441", graphics(2001, 2004, Scope::EveryEngine), own_masked(0xD4, 1 << 15 | 1 << 14)),
    row("16021639441", media(1301, 2000, Scope::EveryEngine), own_masked(0xD4, 1 << 15 | 1 << 14)),
    row("14021402888", graphics(2001, 3005, Scope::Class(Render)), steered_masked(0xE194, 1 << 6)),
    row("13012615864", graphics(2001, 3005, FIRST), steered_masked(0xE4C4, 1 << 6)),
    row("18041344222", when(graphics(2001, 3000, FIRST), Condition::DssGroupGap), steered_masked(0xE5F4, 1 << 5)),
    row("18034896535", graphics(2001, 2004, FIRST), steered_masked(0xE48C, 1 << 9)),
    row("16018610683", graphics(2004, 2004, FIRST), steered_masked(0xE4C4, 1 << 11)),
    row("16018737384", graphics(2001, 2999, FIRST), steered_masked(0xE4F0, 1 << 1)),
    row("16023105232", graphics(2001, 3001, Scope::EveryEngine), own_masked(0x50, 1 << 12)),
    row("16023105232", media(1301, 3000, Scope::EveryEngine), own_masked(0x50, 1 << 12)),
    row("tuning", graphics(2000, 9999, FIRST), steered(0xE530, 1 << 10)),
];

const fn allow(rule: Rule, at: u32) -> Whitelisted {
    Whitelisted { rule, place: Place::Gt(at), access: Access::ReadWrite, range: 0 }
}

/// Registers that batches may touch (engines sheet §4.4).
const WHITELIST: [Whitelisted; 3] = [
    allow(when(graphics(2004, 2004, Scope::Class(Render)), Condition::Before(Stepping::B0)), 0x23FC),
    allow(graphics(2001, 3005, Scope::Class(Render)), 0x6210),
    allow(graphics(2001, 3005, Scope::Class(Render)), 0x62A8),
];
