//! Execs without batches: S10 to S17, the exec half, and what R14 to R20 say of them.

use barexe_core::Capacities;
use barexe_core::Errno::{EAGAIN, ECANCELED, EINVAL, ENOMEM, EOPNOTSUPP};
use barexe_core::gt::EngineClass;
use barexe_tests::rig::store;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, NOWHERE, Need, SYNCS, Spin, Trial, op, sync};

scenarios! {
    s10_a_barrier_on_an_idle_exec_queue_is_over_at_once { cases: 2, holds: [R14, R22] }
    s11_a_barrier_behind_a_batch_waits_for_it { cases: 2, holds: [R15, R17, R22] }
    s12_a_barrier_waits_for_its_in_sync { cases: 2, holds: [R21, M1] }
    s13_exec_a_barrier_waits_for_all_in_syncs_and_its_queue { cases: 2, holds: [R15, R21, R23, D1, D5] }
    s15_a_barrier_of_batches_takes_no_user_fence { cases: 2, holds: [D3, M12] }
    s16_a_barrier_in_a_long_running_vm { cases: 3, holds: [R16, D3, D4, M3] }
    s17_a_barrier_in_a_long_running_vm_ignores_no_sync { cases: 3, holds: [D4, M3] }
    a_batch_behind_a_barrier_waits_for_it { cases: 3, holds: [R17, R23, R27, R28, D5] }
    a_barrier_reads_no_address { cases: 2, holds: [R14, R20, D7] }
    a_barrier_needs_no_room_in_a_ring { cases: 3, holds: [R19], needs: [Need::DialectA] }
    a_barrier_on_a_vm_that_does_not_work_is_canceled { cases: 2, holds: [M6] }
    a_barrier_that_finds_no_room_changes_nothing { cases: 3, holds: [R24] }
    last_fences_of_bind_and_exec_queues_are_their_own { cases: 2, holds: [R18] }
}

const LR_MODE: u32 = 2;
const VA: u64 = 0x1A_0000;
/// Where a batch of a queue spins.
const SPIN: u64 = 0x80_0000;

/// A VM of a mode with one page of batches at [`VA`], and an exec queue of it.
fn runner(on: &mut Trial<'_>, flags: u32) -> (u32, u32, Bo) {
    let (vm, bo) = (on.vm_with(flags), on.bo(0x1000));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 0x1000)));
    on.write_store(bo, 0, VA + 0x800, 1);
    (vm, on.queue(vm, EngineClass::Copy), bo)
}

/// A batch that spins on the queue until it is released.
fn spinning(on: &mut Trial<'_>, (vm, queue): (u32, u32), out: Option<u32>) -> Spin {
    let bo = on.bo(0x1000);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, SPIN, 0x1000)));
    let spin = on.write_spin(bo, SPIN, &[]);
    let exec = Exec::on(queue).batch(SPIN);
    on.exec(&match out {
        Some(out) => exec.out(out),
        None => exec,
    });
    on.settle();
    spin
}

fn s10_a_barrier_on_an_idle_exec_queue_is_over_at_once(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, 0);
    for name in ["nothing ever ran", "earlier batches are over"] {
        on.case(name);
        let (out, used) = (on.syncobj(), on.device.fences_in_use());
        on.exec(&Exec::on(queue).out(out));
        on.check_signalled("Out", out, true);
        on.check("fences that it takes", on.device.fences_in_use(), used);
        on.exec(&Exec::on(queue).batch(VA));
        on.settle();
        on.check("the batch ran", on.read(bo, 0x800), 1);
    }
}

fn s11_a_barrier_behind_a_batch_waits_for_it(on: &mut Trial<'_>) {
    let (vm, queue, _) = runner(on, 0);
    let (spun, out, ran) = (on.syncobj(), on.syncobj(), on.syncobj());
    let spin = spinning(on, (vm, queue), Some(spun));
    on.case("the batch spins");
    on.exec(&Exec::on(queue).out(out));
    on.settle();
    on.check_signalled("Out", out, false);
    on.case("Out comes with the batch, and before later ones");
    on.exec(&Exec::on(queue).batch(VA).out(ran));
    on.release(spin);
    on.signalled_in_order(&[spun, out, ran]);
}

