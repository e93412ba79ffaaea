//! The memory of whoever calls the driver.
//!
//! A client names places by [`ClientAddr`]; only the embedder knows what lies there. A guest's physical memory, a
//! process, a file of recorded bytes: the core copies in and out and takes a fault as an answer.

use crate::ClientAddr;
use core::fmt;

/// A copy met memory that the client does not have, or not with that access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClientFault {
    /// Start of the refused copy.
    pub addr: ClientAddr,
    /// Its length in bytes.
    pub len_bytes: usize,
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client memory {}+{} bytes cannot be reached", self.addr, self.len_bytes)
    }
}

impl core::error::Error for ClientFault {}

/// Copy in and out of a client's memory.
///
/// **Caller**: uses addresses exactly as the client gave them; tests nothing.
/// **Implementor**: an address outside the client's memory is a [`ClientFault`], never a crash. A refused
/// `copy_out` writes nothing. A range that wraps past the end of the address space is a fault.
pub trait ClientMemory {
    /// Copies `into.len()` bytes from `addr`.
    ///
    /// # Errors
    /// [`ClientFault`] if any byte cannot be read; `into` is then unspecified.
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault>;

    /// Copies `from` to `addr`.
    ///
    /// # Errors
    /// [`ClientFault`] if any byte cannot be written; nothing is written then.
    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault>;
}

impl<M: ClientMemory + ?Sized> ClientMemory for &mut M {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        (**self).copy_in(addr, into)
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        (**self).copy_out(addr, from)
    }
}

/// Client memory that has nothing in it: every copy faults.
///
/// For embedders whose clients pass no pointers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClientMemory;

impl ClientMemory for NoClientMemory {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        Err(ClientFault { addr, len_bytes: into.len() })
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        Err(ClientFault { addr, len_bytes: from.len() })
    }
}
