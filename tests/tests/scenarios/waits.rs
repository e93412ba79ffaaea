//! Binds that wait: S36 to S46, but for those that are made again (`cookies`). Dialect A alone has them.

use crate::waiting::{COOKIE, PAGE, VA, bind_waiting, hold, waiting, with_cookie};
use barexe_core::Errno;
use barexe_core::Errno::{EFAULT, EINVAL, ENOENT};
use barexe_core::device::TicketState;
use barexe_core::gt::EngineClass;
use barexe_hal::{ClientAddr, Interrupted};
use barexe_sim::Fault;
use barexe_tests::rig::SPACE;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Exec, FENCES, NOWHERE, Need, Trial, op, sync};

scenarios! {
    s36_a_call_that_waits_takes_no_syncs { cases: 3, holds: [R36, R45], needs: [Need::DialectA] }
    s37_an_interruption_does_not_end_a_wait_for_accepted_work {
        cases: 2, holds: [R37, R51, R54], needs: [Need::DialectA]
    }
    s39_an_interruption_before_commit_leaves_everything { cases: 2, holds: [R49, R52, R55], needs: [Need::DialectA] }
    s41_nobody_is_held_up_by_a_wait { cases: 5, holds: [D9, D10], needs: [Need::DialectA] }
    s43_a_prefetch_with_nothing_to_move_waits_like_any_bind { cases: 4, holds: [R25, D19], needs: [Need::DialectA] }
    s44_a_bad_cookie_is_refused { cases: 3, holds: [R47, R50], needs: [Need::DialectA] }
    s45_a_cookie_needs_the_wait_flag { cases: 1, holds: [], needs: [Need::DialectA] }
    s46_a_barrier_that_waits_keeps_the_order_of_calls { cases: 4, holds: [R31, R41, R57], needs: [Need::DialectA] }
    r58_an_out_sync_tells_what_a_wait_would { cases: 2, holds: [R58], needs: [Need::DialectA] }
    a_wait_ends_with_the_error_of_its_work { cases: 3, holds: [R56], needs: [Need::DialectA] }
    a_wait_ends_with_the_queue_it_waits_on { cases: 2, holds: [M13], needs: [Need::DialectA] }
}

/// In another block of directories: what is bound here is not ordered against what is bound there.
const ELSEWHERE: u64 = VA + (3 << 39);
/// Where the client's own memory is, and where it is mapped.
const USER: u64 = 0x5000_0000;

fn s36_a_call_that_waits_takes_no_syncs(on: &mut Trial<'_>) {
    let (vm, bo, done) = (on.vm(), on.bo(PAGE), on.signalled_syncobj());
    let map = || waiting(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    on.case("an in-sync");
    on.bind_refused(&map().sync(sync::wait(done)), EINVAL);
    on.case("an out-sync");
    on.bind_refused(&map().out(done), EINVAL);
    on.case("a barrier with a user fence");
    on.bind_refused(&waiting(Bind::on(vm)).sync(sync::user_fence(FENCES, 1)), EINVAL);
    on.check_mappings(vm, &[]);
}

fn s37_an_interruption_does_not_end_a_wait_for_accepted_work(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.number_pages(bo, 7);
    let b0 = hold(on, vm, 0);
    on.case("it goes on over interruptions until b0");
    let map = waiting(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    let before = |on: &mut Trial<'_>| {
        on.settle();
        on.check("not there before b0", on.seen(vm, VA), None);
        Err(Interrupted)
    };
    let (mut once, mut again) = (before, before);
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Err(Interrupted)
    };
    let done = bind_waiting(on, &map, &mut [&mut once, &mut again, &mut signal]);
    on.check("0 after b0", done, (Ok(0), true));
    on.case("the work is done when the call returns");
    on.check("seen", on.seen(vm, VA), Some(7));
}

/// Operations of one such call.
const SPREAD: u64 = 40;

/// The n-th of the calls that use page-table memory up: a page in each of many leaf tables.
fn spread(vm: u32, number: u64) -> Bind {
    let pages = (0..SPREAD).map(move |page| op::null(VA + ((number * SPREAD + page) << 21), PAGE));
    with_cookie(Bind::on(vm).ops(pages), FENCES)
}

