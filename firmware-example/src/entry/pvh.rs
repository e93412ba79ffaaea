//! The bare-metal image: from a PVH loader to 64-bit code.
#![expect(unsafe_code, reason = "the first instructions, and statics that have one user")]

use barexe_firmware::machine::exceptions::ENTRIES;
use barexe_firmware::machine::interrupts::{Gates, SPURIOUS_VECTOR};
use barexe_firmware::machine::paging::Tables;
use barexe_firmware::machine::serial::Serial;
use barexe_firmware::machine::{apic, exit, stack};
use barexe_firmware::say;
use core::arch::global_asm;
use core::cell::UnsafeCell;

/// Bytes of the stack.
const STACK_BYTES: usize = 64 << 10;

/// Something that one owner works with.
#[repr(transparent)]
struct Owned<T>(UnsafeCell<T>);

// SAFETY: there is one processor, `main` runs once, and interrupts touch none of these.
unsafe impl<T> Sync for Owned<T> {}

/// The stack. Nothing but the processor's stack pointer refers to it.
#[repr(C, align(4096))]
struct Stack([u8; STACK_BYTES]);

static STACK: Owned<Stack> = Owned(UnsafeCell::new(Stack([0; STACK_BYTES])));
static TABLES: Owned<Tables> = Owned(UnsafeCell::new(Tables::EMPTY));
static GATES: Owned<Gates> = Owned(UnsafeCell::new(Gates::EMPTY));

global_asm!(
    include_str!("pvh.s"),
    gdt_pointer = sym GDT_POINTER,
    main = sym main,
    paint = const stack::PAINT,
    stack = sym STACK,
    stack_bytes = const STACK_BYTES,
    tables = sym TABLES,
);

/// No segment, 64-bit code, data.
static GDT: [u64; 3] = [0, 0x00AF_9A00_0000_FFFF, 0x00CF_9200_0000_FFFF];

/// Length and address of the table, as `lgdt` of 32-bit code takes them.
#[repr(C, packed)]
struct GdtPointer {
    limit: u16,
    base: &'static [u64; 3],
}

static GDT_POINTER: GdtPointer = GdtPointer { limit: 23, base: &GDT };
/// Selector of 64-bit code.
const CODE: u16 = 8;

/// The program's first Rust. `start` is the address of the loader's start information.
extern "sysv64" fn main(start: usize) -> ! {
    // SAFETY: the first and only reference to the gates.
    let gates = unsafe { &mut *GATES.0.get() };
    gates.fill(&ENTRIES, CODE);
    let gates: &'static Gates = gates;
    gates.load();
    apic::take_over(SPURIOUS_VECTOR);
    let mut line = Serial::new(Serial::FIRST);
    say!(&mut line, "hello ", start);
    exit::exit(0)
}
