//! Checks of execs: S19, S22, S24, S28, S40, and sync entries: S89, S92.

use barexe_core::Errno::{EFAULT, EINVAL, EOPNOTSUPP};
use barexe_core::gt::EngineClass;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Exec, FENCES, NOWHERE, Need, SYNCS, Trial, op, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s19_a_refused_exec_keeps_no_queue { cases: 3, holds: [R14, D6] }
    s22_the_sync_struct_is_where_dialect_a_has_it { cases: 4, holds: [R35, R39, R47], needs: [Need::DialectA] }
    s24_padding_reserved_words_and_extensions_of_an_exec_are_zero {
        cases: 8, holds: [R39, R40], needs: [Need::DialectA]
    }
    s28_flags_and_reserved_words_of_the_sync_struct_are_checked {
        cases: 6, holds: [R35, R40, D12], needs: [Need::DialectA]
    }
    s40_an_exec_cannot_wait { cases: 5, holds: [R36, R42, R44, D8], needs: [Need::DialectA] }
    s89_a_user_fence_of_an_exec_is_a_gpu_address { cases: 3, holds: [R7] }
    s92_entries_before_one_that_cannot_be_read_are_released { cases: 2, holds: [D20] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;
/// Flag word and cookie in the sync struct of an exec.
const FLAGS: usize = 20;
const COOKIE: usize = 24;

/// A VM with a batch at [`VA`] that stores 1 at 0x800 of its page, and an exec queue.
fn runner(on: &mut Trial<'_>, flags: u32) -> (u32, u32, Bo) {
    let (vm, bo) = (on.vm_with(flags), on.bo(PAGE));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    on.write_store(bo, 0, VA + 0x800, 1);
    (vm, on.queue(vm, EngineClass::Copy), bo)
}

fn s19_a_refused_exec_keeps_no_queue(on: &mut Trial<'_>) {
    let vm = on.vm();
    let (buffers, used) = (on.live_buffers(), on.device.fences_in_use());
    let (queue, bind_queue) = (on.queue(vm, EngineClass::Copy), on.bind_queue(vm));
    let (_, count) = on.dialect.exec_batch;
    on.case("exec on a bind queue");
    on.exec_refused(&Exec::on(bind_queue).batch(VA), EINVAL);
    on.exec_refused(&Exec::on(bind_queue), EINVAL);
    on.case("two batches on a queue of width 1");
    on.exec_refused(&Exec::on(queue).batch(VA).patch(count, &2u16.to_le_bytes()), EINVAL);
    on.case("both are destroyed and freed");
    on.queue_destroy(queue);
    on.queue_destroy(bind_queue);
    on.settle();
    on.check("buffers", on.live_buffers(), buffers);
    on.check("fences", on.device.fences_in_use(), used);
}

fn s22_the_sync_struct_is_where_dialect_a_has_it(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on, 0);
    let out = on.syncobj();
    on.put(SYNCS + 0x200, &sync::out(out).0);
    let bind = Bytes::new(160).u32(8, vm).u32(104, 1).u64(120, SYNCS + 0x200);
    on.case("bind: entries");
    on.memory.reads.clear();
    on.accepted(0x40A0_6445, &bind);
    on.check_signalled("Out", out, true);
    let read = on.memory.reads.clone();
    on.check("client memory read", read, vec![(SYNCS + 0x200, 48)]);
    on.case("bind: cookie");
    on.refused(0x40A0_6445, &bind.clone().u64(112, FENCES), EINVAL);
    on.accepted(0x40A0_6445, &Bytes::new(160).u32(8, vm).u32(108, 1).u64(112, FENCES));
    on.refused(0x40A0_6445, &Bytes::new(160).u32(8, vm).u32(108, 1).u64(112, NOWHERE), EFAULT);
    on.case("exec: entries, and the batch");
    on.syncobj_reset(out);
    let exec = Bytes::new(88).u32(12, queue).u32(16, 1).u64(32, SYNCS + 0x200).u64(56, VA).u16(64, 1);
    on.memory.reads.clear();
    on.accepted(0x4058_6449, &exec);
    let read = on.memory.reads.clone();
    on.check("client memory read", read, vec![(SYNCS + 0x200, 48)]);
    on.settle();
    on.check_signalled("Out", out, true);
    on.check("ran", on.read(bo, 0x800), 1);
    on.case("exec: cookie");
    on.refused(0x4058_6449, &exec.u64(24, FENCES), EINVAL);
}

fn s24_padding_reserved_words_and_extensions_of_an_exec_are_zero(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, 0);
    let out = on.syncobj();
    let run = || Exec::on(queue).batch(VA).out(out);
    let fields = [
        ("pad", 8),
        ("pad2", 66),
        ("pad2, second", 68),
        ("pad2, third", 70),
        ("reserved", 72),
        ("last word", 80),
        ("extensions", 0),
    ];
    for (what, at) in fields {
        on.case(what);
        on.exec_refused(&run().patch(at, &[1]), EINVAL);
        on.settle();
        on.check("ran", on.read(bo, 0x800), 0);
    }
    on.case("all zero");
    on.exec(&run());
    on.settle();
    on.check_signalled("Out", out, true);
}

