//! Memory shared with the device.
//!
//! A [`DmaBuffer`] is the only way the driver touches it. Every access is volatile and checked. The bulk operations
//! check once and are then a single loop of 64-bit stores: page tables and rings are written with them, never word by
//! word.
#![expect(unsafe_code, reason = "this is the one place that dereferences device-shared memory")]

use crate::BusAddr;
use core::fmt;
use core::ptr::NonNull;

/// An access that would leave the buffer, or is not aligned to its own width. Nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OutOfBounds {
    /// Start of the access in bytes.
    pub offset_bytes: usize,
    /// Its length in bytes.
    pub access_bytes: usize,
    /// Length of the buffer in bytes.
    pub len_bytes: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset_bytes, access_bytes, len_bytes } = self;
        write!(f, "access to {offset_bytes:#x}+{access_bytes:#x} bytes of a buffer of {len_bytes:#x} bytes")
    }
}

impl core::error::Error for OutOfBounds {}

/// An owned piece of memory that CPU and device share: contiguous on the bus, mapped for the CPU.
///
/// It has no `Drop`: memory goes back through [`DmaMemory::free`](crate::DmaMemory::free), because only the HAL knows
/// how, and only the driver knows when the device has let go of it.
///
/// Accesses take `&self`: the device may change the words at any time, so exclusive borrows would promise nothing.
/// The type is therefore not `Sync`.
#[derive(Debug)]
#[must_use = "a buffer that is dropped is never given back to the HAL"]
pub struct DmaBuffer {
    cpu: NonNull<u64>,
    len_bytes: usize,
    bus: BusAddr,
}

// SAFETY: the buffer owns its mapping (see `from_raw_parts`), and volatile accesses may come from any one thread.
unsafe impl Send for DmaBuffer {}

impl DmaBuffer {
    /// Takes ownership of a mapping. For implementors of [`DmaMemory`](crate::DmaMemory).
    ///
    /// # Safety
    /// For as long as the value lives: `cpu` points to `len_bytes` bytes that are mapped for reading and writing,
    /// aligned to 8, reached by the CPU through no Rust reference, and reached by the device at `bus`; and
    /// `len_bytes` is a multiple of 8.
    pub const unsafe fn from_raw_parts(cpu: NonNull<u64>, len_bytes: usize, bus: BusAddr) -> Self {
        Self { cpu, len_bytes, bus }
    }

    /// Gives the mapping back to the implementor: CPU pointer, length in bytes, bus address.
    #[must_use]
    pub const fn into_raw_parts(self) -> (NonNull<u64>, usize, BusAddr) {
        (self.cpu, self.len_bytes, self.bus)
    }

    /// Where the CPU has it, for embedders that put it into a client's address space: an address to be looked up in their
    /// own tables, not to be read or written here.
    #[must_use]
    pub const fn cpu_addr(&self) -> NonNull<u8> {
        self.cpu.cast()
    }

    /// Bus address of the first byte.
    #[must_use]
    pub const fn bus(&self) -> BusAddr {
        self.bus
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Where the CPU sees the first byte: for handing a client's memory on to whoever maps it.
    #[must_use]
    pub const fn cpu_ptr(&self) -> NonNull<u8> {
        self.cpu.cast()
    }

    #[inline]
    pub(crate) const fn check(
        &self,
        offset_bytes: usize,
        access_bytes: usize,
        align: usize,
    ) -> Result<(), OutOfBounds> {
        let end = offset_bytes.checked_add(access_bytes);
        let inside = matches!(end, Some(end) if end <= self.len_bytes);
        if inside && offset_bytes & align.wrapping_sub(1) == 0 {
            Ok(())
        } else {
            Err(OutOfBounds { offset_bytes, access_bytes, len_bytes: self.len_bytes })
        }
    }

    /// Pointer to `T` number `index` counted from a checked, aligned byte offset.
    #[inline]
    pub(crate) const fn at<T>(&self, offset_bytes: usize, index: usize) -> *mut T {
        // Wrapping pointer arithmetic never leaves the mapping: every caller checked the whole run before.
        self.cpu.as_ptr().cast::<u8>().wrapping_add(offset_bytes).cast::<T>().wrapping_add(index)
    }

    #[inline]
    fn load<T: Copy>(&self, offset_bytes: usize, index: usize) -> T {
        // SAFETY: callers pass a run that `check` accepted; the mapping is live by `from_raw_parts`.
        unsafe { self.at::<T>(offset_bytes, index).read_volatile() }
    }

    #[inline]
    fn store<T: Copy>(&self, offset_bytes: usize, index: usize, value: T) {
        // SAFETY: callers pass a run that `check` accepted; the mapping is live by `from_raw_parts`.
        unsafe { self.at::<T>(offset_bytes, index).write_volatile(value) }
    }

    /// Reads the `u32` at a byte offset that is a multiple of 4.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn read_u32(&self, offset_bytes: usize) -> Result<u32, OutOfBounds> {
        self.check(offset_bytes, 4, 4)?;
        Ok(self.load(offset_bytes, 0))
    }

