//! Attributes of mappings and of what is left of them: requirements R1 to R5.

use crate::space::{PLENTY, Space, in_space};
use crate::{PAGE, pages};
use barexe_core::device::request::{BindFlags, BindKind, BindOp};
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tree::Sizes;
use barexe_core::vm::bind::request;
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::vma::{NO_USER_FENCE, Vma, VmaBacking};

/// All flag words that a mapping can have, reserved bits included: what comes later is inherited like the rest.
fn all_flags() -> impl Iterator<Item = BindFlags> {
    (0..=0x7F).map(BindFlags::from_bits_retain)
}

fn pat(raw: u8) -> PatIndex {
    PatIndex::new(raw).unwrap()
}

fn remnants(ops: &[SubOp]) -> [Vma; 2] {
    let SubOp::Remap { prev: Some(prev), next: Some(next), .. } = ops[0] else { panic!("{ops:?}") };
    [prev, next]
}

#[test]
fn r1_a_mapping_has_what_it_was_made_from() {
    in_space(PLENTY, |space| {
        let object = VmaBacking::Bo { object: space.objects[2], offset_bytes: 9 * PAGE };
        for backing in [object, VmaBacking::Null] {
            for flags in [BindFlags::empty(), BindFlags::READONLY, BindFlags::DUMPABLE | BindFlags::READONLY] {
                let vma = Vma::new(pages(3, 5), backing, pat(31), flags);
                space.map(vma);
                let found = space.index.find(&space.store, 4 * PAGE).unwrap();
                assert_eq!((found.range(), found.backing(), found.pat()), (pages(3, 5), backing, pat(31)));
                assert_eq!(found.flags(), flags);
                assert_eq!(found.attributes().read_only, flags.contains(BindFlags::READONLY));
                assert_eq!(found.sizes(), Sizes::empty(), "it has no entries yet");
                assert_eq!(found.user_fence(), NO_USER_FENCE);
            }
        }
    });
}

#[test]
fn r2_flags_and_pat_index_of_a_new_mapping_come_from_the_operation() {
    in_space(PLENTY, |space| {
        let object = VmaBacking::Bo { object: space.objects[0], offset_bytes: PAGE };
        for (kind, backing) in
            [(BindKind::Map { bo: 1, offset_bytes: PAGE }, object), (BindKind::MapNull, VmaBacking::Null)]
        {
            for (flags, pat_index) in [(BindFlags::READONLY, 3), (BindFlags::DUMPABLE, 4), (BindFlags::empty(), 0)] {
                let op = BindOp { kind, va: 8 * PAGE, range_bytes: 2 * PAGE, flags, pat_index };
                let asked = request(&op, Some(backing)).unwrap();
                let want = Vma::new(pages(8, 10), backing, pat(pat_index.try_into().unwrap()), flags);
                assert_eq!(asked.new_vma(), Some(&want));
                space.ask(asked).unwrap();
                assert_eq!(space.all(), [want]);
            }
        }
    });
}

#[test]
fn r3_remnants_have_flags_and_pat_index_of_what_was_split_never_of_what_split_it() {
    in_space(PLENTY, |space| {
        let backing = VmaBacking::Bo { object: space.objects[0], offset_bytes: 0 };
        for flags in all_flags() {
            let (old_pat, new_pat) = (pat(5), pat(26));
            let opposite = BindFlags::from_bits_retain(!flags.bits() & 0x7F);
            space.map(Vma::new(pages(10, 20), backing, old_pat, flags));
            let ops = space.map(Vma::new(pages(13, 16), VmaBacking::Null, new_pat, opposite));
            let [prev, next] = remnants(&ops);
            assert_eq!([prev.flags(), next.flags()], [flags; 2]);
            assert_eq!([prev.pat(), next.pat()], [old_pat; 2]);
            let stored = space.all();
            assert_eq!(stored[0], prev);
            assert_eq!((stored[1].flags(), stored[1].pat()), (opposite, new_pat));
            assert_eq!(stored[2], next);
        }
    });
}

#[test]
fn r4_no_bit_travels_from_one_operation_to_a_later_one_of_a_call() {
    in_space(PLENTY, |space| {
        let plain = |start| Vma::new(pages(start, start + 4), VmaBacking::Null, pat(0), BindFlags::empty());
        let full = Vma::new(pages(10, 30), VmaBacking::Null, pat(31), BindFlags::from_bits_retain(0x7F));
        let calls = [full, plain(0), full, plain(12), plain(20), plain(40)].map(Request::map);
        let change = space.plan_call(&calls, |_| Ok(())).unwrap();
        space.accept(change);
        for vma in space.all() {
            let is_plain = [0, 12, 20, 40].contains(&(vma.range().start / PAGE));
            let want = if is_plain { (BindFlags::empty(), 0) } else { (BindFlags::from_bits_retain(0x7F), 31) };
            assert_eq!((vma.flags(), vma.pat().get()), want, "{vma:?}");
        }
        assert_eq!(space.all().len(), 7);
    });
}

#[test]
fn r5_a_remnant_differs_from_its_parent_in_range_and_offset_only() {
    in_space(PLENTY, |space| {
        for (flags, sizes) in all_flags().zip((0..32).map(Sizes::from_bits_retain).cycle()) {
            let whole = space.bo(3, 500, pages(10, 30));
            let whole = Vma::new(whole.range(), whole.backing(), pat(17), flags).with_sizes(sizes);
            space.map(whole);
            let [prev, next] = remnants(&space.unmap(pages(14, 21)));
            for (part, page, range) in [(prev, 500, pages(10, 14)), (next, 511, pages(21, 30))] {
                let backing = VmaBacking::Bo { object: space.objects[3], offset_bytes: page * PAGE };
                assert_eq!(part, Vma::new(range, backing, pat(17), flags).with_sizes(sizes));
            }
            // Splits of splits inherit it still.
            let [prev, next] = remnants(&space.unmap(pages(24, 25)));
            assert_eq!([prev.flags(), next.flags()], [flags; 2]);
            assert_eq!([prev.sizes(), next.sizes()], [sizes; 2]);
            assert_eq!(next.backing(), VmaBacking::Bo { object: space.objects[3], offset_bytes: 515 * PAGE });
        }
    });
}

#[test]
fn the_user_fence_of_a_call_goes_to_its_mappings_and_to_remnants_and_to_nothing_else() {
    in_space(PLENTY, |space| {
        let fence = |space: &Space<'_>| space.all().iter().map(Vma::user_fence).collect::<Vec<_>>();
        space.ask(Request::map(Space::null(pages(0, 10))).with_user_fence(1)).unwrap();
        space.ask(Request::map(Space::null(pages(20, 30))).with_user_fence(2)).unwrap();
        assert_eq!(fence(space), [1, 2]);
        space.ask(Request::map(Space::null(pages(3, 5))).with_user_fence(3)).unwrap();
        assert_eq!(fence(space), [3, 3, 3, 2]);
        // A call without one takes it away from what it cuts: nothing of that waits any more.
        space.unmap(pages(8, 9));
        assert_eq!(fence(space), [3, 3, 0, 0, 2]);
        space.ask(Request::unmap(pages(25, 40)).with_user_fence(0xFF_FFFF)).unwrap();
        assert_eq!(fence(space), [3, 3, 0, 0, 0xFF_FFFF]);
    });
}
