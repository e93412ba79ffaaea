//! Places of values in the register page of a context image.
//!
//! All are indices of dwords, the same in every family's table (engines sheet §6.4).

/// CONTEXT_CONTROL: how the context is restored and saved.
pub const CONTEXT_CONTROL: usize = 0x03;
/// RING_HEAD: where the hardware goes on; it saves it here at switch-out.
pub const RING_HEAD: usize = 0x05;
/// RING_TAIL: rewritten at each submission.
pub const RING_TAIL: usize = 0x07;
/// RING_START: GGTT address of the ring.
pub const RING_START: usize = 0x09;
/// RING_CTL: size and enable.
pub const RING_CTL: usize = 0x0B;
/// BB_PER_CTX_PTR: the batch that ends each restore.
pub const BB_PER_CTX_PTR: usize = 0x13;
/// INDIRECT_CTX: the batch in the middle of each restore.
pub const INDIRECT_CTX: usize = 0x15;
/// CTX_TIMESTAMP: ticks the context has run, or 1 while it runs.
pub const CTX_TIMESTAMP: usize = 0x23;
/// Upper half of the timestamp, on families that have one.
pub const CTX_TIMESTAMP_UPPER: usize = 0x25;
/// Address-space id, on families that have one.
pub const ASID: usize = 0x2F;
/// Root page-table descriptor, upper half.
pub const ROOT_UPPER: usize = 0x31;
/// Root page-table descriptor, lower half.
pub const ROOT_LOWER: usize = 0x33;

/// Byte offset of a slot in the register page.
#[must_use]
pub const fn byte_offset(slot: usize) -> u32 {
    crate::num::u32_capped(slot) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Engines sheet §6.4, the byte column.
    #[test]
    fn byte_offsets_are_those_of_the_sheet() {
        let slots = [CONTEXT_CONTROL, RING_TAIL, BB_PER_CTX_PTR, INDIRECT_CTX, CTX_TIMESTAMP, CTX_TIMESTAMP_UPPER];
        assert_eq!(slots.map(byte_offset), [0x00C, 0x01C, 0x04C, 0x054, 0x08C, 0x094]);
        assert_eq!([ASID, ROOT_UPPER, ROOT_LOWER].map(byte_offset), [0x0BC, 0x0C4, 0x0CC]);
    }
}
