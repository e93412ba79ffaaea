//! A mapped register BAR.
//!
//! For implementations on real PCI: wraps the mapping of BAR 0 and gives it the [`Mmio`] contract. No reference into
//! the window ever leaves this file; the register cells of `volatile-register` stay inside it.
#![expect(unsafe_code, reason = "dereferences the mapped register window")]

use crate::{Mmio, RegOffset};
use core::ptr::NonNull;
use volatile_register::RW;

/// The CPU's mapping of one tile's 16 MiB block of BAR 0.
#[derive(Debug)]
pub struct BarWindow {
    base: NonNull<u32>,
}

// SAFETY: the window owns its mapping (see `new`); MMIO may come from any one thread at a time.
unsafe impl Send for BarWindow {}

impl BarWindow {
    /// Takes over a mapping of [`RegOffset::BLOCK_BYTES`] bytes.
    ///
    /// # Safety
    /// For as long as the value lives, `base` points to a device mapping of that length (uncached), aligned to 8,
    /// that nothing else writes.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u32>) -> Self {
        Self { base }
    }

    fn cell32(&self, reg: RegOffset) -> &RW<u32> {
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(to_usize(reg.get())).cast::<RW<u32>>();
        // SAFETY: a `RegOffset` is aligned and inside the block that `new` promises; `RW` is a cell.
        unsafe { &*at }
    }

    fn cell64(&self, offset_bytes: u32) -> &RW<u64> {
        let at = self.base.as_ptr().cast::<u8>().wrapping_add(to_usize(offset_bytes)).cast::<RW<u64>>();
        // SAFETY: callers keep the entry inside the block and 8-aligned; `RW` is a cell.
        unsafe { &*at }
    }
}

const fn to_usize(offset: u32) -> usize {
    // Lossless on every target this crate builds for (usize of 32 bits or more).
    offset as usize
}

/// Offsets of the 64-bit entries of a run that lie inside the block.
fn entries(reg: RegOffset) -> impl Iterator<Item = u32> {
    (reg.get() & !7..RegOffset::BLOCK_BYTES).step_by(8)
}

impl Mmio for BarWindow {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.cell32(reg).read()
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        // SAFETY: the write has no memory-safety effect on this program; its meaning is the driver's business.
        unsafe { self.cell32(reg).write(value) }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        for (offset, word) in entries(reg).zip(out) {
            *word = self.cell64(offset).read();
        }
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        let mut value = first;
        for (offset, _) in entries(reg).zip(0..count) {
            // SAFETY: as in `write32`.
            unsafe { self.cell64(offset).write(value) }
            value = value.wrapping_add(step);
        }
    }
}
