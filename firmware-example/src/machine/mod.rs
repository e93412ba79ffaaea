//! A PC without an operating system: processor, interrupt controller, serial port, reset.
//!
//! Everything that is x86 is here, in one file for each device, or in the entry of the image.

pub mod apic;
pub mod cmos;
pub mod cpu;
pub mod exceptions;
pub mod exit;
pub mod interrupts;
pub mod paging;
mod port;
pub mod serial;
pub mod stack;
pub mod start;

/// The processor's time-stamp counter.
#[must_use]
#[expect(unsafe_code, reason = "reads the processor's counter")]
pub fn ticks() -> u64 {
    // SAFETY: every 64-bit processor has the counter; reading it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}
