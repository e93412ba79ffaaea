//! Binds whose wait is interrupted after they were accepted, and made again: S38, S42, and rules K1 to K9 of
//! bind-and-exec sheet §2.2. Dialect A alone has them.

use crate::waiting::{HELD, PAGE, VA, bind_waiting, bind_waiting_read_only, hold, waiting, with_cookie};
use barexe_core::Errno::{ECANCELED, EINVAL, ENOENT};
use barexe_core::{Errno, Error};
use barexe_hal::Interrupted;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, FENCES, Mapping, Need, Trial, op};
use barexe_tests::wire::Bytes;

scenarios! {
    s38_an_interrupted_wait_is_resumed_and_the_bind_happens_once {
        cases: 4, holds: [R43, R47, R48, R49, R50, R53, R54, D24], needs: [Need::DialectA]
    }
    s42_a_wait_is_never_over_before_its_work { cases: 4, holds: [R37, D11], needs: [Need::DialectA] }
    a_barrier_that_waits_is_resumed_like_any_bind { cases: 2, holds: [R37, R41, R53], needs: [Need::DialectA] }
    a_resumed_wait_is_for_its_own_commit { cases: 3, holds: [R50], needs: [Need::DialectA] }
    a_cookie_that_is_not_zero_resumes_a_wait { cases: 5, holds: [R48, R50], needs: [Need::DialectA] }
    a_cookie_that_is_cleared_makes_a_new_call { cases: 2, holds: [R48, R49], needs: [Need::DialectA] }
    a_cookie_that_cannot_be_stored_is_none { cases: 1, holds: [R51, R54], needs: [Need::DialectA] }
    a_resumed_wait_tells_how_the_work_failed { cases: 3, holds: [R49, R50, R56], needs: [Need::DialectA] }
    calls_that_wait_and_calls_that_do_not_mix { cases: 3, holds: [R46, R49], needs: [Need::DialectA] }
}

const INTERRUPTED: (Result<u32, Error>, bool) = (Err(Error::Interrupted), true);

/// Whether the client was told that its call happened.
fn is_set(on: &Trial<'_>) -> bool {
    on.fence_word(FENCES) != 0
}

fn interrupt(_: &mut Trial<'_>) -> Result<(), Interrupted> {
    Err(Interrupted)
}

fn s38_an_interrupted_wait_is_resumed_and_the_bind_happens_once(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.number_pages(bo, 7);
    let b0 = hold(on, vm, 0);
    let map = with_cookie(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)), FENCES);
    let want = [Mapping::of(bo, 0, VA, VA + PAGE), Mapping::null(HELD, HELD + PAGE)];
    on.case("first pass: the code inside is kept, the client gets EINTR, the cookie is set");
    let first = bind_waiting(on, &map, &mut [&mut interrupt]);
    on.check("first pass", first, INTERRUPTED);
    on.check("code", Error::Interrupted.errno(), Errno::EINTR);
    on.check("cookie is set", is_set(on), true);
    on.check_mappings(vm, &want);
    on.case("interrupted again while it resumes");
    let cookie = on.fence_word(FENCES);
    let again = bind_waiting(on, &map, &mut [&mut interrupt]);
    on.check("second pass", again, INTERRUPTED);
    on.check("cookie", on.fence_word(FENCES), cookie);
    on.check("no entry before b0", on.seen(vm, VA), None);
    on.case("last pass: 0 after b0, the cookie stays");
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &map, &mut [&mut signal]);
    on.check("last pass", done, (Ok(0), true));
    on.check("cookie", on.fence_word(FENCES), cookie);
    on.case("applied once");
    on.check_mappings(vm, &want);
    on.check("seen", on.seen(vm, VA), Some(7));
}

