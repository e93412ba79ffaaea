//! Zero-op calls: S1 to S18, the bind half.

use barexe_core::Errno;
use barexe_core::gt::EngineClass;
use barexe_tests::rig::store;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, NOWHERE, SYNCS, Trial, copy_dword, op, sync};

scenarios! {
    s1_a_barrier_on_an_idle_queue_is_over_at_once { cases: 2, holds: [R8, R13, R22, R23, R38] }
    s2_a_barrier_reads_no_operation { cases: 2, holds: [R10] }
    s3_a_barrier_waits_for_earlier_binds_of_its_queue { cases: 2, holds: [R8, R12, R23] }
    s7_a_barrier_waits_for_its_own_queue_only { cases: 2, holds: [R12, R31, R46] }
    s8_a_barrier_submits_and_signals_a_point { cases: 3, holds: [R23] }
    s13_bind_a_barrier_waits_for_all_in_syncs_and_its_queue { cases: 2, holds: [R21, R26, R27, D1, D5, M1] }
    s14_barriers_leave_no_fence_behind { cases: 2, holds: [R24, D2] }
    d21_looking_at_a_last_fence_changes_nothing { cases: 2, holds: [D21] }
    s18_a_map_behind_a_barrier_with_an_in_sync_waits_for_it { cases: 4, holds: [R21, R23, R28, R29, D5, D23] }
}

const VA: u64 = 0x1A_0000;

fn page(on: &mut Trial<'_>) -> Bo {
    on.bo(0x1000)
}

fn map(bo: Bo, va: u64) -> barexe_tests::wire::Bytes {
    op::map(bo, 0, va, bo.bytes)
}

fn s1_a_barrier_on_an_idle_queue_is_over_at_once(on: &mut Trial<'_>) {
    let (vm, out) = (on.vm(), on.syncobj());
    on.case("nothing was ever bound");
    on.bind(&Bind::on(vm).out(out));
    on.check_signalled("Out", out, true);
    on.case("earlier binds are over");
    let bo = page(on);
    on.bind_now(&Bind::on(vm).op(map(bo, VA)));
    let out = on.syncobj();
    on.bind(&Bind::on(vm).out(out));
    on.check_signalled("Out", out, true);
}

fn s2_a_barrier_reads_no_operation(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), page(on));
    on.bind_now(&Bind::on(vm).op(map(bo, VA)));
    let want = [Mapping::of(bo, 0, VA, VA + 0x1000)];
    for (name, bytes) in
        [("operation of ones", vec![0xFF; 80]), ("vector where nothing is", NOWHERE.to_le_bytes().to_vec())]
    {
        on.case(name);
        let out = on.syncobj();
        on.memory.reads.clear();
        on.bind(&Bind::on(vm).out(out).patch(24, &bytes));
        on.check_signalled("Out", out, true);
        on.check_mappings(vm, &want);
        let read = on.memory.reads.clone();
        on.check("client memory read", read, vec![(SYNCS, 48)]);
    }
}

fn s3_a_barrier_waits_for_earlier_binds_of_its_queue(on: &mut Trial<'_>) {
    let (vm, bo, b0) = (on.vm(), page(on), on.blocked());
    let (mapped, out) = (on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).out(mapped));
    on.case("the queue is blocked");
    on.bind(&Bind::on(vm).out(out));
    on.settle();
    on.check_signalled("the map's Out", mapped, false);
    on.check_signalled("Out", out, false);
    on.case("Out comes with the map or after it");
    on.unblock(b0);
    on.signalled_in_order(&[mapped, out]);
}

fn s7_a_barrier_waits_for_its_own_queue_only(on: &mut Trial<'_>) {
    let (vm, bo, b0) = (on.vm(), page(on), on.blocked());
    let (extra, mapped) = (on.bind_queue(vm), on.syncobj());
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).out(mapped));
    on.case("idle queue beside a blocked one");
    let out = on.syncobj();
    on.bind(&Bind::on(vm).queue(extra).out(out));
    on.check_signalled("Out", out, true);
    on.check_signalled("the map's Out", mapped, false);
    on.case("and the other way round");
    on.unblock(b0);
    on.settle();
    let (b1, held, idle) = (on.blocked(), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).queue(extra).after(b1).out(held));
    on.bind(&Bind::on(vm).out(idle));
    on.check_signalled("Out of the default queue", idle, true);
    on.check_signalled("Out of the blocked queue", held, false);
}

