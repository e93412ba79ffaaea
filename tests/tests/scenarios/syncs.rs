//! Sync entries of binds and execs: S65, S81, S85 to S90.

use barexe_core::Errno::{self, EFAULT, EINVAL, ENOENT, EOPNOTSUPP};
use barexe_core::gt::EngineClass;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Exec, Mapping, NOWHERE, Need, Trial, op, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s65_a_refused_array_leaves_its_out_syncs { cases: 2, holds: [R24, D26] }
    s81_a_sync_object_may_be_listed_twice { cases: 6, holds: [R23] }
    s85_an_entry_has_a_type_flags_and_reserved_words { cases: 6, holds: [R6] }
    s86_an_entry_names_an_object { cases: 8, holds: [R6] }
    s87_an_in_sync_needs_a_fence { cases: 2, holds: [] }
    s88_an_in_point_has_been_submitted { cases: 8, holds: [] }
    s89_a_user_fence_of_a_bind_is_in_client_memory { cases: 4, holds: [R7] }
    s90_a_long_running_vm_has_in_syncs_alone { cases: 10, holds: [R7, R16] }
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

/// A call with these sync entries: a bind of a VM, or an exec of a queue, without operations or batches.
#[derive(Clone, Copy)]
enum Call {
    Bind(u32),
    Exec(u32),
}

impl Call {
    /// One of each on a new VM.
    fn both(on: &mut Trial<'_>) -> [(&'static str, Self); 2] {
        let vm = on.vm();
        let queue = on.queue(vm, EngineClass::Copy);
        [("bind", Self::Bind(vm)), ("exec", Self::Exec(queue))]
    }

    fn made(self, on: &mut Trial<'_>, entries: &[Bytes]) {
        match self {
            Self::Bind(vm) => on.bind(&entries.iter().cloned().fold(Bind::on(vm), Bind::sync)),
            Self::Exec(queue) => on.exec(&entries.iter().cloned().fold(Exec::on(queue), Exec::sync)),
        }
    }

    fn refused(self, on: &mut Trial<'_>, entry: Bytes, errno: Errno) {
        match self {
            Self::Bind(vm) => on.bind_refused(&Bind::on(vm).sync(entry), errno),
            Self::Exec(queue) => on.exec_refused(&Exec::on(queue).sync(entry), errno),
        }
    }
}

fn s81_a_sync_object_may_be_listed_twice(on: &mut Trial<'_>) {
    for (name, call) in Call::both(on) {
        let before = on.device.fences_in_use();
        let (twice, mixed, other, b0) = (on.syncobj(), on.syncobj(), on.syncobj(), on.blocked());
        call.made(on, &[sync::wait(b0.syncobj)]);
        let entries = [
            sync::out(twice),
            sync::out(twice),
            // The last entry wins (L8): a binary one drops the point before it, a point makes a timeline of the object.
            sync::out_point(mixed, 3),
            sync::out(mixed),
            sync::out(other),
            sync::out_point(other, 7),
        ];
        call.made(on, &entries);
        on.case(&format!("{name}: not before what is held"));
        on.settle();
        check_all_signalled(on, [twice, mixed, other], false);
        on.case(&format!("{name}: the last entry wins"));
        on.check_value("point dropped", mixed, true, 0);
        on.check_value("point added", other, true, 7);
        on.case(&format!("{name}: all signal, and nothing is left"));
        on.unblock(b0);
        on.settle();
        check_all_signalled(on, [twice, mixed, other], true);
        on.check_value("value", other, false, 7);
        for object in [twice, mixed, other, b0.syncobj] {
            on.syncobj_destroy(object);
        }
        let after = on.device.fences_in_use();
        on.check("fences in use", after, before);
    }
}

fn s85_an_entry_has_a_type_flags_and_reserved_words(on: &mut Trial<'_>) {
    let done = on.signalled_syncobj();
    for (call_name, call) in Call::both(on) {
        for (name, at, value) in [("type 3", 8, 3), ("flags 2", 12, 2), ("reserved 1", 32, 1)] {
            on.case(&format!("{call_name}: {name}"));
            call.refused(on, sync::wait(done).u32(at, value), EINVAL);
        }
    }
}

