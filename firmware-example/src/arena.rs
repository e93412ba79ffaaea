//! DMA memory from an array of pages.
//!
//! The pages are given away for good when the arena is made, so no reference to them is left and the device may write
//! them at any time. The bus address of a page is its place in the array counted from the address of the first.
#![expect(unsafe_code, reason = "makes device-shared buffers from pages it owns")]

use barexe_core::num::{u64_of, usize_capped};
use barexe_hal::{BusAddr, DmaBuffer, DmaRequest, HalError, HalErrorKind};
use core::ptr::NonNull;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;

/// One page of memory.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub struct Page([u64; PAGE_BYTES / 8]);

impl Page {
    /// A page of zeros.
    pub const ZERO: Self = Self([0; PAGE_BYTES / 8]);
}

impl core::fmt::Debug for Page {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Page")
    }
}

/// `N` pages, given out in runs.
#[derive(Debug)]
pub struct Arena<const N: usize> {
    first: NonNull<u64>,
    bus: BusAddr,
    taken: [bool; N],
}

// SAFETY: the arena owns its pages (see `new`) and may be moved to another thread with them.
unsafe impl<const N: usize> Send for Arena<N> {}

impl<const N: usize> Arena<N> {
    /// Longest run that is given out, in pages. The driver needs its contexts in one piece; the longest is a render
    /// context with its ring, well below this.
    pub const MAX_RUN: usize = 64;

    /// An arena over `pages`, the first of which the device sees at `bus`.
    #[must_use]
    pub fn new(pages: &'static mut [Page; N], bus: BusAddr) -> Self {
        Self { first: NonNull::from(pages).cast(), bus, taken: [false; N] }
    }

