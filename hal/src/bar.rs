//! A mapped register BAR.
//!
//! For implementations on real PCI: wraps the mapping of BAR 0 and gives it the [`Mmio`] contract. No reference into
//! the window ever leaves this file; the register cells of `volatile-register` stay inside it.
#![expect(unsafe_code, reason = "dereferences the mapped register window")]

use crate::{Mmio, RegOffset};
use core::ptr::NonNull;
use volatile_register::RW;

/// The CPU's mapping of BAR 0: one block of 16 MiB for each tile. A block that is not there reads as all ones.
#[derive(Debug)]
pub struct BarWindow {
    base: NonNull<u32>,
    tiles: u8,
}

// SAFETY: the window owns its mapping (see `new`); MMIO may come from any one thread at a time.
unsafe impl Send for BarWindow {}

impl BarWindow {
    /// Takes over a mapping of [`RegOffset::BLOCK_BYTES`] bytes: one tile's.
    ///
    /// # Safety
    /// For as long as the value lives, `base` points to a device mapping of that length (uncached), aligned to 8,
    /// that nothing else writes.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u32>) -> Self {
        Self { base, tiles: 1 }
    }

    /// As [`new`](Self::new), for a device with several tiles.
    ///
    /// # Safety
    /// As [`new`](Self::new), with a mapping of that many blocks.
    #[must_use]
    pub const unsafe fn with_tiles(base: NonNull<u32>, tiles: u8) -> Self {
        Self { base, tiles }
    }

    fn cell32(&self, reg: RegOffset) -> Option<&RW<u32>> {
        if reg.tile() >= self.tiles {
            return None;
        }
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(to_usize(reg.get())).cast::<RW<u32>>();
        // SAFETY: a `RegOffset` is aligned and inside its tile's block, which is one that `new` or `with_tiles` promises;
        // `RW` is a cell.
        Some(unsafe { &*at })
    }

    /// Offsets of the 64-bit entries of a run that lie inside their block, none where there is no such block.
    fn entries(&self, reg: RegOffset) -> impl Iterator<Item = u32> + use<> {
        let first = reg.get() & !7;
        let end = first.saturating_add(RegOffset::BLOCK_BYTES) & !(RegOffset::BLOCK_BYTES - 1);
        (first..if reg.tile() < self.tiles { end } else { first }).step_by(8)
    }

    fn cell64(&self, offset_bytes: u32) -> &RW<u64> {
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(to_usize(offset_bytes)).cast::<RW<u64>>();
        // SAFETY: callers take the offset from `entries`: inside a mapped block and 8-aligned; `RW` is a cell.
        unsafe { &*at }
    }
}

const fn to_usize(offset: u32) -> usize {
    // Lossless on every target this crate builds for (usize of 32 bits or more).
    offset as usize
}

impl Mmio for BarWindow {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.cell32(reg).map_or(u32::MAX, RW::read)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        if let Some(cell) = self.cell32(reg) {
            // SAFETY: the write has no memory-safety effect on this program; its meaning is the driver's business.
            unsafe { cell.write(value) }
        }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        let mut entries = self.entries(reg);
        for word in out {
            *word = entries.next().map_or(u64::MAX, |offset| self.cell64(offset).read());
        }
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        let mut value = first;
        for (offset, _) in self.entries(reg).zip(0..count) {
            // SAFETY: as in `write32`.
            unsafe { self.cell64(offset).write(value) }
            value = value.wrapping_add(step);
        }
    }
}
