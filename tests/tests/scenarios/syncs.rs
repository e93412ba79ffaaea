//! Sync entries of binds: S65, S81, S85 to S90.

use barexe_core::Errno::{EFAULT, EINVAL, ENOENT, EOPNOTSUPP};
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Mapping, NOWHERE, Need, Trial, op, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s65_a_refused_array_leaves_its_out_syncs { cases: 2, holds: [R24, D26] }
    s81_a_sync_object_may_be_listed_twice { cases: 3, holds: [R23] }
    s85_an_entry_has_a_type_flags_and_reserved_words { cases: 3, holds: [R6] }
    s86_an_entry_names_an_object { cases: 4, holds: [R6] }
    s87_an_in_sync_needs_a_fence { cases: 1, holds: [] }
    s88_an_in_point_has_been_submitted { cases: 4, holds: [] }
    s89_a_user_fence_of_a_bind_is_in_client_memory { cases: 4, holds: [R7] }
    s90_a_long_running_vm_has_in_syncs_alone { cases: 5, holds: [R7, R16] }
    m4_extensions_of_an_entry_are_looked_at { cases: 3, holds: [M4], needs: [Need::DialectA] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

fn s65_a_refused_array_leaves_its_out_syncs(on: &mut Trial<'_>) {
    let (vm, bo, out, timeline) = (on.vm(), on.bo(3 * PAGE), on.signalled_syncobj(), on.syncobj());
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 3 * PAGE)).sync(sync::out_point(timeline, 4)));
    let split = op::null(VA + PAGE, PAGE);
    let unknown = Bytes::new(80).u32(8, 0x7777).u64(24, PAGE).u64(32, VA + 8 * PAGE);
    let wrong = [("S58", op::null(VA + 1, PAGE), EINVAL), ("S59", unknown, ENOENT)];
    for (name, op, errno) in wrong {
        on.case(name);
        let call = Bind::on(vm).ops([split.clone(), op::null(VA + 16 * PAGE, PAGE), op]);
        on.bind_refused(&call.out(out).sync(sync::out_point(timeline, 5)), errno);
        on.check_signalled("old fence of out", out, true);
        on.check_value("newest point", timeline, true, 4);
        on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + 3 * PAGE)]);
    }
}

fn check_all_signalled(on: &mut Trial<'_>, objects: [u32; 3], want: bool) {
    for object in objects {
        on.check_signalled("object", object, want);
    }
}

fn s81_a_sync_object_may_be_listed_twice(on: &mut Trial<'_>) {
    let (vm, twice, mixed, other) = (on.vm(), on.syncobj(), on.syncobj(), on.syncobj());
    let b0 = on.blocked();
    on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).after(b0));
    let call = Bind::on(vm).op(op::null(VA + PAGE, PAGE)).out(twice).out(twice);
    // The last entry wins (L8): a binary one drops the point before it, a point makes a timeline of the object.
    let call = call.sync(sync::out_point(mixed, 3)).out(mixed).out(other).sync(sync::out_point(other, 7));
    on.bind(&call);
    on.case("not before the bind");
    on.settle();
    check_all_signalled(on, [twice, mixed, other], false);
    on.case("the last entry wins");
    on.check_value("point dropped", mixed, true, 0);
    on.check_value("point added", other, true, 7);
    on.case("all signal");
    on.unblock(b0);
    on.settle();
    check_all_signalled(on, [twice, mixed, other], true);
    on.check_value("value", other, false, 7);
}

fn s85_an_entry_has_a_type_flags_and_reserved_words(on: &mut Trial<'_>) {
    let (vm, done) = (on.vm(), on.signalled_syncobj());
    for (name, at, value) in [("type 3", 8, 3), ("flags 2", 12, 2), ("reserved 1", 32, 1)] {
        on.case(name);
        on.bind_refused(&Bind::on(vm).sync(sync::wait(done).u32(at, value)), EINVAL);
    }
}