fn s28_flags_and_reserved_words_of_the_sync_struct_are_checked(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on, 0);
    for (what, bind, exec, byte) in
        [("reserved 1", 128, 40, 1), ("reserved 1, second word", 136, 48, 1), ("flag bit 1", 108, FLAGS, 2)]
    {
        on.case(&format!("bind: {what}"));
        on.bind_refused(&Bind::on(vm).op(op::null(VA + PAGE, PAGE)).patch(bind, &[byte]), EINVAL);
        on.case(&format!("exec: {what}"));
        on.exec_refused(&Exec::on(queue).batch(VA).patch(exec, &[byte]), EINVAL);
    }
    on.settle();
    on.check("mappings", on.mappings(vm).len(), 1);
    on.check("ran", on.read(bo, 0x800), 0);
}

/// The posted series let it wait (R42), after the work was on its way.
fn s40_an_exec_cannot_wait(on: &mut Trial<'_>) {
    let (_, queue, bo) = runner(on, 0);
    let (b0, out, last) = (on.blocked(), on.syncobj(), on.syncobj());
    let waits = |call: Exec| call.patch(FLAGS, &1u32.to_le_bytes());
    on.case("no syncs");
    on.exec_refused(&waits(Exec::on(queue).batch(VA)), EOPNOTSUPP);
    on.case("a sync");
    on.exec_refused(&waits(Exec::on(queue).batch(VA).out(out)), EOPNOTSUPP);
    on.exec_refused(&waits(Exec::on(queue).batch(VA).after(b0)), EOPNOTSUPP);
    on.case("a barrier, and a cookie that is not looked at");
    on.exec_refused(&waits(Exec::on(queue)), EOPNOTSUPP);
    on.exec_refused(&waits(Exec::on(queue).batch(VA)).patch(COOKIE, &NOWHERE.to_le_bytes()), EOPNOTSUPP);
    on.case("padding, reserved words and flags are looked at first");
    for (at, byte) in [(8, 1), (48, 1), (FLAGS, 3), (72, 1)] {
        on.exec_refused(&waits(Exec::on(queue).batch(VA)).patch(at, &[byte]), EINVAL);
    }
    on.case("the batch never runs, and the queue's last fence is the old one");
    on.exec(&Exec::on(queue).out(last));
    on.check_signalled("barrier behind it", last, true);
    on.unblock(b0);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 0);
}

fn s89_a_user_fence_of_an_exec_is_a_gpu_address(on: &mut Trial<'_>) {
    const SCRATCH: u32 = 1;
    let (_, queue, bo) = runner(on, SCRATCH);
    let run = |entry| Exec::on(queue).batch(VA).sync(entry);
    on.case("without SIGNAL");
    on.exec_refused(&run(sync::user_fence(VA + 0xC00, 5).u32(12, 0)), EOPNOTSUPP);
    on.case("4 mod 8");
    on.exec_refused(&run(sync::user_fence(VA + 0xC04, 5)), EINVAL);
    on.case("nothing is mapped there; and where something is");
    let out = on.syncobj();
    on.memory.reads.clear();
    on.exec(&run(sync::user_fence(NOWHERE, 5)).out(out));
    let read = on.memory.reads.clone();
    on.check("client memory read", read, vec![(SYNCS, 48), (SYNCS + 48, 48)]);
    on.settle();
    on.check_signalled("Out", out, true);
    on.exec(&run(sync::user_fence(VA + 0xC00, 0x5_0000_0006)));
    on.settle();
    on.check("value", [on.read(bo, 0xC00), on.read(bo, 0xC04)], [6, 5]);
}

fn s92_entries_before_one_that_cannot_be_read_are_released(on: &mut Trial<'_>) {
    let (vm, queue, bo) = runner(on, 0);
    let (b0, timeline) = (on.blocked(), on.syncobj());
    // The third would lie past the end of the piece of memory that entries are in.
    let at = SYNCS + 0x1_0000 - 2 * 48;
    on.put(at, &[sync::wait(b0.syncobj).0, sync::out_point(timeline, 3).0].concat());
    let count = 3u32.to_le_bytes();
    let used = on.device.fences_in_use();
    on.case("bind");
    let (number, addr) = on.dialect.bind_syncs;
    let bind = Bind::on(vm).op(op::null(VA + PAGE, PAGE));
    on.bind_refused(&bind.patch(number, &count).patch(addr, &at.to_le_bytes()), EFAULT);
    on.check("fences in use", on.device.fences_in_use(), used);
    on.case("exec");
    let (number, addr) = on.dialect.exec_syncs;
    let exec = Exec::on(queue).batch(VA);
    on.exec_refused(&exec.patch(number, &count).patch(addr, &at.to_le_bytes()), EFAULT);
    on.check("fences in use", on.device.fences_in_use(), used);
    on.check_value("nothing was submitted", timeline, true, 0);
    on.unblock(b0);
    on.settle();
    on.check("ran", on.read(bo, 0x800), 0);
}
