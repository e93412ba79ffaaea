//! Queues: what their creation refuses, whose they are, and what outlives them. S26, S96, S98, S100, S101.

use barexe_core::Errno::{self, E2BIG, ECANCELED, EFAULT, EINVAL, ENOENT, EPERM};
use barexe_core::device::request::QueueProperties;
use barexe_core::gt::EngineClass;
use barexe_tests::scenarios;
use barexe_tests::trial::{Bind, Dialect, Exec, NOWHERE, OPS, SYNCS, Trial, op, requests};
use barexe_tests::wire::Bytes;

scenarios! {
    s26_there_is_one_class_of_bind_queues { cases: 4, holds: [R32] }
    s96_a_queue_is_made_of_what_is_there { cases: 8, holds: [R32, R40] }
    s98_properties_of_a_queue_are_checked_link_by_link { cases: 7, holds: [] }
    properties_of_a_queue_are_kept { cases: 3, holds: [] }
    s100_a_queue_is_known_to_its_client_as_long_as_it_lives { cases: 2, holds: [] }
    s101_a_queue_outlives_its_vm_and_runs_nothing { cases: 3, holds: [M5] }
}

const VA: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;

const COPY: u16 = 1;
const VM_BIND: u16 = 5;
const UNKNOWN: u16 = 6;

/// A queue of this width with so many placements; instances at [`OPS`].
fn create(vm: u32, width: u16, placements: u16) -> Bytes {
    let arg = Bytes::new(Dialect::size(requests::QUEUE_CREATE)).u16(8, width).u16(10, placements);
    arg.u32(12, vm).u64(24, OPS)
}

/// Puts instances (class, number, GT) where calls look for them.
fn put_instances(on: &mut Trial<'_>, instances: &[[u16; 3]]) {
    for ([class, number, gt], addr) in instances.iter().zip((OPS..).step_by(8)) {
        on.put(addr, &Bytes::new(8).u16(0, *class).u16(2, *number).u16(4, *gt).0);
    }
}

fn s26_there_is_one_class_of_bind_queues(on: &mut Trial<'_>) {
    let vm = on.vm();
    let refused = [
        ("class 6", 1, [UNKNOWN, 0, 0]),
        ("class 5, instance 1", 1, [VM_BIND, 1, 0]),
        ("class 5, width 2", 2, [VM_BIND, 0, 0]),
    ];
    for (what, width, instance) in refused {
        on.case(what);
        put_instances(on, &[instance; 2]);
        on.refused(requests::QUEUE_CREATE, &create(vm, width, 1), EINVAL);
    }
    on.case("class 5");
    put_instances(on, &[[VM_BIND, 0, 0]]);
    let queue = on.accepted(requests::QUEUE_CREATE, &create(vm, 1, 1)).get_u32(20);
    on.bind_now(&Bind::on(vm).queue(queue).op(op::null(VA, PAGE)));
    on.check("mappings", on.mappings(vm).len(), 1);
}

fn s96_a_queue_is_made_of_what_is_there(on: &mut Trial<'_>) {
    let vm = on.vm();
    let copy = [[COPY, 0, 0]; 10];
    let cases: [(&str, Bytes, &[[u16; 3]], Errno); 8] = [
        ("width 0", create(vm, 0, 1), &copy, EINVAL),
        ("10 placements", create(vm, 1, 10), &copy, EINVAL),
        ("instances that cannot be read", create(vm, 1, 1).u64(24, NOWHERE), &copy, EFAULT),
        ("GT 99", create(vm, 1, 1), &[[COPY, 0, 99]], EINVAL),
        ("class 6", create(vm, 1, 1), &[[UNKNOWN, 0, 0]], EINVAL),
        ("two classes", create(vm, 1, 2), &[[COPY, 0, 0], [0, 0, 0]], EINVAL),
        ("flag 2", create(vm, 1, 1).u32(16, 2), &copy, EINVAL),
        ("reserved", create(vm, 1, 1).u64(32, 1), &copy, EINVAL),
    ];
    for (what, arg, instances, errno) in cases {
        on.case(what);
        put_instances(on, instances);
        on.refused(requests::QUEUE_CREATE, &arg, errno);
    }
}

/// Bytes of a link of a chain.
const LINK: u64 = 48;

/// Puts a chain of properties at [`SYNCS`].
fn put_chain(on: &mut Trial<'_>, properties: &[(u32, u64)]) {
    for (number, (property, value)) in (1..).zip(properties) {
        let at = SYNCS + (number - 1) * LINK;
        let next = if number < properties.len() as u64 { at + LINK } else { 0 };
        on.put(at, &Bytes::new(48).u64(0, next).u32(16, *property).u64(24, *value).0);
    }
}

const PRIORITY: u32 = 0;
const TIMESLICE: u32 = 1;

