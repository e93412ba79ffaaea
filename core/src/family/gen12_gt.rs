//! Graphics 12.00 and 12.10: values for the GT room.

use crate::gt::EngineClass::{Compute, Copy, Render, VideoDecode, VideoEnhance};
use crate::gt::format::{EngineFormat, GtFormat, MocsEntry, MocsFormat};
use crate::gt::registers::mcr::{McrFormat, McrRange, Replication, l3_bank_in_group_0};
use crate::gt::regs;
use crate::gt::reset::engine_error::FaultRegisters;
use crate::gt::setup::workaround::{Access, Change, Condition, Place, Rule, Scope, Tweak, Versions, Whitelisted};
use crate::gt::topology::{FuseFormat, eus_absent_in_pairs, l3_banks_absent};
use crate::mem::ggtt::GgttRegisters;
use crate::mem::tlb::{TlbRegister, TlbTarget};
use barexe_hal::RegOffset;

/// The family's part.
pub(super) const GT: GtFormat = GtFormat {
    read_needs_flush: false,
    has_media_gt: false,
    forcewake_ack_gt: regs::FORCEWAKE_ACK_GT_LEGACY,
    mcr: McrFormat {
        selector: regs::MCR_SELECTOR_LEGACY,
        semaphore: None,
        group_shift: 27,
        instance_shift: 24,
        l3_bank: l3_bank_in_group_0,
        dss_per_group: 6,
        ranges: &MCR_RANGES,
    },
    fuses: FuseFormat {
        media_bits_mean_absent: true,
        compute_in_fuse4: false,
        geometry_dss: &[regs::GEOMETRY_DSS0],
        compute_dss: &[],
        eu_mask: eus_absent_in_pairs,
        l3_banks: l3_banks_absent,
    },
    mocs: MocsFormat { count: 64, uncached: 3, unused: 2, has_lncf: true, entries: &MOCS },
    pat: &super::gen12::PAT,
    has_tile_irq: false,
    engine: EngineFormat {
        main_csfe_bits: 0,
        has_rcu_mode: false,
        adjusts_idle_delay: false,
        stops_prefetch_for_reset: true,
        resets_twice: true,
    },
    tweaks: &TWEAKS,
    whitelist: &WHITELIST,
    ggtt: GgttRegisters { sized_by_ggc: true, write_fence: None, invalidate: &[(RegOffset::at(0xCEE8), 1)] },
    tlb: &TLB,
    fault: Some(FaultRegisters {
        fault: RegOffset::at(0xCEC4),
        low: RegOffset::at(0xCEB8),
        high: RegOffset::at(0xCEBC),
    }),
    reserves_copy_engine: false,
    may_have_flat_ccs: false,
};

const fn range(replication: Replication, first: u32, last: u32) -> McrRange {
    McrRange { replication, first, last }
}

/// Replicated registers up to 12.10 (engines sheet §2.6).
const MCR_RANGES: [McrRange; 5] = [
    range(Replication::L3Bank, 0xB100, 0xB3FF),
    range(Replication::Dss, 0x8150, 0x815F),
    range(Replication::Dss, 0x9520, 0x955F),
    range(Replication::Dss, 0xDE80, 0xE8FF),
    range(Replication::Dss, 0x24A00, 0x24A7F),
];

const fn mocs(index: u8, glob: u32, lncf: u16) -> MocsEntry {
    MocsEntry { index, glob, lncf }
}

/// Cache policies (engines sheet §13.4, first row).
const MOCS: [MocsEntry; 28] = [
    mocs(2, 0x37, 0x30),
    mocs(3, 0x05, 0x10),
    mocs(4, 0x05, 0x30),
    mocs(5, 0x37, 0x10),
    mocs(6, 0x17, 0x10),
    mocs(7, 0x17, 0x30),
    mocs(8, 0x27, 0x10),
    mocs(9, 0x27, 0x30),
    mocs(10, 0x77, 0x10),
    mocs(11, 0x77, 0x30),
    mocs(12, 0x57, 0x10),
    mocs(13, 0x57, 0x30),
    mocs(14, 0x67, 0x10),
    mocs(15, 0x67, 0x30),
    mocs(18, 0x6_0037, 0x30),
    mocs(19, 0x737, 0x30),
    mocs(20, 0x337, 0x30),
    mocs(21, 0x137, 0x30),
    mocs(22, 0x3B7, 0x30),
    mocs(23, 0x7B7, 0x30),
    mocs(48, 0x37, 0x30),
    mocs(49, 0x05, 0x30),
    mocs(50, 0x37, 0x10),
    mocs(51, 0x05, 0x10),
    mocs(60, 0x37, 0x10),
    mocs(61, 0x05, 0x30),
    mocs(62, 0x37, 0x10),
    mocs(63, 0x37, 0x10),
];

