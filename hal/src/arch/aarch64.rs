//! 64-bit Arm.
#![expect(unsafe_code, reason = "barriers, cache maintenance, device accesses and the counter are instructions")]

use crate::DmaBuffer;
use core::arch::asm;
use core::num::NonZeroU64;
use core::ops::Range;
use core::ptr::from_ref;
use volatile_register::RW;

// Accesses to devices are written as instructions: a load or store that the compiler chose may update its base register,
// and of such an access a hypervisor that emulates the device is not told what was asked.

pub(crate) fn read32(cell: &RW<u32>) -> u32 {
    let value: u32;
    // SAFETY: a cell is mapped and aligned as long as its borrow; the access is what it exists for.
    unsafe {
        asm!("ldr {v:w}, [{a}]", v = out(reg) value, a = in(reg) from_ref(cell), options(nostack, preserves_flags));
    }
    value
}

pub(crate) fn read64(cell: &RW<u64>) -> u64 {
    let value: u64;
    // SAFETY: as in `read32`.
    unsafe { asm!("ldr {v}, [{a}]", v = out(reg) value, a = in(reg) from_ref(cell), options(nostack, preserves_flags)) }
    value
}

pub(crate) fn write32(cell: &RW<u32>, value: u32) {
    // SAFETY: as in `read32`; the write has no memory-safety effect on this program, its meaning is the driver's business.
    unsafe {
        asm!("str {v:w}, [{a}]", v = in(reg) value, a = in(reg) from_ref(cell), options(nostack, preserves_flags));
    }
}

pub(crate) fn write64(cell: &RW<u64>, value: u64) {
    // SAFETY: as in `write32`.
    unsafe { asm!("str {v}, [{a}]", v = in(reg) value, a = in(reg) from_ref(cell), options(nostack, preserves_flags)) }
}

/// Writes the lines of `range` back and drops them, to the point where every master sees the same.
pub(crate) fn flush(buffer: &DmaBuffer, range: Range<usize>) {
    // Ordering: the stores before, and the load that saw the device's answer, come before the lines are written back;
    // partner is the device.
    barrier();
    let line_bytes = smallest_line_bytes();
    let end = range.end.min(buffer.len_bytes());
    let mut offset = range.start & !line_bytes.wrapping_sub(1);
    while offset < end {
        let line = buffer.cpu_ptr().as_ptr().wrapping_add(offset);
        // SAFETY: the line lies in the buffer, which is mapped as long as it lives; writing it back changes no value
        // that this program sees.
        unsafe { asm!("dc civac, {line}", line = in(reg) line, options(nostack, preserves_flags)) }
        offset = offset.saturating_add(line_bytes);
    }
    // Ordering: maintenance is over before the register write that tells the device, and before the next load; partner
    // is the device.
    barrier();
}

/// All accesses before, device accesses and cache maintenance included, are complete before any after.
fn barrier() {
    // SAFETY: a barrier touches no memory.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) }
}

/// Bytes of the smallest data cache line: field 19:16 of the cache type register, as a power of two of words.
fn smallest_line_bytes() -> usize {
    let kind: usize;
    // SAFETY: the register can be read at every level that software of this crate runs at; reading it has no effect.
    unsafe { asm!("mrs {kind}, ctr_el0", kind = out(reg) kind, options(nomem, nostack, preserves_flags, pure)) }
    4usize << (kind >> 16 & 0xF)
}

pub(crate) fn prefetch(addr: *const u8) {
    // SAFETY: the instruction reads nothing the program can see and does not fault, whatever the address.
    unsafe { asm!("prfm pldl1keep, [{}]", in(reg) addr, options(nostack, preserves_flags, readonly)) }
}

/// The generic timer.
pub(crate) const HAS_COUNTER: bool = true;

/// The virtual count. Nothing that comes later in the program is done before it is read.
pub(crate) fn ticks() -> u64 {
    let count: u64;
    // SAFETY: the count can be read at every level that software of this crate runs at; reading it has no effect.
    unsafe { asm!("isb", "mrs {count}, cntvct_el0", count = out(reg) count, options(nostack, preserves_flags)) }
    count
}

/// The frequency that boot firmware left in the timer's register.
pub(crate) fn ticks_hz() -> Option<NonZeroU64> {
    let hz: u64;
    // SAFETY: as for the count.
    unsafe { asm!("mrs {hz}, cntfrq_el0", hz = out(reg) hz, options(nomem, nostack, preserves_flags, pure)) }
    NonZeroU64::new(hz & 0xFFFF_FFFF)
}
