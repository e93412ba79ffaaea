//! Memory of clients that the device reaches in place.
//!
//! Sparse pages in numbered spaces. Each page lies somewhere on the bus; a page that is unmapped or replaced while it
//! is pinned lives on, out of the client's reach, until it is unpinned. The device may reach pinned pages only: anything
//! else is the driver's fault, and so is a page that is unpinned too often.

use crate::bus::BusError;
use crate::clients::outside::{ClientPages, Outside};
use barexe_hal::{BusAddr, HalError, HalErrorKind, PinRequest, PinnedRun, UserAccess, UserSpace};
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: u64 = 4096;
/// Where frames lie: above everything that the driver is given, below what 39 bits can name.
pub(crate) const FIRST_FRAME: u64 = 0x70_0000_0000;
/// The first address beyond those of 39 bits.
const END: u64 = 1 << 39;

/// A page of memory, wherever it appears.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    bytes: Vec<u8>,
    /// How often it is pinned, to be read and to be written.
    pins: u32,
    writable_pins: u32,
    /// A client has it.
    mapped: bool,
}

/// A page as a client has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapped {
    frame: u64,
    writable: bool,
}

/// All memory of all clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserMemory {
    frames: BTreeMap<u64, Frame>,
    spaces: BTreeMap<(u64, u64), Mapped>,
    next: u64,
    /// Clients that are not simulated.
    outside: Option<Outside>,
}

/// How a page is pinned is told to the driver in the token, and comes back in it.
const WRITABLE: u64 = 1;

impl UserMemory {
    /// Memory of clients outside, or of nobody yet.
    pub(crate) fn new(clients: Option<Arc<dyn ClientPages>>) -> Self {
        Self { outside: clients.map(|pages| Outside::new(pages, FIRST_FRAME..END)), ..Self::default() }
    }

    /// Gives a client fresh zeroed pages; those that were there are gone. Every `piece_bytes`, a multiple of 4096,
    /// the pages continue elsewhere on the bus; a piece is aligned to its length.
    pub(crate) fn map(&mut self, space: u64, range: &Range<u64>, piece_bytes: u64, writable: bool) {
        self.unmap(space, range);
        let piece = piece_bytes.max(PAGE);
        let mut at = 0;
        for (number, page) in pages(range).enumerate() {
            let inside = (number as u64).wrapping_mul(PAGE).checked_rem(piece).unwrap_or(0);
            if inside == 0 {
                // A page stays free in between, so that two pieces never look like one.
                let from = FIRST_FRAME.saturating_add(self.next).saturating_add(PAGE);
                at = from.checked_next_multiple_of(piece.next_power_of_two()).unwrap_or(from);
            }
            let frame = at.saturating_add(inside);
            self.next = frame.saturating_add(PAGE).saturating_sub(FIRST_FRAME);
            let bytes = vec![0; PAGE as usize];
            self.frames.insert(frame, Frame { bytes, pins: 0, writable_pins: 0, mapped: true });
            self.spaces.insert((space, page), Mapped { frame, writable });
        }
    }

    /// Takes pages away from a client.
    pub(crate) fn unmap(&mut self, space: u64, range: &Range<u64>) {
        for page in pages(range) {
            let Some(gone) = self.spaces.remove(&(space, page)) else { continue };
            if let Some(frame) = self.frames.get_mut(&gone.frame) {
                frame.mapped = false;
            }
            self.drop_if_unused(gone.frame);
        }
    }

    fn drop_if_unused(&mut self, frame: u64) {
        if self.frames.get(&frame).is_some_and(|frame| frame.pins == 0 && !frame.mapped) {
            self.frames.remove(&frame);
        }
    }

    /// The client reads; false if any byte is not there.
    pub(crate) fn read(&self, space: u64, addr: u64, into: &mut [u8]) -> bool {
        let bytes = (addr..).zip(into);
        bytes.into_iter().all(|(addr, byte)| {
            let mapped = self.spaces.get(&(space, addr & !(PAGE - 1)));
            let frame = mapped.and_then(|mapped| self.frames.get(&mapped.frame));
            let found = frame.and_then(|frame| frame.bytes.get((addr & (PAGE - 1)) as usize));
            found.map(|found| *byte = *found).is_some()
        })
    }

    /// The client writes; false, with nothing written, if any byte is not there.
    pub(crate) fn write(&mut self, space: u64, addr: u64, from: &[u8]) -> bool {
        let mut old = vec![0; from.len()];
        if !self.read(space, addr, &mut old) {
            return false;
        }
        for (addr, byte) in (addr..).zip(from) {
            let mapped = self.spaces.get(&(space, addr & !(PAGE - 1)));
            let frame = mapped.and_then(|mapped| self.frames.get_mut(&mapped.frame));
            if let Some(place) = frame.and_then(|frame| frame.bytes.get_mut((addr & (PAGE - 1)) as usize)) {
                *place = *byte;
            }
        }
        true
    }

