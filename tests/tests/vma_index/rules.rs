//! What a request does to the mappings it meets: bind-and-exec sheet §4.1 to §4.3.

use crate::pages;
use crate::space::{PLENTY, Space, in_space};
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::vma::Vma;

/// A part of a mapping, in pages; or nothing is left.
type Part = Option<[u64; 2]>;

/// The rows of the table in §4.2: the old mapping is pages 10 to 20, what is left of it below and above.
const ROWS: [(&str, [u64; 2], Part, Part); 12] = [
    ("equal", [10, 20], None, None),
    ("same start, ends after", [10, 25], None, None),
    ("starts before, same end", [5, 20], None, None),
    ("all around", [5, 25], None, None),
    ("cuts the back", [15, 25], Some([10, 15]), None),
    ("cuts the back, same end", [15, 20], Some([10, 15]), None),
    ("cuts the last page", [19, 30], Some([10, 19]), None),
    ("cuts the front", [5, 15], None, Some([15, 20])),
    ("cuts the front, same start", [10, 15], None, Some([15, 20])),
    ("cuts the first page", [1, 11], None, Some([11, 20])),
    ("inside", [13, 17], Some([10, 13]), Some([17, 20])),
    ("a page inside", [11, 12], Some([10, 11]), Some([12, 20])),
];

fn op_of(old: Vma, prev: Option<Vma>, next: Option<Vma>, keep: bool) -> SubOp {
    if prev.is_none() && next.is_none() { SubOp::Unmap { old, keep } } else { SubOp::Remap { old, prev, next, keep } }
}

/// The part of the old mapping, which shows its object from page 100 on.
fn left(space: &Space<'_>, part: Part) -> Option<Vma> {
    part.map(|[start, end]| space.bo(0, 100 + start - 10, pages(start, end)))
}

#[test]
fn an_unmap_leaves_of_an_old_mapping_what_the_table_says() {
    for (name, [start, end], prev, next) in ROWS {
        in_space(PLENTY, |space| {
            let old = space.bo(0, 100, pages(10, 20));
            space.map(old);
            let (prev, next) = (left(space, prev), left(space, next));
            assert_eq!(space.unmap(pages(start, end)), [op_of(old, prev, next, false)], "{name}");
            assert_eq!(space.all(), [prev, next].into_iter().flatten().collect::<Vec<_>>(), "{name}");
            space.check();
            space.end();
        });
    }
}

#[test]
fn a_map_does_the_same_and_then_maps() {
    for (name, [start, end], prev, next) in ROWS {
        in_space(PLENTY, |space| {
            let (old, new) = (space.bo(0, 100, pages(10, 20)), space.bo(1, 0, pages(start, end)));
            space.map(old);
            let (prev, next) = (left(space, prev), left(space, next));
            let done = [op_of(old, prev, next, false), SubOp::Map { new }];
            assert_eq!(space.map(new), done, "{name}");
            assert_eq!(space.all(), [prev, Some(new), next].into_iter().flatten().collect::<Vec<_>>(), "{name}");
            space.check();
            space.end();
        });
    }
}

#[test]
fn what_only_touches_is_not_met() {
    in_space(PLENTY, |space| {
        let old = space.bo(0, 0, pages(10, 20));
        space.map(old);
        for range in [pages(0, 10), pages(20, 30), pages(0, 1)] {
            assert_eq!(space.unmap(range), []);
            let new = space.bo(1, 0, range);
            assert_eq!(space.map(new), [SubOp::Map { new }]);
            assert_eq!(space.unmap(range), [SubOp::Unmap { old: new, keep: false }]);
        }
        assert_eq!(space.all(), [old]);
    });
}

#[test]
fn a_range_over_several_mappings_and_gaps_meets_them_ascending_and_cuts_the_first_and_the_last() {
    in_space(PLENTY, |space| {
        let olds = [pages(2, 6), pages(6, 7), pages(9, 12), pages(15, 16), pages(20, 30)];
        let olds = olds.map(|range| space.bo(0, 50, range));
        for old in olds.into_iter().rev() {
            space.map(old);
        }
        let [a, b, c, d, e] = olds;
        let new = Space::null(pages(4, 23));
        let below = space.bo(0, 50, pages(2, 4));
        let above = space.bo(0, 53, pages(23, 30));
        let whole = |old| SubOp::Unmap { old, keep: false };
        let first = SubOp::Remap { old: a, prev: Some(below), next: None, keep: false };
        let last = SubOp::Remap { old: e, prev: None, next: Some(above), keep: false };
        assert_eq!(space.map(new), [first, whole(b), whole(c), whole(d), last, SubOp::Map { new }]);
        assert_eq!(space.all(), [below, new, above]);
        space.check();
        space.end();
    });
}