fn s12_a_barrier_waits_for_its_in_sync(on: &mut Trial<'_>) {
    let (_, queue, _) = runner(on, 0);
    let (b0, out) = (on.blocked(), on.syncobj());
    on.case("not before b0");
    on.exec(&Exec::on(queue).after(b0).out(out));
    on.settle();
    on.check_signalled("Out", out, false);
    on.case("after b0");
    on.unblock(b0);
    on.poll();
    on.check_signalled("Out", out, true);
}

fn s13_exec_a_barrier_waits_for_all_in_syncs_and_its_queue(on: &mut Trial<'_>) {
    let (_, queue, _) = runner(on, 0);
    let [b0, b1, b2] = [on.blocked(), on.blocked(), on.blocked()];
    let (ran, out) = (on.syncobj(), on.syncobj());
    on.exec(&Exec::on(queue).batch(VA).after(b2).out(ran));
    on.exec(&Exec::on(queue).after(b0).after(b1).out(out));
    on.case("in-syncs alone are not enough");
    for blocked in [b0, b1] {
        on.unblock(blocked);
        on.settle();
        on.check_signalled("Out", out, false);
    }
    on.case("the queue's last fence is the last of them");
    on.unblock(b2);
    on.signalled_in_order(&[ran, out]);
}

fn s15_a_barrier_of_batches_takes_no_user_fence(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, 0);
    // Neither is an address that could not be written: what is wrong is that there is a fence.
    for (name, flags, addr) in [("with SIGNAL", 1, VA + 0xC00), ("without", 0, NOWHERE + 4)] {
        on.case(name);
        on.exec_refused(&Exec::on(queue).sync(sync::user_fence(addr, 5).u32(12, flags)), EOPNOTSUPP);
    }
    on.exec(&Exec::on(queue).batch(VA));
    on.settle();
    on.check("memory", on.read(bo, 0xC00), 0);
}

fn s16_a_barrier_in_a_long_running_vm(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on, LR_MODE);
    on.case("without syncs");
    on.exec(&Exec::on(queue));
    on.case("behind a batch that spins: nothing is kept of it");
    let spin = spinning(on, (vm, queue), None);
    let used = on.device.fences_in_use();
    on.exec(&Exec::on(queue));
    on.check("fences that it takes", on.device.fences_in_use(), used);
    on.case("user fence");
    on.exec_refused(&Exec::on(queue).sync(sync::user_fence(VA + 0xC00, 5)), EOPNOTSUPP);
    on.release(spin);
    on.settle();
    on.check("memory", on.read(bo, 0xC00), 0);
}

fn s17_a_barrier_in_a_long_running_vm_ignores_no_sync(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, LR_MODE);
    let (b0, done) = (on.blocked(), on.signalled_syncobj());
    on.case("in b0");
    on.exec_refused(&Exec::on(queue).after(b0), EOPNOTSUPP);
    on.case("an in-sync that has signalled, and an out-sync");
    on.exec_refused(&Exec::on(queue).sync(sync::wait(done)), EOPNOTSUPP);
    on.exec_refused(&Exec::on(queue).out(done), EOPNOTSUPP);
    on.case("a batch waits for b0");
    on.exec(&Exec::on(queue).batch(VA).after(b0));
    on.settle();
    on.check("ran", on.read(bo, 0x800), 0);
    on.unblock(b0);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 1);
}

fn a_batch_behind_a_barrier_waits_for_it(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, 0);
    let (b0, barrier, ran, last) = (on.blocked(), on.syncobj(), on.syncobj(), on.syncobj());
    on.exec(&Exec::on(queue).after(b0).out(barrier));
    on.exec(&Exec::on(queue).batch(VA).out(ran));
    on.case("the barrier is the queue's last fence, and the batch has no in-sync");
    on.settle();
    on.check_signalled("barrier", barrier, false);
    on.check_signalled("batch", ran, false);
    on.check("ran", on.read(bo, 0x800), 0);
    on.case("a barrier without in-syncs is behind both");
    on.exec(&Exec::on(queue).out(last));
    on.settle();
    on.check_signalled("last", last, false);
    on.case("order");
    on.unblock(b0);
    on.signalled_in_order(&[barrier, ran, last]);
    on.check("ran", on.read(bo, 0x800), 1);
}

