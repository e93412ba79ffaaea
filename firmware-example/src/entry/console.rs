//! Firmware's console as a place for lines.
#![expect(unsafe_code, reason = "calls firmware")]

use barexe_firmware::say::Sink;
use uefi_raw::Char16;
use uefi_raw::protocol::console::SimpleTextOutputProtocol;

/// Characters written at once.
const CHUNK: usize = 64;

/// Firmware's console: whatever it is, a screen, a serial port, or both.
#[derive(Debug)]
pub(crate) struct Console {
    out: *mut SimpleTextOutputProtocol,
}

impl Console {
    /// # Safety
    /// `out` is firmware's, or null.
    pub(crate) const unsafe fn new(out: *mut SimpleTextOutputProtocol) -> Self {
        Self { out }
    }

    /// Writes characters that end with a zero.
    fn write(&mut self, text: &[Char16; CHUNK]) {
        if self.out.is_null() {
            return;
        }
        // SAFETY: the protocol is firmware's.
        let write = unsafe { (*self.out).output_string };
        // SAFETY: the text is a live array and ends with a zero. A console that fails has nowhere to say so.
        let _status = unsafe { write(self.out, text.as_ptr()) };
    }
}

impl Sink for Console {
    fn text(&mut self, text: &str) {
        let mut chunk = [0; CHUNK];
        let mut used = 0usize;
        for byte in text.bytes() {
            // The program's words are ASCII; a line ends with two characters here.
            let pair = if byte == b'\n' { [b'\r', b'\n'] } else { [byte, 0] };
            for byte in pair.into_iter().filter(|byte| *byte != 0) {
                if let Some(place) = chunk.get_mut(used) {
                    *place = Char16::from(byte);
                }
                used = used.saturating_add(1);
            }
            if used >= CHUNK - 3 {
                self.write(&chunk);
                (chunk, used) = ([0; CHUNK], 0);
            }
        }
        self.write(&chunk);
    }
}
