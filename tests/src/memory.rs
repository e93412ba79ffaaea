//! Plain memory in the shape of a DMA buffer, for tests that need no device.
#![expect(unsafe_code, reason = "a DMA buffer is made from a raw mapping")]

use barexe_hal::{BusAddr, DmaBuffer};
use core::ptr::NonNull;

/// Runs `test` on a buffer of `qwords` times 8 bytes in which each qword is `fill`. The device side does not exist; its
/// bus address is 0.
///
/// # Panics
/// Never by itself.
pub fn with_buffer<R>(qwords: usize, fill: u64, test: impl FnOnce(&DmaBuffer) -> R) -> R {
    let mut words = vec![fill; qwords.max(1)];
    let cpu = NonNull::from(words.as_mut_slice()).cast::<u64>();
    // SAFETY: `words` is `qwords` aligned words, outlives the buffer, and is not touched by name while it exists.
    let buffer = unsafe { DmaBuffer::from_raw_parts(cpu, qwords.saturating_mul(8), BusAddr::ZERO) };
    let result = test(&buffer);
    let _ = buffer.into_raw_parts();
    drop(words);
    result
}

/// All dwords of a buffer.
#[must_use]
pub fn dwords(buffer: &DmaBuffer) -> Vec<u32> {
    (0..buffer.len_bytes()).step_by(4).filter_map(|at| buffer.read_u32(at).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_length_and_fill_asked_for() {
        with_buffer(3, 0x1111_2222_3333_4444, |buffer| {
            assert_eq!(dwords(buffer), [0x3333_4444, 0x1111_2222, 0x3333_4444, 0x1111_2222, 0x3333_4444, 0x1111_2222]);
            assert!(buffer.read_u32(24).is_err());
        });
    }
}
