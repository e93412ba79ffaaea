//! Page-table entries: geometry and bit layouts, as pure functions.
//!
//! Every table is one 4 KiB page of 512 qwords. Level 0 holds pages, levels 1 and 2 hold directories or large leaves,
//! levels 3 and 4 directories only (page-tables sheet §1.1, §2.1). Nothing here reads or writes memory: a
//! [`PtFormat`] turns a description into 64 bits.
//!
//! ```text
//!  63 62 61 60        52 51                    12 11 10  9  8  7  6  5  4  3  2  1  0
//!   0 P3 P4     0        address (or PAT bit 2)   0 AE NUL 64K S CPT 0 P1 P0 0  W  present
//! ```
//!
//! `S` (bit 7) marks a large leaf above level 0 and is PAT bit 2 in level 0; PAT bit 2 of a large leaf is bit 12.
//! Whether bit 8 (64K group) does anything on graphics 12.00 is not determined; the reference driver sets it there
//! too, and so do we.

mod leaf;
mod level;

use super::pat::PatIndex;
use crate::num::usize_of;
use barexe_hal::BusAddr;

pub use leaf::{AtomicPolicy, LeafBits, LeafLayout, LeafRequest, LeafTarget};
pub use level::{
    COMPACT_ENTRIES, COMPACT_ENTRY_BYTES, Level, compact_index, entry_bytes, index, shift, table_span_bytes,
};

/// Bytes of a page table, and of the smallest page.
pub const TABLE_BYTES: u64 = 4096;
/// Entries of a page table.
pub const TABLE_ENTRIES: usize = 512;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const COMPACT_CHILD: u64 = 1 << 6;
const LARGE_LEAF: u64 = 1 << 7;
const GROUP_64K: u64 = 1 << 8;
const NULL: u64 = 1 << 9;
const ATOMICS: u64 = 1 << 10;
const LAST_ADDRESS_BIT: u32 = 51;

/// When the atomics bit is set in leaves of system memory (page-tables sheet §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicsRule {
    /// The family has no such bit.
    NoBit,
    /// Unless the mapping asks for CPU atomics only: integrated families with the bit.
    UnlessCpuOnly,
}

/// The bits of an entry that say a PAT index, for every index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatBits {
    /// In level 0.
    page: [u64; 32],
    /// In leaves of levels 1 and 2.
    large: [u64; 32],
}

impl PatBits {
    /// Index bits go to the entry bits with these numbers, index bit 0 first. Index bits past the end are not wired.
    #[must_use]
    pub const fn scattered(page: &[u8], large: &[u8]) -> Self {
        Self { page: scatter_all(page), large: scatter_all(large) }
    }

    fn page(&self, index: PatIndex) -> u64 {
        self.page.get(usize_of(u32::from(index.get()))).copied().unwrap_or(0)
    }

    fn large(&self, index: PatIndex) -> u64 {
        self.large.get(usize_of(u32::from(index.get()))).copied().unwrap_or(0)
    }
}

/// The entry bits of each index.
const fn scatter_all(places: &[u8]) -> [u64; 32] {
    let mut table = [0; 32];
    let (mut rest, mut index): (&mut [u64], u8) = (&mut table, 0);
    while let [first, after @ ..] = rest {
        *first = scatter(index, places);
        rest = after;
        index = index.wrapping_add(1);
    }
    table
}

/// How objects behind the GGTT are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GgttCaching {
    /// Write-back.
    Cached,
    /// Uncached, for objects that ask for it.
    Uncached,
}

/// Layout of GGTT entries (page-tables sheet §4.2).
#[derive(Debug)]
pub struct GgttFormat {
    /// PAT row of cached objects.
    pub cached: PatIndex,
    /// PAT row of uncached objects.
    pub uncached: PatIndex,
    /// Entry bits for index bits 0 and 1; empty where entries carry no PAT index.
    pub pat_bits: &'static [u8],
    /// Bits of an entry that points into stolen memory, beyond those of system memory.
    pub stolen_bits: u64,
}

/// A family's page-table format.
#[derive(Debug)]
pub struct PtFormat {
    /// Level of a VM's top table.
    pub root_level: Level,
    /// Usable bits of a virtual address.
    pub va_bits: u8,
    /// Usable bits of a bus address.
    pub dma_addr_bits: u8,
    /// PAT row of directory entries and root descriptors; at most 3.
    pub directory_pat: PatIndex,
    /// PAT row of the null leaves that fill scratch VMs.
    pub scratch_pat: PatIndex,
    /// Whether the device fetches tables coherently from CPU caches.
    pub cached_tables: bool,
    /// Whether level-0 tables may be compact.
    pub compact_tables: bool,
    /// When leaves allow atomics.
    pub atomics: AtomicsRule,
    /// Where PAT index bits go.
    pub pat_bits: PatBits,
    /// GGTT entries.
    pub ggtt: GgttFormat,
}

/// Spreads the bits of `value` to the bit numbers in `places`, lowest first.
const fn scatter(value: u8, places: &[u8]) -> u64 {
    let (mut bits, mut value, mut rest) = (0, value, places);
    while let [place, after @ ..] = rest {
        bits |= ((value & 1) as u64).wrapping_shl(*place as u32);
        value >>= 1;
        rest = after;
    }
    bits
}