#[test]
fn one_request_cuts_two_mappings_at_most() {
    in_space(PLENTY, |space| {
        for start in 0..40 {
            let (start, end) = (start * 5, start * 5 + 4);
            space.map(space.bo(0, start, pages(start, end)));
        }
        for (start, end) in [(1, 199), (2, 3), (2, 8), (4, 5), (0, 200)] {
            let plan = space.index.plan(&space.store, Request::unmap(pages(start, end)));
            let ops: Vec<SubOp> = plan.sub_ops(&space.store).collect();
            let cut = |op: &SubOp| matches!(op, SubOp::Remap { .. });
            assert!(ops.iter().filter(|op| cut(op)).count() <= 2, "{start}..{end}");
            let inner = ops.iter().skip(1).rev().skip(1);
            assert_eq!(inner.filter(|op| cut(op)).count(), 0, "{start}..{end}: only the first and the last");
        }
    });
}

#[test]
fn the_same_mapping_again_is_unmapped_and_mapped() {
    in_space(PLENTY, |space| {
        let vma = space.bo(0, 7, pages(10, 20));
        assert_eq!(space.map(vma), [SubOp::Map { new: vma }]);
        assert_eq!(space.map(vma), [SubOp::Unmap { old: vma, keep: true }, SubOp::Map { new: vma }]);
        let null = Space::null(pages(30, 31));
        space.map(null);
        assert_eq!(space.map(null), [SubOp::Unmap { old: null, keep: false }, SubOp::Map { new: null }]);
    });
}

#[test]
fn neighbours_never_become_one() {
    in_space(PLENTY, |space| {
        let whole = space.bo(0, 100, pages(10, 40));
        let parts = [(10, 20), (20, 30), (30, 40)].map(|(start, end)| space.bo(0, 90 + start, pages(start, end)));
        let [front, middle, back] = parts;
        // Mapped one after another.
        for part in [front, back, middle] {
            assert_eq!(space.map(part), [SubOp::Map { new: part }]);
        }
        assert_eq!(space.all(), parts);
        // Cut in two and refilled.
        space.map(whole);
        space.unmap(middle.range());
        space.map(middle);
        assert_eq!(space.all(), parts);
        // A split is for good until the parts are unmapped.
        assert_eq!(space.unmap(pages(0, 50)), parts.map(|old| SubOp::Unmap { old, keep: false }));
    });
}

#[test]
fn entries_could_be_kept_only_where_the_same_bytes_come_to_stand() {
    in_space(PLENTY, |space| {
        let old = space.bo(0, 100, pages(10, 20));
        let inside = pages(12, 15);
        let cases = [
            (space.bo(0, 102, inside), true),
            (space.bo(0, 100, inside), false),
            (space.bo(0, 103, inside), false),
            (space.bo(1, 102, inside), false),
            (Space::null(inside), false),
            (space.bo(0, 95, pages(5, 30)), true),
            (space.bo(0, 96, pages(5, 30)), false),
        ];
        for (new, want) in cases {
            space.map(old);
            let ops = space.map(new);
            let (SubOp::Unmap { keep, .. } | SubOp::Remap { keep, .. }) = ops[0] else { panic!("{ops:?}") };
            assert_eq!(keep, want, "{new:?}");
            space.unmap(pages(0, 40));
        }
        // An unmap keeps nothing, and of a null mapping there is nothing to keep.
        space.map(Space::null(pages(10, 20)));
        assert!(matches!(space.map(Space::null(inside))[0], SubOp::Remap { keep: false, .. }));
    });
}

#[test]
fn an_unmap_over_nothing_does_nothing() {
    in_space(PLENTY, |space| {
        assert_eq!(space.unmap(pages(0, 1 << 45)), []);
        space.map(space.bo(0, 0, pages(1, 2)));
        let before = space.snapshot();
        assert_eq!(space.unmap(pages(2, 1 << 45)), []);
        assert_eq!(space.snapshot(), before);
    });
}

#[test]
fn the_first_and_the_last_page_of_57_bits_are_as_good_as_any() {
    const LAST: u64 = (1 << 45) - 1;
    in_space(PLENTY, |space| {
        let (first, last) = (space.bo(0, 0, pages(0, 1)), space.bo(0, 1, pages(LAST, LAST + 1)));
        space.map(first);
        space.map(last);
        assert_eq!(space.index.find(&space.store, 0), Some(first));
        assert_eq!(space.index.find(&space.store, (1 << 57) - 1), Some(last));
        for beyond in [1 << 57, 1 << 63, u64::MAX] {
            assert_eq!(space.index.find(&space.store, beyond), None);
        }
        let whole = Space::null(pages(0, LAST + 1));
        let gone = [first, last].map(|old| SubOp::Unmap { old, keep: false });
        assert_eq!(space.map(whole), [gone[0], gone[1], SubOp::Map { new: whole }]);
        assert_eq!(space.index.find(&space.store, 1 << 56), Some(whole));
        space.check();
        space.end();
    });
}
