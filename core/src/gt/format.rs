//! What differs between families in this room: one table of values per family.
//!
//! Types only; the values are in `family/`. The code that reads a part stands in the module named after it.

use super::registers::mcr::McrFormat;
use super::reset::engine_error::FaultRegisters;
use super::setup::workaround::{Tweak, Whitelisted};
use super::topology::FuseFormat;
use crate::mem::ggtt::GgttRegisters;
use crate::mem::pat::PatTable;
use crate::mem::tlb::TlbRegister;
use barexe_hal::RegOffset;

/// The family's part for GT bring-up, interrupts, GGTT and TLB invalidation.
#[derive(Debug)]
pub struct GtFormat {
    /// Reads may overtake pending writes and need a flush before (15015404425, engines sheet §2.1).
    pub read_needs_flush: bool,
    /// Media engines have a GT of their own (media 13.00 and later).
    pub has_media_gt: bool,
    /// Forcewake acknowledge of the GT domain (engines sheet §2.4).
    pub forcewake_ack_gt: RegOffset,
    /// Steering of replicated registers.
    pub mcr: McrFormat,
    /// Fuses of engines and topology.
    pub fuses: FuseFormat,
    /// Cache policies by MOCS index.
    pub mocs: MocsFormat,
    /// Cache policies by PAT index.
    pub pat: &'static PatTable,
    /// The tile master interrupt register exists (graphics 12.10 and later, engines sheet §9.1).
    pub has_tile_irq: bool,
    /// Engine registers every engine needs.
    pub engine: EngineFormat,
    /// Workarounds and tunings.
    pub tweaks: &'static [Tweak],
    /// Registers that batches may touch.
    pub whitelist: &'static [Whitelisted],
    /// The global GTT.
    pub ggtt: GgttRegisters,
    /// TLB invalidation by registers.
    pub tlb: &'static [TlbRegister],
    /// Where the first memory fault is kept, if that is known (engines sheet §11.2).
    pub fault: Option<FaultRegisters>,
    /// The highest copy engine is the driver's own (engines sheet §3, USM).
    pub reserves_copy_engine: bool,
    /// Flat CCS exists if the register says so (engines sheet §1.5).
    pub may_have_flat_ccs: bool,
}

/// One MOCS entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MocsEntry {
    /// Its index.
    pub index: u8,
    /// GLOB part.
    pub glob: u32,
    /// LNCF part, 16 bits used; 0 where the family has no LNCF registers.
    pub lncf: u16,
}

/// MOCS registers of a family (engines sheet §13.4).
#[derive(Debug)]
pub struct MocsFormat {
    /// How many indices the hardware has.
    pub count: u8,
    /// Index of "uncached".
    pub uncached: u8,
    /// Index whose entry fills the unlisted ones.
    pub unused: u8,
    /// The entries are programmed into LNCF registers too (graphics before 20).
    pub has_lncf: bool,
    /// Listed entries.
    pub entries: &'static [MocsEntry],
}

/// Engine registers of a family (engines sheet §5.3).
#[derive(Debug)]
pub struct EngineFormat {
    /// `CSFE_CHICKEN1` bits set on the primary GT's engines.
    pub main_csfe_bits: u16,
    /// Compute needs `RCU_MODE` (graphics 12.55 and later).
    pub has_rcu_mode: bool,
    /// `IDLEDLY` needs adjusting (14025941587, 16023105232; engines sheet §13.7).
    pub adjusts_idle_delay: bool,
    /// Prefetching of commands is turned off before an engine is reset (22011802037, engines sheet §10.2).
    pub stops_prefetch_for_reset: bool,
    /// A reset of engines is asked for twice (graphics before 12.70, engines sheet §10.2).
    pub resets_twice: bool,
}