/// The address bits `51:low` of an entry.
const fn address_field(addr: BusAddr, low: u32) -> u64 {
    let above = !0u64 << LAST_ADDRESS_BIT << 1;
    addr.get() & !above & (!0 << low)
}

/// The address bits of a leaf: as many as its size leaves over.
const fn leaf_address(level: Level, layout: LeafLayout, addr: BusAddr) -> u64 {
    match (level, layout) {
        (Level::L0, LeafLayout::Compact) => address_field(addr, 16),
        _ => address_field(addr, shift(level)),
    }
}

impl PtFormat {
    /// Entry of a client's mapping.
    #[must_use]
    pub fn leaf(&self, request: LeafRequest) -> u64 {
        let bits = self.leaf_bits(request.pat, request.read_only, request.atomics);
        match request.target {
            LeafTarget::Null => bits.of(request.level, request.layout, true),
            LeafTarget::System(addr) => {
                leaf_address(request.level, request.layout, addr) | bits.of(request.level, request.layout, false)
            }
        }
    }

    /// Everything but the address in the leaves of one mapping.
    #[inline]
    #[must_use]
    pub fn leaf_bits(&self, pat: PatIndex, read_only: bool, atomics: AtomicPolicy) -> LeafBits {
        let common = if read_only { PRESENT } else { PRESENT | WRITABLE };
        LeafBits {
            page: common | self.leaf_shape(Level::L0, LeafLayout::Plain, pat),
            large: common | self.leaf_shape(Level::L1, LeafLayout::Plain, pat),
            atomics: self.atomics_bit(atomics),
        }
    }

    /// Entry the driver makes for its own use: writable, without atomics (page-tables sheet §2.2).
    #[must_use]
    pub fn kernel_leaf(&self, level: Level, layout: LeafLayout, addr: BusAddr, pat: PatIndex) -> u64 {
        leaf_address(level, layout, addr) | PRESENT | WRITABLE | self.leaf_shape(level, layout, pat)
    }

    /// Entry that points to the table at `table`, a page; `compact` if that is a compact level-0 table. The root
    /// descriptor of a context has the same form (page-tables sheet §2.7).
    #[must_use]
    pub fn directory(&self, table: BusAddr, compact: bool) -> u64 {
        let child = if compact { COMPACT_CHILD } else { 0 };
        // The two bits a directory has are those of a page.
        address_field(table, 12) | PRESENT | WRITABLE | self.pat_bits.page(self.directory_pat) | child
    }

    /// Entry for unmapped space in a VM with scratch: a null leaf where leaves may stand, else a directory entry for
    /// the VM's scratch table one level below (page-tables sheet §3). Without that table it is 0, not present.
    ///
    /// A VM without scratch has 0 everywhere and need not ask.
    #[must_use]
    pub fn empty(&self, level: Level, scratch_below: Option<BusAddr>) -> u64 {
        if level.may_hold_leaves() {
            NULL | PRESENT | WRITABLE | self.leaf_shape(level, LeafLayout::Plain, self.scratch_pat)
        } else {
            scratch_below.map_or(0, |table| self.directory(table, false))
        }
    }

    /// GGTT entry for a page of system memory.
    #[must_use]
    pub const fn ggtt_entry(&self, bus: BusAddr, caching: GgttCaching) -> u64 {
        let pat = scatter(self.ggtt_pat(caching).get(), self.ggtt.pat_bits);
        address_field(bus, 12) | PRESENT | pat
    }

    /// GGTT entry for a page of stolen memory, by its complete address.
    #[must_use]
    pub const fn ggtt_stolen_entry(&self, bus: BusAddr, caching: GgttCaching) -> u64 {
        self.ggtt_entry(bus, caching) | self.ggtt.stolen_bits
    }

    /// PAT row of an object behind the GGTT.
    #[must_use]
    pub const fn ggtt_pat(&self, caching: GgttCaching) -> PatIndex {
        match caching {
            GgttCaching::Cached => self.ggtt.cached,
            GgttCaching::Uncached => self.ggtt.uncached,
        }
    }

    /// Bytes of a VM's address space.
    #[must_use]
    pub const fn va_span_bytes(&self) -> u64 {
        1u64.wrapping_shl(self.va_bits as u32)
    }

    /// The bits that say how a leaf is read: PAT index, size marker, 64 KiB group.
    fn leaf_shape(&self, level: Level, layout: LeafLayout, pat: PatIndex) -> u64 {
        match (level, layout) {
            (Level::L0, LeafLayout::Group64K) => GROUP_64K | self.pat_bits.page(pat),
            (Level::L0, _) => self.pat_bits.page(pat),
            _ => LARGE_LEAF | self.pat_bits.large(pat),
        }
    }

    fn atomics_bit(&self, policy: AtomicPolicy) -> u64 {
        match self.atomics {
            AtomicsRule::UnlessCpuOnly if policy != AtomicPolicy::Cpu => ATOMICS,
            AtomicsRule::UnlessCpuOnly | AtomicsRule::NoBit => 0,
        }
    }
}

#[cfg(test)]
mod tests;
