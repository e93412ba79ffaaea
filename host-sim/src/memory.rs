//! Memory that CPU and device share, and the two ways to be wrong about it.
//!
//! In [`Coherence::Strict`] a buffer of the driver has two copies, one per side, and only `publish` and `observe` move bytes
//! between them: a forgotten one shows. A client's buffer has one copy always.
#![expect(unsafe_code, reason = "buffers are handed to the driver as raw mappings")]

use crate::bus::BusError;
use crate::snapshot::BufferState;
use barexe_hal::{BusAddr, DmaBuffer, DmaOwner, DmaRequest, HalError, HalErrorKind};
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc};
use std::collections::BTreeMap;

/// How the two sides see a driver's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coherence {
    /// Both sides share the bytes.
    Coherent,
    /// Each side has its own bytes until the driver publishes or observes.
    Strict,
}

/// Lowest bus address given out: nothing lies at 0, and 32-bit cuts of an address show.
const FIRST_ADDR: u64 = 0x1_0000_0000;
const PAGE: u64 = 4096;

/// One live buffer.
#[derive(Debug)]
struct Block {
    cpu: NonNull<u64>,
    layout: Layout,
    /// The device's own bytes, in strict mode.
    device: Option<Vec<u8>>,
}

// SAFETY: a block is plain memory; it is reached only under the simulation's lock, or by the driver's own volatile accesses.
unsafe impl Send for Block {}

impl Block {
    const fn len(&self) -> usize {
        self.layout.size()
    }

    fn cpu_read(&self, at: usize, into: &mut [u8]) {
        for (offset, byte) in (at..self.len()).zip(into) {
            // SAFETY: `offset` is below the block's length; the block is live as long as it is in the table.
            *byte = unsafe { self.cpu.as_ptr().cast::<u8>().wrapping_add(offset).read_volatile() };
        }
    }

    fn cpu_write(&self, at: usize, from: &[u8]) {
        for (offset, byte) in (at..self.len()).zip(from) {
            // SAFETY: as in `cpu_read`.
            unsafe { self.cpu.as_ptr().cast::<u8>().wrapping_add(offset).write_volatile(*byte) };
        }
    }

    fn cpu_hash(&self) -> u64 {
        // SAFETY: as in `cpu_read`; a block is a whole number of words.
        let word = |index: usize| unsafe { self.cpu.as_ptr().wrapping_add(index).read_volatile() };
        (0..self.len() / 8).fold(0, |hash, index| mixed(hash, word(index)))
    }

    fn device_hash(&self) -> u64 {
        let Some(bytes) = &self.device else { return self.cpu_hash() };
        bytes.as_chunks().0.iter().fold(0, |hash, word| mixed(hash, u64::from_le_bytes(*word)))
    }

    fn device_read(&self, at: usize, into: &mut [u8]) {
        match &self.device {
            None => self.cpu_read(at, into),
            Some(bytes) => {
                let from = bytes.get(at..at + into.len()).unwrap_or_default();
                into.get_mut(..from.len()).unwrap_or_default().copy_from_slice(from);
            }
        }
    }

    fn device_write(&mut self, at: usize, from: &[u8]) {
        match &mut self.device {
            None => self.cpu_write(at, from),
            Some(bytes) => {
                let into = bytes.get_mut(at..at + from.len()).unwrap_or_default();
                into.copy_from_slice(from.get(..into.len()).unwrap_or_default());
            }
        }
    }
}

/// All device-visible memory.
#[derive(Debug)]
pub(crate) struct Memory {
    blocks: BTreeMap<u64, Block>,
    coherence: Coherence,
    max_block_bytes: u64,
    free_bytes: u64,
    next: u64,
    /// Buffers ever given out and taken back.
    pub(crate) allocated: u64,
    pub(crate) freed: u64,
}

impl Memory {
    pub(crate) const fn new(coherence: Coherence, max_block_bytes: u64, bytes: u64) -> Self {
        Self {
            blocks: BTreeMap::new(),
            coherence,
            max_block_bytes,
            free_bytes: bytes,
            next: FIRST_ADDR,
            allocated: 0,
            freed: 0,
        }
    }

    pub(crate) const fn max_block_bytes(&self) -> u64 {
        self.max_block_bytes
    }

