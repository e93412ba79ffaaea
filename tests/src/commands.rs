//! Commands that batches of many tests are made of (commands-and-fences sheet §1).

/// `MI_BATCH_BUFFER_START` in the PPGTT: with a batch's own address, a batch that does not end.
pub const JUMP: u32 = 0x1880_0101;
/// `MI_BATCH_BUFFER_END`.
pub const BATCH_END: u32 = 0x0500_0000;

/// `MI_ARB_CHECK`: here the engine may switch.
pub const ARB_CHECK: u32 = 0x0280_0000;
/// `MI_ARB_ON_OFF`, off: from here on it may not.
pub const ARB_OFF: u32 = 0x0400_0000;
/// `MI_NOOP`.
pub const NOOP: u32 = 0;

/// Dwords of a command that stores one dword at a PPGTT address.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
pub const fn store(va: u64, value: u32) -> [u32; 4] {
    [0x1000_0002, va as u32, (va >> 32) as u32, value]
}

/// A batch that stores one dword and ends.
#[must_use]
pub fn store_batch(va: u64, value: u32) -> Vec<u32> {
    let mut dwords = store(va, value).to_vec();
    dwords.extend([BATCH_END, 0]);
    dwords
}
