//! From the loader to the program and out again.
#![expect(unsafe_code, reason = "the first instructions, and the names the linker looks for")]

use barexe_core::gt::IrqFlag;
use barexe_firmware::board::{Board, exit};
use barexe_firmware::memory::{ARENA_PAGES, Memory};
use barexe_firmware::program;
use barexe_hal::arena::Page;
use core::arch::naked_asm;
use core::panic::PanicInfo;
use spin::{Mutex, MutexGuard};

/// Bytes of the stack.
const STACK_BYTES: usize = 32 << 10;

/// The stack. Nothing but the processor's stack pointer ever refers to it.
#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);

/// The driver's storage. The lock is never given back: who has it, has the only reference there will ever be.
static MEMORY: Mutex<Memory> = Mutex::new(Memory::new());

/// Memory for the device, apart from the rest because it is zero to begin with and takes no room in the image.
static PAGES: Mutex<[Page; ARENA_PAGES]> = Mutex::new([Page::ZERO; ARENA_PAGES]);

/// Where the board leaves its mark.
static IRQ: IrqFlag = IrqFlag::new();

/// Exit code when there is no board to run on.
const NO_BOARD: u8 = 0x10;
/// Exit code of the second of two entries.
const ENTERED_TWICE: u8 = 0x11;

/// What the loader jumps to, in 64-bit mode with interrupts off.
///
/// # Safety
/// Only the loader may come here, once.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "lea rsp, [rip + {stack} + {bytes}]",
        "xor ebp, ebp",
        "call {main}",
        "2: hlt",
        "jmp 2b",
        stack = sym STACK,
        bytes = const STACK_BYTES,
        main = sym main,
    )
}

extern "C" fn main() -> ! {
    #[cfg(any(feature = "planted-panic", feature = "planted-alloc"))]
    crate::planted::plant();
    exit(run())
}

fn run() -> u8 {
    let memory = MEMORY.try_lock().map(MutexGuard::leak);
    let pages = PAGES.try_lock().map(MutexGuard::leak);
    let (Some(memory), Some(pages)) = (memory, pages) else { return ENTERED_TWICE };
    match Board::new(pages, &IRQ) {
        Ok(board) => {
            let finished = program::run(board, memory.lend(), &IRQ);
            #[cfg(feature = "surface")]
            crate::surface::touch(finished.hal, finished.storage, &IRQ);
            finished.verdict.exit_code()
        }
        Err(_) => NO_BOARD,
    }
}

/// Exit code of a panic.
const PANICKED: u8 = 0x12;

/// Nothing in the image refers to this: the check of the linked image looks for the name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn barexe_panic_path_is_linked() -> ! {
    exit(PANICKED)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    barexe_panic_path_is_linked()
}
