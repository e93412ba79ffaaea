//! Interrupt gates: the message of the device, the timer, and what must not happen.
#![expect(unsafe_code, reason = "what the processor enters, and the table it finds it by")]

use super::apic;
use crate::messages::Messages;
use core::arch::{asm, naked_asm};
use core::mem::size_of;

/// Vector of the device's message. Firmware uses vectors from 0x20 on and from the top down; priority class 6 is
/// between.
pub const MESSAGE_VECTOR: u8 = 0x61;
/// Vector of the timer.
pub const TIMER_VECTOR: u8 = 0x51;
/// Vector of interrupts that went away; its low four bits are set, as old processors want it.
pub const SPURIOUS_VECTOR: u8 = 0xFF;
/// Exceptions of the processor.
pub const EXCEPTIONS: usize = 32;
const GATES: usize = 256;
/// Bytes of a gate, as a power of two.
const GATE_SHIFT: u32 = size_of::<Gate>().trailing_zeros();

/// Where the entries leave their marks.
pub static MESSAGES: Messages = Messages::new();

/// A gate to 64-bit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Gate([u64; 2]);

impl Gate {
    /// No gate.
    pub const EMPTY: Self = Self([0; 2]);

    /// An interrupt gate, for ring 0, to code in the segment `selector`.
    #[must_use]
    pub fn to(entry: unsafe extern "sysv64" fn(), selector: u16) -> Self {
        const PRESENT_INTERRUPT: u64 = 0x8E << 40;
        let at = barexe_core::num::u64_of((entry as *const ()).expose_provenance());
        let low = at & 0xFFFF | u64::from(selector) << 16 | PRESENT_INTERRUPT | (at & 0xFFFF_0000) << 32;
        Self([low, at >> 32])
    }
}

/// A table of gates as the processor is told of it.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub struct TablePointer {
    limit: u16,
    base: u64,
}

/// All gates.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Gates([Gate; GATES]);

impl Gates {
    /// No gates.
    pub const EMPTY: Self = Self([Gate::EMPTY; GATES]);

    /// Gates for all this program expects; exceptions go where `exceptions` says.
    pub fn fill(&mut self, exceptions: &[unsafe extern "sysv64" fn(); EXCEPTIONS], selector: u16) {
        for (gate, entry) in self.0.iter_mut().zip(exceptions) {
            *gate = Gate::to(*entry, selector);
        }
        let others: [(u8, unsafe extern "sysv64" fn()); 3] =
            [(MESSAGE_VECTOR, message_entry), (TIMER_VECTOR, timer_entry), (SPURIOUS_VECTOR, spurious_entry)];
        for (vector, entry) in others {
            if let Some(gate) = self.0.get_mut(usize::from(vector)) {
                *gate = Gate::to(entry, selector);
            }
        }
    }

    /// Makes the processor use them.
    pub fn load(&'static self) {
        let limit = 4095;
        let base = barexe_core::num::u64_of(core::ptr::from_ref(self).expose_provenance());
        let pointer = TablePointer { limit, base };
        // SAFETY: the table lives for ever, and `fill` has put entries in that keep every register.
        unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack, preserves_flags)) }
    }
}

/// Saves what a function may change, calls it, and returns to what was interrupted. The processor has aligned the
/// stack and stored five qwords; nine more keep it aligned. The image is built without vector registers.
macro_rules! entry {
    ($(#[$doc:meta])* $name:ident, $call:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Only the processor comes here, through a gate.
        #[unsafe(naked)]
        pub unsafe extern "sysv64" fn $name() {
            naked_asm!(
                "push rax", "push rcx", "push rdx", "push rsi", "push rdi", "push r8", "push r9", "push r10", "push r11",
                "cld",
                "call {call}",
                "pop r11", "pop r10", "pop r9", "pop r8", "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
                "iretq",
                call = sym $call,
            )
        }
    };
}

entry!(
    /// The device's message.
    message_entry, on_message
);
entry!(
    /// The timer: all it has to do is to end a halt.
    timer_entry, on_timer
);
entry!(
    /// Nothing: an interrupt that went away before it was taken is not acknowledged either.
    spurious_entry, on_nothing
);

extern "sysv64" fn on_message() {
    MESSAGES.record(super::ticks());
    apic::end_of_interrupt();
}

extern "sysv64" fn on_timer() {
    apic::end_of_interrupt();
}

const extern "sysv64" fn on_nothing() {}

/// The processor uses a copy of somebody else's table, in which one gate is another.
#[derive(Debug)]
#[must_use = "the other table is used again when this is given back"]
pub struct Borrowed {
    theirs: TablePointer,
}

impl Borrowed {
    /// Copies the table that the processor uses now into `gates`, puts the message's gate in, and uses that. Interrupts
    /// may be on.
    ///
    /// # Safety
    /// The other table can be read, and is not changed until [`give_back`](Self::give_back); until then `gates` is left
    /// alone.
    pub unsafe fn message(gates: &'static mut Gates) -> Self {
        let mut theirs = TablePointer { limit: 0, base: 0 };
        // SAFETY: stores where the table is.
        unsafe { asm!("sidt [{}]", in(reg) &raw mut theirs, options(nostack, preserves_flags)) }
        let selector: u16;
        // SAFETY: touches no memory.
        unsafe { asm!("mov {:x}, cs", out(reg) selector, options(nomem, nostack, preserves_flags)) }
        let first: *const Gate = core::ptr::with_exposed_provenance(barexe_core::num::usize_capped(theirs.base));
        let count = usize::from(theirs.limit).saturating_add(1) >> GATE_SHIFT;
        for (at, gate) in gates.0.iter_mut().enumerate() {
            // SAFETY: the gate lies in the other table.
            *gate = if at < count { unsafe { first.wrapping_add(at).read_volatile() } } else { Gate::EMPTY };
        }
        if let Some(gate) = gates.0.get_mut(usize::from(MESSAGE_VECTOR)) {
            *gate = Gate::to(message_entry, selector);
        }
        let gates: &'static Gates = gates;
        gates.load();
        Self { theirs }
    }

    /// Uses the other table again.
    pub fn give_back(self) {
        // SAFETY: it was used before.
        unsafe { asm!("lidt [{}]", in(reg) &raw const self.theirs, options(readonly, nostack, preserves_flags)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_splits_its_address_in_three() {
        let Gate([low, high]) = Gate::to(spurious_entry, 8);
        let at = low & 0xFFFF | low >> 32 & 0xFFFF_0000 | high << 32;
        assert_eq!(at, u64::try_from((spurious_entry as *const ()).addr()).unwrap());
        assert_eq!(low >> 16 & 0xFFFF_FFFF, 0x8E00_0008);
    }
}
