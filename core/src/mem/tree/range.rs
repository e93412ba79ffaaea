//! Ranges of addresses, and where they lie in tables.

use crate::mem::format::{Level, entry_bytes, shift, table_span_bytes};
use crate::mem::pages::ENTRIES;
use crate::num::low32;
use core::fmt;

/// A range of addresses, in bytes; aligned to 4096, not empty, `end` exclusive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VaRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl VaRange {
    /// Length in bytes.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The range with both edges moved outwards to multiples of `bytes`, a power of two.
    #[must_use]
    pub const fn widened(self, bytes: u64) -> Self {
        Self { start: round_down(self.start, bytes), end: round_up(self.end, bytes) }
    }

    /// Whether some byte is in both.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether one begins where the other ends.
    #[must_use]
    pub const fn adjoins(self, other: Self) -> bool {
        self.end == other.start || other.end == self.start
    }

    /// The smallest range that has both in it.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Debug for VaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

pub(super) const fn is_aligned(va: u64, bytes: u64) -> bool {
    va & bytes.wrapping_sub(1) == 0
}

pub(super) const fn round_down(va: u64, bytes: u64) -> u64 {
    va & !bytes.wrapping_sub(1)
}

pub(super) const fn round_up(va: u64, bytes: u64) -> u64 {
    round_down(va.saturating_add(bytes.wrapping_sub(1)), bytes)
}

/// Index of `va` in its table of `level`.
pub(super) const fn index_at(level: Level, va: u64) -> u32 {
    low32(va >> shift(level)) & (ENTRIES - 1)
}

/// The addresses that the table of `level` with `va` in it covers.
pub(super) const fn span_of(level: Level, va: u64) -> VaRange {
    let bytes = table_span_bytes(level);
    let start = round_down(va, bytes);
    VaRange { start, end: start.saturating_add(bytes) }
}

/// Whether the entry of `level` for `va` lies wholly in `va..end`.
pub(super) const fn is_whole(level: Level, va: u64, end: u64) -> bool {
    let bytes = entry_bytes(level);
    is_aligned(va, bytes) && end.wrapping_sub(va) >= bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_leaves_aligned_edges_alone() {
        let range = VaRange { start: 0x1000, end: 0x20_1000 };
        assert_eq!(range.widened(0x1000), range);
        assert_eq!(range.widened(0x20_0000), VaRange { start: 0, end: 0x40_0000 });
        assert_eq!(range.len_bytes(), 0x20_0000);
    }

    #[test]
    fn an_entry_is_whole_only_if_it_begins_and_ends_inside() {
        assert!(is_whole(Level::L1, 0x20_0000, 0x40_0000));
        assert!(!is_whole(Level::L1, 0x20_0000, 0x3F_F000));
        assert!(!is_whole(Level::L1, 0x20_1000, 0x80_0000));
    }

    #[test]
    fn a_table_covers_512_entries_from_a_multiple_of_its_span() {
        assert_eq!(span_of(Level::L0, 0x3F_F000), VaRange { start: 0x20_0000, end: 0x40_0000 });
        assert_eq!(index_at(Level::L0, 0x3F_F000), 511);
    }
}
