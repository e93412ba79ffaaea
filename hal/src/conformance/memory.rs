//! Rules of DMA memory, as far as the CPU can see them.

use super::{Broken, Trial, code};
use crate::{BusAddr, DmaBuffer, DmaCaching, DmaOwner, DmaRequest, Hal, HalErrorKind, OutOfBounds};

const PAGE: u64 = 4096;
/// Buffers alive at once in the rule about disjointness.
const TOGETHER: usize = 4;

impl<H: Hal> Trial<'_, H> {
    const fn request(&self, len_bytes: u64, align_bytes: u64) -> DmaRequest {
        DmaRequest {
            len_bytes,
            align_bytes,
            last_addr: self.setup.last_addr,
            caching: DmaCaching::WriteBack,
            owner: DmaOwner::Driver,
        }
    }

    /// Runs `work` on a new buffer and frees it whatever comes out.
    fn with_buffer(
        &mut self,
        request: DmaRequest,
        work: impl FnOnce(&mut Self, &DmaBuffer) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let buffer = self.hal.alloc(request).map_err(|error| ("a good request was refused", code(error)))?;
        let result = work(self, &buffer);
        self.hal.free(buffer);
        result
    }
}

const fn outside(error: OutOfBounds) -> Broken {
    ("the buffer is shorter than asked", u64_of(error.len_bytes))
}

const fn u64_of(value: usize) -> u64 {
    // Lossless on every target this crate builds for.
    value as u64
}

/// Calls `each` with every word's byte offset and its number.
fn words(buffer: &DmaBuffer, mut each: impl FnMut(usize, u64) -> Result<(), Broken>) -> Result<(), Broken> {
    (0..buffer.len_bytes()).step_by(8).zip(0..).try_for_each(|(offset, number)| each(offset, number))
}

pub(super) fn the_largest_block_is_a_constant_power_of_two<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let max = s.hal.max_block_bytes();
    s.check(max.is_power_of_two() && max >= crate::MIN_BLOCK_BYTES, "largest block in bytes", max)?;
    for _ in 0..3 {
        let again = s.hal.max_block_bytes();
        s.check(again == max, "largest block changed", again)?;
    }
    match s.hal.alloc(s.request(max, PAGE)) {
        Ok(buffer) => s.hal.free(buffer),
        Err(error) => s.check(error.kind() == HalErrorKind::NoMemory, "the largest block was refused", code(error))?,
    }
    match s.hal.alloc(s.request(max.saturating_mul(2), PAGE)) {
        Ok(buffer) => {
            s.hal.free(buffer);
            s.check(false, "a block larger than the largest was given", max)
        }
        Err(_) => s.check(true, "", 0),
    }
}

pub(super) fn bad_requests_are_refused<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let shapes = [(0, PAGE), (100, PAGE), (PAGE + 8, PAGE), (PAGE, 0), (PAGE, 3 * PAGE), (PAGE, PAGE / 2)];
    for (len, align) in shapes {
        refused(s, s.request(len, align), "a request that can never be met was granted")?;
    }
    // Nothing of 8 KiB lies wholly at or below the last byte of the first page.
    let last_addr = BusAddr::new(PAGE - 1).unwrap_or(BusAddr::ZERO);
    refused(s, DmaRequest { last_addr, ..s.request(2 * PAGE, PAGE) }, "a buffer above the highest address was given")
}

fn refused<H: Hal>(s: &mut Trial<'_, H>, request: DmaRequest, detail: &'static str) -> Result<(), Broken> {
    match s.hal.alloc(request) {
        Ok(buffer) => {
            s.hal.free(buffer);
            s.check(false, detail, request.len_bytes)
        }
        Err(error) => {
            let fits = matches!(error.kind(), HalErrorKind::BadRequest | HalErrorKind::NoMemory);
            s.check(fits, "a bad request was refused for another cause", code(error))
        }
    }
}

pub(super) fn buffers_are_aligned_and_in_range<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let max = s.hal.max_block_bytes();
    for (len, align) in [(PAGE, PAGE), (PAGE, 4 * PAGE), (3 * PAGE, PAGE), (16 * PAGE, 16 * PAGE)] {
        let request = s.request(len.min(max), align.min(max));
        s.with_buffer(request, |s, buffer| {
            let bus = buffer.bus();
            s.check(bus.is_aligned(request.align_bytes), "bus address is not aligned", bus.get())?;
            s.check(u64_of(buffer.len_bytes()) == request.len_bytes, "another length", u64_of(buffer.len_bytes()))?;
            let last = bus.checked_add(request.len_bytes.saturating_sub(1));
            s.check(last.is_some_and(|last| last <= request.last_addr), "beyond the highest address", bus.get())
        })?;
    }
    Ok(())
}

