//! Lossless integer conversions, and the lossy ones by name.
//!
//! `as` is banned for integers in this crate except here. `usize` is taken to be 32 or 64 bits wide, which the
//! assertion below checks at compile time.

const _: () = assert!(size_of::<usize>() >= size_of::<u32>() && size_of::<usize>() <= size_of::<u64>());

/// `u32` to `usize`, lossless.
#[must_use]
pub const fn usize_of(value: u32) -> usize {
    value as usize
}

/// `usize` to `u64`, lossless.
#[must_use]
pub const fn u64_of(value: usize) -> u64 {
    value as u64
}

/// The low 32 bits.
#[must_use]
pub const fn low32(value: u64) -> u32 {
    (value & 0xFFFF_FFFF) as u32
}

/// The low 8 bits.
#[must_use]
pub const fn low8(value: u64) -> u8 {
    (value & 0xFF) as u8
}

/// The high 32 bits.
#[must_use]
pub const fn high32(value: u64) -> u32 {
    low32(value >> 32)
}

/// `u64` to `usize`, capped at the largest `usize` (which no length or index of this crate reaches).
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "capped before the cast")]
pub const fn usize_capped(value: u64) -> usize {
    if value > usize::MAX as u64 { usize::MAX } else { value as usize }
}

/// `usize` to `u32`, capped at `u32::MAX`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "capped before the cast")]
pub const fn u32_capped(value: usize) -> u32 {
    if value > u32::MAX as usize { u32::MAX } else { value as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_put_together_are_the_whole() {
        let v = 0x1234_5678_9ABC_DEF0;
        assert_eq!(u64::from(high32(v)) << 32 | u64::from(low32(v)), v);
    }
}
