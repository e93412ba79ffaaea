//! Memory that CPU and device share, and the two ways to be wrong about it.
//!
//! In [`Coherence::Strict`] a buffer of the driver has two copies, one per side, and only `publish` and `observe` move
//! bytes between them: a forgotten one shows. A client's buffer has one copy always.
//!
//! A buffer that was freed is no memory for the device; a device that reaches for it, and a CPU that writes to it
//! through a mapping it kept, break a rule.
#![expect(unsafe_code, reason = "buffers are handed to the driver as raw mappings")]

mod block;
mod freed;
mod mapped;
mod source;

use crate::bus::BusError;
use crate::clients::user::FIRST_FRAME;
use crate::config::SimConfig;
use crate::snapshot::BufferState;
use barexe_hal::{BusAddr, DmaBuffer, DmaOwner, DmaRequest, HalError, HalErrorKind};
use block::{CpuSide, Quarantine};
use core::alloc::Layout;
use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;
use freed::Freed;
pub(crate) use mapped::Mapped;
pub use mapped::{Backing, MapError, Mapping};
pub use source::BufferSource;
use std::collections::BTreeMap;
use std::sync::Arc;

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
/// Guesses that are kept.
const GUESSES: usize = 64;

/// One live buffer.
#[derive(Debug)]
struct Block {
    /// Bus address of its first byte.
    bus: u64,
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

    const fn end(&self) -> u64 {
        self.bus + self.len() as u64
    }

    /// Offset of an access, if all of it is inside.
    fn offset(&self, addr: u64, len: usize) -> Option<usize> {
        let at = usize::try_from(addr.checked_sub(self.bus)?).ok()?;
        (at.checked_add(len)? <= self.len()).then_some(at)
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
    /// Live buffers; a free place is empty.
    blocks: Vec<Option<Block>>,
    /// Places of live buffers, by bus address.
    places: BTreeMap<u64, usize>,
    /// Where an access to a page was found last: a guess, by page.
    guesses: [Cell<usize>; GUESSES],
    coherence: Coherence,
    /// Where the bytes are, if not on the heap.
    source: Option<Arc<dyn BufferSource>>,
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
    pub(crate) fn new(config: &SimConfig) -> Self {
        Self {
            blocks: Vec::new(),
            places: BTreeMap::new(),
            guesses: [const { Cell::new(0) }; GUESSES],
            coherence: config.coherence,
            source: config.buffers.clone(),
            max_block_bytes: config.max_block_bytes,
            free_bytes: config.memory_bytes,
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
        self.in_order().map(|block| BufferState {
            addr: block.bus,
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
        let cpu = match &self.source {
            Some(source) => CpuSide::from_source(source, layout),
            None => CpuSide::new(layout),
        };
        let cpu = cpu.ok_or(HalErrorKind::NoMemory)?;
        let start = cpu.start();
        let shared = self.coherence == Coherence::Coherent || request.owner == DmaOwner::Client;
        let device = (!shared).then(|| vec![0; size]);
        self.insert(Block { bus: addr, cpu, device });
        self.freed_ranges.remove(addr, addr + len);
        self.free_bytes -= len;
        self.allocated += 1;
        // SAFETY: the mapping is live until `free`, page-aligned, reached by the CPU through this buffer and through
        // volatile accesses of the simulation only.
        Ok(unsafe { DmaBuffer::from_raw_parts(start, size, bus) })
    }

    /// Live buffers by bus address.
    fn in_order(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.places.values().filter_map(|place| self.blocks.get(*place)?.as_ref())
    }

    fn insert(&mut self, block: Block) {
        let place = self.blocks.iter().position(Option::is_none).unwrap_or(self.blocks.len());
        self.places.insert(block.bus, place);
        match self.blocks.get_mut(place) {
            Some(free) => *free = Some(block),
            None => self.blocks.push(Some(block)),
        }
    }

    /// The buffer that begins at a bus address.
    fn starting_at(&self, bus: u64) -> Option<&Block> {
        self.blocks.get(*self.places.get(&bus)?)?.as_ref()
    }

    /// A free range: after everything given out so far, so that a stale address stays a fault, and from the start
    /// once the end is reached. Beyond it lies memory of clients.
    fn place(&self, request: &DmaRequest) -> Option<u64> {
        let fits = |from: u64| {
            let addr = from.checked_next_multiple_of(request.align_bytes)?;
            let last = addr.checked_add(request.len_bytes - 1)?;
            (last <= request.last_addr.get() && last < FIRST_FRAME).then_some(addr)
        };
        if let Some(addr) = fits(self.next.max(self.in_order().next_back().map_or(0, Block::end))) {
            return Some(addr);
        }
        let mut from = PAGE;
        for block in self.in_order() {
            match fits(from) {
                Some(addr) if addr + request.len_bytes <= block.bus => return Some(addr),
                _ => from = block.end(),
            }
        }
        fits(from)
    }

    /// Takes a buffer back.
    pub(crate) fn free(&mut self, buffer: DmaBuffer) -> Result<(), String> {
        let (cpu, len, bus) = buffer.into_raw_parts();
        let known = self.starting_at(bus.get()).is_some_and(|block| block.cpu.start() == cpu && block.len() == len);
        if !known {
            let what = if self.was_freed(bus.get()) { "was freed before" } else { "is not one of this device's" };
            return Err(format!("buffer at {bus} of {len:#x} bytes {what}"));
        }
        let place = self.places.remove(&bus.get());
        if let Some(block) = place.and_then(|place| self.blocks.get_mut(place)).and_then(Option::take) {
            self.next = self.next.max(block.end());
            self.freed_ranges.add(bus.get(), block.end());
            self.free_bytes += block.len() as u64;
            self.freed += 1;
            if block.cpu.is_own() {
                let found = self.quarantine.take(bus.get(), block.cpu);
                self.disturbed.extend(found);
            }
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

    /// Place of the buffer that holds all of an access, and the offset in it.
    fn find(&self, addr: u64, len: usize) -> Option<(usize, usize)> {
        let inside = |place: usize| self.blocks.get(place)?.as_ref()?.offset(addr, len);
        let guess = self.guesses.get((addr / PAGE % GUESSES as u64) as usize);
        let guessed = guess.map_or(0, Cell::get);
        if let Some(at) = inside(guessed) {
            return Some((guessed, at));
        }
        let (_, &place) = self.places.range(..=addr).next_back()?;
        let at = inside(place)?;
        if let Some(guess) = guess {
            guess.set(place);
        }
        Some((place, at))
    }

    pub(crate) fn device_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        let (place, at) = self.find(addr, into.len()).ok_or(BusError { addr })?;
        if let Some(Some(block)) = self.blocks.get(place) {
            block.device_read(at, into);
        }
        Ok(())
    }

    pub(crate) fn device_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        let (place, at) = self.find(addr, from.len()).ok_or(BusError { addr })?;
        if let Some(Some(block)) = self.blocks.get_mut(place) {
            block.device_write(at, from);
        }
        Ok(())
    }

    /// Where the CPU finds what lies at a bus address.
    pub(crate) fn cpu_place(&self, addr: u64, len: usize) -> Option<NonNull<u8>> {
        let (place, at) = self.find(addr, len)?;
        let start = self.blocks.get(place)?.as_ref()?.cpu.start();
        NonNull::new(start.as_ptr().cast::<u8>().wrapping_add(at))
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
        let place = self.places.get(&bus).copied();
        let block = place.and_then(|place| self.blocks.get_mut(place)?.as_mut());
        let block = block.ok_or_else(|| format!("no live buffer at {bus:#x}"))?;
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

#[cfg(test)]
mod tests;
