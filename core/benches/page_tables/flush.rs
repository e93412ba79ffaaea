//! Memory that the device does not snoop: stores, one flush pass, one fence.
#![expect(unsafe_code, reason = "instructions that flush caches")]

use super::bind::{Bind, Shape};
use super::{Case, limits};
use core::time::Duration;
use std::time::Instant;

const LINE: usize = 64;

/// Flushes the cache lines of a range.
#[inline]
pub(crate) fn flush(start: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(LINE) {
        let line = start.wrapping_add(offset);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: flushing a line changes no memory; the address lies in the range.
        unsafe {
            core::arch::asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// Waits until what was flushed has arrived.
#[inline]
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a fence changes nothing; SSE is part of the architecture.
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
}

/// As many tables as [`bind::pages`](super::bind::pages), flushed.
struct Flushed {
    bind: Bind,
}

pub(crate) fn pages() -> Box<dyn Case> {
    Box::new(Flushed { bind: Bind::new(Shape::PAGES, true) })
}

impl Case for Flushed {
    fn limit(&mut self) -> Duration {
        let (base, words) = self.bind.free_tables();
        let begin = Instant::now();
        limits::store_steps::<4096>(base, words, 3);
        flush(base.cast(), words * 8);
        fence();
        begin.elapsed()
    }

    fn ours(&mut self) -> Duration {
        self.bind.ours()
    }
}
