//! Memory of clients that is not simulated: processes, guests.
//!
//! The device reaches it by address and length, through whoever has it. A run of pages that was pinned has a place of its
//! own on the bus for as long as one of them is; it is contiguous there because it is in the client's memory.

use crate::bus::BusError;
use barexe_hal::{BusAddr, HalError, HalErrorKind, PinRequest, PinnedRun, UserAccess, UserSpace};
use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: u64 = 4096;
/// A run lies on the bus as it does in memory, up to this alignment: what could be one large page is one.
const ALIGNMENT: u64 = 2 << 20;

/// Whoever has the memory of clients.
pub trait ClientPages: Send + Sync + fmt::Debug {
    /// How many of `len_bytes` bytes from `addr` on are there, for that access.
    fn reachable(&self, space: UserSpace, addr: u64, len_bytes: u64, writes: bool) -> u64;

    /// Reads bytes; false if they cannot all be read. A word of 4 or 8 bytes at a multiple of its size is read at once.
    fn read(&self, space: UserSpace, addr: u64, into: &mut [u8]) -> bool;

    /// Writes bytes; false if they cannot all be written. A word of 4 or 8 bytes at a multiple of its size is written at
    /// once.
    fn write(&self, space: UserSpace, addr: u64, from: &[u8]) -> bool;
}

/// How often a page is pinned, to be read and to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pins {
    all: u32,
    writable: u32,
}

/// Pages that were pinned together.
#[derive(Clone, Debug)]
struct Run {
    space: UserSpace,
    addr: u64,
    pages: Vec<Pins>,
}

impl Run {
    const fn len_bytes(&self) -> u64 {
        (self.pages.len() as u64).saturating_mul(PAGE)
    }

    /// The pages that a range of its bytes touches.
    fn touched(&mut self, at: u64, len: u64) -> &mut [Pins] {
        let first = (at / PAGE) as usize;
        let end = at.saturating_add(len).div_ceil(PAGE) as usize;
        self.pages.get_mut(first..end).unwrap_or_default()
    }
}

/// What is pinned, by bus address.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pages: Arc<dyn ClientPages>,
    /// Bus addresses that pinned pages may have.
    window: Range<u64>,
    next: u64,
    runs: BTreeMap<u64, Run>,
}

impl Outside {
    pub(crate) fn new(pages: Arc<dyn ClientPages>, window: Range<u64>) -> Self {
        Self { pages, next: window.start, window, runs: BTreeMap::new() }
    }

    pub(crate) fn pin(&mut self, request: &PinRequest, token: u64) -> Result<PinnedRun, HalError> {
        let (addr, writes) = (request.addr.get(), request.access == UserAccess::ReadWrite);
        if request.len_bytes == 0 || (request.len_bytes | addr) & (PAGE - 1) != 0 {
            return Err(HalErrorKind::BadRequest.into());
        }
        let there = self.pages.reachable(request.space, addr, request.len_bytes, writes) & !(PAGE - 1);
        if there == 0 {
            return Err(HalErrorKind::ClientFault.into());
        }
        let bus = self.place(addr, there, request.last_addr.get()).ok_or(HalErrorKind::NoMemory)?;
        let pins = Pins { all: 1, writable: u32::from(writes) };
        let pages = vec![pins; (there / PAGE) as usize];
        self.runs.insert(bus, Run { space: request.space, addr, pages });
        let bus = BusAddr::new(bus).ok_or(HalErrorKind::BadRequest)?;
        Ok(PinnedRun { bus, len_bytes: there, token })
    }

    /// A free place: behind the one given out last, or else the first that fits.
    fn place(&mut self, addr: u64, len: u64, last: u64) -> Option<u64> {
        let behind = self.first_free(self.next, addr, len, last);
        let place = behind.or_else(|| self.first_free(self.window.start, addr, len, last))?;
        self.next = place.saturating_add(len);
        Some(place)
    }

