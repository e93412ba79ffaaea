//! How busy engines are: a request with two addresses, and two blocks in memory.
//!
//! Payload of the request: address of the common block, low and high, address of the table, low and high.

use super::context::{INSTANCE_ROOM, class};

/// Dwords of the request for the device.
pub const REQUEST_DWORDS: usize = 4;

/// Common block: ticks in a second, dword.
pub const FREQUENCY: u64 = 0;
/// Common block: most microseconds by which the table is late, dword.
pub const LAG: u64 = 4;
/// Common block: changes of anything in the table, dword.
pub const CHANGES: u64 = 8;

/// Table: bytes of an engine.
pub const ENGINE_BYTES: u64 = 16;
/// Engine: changes of its row, 16 bits.
pub const ENGINE_CHANGES: u64 = 0;
/// Engine: its share of time, 16 bits; [`WHOLE_SHARE`] is all of it.
pub const ENGINE_SHARE: u64 = 2;
/// All of an engine's time.
pub const WHOLE_SHARE: u16 = 0x8000;
/// Engine: tick of the last change, 0 if it is idle, dword.
pub const ENGINE_UPDATED: u64 = 4;
/// Engine: ticks during which it was busy, two dwords.
pub const ENGINE_BUSY: u64 = 8;

/// Where in the table an engine's row lies, by class of [`class`] and number in the class.
#[must_use]
pub const fn row(class: u32, instance: u8) -> u64 {
    (class as u64 % class::ROOM as u64 * INSTANCE_ROOM as u64 + instance as u64 % INSTANCE_ROOM as u64) * ENGINE_BYTES
}
