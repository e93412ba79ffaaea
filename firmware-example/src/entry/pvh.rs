//! The bare-metal image: from a PVH loader to the program and out again.
#![expect(unsafe_code, reason = "the first instructions, and statics that have one user")]

use barexe_core::num::u64_of;
use barexe_firmware::board::access::Way;
use barexe_firmware::board::clock::HaltingClock;
use barexe_firmware::board::map::Mapper;
use barexe_firmware::board::{self, Machine, Pages};
use barexe_firmware::machine::apic::{self, Timer};
use barexe_firmware::machine::exceptions::ENTRIES;
use barexe_firmware::machine::interrupts::{Gates, MESSAGE_VECTOR, MESSAGES, SPURIOUS_VECTOR, TIMER_VECTOR};
use barexe_firmware::machine::paging::Tables;
use barexe_firmware::machine::serial::Serial;
use barexe_firmware::machine::{cmos, exit, stack, start, ticks};
use barexe_firmware::memory::{ARENA_PAGES, Memory};
use barexe_firmware::program::plan::Plan;
use barexe_firmware::say;
use barexe_hal::arch::x86_64::measure_counter_hz;
use barexe_hal::arena::Page;
use barexe_hal::clock::TickClock;
use barexe_hal::pci::Parts;
use barexe_hal::{BusAddr, Clock as _};
use core::arch::global_asm;
use core::cell::UnsafeCell;

/// Bytes of the stack. What of it is used is measured, and held against `tests/firmware/budget`.
const STACK_BYTES: usize = 64 << 10;

/// Something that one owner works with.
#[repr(transparent)]
struct Owned<T>(UnsafeCell<T>);

// SAFETY: there is one processor, `main` runs once, and interrupts touch none of these.
unsafe impl<T> Sync for Owned<T> {}

impl<T> Owned<T> {
    const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value.
    ///
    /// # Safety
    /// Once for each.
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    unsafe fn take(&'static self) -> &'static mut T {
        // SAFETY: the caller's promise: this is the only reference.
        unsafe { &mut *self.0.get() }
    }
}

/// The stack. Nothing but the processor's stack pointer refers to it.
#[repr(C, align(4096))]
struct Stack([u8; STACK_BYTES]);

static STACK: Owned<Stack> = Owned::new(Stack([0; STACK_BYTES]));
static TABLES: Owned<Tables> = Owned::new(Tables::EMPTY);
static GATES: Owned<Gates> = Owned::new(Gates::EMPTY);
/// The driver's storage.
static MEMORY: Owned<Memory> = Owned::new(Memory::new());
/// Memory for the device.
static PAGES: Owned<[Page; ARENA_PAGES]> = Owned::new([Page::ZERO; ARENA_PAGES]);

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

/// Exit code: a word of the command line means nothing.
const BAD_PLAN: u8 = 0x13;
/// Exit code: the processor's counter cannot be read as time, or the arena lies where no device reaches.
const NO_BOARD: u8 = 0x14;
/// Exit code: nothing was left of the stack.
const STACK_FULL: u8 = 0x15;
/// What is left in the clock's memory before a reset that was planned.
const REBOOTED: u8 = 0xB2;

/// The program's first Rust. `info` is the address of the loader's start information.
extern "sysv64" fn main(info: usize) -> ! {
    #[cfg(any(feature = "planted-panic", feature = "planted-alloc"))]
    crate::planted::plant();
    // SAFETY: `main` runs once.
    let gates = unsafe { GATES.take() };
    gates.fill(&ENTRIES, CODE);
    let gates: &'static Gates = gates;
    gates.load();
    apic::take_over(SPURIOUS_VECTOR);
    // SAFETY: the entry came here with what the loader gave it.
    let words = unsafe { start::command_line(info) };
    let mut line = Serial::new(Serial::FIRST);
    let again = cmos::read() == REBOOTED;
    say!(&mut line, "barexe firmware, PVH", if again { ", after a reset" } else { "" });
    let plan = match Plan::parse(words) {
        Ok(plan) => plan,
        Err(word) => {
            say!(&mut line, "failed: the word ", word, " is not known");
            exit::exit(BAD_PLAN);
        }
    };
    let code = run(&mut line, plan).unwrap_or(NO_BOARD);
    if code == 0 && plan.reboot && !again {
        cmos::write(REBOOTED);
        say!(&mut line, "resetting the machine");
        exit::reset();
    }
    cmos::write(0);
    let base = STACK.0.get().expose_provenance();
    // SAFETY: the entry painted the stack before it used it.
    let used = unsafe { stack::used_bytes(base..base.saturating_add(STACK_BYTES)) };
    say!(&mut line, "stack: ", used, " of ", STACK_BYTES, " bytes");
    // What lies below may have been overwritten.
    let code = if used < STACK_BYTES { code } else { STACK_FULL };
    say!(&mut line, if code == 0 { "passed" } else { "not passed" });
    exit::exit(code)
}

/// Brings the machine's parts together.
fn run(line: &mut Serial, plan: Plan) -> Option<u8> {
    // SAFETY: this program owns the machine, ports included.
    let clock = TickClock::new().or_else(|| TickClock::with_hz(unsafe { measure_counter_hz() }?))?;
    let mut measured = clock.clone();
    let timer = Timer::new(TIMER_VECTOR, || measured.now());
    // SAFETY: once.
    let tables = unsafe { TABLES.take() };
    // SAFETY: the entry has made the processor use them, and the loader puts programs below the devices.
    let mut map = unsafe { Mapper::new(tables) };
    map.map_device(apic::window(), apic::WINDOW_BYTES).ok()?;
    // SAFETY: this program owns the machine.
    let access = unsafe { Way::new(plan.window, &mut map) };
    say!(line, "configuration space by ", access.name());
    // SAFETY: once.
    let pages = unsafe { PAGES.take() };
    // Memory is mapped at its physical address, and that is what the device puts on the bus.
    let bus = BusAddr::new(u64_of(pages.as_ptr().addr()))?;
    let parts = Parts { access, map, memory: Pages::new(pages, bus), clock: HaltingClock { clock, timer } };
    // SAFETY: once.
    let memory = unsafe { MEMORY.take() };
    let message = apic::message(MESSAGE_VECTOR);
    let mut machine = Machine { out: line, messages: &MESSAGES, ticks, message, plan };
    Some(board::run(parts, memory.lend(), &mut machine))
}
