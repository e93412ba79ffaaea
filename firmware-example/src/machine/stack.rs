//! How deep the stack went: the entry paints it, and what lost its paint was used.
#![expect(unsafe_code, reason = "looks at the stack from below")]

use core::ops::Range;

/// What the entry paints: dwords no code would store there by chance.
pub const PAINT: u32 = 0xB0A7_C0A7;

/// Bytes of the painted range that were used, counted from its upper end.
///
/// # Safety
/// The range is a stack, aligned to 4, that was painted before its first use.
#[must_use]
pub unsafe fn used_bytes(stack: Range<usize>) -> usize {
    let is_painted = |at: &usize| {
        let dword: *const u32 = core::ptr::with_exposed_provenance(*at);
        // SAFETY: the caller's promise; a volatile load, because frames come and go there.
        unsafe { dword.read_volatile() == PAINT }
    };
    let painted = stack.clone().step_by(4).take_while(is_painted).count();
    stack.len().saturating_sub(painted.saturating_mul(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_dword_without_paint_counts() {
        for (lowest, used) in [(64, 0), (60, 16), (10, 216), (0, 256)] {
            let mut stack = [PAINT; 65];
            stack[lowest] = 1;
            let base = stack.as_mut_ptr().expose_provenance();
            // SAFETY: the array is aligned, painted, and longer than what is named.
            assert_eq!(unsafe { used_bytes(base..base + 256) }, used, "{lowest}");
        }
    }
}