fn s86_an_entry_names_an_object(on: &mut Trial<'_>) {
    let done = on.signalled_syncobj();
    let entries =
        |handle| [sync::wait(handle), sync::out(handle), sync::wait_point(handle, 1), sync::out_point(handle, 1)];
    for (name, call) in Call::both(on) {
        for (upper, unknown) in entries(done).into_iter().zip(entries(0x7777)) {
            on.case(&format!("{name}: entry {:02x?}", &upper.0[8..16]));
            call.refused(on, upper.u32(20, 1), EINVAL);
            call.refused(on, unknown, ENOENT);
        }
    }
}

fn s87_an_in_sync_needs_a_fence(on: &mut Trial<'_>) {
    let empty = on.syncobj();
    for (name, call) in Call::both(on) {
        on.case(&format!("{name}: new object"));
        call.refused(on, sync::wait(empty), EINVAL);
    }
}

fn s88_an_in_point_has_been_submitted(on: &mut Trial<'_>) {
    for (name, call) in Call::both(on) {
        let (timeline, binary) = (on.syncobj(), on.signalled_syncobj());
        call.made(on, &[sync::out_point(timeline, 5)]);
        on.settle();
        on.case(&format!("{name}: point 0"));
        call.refused(on, sync::wait_point(timeline, 0), EINVAL);
        on.case(&format!("{name}: point 6"));
        call.refused(on, sync::wait_point(timeline, 6), EINVAL);
        on.case(&format!("{name}: point 5: nothing to wait for"));
        let out = on.syncobj();
        call.made(on, &[sync::wait_point(timeline, 5), sync::out(out)]);
        on.check_signalled("at return", out, true);
        on.case(&format!("{name}: binary object"));
        call.refused(on, sync::wait_point(binary, 5), EINVAL);
    }
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
    s90_execs(on, vm);
}

/// The same of execs, whose user fences lie at GPU addresses.
fn s90_execs(on: &mut Trial<'_>, vm: u32) {
    let (bo, done, b0) = (on.bo(PAGE), on.signalled_syncobj(), on.blocked());
    let batch = VA + PAGE;
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, batch, PAGE)));
    on.write_store(bo, 0, batch + 0x800, 7);
    let queue = on.queue(vm, EngineClass::Copy);
    let run = || Exec::on(queue).batch(batch);
    on.case("exec, out-sync with a bad handle");
    on.exec_refused(&run().out(0x7777), EOPNOTSUPP);
    on.case("exec, out-point with a bad handle");
    on.exec_refused(&run().sync(sync::out_point(0x7777, 0)), EOPNOTSUPP);
    on.case("exec, good out-sync");
    on.exec_refused(&run().out(done), EOPNOTSUPP);
    on.case("exec, good in-sync, and a user fence");
    on.exec(&run().sync(sync::wait(done)).after(b0).sync(sync::user_fence(batch + 0x900, 5)));
    on.settle();
    on.check("not before b0", [0x800, 0x900].map(|at| on.read(bo, at)), [0, 0]);
    on.case("exec, after b0");
    on.unblock(b0);
    on.settle();
    on.check("done", [0x800, 0x900].map(|at| on.read(bo, at)), [7, 5]);
}

fn m4_extensions_of_an_entry_are_looked_at(on: &mut Trial<'_>) {
    let (vm, done) = (on.vm(), on.signalled_syncobj());
    let fence = on.fence(0);
    for (name, entry) in [("0", sync::wait(done)), ("1", sync::out_point(done, 1)), ("2", sync::user_fence(fence, 1))] {
        on.case(&format!("type {name}"));
        on.bind_refused(&Bind::on(vm).op(op::null(VA, PAGE)).sync(entry.u64(0, 1)), EINVAL);
    }
}
