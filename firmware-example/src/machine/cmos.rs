//! A byte that survives a reset: in the battery-backed memory of the clock, which no firmware clears.

use super::port;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Place of the byte, at the end of the first bank: neither the clock's nor a checksum's.
const PLACE: u8 = 0x7E;
/// Keeps non-maskable interrupts as they are: on.
const NMI_ON: u8 = 0;

/// What was left there.
#[must_use]
pub fn read() -> u8 {
    port::write8(INDEX, NMI_ON | PLACE);
    port::read8(DATA)
}

/// Leaves a byte there.
pub fn write(value: u8) {
    port::write8(INDEX, NMI_ON | PLACE);
    port::write8(DATA, value);
}