fn s98_properties_of_a_queue_are_checked_link_by_link(on: &mut Trial<'_>) {
    on.client = on.device.client_open(false).unwrap();
    let vm = on.vm();
    put_instances(on, &[[COPY, 0, 0]]);
    let chained = |addr| create(vm, 1, 1).u64(0, addr);
    on.case("17 links");
    put_chain(on, &[(TIMESLICE, 1000); 17]);
    on.refused(requests::QUEUE_CREATE, &chained(SYNCS), E2BIG);
    on.case("unreadable");
    on.refused(requests::QUEUE_CREATE, &chained(NOWHERE), EFAULT);
    on.case("name 1");
    put_chain(on, &[(TIMESLICE, 1000)]);
    on.put(SYNCS + 8, &[1]);
    on.refused(requests::QUEUE_CREATE, &chained(SYNCS), EINVAL);
    let properties = [
        ("property 99", 99, 0, EINVAL),
        ("priority 3", PRIORITY, 3, EINVAL),
        ("priority 2", PRIORITY, 2, EPERM),
        ("time slice 0", TIMESLICE, 0, EINVAL),
    ];
    for (what, property, value, errno) in properties {
        on.case(what);
        put_chain(on, &[(property, value)]);
        on.refused(requests::QUEUE_CREATE, &chained(SYNCS), errno);
    }
}

fn properties_of_a_queue_are_kept(on: &mut Trial<'_>) {
    let kept = |on: &mut Trial<'_>, chain: &[(u32, u64)]| {
        let vm = on.vm();
        put_instances(on, &[[COPY, 0, 0]]);
        put_chain(on, chain);
        let arg = create(vm, 1, 1).u64(0, if chain.is_empty() { 0 } else { SYNCS });
        let queue = on.accepted(requests::QUEUE_CREATE, &arg).get_u32(20);
        on.device.queue_properties(on.client, queue).unwrap().unwrap()
    };
    on.case("without a chain");
    let found = kept(on, &[]);
    on.check("priority and time slice", found, QueueProperties { priority: 1, timeslice_us: 1000 });
    on.case("a privileged client");
    let found = kept(on, &[(TIMESLICE, 7), (PRIORITY, 2), (TIMESLICE, 10_000_000)]);
    on.check("the last word counts", found, QueueProperties { priority: 2, timeslice_us: 10_000_000 });
    on.case("another client");
    on.client = on.device.client_open(false).unwrap();
    let found = kept(on, &[(PRIORITY, 0), (TIMESLICE, 1)]);
    on.check("priority and time slice", found, QueueProperties { priority: 0, timeslice_us: 1 });
}

const GET_PROPERTY: u32 = 0xC028_6448;
const WAIT_USER_FENCE: u32 = 0xC048_644A;

/// Every call that names a queue says that there is none.
fn nobody_knows(on: &mut Trial<'_>, vm: u32, queue: u32) {
    on.exec_refused(&Exec::on(queue).batch(VA), ENOENT);
    on.exec_refused(&Exec::on(queue), ENOENT);
    on.bind_refused(&Bind::on(vm).queue(queue).op(op::null(VA, PAGE)), ENOENT);
    on.refused(GET_PROPERTY, &Bytes::new(40).u32(8, queue), ENOENT);
    on.refused(WAIT_USER_FENCE, &Bytes::new(72).u64(8, OPS).u32(48, queue), ENOENT);
    on.refused(requests::QUEUE_DESTROY, &Bytes::new(24).u32(0, queue), ENOENT);
}

fn s100_a_queue_is_known_to_its_client_as_long_as_it_lives(on: &mut Trial<'_>) {
    let vm = on.vm();
    let queue = on.queue(vm, EngineClass::Copy);
    let (first, second) = (on.client, on.device.client_open(true).unwrap());
    on.case("used by another file");
    on.client = second;
    let own = on.vm();
    on.settle();
    nobody_knows(on, own, queue);
    on.client = first;
    on.check("its own file knows it", on.device.queue_width(first, queue), Ok(1));
    on.case("used after destroy");
    on.queue_destroy(queue);
    on.settle();
    nobody_knows(on, vm, queue);
}

fn s101_a_queue_outlives_its_vm_and_runs_nothing(on: &mut Trial<'_>) {
    let (vm, bo) = (on.vm(), on.bo(PAGE));
    on.write_batch(bo, 0, &[]);
    on.bind_now(&Bind::on(vm).op(op::map(bo, 0, VA, PAGE)));
    let queue = on.queue(vm, EngineClass::Copy);
    on.vm_destroy(vm);
    on.settle();
    on.case("exec");
    on.exec_refused(&Exec::on(queue).batch(VA), ECANCELED);
    on.case("bind with the old id");
    on.bind_refused(&Bind::on(vm).op(op::null(VA, PAGE)), EINVAL);
    on.case("queue destroy");
    on.queue_destroy(queue);
}
