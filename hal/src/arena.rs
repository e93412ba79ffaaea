//! DMA memory from an array of pages, for programs without a system to ask for it.
//!
//! The pages are given away for good when the arena is made, so no reference to them is left and the device may write
//! them at any time. A bit for each page says whether it is in use.
#![expect(unsafe_code, reason = "makes device-shared buffers from pages it owns")]

use crate::num::u64_of;
use crate::{BusAddr, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind, MIN_BLOCK_BYTES, UserPages, arch};
use core::ops::Range;
use core::ptr::NonNull;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// The same as a length on the bus.
const PAGE: u64 = u64_of(PAGE_BYTES);

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

/// Pages that lie one behind the other, given out in runs; a [`DmaMemory`] without client memory.
///
/// `WORDS` is the length of the map of used pages: 64 pages each. Runs are given out from the lowest page on, zeroed, at
/// most [`MIN_BLOCK_BYTES`] long: what the driver needs in one piece is shorter, and larger objects are built from several.
///
/// All memory is write-back, whatever is asked for: [`publish`](DmaMemory::publish) and [`observe`](DmaMemory::observe)
/// flush. Where the device does not snoop, clients that map write-combining memory need an allocator of the embedder's.
///
/// ```
/// use barexe_hal::arena::{Arena, Page};
/// use barexe_hal::{BusAddr, DmaCaching, DmaMemory, DmaOwner, DmaRequest};
///
/// let pages = Box::leak(Box::new([Page::ZERO; 128]));
/// // Firmware: memory is mapped at its physical address, and that is what the device puts on the bus.
/// let bus = BusAddr::new(pages.as_ptr().addr() as u64).unwrap();
/// let mut arena = Arena::<2>::new(pages, bus);
/// let buffer = arena.alloc(DmaRequest {
///     len_bytes: 0x4000,
///     align_bytes: 0x1000,
///     last_addr: BusAddr::new((1 << 48) - 1).unwrap(),
///     caching: DmaCaching::WriteBack,
///     owner: DmaOwner::Driver,
/// })?;
/// assert_eq!((buffer.len_bytes(), arena.taken()), (0x4000, 4));
/// arena.free(buffer);
/// # Ok::<(), barexe_hal::HalError>(())
/// ```
#[derive(Debug)]
pub struct Arena<const WORDS: usize> {
    first: NonNull<u64>,
    pages: u64,
    bus: BusAddr,
    taken: [u64; WORDS],
}

// SAFETY: the arena owns its pages (see `new`) and may be moved to another thread with them.
unsafe impl<const WORDS: usize> Send for Arena<WORDS> {}

impl<const WORDS: usize> Arena<WORDS> {
    /// Pages it can keep account of.
    pub const PAGES: usize = WORDS.saturating_mul(64);

    /// An arena over `pages`, the first of which the device sees at `bus`. Pages beyond [`PAGES`](Self::PAGES) are lost.
    #[must_use]
    pub const fn new(pages: &'static mut [Page], bus: BusAddr) -> Self {
        let count = pages.len();
        let Some(first) = NonNull::new(pages.as_mut_ptr()) else {
            return Self { first: NonNull::dangling(), pages: 0, bus, taken: [0; WORDS] };
        };
        // SAFETY: a slice that lives for good and is borrowed for change is given away here.
        unsafe { Self::from_raw(first, count, bus) }
    }

    /// An arena over `count` pages from `first` on, the first of which the device sees at `bus`. Pages beyond
    /// [`PAGES`](Self::PAGES) are left alone.
    ///
    /// # Safety
    /// As long as the arena and its buffers live, the pages are mapped for reading and writing, are reached by the CPU
    /// through nothing else, and by the device from `bus` on.
    #[must_use]
    pub const unsafe fn from_raw(first: NonNull<Page>, count: usize, bus: BusAddr) -> Self {
        let count = if count < Self::PAGES { count } else { Self::PAGES };
        Self { first: first.cast(), pages: u64_of(count), bus, taken: [0; WORDS] }
    }

    /// Pages in use.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.iter().fold(0, |sum: usize, word| {
            // Lossless.
            sum.saturating_add(word.count_ones() as usize)
        })
    }

    /// First page of a run that is free, aligned, and within the device's reach.
    fn find(&self, pages: u64, request: &DmaRequest) -> Option<u64> {
        let align = request.align_bytes / PAGE;
        let lead = self.bus.get().wrapping_neg() & request.align_bytes.wrapping_sub(1);
        if !lead.is_multiple_of(PAGE) {
            return None;
        }
        let mut start = lead / PAGE;
        loop {
            let end = start.checked_add(pages).filter(|end| *end <= self.pages)?;
            let last = self.bus.checked_add(end.checked_mul(PAGE)?.checked_sub(1)?)?;
            if last > request.last_addr {
                return None;
            }
            match (start..end).rev().find(|page| self.is_taken(*page)) {
                None => return Some(start),
                // The next aligned page behind it; alignments are powers of two.
                Some(page) => {
                    let behind = page.wrapping_add(1).wrapping_sub(start);
                    let step = behind.checked_add(align.wrapping_sub(1))? & !align.wrapping_sub(1);
                    start = start.checked_add(step)?;
                }
            }
        }
    }

    fn is_taken(&self, page: u64) -> bool {
        let word = usize::try_from(page >> 6).ok().and_then(|word| self.taken.get(word));
        // What is outside is never free.
        word.is_none_or(|word| word >> (page & 63) & 1 != 0)
    }

    fn mark(&mut self, pages: Range<u64>, taken: bool) {
        for page in pages {
            let word = usize::try_from(page >> 6).ok().and_then(|word| self.taken.get_mut(word));
            if let Some(word) = word {
                let bit = 1 << (page & 63);
                *word = if taken { *word | bit } else { *word & !bit };
            }
        }
    }

    /// Offset of a buffer in bytes, and its length, if it is one of this arena.
    fn place_of(&self, buffer: &DmaBuffer) -> Option<Range<u64>> {
        let offset = u64_of(buffer.cpu_ptr().addr().get().checked_sub(self.first.addr().get())?);
        let end = offset.checked_add(u64_of(buffer.len_bytes()))?;
        (end <= self.pages.saturating_mul(PAGE)).then_some(offset / PAGE..end / PAGE)
    }
}