fn s39_an_interruption_before_commit_leaves_everything(on: &mut Trial<'_>) {
    let vm = on.vm();
    on.case("EINTR, and nothing has changed");
    // Sooner or later a call needs memory; the allocation is where the environment can interrupt.
    let interrupted = (0..20).find(|number| {
        let (before, call) = (on.whole(), spread(vm, *number));
        on.set_faults(&[Fault::InterruptCall(0)]);
        let (result, _) = bind_waiting(on, &call, &mut []);
        on.set_faults(&[]);
        if result.is_ok() {
            on.settle();
            return false;
        }
        on.check("code", result.map_err(|error| error.errno()), Err(Errno::EINTR));
        let (before, after) = (before.0, on.whole().0);
        on.check("what changed", before.difference(&after), None);
        true
    });
    let interrupted = interrupted.unwrap_or_else(|| panic!("{on}: no call allocates"));
    on.check("cookie", on.fence_word(FENCES), 0);
    on.case("the same call again happens once");
    let mappings = on.mappings(vm).len();
    let done = bind_waiting(on, &spread(vm, interrupted), &mut []);
    on.check("0", done, (Ok(0), true));
    on.check("mappings", on.mappings(vm).len(), mappings + 40);
}

fn s41_nobody_is_held_up_by_a_wait(on: &mut Trial<'_>) {
    let (vm, bo, batch) = (on.vm(), on.bo(PAGE), on.bo(PAGE));
    let (extra, exec) = (on.bind_queue(vm), on.queue(vm, EngineClass::Copy));
    on.write_store(batch, 0, ELSEWHERE + 0x800, 0xB0B);
    on.bind_now(&Bind::on(vm).op(op::map(batch, 0, ELSEWHERE, PAGE)));
    on.sim.user_map(SPACE, USER..USER + PAGE, PAGE);
    let userptr = op::on(op::MAP_USERPTR, USER, PAGE).u64(16, USER);
    on.bind_now(&Bind::on(vm).op(op::with_pat(userptr, on.pat())));
    on.check("client memory is mapped", on.seen(vm, USER).is_some(), true);
    let b0 = hold(on, vm, 0);
    let mut bind = |on: &mut Trial<'_>| {
        on.case("a bind on an extra queue");
        let out = on.syncobj();
        on.bind_now(&Bind::on(vm).queue(extra).op(op::map(bo, 0, ELSEWHERE + (1 << 39), PAGE)).out(out));
        on.check_signalled("bind", out, true);
        Ok(())
    };
    let mut run = |on: &mut Trial<'_>| {
        on.case("an exec");
        let out = on.syncobj();
        on.exec(&Exec::on(exec).batch(ELSEWHERE).out(out));
        on.settle();
        on.check_signalled("exec", out, true);
        on.check("stored", on.read(batch, 0x800), 0xB0B);
        Ok(())
    };
    let mut invalidate = |on: &mut Trial<'_>| {
        on.case("an invalidation of client memory");
        let ticket = ClientAddr::new(USER).map(|at| on.device.user_invalidate(SPACE, at, PAGE));
        on.settle();
        let state = ticket.map(|ticket| on.device.invalidation_state(ticket));
        on.check("invalidation", state, Some(TicketState::Done));
        on.check("taken from the device", on.seen(vm, USER), None);
        Ok(())
    };
    let mut create = |on: &mut Trial<'_>| {
        on.case("an object private to the VM");
        let private = on.bo_of(PAGE, vm);
        on.bo_close(private);
        Ok(())
    };
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Ok(())
    };
    let map = waiting(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    let done = bind_waiting(on, &map, &mut [&mut bind, &mut run, &mut invalidate, &mut create, &mut signal]);
    on.case("the call that waited");
    on.check("0 after b0", done, (Ok(0), true));
}

fn s43_a_prefetch_with_nothing_to_move_waits_like_any_bind(on: &mut Trial<'_>) {
    let bo = on.bo(PAGE);
    for (range, maps) in [("empty range", None), ("entries present", Some(op::map(bo, 0, VA, PAGE)))] {
        let vm = on.vm();
        if let Some(map) = maps {
            on.bind_now(&Bind::on(vm).op(map));
        }
        let prefetch = || Bind::on(vm).op(op::on(op::PREFETCH, VA, PAGE));
        on.case(&format!("{range}: the call returns after b0"));
        let b0 = hold(on, vm, 0);
        let mut signal = |on: &mut Trial<'_>| {
            on.settle();
            on.unblock(b0);
            Ok(())
        };
        let done = bind_waiting(on, &waiting(prefetch()), &mut [&mut signal]);
        on.check("0 after b0", done, (Ok(0), true));
        on.case(&format!("{range}: Out signals after b1"));
        let (b1, out) = (on.blocked(), on.syncobj());
        on.bind(&prefetch().after(b1).out(out));
        on.settle();
        on.check_signalled("Out", out, false);
        on.unblock(b1);
        on.settle();
        on.check_signalled("Out", out, true);
    }
}

