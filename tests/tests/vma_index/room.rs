//! Capacities of nodes, cells and steps: one too few, just enough, one more.

use crate::pages;
use crate::space::{PLENTY, Room, Space, in_space};
use barexe_core::vm::plan::Request;
use barexe_core::vm::vm_bo::VmBoList;
use barexe_core::{Capacity, Error};

/// Mappings that a leaf holds, and those that an object's first cell and a further cell list.
const LEAF: u64 = 60;
const FIRST_CELL: u64 = 4;
const CELL: u64 = 7;

/// A call of requests in `room`: accepted, or refused with everything as it was.
fn try_call(space: &mut Space<'_>, requests: &[Request]) -> Result<(), Error> {
    let before = space.snapshot();
    match space.plan_call(requests, |_| Ok(())) {
        Ok(change) => {
            space.accept(change);
            space.check();
            Ok(())
        }
        Err(error) => {
            assert_eq!(space.snapshot(), before, "{error}");
            Err(error)
        }
    }
}

/// Runs `fill` and then the call with one too little of something, just enough, and one more. `with` makes the room.
fn around(
    needed: usize,
    capacity: Capacity,
    with: impl Fn(usize) -> Room,
    fill: impl Fn(&mut Space<'_>),
    call: impl Fn(&Space<'_>) -> Vec<Request>,
) {
    for (room, want) in [(needed - 1, Err(Error::Exhausted(capacity))), (needed, Ok(())), (needed + 1, Ok(()))] {
        in_space(with(room), |space| {
            fill(space);
            let requests = call(space);
            assert_eq!(try_call(space, &requests), want, "{room}, {needed} needed");
            space.end();
        });
    }
}

fn nodes(nodes: usize) -> Room {
    Room { nodes, ..PLENTY }
}

/// Room for so many cells beside the first ones of all objects.
fn cells(cells: usize) -> Room {
    Room { cells: cells + crate::space::OBJECTS, ..PLENTY }
}

fn steps(steps: usize) -> Room {
    Room { steps, ..PLENTY }
}

/// Fills so many slots of two pages with null mappings.
fn null_slots(space: &mut Space<'_>, count: u64) {
    for at in 0..count {
        space.map(Space::null(pages(2 * at, 2 * at + 1)));
    }
}

#[test]
fn the_first_mapping_takes_a_node() {
    around(1, Capacity::VmaNodes, nodes, |_| (), |_| vec![Request::map(Space::null(pages(0, 1)))]);
}

#[test]
fn a_mapping_too_many_for_a_leaf_takes_a_second_leaf_and_a_root() {
    let one_more = |at| move |_: &Space<'_>| vec![Request::map(Space::null(pages(at, at + 1)))];
    for at in [2 * LEAF, 61] {
        around(3, Capacity::VmaNodes, nodes, |space| null_slots(space, LEAF), one_more(at));
    }
    // Not one that takes another's place.
    in_space(nodes(1), |space| {
        null_slots(space, LEAF);
        assert_eq!(try_call(space, &one_more(4)(space)), Ok(()));
        assert_eq!(try_call(space, &[Request::unmap(pages(0, 2 * LEAF))]), Ok(()));
    });
}

#[test]
fn a_split_too_many_for_a_leaf_takes_nodes_and_an_unmap_can_run_out_of_them() {
    let fill = |space: &mut Space<'_>| {
        null_slots(space, LEAF - 1);
        space.map(Space::null(pages(1000, 1010)));
    };
    around(3, Capacity::VmaNodes, nodes, fill, |_| vec![Request::unmap(pages(1003, 1004))]);
}

#[test]
fn a_call_of_two_requests_takes_a_copy_of_each_node_on_the_way() {
    let fill = |space: &mut Space<'_>| null_slots(space, LEAF);
    let call = |_: &Space<'_>| vec![Request::unmap(pages(0, 1)), Request::unmap(pages(4, 5))];
    around(2, Capacity::VmaNodes, nodes, fill, call);
}

#[test]
fn an_object_takes_a_cell_when_its_cells_are_full() {
    for (mappings, extra) in [(FIRST_CELL, 1), (FIRST_CELL + CELL, 2), (FIRST_CELL + 2 * CELL, 3)] {
        let fill = |space: &mut Space<'_>| {
            for at in 0..mappings {
                space.map(space.bo(0, at, pages(2 * at, 2 * at + 1)));
            }
        };
        around(extra, Capacity::VmBos, cells, fill, |space| vec![Request::map(space.bo(0, 0, pages(900, 901)))]);
    }
}

#[test]
fn a_split_takes_a_place_for_the_second_remnant() {
    let fill = |space: &mut Space<'_>| {
        for at in 0..FIRST_CELL {
            space.map(space.bo(0, at, pages(10 * at, 10 * at + 9)));
        }
    };
    around(1, Capacity::VmBos, cells, fill, |_| vec![Request::unmap(pages(3, 4))]);
    // Of another object than the new mapping: each takes its own.
    let both = |space: &mut Space<'_>| {
        fill(space);
        for at in 0..FIRST_CELL {
            space.map(space.bo(1, at, pages(100 + at, 101 + at)));
        }
    };
    around(2, Capacity::VmBos, cells, both, |space| vec![Request::map(space.bo(1, 0, pages(3, 4)))]);
    // Cutting the front or the back takes none.
    in_space(cells(0), |space| {
        fill(space);
        assert_eq!(try_call(space, &[Request::unmap(pages(0, 4)), Request::unmap(pages(15, 19))]), Ok(()));
    });
}

#[test]
fn a_call_takes_a_step_for_each_sub_operation() {
    let fill = |space: &mut Space<'_>| null_slots(space, 10);
    around(4, Capacity::BindSteps, steps, fill, |space| vec![Request::map(space.bo(0, 0, pages(0, 5)))]);
    around(10, Capacity::BindSteps, steps, fill, |_| vec![Request::unmap(pages(0, 20))]);
    let array = |_: &Space<'_>| (0..7).map(|at| Request::map(Space::null(pages(100 + at, 101 + at)))).collect();
    around(7, Capacity::BindSteps, steps, fill, array);
}

#[test]
fn a_part_in_an_object_takes_a_cell() {
    in_space(Room { cells: crate::space::OBJECTS, ..PLENTY }, |space| {
        let mut parts = VmBoList::EMPTY;
        assert_eq!(space.store.add_object(&mut parts, 0, 99), None);
        assert_eq!(parts, VmBoList::EMPTY);
    });
    in_space(Room { cells: crate::space::OBJECTS + 1, ..PLENTY }, |space| {
        let mut parts = VmBoList::EMPTY;
        let object = space.store.add_object(&mut parts, 0, 99).unwrap();
        assert_eq!(space.store.bo_of(object), 99);
        assert!(space.store.end_object(&mut parts, object));
    });
}

#[test]
fn what_was_refused_for_want_of_room_succeeds_when_there_is_some() {
    in_space(nodes(3), |space| {
        // Two leaves and a root, both full.
        let mut at = 0;
        while try_call(space, &[Request::map(Space::null(pages(2 * at, 2 * at + 1)))]).is_ok() {
            at += 1;
        }
        assert!(at > LEAF, "{at}");
        let again = [Request::map(Space::null(pages(2 * at, 2 * at + 1)))];
        assert_eq!(try_call(space, &again), Err(Error::Exhausted(Capacity::VmaNodes)));
        space.unmap(pages(2 * at - 2, 2 * at - 1));
        assert_eq!(try_call(space, &again), Ok(()));
        space.end();
    });
}