/// Length in pages of a request that can be met.
const fn pages_of(request: &DmaRequest) -> Result<u64, HalErrorKind> {
    let DmaRequest { len_bytes, align_bytes, .. } = *request;
    let whole = len_bytes != 0 && len_bytes.is_multiple_of(PAGE) && len_bytes <= MIN_BLOCK_BYTES;
    if whole && align_bytes.is_power_of_two() && align_bytes >= PAGE {
        Ok(len_bytes / PAGE)
    } else {
        Err(HalErrorKind::BadRequest)
    }
}

impl<const WORDS: usize> DmaMemory for Arena<WORDS> {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        let pages = pages_of(&request)?;
        let start = self.find(pages, &request).ok_or(HalErrorKind::NoMemory)?;
        let (offset, len_bytes) = (start.saturating_mul(PAGE), pages.saturating_mul(PAGE));
        let bus = self.bus.checked_add(offset).ok_or(HalErrorKind::NoMemory)?;
        let offset = usize::try_from(offset).map_err(|_| HalErrorKind::NoMemory)?;
        let len_bytes = usize::try_from(len_bytes).map_err(|_| HalErrorKind::NoMemory)?;
        let at = self.first.as_ptr().cast::<u8>().wrapping_add(offset).cast();
        let cpu = NonNull::new(at).ok_or(HalErrorKind::NoMemory)?;
        self.mark(start..start.saturating_add(pages), true);
        // SAFETY: `find` found the run inside the pages, which `new` or `from_raw` took over and in which `mark` gives
        // each page to one buffer at a time; pages are aligned and a multiple of 8 bytes long.
        let buffer = unsafe { DmaBuffer::from_raw_parts(cpu, len_bytes, bus) };
        // In bounds by construction.
        let _zeroed = buffer.fill_steps(0, 0, 0, len_bytes / 8);
        // Zeros in a cache are not zeros for a device that does not snoop.
        arch::flush(&buffer, 0..len_bytes);
        Ok(buffer)
    }

    /// A buffer of somebody else is lost.
    fn free(&mut self, buffer: DmaBuffer) {
        if let Some(pages) = self.place_of(&buffer) {
            self.mark(pages, false);
        }
        let _parts = buffer.into_raw_parts();
    }

    fn max_block_bytes(&self) -> u64 {
        MIN_BLOCK_BYTES
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        arch::flush(buffer, range);
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        arch::flush(buffer, range);
    }
}

impl<const WORDS: usize> UserPages for Arena<WORDS> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DmaCaching, DmaOwner};
    use std::boxed::Box;
    use std::vec::Vec;

    fn arena() -> Arena<1> {
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
    fn a_hole_is_found_again_and_used_only_where_the_run_fits() {
        let mut arena = arena();
        let buffers: Vec<_> = [2, 1, 3].into_iter().map(|pages| arena.alloc(request(pages)).unwrap()).collect();
        let [first, second, third] = <[DmaBuffer; 3]>::try_from(buffers).unwrap();
        arena.free(first);
        let behind = arena.alloc(request(2)).unwrap();
        assert_eq!(behind.bus().get(), 0x10_1000);
        arena.free(second);
        let long = arena.alloc(request(2)).unwrap();
        assert_eq!(long.bus().get(), 0x10_7000, "one free page is no place for two");
        for buffer in [third, behind, long] {
            arena.free(buffer);
        }
        assert_eq!(arena.taken(), 0);
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
        let next = arena.alloc(DmaRequest { align_bytes: 2 * PAGE, ..request(1) }).unwrap();
        assert_eq!(next.bus().get(), 0x10_2000);
        let none = arena.alloc(DmaRequest { align_bytes: 1 << 40, ..request(1) });
        assert_eq!(none.unwrap_err().kind(), HalErrorKind::NoMemory);
        arena.free(buffer);
        arena.free(next);
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

    #[test]
    fn pages_without_account_are_not_given_out() {
        let mut arena = Arena::<1>::new(Box::leak(Box::new([Page::ZERO; 65])), BusAddr::ZERO);
        let buffer = arena.alloc(request(64)).unwrap();
        assert_eq!(arena.alloc(request(1)).unwrap_err().kind(), HalErrorKind::NoMemory);
        arena.free(buffer);
        assert_eq!(arena.taken(), 0);
    }

    #[test]
    fn a_buffer_of_another_arena_frees_nothing_here() {
        let (mut one, mut other) = (arena(), arena());
        let (mine, foreign) = (one.alloc(request(8)).unwrap(), other.alloc(request(8)).unwrap());
        one.free(foreign);
        assert_eq!((one.taken(), other.taken()), (8, 8));
        one.free(mine);
        assert_eq!(one.taken(), 0);
    }
}
