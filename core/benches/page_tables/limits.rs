//! What the machine can do: plain loops of volatile 8-byte stores.
#![expect(unsafe_code, reason = "loops over memory of this program")]

use barexe_hal::BusAddr;

/// Stores `first`, `first + STEP`, ... into `count` words. The step is a constant, so that the compiler makes the best
/// of the loop.
#[inline(never)]
pub(crate) fn store_steps<const STEP: u64>(words: *mut u64, count: usize, first: u64) {
    let mut value = first;
    for index in 0..count {
        // SAFETY: callers pass a region with that many words.
        unsafe { words.wrapping_add(index).write_volatile(value) };
        value = value.wrapping_add(STEP);
    }
}

/// Copies addresses, with the bits of an entry.
#[inline(never)]
pub(crate) fn copy(words: *mut u64, addresses: &[BusAddr], bits: u64) {
    for (index, address) in addresses.iter().enumerate() {
        // SAFETY: callers pass a region with that many words.
        unsafe { words.wrapping_add(index).write_volatile(address.get() | bits) };
    }
}

/// Stores one value at each of the word positions, in that order.
#[inline(never)]
pub(crate) fn store_at(words: *mut u64, positions: &[u32], value: u64) {
    for position in positions {
        // SAFETY: callers pass positions inside the region.
        unsafe { words.wrapping_add(*position as usize).write_volatile(value) };
    }
}
