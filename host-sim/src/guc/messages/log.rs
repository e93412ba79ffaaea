//! The log in memory: a page of states, then events, crash dumps, registers of hangs.

use super::field::Field;

/// Parameter: there is a log.
pub const VALID: Field = Field::bit(0);
/// Parameter: the host wants to be told when it is half full.
pub const TELL_HALF_FULL: Field = Field::bit(1);
/// Parameter: sizes of the part for hangs are in MiB, not in 4 KiB.
pub const CAPTURE_IN_MIB: Field = Field::bit(2);
/// Parameter: sizes of the other parts are in MiB.
pub const LOG_IN_MIB: Field = Field::bit(3);
/// Parameter: units of crash dumps, less one.
pub const CRASH_UNITS: Field = Field::bits(5, 4);
/// Parameter: units of events, less one.
pub const EVENT_UNITS: Field = Field::bits(9, 6);
/// Parameter: units of hangs, less one.
pub const CAPTURE_UNITS: Field = Field::bits(11, 10);
/// Parameter: first page in the GGTT.
pub const PAGE: Field = Field::bits(31, 12);

/// Bytes before the first part.
pub const STATES_BYTES: u32 = 4096;
/// Bytes from one part's state to the next.
pub const STATE_BYTES: u32 = 36;

/// Parts, in the order of their states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Events.
    Events,
    /// Crash dumps.
    Crash,
    /// Registers of hangs.
    Capture,
}

/// Bytes of a part's state.
pub mod state {
    /// The host has read so far.
    pub const READ: u64 = 8;
    /// The firmware has written so far.
    pub const WRITTEN: u64 = 12;
    /// Bytes of the part.
    pub const SIZE: u64 = 16;
    /// What was written when the host was last told.
    pub const SAMPLED: u64 = 20;
    /// End of the last entry before it began again at the start.
    pub const WRAP: u64 = 24;
    /// Bit 0: to be read; bits 4:1: how often it ran over.
    pub const FLAGS: u64 = 28;
    /// Version of the entries.
    pub const VERSION: u64 = 32;
}
