//! Leaves: what an entry that maps memory is made from.

use super::{GROUP_64K, Level, NULL};
use crate::mem::pat::PatIndex;
use barexe_hal::BusAddr;

/// What a leaf maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafTarget {
    /// System memory at a bus address. Address bits below the size of the leaf are dropped.
    System(BusAddr),
    /// Nothing: reads give zero, writes are dropped.
    Null,
}

/// How a leaf of level 0 takes part in the two 64 KiB mechanisms; [`Plain`](Self::Plain) above it (page-tables sheet
/// §1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafLayout {
    /// Neither.
    Plain,
    /// One of sixteen 4 KiB entries that together map an aligned 64 KiB block.
    Group64K,
    /// An entry of a compact table: 64 KiB by itself.
    Compact,
}

/// Which atomics a mapping asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicPolicy {
    /// Nothing asked for: the platform's default.
    Undefined,
    /// From the device.
    Device,
    /// From device and CPU.
    Global,
    /// From the CPU only.
    Cpu,
}

/// Description of a leaf of a client's mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// Level of the table it stands in.
    pub level: Level,
    /// What it maps.
    pub target: LeafTarget,
    /// 64 KiB layout; only looked at on level 0.
    pub layout: LeafLayout,
    /// Whether writes fault.
    pub read_only: bool,
    /// Row of the PAT.
    pub pat: PatIndex,
    /// Atomics.
    pub atomics: AtomicPolicy,
}

/// Everything but the address in the leaves of one mapping; see [`PtFormat::leaf_bits`](super::PtFormat::leaf_bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafBits {
    /// In level 0.
    pub(super) page: u64,
    /// Above it.
    pub(super) large: u64,
    /// In leaves that map memory.
    pub(super) atomics: u64,
}

impl LeafBits {
    /// The bits of a leaf of `level`; `null` if it maps nothing.
    #[inline]
    #[must_use]
    pub const fn of(self, level: Level, layout: LeafLayout, null: bool) -> u64 {
        let target = if null { NULL } else { self.atomics };
        let shape = match (level, layout) {
            (Level::L0, LeafLayout::Group64K) => self.page | GROUP_64K,
            (Level::L0, LeafLayout::Plain | LeafLayout::Compact) => self.page,
            _ => self.large,
        };
        shape | target
    }
}