    fn first_free(&self, from: u64, addr: u64, len: u64, last: u64) -> Option<u64> {
        let before = self.runs.range(..from).next_back().map_or(from, |(at, run)| at.saturating_add(run.len_bytes()));
        let mut from = from.max(before);
        for (at, run) in self.runs.range(from..) {
            if like(from, addr)?.checked_add(len)? <= *at {
                break;
            }
            from = at.saturating_add(run.len_bytes());
        }
        let place = like(from, addr)?;
        let end = place.checked_add(len)?;
        (end <= self.window.end && end.saturating_sub(1) <= last).then_some(place)
    }

    /// What was wrong with it, if anything was.
    pub(crate) fn unpin(&mut self, run: &PinnedRun, writable: bool) -> Result<(), String> {
        let (mut at, end) = (run.bus.get(), run.bus.get().saturating_add(run.len_bytes));
        let mut result = Ok(());
        while at < end {
            let Some((start, found)) = self.runs.range_mut(..=at).next_back().filter(|(s, r)| at - **s < r.len_bytes())
            else {
                return Err(unpinned(at));
            };
            let (start, len) = (*start, found.len_bytes().min(end - *start) - (at - *start));
            for (page, pins) in (at..).step_by(PAGE as usize).zip(found.touched(at - start, len)) {
                if pins.all == 0 || (writable && pins.writable == 0) {
                    result = Err(unpinned(page));
                    continue;
                }
                pins.all -= 1;
                pins.writable -= u32::from(writable);
            }
            if found.pages.iter().all(|pins| pins.all == 0) {
                self.runs.remove(&start);
            }
            at += len;
        }
        result
    }

    /// Pages pinned now.
    pub(crate) fn pinned(&self) -> u64 {
        self.runs.values().flat_map(|run| &run.pages).map(|pins| u64::from(pins.all)).sum()
    }

    /// Every page that is pinned: bus address and how often.
    pub(crate) fn pins(&self) -> Vec<(u64, u32)> {
        let of = |(start, run): (&u64, &Run)| {
            let at = (*start..).step_by(PAGE as usize);
            at.zip(run.pages.clone()).map(|(at, pins)| (at, pins.all)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of).filter(|(_, pins)| *pins > 0).collect()
    }

    /// Where an access leads, if all of its pages are pinned for it.
    pub(crate) fn find(&self, addr: u64, len: usize, writes: bool) -> Result<(UserSpace, u64), BusError> {
        let refused = BusError { addr };
        let (start, run) = self.runs.range(..=addr).next_back().ok_or(refused)?;
        let at = addr - start;
        let end = at.checked_add(len as u64).filter(|end| *end <= run.len_bytes()).ok_or(refused)?;
        let pages = run.pages.get((at / PAGE) as usize..end.div_ceil(PAGE) as usize).unwrap_or_default();
        let pinned = pages.iter().all(|pins| if writes { pins.writable > 0 } else { pins.all > 0 });
        if pinned { Ok((run.space, run.addr.saturating_add(at))) } else { Err(refused) }
    }

    pub(crate) fn device_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        let (space, at) = self.find(addr, into.len(), false)?;
        if self.pages.read(space, at, into) { Ok(()) } else { Err(BusError { addr }) }
    }

    pub(crate) fn device_write(&self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        let (space, at) = self.find(addr, from.len(), true)?;
        if self.pages.write(space, at, from) { Ok(()) } else { Err(BusError { addr }) }
    }
}

/// The first place from `from` on that lies in its large page as `addr` does.
const fn like(from: u64, addr: u64) -> Option<u64> {
    from.checked_add(addr.wrapping_sub(from) & (ALIGNMENT - 1))
}

fn unpinned(at: u64) -> String {
    format!("client page at bus address {at:#x} is unpinned and was not pinned")
}

#[cfg(test)]
mod tests {
    use super::*;
    use barexe_hal::ClientAddr;
    use std::sync::Mutex;

    /// Eight pages from 0x1000 on, the last of them read-only.
    #[derive(Debug)]
    struct Bytes(Mutex<Vec<u8>>);

    const START: u64 = 0x1000;
    const LEN: u64 = 8 * PAGE;

    impl ClientPages for Bytes {
        fn reachable(&self, _: UserSpace, addr: u64, len_bytes: u64, writes: bool) -> u64 {
            let end = START + LEN - if writes { PAGE } else { 0 };
            if addr < START { 0 } else { end.saturating_sub(addr).min(len_bytes) }
        }

