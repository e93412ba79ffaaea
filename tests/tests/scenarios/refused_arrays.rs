//! A call happens whole or not at all, as far as its checks go: S58, S59.

use barexe_core::Errno::{EINVAL, ENOENT};
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Mapping, Trial, op};
use barexe_tests::wire::Bytes;

scenarios! {
    s58_a_bad_address_takes_the_array_with_it { cases: 1, holds: [D26, R55] }
    s59_an_unknown_object_takes_the_array_with_it { cases: 1, holds: [D26, R55] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

/// V, mapped whole: eight numbered pages.
fn mapped(on: &mut Trial<'_>) -> (u32, Bo) {
    let (vm, bo) = (on.vm(), on.bo(8 * PAGE));
    on.number_pages(bo, 70);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 8 * PAGE)));
    (vm, bo)
}

/// V is as it was: one mapping, and every page is seen.
fn check_whole(on: &mut Trial<'_>, vm: u32, bo: Bo) {
    on.settle();
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 8 * PAGE)]);
    for (number, va) in (70u32..).zip((VA..VA + 8 * PAGE).step_by(0x1000)) {
        let seen = on.seen(vm, va);
        on.check(&format!("{va:#x}"), seen, Some(number));
    }
}

fn s58_a_bad_address_takes_the_array_with_it(on: &mut Trial<'_>) {
    let (vm, bo) = mapped(on);
    on.case("op 1 splits V, op 2 is not aligned");
    let ops = [op::unmap(VA + 3 * PAGE, PAGE), op::null(VA + 16 * PAGE + 1, PAGE), op::null(VA, PAGE)];
    on.bind_refused(&Bind::on(vm).ops(ops), EINVAL);
    check_whole(on, vm, bo);
}

fn s59_an_unknown_object_takes_the_array_with_it(on: &mut Trial<'_>) {
    let (vm, bo) = mapped(on);
    on.case("op 1 splits V, op 3 names an unknown handle");
    let unknown = Bytes::new(80).u32(8, 0x7777).u64(24, PAGE).u64(32, VA + 16 * PAGE);
    let ops = [op::null(VA + 3 * PAGE, PAGE), op::unmap(VA, PAGE), unknown];
    on.bind_refused(&Bind::on(vm).ops(ops), ENOENT);
    check_whole(on, vm, bo);
}
