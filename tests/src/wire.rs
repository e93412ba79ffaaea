//! What a client of the byte interface has: argument structs put together by offset, and memory.
//!
//! Offsets here are those of the sheet, written down a second time: nothing is taken from the driver.

use barexe_hal::{ClientAddr, ClientFault, ClientMemory};

/// Bytes of a struct, zero but for what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// `len` zero bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// With bytes at an offset; past the end the struct grows.
    #[must_use]
    pub fn with(mut self, offset: usize, bytes: &[u8]) -> Self {
        let end = offset.saturating_add(bytes.len());
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        if let Some(place) = self.0.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        self
    }

    /// With a 16-bit field.
    #[must_use]
    pub fn u16(self, offset: usize, value: u16) -> Self {
        self.with(offset, &value.to_le_bytes())
    }

    /// With a 32-bit field.
    #[must_use]
    pub fn u32(self, offset: usize, value: u32) -> Self {
        self.with(offset, &value.to_le_bytes())
    }

    /// With a 64-bit field.
    #[must_use]
    pub fn u64(self, offset: usize, value: u64) -> Self {
        self.with(offset, &value.to_le_bytes())
    }

    /// A 32-bit field.
    ///
    /// # Panics
    /// Past the end.
    #[must_use]
    pub fn get_u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array(offset))
    }

    /// A 64-bit field.
    ///
    /// # Panics
    /// Past the end.
    #[must_use]
    pub fn get_u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }

    #[expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let found = self.0.get(offset..).and_then(|rest| rest.first_chunk());
        *found.unwrap_or_else(|| panic!("{N} bytes at {offset} of {}", self.0.len()))
    }
}

/// Pieces of client memory. What lies in none of them cannot be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ram {
    pieces: Vec<(u64, Vec<u8>)>,
    /// Address and length of every copy in that succeeded, in order.
    pub reads: Vec<(u64, usize)>,
}

impl Ram {
    /// No memory at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a piece at an address.
    #[must_use]
    pub fn with(mut self, addr: u64, bytes: &[u8]) -> Self {
        self.pieces.push((addr, bytes.to_vec()));
        self
    }

    /// With an array of structs at an address.
    #[must_use]
    pub fn with_all(self, addr: u64, structs: &[Bytes]) -> Self {
        let bytes: Vec<u8> = structs.iter().flat_map(|one| one.0.iter().copied()).collect();
        self.with(addr, &bytes)
    }

    /// The piece that starts at an address.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]
    pub fn at(&self, addr: u64) -> &[u8] {
        let found = self.pieces.iter().find(|(start, _)| *start == addr);
        found.map_or_else(|| panic!("no memory at {addr:#x}"), |(_, bytes)| bytes)
    }

    /// What it holds, without the note of what was read.
    #[must_use]
    pub fn contents(&self) -> Vec<(u64, Vec<u8>)> {
        self.pieces.clone()
    }

    fn find(&mut self, addr: ClientAddr, len: usize) -> Option<&mut [u8]> {
        self.pieces.iter_mut().find_map(|(start, bytes)| {
            let offset = usize::try_from(addr.get().checked_sub(*start)?).ok()?;
            bytes.get_mut(offset..offset.checked_add(len)?)
        })
    }
}

impl ClientMemory for Ram {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        let len_bytes = into.len();
        let from = self.find(addr, len_bytes).ok_or(ClientFault { addr, len_bytes })?;
        into.copy_from_slice(from);
        self.reads.push((addr.get(), len_bytes));
        Ok(())
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        let to = self.find(addr, from.len()).ok_or(ClientFault { addr, len_bytes: from.len() })?;
        to.copy_from_slice(from);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_reached_inside_a_piece_and_nowhere_else() {
        let mut ram = Ram::new().with(0x100, &[1, 2, 3, 4]);
        let mut two = [0; 2];
        ram.copy_in(ClientAddr::new(0x101).unwrap(), &mut two).unwrap();
        assert_eq!((two, ram.reads.as_slice()), ([2, 3], [(0x101, 2)].as_slice()));
        assert!(ram.copy_in(ClientAddr::new(0x103).unwrap(), &mut two).is_err());
        assert!(ram.copy_out(ClientAddr::new(0xFF).unwrap(), &two).is_err());
        assert_eq!(ram.at(0x100), [1, 2, 3, 4]);
    }

    #[test]
    fn fields_stand_where_they_were_written() {
        let bytes = Bytes::new(8).u16(2, 0x0201).u32(8, 7);
        assert_eq!(bytes.0, [0, 0, 1, 2, 0, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!((bytes.get_u32(8), bytes.get_u64(0)), (7, 0x0201_0000));
    }
}