/// Interrupted with a cookie, and made again until it says 0; without one, interrupted in vain.
fn s42_a_wait_is_never_over_before_its_work(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.number_pages(bo, 9);
    let cases = [("MAP", op::map(bo, 0, VA, PAGE), None, Some(9)), ("UNMAP", op::unmap(VA, PAGE), Some(9), None)];
    for cookie in [true, false] {
        for (name, op, before, after) in cases.clone() {
            on.case(&format!("{name}, cookie {cookie}"));
            on.put(FENCES, &[0; 8]);
            let b0 = hold(on, vm, 0);
            let mut look = |on: &mut Trial<'_>| {
                on.settle();
                on.check("as before", on.seen(vm, VA), before);
                Err(Interrupted)
            };
            let mut signal = |on: &mut Trial<'_>| {
                on.unblock(b0);
                Ok(())
            };
            let bind = Bind::on(vm).op(op);
            let done = if cookie {
                let call = with_cookie(bind, FENCES);
                let first = bind_waiting(on, &call, &mut [&mut look]);
                on.check("not 0 while unfinished", first, INTERRUPTED);
                bind_waiting(on, &call, &mut [&mut signal])
            } else {
                bind_waiting(on, &waiting(bind), &mut [&mut look, &mut signal])
            };
            on.check("0 after b0", done, (Ok(0), true));
            on.check("work is done", on.seen(vm, VA), after);
        }
    }
}

fn a_barrier_that_waits_is_resumed_like_any_bind(on: &mut Trial<'_>) {
    let vm = on.vm();
    let b0 = hold(on, vm, 0);
    let barrier = with_cookie(Bind::on(vm), FENCES);
    on.case("interrupted");
    let first = bind_waiting(on, &barrier, &mut [&mut interrupt]);
    on.check("first pass", first, INTERRUPTED);
    on.check("cookie is set", is_set(on), true);
    on.case("0 after b0");
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &barrier, &mut [&mut interrupt]);
    on.check("second pass", done, INTERRUPTED);
    let done = bind_waiting(on, &barrier, &mut [&mut signal]);
    on.check("last pass", done, (Ok(0), true));
}

fn a_resumed_wait_is_for_its_own_commit(on: &mut Trial<'_>) {
    let (vm, later) = (on.vm(), on.syncobj());
    let b0 = hold(on, vm, 0);
    let call = with_cookie(Bind::on(vm).op(op::null(VA, PAGE)), FENCES);
    let first = bind_waiting(on, &call, &mut [&mut interrupt]);
    on.case("interrupted; then more is accepted on its queue");
    on.check("first pass", first, INTERRUPTED);
    let b1 = on.blocked();
    on.bind(&Bind::on(vm).op(op::null(VA + PAGE, PAGE)).after(b1).out(later));
    on.case("its own work ends the wait");
    on.unblock(b0);
    on.settle();
    let done = bind_waiting(on, &call, &mut []);
    on.check("0 at once", done, (Ok(0), true));
    on.check_signalled("the later call", later, false);
    on.case("a value that names no commit waits for all of the queue");
    on.put(FENCES, &u64::MAX.to_le_bytes());
    let mut signal = |on: &mut Trial<'_>| {
        on.settle();
        on.unblock(b1);
        Ok(())
    };
    let done = bind_waiting(on, &call, &mut [&mut signal]);
    on.check("0 after the later call", done, (Ok(0), true));
    on.check_signalled("the later call", later, true);
}

fn a_cookie_that_is_not_zero_resumes_a_wait(on: &mut Trial<'_>) {
    let vm = on.vm();
    let (other, extra) = (on.vm(), on.bind_queue(vm));
    on.put(FENCES, &[0, 0, 0, 0, 0, 0, 0, 0x80]);
    // No operation of this kind exists: whoever looked would say so.
    let wrong = || Bytes::new(80).u32(40, 99);
    let resume = |vm| with_cookie(Bind::on(vm).op(wrong()), FENCES);
    on.case("checks of the call and of the queue are made");
    on.bind_refused(&resume(vm).queue(0x7777), ENOENT);
    on.bind_refused(&resume(other).queue(extra), EINVAL);
    on.bind_refused(&resume(0x7777), EINVAL);
    on.bind_refused(&resume(vm).patch(16, &[1]), EINVAL);
    on.case("nothing is left to wait for");
    on.bind(&resume(vm));
    on.check_mappings(vm, &[]);
    on.case("it waits for what the queue has accepted");
    let b0 = hold(on, vm, 0);
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &resume(vm), &mut [&mut signal]);
    on.check("0 after b0", done, (Ok(0), true));
    on.case("on its own queue");
    let b1 = hold(on, vm, extra);
    on.bind(&resume(vm));
    on.unblock(b1);
    on.settle();
    on.case("and does nothing");
    on.check_mappings(vm, &[Mapping::null(HELD, HELD + PAGE)]);
}

