//! Work that goes wrong: S99.

use barexe_core::Errno::{ECANCELED, EIO};
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Exec, FENCES, JOB_TIMEOUT, Trial, op, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s99_a_batch_that_never_ends_costs_its_queue_alone { cases: 6, holds: [] }
    binds_behind_a_change_that_failed_make_nothing_visible { cases: 2, holds: [R56] }
}

const VA: u64 = 0x1A_0000;
const PAGE: u64 = 0x1000;
const GET_PROPERTY: u32 = 0xC028_6448;
const WAIT_USER_FENCE: u32 = 0xC048_644A;

/// Lets so many milliseconds pass.
pub(crate) fn pass(on: &mut Trial<'_>, millis: u64) {
    for _ in 0..millis {
        on.poll();
        let now = on.device.now();
        let _ = on.device.relax(now.saturating_add(Nanos::from_millis(1)));
    }
    on.settle();
}

fn s99_a_batch_that_never_ends_costs_its_queue_alone(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(2 * PAGE));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 2 * PAGE)));
    let (guilty, other) = (on.queue(vm, EngineClass::Copy), on.queue(vm, EngineClass::Copy));
    let (endless, behind) = (on.syncobj(), on.syncobj());
    on.write_spin(bo, VA, &[]);
    on.write_store(bo, PAGE, VA + PAGE + 0x800, 5);
    on.exec(&Exec::on(guilty).batch(VA).out(endless));
    on.exec(&Exec::on(guilty).batch(VA + PAGE).out(behind).sync(sync::user_fence(VA + PAGE + 0x900, 1)));
    let half = JOB_TIMEOUT.get() / 2_000_000;
    pass(on, half);
    on.check_signalled("before its time is over", endless, false);
    pass(on, half + 5);
    on.case("both signal");
    on.check_signalled("Out", endless, true);
    on.check_signalled("Out of the second", behind, true);
    on.check("the second ran", (on.read(bo, PAGE + 0x800), on.read(bo, PAGE + 0x900)), (0, 0));
    on.case("property BAN");
    let said = on.accepted(GET_PROPERTY, &Bytes::new(40).u32(8, guilty)).get_u64(16);
    on.check("value", said, 1);
    on.case("exec");
    on.exec_refused(&Exec::on(guilty).batch(VA + PAGE), ECANCELED);
    on.case("a wait for a user fence that names the queue");
    let wait = Bytes::new(72).u64(8, FENCES).u64(24, 1).u64(32, u64::MAX).u64(40, 1_000_000).u32(48, guilty);
    on.refused(WAIT_USER_FENCE, &wait, EIO);
    on.case("other queues are fine");
    let done = on.syncobj();
    on.exec(&Exec::on(other).batch(VA + PAGE).out(done));
    on.settle();
    on.check_signalled("Out", done, true);
    on.check("it ran", on.read(bo, PAGE + 0x800), 5);
    on.case("and the VM");
    on.bind_now(&Bind::on(vm).op(op::unmap(VA, PAGE)));
    let again = on.queue(vm, EngineClass::Copy);
    on.write_store(bo, PAGE, VA + PAGE + 0x800, 6);
    on.exec(&Exec::on(again).batch(VA + PAGE));
    on.settle();
    on.check("it ran", on.read(bo, PAGE + 0x800), 6);
}

fn binds_behind_a_change_that_failed_make_nothing_visible(on: &mut Trial<'_>) {
    // In another block of directories: not ordered against what is bound at `VA`.
    const ELSEWHERE: u64 = VA + (1 << 40);
    let (vm, bo, b0) = (on.vm(), on.bo(PAGE), on.blocked());
    on.number_pages(bo, 3);
    let (extra, outs) = (on.bind_queue(vm), [on.syncobj(), on.syncobj()]);
    on.bind(&Bind::on(vm).op(op::null(VA + PAGE, PAGE)).after(b0));
    on.bind(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)).out(outs[0]));
    on.bind(&Bind::on(vm).queue(extra).op(op::map(bo, 0, ELSEWHERE, PAGE)).after(b0).out(outs[1]));
    on.device.fail_next_table_change();
    on.unblock(b0);
    on.settle();
    for (name, va, out) in [("on its queue", VA, outs[0]), ("on another queue of the VM", ELSEWHERE, outs[1])] {
        on.case(name);
        on.check_signalled("Out", out, true);
        on.check("seen", on.seen(vm, va), None);
    }
}
