//! Arrays in client memory.

use crate::Error;
use crate::device::request::Source;
use barexe_hal::{ClientAddr, ClientFault, ClientMemory};
use core::cell::RefCell;

/// Client memory that several arrays of one call read from.
pub(in crate::uapi) struct SharedMemory<'m>(RefCell<&'m mut dyn ClientMemory>);

impl<'m> SharedMemory<'m> {
    pub(in crate::uapi) const fn new(memory: &'m mut dyn ClientMemory) -> Self {
        Self(RefCell::new(memory))
    }

    /// Copies `N` bytes in.
    pub(in crate::uapi) fn read<const N: usize>(&self, addr: Option<u64>) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        let unreachable = ClientFault { addr: ClientAddr::ZERO, len_bytes: N };
        // Past the end of the address space there is nothing.
        let addr = addr.and_then(ClientAddr::new).ok_or(unreachable)?;
        let mut shared = self;
        shared.copy_in(addr, &mut bytes)?;
        Ok(bytes)
    }
}

/// A copy never starts another one, so the memory is always free to be borrowed; if not, it is out of reach.
impl ClientMemory for &SharedMemory<'_> {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        let busy = ClientFault { addr, len_bytes: into.len() };
        self.0.try_borrow_mut().map_err(|_| busy)?.copy_in(addr, into)
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        let busy = ClientFault { addr, len_bytes: from.len() };
        self.0.try_borrow_mut().map_err(|_| busy)?.copy_out(addr, from)
    }
}

/// An array of `N`-byte elements in client memory. Each element is copied when it is asked for, once.
pub(in crate::uapi) struct ClientArray<'s, 'm, const N: usize, D> {
    memory: &'s SharedMemory<'m>,
    addr: u64,
    count: u32,
    decode: D,
}

impl<'s, 'm, const N: usize, D> ClientArray<'s, 'm, N, D> {
    /// `count` elements from `addr` on, each turned into a value by `decode`.
    pub(in crate::uapi) const fn new(memory: &'s SharedMemory<'m>, addr: u64, count: u32, decode: D) -> Self {
        Self { memory, addr, count, decode }
    }
}

impl<T, const N: usize, D: Fn(&[u8; N]) -> Result<T, Error>> Source<T> for ClientArray<'_, '_, N, D> {
    fn len(&self) -> u32 {
        self.count
    }

    fn get(&mut self, index: u32) -> Result<T, Error> {
        let offset = u64::from(index).saturating_mul(crate::num::u64_of(N));
        let bytes = self.memory.read(self.addr.checked_add(offset))?;
        (self.decode)(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Four bytes at each address, and a list of what was read.
    #[derive(Default)]
    struct Log(Vec<(u64, usize)>);

    impl ClientMemory for Log {
        fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
            self.0.push((addr.get(), into.len()));
            into.fill(addr.get().to_le_bytes()[0]);
            Ok(())
        }

        fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
            Err(ClientFault { addr, len_bytes: from.len() })
        }
    }

    #[test]
    fn elements_are_read_one_by_one_at_their_places() {
        let mut log = Log::default();
        let shared = SharedMemory::new(&mut log);
        let mut array = ClientArray::new(&shared, 0x10, 3, |bytes: &[u8; 4]| Ok(bytes[0]));
        assert_eq!(Source::<u8>::len(&array), 3);
        assert_eq!([array.get(0), array.get(1), array.get(2)], [Ok(0x10), Ok(0x14), Ok(0x18)]);
        assert_eq!(log.0, [(0x10, 4), (0x14, 4), (0x18, 4)]);
    }

    #[test]
    fn an_element_past_the_end_of_the_address_space_is_a_fault_and_is_not_read() {
        let mut log = Log::default();
        let shared = SharedMemory::new(&mut log);
        let mut array = ClientArray::new(&shared, u64::MAX - 7, 2, |_: &[u8; 8]| Ok(()));
        assert_eq!(array.get(0), Ok(()));
        assert!(matches!(array.get(1), Err(Error::ClientFault(_))));
        assert_eq!(log.0.len(), 1);
    }
}
