//! Prefetch where it has something to do, in a VM whose entries come with page faults: S52.

use barexe_core::Errno::EINVAL;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, FENCES, Mapping, Need, Trial, op, sync};

scenarios! {
    s52_a_prefetch_of_a_page_makes_the_entries_of_the_whole_mapping {
        cases: 6, holds: [R25], needs: [Need::FaultMode, Need::OneRegion]
    }
}

const LR_AND_FAULT: u32 = 6;
const VA: u64 = 0x80_0000;
const BYTES: u64 = 8 << 20;
const PAGE: u64 = 0x1000;

fn prefetch(va: u64, region: u32) -> barexe_tests::wire::Bytes {
    op::on(op::PREFETCH, va, PAGE).u32(48, region)
}

fn check_there(on: &mut Trial<'_>, vm: u32, start: u64, want: bool) {
    for va in [start, start + BYTES / 2 + PAGE, start + BYTES - PAGE] {
        let there = on.leaf(vm, va).is_some();
        on.check(&format!("an entry at {va:#x}"), there, want);
    }
}

fn s52_a_prefetch_of_a_page_makes_the_entries_of_the_whole_mapping(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm_with(LR_AND_FAULT), on.bo(BYTES));
    let beside = VA + 4 * BYTES;
    on.case("a map makes none");
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, BYTES)).op(op::map(bo, 0, beside, BYTES)));
    check_there(on, vm, VA, false);
    on.case("a region that there is not");
    for region in [1, 31, 32] {
        on.bind_refused(&Bind::on(vm).op(prefetch(VA, region)), EINVAL);
    }
    on.case("one page of it");
    on.bind_now(&Bind::on(vm).op(prefetch(VA + 5 * PAGE, 0)).sync(sync::user_fence(FENCES, 1)));
    check_there(on, vm, VA, true);
    on.check("user fence", on.fence_word(FENCES), 1);
    on.case("nothing else has changed");
    check_there(on, vm, beside, false);
    on.check_mappings(vm, &[VA, beside].map(|va| Mapping::of(bo, 0, va, va + BYTES)));
    on.case("again, and where nothing is mapped");
    on.bind_now(&Bind::on(vm).op(prefetch(VA, 0)).op(prefetch(VA + 2 * BYTES, 0)));
    check_there(on, vm, VA, true);
    on.case("in the call that maps");
    let third = VA + 8 * BYTES;
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, third, BYTES)).op(prefetch(third + PAGE, 0)));
    check_there(on, vm, third, true);
}
