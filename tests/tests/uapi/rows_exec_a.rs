//! Exec in dialect A: bind-and-exec sheet §2.4, §3.5.

use crate::table::{NOWHERE, OTHER, accepts, refuses, row};
use barexe_core::Errno::{EAGAIN, EFAULT, EINVAL, ENOENT, EOPNOTSUPP};
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass;
use barexe_core::uapi::request::{XE_EXEC, XE_EXEC_A};
use barexe_tests::rig::{binary, on_each_platform, store_batch};
use barexe_tests::wire::{Bytes, Ram};

const VA: u64 = 0x1A_0000;
/// Fields of the sync struct in the call.
const NUM_SYNCS: usize = 16;
const FLAGS: usize = 20;
const COOKIE: usize = 24;
const SYNCS: usize = 32;

/// `drm_xe_exec` of one batch.
fn exec(queue: u32) -> Bytes {
    Bytes::new(88).u32(12, queue).u64(56, VA).u16(64, 1)
}

fn with_syncs(call: Bytes, count: u32) -> Bytes {
    call.u32(NUM_SYNCS, count).u64(SYNCS, OTHER)
}

fn entry(handle: u32) -> Bytes {
    Bytes::new(48).u32(16, handle)
}

fn syncs(entries: &[Bytes]) -> Ram {
    Ram::new().with_all(OTHER, entries)
}

#[test]
fn execs_of_dialect_a_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let bind_queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let fence = Bytes::new(48).u32(8, 2).u32(12, 1).u64(16, VA);
        let extended = Bytes::new(48).u32(8, 2).u32(12, 1).u64(0, 1);
        let rows = vec![
            row("1 extensions", exec(queue).u64(0, 1), EINVAL, "extension"),
            row("1 padding", exec(queue).u32(8, 1), EINVAL, "padding"),
            row("1 padding, last word", exec(queue).u16(70, 1), EINVAL, "padding"),
            row("1 reserved", exec(queue).u64(72, 1).u32(NUM_SYNCS, 1025), EINVAL, "reserved"),
            row("1 before 4", exec(queue).u64(80, 1).u32(FLAGS, 1), EINVAL, "reserved"),
            row("2 before 3", exec(queue).u32(NUM_SYNCS, 1025).u32(FLAGS, 2), EINVAL, "number of syncs"),
            row("2 before 4", exec(queue).u32(NUM_SYNCS, 1025).u32(FLAGS, 1), EINVAL, "number of syncs"),
            row("3 flags", exec(queue).u32(FLAGS, 2), EINVAL, "sync struct flags"),
            row("3 before 4, flags", exec(queue).u32(FLAGS, 3), EINVAL, "sync struct flags"),
            row("3 before 4, reserved", exec(queue).u32(FLAGS, 1).u64(40, 1), EINVAL, "reserved"),
            row("3 reserved, second word", exec(queue).u64(48, 1 << 63), EINVAL, "reserved"),
            row("4 wait", exec(queue).u32(FLAGS, 1), EOPNOTSUPP, "waits"),
            row("4 wait and a sync", with_syncs(exec(queue), 1).u32(FLAGS, 1), EOPNOTSUPP, "waits"),
            row("4 wait and a bad cookie", exec(queue).u32(FLAGS, 1).u64(COOKIE, NOWHERE + 4), EOPNOTSUPP, "waits"),
            row("4 before 5", exec(0x7777).u32(FLAGS, 1), EOPNOTSUPP, "waits"),
            row("4 cookie", exec(0x7777).u64(COOKIE, OTHER), EINVAL, "cookie without wait"),
            row("5 unknown queue", exec(0x7777).u16(64, 2), ENOENT, "no Queue"),
            row("6 bind queue", exec(bind_queue).u16(64, 2), EINVAL, "exec queue id"),
            row("7 two batches", with_syncs(exec(queue).u16(64, 2), 1), EINVAL, "number of batches"),
            row("11 unreadable", with_syncs(exec(queue), 1).u64(SYNCS, NOWHERE), EFAULT, "client memory"),
            row("11 unknown object", with_syncs(exec(queue), 1), ENOENT, "no Syncobj").on(syncs(&[entry(0x7777)])),
            row("11 extensions (M4)", with_syncs(exec(queue), 1), EINVAL, "extension").on(syncs(&[extended])),
            row("12 two user fences", with_syncs(exec(queue), 2), EINVAL, "second user fence")
                .on(syncs(&[fence.clone(), fence])),
        ];
        refuses(rig, XE_EXEC_A, rows);
        // Without a batch the address does not count, without syncs theirs does not.
        accepts(rig, XE_EXEC_A, &exec(queue).u16(64, 0).u64(56, u64::MAX).u64(SYNCS, NOWHERE), &Ram::new());
    });
}

