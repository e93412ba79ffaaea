//! The mappings of an object: listing them, and unmapping all of them.

use crate::pages;
use crate::space::{OBJECTS, PLENTY, Space, in_space};
use barexe_core::Error;
use barexe_core::vm::change::Change;
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::vm_bo::VmBoList;
use barexe_core::vm::vma::Vma;
use core::cell::Cell;

/// Many mappings of two objects in turn, with gaps.
fn fill(space: &mut Space<'_>, count: u64) {
    for at in 0..count {
        space.map(space.bo((at % 2) as usize, at, pages(10 * at, 10 * at + 8)));
    }
}

/// The objects' lists as filtered out of all mappings.
fn assert_listed(space: &Space<'_>) {
    for object in 0..OBJECTS {
        let of_object = |vma: &Vma| vma.object() == Some(space.objects[object]);
        assert_eq!(space.of_object(object), space.all().into_iter().filter(of_object).collect::<Vec<_>>());
    }
}

fn unmap_all(space: &mut Space<'_>, object: usize) -> Vec<SubOp> {
    let mut change = Change::default();
    space.plan_unmap_all(&mut change, object, |_| Ok(())).unwrap();
    space.accept(change)
}

#[test]
fn an_object_lists_its_mappings_and_no_others() {
    in_space(PLENTY, |space| {
        fill(space, 200);
        assert_listed(space);
        assert_eq!((space.of_object(0).len(), space.of_object(1).len(), space.of_object(2).len()), (100, 100, 0));
        // Every third is unmapped, cut, split or covered by another object.
        for at in 0..200 {
            let start = 10 * at;
            match at % 12 {
                0 => drop(space.unmap(pages(start, start + 10))),
                3 => drop(space.unmap(pages(start, start + 3))),
                6 => drop(space.unmap(pages(start + 5, start + 9))),
                9 => drop(space.map(space.bo(2, at, pages(start + 2, start + 6)))),
                _ => {}
            }
            assert_listed(space);
        }
        space.check();
        space.end();
    });
}

#[test]
fn a_mapping_that_lost_its_front_is_listed_though_others_stand_there_now() {
    in_space(PLENTY, |space| {
        space.map(space.bo(0, 0, pages(0, 1000)));
        // The front goes piece by piece to mappings of the same object and of another.
        for at in 0..200 {
            space.map(space.bo((at % 2) as usize, at, pages(at * 4, at * 4 + 4)));
            assert_eq!(space.of_object(0).len() as u64, 1 + at.div_ceil(2) + u64::from(at % 2 == 0), "{at}");
            assert_listed(space);
        }
        let last = *space.of_object(0).last().unwrap();
        assert_eq!(last, space.bo(0, 800, pages(800, 1000)));
    });
}

#[test]
fn both_remnants_of_a_split_are_listed_and_go_one_by_one() {
    in_space(PLENTY, |space| {
        space.map(space.bo(0, 0, pages(0, 100)));
        space.unmap(pages(40, 60));
        let [below, above] = [space.bo(0, 0, pages(0, 40)), space.bo(0, 60, pages(60, 100))];
        assert_eq!(space.of_object(0), [below, above]);
        space.unmap(below.range());
        assert_eq!(space.of_object(0), [above]);
        space.unmap(above.range());
        assert_eq!(space.of_object(0), []);
        space.end();
    });
}

#[test]
fn unmapping_all_of_an_object_meets_each_mapping_once_and_nothing_else() {
    for count in [0, 1, 2, 8, 9, 30, 400] {
        in_space(PLENTY, |space| {
            fill(space, count);
            space.unmap(pages(33, 35));
            space.unmap(pages(0, 3));
            let (mut gone, stay) = (space.of_object(0), space.of_object(1));
            let done = unmap_all(space, 0);
            let mut done: Vec<Vma> = done
                .into_iter()
                .map(|op| match op {
                    SubOp::Unmap { old, keep: false } => old,
                    SubOp::Unmap { .. } | SubOp::Remap { .. } | SubOp::Map { .. } => panic!("{op:?}"),
                })
                .collect();
            done.sort_by_key(|vma| vma.range().start);
            gone.sort_by_key(|vma| vma.range().start);
            assert_eq!(done, gone);
            assert_eq!(space.all(), stay);
            space.check();
            space.end();
        });
    }
}