    /// Every live buffer, by address.
    pub(crate) fn states(&self) -> impl Iterator<Item = BufferState> {
        self.blocks.iter().map(|(addr, block)| BufferState {
            addr: *addr,
            len_bytes: block.len() as u64,
            device_hash: block.device_hash(),
            cpu_hash: block.cpu_hash(),
        })
    }

    pub(crate) fn alloc(&mut self, request: &DmaRequest) -> Result<DmaBuffer, HalError> {
        let bad = HalErrorKind::BadRequest;
        let len = request.len_bytes;
        let aligned = request.align_bytes.is_power_of_two() && request.align_bytes >= PAGE;
        if len == 0 || !len.is_multiple_of(PAGE) || !aligned || len > self.max_block_bytes {
            return Err(bad.into());
        }
        if len > self.free_bytes {
            return Err(HalErrorKind::NoMemory.into());
        }
        let addr = self.place(request).ok_or(HalErrorKind::NoMemory)?;
        let bus = BusAddr::new(addr).ok_or(bad)?;
        let size = usize::try_from(len).map_err(|_| bad)?;
        let layout = Layout::from_size_align(size, PAGE as usize).map_err(|_| bad)?;
        // SAFETY: the layout is not empty: the length was checked above.
        let raw = unsafe { alloc_zeroed(layout) };
        let cpu = NonNull::new(raw.cast::<u64>()).ok_or(HalErrorKind::NoMemory)?;
        let shared = self.coherence == Coherence::Coherent || request.owner == DmaOwner::Client;
        let device = (!shared).then(|| vec![0; size]);
        self.blocks.insert(addr, Block { cpu, layout, device });
        self.free_bytes -= len;
        self.allocated += 1;
        // SAFETY: the mapping is live until `free`, page-aligned, reached by the CPU through this buffer and through volatile
        // accesses of the simulation only.
        Ok(unsafe { DmaBuffer::from_raw_parts(cpu, size, bus) })
    }

    /// A free range: after everything given out so far, so that a stale address stays a fault, and from the start
    /// once the end is reached.
    fn place(&self, request: &DmaRequest) -> Option<u64> {
        let fits = |from: u64| {
            let addr = from.checked_next_multiple_of(request.align_bytes)?;
            let last = addr.checked_add(request.len_bytes - 1)?;
            (last <= request.last_addr.get() && last >> 52 == 0).then_some(addr)
        };
        if let Some(addr) = fits(self.next.max(self.blocks.last_key_value().map_or(0, end_of))) {
            return Some(addr);
        }
        let mut from = PAGE;
        for (start, block) in &self.blocks {
            match fits(from) {
                Some(addr) if addr + request.len_bytes <= *start => return Some(addr),
                _ => from = start + block.len() as u64,
            }
        }
        fits(from)
    }

    /// Takes a buffer back.
    pub(crate) fn free(&mut self, buffer: DmaBuffer) -> Result<(), String> {
        let (cpu, len, bus) = buffer.into_raw_parts();
        let known = self.blocks.get(&bus.get()).is_some_and(|block| block.cpu == cpu && block.len() == len);
        if !known {
            return Err(format!("buffer at {bus} of {len:#x} bytes is not one of this device's"));
        }
        if let Some(block) = self.blocks.remove(&bus.get()) {
            self.next = self.next.max(bus.get() + block.len() as u64);
            self.free_bytes += block.len() as u64;
            self.freed += 1;
            // SAFETY: allocated with this layout in `alloc`, and out of the table now; the buffer was consumed.
            unsafe { dealloc(block.cpu.as_ptr().cast(), block.layout) };
        }
        Ok(())
    }

    fn find(&self, addr: u64, len: usize) -> Option<(u64, usize)> {
        let (start, block) = self.blocks.range(..=addr).next_back()?;
        let at = usize::try_from(addr - start).ok()?;
        (at.checked_add(len)? <= block.len()).then_some((*start, at))
    }

