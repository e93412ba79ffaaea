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

use super::pat::PatIndex;
use crate::num::{low32, usize_of};
use barexe_hal::{BusAddr, GpuVa};

/// Bytes of a page table, and of the smallest page.
pub const TABLE_BYTES: u64 = 4096;
/// Entries of a page table.
pub const TABLE_ENTRIES: usize = 512;
/// Entries of a compact level-0 table that are used; the rest of its page is never read.
pub const COMPACT_ENTRIES: usize = 32;
/// Bytes one entry of a compact level-0 table covers.
pub const COMPACT_ENTRY_BYTES: u64 = 1 << 16;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const COMPACT_CHILD: u64 = 1 << 6;
const LARGE_LEAF: u64 = 1 << 7;
const GROUP_64K: u64 = 1 << 8;
const NULL: u64 = 1 << 9;
const ATOMICS: u64 = 1 << 10;
const LAST_ADDRESS_BIT: u32 = 51;

/// A level of the tree: 0 next to memory, the root on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Pages.
    L0,
    /// Directories of level-0 tables, or 2 MiB leaves.
    L1,
    /// Directories, or 1 GiB leaves.
    L2,
    /// Directories.
    L3,
    /// Directories; the root of five-level trees.
    L4,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Self; 5] = [Self::L0, Self::L1, Self::L2, Self::L3, Self::L4];

    /// The level with this number, `None` above 4.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::L0),
            1 => Some(Self::L1),
            2 => Some(Self::L2),
            3 => Some(Self::L3),
            4 => Some(Self::L4),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::L0 => 0,
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::L4 => 4,
        }
    }

    /// The level of the tables its entries point to, `None` for level 0.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::L0 => None,
            Self::L1 => Some(Self::L0),
            Self::L2 => Some(Self::L1),
            Self::L3 => Some(Self::L2),
            Self::L4 => Some(Self::L3),
        }
    }

    /// The level of the tables that point to it, `None` for level 4.
    #[must_use]
    pub const fn above(self) -> Option<Self> {
        match self {
            Self::L0 => Some(Self::L1),
            Self::L1 => Some(Self::L2),
            Self::L2 => Some(Self::L3),
            Self::L3 => Some(Self::L4),
            Self::L4 => None,
        }
    }

    /// Whether an entry of this level may map memory itself (page-tables sheet §1.1).
    #[must_use]
    pub const fn may_hold_leaves(self) -> bool {
        matches!(self, Self::L0 | Self::L1 | Self::L2)
    }
}

/// Lowest address bit an entry of `level` decodes: 12, 21, 30, 39, 48.
#[must_use]
pub const fn shift(level: Level) -> u32 {
    // Nine bits a level; a table of constants would be a look-up on every step of every walk.
    12u32.wrapping_add((level.number() as u32).wrapping_mul(9))
}

/// Bytes one entry of `level` covers.
#[must_use]
pub const fn entry_bytes(level: Level) -> u64 {
    1 << shift(level)
}

/// Bytes a whole table of `level` covers: 512 entries.
#[must_use]
pub const fn table_span_bytes(level: Level) -> u64 {
    entry_bytes(level) << 9
}

/// Index of the entry for `va` in its table of `level`, below 512.
#[must_use]
pub const fn index(level: Level, va: GpuVa) -> usize {
    usize_of(low32(va.get() >> shift(level)) & 511)
}

/// Index of the entry for `va` in a compact level-0 table, below 32.
#[must_use]
pub const fn compact_index(va: GpuVa) -> usize {
    usize_of(low32(va.get() >> 16) & 31)
}

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

/// Everything but the address in the leaves of one mapping; see [`PtFormat::leaf_bits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafBits {
    /// In level 0.
    page: u64,
    /// Above it.
    large: u64,
    /// In leaves that map memory.
    atomics: u64,
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
#[path = "format_tests.rs"]
mod tests;
