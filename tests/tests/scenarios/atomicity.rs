//! Atomicity: S21, and S58 to S67.

use barexe_core::gt::EngineClass;
use barexe_core::{Capacities, Errno};
use barexe_sim::Fault;
use barexe_tests::rig::BATCH_END;
use barexe_tests::scenarios;
use barexe_tests::storage::FIELDS;
use barexe_tests::trial::{Bind, Bo, Exec, Mapping, Trial, op, requests, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s21_a_refused_sync_entry_lets_go_of_all { cases: 3, holds: [R6, R30, D20] }
    s61_a_call_without_memory_changes_nothing { cases: 30, holds: [R24, R30, R55, D26] }
    s62_a_mapping_with_a_pending_user_fence_stays { cases: 4, holds: [R55, D26] }
    s64_a_failure_is_never_taken_for_nothing_to_do { cases: 2, holds: [R13, D17, M10] }
    s66_memory_alone_bounds_the_number_of_operations { cases: 2, holds: [D25] }
    s67_a_change_that_fails_late_bans_the_vm { cases: 5, holds: [R56, M14] }
}

const VA: u64 = 0x1A_0000;

fn map(bo: Bo, va: u64) -> Bytes {
    op::map(bo, 0, va, bo.bytes)
}

fn s21_a_refused_sync_entry_lets_go_of_all(on: &mut Trial<'_>) {
    let (vm, bo, out, timeline) = (on.vm(), on.bo(0x1000), on.syncobj(), on.syncobj());
    let (empty, b0) = (sync::wait_point(timeline, 3), on.blocked());
    let noted = on.device.fences_in_use();
    let call = || Bind::on(vm).op(map(bo, VA));
    on.case("an out-sync, then the entry");
    on.bind_refused(&call().out(out).sync(empty.clone()), Errno::EINVAL);
    on.check("fences", on.device.fences_in_use(), noted);
    on.case("points, in-syncs and a user fence, then the entry");
    let fence = sync::user_fence(on.fence(0), 1);
    let full = call().sync(sync::out_point(timeline, 2)).after(b0).sync(fence).sync(empty);
    on.bind_refused(&full, Errno::EINVAL);
    on.check("fences", on.device.fences_in_use(), noted);
    on.case("the objects can still be used");
    on.unblock(b0);
    on.bind_now(&call().out(out).sync(sync::out_point(timeline, 3)));
    on.check_signalled("Out", out, true);
    on.check_point("timeline", timeline, 3);
}

/// A capacity, how much of it there is, and what takes it.
struct Shortage {
    stage: &'static str,
    field: &'static str,
    len: usize,
    /// The n-th operation that takes some.
    takes: fn(Bo, u64) -> Bytes,
    /// Only while its call is not over.
    while_pending: bool,
}

const fn near(number: u64) -> u64 {
    0x100_0000 + number * 0x1000
}

/// An address with tables of its own.
const fn far(number: u64) -> u64 {
    (number + 1) << 39
}

/// Stages of bind-and-exec sheet §4.6. T5, arrays of page-table operations, does not exist apart from steps.
const SHORTAGES: [Shortage; 6] = [
    Shortage { stage: "T4 index", field: "vma_nodes", len: 3, takes: |bo, n| map(bo, near(n)), while_pending: false },
    Shortage { stage: "T4 objects", field: "vm_bos", len: 2, takes: |bo, n| map(bo, near(n)), while_pending: false },
    Shortage {
        stage: "T5 steps",
        field: "steps",
        len: 5,
        takes: |_, n| op::null(near(n), 0x1000),
        while_pending: true,
    },
    Shortage {
        stage: "T7 tables",
        field: "pt_notes",
        len: 96,
        takes: |_, n| op::null(far(n), 0x1000),
        while_pending: false,
    },
    Shortage {
        stage: "T7 directories",
        field: "pt_directories",
        len: 30,
        takes: |_, n| op::null(far(n), 0x1000),
        while_pending: false,
    },
    Shortage {
        stage: "T7 blocks",
        field: "pt_blocks",
        len: 2,
        takes: |_, n| op::null(far(n), 0x1000),
        while_pending: false,
    },
];

