//! Processors nobody wrote a file for, and interpreters: the language's own means.
//!
//! Right where the device snoops the caches; a porter to a processor where it does not writes a file.

use crate::DmaBuffer;
use core::num::NonZeroU64;
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};
use volatile_register::RW;

pub(crate) fn read32(cell: &RW<u32>) -> u32 {
    cell.read()
}

pub(crate) fn read64(cell: &RW<u64>) -> u64 {
    cell.read()
}

pub(crate) fn write32(cell: &RW<u32>, value: u32) {
    #![expect(unsafe_code, reason = "the register crate marks every write")]
    // SAFETY: the write has no memory-safety effect on this program; its meaning is the driver's business.
    unsafe { cell.write(value) }
}

pub(crate) fn write64(cell: &RW<u64>, value: u64) {
    #![expect(unsafe_code, reason = "the register crate marks every write")]
    // SAFETY: as in `write32`.
    unsafe { cell.write(value) }
}

pub(crate) fn flush(_: &DmaBuffer, _: Range<usize>) {
    // Ordering: what the CPU stored comes before the register write that tells the device, and what it loads next comes
    // after the device's answer; partner is the device.
    fence(Ordering::SeqCst);
}

pub(crate) const fn prefetch(_: *const u8) {}

/// There is no counter.
pub(crate) const HAS_COUNTER: bool = false;

pub(crate) const fn ticks() -> u64 {
    0
}

pub(crate) const fn ticks_hz() -> Option<NonZeroU64> {
    None
}
