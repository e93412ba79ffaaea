//! A mapped register BAR.
//!
//! Wraps the mapping of BAR 0 and gives it the [`Mmio`] contract, for [`PciDevice`](crate::pci::PciDevice) and for
//! implementations with a mapping of their own. No reference into the window ever leaves this crate; the register cells
//! of `volatile-register` stay inside it.
#![expect(unsafe_code, reason = "dereferences the mapped register window")]

use crate::num::usize_of;
use crate::{Mmio, RegOffset, arch};
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
    /// Takes over a mapping of `tiles` blocks of [`RegOffset::BLOCK_BYTES`] bytes.
    ///
    /// # Safety
    /// For as long as the value lives, `base` points to a device mapping of that length (uncached), aligned to 8,
    /// that nothing else writes.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u32>, tiles: u8) -> Self {
        Self { base, tiles }
    }

    /// Gives the mapping back.
    #[must_use]
    pub const fn into_base(self) -> NonNull<u8> {
        self.base.cast()
    }

    fn cell32(&self, reg: RegOffset) -> Option<&RW<u32>> {
        if reg.tile() >= self.tiles {
            return None;
        }
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(usize_of(reg.get())).cast::<RW<u32>>();
        // SAFETY: a `RegOffset` is aligned and inside its tile's block, which is one that `new` promises; `RW` is a
        // cell.
        Some(unsafe { &*at })
    }

    /// Offsets of the 64-bit entries of a run that lie inside their block, none where there is no such block.
    fn entries(&self, reg: RegOffset) -> impl Iterator<Item = u32> + use<> {
        let first = reg.get() & !7;
        let end = first.saturating_add(RegOffset::BLOCK_BYTES) & !(RegOffset::BLOCK_BYTES - 1);
        (first..if reg.tile() < self.tiles { end } else { first }).step_by(8)
    }

    fn cell64(&self, offset_bytes: u32) -> &RW<u64> {
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(usize_of(offset_bytes)).cast::<RW<u64>>();
        // SAFETY: callers take the offset from `entries`: inside a mapped block and 8-aligned; `RW` is a cell.
        unsafe { &*at }
    }
}

impl Mmio for BarWindow {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.cell32(reg).map_or(u32::MAX, arch::read32)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        if let Some(cell) = self.cell32(reg) {
            arch::write32(cell, value);
        }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        let mut entries = self.entries(reg);
        for word in out {
            *word = entries.next().map_or(u64::MAX, |offset| arch::read64(self.cell64(offset)));
        }
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        let mut value = first;
        for (offset, _) in self.entries(reg).zip(0..count) {
            arch::write64(self.cell64(offset), value);
            value = value.wrapping_add(step);
        }
    }
}