fn s61_a_call_without_memory_changes_nothing(on: &mut Trial<'_>) {
    for shortage in &SHORTAGES {
        let field = FIELDS.iter().find(|field| field.name == shortage.field).unwrap();
        on.beside(&field.only(shortage.len), |on| run_short(on, shortage));
    }
}

/// Takes all there is, call by call; then no operation passes, at whatever place of an array it stands.
fn run_short(on: &mut Trial<'_>, shortage: &Shortage) {
    let (vm, bo, b0) = (on.vm(), on.bo(0x1000), on.blocked());
    let call = |number| {
        let call = Bind::on(vm).op((shortage.takes)(bo, number));
        if shortage.while_pending { call.after(b0) } else { call }
    };
    let taken =
        (0..200).take_while(|number| on.try_bind(&call(*number)).is_ok()).map(|number| number + 1).last().unwrap_or(0);
    let last = || (shortage.takes)(bo, taken);
    on.case(&format!("{}: one operation", shortage.stage));
    on.check("something was there", taken > 0, true);
    on.bind_refused(&Bind::on(vm).op(last()), Errno::ENOMEM);
    for place in 0..3 {
        on.case(&format!("{}: operation {place} of an array", shortage.stage));
        let before = (0..place).map(|_| op::unmap(0x10_0000, 0x1000));
        let behind = (place + 1..3).map(|_| op::unmap(0x20_0000, 0x1000));
        on.bind_refused(&Bind::on(vm).ops(before).op(last()).ops(behind), Errno::ENOBUFS);
    }
    on.case(&format!("{}: once there is room", shortage.stage));
    on.unblock(b0);
    on.settle();
    let first = (shortage.takes)(bo, 0).get_u64(32);
    on.bind_now(&Bind::on(vm).op(op::unmap(first, last().get_u64(32) - first)));
    on.bind_now(&Bind::on(vm).op(op::unmap(0x10_0000, 0x1000)).op(last()));
    let there = on.mappings(vm).iter().any(|mapping| mapping.start == last().get_u64(32));
    on.check("mapping", there, true);
}

fn s62_a_mapping_with_a_pending_user_fence_stays(on: &mut Trial<'_>) {
    let (vm, bo, b0, fence) = (on.vm(), on.bo(0x2000), on.blocked(), on.fence(0));
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).sync(sync::user_fence(fence, 1)));
    let want = [Mapping::of(bo, 0, VA, VA + 0x2000)];
    let array = |second| Bind::on(vm).op(op::map(bo, 0, 0x100_0000, 0x1000)).op(second);
    on.case("removed by the second operation");
    on.bind_refused(&array(op::unmap(VA, 0x2000)), Errno::EBUSY);
    on.check_mappings(vm, &want);
    on.case("cut by the second operation");
    on.bind_refused(&array(op::unmap(VA, 0x1000)), Errno::EBUSY);
    on.case("replaced by the second operation");
    on.bind_refused(&array(op::map(bo, 0x1000, VA, 0x1000)), Errno::EBUSY);
    on.case("after the fence");
    on.unblock(b0);
    on.settle();
    on.check("user fence", on.fence_word(fence), 1);
    on.bind_now(&array(op::unmap(VA, 0x2000)));
    on.check_mappings(vm, &[Mapping::of(bo, 0, 0x100_0000, 0x100_1000)]);
}

