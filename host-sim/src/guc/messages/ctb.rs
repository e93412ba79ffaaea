//! Command transport: a ring in memory for each direction, and a descriptor beside it (engines sheet §12.4).
//!
//! The sender owns the tail, the receiver the head; both count dwords from the ring's start. A message is a header, then
//! as many dwords as it says. A dword 0 is a message of no dwords: filling up to the ring's end.

use super::field::Field;

/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: u32 = 64;
/// Dword of a descriptor: where the receiver reads next.
pub const HEAD: usize = 0;
/// Dword of a descriptor: where the sender writes next.
pub const TAIL: usize = 1;
/// Dword of a descriptor: bits of [`status`]; either side stops at one.
pub const STATUS: usize = 2;

/// What went wrong with a ring.
pub mod status {
    /// Head or tail is outside, or there was no room.
    pub const OVERFLOW: u32 = 1;
    /// A message is longer than what was sent.
    pub const UNDERFLOW: u32 = 1 << 1;
    /// Head or tail changed under their owner.
    pub const MISMATCH: u32 = 1 << 2;
    /// The GuC has stopped to use the ring.
    pub const DISABLED: u32 = 1 << 3;
}

/// Header: the sender's number of the message; an answer has that of its request.
pub const FENCE: Field = Field::bits(31, 16);
/// Header: 0, what follows begins with a dword of [`super::hxg`].
pub const FORMAT: Field = Field::bits(15, 12);
/// Header: dwords that follow.
pub const DWORDS: Field = Field::bits(7, 0);
/// Most dwords that can follow.
pub const MOST_DWORDS: usize = 255;

/// A header.
#[must_use]
pub const fn header(fence: u16, dwords: u8) -> u32 {
    FENCE.put(fence as u32) | DWORDS.put(dwords as u32)
}

/// Rings are switched off.
pub const CONTROL_DISABLE: u32 = 0;
/// Rings are switched on.
pub const CONTROL_ENABLE: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Engines sheet §12, checks.
    #[test]
    fn a_header_holds_number_and_length() {
        assert_eq!(header(0x1234, 3), 0x1234_0003);
    }
}
