//! Exceptions of the processor: each ends the program with a line and a status of its own.
#![expect(unsafe_code, reason = "what the processor enters")]

use super::interrupts::EXCEPTIONS;
use super::serial::Serial;
use super::{cpu, exit};
use crate::say;
use crate::say::Hex;
use core::arch::naked_asm;

/// Exit code of an exception.
const CRASHED: u8 = 0x20;
/// Exceptions that bring an error code, a bit for each.
const WITH_CODE: u32 = 1 << 8 | 0x1F << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

/// Entry of exception `VECTOR`. What was interrupted is not gone back to, so nothing is saved.
///
/// # Safety
/// Only the processor comes here, through a gate.
#[unsafe(naked)]
unsafe extern "sysv64" fn entry<const VECTOR: u32>() {
    naked_asm!(
        "mov edi, {vector}",
        "mov rsi, [rsp]",
        "mov rdx, [rsp + 8]",
        "cld",
        "and rsp, -16",
        "call {died}",
        "2: hlt",
        "jmp 2b",
        vector = const VECTOR,
        died = sym died,
    )
}

/// `first` and `second` are the topmost words of the stack: the error code, where there is one, and the address.
extern "sysv64" fn died(vector: u32, first: u64, second: u64) -> ! {
    let with_code = WITH_CODE.unbounded_shr(vector) & 1 != 0;
    let (code, at) = if with_code { (first, second) } else { (0, first) };
    let mut line = Serial::new(Serial::FIRST);
    say!(
        &mut line,
        "exception ",
        vector,
        " at ",
        Hex(at),
        ", code ",
        Hex(code),
        ", address ",
        Hex(cpu::fault_address())
    );
    exit::exit(CRASHED)
}

macro_rules! entries {
    ($($vector:literal)+) => {
        /// An entry for each exception.
        pub const ENTRIES: [unsafe extern "sysv64" fn(); EXCEPTIONS] = [$(entry::<$vector>),+];
    };
}

entries!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
