//! Checks of binds without operations: S4 to S6, and S9.

use barexe_core::Errno::{EINVAL, ENOENT, EOPNOTSUPP};
use barexe_core::gt::EngineClass;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, NOWHERE, Trial, op, sync};

scenarios! {
    s4_a_barrier_takes_no_user_fence { cases: 2, holds: [R9] }
    s5_a_barrier_is_checked_like_any_call { cases: 6, holds: [R11] }
    s6_a_barrier_without_syncs_does_nothing { cases: 3, holds: [R8, R10, R13] }
    s9_a_barrier_needs_a_vm_that_works { cases: 3, holds: [R11, R56, M5] }
}

fn s4_a_barrier_takes_no_user_fence(on: &mut Trial<'_>) {
    let vm = on.vm();
    let fence = on.fence(0);
    // Neither is an address that could not be written: what is wrong is that there is a fence.
    for (name, flags, addr) in [("with SIGNAL", 1, fence), ("without", 0, NOWHERE + 4)] {
        on.case(name);
        on.bind_refused(&Bind::on(vm).sync(sync::user_fence(addr, 1).u32(12, flags)), EOPNOTSUPP);
    }
    on.settle();
    on.check("memory", on.fence_word(fence), 0);
}

fn s5_a_barrier_is_checked_like_any_call(on: &mut Trial<'_>) {
    let vm = on.vm();
    let queue = on.queue(vm, EngineClass::Copy);
    let reserved = if on.dialect.name == "A" { 144 } else { 120 };
    for (name, at) in [("pad", 16), ("reserved", reserved), ("extensions", 0)] {
        on.case(name);
        on.bind_refused(&Bind::on(vm).patch(at, &[1]), EINVAL);
    }
    on.case("unknown queue");
    on.bind_refused(&Bind::on(vm).queue(0x7777), ENOENT);
    on.case("exec queue");
    on.bind_refused(&Bind::on(vm).queue(queue), EINVAL);
    on.case("unknown VM");
    on.bind_refused(&Bind::on(0x7777), EINVAL);
}

fn s6_a_barrier_without_syncs_does_nothing(on: &mut Trial<'_>) {
    let vm = on.vm();
    let extra = on.bind_queue(vm);
    let (_, syncs) = on.dialect.bind_syncs;
    let barrier = |queue| Bind::on(vm).queue(queue).patch(syncs, &NOWHERE.to_le_bytes());
    on.case("idle queue");
    on.bind(&barrier(0));
    on.case("busy queue");
    let b0 = on.blocked();
    on.bind(&Bind::on(vm).op(op::null(0x40_0000, 0x1000)).after(b0));
    on.bind(&barrier(0));
    on.case("extra queue");
    on.bind(&barrier(extra));
    on.settle();
    on.check_mappings(vm, &[barexe_tests::trial::Mapping::null(0x40_0000, 0x40_1000)]);
}

fn s9_a_barrier_needs_a_vm_that_works(on: &mut Trial<'_>) {
    let (vm, out) = (on.vm(), on.signalled_syncobj());
    let extra = on.bind_queue(vm);
    on.device.fail_next_table_change();
    on.bind_now(&Bind::on(vm).op(op::null(0x40_0000, 0x1000)));
    on.case("banned");
    on.bind_refused(&Bind::on(vm), ENOENT);
    on.bind_refused(&Bind::on(vm).out(out), ENOENT);
    on.case("banned, extra queue");
    on.bind_refused(&Bind::on(vm).queue(extra), ENOENT);
    on.queue_destroy(extra);
    on.vm_destroy(vm);
    on.case("destroyed");
    on.bind_refused(&Bind::on(vm), EINVAL);
    on.settle();
    on.bind_refused(&Bind::on(vm), EINVAL);
}
