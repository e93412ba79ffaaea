//! Queues on several engines: S20 and S97, and what the sheet says of parallel jobs (§5.7).

use super::gone_wrong::pass;
use barexe_core::Errno::{EFAULT, EINVAL, EOPNOTSUPP};
use barexe_tests::rig::store;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Bo, Dialect, Exec, NOWHERE, Need, OPS, Trial, op, requests, sync};
use barexe_tests::wire::Bytes;

scenarios! {
    s20_a_parallel_queue_takes_all_its_batches_or_none { cases: 4, holds: [R14, R20, D7], needs: [Need::TwoDecoders] }
    s97_engines_that_do_not_work_together { cases: 3, holds: [], needs: [Need::TwoCopyEngines] }
    m7_a_parallel_job_writes_its_user_fence_once_all_parts_are_over { cases: 3, holds: [M7], needs: [Need::TwoDecoders] }
}

const COPY: u16 = 1;
const DECODE: u16 = 2;
const VA: u64 = 0x1A_0000;
const PAGE: u64 = 0x1000;
/// Client memory for batch addresses.
const ADDRESSES: u64 = OPS + 0x100;

/// The call that creates a queue of width 2 on these instances.
fn together(on: &mut Trial<'_>, vm: u32, class: u16, instances: [u16; 2]) -> Bytes {
    let of = |instance| Bytes::new(8).u16(0, class).u16(2, instance).0;
    on.put(OPS, &instances.map(of).concat());
    let arg = Bytes::new(Dialect::size(requests::QUEUE_CREATE));
    arg.u16(8, 2).u16(10, 1).u32(12, vm).u64(24, OPS)
}

/// A VM with two pages of batches at [`VA`], and a queue of width 2 of it.
fn parallel(on: &mut Trial<'_>) -> (u32, Bo) {
    let (vm, bo) = (on.vm(), on.bo(2 * PAGE));
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, 2 * PAGE)));
    let arg = together(on, vm, DECODE, [0, 1]);
    (on.accepted(requests::QUEUE_CREATE, &arg).get_u32(20), bo)
}

/// A call with so many batches, whose addresses are at an address of the client.
fn wide(on: &Trial<'_>, queue: u32, count: u16, addresses: u64) -> Exec {
    let (address, batches) = on.dialect.exec_batch;
    Exec::on(queue).patch(address, &addresses.to_le_bytes()).patch(batches, &count.to_le_bytes())
}

fn s20_a_parallel_queue_takes_all_its_batches_or_none(on: &mut Trial<'_>) {
    let (queue, bo) = parallel(on);
    on.case("none, address 0");
    let out = on.syncobj();
    on.exec(&wide(on, queue, 0, 0).out(out));
    on.check_signalled("Out", out, true);
    on.case("one");
    let one = wide(on, queue, 1, ADDRESSES);
    on.exec_refused(&one, EINVAL);
    on.case("two, address invalid");
    let nowhere = wide(on, queue, 2, NOWHERE);
    on.exec_refused(&nowhere, EFAULT);
    on.case("two");
    for part in 0..2 {
        on.write_store(bo, part * PAGE, VA + 0x800 + part * 8, 7);
    }
    on.put(ADDRESSES, &[VA.to_le_bytes(), (VA + PAGE).to_le_bytes()].concat());
    let done = on.syncobj();
    on.exec(&wide(on, queue, 2, ADDRESSES).out(done));
    on.settle();
    on.check_signalled("Out", done, true);
    on.check("both ran", (on.read(bo, 0x800), on.read(bo, 0x808)), (7, 7));
}

fn s97_engines_that_do_not_work_together(on: &mut Trial<'_>) {
    let vm = on.vm();
    on.case("two copy engines");
    let arg = together(on, vm, COPY, [0, 1]);
    on.refused(requests::QUEUE_CREATE, &arg, EOPNOTSUPP);
    on.case("decoders 0 and 2 by their numbers in hardware");
    let arg = together(on, vm, DECODE, [0, 2]);
    on.refused(requests::QUEUE_CREATE, &arg, EINVAL);
    on.case("and the wrong way round");
    let arg = together(on, vm, DECODE, [1, 0]);
    on.refused(requests::QUEUE_CREATE, &arg, EINVAL);
}

/// Each part is the slow one in turn.
fn m7_a_parallel_job_writes_its_user_fence_once_all_parts_are_over(on: &mut Trial<'_>) {
    let (queue, bo) = parallel(on);
    for slow in 0..2u64 {
        on.case(if slow == 0 { "the first is last" } else { "the second is last" });
        let quick = 1 - slow;
        let gate = VA + 0x900;
        on.write(bo, 0x900, &[0]);
        on.write_store(bo, quick * PAGE, VA + 0x800, 7);
        on.write_batch(bo, slow * PAGE, &[&barexe_tests::trial::wait_equal(gate, 1), &store(VA + 0x808, 7)]);
        on.put(ADDRESSES, &[VA.to_le_bytes(), (VA + PAGE).to_le_bytes()].concat());
        on.write(bo, 0xA00, &[0, 0]);
        on.exec(&wide(on, queue, 2, ADDRESSES).sync(sync::user_fence(VA + 0xA00, 9)));
        on.settle();
        on.check("the quick part is over", on.read(bo, 0x800), 7);
        on.check("fence", on.read(bo, 0xA00), 0);
        on.write(bo, 0x900, &[1]);
        on.settle();
        on.check("fence", on.read(bo, 0xA00), 9);
        on.write(bo, 0x800, &[0, 0, 0, 0]);
    }
    on.case("and nobody writes it again");
    on.write(bo, 0xA00, &[1]);
    pass(on, 2);
    on.check("fence", on.read(bo, 0xA00), 1);
}
