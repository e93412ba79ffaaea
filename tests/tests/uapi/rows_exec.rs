//! Exec: bind-and-exec sheet §3.5.

use crate::table::{NOWHERE, OTHER, accepts, refuses, row};
use barexe_core::Errno::{EAGAIN, EFAULT, EINVAL, ENOENT, EOPNOTSUPP};
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass;
use barexe_core::uapi::request::XE_EXEC;
use barexe_tests::rig::{BATCH_END, Gate, on_each_platform, store_batch};
use barexe_tests::wire::{Bytes, Ram};

const VA: u64 = 0x1A_0000;

/// `drm_xe_exec` of one batch.
fn exec(queue: u32) -> Bytes {
    Bytes::new(56).u32(8, queue).u64(24, VA).u16(32, 1)
}

/// With syncs, at [`OTHER`].
fn with_syncs(call: Bytes, count: u32) -> Bytes {
    call.u32(12, count).u64(16, OTHER)
}

/// A user fence at a GPU address.
fn user_fence(addr: u64) -> Bytes {
    Bytes::new(48).u32(8, 2).u32(12, 1).u64(16, addr).u64(24, 0x0123_4567)
}

fn syncs(entries: &[Bytes]) -> Ram {
    Ram::new().with_all(OTHER, entries)
}

#[test]
fn execs_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let bind_queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let (in_fence, unknown) = (user_fence(VA).u32(12, 0), Bytes::new(48).u32(12, 1).u32(16, 0x7777));
        let barrier = || with_syncs(exec(queue).u16(32, 0), 1);
        let rows = vec![
            row("1 extensions", exec(queue).u64(0, 1), EINVAL, "extension"),
            row("1 padding", exec(queue).u16(34, 1), EINVAL, "padding"),
            row("1 padding, last word", exec(queue).u16(38, 1), EINVAL, "padding"),
            row("1 reserved", exec(queue).u64(40, 1).u32(12, 1025), EINVAL, "reserved"),
            row("1 reserved, second word", exec(queue).u64(48, 1), EINVAL, "reserved"),
            row("2 syncs", exec(0x7777).u32(12, 1025), EINVAL, "number of syncs"),
            row("5 unknown queue", exec(0x7777).u16(32, 2), ENOENT, "no Queue"),
            row("5 queue 0", exec(0), ENOENT, "no Queue"),
            row("6 bind queue", exec(bind_queue).u16(32, 2), EINVAL, "exec queue id"),
            row("7 two batches", with_syncs(exec(queue).u16(32, 2), 1), EINVAL, "number of batches"),
            row("7 most batches", exec(queue).u16(32, u16::MAX), EINVAL, "number of batches"),
            row("11 unreadable", with_syncs(exec(queue), 1).u64(16, NOWHERE), EFAULT, "client memory"),
            row("11 in user fence", with_syncs(exec(queue), 1), EOPNOTSUPP, "to wait for").on(syncs(&[in_fence])),
            row("11 alignment", with_syncs(exec(queue), 1), EINVAL, "address").on(syncs(&[user_fence(VA + 4)])),
            row("11 user fence and no batch", barrier(), EOPNOTSUPP, "without operations").on(syncs(&[user_fence(VA)])),
            row("12 two user fences", with_syncs(exec(queue), 2), EINVAL, "second user fence")
                .on(syncs(&[user_fence(VA), user_fence(VA + 8)])),
            row("11 before 12", with_syncs(exec(queue), 3), ENOENT, "no Syncobj").on(syncs(&[
                user_fence(VA),
                user_fence(VA),
                unknown,
            ])),
        ];
        refuses(rig, XE_EXEC, rows);
        // Without a batch the address does not count.
        accepts(rig, XE_EXEC, &exec(queue).u16(32, 0).u64(24, u64::MAX), &Ram::new());
    });
}

#[test]
fn a_destroyed_queue_is_unknown_and_a_closed_vm_runs_nothing() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let (gone, queue) =
            (rig.queue(vm, rig.engine(EngineClass::Copy)), rig.queue(vm, rig.engine(EngineClass::Copy)));
        rig.device.queue_destroy(rig.client, gone).unwrap();
        rig.device.vm_destroy(rig.client, vm).unwrap();
        let canceled = barexe_core::Errno::ECANCELED;
        let rows = vec![
            row("5 destroyed", exec(gone), ENOENT, "no Queue"),
            row("21 closed VM", exec(queue), canceled, "canceled"),
            row("17 closed VM, no batch (M6)", exec(queue).u16(32, 0), canceled, "canceled"),
        ];
        refuses(rig, XE_EXEC, rows);
    });
}

#[test]
fn a_long_running_vm_has_no_fences_to_hand_out() {
    on_each_platform(|rig| {
        let vm = rig.device.vm_create(rig.client, VmFlags::LR_MODE).unwrap();
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let out = Bytes::new(48).u32(12, 1).u32(20, 1);
        let in_sync = Bytes::new(48).u32(16, rig.device.syncobj_create(rig.client, true).unwrap());
        let rows = vec![
            row("11 out-sync", with_syncs(exec(queue), 1), EOPNOTSUPP, "long-running").on(syncs(&[out])),
            row("8: no batch and any sync", with_syncs(exec(queue).u16(32, 0), 1), EOPNOTSUPP, "long-running")
                .on(syncs(&[in_sync])),
        ];
        refuses(rig, XE_EXEC, rows);
        accepts(rig, XE_EXEC, &exec(queue).u16(32, 0), &Ram::new());
    });
}

#[test]
fn a_queue_takes_a_thousand_jobs() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let gate = Gate::shut(rig, vm, EngineClass::Render);
        rig.write(gate.spinner.page, 0x800, &[BATCH_END, 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let waiting = Bytes::new(48).u32(16, gate.syncobj);
        let barrier = with_syncs(exec(queue).u16(32, 0), 1);
        let batch = with_syncs(exec(queue).u64(24, Gate::VA + 0x800), 1);
        // Barriers are no jobs (5.3).
        for call in [&barrier; 3].into_iter().chain([&batch; 1000]) {
            accepts(rig, XE_EXEC, call, &syncs(core::slice::from_ref(&waiting)));
        }
        let rows = vec![
            row("9", with_syncs(exec(queue), 1).u64(16, NOWHERE), EAGAIN, "try again"),
            row("9 no batch", exec(queue).u16(32, 0), EAGAIN, "try again"),
        ];
        refuses(rig, XE_EXEC, rows);
        gate.open(rig);
        rig.settle();
        accepts(rig, XE_EXEC, &barrier, &syncs(&[waiting]));
    });
}

#[test]
fn addresses_may_be_sign_extended() {
    on_each_platform(|rig| {
        const HIGH: u64 = 0x8000_0000_0000 + VA;
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, HIGH)]);
        rig.write(bo, 0, &store_batch(HIGH + 0x800, 5));
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let extend = |va| va | 0xFFFF_0000_0000_0000;
        let call = with_syncs(exec(queue).u64(24, extend(HIGH)), 1);
        accepts(rig, XE_EXEC, &call, &syncs(&[user_fence(extend(HIGH) + 0xC00)]));
        rig.settle();
        assert_eq!((rig.read(bo, 0x800), rig.read(bo, 0xC00)), (5, 0x0123_4567), "{:?}", rig.sim.halted());
    });
}
