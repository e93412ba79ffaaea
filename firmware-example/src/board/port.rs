//! Port instructions.
#![expect(unsafe_code, reason = "port instructions exist in assembly only")]

use core::arch::asm;

/// Reads a dword from an I/O port.
pub(super) fn read32(port: u16) -> u32 {
    let value;
    // SAFETY: an `in` touches no memory of this program; the ports named here are those of PCI configuration.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags));
    }
    value
}

/// Writes a dword to an I/O port.
pub(super) fn write32(port: u16, value: u32) {
    // SAFETY: an `out` to PCI configuration or to the exit port touches no memory of this program. What a written
    // configuration register lets the device do to memory is the driver's business.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags));
    }
}

/// Where virtual machines take an exit code from (QEMU's `isa-debug-exit`). On real boards nobody listens there.
const EXIT_PORT: u16 = 0xF4;

/// Ends the program: tells the virtual machine, if there is one, and stops the processor.
pub fn exit(code: u8) -> ! {
    write32(EXIT_PORT, u32::from(code));
    loop {
        // SAFETY: no interrupt is unmasked by this program, so this stops for good; it touches no memory.
        unsafe { asm!("hlt", options(nomem, nostack, preserves_flags)) }
    }
}
