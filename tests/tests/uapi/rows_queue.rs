//! Exec queue create and destroy: bind-and-exec sheet §3.6, §3.7.

use crate::rows_objects::property;
use crate::table::{ARRAY, NOWHERE, OTHER, Row, accepts, refuses, row};
use barexe_core::Errno::{self, E2BIG, EFAULT, EINVAL, ENOENT, EPERM};
use barexe_core::uapi::request::{XE_EXEC_QUEUE_CREATE, XE_EXEC_QUEUE_DESTROY};
use barexe_tests::rig::{Rig, on_each_platform};
use barexe_tests::wire::{Bytes, Ram};

const COPY: u16 = 1;
const COMPUTE: u16 = 4;
const VM_BIND: u16 = 5;

/// `drm_xe_exec_queue_create`: one engine, named at [`ARRAY`].
fn create(vm: u32) -> Bytes {
    Bytes::new(48).u16(8, 1).u16(10, 1).u32(12, vm).u64(24, ARRAY)
}

/// An instance: class, number, GT.
fn engine(class: u16, instance: u16, gt: u16) -> Bytes {
    Bytes::new(8).u16(0, class).u16(2, instance).u16(4, gt)
}

/// Client memory with the first copy engine, and the same again.
fn copies() -> Ram {
    Ram::new().with_all(ARRAY, &[engine(COPY, 0, 0), engine(COPY, 0, 0), engine(COPY, 0, 0)])
}

/// A queue on an engine.
fn on_engine(name: &'static str, arg: Bytes, instance: &Bytes, errno: Errno, says: &'static str) -> Row {
    row(name, arg, errno, says).on(Ram::new().with(ARRAY, &instance.0))
}

#[test]
fn create_refuses_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let closed = rig.vm();
        rig.device.vm_destroy(rig.client, closed).unwrap();
        let gts = u16::from(rig.device.info().gt_count);
        let rows = vec![
            row("1 flags", create(vm).u32(16, 2), EINVAL, "queue flags"),
            row("1 reserved", create(vm).u64(32, 0xFFFF).u16(8, 0), EINVAL, "reserved"),
            row("1 reserved, second word", create(vm).u64(40, 0xFFFF), EINVAL, "reserved"),
            row("2 no width", create(vm).u16(8, 0), EINVAL, "number of engine instances"),
            row("2 no placements", create(vm).u16(10, 0), EINVAL, "number of engine instances"),
            row("2 nine times nine", create(vm).u16(8, 9).u16(10, 9), EINVAL, "number of engine instances"),
            row("2 ten", create(vm).u16(8, 10), EINVAL, "number of engine instances"),
            row("2 most", create(vm).u16(8, u16::MAX).u16(10, u16::MAX), EINVAL, "number of engine instances"),
            row("3 unreadable", create(vm).u64(24, NOWHERE), EFAULT, "client memory"),
            row("3 unreadable end", create(0x7777).u16(10, 4), EFAULT, "client memory").on(copies()),
            on_engine("4 GT", create(0x7777), &engine(COPY, 0, gts), EINVAL, "GT id"),
            row("5 wide bind queue", create(0x7777).u16(8, 2), EINVAL, "bind queue")
                .on(Ram::new().with_all(ARRAY, &[engine(VM_BIND, 0, 0), engine(VM_BIND, 0, 0)])),
            on_engine("5 instance", create(0x7777), &engine(VM_BIND, 1, 0), EINVAL, "bind queue"),
            on_engine("5a unknown VM", create(0x7777).u64(0, NOWHERE), &engine(VM_BIND, 0, 0), ENOENT, "no Vm"),
            on_engine("5c closed VM", create(closed), &engine(VM_BIND, 0, 0), ENOENT, "no Vm"),
            row("5d property", create(vm).u64(0, OTHER), EINVAL, "priority")
                .on(Ram::new().with(ARRAY, &engine(VM_BIND, 0, 0).0).with(OTHER, &property(0, 0, 3).0)),
            on_engine("5d chain", create(vm).u64(0, NOWHERE), &engine(VM_BIND, 0, 0), EFAULT, "client memory"),
            row("6c placements, unknown VM", create(0x7777).u16(10, 2), ENOENT, "no Vm").on(copies()),
            row("6a width, the same engine", create(0x7777).u16(8, 3), EINVAL, "engine instance").on(copies()),
            on_engine("6a class 6", create(0x7777), &engine(6, 0, 0), EINVAL, "engine class"),
            on_engine("6a instance", create(0x7777), &engine(COPY, 7, 0), EINVAL, "engine instance"),
            on_engine("6a the driver's own", create(0x7777), &engine(COPY, 1, 0), EINVAL, "engine instance"),
            on_engine("6a compute", create(0x7777), &engine(COMPUTE, 1, 0), EINVAL, "engine instance"),
            row("6c unknown VM", create(0x7777).u64(0, NOWHERE), ENOENT, "no Vm").on(copies()),
            row("6c VM 0", create(0), ENOENT, "no Vm").on(copies()),
            row("6d closed VM", create(closed), ENOENT, "no Vm").on(copies()),
        ];
        refuses(rig, XE_EXEC_QUEUE_CREATE, rows);
        let made = accepts(rig, XE_EXEC_QUEUE_CREATE, &create(vm).u32(16, 1).u32(20, 99), &copies());
        assert_eq!(rig.device.queue_width(rig.client, made.get_u32(20)), Ok(1));
        let bind = Ram::new().with(ARRAY, &engine(VM_BIND, 0, 0).0);
        let made = accepts(rig, XE_EXEC_QUEUE_CREATE, &create(vm), &bind);
        assert_eq!(rig.device.queue_width(rig.client, made.get_u32(20)), Ok(0));
    });
}

