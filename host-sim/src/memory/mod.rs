//! Memory that CPU and device share, and the two ways to be wrong about it.
//!
//! In [`Coherence::Strict`] a buffer of the driver has two copies, one per side, and only `publish` and `observe` move bytes
//! between them: a forgotten one shows. A client's buffer has one copy always.
//!
//! A buffer that was freed is no memory for the device; a device that reaches for it, and a CPU that writes to it through
//! a mapping it kept, break a rule.
#![expect(unsafe_code, reason = "buffers are handed to the driver as raw mappings")]

mod block;
mod freed;

use crate::bus::BusError;
use crate::snapshot::BufferState;
use barexe_hal::{BusAddr, DmaBuffer, DmaOwner, DmaRequest, HalError, HalErrorKind};
use block::{CpuSide, Quarantine};
use core::alloc::Layout;
use core::ops::Range;
use freed::Freed;
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
    cpu: CpuSide,
    /// The device's own bytes, in strict mode.
    device: Option<Vec<u8>>,
}

/// The part of a slice that an access of `len` bytes at `at` is.
fn part(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    bytes.get_mut(at..at + len).unwrap_or_default()
}

impl Block {
    const fn len(&self) -> usize {
        self.cpu.len()
    }

    fn cpu_hash(&self) -> u64 {
        self.cpu.values().fold(0, mixed)
    }

    fn device_hash(&self) -> u64 {
        let Some(bytes) = &self.device else { return self.cpu_hash() };
        bytes.as_chunks().0.iter().fold(0, |hash, word| mixed(hash, u64::from_le_bytes(*word)))
    }

    fn device_read(&self, at: usize, into: &mut [u8]) {
        match &self.device {
            None => self.cpu.read(at, into),
            Some(bytes) => {
                let from = bytes.get(at..at + into.len()).unwrap_or_default();
                into.get_mut(..from.len()).unwrap_or_default().copy_from_slice(from);
            }
        }
    }

    fn device_write(&mut self, at: usize, from: &[u8]) {
        match &mut self.device {
            None => self.cpu.write(at, from),
            Some(bytes) => {
                let into = part(bytes, at, from.len());
                into.copy_from_slice(from.get(..into.len()).unwrap_or_default());
            }
        }
    }

    /// The CPU's bytes of a range become the device's.
    fn publish(&mut self, range: &Range<usize>) {
        if let Some(bytes) = &mut self.device {
            self.cpu.read(range.start, part(bytes, range.start, range.len()));
        }
    }

    /// The device's bytes of a range become the CPU's.
    fn observe(&mut self, range: &Range<usize>) {
        if let Some(bytes) = &mut self.device {
            self.cpu.write(range.start, part(bytes, range.start, range.len()));
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
    freed_ranges: Freed,
    quarantine: Quarantine,
    /// What the quarantine found and nobody has asked for yet.
    disturbed: Vec<String>,
    /// Buffers ever given out and taken back.
    pub(crate) allocated: u64,
    pub(crate) freed: u64,
}

impl Memory {
    pub(crate) fn new(coherence: Coherence, max_block_bytes: u64, bytes: u64) -> Self {
        Self {
            blocks: BTreeMap::new(),
            coherence,
            max_block_bytes,
            free_bytes: bytes,
            next: FIRST_ADDR,
            freed_ranges: Freed::default(),
            quarantine: Quarantine::default(),
            disturbed: Vec::new(),
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
        let cpu = CpuSide::new(layout).ok_or(HalErrorKind::NoMemory)?;
        let start = cpu.start();
        let shared = self.coherence == Coherence::Coherent || request.owner == DmaOwner::Client;
        let device = (!shared).then(|| vec![0; size]);
        self.blocks.insert(addr, Block { cpu, device });
        self.freed_ranges.remove(addr, addr + len);
        self.free_bytes -= len;
        self.allocated += 1;
        // SAFETY: the mapping is live until `free`, page-aligned, reached by the CPU through this buffer and through volatile
        // accesses of the simulation only.
        Ok(unsafe { DmaBuffer::from_raw_parts(start, size, bus) })
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
        let known = self.blocks.get(&bus.get()).is_some_and(|block| block.cpu.start() == cpu && block.len() == len);
        if !known {
            let what = if self.was_freed(bus.get()) { "was freed before" } else { "is not one of this device's" };
            return Err(format!("buffer at {bus} of {len:#x} bytes {what}"));
        }
        if let Some(block) = self.blocks.remove(&bus.get()) {
            let end = bus.get() + block.len() as u64;
            self.next = self.next.max(end);
            self.freed_ranges.add(bus.get(), end);
            self.free_bytes += block.len() as u64;
            self.freed += 1;
            let found = self.quarantine.take(bus.get(), block.cpu);
            self.disturbed.extend(found);
        }
        Ok(())
    }

    /// Whether a buffer that is gone was here.
    pub(crate) fn was_freed(&self, addr: u64) -> bool {
        self.freed_ranges.has(addr)
    }

    /// Writes to freed buffers that were found since the last look.
    pub(crate) fn disturbed(&mut self) -> Vec<String> {
        let mut found = core::mem::take(&mut self.disturbed);
        found.extend(self.quarantine.look());
        found
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
        self.block_of(buffer, &range)?.publish(&range);
        Ok(())
    }

    pub(crate) fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) -> Result<(), String> {
        self.block_of(buffer, &range)?.observe(&range);
        Ok(())
    }

    fn block_of(&mut self, buffer: &DmaBuffer, range: &Range<usize>) -> Result<&mut Block, String> {
        let bus = buffer.bus().get();
        let block = self.blocks.get_mut(&bus).ok_or_else(|| format!("no live buffer at {bus:#x}"))?;
        if range.start > range.end || range.end > block.len() {
            return Err(format!("range {range:?} leaves the buffer at {bus:#x}"));
        }
        Ok(block)
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
    fn a_buffer_that_is_given_back_twice_is_refused_and_named() {
        let mut memory = memory();
        let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
        let (cpu, len, bus) = own.into_raw_parts();
        // SAFETY: neither is accessed.
        let [first, second] = [0, 1].map(|_| unsafe { DmaBuffer::from_raw_parts(cpu, len, bus) });
        memory.free(first).unwrap();
        assert!(memory.free(second).unwrap_err().contains("was freed before"));
        assert_eq!((memory.allocated, memory.freed), (1, 1));
    }

    #[test]
    fn a_store_through_a_mapping_that_was_kept_too_long_is_found() {
        let mut memory = memory();
        let own = memory.alloc(&request(PAGE, DmaOwner::Client)).unwrap();
        let mapping = own.cpu_ptr().as_ptr();
        memory.free(own).unwrap();
        assert!(memory.disturbed().is_empty());
        // SAFETY: the quarantine keeps the page.
        unsafe { mapping.write_volatile(0) };
        assert!(memory.disturbed()[0].contains("after it was freed"));
    }

    #[test]
    fn bus_addresses_that_are_used_again_are_no_longer_freed() {
        let mut memory = memory();
        let low = BusAddr::new(FIRST_ADDR + 2 * PAGE - 1).unwrap();
        let request = DmaRequest { last_addr: low, ..request(PAGE, DmaOwner::Driver) };
        let first = memory.alloc(&request).unwrap();
        let addr = first.bus().get();
        memory.free(first).unwrap();
        assert!(memory.was_freed(addr));
        let others: Vec<DmaBuffer> = (0..3).map(|_| memory.alloc(&request).unwrap()).collect();
        for buffer in others {
            assert!(!memory.was_freed(buffer.bus().get()));
            memory.free(buffer).unwrap();
        }
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