fn s44_a_bad_cookie_is_refused(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let map = |cookie| with_cookie(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)), cookie);
    on.case("4 mod 8");
    on.bind_refused(&map(FENCES + 4), EINVAL);
    on.case("unreadable");
    on.bind_refused(&map(NOWHERE), EFAULT);
    on.case("4 mod 8 and unreadable");
    on.bind_refused(&map(NOWHERE + 4), EINVAL);
}

fn s45_a_cookie_needs_the_wait_flag(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.case("no flag");
    on.bind_refused(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)).patch(COOKIE, &FENCES.to_le_bytes()), EINVAL);
}

fn s46_a_barrier_that_waits_keeps_the_order_of_calls(on: &mut Trial<'_>) {
    let vm = on.vm();
    let (b0, b1, first, second) = (hold(on, vm, 0), on.blocked(), on.syncobj(), on.syncobj());
    on.bind(&Bind::on(vm).out(first));
    let mut mix = |on: &mut Trial<'_>| {
        on.case("nothing is over before b0");
        on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).after(b1).out(second));
        on.settle();
        on.check_signalled("call before the barrier", first, false);
        on.check_signalled("call after the barrier", second, false);
        Ok(())
    };
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &waiting(Bind::on(vm)), &mut [&mut mix, &mut signal]);
    on.case("0 after b0");
    on.check("result", done, (Ok(0), true));
    on.case("what came before is over, what came after is not");
    on.check_signalled("call before the barrier", first, true);
    on.check_signalled("call after the barrier", second, false);
    on.case("that call ends by itself");
    on.unblock(b1);
    on.settle();
    on.check_signalled("call after the barrier", second, true);
}

fn a_wait_ends_with_the_error_of_its_work(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let b0 = hold(on, vm, 0);
    on.case("K8: behind a change that failed it is canceled, and never 0");
    let mut fail = |on: &mut Trial<'_>| {
        on.device.fail_next_table_change();
        on.unblock(b0);
        Ok(())
    };
    let (failed, all) = bind_waiting(on, &waiting(Bind::on(vm).op(op::map(bo, 0, VA, PAGE))), &mut [&mut fail]);
    on.check("everything happened", all, true);
    let code = failed.map_err(|error| error.errno()).expect_err("a change that failed");
    on.check("code", code, Errno::ECANCELED);
    on.case("the VM is banned");
    on.bind_refused(&waiting(Bind::on(vm)), ENOENT);
    on.case("a resumed wait still tells how the work ended");
    on.put(FENCES, &[1]);
    on.bind_refused(&with_cookie(Bind::on(vm), FENCES), code);
}

/// The queue is gone by the next look, together with the work: how that ended is still told.
fn a_wait_ends_with_the_queue_it_waits_on(on: &mut Trial<'_>) {
    for fails in [false, true] {
        let (vm, bo) = (on.vm(), on.bo(PAGE));
        on.number_pages(bo, 3);
        let extra = on.bind_queue(vm);
        let b0 = hold(on, vm, extra);
        on.case(if fails { "its queue is destroyed and the change before it fails" } else { "its queue is destroyed" });
        let mut destroy = |on: &mut Trial<'_>| {
            on.queue_destroy(extra);
            on.settle();
            on.check("not yet", on.seen(vm, VA), None);
            Ok(())
        };
        let mut signal = |on: &mut Trial<'_>| {
            if fails {
                on.device.fail_next_table_change();
            }
            on.unblock(b0);
            on.settle();
            Ok(())
        };
        let map = waiting(Bind::on(vm).queue(extra).op(op::map(bo, 0, VA, PAGE)));
        let (done, all) = bind_waiting(on, &map, &mut [&mut destroy, &mut signal]);
        let want = if fails { Err(Errno::ECANCELED) } else { Ok(0) };
        on.check("after b0", (done.map_err(|error| error.errno()), all), (want, true));
        on.check("the work is done", on.seen(vm, VA), (!fails).then_some(3));
    }
}

fn r58_an_out_sync_tells_what_a_wait_would(on: &mut Trial<'_>) {
    let (vm, out) = (on.vm(), on.syncobj());
    let b0 = hold(on, vm, 0);
    on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).out(out));
    on.case("neither is over before b0");
    let mut signal = |on: &mut Trial<'_>| {
        on.settle();
        on.check_signalled("Out", out, false);
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &waiting(Bind::on(vm)), &mut [&mut signal]);
    on.check("a barrier that waits", done, (Ok(0), true));
    on.case("both are when it returns");
    on.check_signalled("Out", out, true);
}
