//! Hints to the processor's caches.
#![expect(unsafe_code, reason = "a prefetch instruction is not in the language")]

/// Bytes of a cache line, on the processors this driver meets.
const LINE_BYTES: usize = 64;

/// Asks the processor to bring a value into its cache, all lines at once, without waiting.
///
/// It changes nothing but time, so every implementation is right; processors without one here take no hint.
#[inline]
pub fn prefetch<T>(value: &T) {
    let first = core::ptr::from_ref(value).cast::<u8>();
    for offset in (0..size_of::<T>()).step_by(LINE_BYTES) {
        line(first.wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn line(addr: *const u8) {
    // SAFETY: the instruction reads nothing the program can see and does not fault, whatever the address.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) addr, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn line(addr: *const u8) {
    // SAFETY: the instruction reads nothing the program can see and does not fault, whatever the address.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) addr, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn line(_addr: *const u8) {}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hint_leaves_the_value_as_it_is() {
        let value = [7u64; 100];
        super::prefetch(&value);
        super::prefetch(&());
        assert_eq!(value, [7; 100]);
    }
}