/// The instance, and a chain that starts at [`OTHER`].
fn chained(links: &[Bytes]) -> Ram {
    copies().with_all(OTHER, links)
}

/// Properties of a queue that is right otherwise.
fn properties(vm: u32, name: &'static str, links: &[Bytes], errno: Errno, says: &'static str) -> Row {
    row(name, create(vm).u64(0, OTHER), errno, says).on(chained(links))
}

/// A chain of links, one behind the other, that all set the time slice.
fn long(links: u64) -> Vec<Bytes> {
    let next = |link| if link + 1 < links { OTHER + 48 * (link + 1) } else { 0 };
    (0..links).map(|link| property(next(link), 1, 1000)).collect()
}

#[test]
fn extension_chains_are_refused_link_by_link() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let row = |name, links: &[Bytes], errno, says| properties(vm, name, links, errno, says);
        let second = OTHER + 48;
        let rows = vec![
            row("6f seventeen links", &long(17), E2BIG, "more than 16"),
            row("6f endless", &[property(OTHER, 1, 1000)], E2BIG, "more than 16"),
            row("6f unreadable", &[property(NOWHERE, 0, 1)], EFAULT, "client memory"),
            row("6f half readable", &[Bytes::new(16)], EFAULT, "client memory"),
            row("6f name before the rest is read", &[Bytes::new(16).u32(8, 1)], EINVAL, "extension name"),
            row("6f pad", &[property(0, 0, 0).u32(12, 1)], EINVAL, "padding"),
            row("6f name", &[property(0, 0, 0).u32(8, 1)], EINVAL, "extension name"),
            row("6f unknown property", &[property(0, 32, 1)], EINVAL, "queue property"),
            row("6f pad of property", &[property(0, 0, 0).u32(20, 1)], EINVAL, "padding"),
            row("6f priority", &[property(0, 0, 3)], EINVAL, "priority"),
            row("6f priority of 64 bits", &[property(0, 0, 1 << 32)], EINVAL, "priority"),
            row("6f no time slice", &[property(0, 1, 0)], EINVAL, "time slice"),
            row("6f long time slice", &[property(0, 1, 10_000_001)], EINVAL, "time slice"),
            row("6f time slice of 64 bits", &[property(0, 1, 1 << 32)], EINVAL, "time slice"),
            row("6f a link before the next is read", &[property(NOWHERE, 0, 3)], EINVAL, "priority"),
            row("6f second link", &[property(second, 0, 2), property(0, 0, 3)], EINVAL, "priority"),
        ];
        let left_out = (2..7).map(|number| row("6f left out", &[property(0, number, 1)], EINVAL, "queue property"));
        refuses(rig, XE_EXEC_QUEUE_CREATE, rows.into_iter().chain(left_out).collect());
        let right: [&[Bytes]; 3] = [&long(16), &[property(second, 0, 2), property(0, 1, 1)], &[property(0, 0, 0)]];
        for links in right {
            accepts(rig, XE_EXEC_QUEUE_CREATE, &create(vm).u64(0, OTHER), &chained(links));
        }
    });
}

#[test]
fn high_priority_needs_privilege() {
    on_each_platform(|rig| {
        rig.client = rig.device.client_open(false).unwrap();
        let vm = rig.vm();
        let high = properties(vm, "6f privilege", &[property(0, 0, 2)], EPERM, "privilege");
        refuses(rig, XE_EXEC_QUEUE_CREATE, vec![high]);
        accepts(rig, XE_EXEC_QUEUE_CREATE, &create(vm).u64(0, OTHER), &chained(&[property(0, 0, 1)]));
    });
}

/// `drm_xe_exec_queue_destroy`.
fn destroy(id: u32) -> Bytes {
    Bytes::new(24).u32(0, id)
}

fn made(rig: &mut Rig<'_>, vm: u32) -> u32 {
    accepts(rig, XE_EXEC_QUEUE_CREATE, &create(vm), &copies()).get_u32(20)
}

#[test]
fn destroy_refuses_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let (queue, gone) = (made(rig, vm), made(rig, vm));
        rig.device.queue_destroy(rig.client, gone).unwrap();
        let rows = vec![
            row("pad", destroy(0x7777).u32(4, 1), EINVAL, "padding"),
            row("reserved", destroy(queue).u64(8, 1), EINVAL, "reserved"),
            row("reserved, second word", destroy(queue).u64(16, 1), EINVAL, "reserved"),
            row("unknown", destroy(0x7777), ENOENT, "no Queue"),
            row("zero", destroy(0), ENOENT, "no Queue"),
            row("destroyed", destroy(gone), ENOENT, "no Queue"),
        ];
        refuses(rig, XE_EXEC_QUEUE_DESTROY, rows);
        accepts(rig, XE_EXEC_QUEUE_DESTROY, &destroy(queue), &Ram::new());
    });
}
