//! A serial port of a PC (16550).

use super::port;
use crate::say::Sink;

/// Offsets of its registers.
const DATA: u16 = 0;
const INTERRUPTS: u16 = 1;
const FIFO: u16 = 2;
const LINE: u16 = 3;
const MODEM: u16 = 4;
const LINE_STATUS: u16 = 5;
/// Bit of the line status: there is room for a byte.
const ROOM: u8 = 1 << 5;
/// Most looks for room: a port that is not there never has any, or always.
const LOOKS: u32 = 100_000;
/// What is written where before the first byte: no interrupts; 115,200 baud; 8 bits, no parity; FIFO on and empty;
/// ready.
const SET_UP: [(u16, u8); 7] =
    [(INTERRUPTS, 0), (LINE, 0x80), (DATA, 1), (INTERRUPTS, 0), (LINE, 0x03), (FIFO, 0x07), (MODEM, 0x03)];

/// A serial port, written byte by byte.
#[derive(Debug)]
pub struct Serial {
    base: u16,
}

impl Serial {
    /// I/O base of the first port.
    pub const FIRST: u16 = 0x3F8;
    /// I/O base of the second port.
    pub const SECOND: u16 = 0x2F8;

    /// Sets the port at this I/O base up.
    #[must_use]
    pub fn new(base: u16) -> Self {
        for (register, value) in SET_UP {
            port::write8(base.wrapping_add(register), value);
        }
        Self { base }
    }

    /// Sends one byte; drops it if the port takes none.
    pub fn byte(&mut self, byte: u8) {
        let has_room = |_: &u32| port::read8(self.base.wrapping_add(LINE_STATUS)) & ROOM != 0;
        if (0..LOOKS).any(|look| has_room(&look)) {
            port::write8(self.base.wrapping_add(DATA), byte);
        }
    }
}

impl Sink for Serial {
    fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.byte(b'\r');
            }
            self.byte(byte);
        }
    }
}