/// Binds take page-table memory until the HAL is asked for more, and refuses: once in a call of one operation, once in an
/// array.
fn s64_a_failure_is_never_taken_for_nothing_to_do(on: &mut Trial<'_>) {
    for (name, count, errno) in [("one operation", 1, Errno::ENOMEM), ("an array", 3, Errno::ENOBUFS)] {
        on.case(name);
        let (vm, b0) = (on.vm(), on.blocked());
        let call = |from| Bind::on(vm).ops((from..from + count).map(|number| op::null(far(number), 0x1000)));
        let mut failures = 0;
        for from in (0..48 / count).map(|round| round * count) {
            on.set_faults(&[Fault::FailCall(0)]);
            if on.try_bind(&call(from)).is_err() {
                on.set_faults(&[Fault::FailCall(0)]);
                on.bind_refused(&call(from).out(b0.syncobj), errno);
                on.check_signalled("Out", b0.syncobj, false);
                failures += 1;
            }
        }
        on.set_faults(&[]);
        on.check("a HAL call failed", failures > 0, true);
        on.bind(&call(47).out(b0.syncobj));
        on.settle();
        on.check_signalled("Out", b0.syncobj, true);
        on.unblock(b0);
    }
}

fn s66_memory_alone_bounds_the_number_of_operations(on: &mut Trial<'_>) {
    for (name, bind_ops, errno) in [("memory for 600", 600, None), ("for one less", 599, Some(Errno::ENOBUFS))] {
        // Each operation is reserved the tables that it could need alone.
        let (pt_notes, pt_directories, pt_blocks) = (3000, 2000, 100);
        on.beside(&Capacities { bind_ops, pt_notes, pt_directories, pt_blocks, ..Capacities::DEFAULT }, |on| {
            on.case(name);
            let (vm, bo) = (on.vm(), on.bo(0x1000));
            let call = Bind::on(vm).ops((0..600).map(|number| map(bo, 2 * near(number))));
            if let Some(errno) = errno {
                on.bind_refused(&call, errno);
            } else {
                let out = on.syncobj();
                on.bind(&call.out(out));
                on.signalled_in_order(&[out]);
                let mapped = on.mappings(vm).len();
                on.check("mappings", mapped, 600);
                let last = on.leaf(vm, 2 * near(599)).is_some();
                on.check("last one is there", last, true);
            }
        });
    }
}

fn s67_a_change_that_fails_late_bans_the_vm(on: &mut Trial<'_>) {
    let (vm, bo, other) = (on.vm(), on.bo(0x1000), on.vm());
    on.write(bo, 0, &[BATCH_END, 0]);
    on.bind_now(&Bind::on(vm).op(map(bo, 0x80_0000)));
    let (queue, extra) = (on.queue(vm, EngineClass::Copy), on.bind_queue(vm));
    let (b0, out, fence) = (on.blocked(), on.syncobj(), on.fence(0));
    on.case("the call was accepted; Out signals");
    on.bind(&Bind::on(vm).op(map(bo, VA)).after(b0).out(out).sync(sync::user_fence(fence, 1)));
    on.device.fail_next_table_change();
    on.unblock(b0);
    on.settle();
    on.check_signalled("Out", out, true);
    on.case("the user fence is not written, nothing leads anywhere");
    on.check("user fence", on.fence_word(fence), 0);
    on.check_pages(vm, VA..VA + 0x1000, None);
    on.check_pages(vm, 0x80_0000..0x80_1000, None);
    on.case("calls on the VM");
    on.bind_refused(&Bind::on(vm).op(map(bo, VA)), Errno::ENOENT);
    on.bind_refused(&Bind::on(vm).queue(extra).op(map(bo, VA)), Errno::ENOENT);
    on.bind_refused(&Bind::on(vm), Errno::ENOENT);
    on.exec_refused(&Exec::on(queue).batch(0x80_0000), Errno::ECANCELED);
    on.exec_refused(&Exec::on(queue), Errno::ECANCELED);
    on.case("other VMs are as before");
    on.bind_now(&Bind::on(other).op(map(bo, VA)));
    on.check_pages(other, VA..VA + 0x1000, Some(BATCH_END));
    on.case("queues and VM can be destroyed");
    on.queue_destroy(queue);
    on.queue_destroy(extra);
    on.vm_destroy(vm);
    on.refused(requests::VM_DESTROY, &Bytes::new(24).u32(0, vm), Errno::ENOENT);
}
