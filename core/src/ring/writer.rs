//! Room in a ring, and commands put there.
//!
//! ```text
//!  0            head ---- executed next ----> tail                     size
//!  |..free......|XXXXXXXXXXXXXXXXXXXXXXXXXXXX|.......free...............|
//! ```
//!
//! Commands may straddle the end of the ring; nothing pads it out. Only the total is padded, to a qword, because the
//! tail register has no finer resolution (commands sheet §3).
//!
//! The order is: [`RingState::reserve`], which takes nothing; then the commands, straight to where the device will read
//! them, by [`Reservation::emit`], which moves the tail when all of them are there. Until then they lie in free room
//! that nobody looks at. The caller publishes the written bytes and then the tail.

use super::emitter::NoRoom;
use crate::num::{u32_capped, usize_of};
use barexe_hal::{DmaBuffer, DwordWriter, OutOfBounds};
use core::fmt;
use core::ops::Range;

/// Bits of a head word that hold the offset; others count wraps or are unused (commands sheet §3).
const HEAD_FIELD: u32 = 0x001F_FFFC;
/// Bytes that stay free: a full ring would look empty.
const GAP_BYTES: u32 = 8;

/// Free bytes of a ring of `size` bytes, a power of two. Equal offsets mean empty; the result is never 0.
#[must_use]
#[inline]
pub const fn space_bytes(size: u32, head: u32, tail: u32) -> u32 {
    (head.wrapping_sub(tail).wrapping_sub(1) & size.wrapping_sub(1)).wrapping_add(1)
}

/// Why a ring did not take a request. It is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// Not enough room now; there may be once the GPU has executed more.
    Full {
        /// Bytes asked for, padding and the gap included.
        needed_bytes: u32,
        /// Bytes free.
        space_bytes: u32,
    },
    /// More than was reserved, or than the ring can ever hold.
    TooLong {
        /// Length of the request in dwords.
        dwords: usize,
    },
    /// The head that the device wrote is not inside the ring.
    HeadOutside {
        /// The word as read.
        head: u32,
    },
    /// Size or tail cannot be that of a ring.
    Geometry {
        /// Size in bytes: a power of two from 4 KiB to 2 MiB.
        size_bytes: u32,
        /// Tail in bytes: a multiple of 8 below the size.
        tail_bytes: u32,
    },
    /// The ring does not lie inside its buffer.
    Buffer(OutOfBounds),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { needed_bytes, space_bytes } => {
                write!(f, "ring full: {needed_bytes} bytes needed, {space_bytes} free")
            }
            Self::TooLong { dwords } => write!(f, "{dwords} dwords are more than was reserved"),
            Self::HeadOutside { head } => write!(f, "ring head {head:#x} is outside the ring"),
            Self::Geometry { size_bytes, tail_bytes } => {
                write!(f, "no ring has {size_bytes:#x} bytes and tail {tail_bytes:#x}")
            }
            Self::Buffer(cause) => write!(f, "ring: {cause}"),
        }
    }
}

impl core::error::Error for RingError {}

/// The driver's side of one ring: where it lies in its buffer, and how far it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingState {
    base_bytes: usize,
    size_bytes: u32,
    tail_bytes: u32,
}

