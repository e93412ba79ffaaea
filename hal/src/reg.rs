//! Register offsets in the device's register block.

use core::fmt;

/// Byte offset of a 32-bit register, or of a 64-bit GGTT entry, in BAR 0.
///
/// BAR 0 has one block of 16 MiB for each tile, tile 0 first; nearly every device has one tile. Layout of a block (engines
/// sheet §1.3): registers below 4 MiB, GGTT entries from 8 MiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RegOffset(u32);

impl RegOffset {
    /// Bytes of one tile's block.
    pub const BLOCK_BYTES: u32 = 16 << 20;
    /// Where the GGTT entries begin, in bytes.
    pub const GGTT_BASE: Self = Self(8 << 20);
    /// Entries the GGTT part of the block has room for.
    pub const GGTT_ENTRIES: u32 = 1 << 20;

    /// The register of tile 0 at a byte offset. Bits outside the block and below a dword are dropped, so every value of
    /// this type is an aligned offset inside a tile's block.
    #[must_use]
    pub const fn at(offset_bytes: u32) -> Self {
        Self(offset_bytes & (Self::BLOCK_BYTES - 1) & !3)
    }

    /// The 64-bit entry of GGTT page `index`, or `None` past the end of the table.
    #[must_use]
    pub const fn ggtt_entry(index: u32) -> Option<Self> {
        if index < Self::GGTT_ENTRIES { Some(Self::at(Self::GGTT_BASE.0 | index << 3)) } else { None }
    }

    /// The same register of another tile.
    #[must_use]
    pub const fn on_tile(self, tile: u8) -> Self {
        Self(self.0 & (Self::BLOCK_BYTES - 1) | (tile as u32) << 24)
    }

    /// The tile whose block it lies in.
    #[must_use]
    pub const fn tile(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// The offset in bytes, from the start of BAR 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// This register `bytes` further on, wrapped into its block.
    #[must_use]
    pub const fn offset(self, bytes: u32) -> Self {
        Self::at(self.0.wrapping_add(bytes)).on_tile(self.tile())
    }
}

impl fmt::Debug for RegOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reg:{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_always_aligned_and_inside_the_block() {
        assert_eq!(RegOffset::at(0xD8F).get(), 0xD8C);
        assert_eq!(RegOffset::at(0x0100_0004).get(), 4);
    }

    #[test]
    fn each_tile_has_a_block_of_its_own() {
        // engines sheet §1 checks: tile 1, and GGTT 0x01004000 of it.
        let entry = RegOffset::ggtt_entry(0x1004).unwrap().on_tile(1);
        assert_eq!((RegOffset::at(0).on_tile(1).get(), entry.get(), entry.tile()), (0x100_0000, 0x180_8020, 1));
        assert_eq!(RegOffset::at(0xFF_FFFC).on_tile(2).offset(8).get(), 0x200_0004);
    }

    #[test]
    fn ggtt_entry_addresses_match_the_sheet() {
        // page-tables sheet §4, check 3.
        assert_eq!(RegOffset::ggtt_entry(0x0100_0000 >> 12), Some(RegOffset::at(0x80_8000)));
        assert_eq!(RegOffset::ggtt_entry(0xFEDF_F000 >> 12), Some(RegOffset::at(0xFF_6FF8)));
        assert_eq!(RegOffset::ggtt_entry(1 << 20), None);
    }
}
