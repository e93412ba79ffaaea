//! Dwords written where the device reads them, one command after the other.
#![expect(unsafe_code, reason = "one check for a whole run, then stores")]

use crate::{DmaBuffer, OutOfBounds};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

/// A run had no room for what was put; nothing of that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunFull;

impl fmt::Display for RunFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room left in this run of the buffer")
    }
}

impl core::error::Error for RunFull {}

/// Fills a run of memory from its start on, with volatile stores. The run is checked once, when the writer is made.
#[derive(Debug)]
pub struct DwordWriter<'b> {
    next: *mut u32,
    /// Dwords from `next` to the end of the run.
    room: usize,
    memory: PhantomData<&'b mut [u32]>,
}

impl<'b> DwordWriter<'b> {
    /// Over the bytes `run` of a buffer; both ends are multiples of 4.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    #[inline]
    pub fn new(buffer: &'b DmaBuffer, run: Range<usize>) -> Result<Self, OutOfBounds> {
        let access_bytes = run.end.saturating_sub(run.start);
        buffer.check(run.start, access_bytes, 4)?;
        Ok(Self { next: buffer.at(run.start, 0), room: access_bytes >> 2, memory: PhantomData })
    }

    /// Over memory that no device reads.
    #[inline]
    #[must_use]
    pub const fn over(memory: &'b mut [u32]) -> Self {
        Self { next: memory.as_mut_ptr(), room: memory.len(), memory: PhantomData }
    }

    /// Room left, in dwords.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        self.room
    }

    /// Puts dwords behind those before, all of them or none.
    ///
    /// # Errors
    /// [`RunFull`].
    #[inline]
    pub fn put<const N: usize>(&mut self, dwords: [u32; N]) -> Result<(), RunFull> {
        let room = self.room.checked_sub(N).ok_or(RunFull)?;
        for (index, dword) in dwords.into_iter().enumerate() {
            // SAFETY: `room` dwords from `next` on are inside the run, which `new` found inside the buffer and aligned, or
            // which `over` was lent; `N` are not more, and the memory stays borrowed.
            unsafe { self.next.wrapping_add(index).write_volatile(dword) }
        }
        self.next = self.next.wrapping_add(N);
        self.room = room;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::tests::with_buffer;

    #[test]
    fn dwords_lie_one_behind_the_other_and_nothing_beside_them_changes() {
        with_buffer(|buffer| {
            let mut writer = DwordWriter::new(buffer, 4..32).unwrap();
            writer.put([1]).unwrap();
            writer.put([]).unwrap();
            writer.put([2, 3, 4]).unwrap();
            assert_eq!(writer.room(), 3);
            let dwords: [u32; 8] = core::array::from_fn(|at| buffer.read_u32(4 * at).unwrap());
            assert_eq!(dwords, [0, 1, 2, 3, 4, 0, 0, 0]);
        });
        let mut memory = [9; 4];
        DwordWriter::over(&mut memory).put([1, 2, 3]).unwrap();
        assert_eq!(memory, [1, 2, 3, 9]);
    }

    #[test]
    fn what_does_not_fit_writes_nothing() {
        with_buffer(|buffer| {
            let mut writer = DwordWriter::new(buffer, 0..16).unwrap();
            assert_eq!(writer.put([7; 5]), Err(RunFull));
            writer.put([1, 2, 3]).unwrap();
            assert_eq!((writer.put([4, 5]), writer.put([4]), writer.put([5])), (Err(RunFull), Ok(()), Err(RunFull)));
            let dwords: [u32; 6] = core::array::from_fn(|at| buffer.read_u32(4 * at).unwrap());
            assert_eq!(dwords, [1, 2, 3, 4, 0, 0]);
        });
    }

    #[test]
    fn runs_outside_the_buffer_or_off_the_grid_are_refused() {
        with_buffer(|buffer| {
            assert!(DwordWriter::new(buffer, 128..128).is_ok_and(|writer| writer.room() == 0));
            for run in [124..132, 132..132, 2..8, usize::MAX - 3..usize::MAX] {
                assert!(DwordWriter::new(buffer, run.clone()).is_err(), "{run:?}");
            }
        });
    }
}