fn s8_a_barrier_submits_and_signals_a_point(on: &mut Trial<'_>) {
    let (vm, timeline) = (on.vm(), on.syncobj());
    on.bind(&Bind::on(vm).sync(sync::out_point(timeline, 4)));
    on.case("not submitted before");
    on.check_point("newest signalled point", timeline, 4);
    on.bind_refused(&Bind::on(vm).sync(sync::wait_point(timeline, 5)), Errno::EINVAL);
    on.case("submitted and signalled at return");
    on.bind(&Bind::on(vm).sync(sync::out_point(timeline, 5)));
    on.check_point("newest signalled point", timeline, 5);
    let out = on.syncobj();
    on.bind(&Bind::on(vm).sync(sync::wait_point(timeline, 5)).out(out));
    on.check_signalled("Out of a call that waits for the point", out, true);
    on.case("a blocked queue submits it and does not signal it");
    let b0 = on.blocked();
    on.bind(&Bind::on(vm).after(b0).sync(sync::out_point(timeline, 6)));
    on.settle();
    on.check_point("newest signalled point", timeline, 5);
    let behind = on.syncobj();
    on.bind(&Bind::on(vm).sync(sync::wait_point(timeline, 6)).out(behind));
    on.check_signalled("Out of a call that waits for the point", behind, false);
    on.unblock(b0);
    on.settle();
    on.check_point("newest signalled point", timeline, 6);
    on.check_signalled("Out of a call that waits for the point", behind, true);
}

fn s13_bind_a_barrier_waits_for_all_in_syncs_and_its_queue(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), page(on));
    let [b0, b1, b2] = [on.blocked(), on.blocked(), on.blocked()];
    let (mapped, out) = (on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b2).out(mapped));
    on.bind(&Bind::on(vm).after(b0).after(b1).out(out));
    on.case("in-syncs alone are not enough");
    for blocked in [b0, b1] {
        on.unblock(blocked);
        on.settle();
        on.check_signalled("Out", out, false);
    }
    on.case("the queue's last fence is the last of them");
    on.unblock(b2);
    on.signalled_in_order(&[mapped, out]);
}

/// Ten thousand calls, a hundred at a time, so that each batch of them is pending at once.
fn s14_barriers_leave_no_fence_behind(on: &mut Trial<'_>) {
    let vm = on.vm();
    on.bind_now(&Bind::on(vm));
    let (noted, buffers) = (on.device.fences_in_use(), on.sim.buffers());
    for _ in 0..100 {
        let (b0, out) = (on.blocked(), on.syncobj());
        for _ in 0..100 {
            on.bind(&Bind::on(vm).after(b0).out(out));
        }
        on.unblock(b0);
        on.poll();
        on.syncobj_destroy(b0.syncobj);
        on.syncobj_destroy(out);
    }
    on.case("fence objects");
    on.check("in use", on.device.fences_in_use(), noted);
    on.case("memory");
    on.check("buffers given and taken", on.sim.buffers(), buffers);
}

/// On the VM's own queue, and on a created one.
fn s18_a_map_behind_a_barrier_with_an_in_sync_waits_for_it(on: &mut Trial<'_>) {
    for created in [false, true] {
        let vm = on.vm_with(1);
        let queue = if created { on.bind_queue(vm) } else { 0 };
        let runner = on.queue(vm, EngineClass::Render);
        let (batch, bo) = (page(on), page(on));
        on.write(bo, 0, &[77]);
        on.write_batch(batch, 0, &[&copy_dword(0x9_0800, VA), &store(0x9_0804, 1)]);
        on.bind_now(&Bind::on(vm).op(map(batch, 0x9_0000)));
        let (b0, barrier, out) = (on.blocked(), on.syncobj(), on.syncobj());
        on.bind(&Bind::on(vm).queue(queue).after(b0).out(barrier));
        on.bind(&Bind::on(vm).queue(queue).op(map(bo, VA)).out(out));
        on.case(if created { "before b0, created queue" } else { "before b0" });
        on.exec(&Exec::on(runner).batch(0x9_0000));
        on.settle();
        on.check_signalled("Out", out, false);
        on.check("the batch ran", on.read(batch, 0x804), 1);
        on.check("what the batch read", on.read(batch, 0x800), 0);
        let seen = on.seen(vm, VA);
        on.check("entry", seen, Some(0));
        on.case(if created { "after b0, created queue" } else { "after b0" });
        on.unblock(b0);
        on.signalled_in_order(&[barrier, out]);
        on.exec(&Exec::on(runner).batch(0x9_0000));
        on.settle();
        on.check("what the batch read", on.read(batch, 0x800), 77);
    }
}

/// A barrier without syncs looks at the last fence, and that is all it does.
fn d21_looking_at_a_last_fence_changes_nothing(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), page(on));
    on.bind_now(&Bind::on(vm).op(map(bo, VA)));
    on.case("a fence that has signalled");
    let before = (on.mappings(vm), on.device.fences_in_use(), on.device.tables_in_use());
    on.bind(&Bind::on(vm));
    on.bind(&Bind::on(vm));
    on.check("state", (on.mappings(vm), on.device.fences_in_use(), on.device.tables_in_use()), before);
    on.case("one that has not");
    let b0 = on.blocked();
    on.bind(&Bind::on(vm).op(map(bo, VA + 0x1000)).after(b0));
    let (first, second) = (on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).out(first));
    on.bind(&Bind::on(vm).out(second));
    on.check_signalled("first", first, false);
    on.unblock(b0);
    on.settle();
    on.check_signalled("first", first, true);
    on.check_signalled("second", second, true);
}
