//! Frequencies: a request with an event number and arguments, and a block in memory that tells the state.

use super::field::Field;

/// Payload, dword 0: the event.
pub const EVENT: Field = Field::bits(15, 8);
/// Payload, dword 0: arguments that follow.
pub const ARGUMENTS: Field = Field::bits(7, 0);

/// Events.
pub mod event {
    /// Begins anew with a block: its GGTT address, 0.
    pub const RESET: u32 = 0;
    /// Ends.
    pub const SHUTDOWN: u32 = 1;
    /// The block is brought up to date: its GGTT address, 0.
    pub const QUERY: u32 = 5;
    /// A parameter: number, value.
    pub const SET: u32 = 6;
    /// A parameter has its default again: number.
    pub const UNSET: u32 = 7;
}

/// Parameters.
pub mod parameter {
    /// Lowest frequency, in MHz.
    pub const LOWEST_MHZ: u32 = 6;
    /// Highest frequency, in MHz.
    pub const HIGHEST_MHZ: u32 = 7;
    /// How many there can be.
    pub const ROOM: u32 = 256;
}

/// Bytes of the block.
pub const BLOCK_BYTES: u32 = 8192;
/// Block: its size in bytes, from the host.
pub const BLOCK_SIZE: u64 = 0;
/// Block: one of [`state`].
pub const BLOCK_STATE: u64 = 4;
/// Block: which tasks run.
pub const BLOCK_TASKS: u64 = 128;
/// Block: frequencies, in units of 50/3 MHz.
pub const BLOCK_FREQUENCIES: u64 = 132;
/// Highest frequency.
pub const HIGHEST: Field = Field::bits(7, 0);
/// Lowest frequency.
pub const LOWEST: Field = Field::bits(15, 8);
/// Highest frequency of slices.
pub const SLICE_HIGHEST: Field = Field::bits(23, 16);
/// Lowest frequency of slices.
pub const SLICE_LOWEST: Field = Field::bits(31, 24);

/// A frequency in MHz for one of the fields above.
#[must_use]
pub const fn ratio(mhz: u32) -> u32 {
    // 50/3 MHz a unit, to the nearest.
    mhz.saturating_mul(3).saturating_add(25) / 50
}

/// States of the block.
pub mod state {
    /// Nothing yet.
    pub const NOT_RUNNING: u32 = 0;
    /// It works.
    pub const RUNNING: u32 = 3;
    /// It does not.
    pub const ERROR: u32 = 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_counted_in_fiftieths() {
        assert_eq!((ratio(50), ratio(300), ratio(1200), ratio(u32::MAX)), (3, 18, 72, u32::MAX / 50));
    }
}
