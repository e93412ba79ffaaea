//! A client's memory: a few pages that can be made to fault.

use barexe_hal::ClientAddr;
use barexe_hal::client::{ClientFault, ClientMemory};

/// Memory of a client from address 0x1000 on, one page.
#[derive(Clone, Debug)]
pub struct ClientPage {
    bytes: Vec<u8>,
    /// Copies asked for so far.
    pub copies: u64,
    /// The copy, counted from 0, that faults.
    pub fails: Option<u64>,
}

/// Address of the page.
pub const CLIENT_PAGE: u64 = 0x1000;
const LEN: usize = 4096;

impl Default for ClientPage {
    fn default() -> Self {
        Self { bytes: vec![0; LEN], copies: 0, fails: None }
    }
}

impl ClientPage {
    fn part(&mut self, addr: ClientAddr, len_bytes: usize) -> Result<&mut [u8], ClientFault> {
        let fault = ClientFault { addr, len_bytes };
        let number = self.copies;
        self.copies = number.wrapping_add(1);
        if self.fails == Some(number) {
            return Err(fault);
        }
        let start = addr.get().checked_sub(CLIENT_PAGE).and_then(|at| usize::try_from(at).ok()).ok_or(fault)?;
        let end = start.checked_add(len_bytes).ok_or(fault)?;
        self.bytes.get_mut(start..end).ok_or(fault)
    }

    /// The word at an address, without counting as a copy.
    #[must_use]
    pub fn word(&self, addr: u64) -> Option<u64> {
        let start = usize::try_from(addr.checked_sub(CLIENT_PAGE)?).ok()?;
        let bytes = self.bytes.get(start..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

impl ClientMemory for ClientPage {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        into.copy_from_slice(self.part(addr, into.len())?);
        Ok(())
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        self.part(addr, from.len())?.copy_from_slice(from);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_ends_and_the_chosen_copy_faults() {
        let at = |addr| ClientAddr::new(addr).unwrap();
        let mut page = ClientPage { fails: Some(2), ..ClientPage::default() };
        assert_eq!(page.copy_out(at(0x1008), &[7; 8]), Ok(()));
        assert!(page.copy_in(at(0x1FFC), &mut [0; 8]).is_err());
        assert!(page.copy_in(at(0x1008), &mut [0; 8]).is_err(), "the third copy");
        let mut back = [0; 8];
        assert_eq!((page.copy_in(at(0x1008), &mut back), back), (Ok(()), [7; 8]));
        assert!(page.copy_in(at(8), &mut back).is_err());
        assert_eq!(page.word(0x1008), Some(0x0707_0707_0707_0707));
    }
}
