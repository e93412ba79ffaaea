//! The processor's caches: hints to them, and order towards the device.

use crate::{DmaBuffer, arch};
use core::ops::Range;

/// Bytes of a cache line, on the processors this driver meets.
const LINE_BYTES: usize = 64;

/// Asks the processor to bring a value into its cache, all lines at once, without waiting.
///
/// It changes nothing but time, so every implementation is right; processors without one here take no hint.
#[inline]
pub fn prefetch<T>(value: &T) {
    let first = core::ptr::from_ref(value).cast::<u8>();
    for offset in (0..size_of::<T>()).step_by(LINE_BYTES) {
        arch::prefetch(first.wrapping_add(offset));
    }
}

/// Makes what the CPU stored in `range` (bytes of `buffer`) visible to the device, and what the device stored visible to
/// the CPU: writes the cache lines back, drops them, and waits for that. Bytes of the buffer beyond its end are left out.
///
/// For implementors of [`DmaMemory`](crate::DmaMemory): right for `publish` and for `observe`, for write-back memory that
/// the device snoops and for such that it does not. A word that shares a cache line with `range` is written back too, with
/// the value that the CPU last saw or stored.
pub fn flush(buffer: &DmaBuffer, range: Range<usize>) {
    arch::flush(buffer, range);
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hint_leaves_the_value_as_it_is() {
        let value = [7u64; 100];
        super::prefetch(&value);
        super::prefetch(&());
        assert_eq!(value, [7; 100]);
    }
}
