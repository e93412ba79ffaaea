//! Pins over a client with gaps.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

use super::*;
use crate::pool::{Pool, Slot};
use barexe_hal::{HalError, UserAccess, UserSpace};
use std::vec::Vec;

/// Memory from 0x1000 to 0x9000 but for the page at 0x6000; four pages lie together on the bus, then comes a gap.
#[derive(Default)]
struct Client {
    pinned: Vec<u64>,
}

fn bus_of(addr: u64) -> u64 {
    0x10_0000 + addr + (addr >> 14 << 16)
}

impl UserPages for Client {
    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        let there = |addr: u64| (0x1000..0x9000).contains(&addr) && addr != 0x6000;
        let first = request.addr.get();
        let pages = (0..request.len_bytes / 4096).map(|n| first + n * 4096);
        let run: Vec<u64> = pages.take_while(|page| there(*page) && page >> 14 == first >> 14).collect();
        if run.is_empty() {
            return Err(HalErrorKind::ClientFault.into());
        }
        self.pinned.extend(&run);
        let bus = BusAddr::new(bus_of(first)).unwrap();
        Ok(PinnedRun { bus, len_bytes: 4096 * run.len() as u64, token: first >> 14 })
    }

    fn unpin(&mut self, run: PinnedRun) {
        for page in (0..run.len_bytes / 4096).map(|n| run.bus.get() + n * 4096) {
            let at = self.pinned.iter().position(|addr| bus_of(*addr) == page).expect("a pinned page");
            assert_eq!(self.pinned.remove(at) >> 14, run.token);
        }
    }
}

fn request(start: u64, len_bytes: u64) -> PinRequest {
    let (space, access) = (UserSpace(1), UserAccess::ReadWrite);
    let last_addr = BusAddr::new(u64::from(u32::MAX)).unwrap();
    PinRequest { space, addr: ClientAddr::new(start).unwrap(), len_bytes, access, last_addr }
}

fn pieces(pins: &Pins, pool: &PinPool<'_>, start: u64, end: u64) -> Option<Vec<(u64, u64)>> {
    let run = |segment| match segment {
        Segment::Run { addr, bytes } => (addr.get(), bytes),
        Segment::Null | Segment::Pages(_) => panic!("{segment:?}"),
    };
    pins.pieces(pool, ClientRange { start, end }).map(|cursor| cursor.map(run).collect())
}

#[test]
fn a_range_is_pinned_in_pieces_and_seen_from_any_page_on() {
    let mut slots = [const { Slot::EMPTY }; 4];
    let (mut pool, mut client, mut pins) = (Pool::new(&mut slots), Client::default(), Pins::NONE);
    pins.add((&mut pool, Owner::NOBODY), &mut client, request(0x1000, 0x5000)).unwrap();
    assert_eq!((pool.live(), client.pinned.len()), (2, 5));
    assert_eq!(pieces(&pins, &pool, 0x1000, 0x6000), Some(std::vec![(0x10_1000, 0x3000), (0x11_4000, 0x2000)]));
    assert_eq!(pieces(&pins, &pool, 0x5000, 0x6000), Some(std::vec![(0x11_5000, 0x1000)]));
    assert_eq!(pieces(&pins, &pool, 0x5000, 0x7000), None, "more than is pinned");
    assert_eq!(pieces(&pins, &pool, 0, 0x2000), None);
    pins.unpin(&mut pool, &mut client);
    assert_eq!((pool.live(), client.pinned.len()), (0, 0));
}

#[test]
fn what_cannot_be_pinned_whole_is_not_pinned() {
    let mut slots = [const { Slot::EMPTY }; 3];
    let (mut pool, mut client, mut pins) = (Pool::new(&mut slots), Client::default(), Pins::NONE);
    let refused = pins.add((&mut pool, Owner::NOBODY), &mut client, request(0x3000, 0x4000));
    assert!(matches!(refused, Err(Error::ClientFault(fault)) if fault.addr.get() == 0x6000));
    assert_eq!((pool.live(), client.pinned.len(), pins.is_empty()), (0, 0, true));
    for start in [0x1000, 0x2000] {
        pins.add((&mut pool, Owner::NOBODY), &mut client, request(start, 0x1000)).unwrap();
    }
    let full = pins.add((&mut pool, Owner::NOBODY), &mut client, request(0x3000, 0x3000));
    assert_eq!(full, Err(Error::Exhausted(Capacity::UserPins)));
    assert_eq!((pool.live(), client.pinned.as_slice()), (2, [0x1000, 0x2000].as_slice()), "what was there stays");
    pins.unpin(&mut pool, &mut client);
}

#[test]
fn parts_go_in_front_behind_and_from_the_middle() {
    let mut slots = [const { Slot::EMPTY }; 4];
    let (mut pool, mut client, mut pins) = (Pool::new(&mut slots), Client::default(), Pins::NONE);
    pins.add((&mut pool, Owner::NOBODY), &mut client, request(0x1000, 0x5000)).unwrap();
    let mut left = |start, end| {
        pins.unpin_range((&mut pool, Owner::NOBODY), &mut client, ClientRange { start, end });
        client.pinned.sort_unstable();
        client.pinned.clone()
    };
    assert_eq!(left(0x2000, 0x3000), [0x1000, 0x3000, 0x4000, 0x5000]);
    assert_eq!(left(0x3000, 0x5000), [0x1000, 0x5000]);
    assert_eq!(left(0, 0x2000), [0x5000]);
    assert_eq!(left(0x7000, 0x8000), [0x5000]);
    assert!(left(0, u64::MAX).is_empty());
    assert_eq!(pool.live(), 0);
}

#[test]
fn a_hole_without_a_place_for_the_second_half_stays_pinned() {
    let mut slots = [const { Slot::EMPTY }; 1];
    let (mut pool, mut client, mut pins) = (Pool::new(&mut slots), Client::default(), Pins::NONE);
    pins.add((&mut pool, Owner::NOBODY), &mut client, request(0x1000, 0x3000)).unwrap();
    pins.unpin_range((&mut pool, Owner::NOBODY), &mut client, ClientRange { start: 0x2000, end: 0x3000 });
    assert_eq!((pool.live(), client.pinned.len()), (1, 3));
    pins.unpin(&mut pool, &mut client);
    assert!(client.pinned.is_empty());
}

#[test]
fn pieces_that_were_pinned_apart_come_into_order() {
    let mut slots = [const { Slot::EMPTY }; 8];
    let (mut pool, mut client) = (Pool::new(&mut slots), Client::default());
    let (mut outer, mut inner) = (Pins::NONE, Pins::NONE);
    for start in [0x1000, 0x3000] {
        outer.add((&mut pool, Owner::NOBODY), &mut client, request(start, 0x1000)).unwrap();
        inner.add((&mut pool, Owner::NOBODY), &mut client, request(start + 0x1000, 0x1000)).unwrap();
    }
    outer.merge((&mut pool, Owner::NOBODY), inner);
    assert_eq!(pool.live(), 4);
    assert_eq!(pieces(&outer, &pool, 0x1000, 0x5000), Some(std::vec![(0x10_1000, 0x3000), (0x11_4000, 0x1000)]));
    outer.unpin(&mut pool, &mut client);
    assert_eq!((pool.live(), client.pinned.len()), (0, 0));
}