#[test]
fn a_batch_of_dialect_a_runs_and_signals() {
    on_each_platform(|rig| {
        let (vm, bo, out) = (rig.vm(), rig.bo(0x1000), rig.syncobj());
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        rig.write(bo, 0, &store_batch(VA + 0x800, 5));
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let fence = Bytes::new(48).u32(8, 2).u32(12, 1).u64(16, VA + 0xC00).u64(24, 9);
        let memory = syncs(&[entry(out).u32(12, 1), fence]);
        accepts(rig, XE_EXEC_A, &with_syncs(exec(queue).u64(56, VA | 0xFFFF_0000_0000_0000), 2), &memory);
        rig.settle();
        assert_eq!((rig.read(bo, 0x800), rig.read(bo, 0xC00)), (5, 9), "{:?}", rig.sim.halted());
    });
}

/// Row 21a: a ring has room for so many jobs. The merged interface has no such limit.
#[test]
fn a_long_running_queue_whose_ring_is_full_refuses_in_dialect_a_alone() {
    on_each_platform(|rig| {
        let vm = rig.device.vm_create(rig.client, VmFlags::LR_MODE).unwrap();
        let (gate, fence) = (rig.syncobj(), rig.device.outside_fence_create().unwrap());
        rig.device.syncobj_import(rig.client, gate, fence).unwrap();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        rig.write(bo, 0, &store_batch(VA + 0x800, 5));
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let memory = || syncs(&[entry(gate)]);
        // 16 KiB in jobs of 74 dwords.
        let jobs = (16 << 10) / (74 * 4);
        for _ in 0..jobs {
            accepts(rig, XE_EXEC_A, &with_syncs(exec(queue), 1), &memory());
        }
        let full = row("21a", with_syncs(exec(queue), 1), EAGAIN, "try again").on(memory());
        let bad = row("11 before 21a", with_syncs(exec(queue), 1), EFAULT, "client memory");
        refuses(rig, XE_EXEC_A, vec![full, bad]);
        accepts(rig, XE_EXEC_A, &exec(queue).u16(64, 0), &Ram::new());
        let merged = Bytes::new(56).u32(8, queue).u32(12, 1).u64(16, OTHER).u64(24, VA).u16(32, 1);
        accepts(rig, XE_EXEC, &merged, &memory());
        rig.device.outside_fence_signal(fence).unwrap();
        rig.settle();
        assert_eq!(rig.read(bo, 0x800), 5);
        accepts(rig, XE_EXEC_A, &exec(queue), &Ram::new());
        // In a VM with fences there is no such limit either.
        let normal = rig.vm();
        let queue = rig.queue(normal, rig.engine(EngineClass::Copy));
        let (gate, fence) = (rig.syncobj(), rig.device.outside_fence_create().unwrap());
        rig.device.syncobj_import(rig.client, gate, fence).unwrap();
        rig.bind_now(normal, &[rig.map_op(bo, VA)]);
        for _ in 0..=jobs {
            accepts(rig, XE_EXEC_A, &with_syncs(exec(queue), 1), &syncs(&[entry(gate)]));
        }
        rig.device.outside_fence_signal(fence).unwrap();
        rig.exec(queue, VA, &[binary(gate, false)]).unwrap();
        rig.settle();
    });
}
