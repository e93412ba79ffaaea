//! Memory of clients that the device reaches in place.
//!
//! A client may map ordinary memory of its own for the GPU. The embedder knows where its pages are; the core asks it to
//! pin them, piece by piece, and to let them go. Which client's memory is meant says a [`UserSpace`], a tag that the
//! embedder gave when the client was opened.

use crate::{BusAddr, ClientAddr, HalError, HalErrorKind};

/// Names the memory space of a client. What the number means is the embedder's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UserSpace(pub u64);

/// What the device will do with pinned pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum UserAccess {
    /// Read them.
    Read,
    /// Read and write them.
    ReadWrite,
}

/// A request to pin client memory. Address and length are multiples of 4096.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinRequest {
    /// Whose memory.
    pub space: UserSpace,
    /// First address.
    pub addr: ClientAddr,
    /// Length in bytes, not 0.
    pub len_bytes: u64,
    /// What for.
    pub access: UserAccess,
    /// Highest bus address the device can drive.
    pub last_addr: BusAddr,
}

/// Pinned client memory that is contiguous on the bus. It is given back with [`UserPages::unpin`], once for each page;
/// dropping it leaves the pages pinned for ever.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "pages stay pinned until they are unpinned"]
pub struct PinnedRun {
    /// Bus address of its first byte, a multiple of 4096.
    pub bus: BusAddr,
    /// Length in bytes: a multiple of 4096, not 0.
    pub len_bytes: u64,
    /// The implementation's own; the core only passes it on.
    pub token: u64,
}

impl PinnedRun {
    /// Cuts it in two at `at_bytes`, a multiple of 4096 inside of it. Both parts have the same token.
    #[must_use]
    pub fn split(self, at_bytes: u64) -> Option<(Self, Self)> {
        let Self { bus, len_bytes, token } = self;
        let rest = len_bytes.checked_sub(at_bytes).filter(|rest| *rest > 0 && at_bytes > 0)?;
        let second = Self { bus: bus.checked_add(at_bytes)?, len_bytes: rest, token };
        Some((Self { bus, len_bytes: at_bytes, token }, second))
    }
}

/// Pinning of client memory.
///
/// Implementations without it write `impl UserPages for X {}`: every method then answers that there is none.
///
/// When pages of a space change (they are unmapped, or others come in their place) the embedder tells the core, which
/// answers with a ticket; until that is over, pinned pages stay as they are. The core never asks again for pages it has
/// not been told about.
pub trait UserPages {
    /// Whether there is any. **Implementor**: always the same answer.
    fn has_user_pages(&self) -> bool {
        false
    }

    /// Pins the first pages of a range: as many as follow each other on the bus, at least one.
    ///
    /// **Caller**: asks again for what is left of the range. **Implementor**: the pages do not move, and the device can
    /// reach them at the address given, until each of them is unpinned. A page may be pinned more than once, and is then
    /// unpinned as often. Where bytes go through a mapping of the platform's own (an IOMMU) it exists until then.
    ///
    /// # Errors
    /// [`ClientFault`](HalErrorKind::ClientFault) if the first page is not there, or not for that access;
    /// [`NoMemory`](HalErrorKind::NoMemory) when it cannot be had now, also for pages that keep moving;
    /// [`BadRequest`](HalErrorKind::BadRequest) for no length or what is not a multiple of a page;
    /// [`Unsupported`](HalErrorKind::Unsupported) without this facility.
    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        let _ = request;
        Err(HalErrorKind::Unsupported.into())
    }

    /// Lets pages go: all of what [`pin`](Self::pin) gave, or a part of it.
    ///
    /// **Caller**: nothing of the device reaches them any more. **Implementor**: bytes that the device wrote are the
    /// client's from here on.
    fn unpin(&mut self, run: PinnedRun) {
        let _ = run;
    }
}

impl<T: UserPages + ?Sized> UserPages for &mut T {
    fn has_user_pages(&self) -> bool {
        (**self).has_user_pages()
    }

    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        (**self).pin(request)
    }

    fn unpin(&mut self, run: PinnedRun) {
        (**self).unpin(run);
    }
}
