//! Calls that are refused: everything stays as it was, and the same call then succeeds.

use crate::pages;
use crate::space::{PLENTY, Space, in_space};
use barexe_core::Error;
use barexe_core::vm::change::Change;
use barexe_core::vm::plan::Request;
use core::cell::Cell;

/// A call that splits, covers, replaces what it mapped itself, and grows the tree.
fn call(space: &Space<'_>) -> Vec<Request> {
    let mut requests = vec![
        Request::unmap(pages(102, 103)),
        Request::map(space.bo(1, 0, pages(95, 130))),
        Request::map(space.bo(1, 5, pages(100, 101))),
        Request::unmap(pages(0, 60)),
        Request::map(Space::null(pages(99, 200))),
    ];
    requests.extend((0..70).map(|at| Request::map(space.bo(2, at, pages(1000 + 2 * at, 1001 + 2 * at)))));
    requests.push(Request::unmap(pages(1010, 1100)));
    requests
}

/// Three hundred mappings of three objects.
fn fill(space: &mut Space<'_>) {
    for at in 0..300 {
        let start = at * 5;
        space.map(space.bo((at % 3) as usize, at, pages(start, start + 4)));
    }
}

/// How many sub-operations a call has.
fn count(space: &mut Space<'_>, requests: &[Request]) -> u32 {
    let count = Cell::new(0);
    let change = space.plan_call(requests, |_| {
        count.set(count.get() + 1);
        Ok(())
    });
    change.unwrap().refuse(&mut space.mappings());
    count.get()
}

#[test]
fn a_call_that_is_refused_at_any_sub_operation_changes_nothing_and_then_succeeds() {
    in_space(PLENTY, |space| {
        fill(space);
        let requests = call(space);
        let (before, sub_ops) = (space.snapshot(), count(space, &requests));
        assert!(sub_ops > 150, "{sub_ops}");
        for refused in 0..sub_ops {
            let at = Cell::new(0);
            let planned = space.plan_call(&requests, |_| {
                at.set(at.get() + 1);
                if at.get() == refused + 1 { Err(Error::Again) } else { Ok(()) }
            });
            assert!(matches!(planned, Err(Error::Again)), "sub-operation {refused}");
            assert_eq!(space.snapshot(), before, "sub-operation {refused}");
        }
        space.check();
        let change = space.plan_call(&requests, |_| Ok(())).unwrap();
        assert_eq!(space.accept(change).len(), sub_ops as usize);
        space.check();
        space.end();
    });
}

#[test]
fn nothing_changes_until_the_second_request_and_nothing_is_held_after_refusal() {
    in_space(PLENTY, |space| {
        fill(space);
        let before = space.snapshot();
        let mut change = Change::default();
        let add = |change: &mut Change, space: &mut Space<'_>, request| {
            change.add(&mut space.mappings(), request, |_| Ok(()), |_, _, _| Default::default()).unwrap();
        };
        add(&mut change, space, Request::unmap(pages(0, 100)));
        assert_eq!(space.snapshot(), before, "one request is only planned");
        add(&mut change, space, Request::unmap(pages(200, 300)));
        assert_ne!(space.snapshot(), before, "the first is carried out tentatively");
        change.refuse(&mut space.mappings());
        assert_eq!(space.snapshot(), before);
        Change::default().refuse(&mut space.mappings());
        assert_eq!(space.snapshot(), before);
    });
}

#[test]
fn one_by_one_and_as_one_call_the_result_is_the_same() {
    in_space(PLENTY, |space| {
        in_space(PLENTY, |other| {
            fill(space);
            fill(other);
            let requests = call(space);
            let change = space.plan_call(&requests, |_| Ok(())).unwrap();
            let at_once = space.accept(change);
            let one_by_one: Vec<_> = requests.into_iter().flat_map(|request| other.ask(request).unwrap()).collect();
            assert_eq!(at_once, one_by_one);
            assert_eq!(space.all(), other.all());
            for object in 0..3 {
                assert_eq!(space.of_object(object), other.of_object(object));
            }
        });
    });
}

#[test]
fn the_totals_of_a_change_are_those_of_its_sub_operations() {
    in_space(PLENTY, |space| {
        fill(space);
        let change = space.plan_call(&[Request::unmap(pages(10, 14)), Request::unmap(pages(50, 54))], |_| Ok(()));
        let change = change.unwrap();
        assert!(!change.totals.rebinds, "nothing was cut");
        assert_eq!(change.totals.span, Some(pages(10, 54)));
        change.refuse(&mut space.mappings());
        let change = space.plan_call(&[Request::unmap(pages(11, 12))], |_| Ok(())).unwrap();
        assert!(change.totals.rebinds);
        assert_eq!(change.totals.span, Some(pages(10, 14)), "remnants are rewritten");
        change.refuse(&mut space.mappings());
        let change = space.plan_call(&[Request::unmap(pages(4, 5))], |_| Ok(())).unwrap();
        assert_eq!((change.totals.rebinds, change.totals.span), (false, None));
        change.refuse(&mut space.mappings());
    });
}

#[test]
fn a_mapping_whose_front_was_cut_before_it_was_unmapped_is_listed_as_before_after_refusal() {
    in_space(PLENTY, |space| {
        let vma = space.bo(0, 0, pages(10, 20));
        space.map(vma);
        let requests = [pages(0, 15), pages(0, 30), pages(40, 41)].map(Request::unmap);
        space.plan_call(&requests, |_| Ok(())).unwrap().refuse(&mut space.mappings());
        assert_eq!(space.of_object(0), [vma]);
        space.check();
        space.end();
    });
}
