//! Work of contexts that run side by side: a ring of items in memory, each the tails that all of them go on to.
//!
//! Head and tail of the descriptor count bytes. An item does not wrap: a no-op fills up to the end.

use super::field::Field;

/// Bytes of a descriptor, the last of which mean nothing.
pub const DESCRIPTOR_BYTES: u32 = 128;
/// Dword of a descriptor: the GuC reads there next.
pub const HEAD: usize = 0;
/// Dword of a descriptor: the host writes there next.
pub const TAIL: usize = 1;
/// Dword of a descriptor: where an item was wrong.
pub const ERROR_OFFSET: usize = 2;
/// Dword of a descriptor: one of [`status`].
pub const STATUS: usize = 3;

/// State of a queue.
pub mod status {
    /// It is read.
    pub const ACTIVE: u32 = 1;
    /// It is not read.
    pub const SUSPENDED: u32 = 2;
    /// An item was wrong.
    pub const COMMAND_ERROR: u32 = 3;
    /// It is not read, after a reset.
    pub const SUSPENDED_FROM_RESET: u32 = 5;
}

/// First dword of an item: [`NOOP`] or [`MULTI_LRC`].
pub const KIND: Field = Field::bits(7, 0);
/// First dword of an item: dwords after it.
pub const LENGTH: Field = Field::bits(26, 16);
/// Nothing to do.
pub const NOOP: u32 = 4;
/// New tails. Dword 1: descriptor of the first context's image, low half; 2: index and tail of the first; 3: 0; then the
/// tail of each other context.
pub const MULTI_LRC: u32 = 5;
/// Dword 2: index of the first context.
pub const CONTEXT: Field = Field::bits(15, 0);
/// Dword 2: tail of its ring in units of 8 bytes. The tails that follow are such units too, in bits 10:0.
pub const TAIL_OF_FIRST: Field = Field::bits(28, 18);
/// Dword of an item where the other contexts' tails begin.
pub const OTHER_TAILS: usize = 4;
/// Bytes of a tail's unit.
pub const TAIL_UNIT: u32 = 8;
