//! A refused call leaves no trace: of two spaces that get the same calls, one gets refused ones in between.
//!
//! What a space answers later depends on everything in it: numbers of nodes and which of them are free, places of
//! mappings among those of their object, the order of free cells. So if all answers stay the same, all of that was as
//! before.

use crate::calls::{DENSE, Op, SPARSE, Traffic};
use crate::space::{PLENTY, Room, Space, in_space};
use barexe_core::Error;
use barexe_core::vm::plan::SubOp;
use barexe_tests::random::{Random, Seed, seeds};
use core::cell::Cell;

type Answer = Result<Vec<SubOp>, Error>;

/// One call, accepted if it can be.
fn call(space: &mut Space<'_>, ops: &[Op]) -> Answer {
    let change = space.plan_ops(ops, |_| Ok(()))?;
    Ok(space.accept(change))
}

/// A call that is refused: at a sub-operation, or after the last.
fn refused(space: &mut Space<'_>, ops: &[Op], sub_ops: u64) {
    let left = Cell::new(sub_ops);
    let planned = space.plan_ops(ops, |_| {
        left.set(left.get().wrapping_sub(1));
        if left.get() == u64::MAX { Err(Error::Again) } else { Ok(()) }
    });
    if let Ok(change) = planned {
        change.refuse(&mut space.mappings());
    }
}

/// Runs twins; how many calls ran out of room.
fn run(seed: u64, traffic: Traffic, room: Room) -> u32 {
    let _seed = Seed(seed);
    let mut random = Random::new(seed);
    let mut exhausted = 0;
    in_space(room, |plain| {
        in_space(room, |tried| {
            for at in 0..traffic.calls {
                let ops = traffic.call(plain, &mut random);
                let other = traffic.call(plain, &mut random);
                // Now the call itself is tried before, now another one.
                refused(tried, if random.one_in(2) { &ops } else { &other }, random.below(12));
                // What was put off is done by a refused call; nobody sees it but by looking at cells.
                plain.store.settle();
                tried.store.settle();
                let answer = call(plain, &ops);
                exhausted += u32::from(answer.is_err());
                assert_eq!(call(tried, &ops), answer, "call {at}: {ops:?}");
                if at % 20 == 0 {
                    assert_eq!(tried.snapshot(), plain.snapshot(), "call {at}");
                }
            }
            tried.end();
        });
        plain.end();
    });
    exhausted
}

#[test]
fn twins_stay_the_same() {
    for seed in seeds(8) {
        run(seed, DENSE, PLENTY);
        run(seed, SPARSE, PLENTY);
    }
}

#[test]
fn twins_run_out_of_room_at_the_same_calls() {
    let rooms = [Room { nodes: 6, ..PLENTY }, Room { cells: 9, ..PLENTY }, Room { cells: 24, ..PLENTY }];
    for room in rooms {
        let exhausted: u32 = seeds(8).into_iter().map(|seed| run(seed, DENSE, room) + run(seed, SPARSE, room)).sum();
        assert!(exhausted > 0, "{room:?}");
    }
}