#[test]
fn unmapping_all_goes_in_the_order_of_the_list_and_the_list_is_that_of_mapping() {
    in_space(PLENTY, |space| {
        // Mapped descending: the list has them so, the index the other way round.
        let vmas = [90, 70, 50, 30, 10, 5].map(|start| space.bo(0, start, pages(start, start + 2)));
        for vma in vmas {
            space.map(vma);
        }
        let listed: Vec<Vma> = space.index.of_object(&space.store, space.objects[0]).collect();
        assert_eq!(listed, vmas);
        let done = unmap_all(space, 0);
        assert_eq!(done, vmas.map(|old| SubOp::Unmap { old, keep: false }));
    });
}

#[test]
fn unmapping_all_in_the_middle_of_a_call_meets_what_the_call_mapped() {
    in_space(PLENTY, |space| {
        fill(space, 20);
        let before = space.snapshot();
        let make = |space: &mut Space<'_>| {
            let mapped = [(500, 504), (510, 514)].map(|(start, end)| space.bo(0, 1, pages(start, end)));
            let mut requests = mapped.map(Request::map).to_vec();
            requests.push(Request::unmap(pages(501, 502)));
            let mut change = space.plan_call(&requests, |_| Ok(())).unwrap();
            space.plan_unmap_all(&mut change, 0, |_| Ok(())).unwrap();
            let after = Request::map(space.bo(0, 7, pages(600, 601)));
            change.add(&mut space.mappings(), after, |_| Ok(()), |_, _, _| Default::default()).unwrap();
            change
        };
        make(space).refuse(&mut space.mappings());
        assert_eq!(space.snapshot(), before);
        let change = make(space);
        space.accept(change);
        assert_eq!(space.of_object(0), [space.bo(0, 7, pages(600, 601))]);
        assert_eq!(space.of_object(1).len(), 10);
        space.check();
        space.end();
    });
}

#[test]
fn unmapping_all_that_is_refused_anywhere_changes_nothing() {
    in_space(PLENTY, |space| {
        fill(space, 60);
        let before = space.snapshot();
        for refused in 0..30 {
            let at = Cell::new(0);
            let mut change = Change::default();
            let planned = space.plan_unmap_all(&mut change, 0, |_| {
                at.set(at.get() + 1);
                if at.get() > refused { Err(Error::Again) } else { Ok(()) }
            });
            assert_eq!(planned, Err(Error::Again));
            change.refuse(&mut space.mappings());
            assert_eq!(space.snapshot(), before, "{refused}");
        }
    });
}

#[test]
fn parts_of_several_spaces_in_one_object_are_told_apart() {
    in_space(PLENTY, |space| {
        let mut parts = VmBoList::EMPTY;
        let made: Vec<_> = (0..5).map(|vm| space.store.add_object(&mut parts, vm, 42).unwrap()).collect();
        for (vm, object) in (0..5).zip(&made) {
            assert_eq!(space.store.object(parts, vm), Some(*object));
            assert_eq!(space.store.bo_of(*object), 42);
        }
        assert_eq!(space.store.object(parts, 5), None);
        // The middle one, the newest, the oldest.
        for gone in [2, 4, 0] {
            assert!(space.store.end_object(&mut parts, made[gone]));
            assert_eq!(space.store.object(parts, gone as u32), None);
        }
        for stays in [1, 3] {
            assert_eq!(space.store.object(parts, stays as u32), Some(made[stays]));
            assert!(space.store.end_object(&mut parts, made[stays]));
        }
        assert_eq!(parts, VmBoList::EMPTY);
        space.end();
    });
}

#[test]
fn a_part_that_is_in_use_does_not_end() {
    in_space(PLENTY, |space| {
        let mut parts = VmBoList::EMPTY;
        let object = space.store.add_object(&mut parts, 1, 42).unwrap();
        space.objects[4] = object;
        let vma = space.bo(4, 0, pages(0, 1));
        let plan = space.index.plan(&space.store, Request::map(vma));
        space.index.apply(&mut space.store, &plan, |_| ()).unwrap();
        assert!(!space.store.end_object(&mut parts, object));
        let gone = space.index.take_first(&mut space.store).unwrap();
        assert!(!space.store.end_object(&mut parts, object), "the bind that unmapped it is not over");
        assert_eq!(space.store.release(&gone), Some(object));
        assert!(space.store.end_object(&mut parts, object));
        assert_eq!(parts, VmBoList::EMPTY);
    });
}
