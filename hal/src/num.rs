//! Integer conversions of this crate: lossless, or lossy by name.

const _: () = assert!(size_of::<usize>() >= size_of::<u32>() && size_of::<usize>() <= size_of::<u64>());

/// `u32` to `usize`, lossless.
pub(crate) const fn usize_of(value: u32) -> usize {
    value as usize
}

/// `usize` to `u64`, lossless.
pub(crate) const fn u64_of(value: usize) -> u64 {
    value as u64
}

/// The low 32 bits.
pub(crate) const fn low32(value: u64) -> u32 {
    (value & 0xFFFF_FFFF) as u32
}

/// The high 32 bits.
pub(crate) const fn high32(value: u64) -> u32 {
    low32(value >> 32)
}

/// The low 16 bits.
pub(crate) const fn low16(value: u32) -> u16 {
    (value & 0xFFFF) as u16
}

/// The low 8 bits.
pub(crate) const fn low8(value: u32) -> u8 {
    (value & 0xFF) as u8
}

/// Two halves as one number.
pub(crate) const fn joined(low: u32, high: u32) -> u64 {
    // Lossless.
    (high as u64) << 32 | low as u64
}