fn a_barrier_reads_no_address(on: &mut Trial<'_>) {
    let (_, queue, _) = runner(on, 0);
    let (address, _) = on.dialect.exec_batch;
    for (name, garbage) in [("no memory", NOWHERE + 1), ("ones", u64::MAX)] {
        on.case(name);
        let out = on.syncobj();
        on.memory.reads.clear();
        on.exec(&Exec::on(queue).out(out).patch(address, &garbage.to_le_bytes()));
        on.check_signalled("Out", out, true);
        let read = on.memory.reads.clone();
        on.check("client memory read", read, vec![(SYNCS, 48)]);
    }
}

fn a_barrier_needs_no_room_in_a_ring(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, LR_MODE);
    let b0 = on.blocked();
    // 16 KiB of ring in jobs of 74 dwords.
    for _ in 0..(16 << 10) / (74 * 4) {
        on.exec(&Exec::on(queue).batch(VA).after(b0));
    }
    on.case("a batch finds the ring full");
    on.exec_refused(&Exec::on(queue).batch(VA).after(b0), EAGAIN);
    on.exec_refused(&Exec::on(queue).batch(VA), EAGAIN);
    on.case("a barrier needs none of it");
    on.exec(&Exec::on(queue));
    on.case("drained");
    on.unblock(b0);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 1);
    on.exec(&Exec::on(queue).batch(VA));
    on.settle();
}

fn a_barrier_on_a_vm_that_does_not_work_is_canceled(on: &mut Trial<'_>) {
    let (vm, queue, _) = runner(on, 0);
    let out = on.signalled_syncobj();
    on.device.fail_next_table_change();
    on.bind_now(&Bind::on(vm).op(op::null(VA + 0x10_0000, 0x1000)));
    for name in ["banned", "destroyed"] {
        on.case(name);
        on.exec_refused(&Exec::on(queue), ECANCELED);
        on.exec_refused(&Exec::on(queue).out(out), ECANCELED);
        on.exec_refused(&Exec::on(queue).batch(VA), ECANCELED);
        if name == "banned" {
            on.vm_destroy(vm);
            on.settle();
        }
    }
    // What is wrong with the call itself is said first.
    on.exec_refused(&Exec::on(queue).sync(sync::wait(out).u32(8, 3)), EINVAL);
}

/// With in-syncs it takes a place among the jobs, one for each dependency; without them it takes nothing.
fn a_barrier_that_finds_no_room_changes_nothing(on: &mut Trial<'_>) {
    on.beside(&Capacities { jobs: 2, dependencies: 2, ..Capacities::DEFAULT }, |on| {
        let (_, queue, _) = runner(on, 0);
        let (b0, b1, out, last) = (on.blocked(), on.blocked(), on.signalled_syncobj(), on.syncobj());
        on.exec(&Exec::on(queue).batch(VA).after(b0));
        on.case("no room for dependencies");
        on.exec_refused(&Exec::on(queue).after(b0).after(b1).out(out), ENOMEM);
        on.check_signalled("old fence of out", out, true);
        on.exec(&Exec::on(queue).after(b1));
        on.case("no room for a job");
        on.exec_refused(&Exec::on(queue).after(b0).out(out), ENOMEM);
        on.check_signalled("old fence of out", out, true);
        on.case("none is needed without in-syncs, and the queue's last fence is the one before");
        on.exec(&Exec::on(queue).out(last));
        on.settle();
        on.check_signalled("last", last, false);
        on.unblock(b1);
        on.settle();
        on.check_signalled("last", last, false);
        on.unblock(b0);
        on.settle();
        on.check_signalled("last", last, true);
    });
}

fn last_fences_of_bind_and_exec_queues_are_their_own(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on, 0);
    on.write_batch(bo, 0, &[&store(VA + 0x800, 3)]);
    let (b0, b1) = (on.blocked(), on.blocked());
    let [held, bound, ran, idle] = [on.syncobj(), on.syncobj(), on.syncobj(), on.syncobj()];
    on.case("a blocked bind queue holds up no exec queue");
    on.bind(&Bind::on(vm).after(b0).out(held));
    on.exec(&Exec::on(queue).out(idle));
    on.check_signalled("exec queue", idle, true);
    on.check_signalled("bind queue", held, false);
    on.unblock(b0);
    on.settle();
    on.case("a blocked exec queue holds up no bind queue");
    on.exec(&Exec::on(queue).batch(VA).after(b1).out(ran));
    on.bind(&Bind::on(vm).out(bound));
    on.check_signalled("bind queue", bound, true);
    on.check_signalled("exec queue", ran, false);
    on.unblock(b1);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 3);
}
