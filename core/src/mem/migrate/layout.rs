//! Which page of the migration VM is what, and at which address it appears.
//!
//! Page-tables sheet §6.3. All addresses fit 48 bits.

use crate::mem::format::Level;
use barexe_hal::GpuVa;

/// Pages of the private table object.
pub const PAGES: u32 = 32;
/// Bytes of the table object: its pages, and the root after them.
pub const TABLE_BYTES: u64 = page_bytes(PAGES + 1);
/// A slot maps 2 MiB.
const SLOT_SPAN_SHIFT: u32 = 21;
/// The slot that page-table jobs use.
const JOB_SLOT: u32 = 14;
/// Entry of the level-2 table whose 1 GiB leaf reads as zero.
pub(super) const ZERO_ENTRY: u32 = 255;

/// Bytes of so many pages.
pub(super) const fn page_bytes(pages: u32) -> u64 {
    (pages as u64) << 12
}

/// Where things lie for a tree of one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrateLayout {
    root_level: Level,
    /// First page that is no slot: the leaf table that maps the pages themselves.
    self_map: u32,
}

impl MigrateLayout {
    /// The layout under a root of `root_level`.
    #[must_use]
    pub const fn new(root_level: Level) -> Self {
        let tables = (root_level.number() as u32).saturating_add(2);
        Self { root_level, self_map: PAGES.saturating_sub(tables) }
    }

    /// Level of the root.
    #[must_use]
    pub const fn root_level(&self) -> Level {
        self.root_level
    }

    /// The page that holds the one table of `level`; none for the root, which stands behind the pages.
    #[must_use]
    pub const fn page_of(&self, level: Level) -> Option<u32> {
        if (level.number()) < self.root_level.number() {
            Some(self.self_map.saturating_add(level.number() as u32))
        } else {
            None
        }
    }

    /// How many slots there are; they are the first pages.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.self_map
    }

    /// Where entry `entry` of the slot for page-table jobs is written.
    #[must_use]
    pub fn slot_entry(&self, entry: u32) -> Option<GpuVa> {
        GpuVa::new(page_bytes(JOB_SLOT))?.checked_add(u64::from(entry) << 3)
    }

    /// Where what entry `entry` of that slot maps appears.
    #[must_use]
    pub fn through_slot(&self, entry: u32) -> Option<GpuVa> {
        GpuVa::new(u64::from(JOB_SLOT + 1) << SLOT_SPAN_SHIFT)?.checked_add(page_bytes(entry))
    }

    /// Where byte `offset_bytes` of the batch memory appears: right behind the pages.
    #[must_use]
    pub fn batch(&self, offset_bytes: u64) -> Option<GpuVa> {
        GpuVa::new(page_bytes(PAGES))?.checked_add(offset_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page-tables sheet §6.3, the table of pages.
    #[test]
    fn pages_are_those_of_the_sheet() {
        let four = MigrateLayout::new(Level::L3);
        let pages = |layout: &MigrateLayout| Level::ALL.map(|level| layout.page_of(level));
        assert_eq!(pages(&four), [Some(27), Some(28), Some(29), None, None]);
        assert_eq!(four.slots(), 27);
        let five = MigrateLayout::new(Level::L4);
        assert_eq!(pages(&five), [Some(26), Some(27), Some(28), Some(29), None]);
        assert_eq!(five.slots(), 26);
    }

    /// Page-tables sheet §6, GPU path check 2.
    #[test]
    fn a_job_writes_its_slot_at_one_address_and_reaches_through_it_at_another() {
        let layout = MigrateLayout::new(Level::L3);
        assert_eq!(layout.slot_entry(0).map(GpuVa::get), Some(0xE000));
        assert_eq!(layout.slot_entry(3).map(GpuVa::get), Some(0xE018));
        assert_eq!(layout.through_slot(0).map(GpuVa::get), Some(0x1E0_0000));
        assert_eq!(layout.through_slot(2).map(GpuVa::get), Some(0x1E0_2000));
        assert_eq!(layout.batch(0).map(GpuVa::get), Some(0x2_0000));
    }
}