    /// Pages in use.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.iter().filter(|taken| **taken).count()
    }

    /// Longest buffer in bytes, see [`max_block_bytes`](barexe_hal::DmaMemory::max_block_bytes).
    #[must_use]
    pub const fn max_block_bytes(&self) -> u64 {
        u64_of(Self::MAX_RUN * PAGE_BYTES)
    }

    /// A zeroed buffer, see [`alloc`](barexe_hal::DmaMemory::alloc). Its caching mode is always write-back.
    ///
    /// # Errors
    /// [`HalErrorKind::BadRequest`], [`HalErrorKind::NoMemory`].
    pub fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        let pages = self.check(&request)?;
        let start = (0..N).find(|start| self.fits(*start, pages, &request)).ok_or(HalErrorKind::NoMemory)?;
        self.mark(start, pages, true);
        let bus = self.bus_of(start).ok_or(HalErrorKind::BadRequest)?;
        let at = self.first.as_ptr().wrapping_add(start.wrapping_mul(PAGE_BYTES / 8));
        let cpu = NonNull::new(at).ok_or(HalErrorKind::BadRequest)?;
        let len_bytes = pages.wrapping_mul(PAGE_BYTES);
        // SAFETY: `fits` found the run inside the array, which `new` took over for good and in which `mark` gives each
        // page to one buffer at a time; pages are aligned and a multiple of 8 bytes long.
        let buffer = unsafe { DmaBuffer::from_raw_parts(cpu, len_bytes, bus) };
        // In bounds by construction.
        let _zeroed = buffer.fill_steps(0, 0, 0, len_bytes / 8);
        Ok(buffer)
    }

    /// Takes a buffer back.
    pub fn free(&mut self, buffer: DmaBuffer) {
        let (_, len_bytes, bus) = buffer.into_raw_parts();
        if let Some(offset) = bus.checked_sub(self.bus) {
            self.mark(usize_capped(offset) / PAGE_BYTES, len_bytes / PAGE_BYTES, false);
        }
    }

    /// Length in pages of a request that can be met.
    const fn check(&self, request: &DmaRequest) -> Result<usize, HalErrorKind> {
        let DmaRequest { len_bytes, align_bytes, .. } = *request;
        let page = u64_of(PAGE_BYTES);
        let whole = len_bytes != 0 && len_bytes.is_multiple_of(page) && len_bytes <= self.max_block_bytes();
        if whole && align_bytes.is_power_of_two() && align_bytes >= page {
            Ok(usize_capped(len_bytes) / PAGE_BYTES)
        } else {
            Err(HalErrorKind::BadRequest)
        }
    }

    fn bus_of(&self, page: usize) -> Option<BusAddr> {
        self.bus.checked_add(u64_of(page.checked_mul(PAGE_BYTES)?))
    }

    /// Whether the run from `start` on is free, aligned, and within the device's reach.
    fn fits(&self, start: usize, pages: usize, request: &DmaRequest) -> bool {
        let end = start.saturating_add(pages);
        let free = self.taken.get(start..end).is_some_and(|run| run.iter().all(|taken| !taken));
        let last = self.bus_of(end).is_some_and(|end| end.get() <= request.last_addr.get().saturating_add(1));
        free && last && self.bus_of(start).is_some_and(|bus| bus.is_aligned(request.align_bytes))
    }

    fn mark(&mut self, start: usize, pages: usize, taken: bool) {
        for page in self.taken.iter_mut().skip(start).take(pages) {
            *page = taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barexe_hal::{DmaCaching, DmaOwner};
    use std::boxed::Box;
    use std::vec::Vec;

    const PAGE: u64 = 4096;

    fn arena() -> Arena<8> {
        Arena::new(Box::leak(Box::new([Page::ZERO; 8])), BusAddr::new(0x10_1000).unwrap())
    }

    fn request(pages: u64) -> DmaRequest {
        DmaRequest {
            len_bytes: pages.checked_mul(PAGE).unwrap(),
            align_bytes: PAGE,
            last_addr: BusAddr::new((1 << 39) - 1).unwrap(),
            caching: DmaCaching::WriteBack,
            owner: DmaOwner::Driver,
        }
    }

    #[test]
    fn runs_are_given_out_to_the_last_page_and_no_further() {
        let mut arena = arena();
        let buffers: Vec<_> = [3, 4, 1].into_iter().map(|pages| arena.alloc(request(pages)).unwrap()).collect();
        assert_eq!(arena.alloc(request(1)).unwrap_err().kind(), HalErrorKind::NoMemory);
        for buffer in buffers {
            arena.free(buffer);
        }
        assert_eq!(arena.taken(), 0);
        let all = arena.alloc(request(8)).unwrap();
        assert_eq!((all.bus().get(), all.len_bytes()), (0x10_1000, 8 * 4096));
        arena.free(all);
    }

    #[test]
    fn a_reused_page_reads_as_zero() {
        let mut arena = arena();
        let first = arena.alloc(request(1)).unwrap();
        first.write_u64(8, 7).unwrap();
        arena.free(first);
        let again = arena.alloc(request(1)).unwrap();
        assert_eq!((again.bus().get(), again.read_u64(8)), (0x10_1000, Ok(0)));
        arena.free(again);
    }

    #[test]
    fn alignment_is_that_of_the_bus_address() {
        let mut arena = arena();
        let buffer = arena.alloc(DmaRequest { align_bytes: 4 * PAGE, ..request(2) }).unwrap();
        assert_eq!(buffer.bus().get(), 0x10_4000);
        arena.free(buffer);
    }

    #[test]
    fn nothing_is_given_beyond_the_address_the_device_reaches() {
        let mut arena = arena();
        let below = |last: u64| DmaRequest { last_addr: BusAddr::new(last).unwrap(), ..request(2) };
        assert_eq!(arena.alloc(below(0x10_2FFE)).unwrap_err().kind(), HalErrorKind::NoMemory);
        let buffer = arena.alloc(below(0x10_2FFF)).unwrap();
        arena.free(buffer);
    }

    #[test]
    fn requests_that_can_never_be_met_are_refused() {
        let mut arena = arena();
        let bad = [
            DmaRequest { len_bytes: 0, ..request(1) },
            DmaRequest { len_bytes: 100, ..request(1) },
            DmaRequest { align_bytes: 0, ..request(1) },
            DmaRequest { align_bytes: 3 * PAGE, ..request(1) },
            DmaRequest { align_bytes: 8, ..request(1) },
            request(65),
        ];
        for request in bad {
            assert_eq!(arena.alloc(request).unwrap_err().kind(), HalErrorKind::BadRequest, "{request:?}");
        }
        assert_eq!(arena.taken(), 0);
    }
}
