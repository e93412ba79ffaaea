//! Memory order towards the device.
#![expect(unsafe_code, reason = "cache lines are flushed by an instruction")]

use barexe_hal::DmaBuffer;
use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

/// Bytes of a cache line on every processor these GPUs come with.
const LINE_BYTES: usize = 64;

/// Writes the lines of `range` back and drops them, so that the device sees what was stored and the next load sees
/// what the device stored. Right for accesses that snoop and for those that do not.
pub(super) fn flush(buffer: &DmaBuffer, range: Range<usize>) {
    // Ordering: the stores before, and the device's answer that made the caller look, come before the flush; partner
    // is the device.
    fence(Ordering::SeqCst);
    let end = range.end.min(buffer.len_bytes());
    for offset in (range.start & !(LINE_BYTES - 1)..end).step_by(LINE_BYTES) {
        let line = buffer.cpu_ptr().as_ptr().wrapping_add(offset);
        // SAFETY: the line lies in the buffer, which is mapped as long as it lives (`from_raw_parts`); flushing a line
        // changes no value that this program sees.
        unsafe { asm!("clflush [{line}]", line = in(reg) line, options(nostack, preserves_flags)) }
    }
    // Ordering: the flush is over before the next register write tells the device, and before the next load; partner
    // is the device.
    fence(Ordering::SeqCst);
}