fn a_cookie_that_is_cleared_makes_a_new_call(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let b0 = hold(on, vm, 0);
    let map = with_cookie(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)), FENCES);
    on.case("never interrupted: the cookie stays 0");
    let other = with_cookie(Bind::on(vm).queue(on.bind_queue(vm)), FENCES);
    let done = bind_waiting(on, &other, &mut []);
    on.check("0", done, (Ok(0), true));
    on.check("cookie is set", is_set(on), false);
    on.case("interrupted, cleared, and made again: it happens twice");
    let first = bind_waiting(on, &map, &mut [&mut interrupt]);
    on.check("first pass", first, INTERRUPTED);
    on.put(FENCES, &[0; 8]);
    let jobs = on.device.fences_in_use().jobs;
    let mut signal = |on: &mut Trial<'_>| {
        on.check("one more is accepted", on.device.fences_in_use().jobs, jobs + 1);
        on.unblock(b0);
        Ok(())
    };
    let done = bind_waiting(on, &map, &mut [&mut signal]);
    on.check("0", done, (Ok(0), true));
    on.check("cookie is set", is_set(on), false);
    on.check_mappings(vm, &[Mapping::of(bo, 0, VA, VA + PAGE), Mapping::null(HELD, HELD + PAGE)]);
}

fn a_cookie_that_cannot_be_stored_is_none(on: &mut Trial<'_>) {
    let vm = on.vm();
    let b0 = hold(on, vm, 0);
    let mut signal = |on: &mut Trial<'_>| {
        on.unblock(b0);
        Err(Interrupted)
    };
    on.case("the wait goes on over interruptions");
    let call = with_cookie(Bind::on(vm).op(op::null(VA, PAGE)), FENCES);
    let done = bind_waiting_read_only(on, &call, &mut [&mut interrupt, &mut interrupt, &mut signal]);
    on.check("0 after b0", done, (Ok(0), true));
    on.check("cookie is set", is_set(on), false);
}

fn a_resumed_wait_tells_how_the_work_failed(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    let b0 = hold(on, vm, 0);
    let map = with_cookie(Bind::on(vm).op(op::map(bo, 0, VA, PAGE)), FENCES);
    on.case("interrupted; then the change before it fails, and bans the VM");
    let first = bind_waiting(on, &map, &mut [&mut interrupt]);
    on.check("first pass", first, INTERRUPTED);
    let cookie = on.fence_word(FENCES);
    on.device.fail_next_table_change();
    on.unblock(b0);
    on.settle();
    on.case("K9: the end of the work, though the VM is banned, as often as it is asked for");
    for _ in 0..2 {
        let (failed, _) = bind_waiting(on, &map, &mut []);
        on.check("code", failed.map_err(|error| error.errno()), Err(ECANCELED));
        on.check("cookie", on.fence_word(FENCES), cookie);
    }
    on.case("a new call finds the VM banned");
    on.put(FENCES, &[0; 8]);
    on.bind_refused(&map, ENOENT);
}

fn calls_that_wait_and_calls_that_do_not_mix(on: &mut Trial<'_>) {
    let (vm, before, after) = (on.vm(), on.syncobj(), on.syncobj());
    let b0 = hold(on, vm, 0);
    on.bind(&Bind::on(vm).op(op::null(VA, PAGE)).out(before));
    let call = with_cookie(Bind::on(vm).op(op::null(VA + PAGE, PAGE)), FENCES);
    on.case("calls beside one that waits keep their order");
    let mut mix = |on: &mut Trial<'_>| {
        on.bind(&Bind::on(vm).op(op::null(VA + 2 * PAGE, PAGE)).out(after));
        on.settle();
        on.check_signalled("before", before, false);
        on.check_signalled("after", after, false);
        Err(Interrupted)
    };
    let first = bind_waiting(on, &call, &mut [&mut mix]);
    on.check("first pass", first, INTERRUPTED);
    on.case("the queue is nobody's between two passes");
    on.unblock(b0);
    on.signalled_in_order(&[before, after]);
    on.case("0 at once");
    let done = bind_waiting(on, &call, &mut []);
    on.check("result", done, (Ok(0), true));
    on.check("mappings", on.mappings(vm).len(), 4);
}
