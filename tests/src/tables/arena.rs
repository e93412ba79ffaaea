//! Memory that has two sides: what the CPU stored, and what of it was published.
#![expect(unsafe_code, reason = "DMA buffers are made from heap memory")]
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use barexe_hal::{BusAddr, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind};
use core::ops::Range;
use core::ptr::NonNull;
use std::collections::BTreeMap;

/// Where bus addresses begin. Blocks do not follow each other.
const FIRST_BUS: u64 = 0x10_0000_0000;
const GAP_BYTES: u64 = 0x1_0000;

/// The memory. The device sees a word only after it was published.
#[derive(Debug)]
pub struct Arena {
    /// What the device sees, by the bus address of each buffer.
    device: BTreeMap<u64, Vec<u64>>,
    next_bus: u64,
    max_block_bytes: u64,
    /// Allocations that may still succeed.
    pub budget: usize,
    /// Calls of `publish`.
    pub publishes: usize,
}

impl Arena {
    /// Memory in blocks of at most `max_block_bytes`.
    #[must_use]
    pub const fn new(max_block_bytes: u64) -> Self {
        Self { device: BTreeMap::new(), next_bus: FIRST_BUS, max_block_bytes, budget: usize::MAX, publishes: 0 }
    }

    /// Buffers that were not given back.
    #[must_use]
    pub fn live_buffers(&self) -> usize {
        self.device.len()
    }

    fn word(&mut self, bus: u64) -> &mut u64 {
        let found = self.device.range_mut(..=bus).next_back();
        let word = found.and_then(|(start, words)| {
            let offset = usize::try_from(bus.wrapping_sub(*start) / 8).ok()?;
            words.get_mut(offset)
        });
        word.unwrap_or_else(|| panic!("nothing at bus address {bus:#x}"))
    }

    /// The word the device sees.
    ///
    /// # Panics
    /// Where there is no memory.
    #[must_use]
    pub fn read(&self, bus: u64) -> u64 {
        let found = self.device.range(..=bus).next_back();
        let word =
            found.and_then(|(start, words)| words.get(usize::try_from(bus.wrapping_sub(*start) / 8).ok()?).copied());
        word.unwrap_or_else(|| panic!("nothing at bus address {bus:#x}"))
    }

    /// The 512 words of a page as the device sees them.
    ///
    /// # Panics
    /// Where there is no memory.
    #[must_use]
    pub fn table(&self, bus: u64) -> &[u64] {
        let found = self.device.range(..=bus).next_back();
        let table = found.and_then(|(start, words)| {
            let offset = usize::try_from(bus.wrapping_sub(*start) / 8).ok()?;
            words.get(offset..offset.saturating_add(512))
        });
        table.unwrap_or_else(|| panic!("no table at bus address {bus:#x}"))
    }

    /// A store by the device into a buffer, seen by both sides.
    ///
    /// # Panics
    /// Outside the buffer.
    pub fn write_through(&mut self, buffer: &DmaBuffer, offset_bytes: usize, value: u64) {
        let bus = u64::try_from(offset_bytes).ok().and_then(|offset| buffer.bus().checked_add(offset));
        *self.word(bus.unwrap_or_else(|| panic!("offset {offset_bytes:#x}")).get()) = value;
        buffer.write_u64(offset_bytes, value).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl DmaMemory for Arena {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.budget = self.budget.checked_sub(1).ok_or(HalErrorKind::NoMemory)?;
        let bad = HalErrorKind::BadRequest;
        let len = usize::try_from(request.len_bytes).map_err(|_| bad)?;
        let bus = self.next_bus.checked_next_multiple_of(request.align_bytes).ok_or(bad)?;
        self.next_bus = bus.saturating_add(request.len_bytes).saturating_add(GAP_BYTES);
        let words: Box<[u64]> = vec![0; len / 8].into_boxed_slice();
        self.device.insert(bus, words.to_vec());
        let cpu = NonNull::from(Box::leak(words)).cast::<u64>();
        let bus = BusAddr::new(bus).ok_or(bad)?;
        // SAFETY: `words` is `len` bytes, aligned, leaked until `free`, and reached through the buffer only; `len` is
        // a multiple of 4096.
        Ok(unsafe { DmaBuffer::from_raw_parts(cpu, len, bus) })
    }

    fn free(&mut self, buffer: DmaBuffer) {
        let (cpu, len, bus) = buffer.into_raw_parts();
        assert!(self.device.remove(&bus.get()).is_some(), "{bus} was given back twice");
        let words = NonNull::slice_from_raw_parts(cpu, len / 8);
        // SAFETY: pointer and length are those of the box that `alloc` leaked; `device` had them, so this is the
        // first time.
        drop(unsafe { Box::from_raw(words.as_ptr()) });
    }

    fn max_block_bytes(&self) -> u64 {
        self.max_block_bytes
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.publishes = self.publishes.saturating_add(1);
        for offset in range.step_by(8) {
            let value = buffer.read_u64(offset).unwrap_or_else(|error| panic!("published: {error}"));
            let bus = buffer.bus().get().saturating_add(u64::try_from(offset).unwrap_or(u64::MAX));
            *self.word(bus) = value;
        }
    }

    fn observe(&mut self, _: &DmaBuffer, _: Range<usize>) {}
}