impl RingState {
    /// A ring of `size_bytes` at `base_bytes` of its buffer, written up to `tail_bytes`.
    ///
    /// # Errors
    /// [`RingError::Geometry`].
    pub const fn new(base_bytes: usize, size_bytes: u32, tail_bytes: u32) -> Result<Self, RingError> {
        let size_fits = size_bytes.is_power_of_two() && size_bytes >= 4096 && size_bytes <= 2 << 20;
        if size_fits && tail_bytes < size_bytes && tail_bytes & 7 == 0 && base_bytes & 7 == 0 {
            Ok(Self { base_bytes, size_bytes, tail_bytes })
        } else {
            Err(RingError::Geometry { size_bytes, tail_bytes })
        }
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// Software tail in bytes: where the next request goes. What the GPU knows of is the caller's business.
    #[must_use]
    pub const fn tail_bytes(&self) -> u32 {
        self.tail_bytes
    }

    /// Free bytes, for the head word as the device wrote it.
    ///
    /// # Errors
    /// [`RingError::HeadOutside`].
    #[inline]
    pub const fn space_bytes(&self, head: u32) -> Result<u32, RingError> {
        let offset = head & HEAD_FIELD;
        if offset < self.size_bytes {
            Ok(space_bytes(self.size_bytes, offset, self.tail_bytes))
        } else {
            Err(RingError::HeadOutside { head })
        }
    }

    /// Makes certain of room for `dwords`, given the device's head word. Takes nothing: a reservation that is
    /// dropped has changed nothing.
    ///
    /// # Errors
    /// [`RingError::Full`], which may pass; [`RingError::TooLong`] and [`RingError::HeadOutside`], which do not.
    #[inline]
    pub fn reserve<'a>(
        &'a mut self,
        buffer: &'a DmaBuffer,
        head: u32,
        dwords: usize,
    ) -> Result<Reservation<'a>, RingError> {
        let needed_bytes = padded_bytes(dwords)
            .and_then(|bytes| bytes.checked_add(GAP_BYTES))
            .filter(|bytes| *bytes <= self.size_bytes)
            .ok_or(RingError::TooLong { dwords })?;
        let space_bytes = self.space_bytes(head)?;
        if needed_bytes > space_bytes {
            return Err(RingError::Full { needed_bytes, space_bytes });
        }
        Ok(Reservation { ring: self, buffer, dwords })
    }

    #[inline]
    const fn check_inside(&self, buffer: &DmaBuffer) -> Result<(), RingError> {
        let (offset_bytes, access_bytes, len_bytes) = (self.base_bytes, usize_of(self.size_bytes), buffer.len_bytes());
        match offset_bytes.checked_add(access_bytes) {
            Some(end) if end <= len_bytes => Ok(()),
            _ => Err(RingError::Buffer(OutOfBounds { offset_bytes, access_bytes, len_bytes })),
        }
    }

    /// Whether a request of so many dwords at the tail would not reach past the end of the ring.
    #[inline]
    fn has_in_one_piece(&self, dwords: usize) -> bool {
        padded_bytes(dwords).is_some_and(|bytes| bytes <= self.size_bytes.wrapping_sub(self.tail_bytes))
    }

    /// Where the tail is, in bytes of the buffer. Whoever writes there checks it.
    #[inline]
    const fn tail_in_buffer(&self) -> usize {
        self.base_bytes.wrapping_add(usize_of(self.tail_bytes))
    }

    /// Moves the tail past a request of an even number of dwords, which lies in one piece.
    #[inline]
    const fn advance(&mut self, dwords: usize) -> RingSpan {
        let (start, head_bytes) = (self.tail_in_buffer(), self.tail_bytes);
        // It fits into a ring, and so into any integer.
        let bytes = dwords.wrapping_mul(4);
        self.tail_bytes = head_bytes.wrapping_add(u32_capped(bytes)) & self.size_bytes.wrapping_sub(1);
        let before_end = start..start.wrapping_add(bytes);
        RingSpan { head_bytes, tail_bytes: self.tail_bytes, before_end, from_start: self.base_bytes..self.base_bytes }
    }

    /// Where a request of `dwords` at the tail lands.
    #[inline]
    fn span(&self, dwords: usize) -> Option<RingSpan> {
        let bytes = padded_bytes(dwords)?;
        let to_end = self.size_bytes.wrapping_sub(self.tail_bytes);
        let before = bytes.min(to_end);
        let after = bytes.wrapping_sub(before);
        let start = self.base_bytes.checked_add(usize_of(self.tail_bytes))?;
        Some(RingSpan {
            head_bytes: self.tail_bytes,
            tail_bytes: self.tail_bytes.wrapping_add(bytes) & self.size_bytes.wrapping_sub(1),
            before_end: start..start.checked_add(usize_of(before))?,
            from_start: self.base_bytes..self.base_bytes.checked_add(usize_of(after))?,
        })
    }
}

/// Bytes that `dwords` take in a ring: padded to a qword.
#[inline]
fn padded_bytes(dwords: usize) -> Option<u32> {
    u32_capped(dwords).checked_add(1).map(|n| n & !1).and_then(|n| n.checked_mul(4))
}

