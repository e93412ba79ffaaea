//! What only instructions can do: stopping, interrupts on and off, model-specific registers.
#![expect(unsafe_code, reason = "these instructions exist in assembly only")]

use core::arch::asm;

/// Takes interrupts until one has come, or one was pending. Nothing is lost between looking for work and this: an
/// interrupt that came meanwhile is pending, and ends the halt at once.
pub fn halt_until_interrupt() {
    // SAFETY: every vector that may come has a handler, which keeps all registers and writes atomics only.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) }
}

/// Stops with interrupts off.
pub(super) fn halt_for_good() {
    // SAFETY: touches no memory; nothing can wake it but what ends the program too.
    unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
}

/// Reads a model-specific register.
///
/// # Safety
/// The processor has it.
pub(super) unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; touches no memory.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The processor has it, and the value leaves this program as it is.
pub(super) unsafe fn write_msr(register: u32, value: u64) {
    let (low, high) = (barexe_core::num::low32(value), barexe_core::num::high32(value));
    // SAFETY: the caller's promise.
    unsafe { asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nostack, preserves_flags)) }
}

/// Address that the last page fault was about.
pub(super) fn fault_address() -> u64 {
    let address;
    // SAFETY: touches no memory; this program runs in ring 0.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) }
    address
}

/// Forgets what the processor knows about the page at this address.
pub(crate) fn forget_page(address: usize) {
    // SAFETY: forgetting a translation changes no value; this program runs in ring 0.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) }
}
