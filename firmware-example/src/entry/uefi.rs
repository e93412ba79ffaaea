//! The UEFI application: from firmware to the program and back.
//!
//! Firmware stays in charge: its interrupts, its display and its memory map are as they were when this returns. What is
//! borrowed for the run is one vector, in a copy of firmware's table of gates, and pages that firmware gave.
#![expect(unsafe_code, reason = "calls firmware, and uses what it gives")]

use super::console::Console;
use super::services::{Services, Stack, on_stack};
use barexe_core::num::u64_of;
use barexe_firmware::board::clock::SpinningClock;
use barexe_firmware::board::{self, Machine, Pages};
use barexe_firmware::machine::interrupts::{Borrowed, Gates, MESSAGE_VECTOR, MESSAGES};
use barexe_firmware::machine::{apic, exit, stack, ticks};
use barexe_firmware::memory::{ARENA_PAGES, Memory};
use barexe_firmware::program::plan::Plan;
use barexe_firmware::say;
use barexe_hal::BusAddr;
use barexe_hal::arch::x86_64::ConfigPorts;
use barexe_hal::arena::Page;
use barexe_hal::clock::TickClock;
use barexe_hal::pci::{DirectMap, Parts};
use core::cell::UnsafeCell;
use core::num::NonZeroU64;
use core::ptr::NonNull;
use uefi_raw::table::system::SystemTable;
use uefi_raw::{Handle, Status};

/// Pages of the program's own stack: firmware promises 128 KiB of its, and uses some of that.
const STACK_PAGES: usize = 64;
/// Highest address of memory for the device: what any of these parts reaches.
const LAST_ADDR: u64 = (1 << 39) - 1;
/// How long the counter is measured where the processor does not say how fast it runs, in microseconds.
const MEASURED_US: usize = 10_000;

/// Exit code: firmware did not give what is needed.
const NO_BOARD: u8 = 0x14;
/// Exit code: a word of the command line means nothing.
const BAD_PLAN: u8 = 0x13;

/// Something that one owner works with.
struct Owned<T>(UnsafeCell<T>);

// SAFETY: applications run on one processor, and `efi_main` runs once for each time the image is loaded.
unsafe impl<T> Sync for Owned<T> {}

/// The driver's storage.
static MEMORY: Owned<Memory> = Owned(UnsafeCell::new(Memory::new()));
/// Where firmware's gates are copied to.
static GATES: Owned<Gates> = Owned(UnsafeCell::new(Gates::EMPTY));

/// What the program on its own stack works with.
struct Run {
    services: Services,
    plan: Plan,
    code: u8,
}

/// Firmware starts the application here.
#[unsafe(no_mangle)]
extern "efiapi" fn efi_main(image: Handle, table: *mut SystemTable) -> Status {
    // SAFETY: firmware gives its own table and this image's handle.
    let Some(services) = (unsafe { Services::new(image, table) }) else { return Status::UNSUPPORTED };
    let mut console = services.console();
    say!(&mut console, "barexe firmware, UEFI");
    let mut words = [0; 256];
    let plan = match Plan::parse(services.words(&mut words)) {
        Ok(plan) => plan,
        Err(word) => {
            say!(&mut console, "failed: the word ", word, " is not known");
            return finish(BAD_PLAN, false);
        }
    };
    let mut run = Run { services, plan, code: NO_BOARD };
    let Some(own) = Stack::new(&services, STACK_PAGES) else {
        say!(&mut console, "failed: firmware has no memory for a stack");
        return finish(NO_BOARD, plan.exit);
    };
    // SAFETY: the stack is new, and `run_on_stack` takes what is given here.
    unsafe { on_stack(&own, run_on_stack, (&raw mut run).cast()) }
    // SAFETY: the stack was painted when it was made.
    let used = unsafe { stack::used_bytes(own.range()) };
    say!(&mut console, "stack: ", used, " of ", own.range().len(), " bytes");
    let returned = own.give_back(&services);
    let code = if returned { run.code } else { NO_BOARD };
    say!(&mut console, if code == 0 { "passed" } else { "not passed" });
    finish(code, plan.exit)
}

/// The status for firmware; under a virtual machine, if it was asked for, the end of the machine.
fn finish(code: u8, ends_machine: bool) -> Status {
    if ends_machine {
        exit::tell(code);
    }
    if code == 0 { Status::SUCCESS } else { Status::DEVICE_ERROR }
}

extern "sysv64" fn run_on_stack(run: *mut u8) {
    // SAFETY: `efi_main` gives its value and does not use it meanwhile.
    let run = unsafe { &mut *run.cast::<Run>() };
    let mut console = run.services.console();
    run.code = bring_together(run, &mut console).unwrap_or_else(|| {
        say!(&mut console, "failed: firmware does not give what is needed");
        NO_BOARD
    });
}

/// Brings the machine's parts together; all that was taken from firmware goes back.
fn bring_together(run: &Run, console: &mut Console) -> Option<u8> {
    let services = run.services;
    let clock = TickClock::new().or_else(|| TickClock::with_hz(measure(&services)?))?;
    let pages = services.allocate(ARENA_PAGES, LAST_ADDR)?;
    let code = run_with(run, console, clock, pages);
    let display = services.display_works();
    say!(console, "display: ", display.unwrap_or("none"));
    let returned = services.free(pages, ARENA_PAGES);
    Some(if returned && display != Some("does not answer") { code? } else { NO_BOARD })
}

fn run_with(run: &Run, console: &mut Console, clock: TickClock, pages: u64) -> Option<u8> {
    let first: *mut Page = core::ptr::with_exposed_provenance_mut(usize::try_from(pages).ok()?);
    // SAFETY: firmware gave these pages, mapped at their physical address; nothing else refers to them.
    let memory = unsafe { Pages::from_raw(NonNull::new(first)?, ARENA_PAGES, BusAddr::new(pages)?) };
    // SAFETY: firmware maps all device memory at its physical address, uncached by the processor's range registers.
    let map = unsafe { DirectMap::new(0..1 << 47, 0) };
    // SAFETY: an application owns the processor between its calls of firmware; firmware's timers touch no configuration
    // space by ports.
    let access = unsafe { ConfigPorts::new() };
    let parts = Parts { access, map, memory, clock: SpinningClock { clock, messages: &MESSAGES } };
    // SAFETY: once for each time the image is loaded.
    let storage = unsafe { &mut *MEMORY.0.get() };
    // SAFETY: as above.
    let gates = unsafe { &mut *GATES.0.get() };
    // SAFETY: firmware's table can be read, and no firmware service that changes it is called until it is back.
    let borrowed = unsafe { Borrowed::message(gates) };
    let message = apic::message(MESSAGE_VECTOR);
    let mut machine = Machine { out: console, messages: &MESSAGES, ticks, message, plan: run.plan };
    let code = board::run(parts, storage.lend(), &mut machine);
    borrowed.give_back();
    Some(code)
}

/// Ticks of the counter in a second, by firmware's own wait.
fn measure(services: &Services) -> Option<NonZeroU64> {
    let began = ticks();
    services.stall(MEASURED_US);
    let passed = ticks().checked_sub(began)?;
    NonZeroU64::new(passed.saturating_mul(1_000_000).checked_div(u64_of(MEASURED_US))?)
}