    pub(crate) fn pin(&mut self, request: &PinRequest) -> Result<PinnedRun, HalError> {
        if let Some(outside) = &mut self.outside {
            let writes = request.access == UserAccess::ReadWrite;
            return outside.pin(request, if writes { WRITABLE } else { 0 });
        }
        let (space, first) = (request.space.0, request.addr.get());
        if request.len_bytes == 0 || (request.len_bytes | first) & (PAGE - 1) != 0 {
            return Err(HalErrorKind::BadRequest.into());
        }
        let writes = request.access == UserAccess::ReadWrite;
        let frame_of = |addr: u64| {
            let mapped = self.spaces.get(&(space, addr)).filter(|mapped| mapped.writable || !writes);
            mapped.map(|mapped| mapped.frame).filter(|frame| frame.saturating_add(PAGE - 1) <= request.last_addr.get())
        };
        let bus = frame_of(first).ok_or(HalErrorKind::ClientFault)?;
        let follows = |bytes: &u64| {
            let next = first.checked_add(*bytes).and_then(frame_of);
            next == bus.checked_add(*bytes)
        };
        let more = (PAGE..request.len_bytes).step_by(PAGE as usize).take_while(follows).count() as u64;
        let len_bytes = PAGE.saturating_add(more.saturating_mul(PAGE));
        for frame in pages(&(bus..bus.saturating_add(len_bytes))) {
            if let Some(frame) = self.frames.get_mut(&frame) {
                frame.pins = frame.pins.saturating_add(1);
                frame.writable_pins = frame.writable_pins.saturating_add(u32::from(writes));
            }
        }
        let bus = BusAddr::new(bus).ok_or(HalErrorKind::BadRequest)?;
        Ok(PinnedRun { bus, len_bytes, token: if writes { WRITABLE } else { 0 } })
    }

    /// What was wrong with it, if anything was.
    pub(crate) fn unpin(&mut self, run: &PinnedRun) -> Result<(), String> {
        if let Some(outside) = &mut self.outside {
            return outside.unpin(run, run.token & WRITABLE != 0);
        }
        let mut result = Ok(());
        let writable = u32::from(run.token & WRITABLE != 0);
        for at in pages(&(run.bus.get()..run.bus.get().saturating_add(run.len_bytes))) {
            match self.frames.get_mut(&at).filter(|frame| frame.pins > 0 && frame.writable_pins >= writable) {
                Some(frame) => {
                    frame.pins -= 1;
                    frame.writable_pins -= writable;
                    self.drop_if_unused(at);
                }
                None => result = Err(format!("client page at bus address {at:#x} is unpinned and was not pinned")),
            }
        }
        result
    }

    /// Pages pinned now; one that is pinned twice counts twice.
    pub(crate) fn pinned(&self) -> u64 {
        let outside = self.outside.as_ref().map_or(0, Outside::pinned);
        self.frames.values().map(|frame| u64::from(frame.pins)).sum::<u64>().saturating_add(outside)
    }

    /// Every page that is pinned: bus address and how often.
    pub(crate) fn pins(&self) -> Vec<(u64, u32)> {
        let outside = self.outside.iter().flat_map(Outside::pins);
        let own = self.frames.iter().filter(|(_, frame)| frame.pins > 0).map(|(at, frame)| (*at, frame.pins));
        own.chain(outside).collect()
    }

    /// Which memory of a client outside lies at a bus address where it can be written.
    pub(crate) fn client_place(&self, addr: u64, len: usize) -> Option<(UserSpace, u64)> {
        self.outside.as_ref()?.find(addr, len, true).ok()
    }

    /// Whether an address can be one of these pages.
    pub(crate) const fn may_have(addr: u64) -> bool {
        addr >= FIRST_FRAME
    }

    pub(crate) fn device_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        if let Some(outside) = &self.outside {
            return outside.device_read(addr, into);
        }
        for (addr, byte) in (addr..).zip(into) {
            let frame = self.frames.get(&(addr & !(PAGE - 1))).filter(|frame| frame.pins > 0);
            let found = frame.and_then(|frame| frame.bytes.get((addr & (PAGE - 1)) as usize));
            *byte = *found.ok_or(BusError { addr })?;
        }
        Ok(())
    }

    pub(crate) fn device_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        if let Some(outside) = &self.outside {
            return outside.device_write(addr, from);
        }
        for (addr, byte) in (addr..).zip(from) {
            let frame = self.frames.get_mut(&(addr & !(PAGE - 1))).filter(|frame| frame.writable_pins > 0);
            let place = frame.and_then(|frame| frame.bytes.get_mut((addr & (PAGE - 1)) as usize));
            *place.ok_or(BusError { addr })? = *byte;
        }
        Ok(())
    }
}

/// The pages that a range touches.
fn pages(range: &Range<u64>) -> impl Iterator<Item = u64> + use<> {
    let first = range.start & !(PAGE - 1);
    (first..range.end).step_by(PAGE as usize)
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
