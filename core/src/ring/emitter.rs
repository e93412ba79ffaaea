//! Where commands are appended to, and a bounded list in plain memory.

use barexe_hal::DwordWriter;
use core::fmt;

/// The list had no room for a command. The commands before it are in the list; nobody else has seen them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("command list is full")
    }
}

impl core::error::Error for NoRoom {}

/// Takes commands, one behind the other.
pub trait Emit {
    /// Appends one command, all of it or nothing.
    ///
    /// # Errors
    /// [`NoRoom`]; what was appended before stays.
    fn emit<const N: usize>(&mut self, command: [u32; N]) -> Result<(), NoRoom>;
}

/// Appends commands to a caller's array, in memory that no device reads: for what is built once and copied in one piece.
/// Jobs go straight into their ring, see [`Reservation::emit`](super::writer::Reservation::emit).
#[derive(Debug)]
pub struct Emitter<'a> {
    out: &'a mut [u32],
    len: usize,
}

impl<'a> Emitter<'a> {
    /// An empty list with room for `out.len()` dwords.
    #[must_use]
    pub const fn new(out: &'a mut [u32]) -> Self {
        Self { out, len: 0 }
    }

    /// Appends MI_NOOP until the length is a multiple of `unit_dwords`, a power of two.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn pad_to_multiple(&mut self, unit_dwords: usize) -> Result<(), NoRoom> {
        while self.len & unit_dwords.wrapping_sub(1) != 0 {
            self.emit([0])?;
        }
        Ok(())
    }

    /// The list so far.
    #[must_use]
    pub fn dwords(&self) -> &[u32] {
        self.out.get(..self.len).unwrap_or(&[])
    }
}

impl Emit for Emitter<'_> {
    #[inline]
    fn emit<const N: usize>(&mut self, command: [u32; N]) -> Result<(), NoRoom> {
        let end = self.len.checked_add(N).ok_or(NoRoom)?;
        let place = self.out.get_mut(self.len..end).ok_or(NoRoom)?;
        for (to, from) in place.iter_mut().zip(command) {
            *to = from;
        }
        self.len = end;
        Ok(())
    }
}

/// Straight to where the device reads them.
impl Emit for DwordWriter<'_> {
    #[inline(always)]
    fn emit<const N: usize>(&mut self, command: [u32; N]) -> Result<(), NoRoom> {
        self.put(command).map_err(|_| NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_fit_leaves_the_list_alone() {
        let mut room = [9; 3];
        let mut out = Emitter::new(&mut room);
        out.emit([1, 2]).unwrap();
        assert_eq!(out.emit([3, 4]), Err(NoRoom));
        assert_eq!(out.dwords(), [1, 2]);
        out.emit([3]).unwrap();
        assert_eq!(out.dwords(), [1, 2, 3]);
        assert_eq!(out.emit([4]), Err(NoRoom));
    }

    #[test]
    fn padding_fills_with_noop_up_to_the_unit_and_not_beyond() {
        let mut room = [9; 32];
        let mut out = Emitter::new(&mut room);
        out.pad_to_multiple(16).unwrap();
        assert_eq!(out.dwords().len(), 0, "an empty list needs no padding");
        out.emit([1]).unwrap();
        out.pad_to_multiple(16).unwrap();
        out.pad_to_multiple(16).unwrap();
        assert_eq!(out.dwords().len(), 16);
        assert!(out.dwords()[1..].iter().all(|d| *d == 0));
    }
}