fn all_zero<H: Hal>(s: &mut Trial<'_, H>, buffer: &DmaBuffer) -> Result<(), Broken> {
    words(buffer, |offset, _| {
        let word = buffer.read_u64(offset).map_err(outside)?;
        s.check(word == 0, "a new buffer is not zero at byte", u64_of(offset))
    })
}

pub(super) fn buffers_read_as_zero<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let len = s.hal.max_block_bytes().min(16 * PAGE);
    for owner in [DmaOwner::Driver, DmaOwner::Client] {
        for caching in [DmaCaching::WriteBack, DmaCaching::WriteCombining] {
            s.with_buffer(DmaRequest { owner, caching, ..s.request(len, PAGE) }, all_zero)?;
        }
    }
    Ok(())
}

/// A word that no other word of a buffer has, in either half.
const fn pattern(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5A5A_0F0F_C3C3_9696
}

pub(super) fn live_buffers_are_disjoint<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let mut buffers: [Option<DmaBuffer>; TOGETHER] = [const { None }; TOGETHER];
    for slot in &mut buffers {
        *slot = s.hal.alloc(s.request(PAGE, PAGE)).ok();
    }
    let result = disjoint(s, &buffers);
    for buffer in buffers.into_iter().flatten() {
        s.hal.free(buffer);
    }
    result
}

fn disjoint<H: Hal>(s: &mut Trial<'_, H>, buffers: &[Option<DmaBuffer>]) -> Result<(), Broken> {
    let live = || buffers.iter().flatten().zip(1u64..);
    s.check(live().count() == TOGETHER, "four pages cannot be had at once", u64_of(live().count()))?;
    for (buffer, number) in live() {
        buffer.fill_steps(0, number, 0, buffer.len_bytes() / 8).map_err(outside)?;
        for (other, _) in live().filter(|(_, other)| *other < number) {
            let apart = buffer.bus().get().abs_diff(other.bus().get()) >= PAGE;
            s.check(apart, "two live buffers share bus addresses", buffer.bus().get())?;
        }
    }
    for (buffer, number) in live() {
        words(buffer, |offset, _| {
            let word = buffer.read_u64(offset).map_err(outside)?;
            s.check(word == number, "two live buffers share memory at byte", u64_of(offset))
        })?;
    }
    Ok(())
}

pub(super) fn memory_reads_as_zero_again_after_reuse<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    for _ in 0..8 {
        s.with_buffer(s.request(PAGE, PAGE), |s, buffer| {
            all_zero(s, buffer)?;
            buffer.fill_steps(0, u64::MAX, 0, buffer.len_bytes() / 8).map_err(outside)
        })?;
    }
    Ok(())
}

pub(super) fn publish_and_observe_keep_what_the_cpu_wrote<H: Hal>(s: &mut Trial<'_, H>) -> Result<(), Broken> {
    let len = s.hal.max_block_bytes().min(4 * PAGE);
    s.with_buffer(s.request(len, PAGE), |s, buffer| {
        words(buffer, |offset, n| buffer.write_u64(offset, pattern(n)).map_err(outside))?;
        // Nothing at all, odd edges, a cache line's edges, everything.
        for range in [7..7, 3..5, 60..68, 64..128, 4095..4096, 0..buffer.len_bytes()] {
            s.hal.publish(buffer, range.clone());
            s.hal.observe(buffer, range);
            words(buffer, |offset, n| {
                let word = read_in_halves(buffer, offset)?;
                s.check(word == pattern(n), "memory changed at byte", u64_of(offset))
            })?;
        }
        Ok(())
    })
}

fn read_in_halves(buffer: &DmaBuffer, offset: usize) -> Result<u64, Broken> {
    let low = buffer.read_u32(offset).map_err(outside)?;
    let high = buffer.read_u32(offset.saturating_add(4)).map_err(outside)?;
    Ok(u64::from(high) << 32 | u64::from(low))
}
