//! What is left of a mapping that was cut: bind-and-exec sheet §4.4.

use crate::pages;
use crate::space::{PLENTY, Space, in_space};
use barexe_core::mem::tree::Sizes;
use barexe_core::vm::plan::SubOp;
use barexe_core::vm::vma::{VaRange, VmaBacking};

const KIB_64: u64 = 64 << 10;
const MIB_2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

/// Sizes of entries of the old mapping, and the bytes that a cut must be a multiple of for remnants to keep theirs.
const SIZES: [(Sizes, u64); 9] = [
    (Sizes::empty(), GIB),
    (Sizes::PAGE_4K, 4096),
    (Sizes::PAGE_4K.union(Sizes::GROUP_64K), KIB_64),
    (Sizes::PAGE_4K.union(Sizes::COMPACT_64K), MIB_2),
    (Sizes::LARGE_2M, MIB_2),
    (Sizes::PAGE_4K.union(Sizes::LARGE_2M), MIB_2),
    (Sizes::PAGE_4K.union(Sizes::GROUP_64K).union(Sizes::LARGE_2M), MIB_2),
    (Sizes::LARGE_1G, GIB),
    (Sizes::all(), GIB),
];

/// Edges: the largest power of two that each is a multiple of, 4 KiB to 1 GiB, around 8 GiB.
fn edges() -> impl Iterator<Item = (u64, u64)> {
    (12..=30).map(|bits| (8 * GIB + (1 << bits), 1 << bits))
}

#[test]
fn a_remnant_keeps_its_entries_exactly_when_its_inner_edge_is_on_the_largest_size_used() {
    let mut kept = 0;
    for (sizes, bytes) in SIZES {
        for (edge, aligned) in edges() {
            in_space(PLENTY, |space| {
                let whole = VaRange { start: 4 * GIB, end: 32 * GIB };
                space.map(space.bo(0, 0, whole).with_sizes(sizes));
                let far = 16 * GIB;
                let ops = space.unmap(VaRange { start: edge, end: far });
                assert_eq!(ops[0].entries_stay(), (aligned >= bytes, true), "{sizes:?}, {edge:#x}: below");
                space.map(space.bo(0, 0, whole).with_sizes(sizes));
                let ops = space.unmap(VaRange { start: 5 * GIB, end: edge });
                assert_eq!(ops[0].entries_stay(), (true, aligned >= bytes), "{sizes:?}, {edge:#x}: above");
            });
            kept += u32::from(aligned >= bytes);
        }
    }
    // Of 19 edges each: 4 KiB all, 64 KiB 15, four times 2 MiB 10, three times 1 GiB the last.
    assert_eq!(kept, 77);
}

#[test]
fn a_mapping_without_a_remnant_on_a_side_keeps_nothing_there() {
    in_space(PLENTY, |space| {
        let whole = VaRange { start: GIB, end: 3 * GIB };
        space.map(space.bo(0, 0, whole).with_sizes(Sizes::LARGE_1G));
        let above = space.unmap(VaRange { start: 0, end: 2 * GIB });
        assert_eq!(above[0].entries_stay(), (false, true));
        space.map(space.bo(0, 0, whole).with_sizes(Sizes::LARGE_1G));
        let below = space.unmap(VaRange { start: 2 * GIB, end: 4 * GIB });
        assert_eq!(below[0].entries_stay(), (true, false));
        let gone = space.unmap(VaRange { start: 0, end: 8 * GIB });
        assert_eq!(gone[0].entries_stay(), (false, false));
        assert_eq!(SubOp::Map { new: Space::null(whole) }.entries_stay(), (false, false));
    });
}

#[test]
fn null_mappings_follow_the_same_rule_and_have_no_offset() {
    in_space(PLENTY, |space| {
        for (start, end, want) in [(16, 32, (true, true)), (15, 32, (false, true)), (16, 33, (true, false))] {
            space.map(Space::null(pages(0, 64)).with_sizes(Sizes::PAGE_4K | Sizes::GROUP_64K));
            let ops = space.unmap(pages(start, end));
            assert_eq!(ops[0].entries_stay(), want);
            let SubOp::Remap { prev: Some(prev), next: Some(next), .. } = ops[0] else { panic!("{ops:?}") };
            assert_eq!([prev.backing(), next.backing()], [VmaBacking::Null; 2]);
        }
    });
}

#[test]
fn sizes_are_noted_on_a_mapping_only_if_it_is_there_as_it_was() {
    in_space(PLENTY, |space| {
        let vma = space.bo(0, 5, pages(10, 20));
        space.map(vma);
        let sizes = |space: &Space<'_>| space.all().iter().map(|vma| vma.sizes()).collect::<Vec<_>>();
        space.index.note_sizes(&mut space.store, &vma, Sizes::PAGE_4K);
        assert_eq!(sizes(space), [Sizes::PAGE_4K]);
        // Another offset, another range, nothing there at all.
        for other in [space.bo(0, 6, pages(10, 20)), space.bo(0, 5, pages(10, 21)), space.bo(0, 0, pages(40, 41))] {
            space.index.note_sizes(&mut space.store, &other, Sizes::LARGE_1G);
            assert_eq!(sizes(space), [Sizes::PAGE_4K]);
        }
        // What was cut since is not what was written.
        space.unmap(pages(12, 13));
        space.index.note_sizes(&mut space.store, &vma, Sizes::LARGE_1G);
        assert_eq!(sizes(space), [Sizes::PAGE_4K; 2]);
        space.check();
    });
}

#[test]
fn every_remnant_holds_its_object_for_itself() {
    in_space(PLENTY, |space| {
        space.map(space.bo(0, 0, pages(0, 10)));
        space.unmap(pages(4, 5));
        let [below, above] = space.all()[..] else { panic!("{:?}", space.all()) };
        let uses_left = |space: &mut Space<'_>, range| {
            let plan = space.index.plan(&space.store, barexe_core::vm::plan::Request::unmap(range));
            space.index.apply(&mut space.store, &plan, |_| ()).unwrap();
        };
        uses_left(space, below.range());
        assert_eq!(space.store.release(&below), None, "the other remnant still uses it");
        uses_left(space, above.range());
        assert_eq!(space.store.release(&above), Some(space.objects[0]), "the last use");
        space.end();
    });
}