        fn read(&self, _: UserSpace, addr: u64, into: &mut [u8]) -> bool {
            let bytes = self.0.lock().unwrap();
            into.copy_from_slice(&bytes[(addr - START) as usize..][..into.len()]);
            true
        }

        fn write(&self, _: UserSpace, addr: u64, from: &[u8]) -> bool {
            self.0.lock().unwrap()[(addr - START) as usize..][..from.len()].copy_from_slice(from);
            true
        }
    }

    fn outside() -> Outside {
        Outside::new(Arc::new(Bytes(Mutex::new(vec![0; LEN as usize]))), 0x70_0000_0000..0x70_0100_0000)
    }

    fn request(addr: u64, len_bytes: u64, access: UserAccess) -> PinRequest {
        let last_addr = BusAddr::new(0x7F_FFFF_FFFF).unwrap();
        PinRequest { space: UserSpace(1), addr: ClientAddr::new(addr).unwrap(), len_bytes, access, last_addr }
    }

    #[test]
    fn what_is_pinned_is_the_clients_memory_and_nothing_else_is() {
        let mut outside = outside();
        let run = outside.pin(&request(0x2000, 0x10_0000, UserAccess::ReadWrite), 1).unwrap();
        assert_eq!((run.len_bytes, run.bus.get() & (ALIGNMENT - 1)), (6 * PAGE, 0x2000), "what is there to be written");
        let at = run.bus.get();
        outside.device_write(at + 0xFFE, &[1, 2, 3, 4]).unwrap();
        let mut back = [0; 4];
        outside.device_read(at + 0xFFE, &mut back).unwrap();
        assert_eq!(back, [1, 2, 3, 4]);
        assert!(outside.pages.read(UserSpace(1), 0x2FFE, &mut back) && back == [1, 2, 3, 4]);
        assert_eq!(outside.device_read(at + 6 * PAGE - 2, &mut back), Err(BusError { addr: at + 6 * PAGE - 2 }));
        assert!(outside.device_read(at - 1, &mut back).is_err());
    }

    #[test]
    fn pages_go_one_by_one_and_only_once() {
        let mut outside = outside();
        let run = outside.pin(&request(0x1000, 4 * PAGE, UserAccess::Read), 0).unwrap();
        assert!(outside.device_write(run.bus.get(), &[0]).is_err(), "to be read only");
        let (first, rest) = run.split(PAGE).unwrap();
        let again = PinnedRun { bus: first.bus, ..first };
        assert_eq!((outside.unpin(&first, false), outside.pinned()), (Ok(()), 3));
        assert!(outside.device_read(first.bus.get(), &mut [0]).is_err());
        assert!(outside.unpin(&again, false).is_err(), "it was not pinned any more");
        assert_eq!((outside.unpin(&rest, false), outside.pinned(), outside.runs.len()), (Ok(()), 0, 0));
    }

    #[test]
    fn a_place_is_given_again_only_when_it_is_free() {
        let mut outside = outside();
        let pin = |outside: &mut Outside| outside.pin(&request(0x1000, LEN, UserAccess::Read), 0);
        let runs: Vec<_> = core::iter::from_fn(|| pin(&mut outside).ok()).collect();
        assert_eq!(runs.len(), 8, "one for each large page of the window");
        assert_eq!(pin(&mut outside).unwrap_err().kind(), HalErrorKind::NoMemory);
        outside.unpin(&runs[3], false).unwrap();
        assert_eq!(pin(&mut outside).unwrap().bus, runs[3].bus);
    }

    #[test]
    fn what_is_not_there_is_the_clients_fault() {
        let kind = |addr, len, access| outside().pin(&request(addr, len, access), 0).unwrap_err().kind();
        assert_eq!(kind(0, PAGE, UserAccess::Read), HalErrorKind::ClientFault);
        assert_eq!(kind(0x8000, PAGE, UserAccess::ReadWrite), HalErrorKind::ClientFault);
        assert_eq!(kind(0x1000, 0, UserAccess::Read), HalErrorKind::BadRequest);
        assert_eq!(kind(0x1000, 100, UserAccess::Read), HalErrorKind::BadRequest);
    }
}