    pub(crate) fn device_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        let (start, at) = self.find(addr, into.len()).ok_or(BusError { addr })?;
        if let Some(block) = self.blocks.get(&start) {
            block.device_read(at, into);
        }
        Ok(())
    }

    pub(crate) fn device_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        let (start, at) = self.find(addr, from.len()).ok_or(BusError { addr })?;
        if let Some(block) = self.blocks.get_mut(&start) {
            block.device_write(at, from);
        }
        Ok(())
    }

    pub(crate) fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) -> Result<(), String> {
        self.exchange(buffer, range, |block, at, bytes| {
            block.cpu_read(at, bytes);
            let copy = bytes.to_vec();
            block.device_write(at, &copy);
        })
    }

    pub(crate) fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) -> Result<(), String> {
        self.exchange(buffer, range, |block, at, bytes| {
            block.device_read(at, bytes);
            block.cpu_write(at, bytes);
        })
    }

    fn exchange(
        &mut self,
        buffer: &DmaBuffer,
        range: Range<usize>,
        copy: impl FnOnce(&mut Block, usize, &mut [u8]),
    ) -> Result<(), String> {
        let bus = buffer.bus().get();
        let block = self.blocks.get_mut(&bus).ok_or_else(|| format!("no live buffer at {bus:#x}"))?;
        if range.start > range.end || range.end > block.len() {
            return Err(format!("range {range:?} leaves the buffer at {bus:#x}"));
        }
        if block.device.is_some() {
            copy(block, range.start, &mut vec![0; range.len()]);
        }
        Ok(())
    }
}

/// One step of a hash that is for comparing two moments and must be fast.
const fn mixed(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn end_of((start, block): (&u64, &Block)) -> u64 {
    start + block.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use barexe_hal::DmaCaching;

    fn request(len_bytes: u64, owner: DmaOwner) -> DmaRequest {
        let last_addr = BusAddr::new((1 << 39) - 1).unwrap();
        DmaRequest { len_bytes, align_bytes: PAGE, last_addr, caching: DmaCaching::WriteBack, owner }
    }

    fn memory() -> Memory {
        Memory::new(Coherence::Strict, 1 << 20, 1 << 20)
    }

    #[test]
    fn a_forgotten_publish_shows_and_a_client_needs_none() {
        let mut memory = memory();
        let mut seen = [0; 4];
        let driver = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        driver.write_u32(8, 7).unwrap();
        memory.device_read(driver.bus().get() + 8, &mut seen).unwrap();
        assert_eq!(u32::from_le_bytes(seen), 0);
        memory.publish(&driver, 8..12).unwrap();
        memory.device_read(driver.bus().get() + 8, &mut seen).unwrap();
        assert_eq!(u32::from_le_bytes(seen), 7);
        memory.device_write(driver.bus().get() + 8, &[9, 0, 0, 0]).unwrap();
        assert_eq!(driver.read_u32(8), Ok(7));
        memory.observe(&driver, 8..12).unwrap();
        assert_eq!(driver.read_u32(8), Ok(9));
        let client = memory.alloc(&request(PAGE, DmaOwner::Client)).unwrap();
        client.write_u32(0, 5).unwrap();
        memory.device_read(client.bus().get(), &mut seen).unwrap();
        assert_eq!(u32::from_le_bytes(seen), 5);
        memory.free(driver).unwrap();
        memory.free(client).unwrap();
        assert_eq!((memory.allocated, memory.freed), (2, 2));
    }

    #[test]
    fn freed_memory_is_gone_and_not_given_out_again_at_once() {
        let mut memory = memory();
        let first = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        let addr = first.bus().get();
        memory.free(first).unwrap();
        assert_eq!(memory.device_read(addr, &mut [0]), Err(BusError { addr }));
        let second = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        assert_ne!(second.bus().get(), addr);
        memory.free(second).unwrap();
    }

    #[test]
    fn foreign_buffers_long_ranges_and_bad_requests_are_refused() {
        let (mut memory, mut other) = (memory(), memory());
        let foreign = other.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        assert!(memory.publish(&own, 0..4097).is_err());
        assert!(memory.free(foreign).is_err());
        assert!(memory.alloc(&request(100, DmaOwner::Driver)).is_err());
        let too_much = memory.alloc(&request(1 << 20, DmaOwner::Driver)).unwrap_err();
        assert_eq!(too_much.kind(), HalErrorKind::NoMemory);
        memory.free(own).unwrap();
    }

    #[test]
    fn an_access_across_the_end_of_a_buffer_is_refused() {
        let mut memory = memory();
        let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        let end = own.bus().get() + PAGE;
        assert!(memory.device_write(end - 2, &[0; 4]).is_err());
        assert!(memory.device_write(end - 4, &[0; 4]).is_ok());
        memory.free(own).unwrap();
    }
}
