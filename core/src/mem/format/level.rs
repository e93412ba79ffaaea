//! Levels of the tree: what an entry of each covers, and which entry an address has (page-tables sheet §1.1).

use crate::num::{low32, usize_of};
use barexe_hal::GpuVa;

/// Entries of a compact level-0 table that are used; the rest of its page is never read.
pub const COMPACT_ENTRIES: usize = 32;
/// Bytes one entry of a compact level-0 table covers.
pub const COMPACT_ENTRY_BYTES: u64 = 1 << 16;

/// A level of the tree: 0 next to memory, the root on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
