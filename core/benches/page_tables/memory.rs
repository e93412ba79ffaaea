//! Plain memory as page-table memory: one region, blocks one after another.
#![expect(unsafe_code, reason = "DMA buffers and store loops over memory of this program")]

use barexe_hal::{BusAddr, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind};
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
use std::alloc::alloc_zeroed;

/// The memory; never given back, benchmarks end with the program.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u64>,
    bytes: usize,
    used: usize,
    /// Published ranges are flushed from the caches, and a fence follows.
    flushed: bool,
}

impl Memory {
    /// `bytes` of memory that the device snoops, or that must be flushed.
    pub(crate) fn new(bytes: usize, flushed: bool) -> Self {
        let layout = Layout::from_size_align(bytes, 2 << 20).unwrap();
        // SAFETY: the layout is not empty.
        let base = unsafe { alloc_zeroed(layout) };
        Self { base: NonNull::new(base.cast()).unwrap(), bytes, used: 0, flushed }
    }

    /// The first word.
    pub(crate) const fn base(&self) -> *mut u64 {
        self.base.as_ptr()
    }
}

impl DmaMemory for Memory {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        let (at, len) = (self.used, request.len_bytes as usize);
        if at + len > self.bytes {
            return Err(HalErrorKind::NoMemory.into());
        }
        self.used += len;
        let cpu = NonNull::new(self.base.as_ptr().wrapping_add(at / 8)).unwrap();
        let bus = BusAddr::new(0x10_0000_0000 + at as u64).unwrap();
        // SAFETY: the range lies in the region, which lives as long as the program, and is handed out once; the loops
        // of the limits reach it while no buffer is used.
        Ok(unsafe { DmaBuffer::from_raw_parts(cpu, len, bus) })
    }

    fn free(&mut self, buffer: DmaBuffer) {
        let _ = buffer.into_raw_parts();
    }

    fn max_block_bytes(&self) -> u64 {
        1 << 20
    }

    #[inline]
    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.flushed {
            let start = buffer.cpu_ptr().as_ptr().wrapping_add(range.start);
            super::flush::flush(start, range.len());
            super::flush::fence();
        } else {
            core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        }
    }

    fn observe(&mut self, _: &DmaBuffer, _: Range<usize>) {}
}