fn s86_an_entry_names_an_object(on: &mut Trial<'_>) {
    let (vm, done) = (on.vm(), on.signalled_syncobj());
    let entries =
        |handle| [sync::wait(handle), sync::out(handle), sync::wait_point(handle, 1), sync::out_point(handle, 1)];
    for (upper, unknown) in entries(done).into_iter().zip(entries(0x7777)) {
        on.case(&format!("entry {:02x?}", &upper.0[8..16]));
        on.bind_refused(&Bind::on(vm).sync(upper.u32(20, 1)), EINVAL);
        on.bind_refused(&Bind::on(vm).sync(unknown), ENOENT);
    }
}

fn s87_an_in_sync_needs_a_fence(on: &mut Trial<'_>) {
    let (vm, empty) = (on.vm(), on.syncobj());
    on.case("new object");
    on.bind_refused(&Bind::on(vm).op(op::null(VA, PAGE)).sync(sync::wait(empty)), EINVAL);
}

fn s88_an_in_point_has_been_submitted(on: &mut Trial<'_>) {
    let (vm, timeline, binary) = (on.vm(), on.syncobj(), on.signalled_syncobj());
    on.bind(&Bind::on(vm).sync(sync::out_point(timeline, 5)));
    on.settle();
    let wait = |handle, point| Bind::on(vm).sync(sync::wait_point(handle, point));
    on.case("point 0");
    on.bind_refused(&wait(timeline, 0), EINVAL);
    on.case("point 6");
    on.bind_refused(&wait(timeline, 6), EINVAL);
    on.case("point 5: nothing to wait for");
    let out = on.syncobj();
    on.bind(&wait(timeline, 5).out(out));
    on.check_signalled("at return", out, true);
    on.case("binary object");
    on.bind_refused(&wait(binary, 5), EINVAL);
}

fn s89_a_user_fence_of_a_bind_is_in_client_memory(on: &mut Trial<'_>) {
    let vm = on.vm();
    let fence = on.fence(0);
    let map = |entry| Bind::on(vm).op(op::null(VA, PAGE)).sync(entry);
    on.case("without SIGNAL");
    on.bind_refused(&map(sync::user_fence(fence, 1).u32(12, 0)), EOPNOTSUPP);
    on.case("4 mod 8");
    on.bind_refused(&map(sync::user_fence(fence + 4, 1)), EINVAL);
    on.case("unreadable");
    on.bind_refused(&map(sync::user_fence(NOWHERE, 1)), EFAULT);
    on.case("good");
    on.bind_now(&map(sync::user_fence(fence, u64::MAX)));
    on.check("value", on.fence_word(fence), u64::MAX);
}

fn s90_a_long_running_vm_has_in_syncs_alone(on: &mut Trial<'_>) {
    const LR_MODE: u32 = 2;
    let (vm, done, b0) = (on.vm_with(LR_MODE), on.signalled_syncobj(), on.blocked());
    let map = || Bind::on(vm).op(op::null(VA, PAGE));
    on.case("out-sync with a bad handle");
    on.bind_refused(&map().out(0x7777), EOPNOTSUPP);
    on.case("out-point with a bad handle");
    on.bind_refused(&map().sync(sync::out_point(0x7777, 0)), EOPNOTSUPP);
    on.case("good out-sync");
    on.bind_refused(&map().out(done), EOPNOTSUPP);
    on.case("good in-sync, and a user fence");
    let fence = on.fence(0);
    on.bind(&map().sync(sync::wait(done)).after(b0).sync(sync::user_fence(fence, 5)));
    on.settle();
    on.check("not before b0", (on.fence_word(fence), on.leaf(vm, VA).is_some()), (0, false));
    on.case("after b0");
    on.unblock(b0);
    on.settle();
    on.check("done", (on.fence_word(fence), on.leaf(vm, VA).is_some()), (5, true));
}

fn m4_extensions_of_an_entry_are_looked_at(on: &mut Trial<'_>) {
    let (vm, done) = (on.vm(), on.signalled_syncobj());
    let fence = on.fence(0);
    for (name, entry) in [("0", sync::wait(done)), ("1", sync::out_point(done, 1)), ("2", sync::user_fence(fence, 1))] {
        on.case(&format!("type {name}"));
        on.bind_refused(&Bind::on(vm).op(op::null(VA, PAGE)).sync(entry.u64(0, 1)), EINVAL);
    }
}
