//! Dwords written where the device reads them, one command after the other.
#![expect(unsafe_code, reason = "one check for a whole run, then stores")]

use crate::{DmaBuffer, OutOfBounds};
use core::fmt;
use core::marker::PhantomData;

/// A run had no room for what was put; nothing of that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunFull;

impl fmt::Display for RunFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room left in this run of the buffer")
    }
}

impl core::error::Error for RunFull {}

/// Fills a run of memory from its start on, with volatile stores of whole qwords. The run is checked once, when the writer
/// is made.
///
/// The first half of a qword waits here for the second, or for [`finish`](Self::finish). Where that is the case is mostly
/// known when the caller is compiled: with lengths that are constants the question is not asked when it runs.
#[derive(Debug)]
#[must_use = "what is not finished may lack its last dword"]
pub struct DwordWriter<'b> {
    next: *mut u64,
    /// Dwords that can still be put: odd exactly while there is a half.
    room: usize,
    half: Option<u32>,
    memory: PhantomData<&'b mut [u64]>,
}

impl<'b> DwordWriter<'b> {
    /// Over `qwords` of a buffer from an offset on, which is a multiple of 8.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    #[inline]
    pub fn new(buffer: &'b DmaBuffer, offset_bytes: usize, qwords: usize) -> Result<Self, OutOfBounds> {
        buffer.check(offset_bytes, qwords.saturating_mul(8), 8)?;
        Ok(Self { next: buffer.at(offset_bytes, 0), room: qwords.wrapping_mul(2), half: None, memory: PhantomData })
    }

    /// Over memory that no device reads, or so many qwords of it.
    #[inline]
    pub fn over(memory: &'b mut [u64], qwords: usize) -> Self {
        let room = memory.len().min(qwords).wrapping_mul(2);
        Self { next: memory.as_mut_ptr(), room, half: None, memory: PhantomData }
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
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, dwords: [u32; N]) -> Result<(), RunFull> {
        self.room = self.room.checked_sub(N).ok_or(RunFull)?;
        // The first eight, more than most commands have, are spelled out: so each is a value from the start, whichever half
        // it lands in. A loop writes the array to memory in dwords, reads it back in qwords, and waits for its own stores.
        let mut push = |at: usize| {
            if let Some(dword) = dwords.get(at) {
                self.push(*dword);
            }
        };
        push(0);
        push(1);
        push(2);
        push(3);
        push(4);
        push(5);
        push(6);
        push(7);
        (8..N).for_each(push);
        Ok(())
    }

    /// Ends with a whole qword: one that is half empty is filled up with 0. Room left, in dwords.
    #[inline]
    #[must_use]
    pub fn finish(mut self) -> usize {
        if let Some(low) = self.half.take() {
            self.store(low, 0);
            self.room = self.room.wrapping_sub(1);
        }
        self.room
    }

    #[inline(always)]
    fn push(&mut self, dword: u32) {
        match self.half.take() {
            None => self.half = Some(dword),
            Some(low) => self.store(low, dword),
        }
    }

    #[inline(always)]
    fn store(&mut self, low: u32, high: u32) {
        // SAFETY: the qword lies inside the run, which `new` found inside the buffer and aligned, or which `over` was lent:
        // `put` counted both halves against its room, or one while `room` is odd. The memory stays borrowed.
        unsafe { self.next.write_volatile(u64::from(low) | u64::from(high) << 32) }
        self.next = self.next.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::tests::with_buffer;

    fn dwords<const N: usize>(buffer: &DmaBuffer) -> [u32; N] {
        core::array::from_fn(|at| buffer.read_u32(at.wrapping_mul(4)).unwrap())
    }

    #[test]
    fn dwords_lie_one_behind_the_other_and_nothing_beside_them_changes() {
        with_buffer(|buffer| {
            buffer.fill_steps(0, u64::MAX, 0, 5).unwrap();
            let mut writer = DwordWriter::new(buffer, 8, 3).unwrap();
            writer.put([1]).unwrap();
            writer.put([]).unwrap();
            writer.put([2, 3, 4]).unwrap();
            writer.put([5]).unwrap();
            assert_eq!((writer.room(), writer.finish()), (1, 0));
            assert_eq!(dwords(buffer), [!0, !0, 1, 2, 3, 4, 5, 0, !0, !0]);
        });
        let mut memory = [9; 3];
        let mut writer = DwordWriter::over(&mut memory, 2);
        writer.put([1, 2, 3]).unwrap();
        assert_eq!((writer.put([4, 5]), writer.finish()), (Err(RunFull), 0));
        assert_eq!(memory, [2 << 32 | 1, 3, 9]);
    }

    #[test]
    fn an_even_number_of_dwords_is_not_filled_up() {
        with_buffer(|buffer| {
            let mut writer = DwordWriter::new(buffer, 0, 2).unwrap();
            writer.put([1]).unwrap();
            writer.put([2]).unwrap();
            assert_eq!(writer.finish(), 2);
            assert_eq!(dwords(buffer), [1, 2, 0, 0]);
        });
    }

    #[test]
    fn what_does_not_fit_writes_nothing() {
        with_buffer(|buffer| {
            let mut writer = DwordWriter::new(buffer, 0, 2).unwrap();
            assert_eq!(writer.put([7; 5]), Err(RunFull));
            writer.put([1, 2, 3]).unwrap();
            assert_eq!((writer.put([4, 5]), writer.put([4]), writer.put([5])), (Err(RunFull), Ok(()), Err(RunFull)));
            assert_eq!(writer.finish(), 0);
            assert_eq!(dwords(buffer), [1, 2, 3, 4, 0, 0]);
        });
    }

    #[test]
    fn runs_outside_the_buffer_or_off_the_grid_are_refused() {
        with_buffer(|buffer| {
            assert!(DwordWriter::new(buffer, 128, 0).is_ok_and(|writer| writer.room() == 0));
            for (offset, qwords) in [(124, 1), (128, 1), (4, 1), (0, 17), (usize::MAX - 7, 2), (8, usize::MAX)] {
                assert!(DwordWriter::new(buffer, offset, qwords).is_err(), "{offset} {qwords}");
            }
        });
    }
}