/// What a request occupied. Offsets in `before_end` and `from_start` are bytes of the buffer, for publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSpan {
    /// Ring offset of its first byte.
    pub head_bytes: u32,
    /// The new tail.
    pub tail_bytes: u32,
    /// The piece up to the end of the ring, or all of it.
    pub before_end: Range<usize>,
    /// The piece that continues at the start of the ring; mostly empty.
    pub from_start: Range<usize>,
}

/// Certain room in a ring.
#[derive(Debug)]
#[must_use = "room that is not written to was reserved in vain"]
pub struct Reservation<'a> {
    ring: &'a mut RingState,
    buffer: &'a DmaBuffer,
    dwords: usize,
}

impl Reservation<'_> {
    /// Emits a request straight to where the device will read it, padded, and moves the software tail past it. One that
    /// might go on behind the end of the ring is put together aside, in room for `QWORDS`.
    ///
    /// # Errors
    /// [`RingError::TooLong`] if it needs more than was reserved, or than `QWORDS`; [`RingError::Buffer`] if the ring does
    /// not lie in its buffer; the tail stays.
    #[inline]
    pub fn emit<const QWORDS: usize>(
        self,
        commands: impl FnOnce(&mut DwordWriter<'_>) -> Result<(), NoRoom>,
    ) -> Result<RingSpan, RingError> {
        let most = self.dwords.div_ceil(2).min(QWORDS);
        let room = most.wrapping_mul(2);
        let too_long = RingError::TooLong { dwords: room };
        let mut aside = None;
        let mut out = if self.ring.has_in_one_piece(room) {
            DwordWriter::new(self.buffer, self.ring.tail_in_buffer(), most).map_err(RingError::Buffer)?
        } else {
            DwordWriter::over(aside.insert([0; QWORDS]), most)
        };
        commands(&mut out).map_err(|_| too_long)?;
        let dwords = room.wrapping_sub(out.finish());
        match &aside {
            None => Ok(self.ring.advance(dwords)),
            Some(list) => self.write_in_two(list, dwords),
        }
    }

    /// Copies a request of so many dwords that was put together aside, up to the end of the ring and on from its start.
    #[cold]
    fn write_in_two(self, list: &[u64], dwords: usize) -> Result<RingSpan, RingError> {
        let too_long = RingError::TooLong { dwords };
        self.ring.check_inside(self.buffer)?;
        let span = self.ring.span(dwords).ok_or(too_long)?;
        let (before_end, from_start) = list.split_at_checked(span.before_end.len() >> 3).ok_or(too_long)?;
        let from_start = from_start.get(..span.from_start.len() >> 3).ok_or(too_long)?;
        for (at_bytes, qwords) in [(span.before_end.start, before_end), (span.from_start.start, from_start)] {
            self.buffer.copy_u64_or(at_bytes, qwords, 0).map_err(RingError::Buffer)?;
        }
        self.ring.tail_bytes = span.tail_bytes;
        Ok(span)
    }

    /// Copies a whole request into the ring, padded, and moves the software tail past it.
    ///
    /// # Errors
    /// [`RingError::TooLong`] if it is longer than what was reserved, [`RingError::Buffer`] if the ring does not lie in its
    /// buffer; nothing is written and the tail stays.
    pub fn write(self, dwords: &[u32]) -> Result<RingSpan, RingError> {
        if dwords.len() > self.dwords {
            return Err(RingError::TooLong { dwords: dwords.len() });
        }
        self.ring.check_inside(self.buffer)?;
        let span = self.ring.span(dwords.len()).ok_or(RingError::TooLong { dwords: dwords.len() })?;
        let fits = span.before_end.len() >> 2;
        let (before_end, from_start) = dwords.split_at_checked(fits).unwrap_or((dwords, &[]));
        self.copy(span.before_end.start, before_end)?;
        self.copy(span.from_start.start, from_start)?;
        if dwords.len() & 1 != 0 {
            self.pad(&span)?;
        }
        self.ring.tail_bytes = span.tail_bytes;
        Ok(span)
    }

    // The whole ring was checked against the buffer, so this error does not happen; it is passed on because nothing
    // better can be said if it did.
    fn copy(&self, at_bytes: usize, dwords: &[u32]) -> Result<(), RingError> {
        self.buffer.copy_u32(at_bytes, dwords).map_err(RingError::Buffer)
    }

    /// Writes the MI_NOOP that makes the length even: the last dword of the last piece.
    fn pad(&self, span: &RingSpan) -> Result<(), RingError> {
        let last = if span.from_start.is_empty() { &span.before_end } else { &span.from_start };
        self.copy(last.end.wrapping_sub(4), &[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 0x4000;

    fn ring(tail: u32) -> RingState {
        RingState::new(0, SIZE, tail).unwrap()
    }

    /// Commands sheet, Checks 3.
    #[test]
    fn space_is_that_of_the_table() {
        let rows =
            [(0, 0, 0x4000), (8, 0, 8), (0, 8, 0x3FF8), (0x3FF8, 0, 0x3FF8), (0x100, 0xF8, 8), (0x58, 0x58, 0x4000)];
        for (head, tail, want) in rows {
            assert_eq!(space_bytes(SIZE, head, tail), want, "head {head:#x} tail {tail:#x}");
        }
    }

    /// Engines sheet §8, Checks.
    #[test]
    fn space_before_the_head_is_small_and_the_tail_wraps() {
        assert_eq!(space_bytes(SIZE, 0x100, 0x3FF8), 0x108);
        assert_eq!(ring(0x3FF8).span(20).unwrap().tail_bytes, 0x48);
    }

    #[test]
    fn v3_1_and_v3_2_a_job_near_the_end_continues_at_the_start() {
        let span = ring(0x3FF0).span(19).unwrap();
        assert_eq!((span.head_bytes, span.tail_bytes), (0x3FF0, 0x40));
        assert_eq!((span.before_end, span.from_start), (0x3FF0..0x4000, 0..0x40));
        let straddling = ring(0x3FF8).span(19).unwrap();
        assert_eq!((straddling.tail_bytes, straddling.before_end.len()), (0x48, 8));
    }

    #[test]
    fn v3_3_a_job_that_ends_exactly_at_the_end_leaves_tail_zero() {
        let span = ring(0x3F38).span(49).unwrap();
        assert_eq!((span.tail_bytes, span.before_end, span.from_start), (0, 0x3F38..0x4000, 0..0));
    }

    #[test]
    fn pieces_lie_inside_the_ring_and_add_up_for_every_tail_and_length() {
        let base = 0x1000;
        for tail in (0..4096).step_by(8) {
            let ring = RingState::new(base, 4096, tail).unwrap();
            for dwords in 0..=80 {
                let span = ring.span(dwords).unwrap();
                let padded = dwords.div_ceil(2) * 8;
                assert_eq!(span.before_end.len() + span.from_start.len(), padded);
                assert!(span.before_end.end <= base + 4096 && span.before_end.start == base + tail as usize);
                assert_eq!(span.from_start.start, base);
                assert_eq!(span.tail_bytes as usize, (tail as usize + padded) % 4096);
            }
        }
    }

    #[test]
    fn the_head_is_masked_to_its_field_and_must_lie_inside() {
        assert_eq!(ring(0).space_bytes(0xFFE0_0008), Ok(8), "wrap count and low bits are not part of the offset");
        assert_eq!(ring(0).space_bytes(0x4000), Err(RingError::HeadOutside { head: 0x4000 }));
        assert_eq!(ring(0).space_bytes(u32::MAX), Err(RingError::HeadOutside { head: u32::MAX }));
    }

    #[test]
    fn only_powers_of_two_with_a_qword_tail_are_rings() {
        for (size, tail) in [(0, 0), (0x800, 0), (0x3000, 0), (4 << 20, 0), (SIZE, SIZE), (SIZE, 4)] {
            assert_eq!(RingState::new(0, size, tail), Err(RingError::Geometry { size_bytes: size, tail_bytes: tail }));
        }
        assert!(RingState::new(0, 4096, 4088).is_ok() && RingState::new(0, 2 << 20, 0).is_ok());
    }
}
