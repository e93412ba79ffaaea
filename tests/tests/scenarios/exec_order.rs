//! What execs wait for, and what becomes of them: S78 to S80, S82; user fences of binds in order: S91.

use barexe_core::Errno::{EAGAIN, ENOENT};
use barexe_core::Error;
use barexe_core::device::TicketState;
use barexe_core::device::request::{ExecCall, SyncEntry, SyncTarget};
use barexe_core::gt::EngineClass;
use barexe_hal::GpuVa;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, Need, Trial, op, sync};

scenarios! {
    s78_a_queue_takes_a_thousand_batches { cases: 3, holds: [], needs: [Need::AutoWriter] }
    s79_a_sync_object_may_be_in_and_out_of_one_call { cases: 2, holds: [R17] }
    s80_an_in_sync_is_captured_when_the_call_is_made { cases: 3, holds: [] }
    s82_batches_of_a_destroyed_queue_never_run { cases: 3, holds: [] }
    s91_user_fences_of_a_bind_queue_are_written_in_order { cases: 2, holds: [R57] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

/// A VM with a batch at [`VA`] that stores 1 at 0x800 of its page, and an exec queue.
fn runner(on: &mut Trial<'_>) -> (u32, u32, Bo) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    on.write_store(bo, 0, VA + 0x800, 1);
    (vm, on.queue(vm, EngineClass::Copy), bo)
}

/// A thousand calls take their time: once for each board and dialect is enough.
fn s78_a_queue_takes_a_thousand_batches(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on);
    let other = on.queue(vm, EngineClass::Copy);
    let b0 = on.blocked();
    let run = || Exec::on(queue).batch(VA).after(b0);
    // A barrier is no job.
    on.exec(&Exec::on(queue).after(b0));
    for _ in 0..1000 {
        on.exec(&run());
    }
    on.case("one more");
    on.exec_refused(&run(), EAGAIN);
    on.exec_refused(&Exec::on(queue), EAGAIN);
    on.case("it is a limit of the queue");
    on.exec(&Exec::on(other).batch(VA));
    on.case("after b0 and drain");
    on.unblock(b0);
    for _ in 0..1000 {
        if on.device.fences_in_use().jobs == 0 {
            break;
        }
        on.settle();
    }
    let out = on.syncobj();
    on.write_store(bo, 0, VA + 0x800, 2);
    on.exec(&Exec::on(queue).batch(VA).out(out));
    on.settle();
    on.check_signalled("Out", out, true);
    on.check("ran", on.read(bo, 0x800), 2);
}

fn s79_a_sync_object_may_be_in_and_out_of_one_call(on: &mut Trial<'_>) {
    let (vm, queue, _) = runner(on);
    let (s, bo) = (on.signalled_syncobj(), on.bo(PAGE));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA + PAGE, PAGE)));
    let spin = on.write_spin(bo, VA + PAGE, &barexe_tests::rig::store(VA + PAGE + 0x800, 1));
    on.exec(&Exec::on(queue).batch(VA + PAGE).sync(sync::wait(s)).out(s));
    on.case("it runs at once, and s holds its fence");
    on.settle();
    on.check_signalled("s", s, false);
    on.case("which signals with the batch");
    on.release(spin);
    on.settle();
    on.check_signalled("s", s, true);
    on.check("ran", on.read(bo, 0x800), 1);
}

fn s80_an_in_sync_is_captured_when_the_call_is_made(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on);
    let (b0, out) = (on.blocked(), on.syncobj());
    on.exec(&Exec::on(queue).batch(VA).after(b0).out(out));
    on.case("b0 is reset");
    on.syncobj_reset(b0.syncobj);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 0);
    on.case("and replaced, by a fence that signals");
    let replaced = on.block(b0.syncobj);
    on.unblock(replaced);
    on.settle();
    on.check_signalled("b0 as it is now", b0.syncobj, true);
    on.check_signalled("Out", out, false);
    on.check("ran", on.read(bo, 0x800), 0);
    on.case("the captured fence signals");
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check("ran", on.read(bo, 0x800), 1);
}

fn s82_batches_of_a_destroyed_queue_never_run(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on);
    let (b0, out, behind) = (on.blocked(), on.syncobj(), on.syncobj());
    let fence = VA + 0xC00;
    on.exec(&Exec::on(queue).batch(VA).after(b0).out(out).sync(sync::user_fence(fence, 5)));
    let Some(batch) = GpuVa::new(VA) else { return };
    let entry = SyncEntry { target: SyncTarget::Syncobj { handle: behind }, signal: true };
    let ticket = on.attempt(|on| {
        let call = ExecCall { queue, batches: &[batch] };
        on.device.exec(on.client, &call, &mut &[entry][..])
    });
    on.settle();
    let states = |on: &Trial<'_>| ticket.and_then(|ticket| on.device.ticket_state(ticket));
    let pending = states(on);
    on.check("before", pending, Ok(TicketState::Pending));
    on.case("destroyed");
    on.queue_destroy(queue);
    on.exec_refused(&Exec::on(queue).batch(VA), ENOENT);
    on.case("Out signals, at the latest after b0");
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check_signalled("Out of the batch behind", behind, true);
    on.case("neither ran; they end with ECANCELED");
    on.check("batch and user fence", [on.read(bo, 0x800), on.read(bo, 0xC00)], [0, 0]);
    let ended = states(on);
    on.check("ticket", ended, Ok(TicketState::Failed(Error::Canceled)));
    on.check("fences of jobs", on.device.fences_in_use().jobs, 0);
}

fn s91_user_fences_of_a_bind_queue_are_written_in_order(on: &mut Trial<'_>) {
    let vm = on.vm();
    for (name, queue) in [("default queue", 0), ("created queue", on.bind_queue(vm))] {
        on.case(name);
        on.put(on.fence(0), &[0; 16]);
        let (f1, f2, b0) = (on.fence(0), on.fence(1), on.blocked());
        let map = |at| Bind::on(vm).queue(queue).op(op::null(at, PAGE));
        on.bind(&map(VA).after(b0).sync(sync::user_fence(f1, 1)));
        on.bind(&map(VA + PAGE).sync(sync::user_fence(f2, 2)));
        on.settle();
        on.check("neither before b0", (on.fence_word(f1), on.fence_word(f2)), (0, 0));
        on.unblock(b0);
        for _ in 0..1000 {
            on.check("f2 after f1", on.fence_word(f2) != 0 && on.fence_word(f1) == 0, false);
            if on.fence_word(f2) != 0 {
                break;
            }
            let _ = on.sim.run(16);
            on.sim.advance(barexe_hal::Nanos::from_micros(1));
            on.poll();
        }
        on.check("both", (on.fence_word(f1), on.fence_word(f2)), (1, 2));
    }
}