const fn rule(low: u32, high: u32, scope: Scope) -> Rule {
    Rule { versions: Versions::Graphics(low, high), scope, condition: Condition::Always }
}

const SHEET: &str = "engines sheet 13.7";

const fn row(id: &'static str, rule: Rule, change: Change) -> Tweak {
    Tweak { id, rule, change, source: SHEET }
}

const RCS: Scope = Scope::Class(Render);

const TWEAKS: [Tweak; 13] = [
    row(
        "14011060649",
        Rule {
            versions: Versions::Media(1200, 1255),
            scope: Scope::GtPerEvenEngine(VideoDecode),
            condition: Condition::Always,
        },
        Change::set(Place::Engine(0x3F10), 1 << 22),
    ),
    row("14011059788", rule(1200, 1210, Scope::Gt), Change::set(Place::Gt(0x9550), 1 << 9).steered()),
    row("14015795083", rule(1200, 1260, Scope::Gt), Change::clear(Place::Gt(0x9424), 1 << 1)),
    row("22010931296", rule(1200, 1200, RCS), Change::set(Place::Engine(0xA0), 1 << 19)),
    row("1409804808", rule(1200, 1200, RCS), Change::set(Place::Gt(0xE4F4), 1 << 8).steered().masked()),
    row("14010229206", rule(1200, 1200, RCS), Change::set(Place::Gt(0xE48C), 1 << 9).steered().masked()),
    row("1606931601", rule(1200, 1210, RCS), Change::set(Place::Gt(0xE4F4), 1 << 14).steered().masked()),
    row("14010826681", rule(1200, 1255, RCS), Change::set(Place::Engine(0xEC), 1 << 1).masked()),
    row("1406941453", rule(1200, 1210, RCS), Change::set(Place::Gt(0xE18C), 1 << 15).steered().masked()),
    // Preemption control by context instead of by the privileged register.
    row("per-context preemption", rule(1200, 1250, RCS), Change::set(Place::Engine(0xE0), 1 << 14).masked()),
    row("1607297627", rule(1200, 1200, RCS), Change::set(Place::Engine(0x50), 1 << 12 | 1 << 7).masked()),
    row("tuning", rule(1200, 1210, Scope::FirstRenderOrCompute), Change::clear(Place::Gt(0xB004), 1 << 7)),
    row("tuning", rule(1200, 1274, RCS), Change::set(Place::Gt(0xE18C), 1 << 0).steered().masked()),
];

const fn allow(scope: Scope, place: Place, access: Access, range: u8) -> Whitelisted {
    Whitelisted { rule: rule(1200, 1210, scope), place, access, range }
}

/// Registers that batches may touch (engines sheet §4.4).
const WHITELIST: [Whitelisted; 4] = [
    allow(RCS, Place::Gt(0x2348), Access::Read, 1),
    allow(RCS, Place::Gt(0x7010), Access::ReadWrite, 0),
    allow(RCS, Place::Gt(0x7018), Access::ReadWrite, 0),
    allow(Scope::AllBut(Render), Place::Engine(0x3A8), Access::Read, 0),
];

const fn tlb(class: crate::gt::EngineClass, register: u32, masked: bool) -> TlbRegister {
    TlbRegister { target: TlbTarget::Engines { class, masked }, register: RegOffset::at(register) }
}

/// TLB invalidation (engines sheet §13.8).
const TLB: [TlbRegister; 6] = [
    tlb(Render, 0xCED8, false),
    tlb(VideoDecode, 0xCEDC, true),
    tlb(VideoEnhance, 0xCEE0, true),
    tlb(Copy, 0xCEE4, false),
    tlb(Compute, 0xCF04, true),
    TlbRegister { target: TlbTarget::PerformanceCounters, register: RegOffset::at(0xCEEC) },
];
