//! Which sizes of pages a mapping uses.

use crate::mem::format::{Level, entry_bytes};

bitflags::bitflags! {
    /// Kinds of entries a mapping was written with (page-tables sheet §1.5).
    ///
    /// Every leaf of level 0 counts as 4 KiB, beside what else it is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Sizes: u8 {
        /// Leaves of level 0.
        const PAGE_4K = 1 << 0;
        /// Leaves with the 64 KiB hint.
        const GROUP_64K = 1 << 1;
        /// Leaves in compact tables.
        const COMPACT_64K = 1 << 2;
        /// Leaves of 2 MiB.
        const LARGE_2M = 1 << 3;
        /// Leaves of 1 GiB.
        const LARGE_1G = 1 << 4;
    }
}

impl Sizes {
    /// What a leaf of `level` counts as.
    pub(super) const fn of_large(level: Level) -> Self {
        match level {
            Level::L1 => Self::LARGE_2M,
            Level::L0 | Level::L2 | Level::L3 | Level::L4 => Self::LARGE_1G,
        }
    }

    /// Bytes to which a cut must be aligned for the parts to keep their entries: those of the largest size used. A
    /// compact table is cut as a 2 MiB leaf is; a mapping that has no entries counts as if it had the largest.
    #[must_use]
    pub const fn cut_bytes(self) -> u64 {
        if self.is_empty() || self.contains(Self::LARGE_1G) {
            entry_bytes(Level::L2)
        } else if self.intersects(Self::LARGE_2M.union(Self::COMPACT_64K)) {
            entry_bytes(Level::L1)
        } else if self.contains(Self::GROUP_64K) {
            super::backing::GROUP_BYTES
        } else {
            entry_bytes(Level::L0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_aligned_to_the_largest_size_used() {
        let cases = [
            (Sizes::empty(), 1 << 30),
            (Sizes::PAGE_4K, 4096),
            (Sizes::PAGE_4K | Sizes::GROUP_64K, 64 << 10),
            (Sizes::PAGE_4K | Sizes::COMPACT_64K, 2 << 20),
            (Sizes::all(), 1 << 30),
            (Sizes::PAGE_4K | Sizes::LARGE_2M, 2 << 20),
        ];
        for (sizes, bytes) in cases {
            assert_eq!(sizes.cut_bytes(), bytes, "{sizes:?}");
        }
    }
}
