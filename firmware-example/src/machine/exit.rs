//! Ends of the program.

use super::port;

/// Where virtual machines take an exit code from (QEMU's `isa-debug-exit`, status = 2 code + 1). On real boards nobody
/// listens there.
const EXIT_PORT: u16 = 0xF4;
/// Added to every exit code, so that none is the status of a QEMU that did not start (1) or of a triple fault (0).
const EXIT_BASE: u8 = 0x10;
/// Reset control register of PC chipsets.
const RESET_PORT: u16 = 0xCF9;
/// Reset, of everything.
const RESET_ALL: u8 = 0x06;

/// Ends the program: tells the virtual machine, if there is one, and stops the processor. QEMU's status is
/// 0x21 + 2 `code`.
pub fn exit(code: u8) -> ! {
    tell(code);
    stop()
}

/// Tells the virtual machine, if there is one; goes on where there is none.
pub fn tell(code: u8) {
    port::write32(EXIT_PORT, u32::from(code.saturating_add(EXIT_BASE)));
}

/// Resets the machine.
pub fn reset() -> ! {
    port::write8(RESET_PORT, RESET_ALL);
    stop()
}

/// Stops the processor for good.
pub(super) fn stop() -> ! {
    loop {
        super::cpu::halt_for_good();
    }
}
