//! Capacities: the last table, one less, and memory that cannot be had.

use super::{one, plain, range};
use barexe_core::family::GEN12;
use barexe_core::mem::pages::{Need, Reservation};
use barexe_core::{Capacity, Error};
use barexe_hal::HalErrorKind;
use barexe_tests::tables::{Rig, Room, with_tables};

/// Room for a root and what one page needs: two directories and a table.
const ROOM: Room = Room { tables: 4, directories: 3, max_block_bytes: 4096 };
const PAGE: Need = Need { leaf_tables: 1, directories: 2 };

fn reserve(rig: &mut Rig<'_>, need: Need) -> Result<Reservation, Error> {
    rig.pages.reserve(&mut rig.arena, need)
}

#[test]
fn tables_can_be_promised_up_to_the_last_one() {
    for (tables, enough) in [(3, false), (4, true), (5, true)] {
        with_tables(&GEN12.pt, false, Room { tables, ..ROOM }, |rig| {
            let before = rig.arena.live_buffers();
            match reserve(rig, PAGE) {
                Ok(reservation) => {
                    assert!(enough, "{tables} tables");
                    rig.pages.unreserve(reservation);
                }
                Err(error) => {
                    assert!(!enough, "{tables} tables");
                    assert_eq!(error, Error::Exhausted(Capacity::PtNodes));
                    assert_eq!(rig.arena.live_buffers(), before, "blocks taken on the way go back");
                }
            }
            assert_eq!(rig.pages.reserved(), Need::default());
        });
    }
}

#[test]
fn directories_can_be_promised_up_to_the_last_one() {
    for (directories, enough) in [(2, false), (3, true), (4, true)] {
        with_tables(&GEN12.pt, false, Room { directories, ..ROOM }, |rig| {
            let refused = reserve(rig, PAGE).map(|reservation| rig.pages.unreserve(reservation));
            let want = if enough { Ok(()) } else { Err(Error::Exhausted(Capacity::PtDirectories)) };
            assert_eq!(refused, want, "{directories} directories");
        });
    }
}

#[test]
fn a_promise_holds_against_others_until_it_is_taken_back() {
    with_tables(&GEN12.pt, false, ROOM, |rig| {
        let first = reserve(rig, PAGE).unwrap();
        assert_eq!(reserve(rig, Need { leaf_tables: 1, directories: 0 }), Err(Error::Exhausted(Capacity::PtNodes)));
        rig.pages.unreserve(first);
        let bound = rig.bind(range(0, 0x1000), one(0x5000, 0x1000), plain(&GEN12.pt), false).unwrap();
        assert_eq!(bound.created, 3);
        assert_eq!(reserve(rig, Need { leaf_tables: 1, directories: 0 }), Err(Error::Exhausted(Capacity::PtNodes)));
    });
}

/// Every allocation of a reservation fails once: nothing is left behind, and the next attempt succeeds.
#[test]
fn a_block_that_cannot_be_had_leaves_everything_as_it_was() {
    let mut points = 0;
    for allowed in 0..3 {
        with_tables(&GEN12.pt, false, ROOM, |rig| {
            let before = (rig.arena.live_buffers(), rig.pages.tables_in_use(), rig.pages.reserved());
            rig.arena.budget = allowed;
            assert_eq!(reserve(rig, PAGE), Err(Error::Hal(HalErrorKind::NoMemory.into())));
            assert_eq!((rig.arena.live_buffers(), rig.pages.tables_in_use(), rig.pages.reserved()), before);
            rig.arena.budget = usize::MAX;
            let reservation = reserve(rig, PAGE).unwrap();
            rig.pages.unreserve(reservation);
            points += 1;
        });
    }
    assert_eq!(points, 3);
}

#[test]
fn blocks_are_taken_in_the_size_the_hal_likes() {
    for (max_block_bytes, tables) in [(4096, 1), (8192, 2), (64 << 10, 16), (128 << 10, 32), (1 << 20, 32)] {
        with_tables(&GEN12.pt, false, Room { max_block_bytes, ..Room::PLENTY }, |rig| {
            assert_eq!(rig.arena.live_buffers(), 1);
            let reservation = reserve(rig, Need { leaf_tables: 65, directories: 0 }).unwrap();
            assert_eq!(rig.arena.live_buffers(), 66usize.div_ceil(tables));
            rig.pages.unreserve(reservation);
        });
    }
}