    /// Writes the `u32` at a byte offset that is a multiple of 4.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn write_u32(&self, offset_bytes: usize, value: u32) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, 4, 4)?;
        self.store(offset_bytes, 0, value);
        Ok(())
    }

    /// Reads the `u64` at a byte offset that is a multiple of 8.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn read_u64(&self, offset_bytes: usize) -> Result<u64, OutOfBounds> {
        self.check(offset_bytes, 8, 8)?;
        Ok(self.load(offset_bytes, 0))
    }

    /// Writes the `u64` at a byte offset that is a multiple of 8, as one store.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    #[inline]
    pub fn write_u64(&self, offset_bytes: usize, value: u64) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, 8, 8)?;
        self.store(offset_bytes, 0, value);
        Ok(())
    }

    /// Writes `count` 64-bit words from `offset_bytes` on: `first`, `first + step`, `first + 2 step`, ... (wrapping).
    ///
    /// With `step` 0 it fills, with 4096 it maps consecutive pages.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    #[inline]
    pub fn fill_steps(&self, offset_bytes: usize, first: u64, step: u64, count: usize) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, count.saturating_mul(8), 8)?;
        let lane = |n: u64| first.wrapping_add(step.wrapping_mul(n));
        // Four values at once: one alone would be a chain of additions, each waiting for the one before.
        let mut values = [lane(0), lane(1), lane(2), lane(3)];
        let (whole, stride) = (count & !3, step.wrapping_mul(4));
        let mut index = 0usize;
        while index < whole {
            for (offset, value) in values.iter_mut().enumerate() {
                self.store(offset_bytes, index.wrapping_add(offset), *value);
                *value = value.wrapping_add(stride);
            }
            index = index.wrapping_add(4);
        }
        for (index, value) in (whole..count).zip(values) {
            self.store(offset_bytes, index, value);
        }
        Ok(())
    }

    /// Copies 64-bit words to `offset_bytes`, each or-ed with `or_mask`.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    pub fn copy_u64_or(&self, offset_bytes: usize, words: &[u64], or_mask: u64) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, words.len().saturating_mul(8), 8)?;
        for (index, word) in words.iter().enumerate() {
            self.store(offset_bytes, index, word | or_mask);
        }
        Ok(())
    }

    /// Writes one 64-bit word for each page from `offset_bytes` on: its bus address, or-ed with `or_mask`.
    ///
    /// Every sixteen pages are shown to `go_on` before they are written: a look of its own at a long list costs as much
    /// as the copy. Where it says no, the copy ends. How many words were written.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    #[inline(always)]
    pub fn copy_pages(
        &self,
        offset_bytes: usize,
        pages: &[BusAddr],
        or_mask: u64,
        mut go_on: impl FnMut(&[BusAddr; 16]) -> bool,
    ) -> Result<usize, OutOfBounds> {
        self.check(offset_bytes, pages.len().saturating_mul(8), 8)?;
        let (groups, rest) = pages.as_chunks::<16>();
        let mut index = 0usize;
        for group in groups {
            if !go_on(group) {
                return Ok(index);
            }
            for (lane, page) in group.iter().enumerate() {
                self.store(offset_bytes, index.wrapping_add(lane), page.get() | or_mask);
            }
            index = index.wrapping_add(16);
        }
        for (lane, page) in rest.iter().enumerate() {
            self.store(offset_bytes, index.wrapping_add(lane), page.get() | or_mask);
        }
        Ok(pages.len())
    }

    /// Copies dwords to `offset_bytes`, in pairs where alignment allows.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    pub fn copy_u32(&self, offset_bytes: usize, dwords: &[u32]) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, dwords.len().saturating_mul(4), 4)?;
        let head = usize::from(offset_bytes & 4 != 0).min(dwords.len());
        let (head, body) = dwords.split_at_checked(head).unwrap_or((dwords, &[]));
        for (index, dword) in head.iter().enumerate() {
            self.store(offset_bytes, index, *dword);
        }
        let body_at = offset_bytes.wrapping_add(head.len().wrapping_mul(4));
        let pairs = body.chunks_exact(2);
        let tail = pairs.remainder();
        for (index, pair) in pairs.enumerate() {
            if let [low, high] = *pair {
                self.store(body_at, index, u64::from(low) | u64::from(high) << 32);
            }
        }
        for dword in tail {
            self.store(body_at, body.len().wrapping_sub(1), *dword);
        }
        Ok(())
    }

    /// Copies bytes out of the buffer.
    ///
    /// # Errors
    /// [`OutOfBounds`]; `into` is untouched then.
    pub fn read_bytes(&self, offset_bytes: usize, into: &mut [u8]) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, into.len(), 1)?;
        for (index, byte) in into.iter_mut().enumerate() {
            *byte = self.load(offset_bytes, index);
        }
        Ok(())
    }

    /// Copies bytes into the buffer.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    pub fn write_bytes(&self, offset_bytes: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        self.check(offset_bytes, from.len(), 1)?;
        for (index, byte) in from.iter().enumerate() {
            self.store(offset_bytes, index, *byte);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn with_buffer(test: impl FnOnce(&DmaBuffer)) {
        let mut words = [0u64; 16];
        let cpu = NonNull::new(words.as_mut_ptr()).unwrap();
        // SAFETY: `words` outlives the buffer and is not touched by name while it exists.
        let buffer = unsafe { DmaBuffer::from_raw_parts(cpu, 128, BusAddr::new(0x4000).unwrap()) };
        test(&buffer);
        let _ = buffer.into_raw_parts();
    }

    #[test]
    fn accesses_past_the_end_or_misaligned_are_refused_and_write_nothing() {
        with_buffer(|b| {
            assert!(b.write_u64(120, 1).is_ok());
            assert!(b.write_u64(128, 1).is_err());
            assert!(b.write_u64(124, 1).is_err());
            assert!(b.write_u32(126, 1).is_err());
            assert!(b.write_u32(124, 1).is_ok());
            assert!(b.fill_steps(0, 1, 0, 17).is_err());
            assert!(b.fill_steps(8, 1, 0, usize::MAX).is_err());
            assert!(b.read_bytes(usize::MAX, &mut [0]).is_err());
            assert_eq!(b.read_u64(0), Ok(0));
        });
    }

    #[test]
    fn fill_steps_is_exact_at_every_length() {
        for count in 0..=15usize {
            with_buffer(|b| {
                b.fill_steps(8, 5, 0x1000, count).unwrap();
                for i in 0..16usize {
                    let want = i.checked_sub(1).filter(|k| *k < count).map_or(0, |k| 5 + 0x1000 * k as u64);
                    assert_eq!(b.read_u64(i * 8), Ok(want), "count {count} word {i}");
                }
            });
        }
    }

    #[test]
    fn fill_steps_writes_an_arithmetic_run() {
        with_buffer(|b| {
            b.fill_steps(8, 0x1003, 0x1000, 3).unwrap();
            let words: [u64; 5] = core::array::from_fn(|i| b.read_u64(i * 8).unwrap());
            assert_eq!(words, [0, 0x1003, 0x2003, 0x3003, 0]);
        });
    }

    #[test]
    fn copies_of_dwords_are_exact_at_every_alignment_and_length() {
        for start in 0..4usize {
            for len in 0..7usize {
                with_buffer(|b| {
                    let data = [1u32, 2, 3, 4, 5, 6, 7];
                    b.copy_u32(start * 4, &data[..len]).unwrap();
                    for i in 0..12usize {
                        let want = i.checked_sub(start).filter(|k| *k < len).map_or(0, |k| data[k]);
                        assert_eq!(b.read_u32(i * 4), Ok(want), "start {start} len {len} dword {i}");
                    }
                });
            }
        }
    }

    #[test]
    fn copy_u64_or_sets_the_mask_in_every_word() {
        with_buffer(|b| {
            b.copy_u64_or(0, &[0x1000, 0x5000], 3).unwrap();
            assert_eq!((b.read_u64(0), b.read_u64(8)), (Ok(0x1003), Ok(0x5003)));
        });
    }

    #[test]
    fn copy_pages_writes_each_address_with_the_mask_and_nothing_beside_them() {
        with_buffer(|b| {
            let pages = [0x7000, 0x3000].map(|page| BusAddr::new(page).unwrap());
            assert_eq!(b.copy_pages(8, &pages, 3, |_| panic!("there are no sixteen")), Ok(2));
            let words: [u64; 4] = core::array::from_fn(|i| b.read_u64(i * 8).unwrap());
            assert_eq!(words, [0, 0x7003, 0x3003, 0]);
            assert!(b.copy_pages(120, &pages, 3, |_| true).is_err());
            assert_eq!(b.read_u64(120), Ok(0));
        });
    }

    #[test]
    fn copy_pages_ends_where_it_is_told_to() {
        with_buffer(|b| {
            let pages: [BusAddr; 16] = core::array::from_fn(|i| BusAddr::new(0x1000 * i as u64).unwrap());
            assert_eq!(b.copy_pages(0, &pages, 1, |_| false), Ok(0));
            assert!((0..16).all(|i| b.read_u64(i * 8) == Ok(0)));
            assert_eq!(b.copy_pages(0, &pages, 1, |group| *group == pages), Ok(16));
            assert!((0..16).all(|i| b.read_u64(i * 8) == Ok((0x1000 * i as u64) | 1)));
        });
    }

    #[test]
    fn bytes_round_trip() {
        with_buffer(|b| {
            b.write_bytes(3, &[9, 8, 7]).unwrap();
            let mut back = [0; 5];
            b.read_bytes(2, &mut back).unwrap();
            assert_eq!(back, [0, 9, 8, 7, 0]);
        });
    }
}
