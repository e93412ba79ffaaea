//! Port instructions.
#![expect(unsafe_code, reason = "port instructions exist in assembly only")]

use core::arch::asm;

/// Reads a byte from an I/O port. The ports of this program's machine files are read without effect on its memory.
pub(super) fn read8(port: u16) -> u8 {
    let value;
    // SAFETY: an `in` touches no memory of this program.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Writes a byte to an I/O port: serial line, interrupt controllers, clock memory, reset, exit.
pub(super) fn write8(port: u16, value: u8) {
    // SAFETY: none of the devices at these ports writes memory of this program.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) }
}

/// Writes a dword to an I/O port: the exit port takes nothing else.
pub(super) fn write32(port: u16, value: u32) {
    // SAFETY: as in `write8`.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) }
}
