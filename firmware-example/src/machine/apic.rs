//! The processor's local interrupt controller, in either of its two forms: registers in memory, or model-specific ones.
#![expect(unsafe_code, reason = "registers of the processor")]

use super::{cpu, port};
use barexe_core::num::low8;
use barexe_hal::Nanos;
use barexe_hal::arch::x86_64::msi_message;
use barexe_hal::pci::MsiMessage;

/// Where the controller is, and in which form.
const BASE_MSR: u32 = 0x1B;
const BASE_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
const ENABLED: u64 = 1 << 11;
const X2APIC: u64 = 1 << 10;
/// First register as a model-specific one; one for each 16 bytes.
const X2APIC_FIRST: u32 = 0x800;

/// Registers, as offsets in bytes.
const ID: u32 = 0x20;
const TASK_PRIORITY: u32 = 0x80;
const END_OF_INTERRUPT: u32 = 0xB0;
const SPURIOUS: u32 = 0xF0;
const TIMER_VECTOR: u32 = 0x320;
const TIMER_INITIAL: u32 = 0x380;
const TIMER_CURRENT: u32 = 0x390;
const TIMER_DIVIDER: u32 = 0x3E0;

/// The controller is on, in the spurious register.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// The timer counts every tick.
const DIVIDE_BY_1: u32 = 0xB;
/// The timer raises nothing.
const MASKED: u32 = 1 << 16;
/// Data ports of the two old interrupt controllers: their masks.
const OLD_MASKS: [u16; 2] = [0x21, 0xA1];

/// Bytes of the registers in memory.
pub const WINDOW_BYTES: u64 = 4096;

/// Address of the registers in memory.
#[must_use]
pub fn window() -> u64 {
    base() & BASE_ADDRESS
}

fn base() -> u64 {
    // SAFETY: every 64-bit processor has the register.
    unsafe { cpu::read_msr(BASE_MSR) }
}

/// The register in memory.
fn cell(base: u64, register: u32) -> *mut u32 {
    let at = (base & BASE_ADDRESS).saturating_add(u64::from(register));
    core::ptr::with_exposed_provenance_mut(barexe_core::num::usize_capped(at))
}

fn read(register: u32) -> u32 {
    let base = base();
    if base & X2APIC != 0 {
        // SAFETY: the controller is in the form whose registers these are.
        return barexe_core::num::low32(unsafe { cpu::read_msr(X2APIC_FIRST | register >> 4) });
    }
    // SAFETY: the window is mapped, by firmware or by the entry; this is one of its registers.
    unsafe { cell(base, register).read_volatile() }
}

fn write(register: u32, value: u32) {
    let base = base();
    if base & X2APIC != 0 {
        // SAFETY: as in `read`; the registers written here touch interrupts only.
        return unsafe { cpu::write_msr(X2APIC_FIRST | register >> 4, u64::from(value)) };
    }
    // SAFETY: as in `read`.
    unsafe { cell(base, register).write_volatile(value) }
}

/// Takes the controller over: on, all priorities, `spurious` for interrupts that went away. The two old controllers
/// are masked.
pub fn take_over(spurious: u8) {
    for port in OLD_MASKS {
        port::write8(port, 0xFF);
    }
    let base = base();
    // SAFETY: turns the controller on where it is.
    unsafe { cpu::write_msr(BASE_MSR, base | ENABLED) }
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, SOFTWARE_ENABLE | u32::from(spurious));
}

/// What an interrupt handler does last.
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// The message that raises `vector` on this processor.
#[must_use]
pub fn message(vector: u8) -> MsiMessage {
    let id = read(ID);
    // Messages reach the first 256 processors only, without a unit that remaps them.
    msi_message(low8(if base() & X2APIC != 0 { u64::from(id) } else { u64::from(id >> 24) }), vector)
}

/// The controller's timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    vector: u8,
    ticks_per_milli: u64,
}

impl Timer {
    /// How long the timer's speed is measured.
    const MEASURED: Nanos = Nanos::from_millis(1);

    /// Measures how fast it runs; `now` is the clock it is measured by.
    pub fn new(vector: u8, mut now: impl FnMut() -> Nanos) -> Self {
        write(TIMER_DIVIDER, DIVIDE_BY_1);
        write(TIMER_VECTOR, MASKED);
        write(TIMER_INITIAL, u32::MAX);
        let end = now().saturating_add(Self::MEASURED);
        while now() < end {
            core::hint::spin_loop();
        }
        let ticks = u32::MAX.wrapping_sub(read(TIMER_CURRENT));
        write(TIMER_INITIAL, 0);
        Self { vector, ticks_per_milli: u64::from(ticks).max(1) }
    }

    /// Raises its vector once, after this long. A later call takes the place of an earlier one.
    pub fn arm(self, after: Nanos) {
        let ticks = after.get().saturating_mul(self.ticks_per_milli) / 1_000_000;
        write(TIMER_VECTOR, u32::from(self.vector));
        write(TIMER_INITIAL, barexe_core::num::low32(ticks.clamp(1, u64::from(u32::MAX))));
    }

    /// Raises nothing any more.
    pub fn disarm(self) {
        write(TIMER_VECTOR, MASKED);
        write(TIMER_INITIAL, 0);
    }
}
