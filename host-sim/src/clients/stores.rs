//! Being told of what engines store into memory of clients.

use barexe_hal::UserSpace;
use core::fmt;
use core::ptr::NonNull;

/// Who stores: the batch that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// Root descriptor of its address space, as the context has it.
    pub root: u64,
    /// Where the batch begins that the ring started last; none if that is not known.
    pub batch: Option<u64>,
}

/// Where it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// In a buffer, at this address of the CPU's mapping.
    Buffer(NonNull<u8>),
    /// In memory of a client outside of the simulation.
    Client(UserSpace, u64),
}

/// Is told of every store of an engine through page tables of a client, once it is done and before anything else is.
pub trait StoreWatch: Send + Sync + fmt::Debug {
    /// Bytes were stored. They do not leave a page.
    fn stored(&self, place: Stored, bytes: &[u8], author: Author);
}
