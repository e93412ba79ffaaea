//! VM bind: bind-and-exec sheet §3.2, §3.3.

use crate::form::{Form, VA, op, unmap, waiting, with_cookie};
use crate::table::{ARRAY, NOWHERE, OTHER, Row, accepts, call, refuses, row};
use barexe_core::Errno::{self, EBUSY, EFAULT, EINVAL, ENOBUFS, ENOENT, EOPNOTSUPP};
use barexe_core::device::request::{BoRequest, CpuCaching, VmFlags};
use barexe_core::gt::EngineClass;
use barexe_core::uapi::Answer;
use barexe_tests::rig::{Rig, on_each_platform};
use barexe_tests::wire::{Bytes, Ram};

/// Operations that the storage of these tests has room for.
#[expect(clippy::cast_possible_truncation, reason = "a few thousand at most")]
const MOST_OPS: u32 = barexe_core::Capacities::DEFAULT.bind_ops as u32;

/// Runs `test` on each platform with the call in each dialect.
fn on_each_form(test: impl Fn(&mut Rig<'_>, Form)) {
    on_each_platform(|rig| test(rig, Form::A));
    on_each_platform(|rig| test(rig, Form::U));
}

/// A user fence at [`ARRAY`].
fn user_fence(value: u64) -> Bytes {
    Bytes::new(48).u32(8, 2).u32(12, 1).u64(16, ARRAY).u64(24, value)
}

/// A VM on both sides of every check, and what can be named in it.
struct Scene {
    vm: u32,
    bo: u32,
    private_elsewhere: u32,
    exec_queue: u32,
    queue_elsewhere: u32,
}

/// An object without CPU caching: every PAT row suits it, on every platform.
fn object(rig: &mut Rig<'_>, size_bytes: u64, vm: Option<u32>) -> u32 {
    let caching = CpuCaching::WriteCombining;
    let request = BoRequest { size_bytes, caching, scanout: false, no_compression: false, vm };
    rig.device.bo_create(rig.client, &request).unwrap()
}

fn scene(rig: &mut Rig<'_>) -> Scene {
    let (vm, elsewhere) = (rig.vm(), rig.vm());
    Scene {
        vm,
        bo: object(rig, 0x2000, None),
        private_elsewhere: object(rig, 0x1000, Some(elsewhere)),
        exec_queue: rig.queue(vm, rig.engine(EngineClass::Copy)),
        queue_elsewhere: rig.device.bind_queue_create(rig.client, elsewhere).unwrap(),
    }
}

#[test]
fn headers_are_refused_row_by_row() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, exec_queue, queue_elsewhere, .. } = scene(rig);
        let closed = rig.vm();
        rig.device.vm_destroy(rig.client, closed).unwrap();
        let right = || form.bind(vm, &op(bo));
        let wrong = || form.bind(vm, &op(bo).u32(40, 5));
        let (syncs, _, reserved) = form.offsets();
        let mut rows = vec![
            row("1 unknown VM", form.bind(0x7777, &op(bo)).u32(16, 1), EINVAL, "VM id"),
            row("1 VM 0", form.bind(0, &op(bo)), EINVAL, "VM id"),
            row("1 closed VM", form.bind(closed, &op(bo)), EINVAL, "VM id"),
            row("2 pad", right().u32(16, 1).u64(0, 1), EINVAL, "padding"),
            row("2 reserved", right().u64(reserved, 1), EINVAL, "reserved"),
            row("2 reserved, second word", right().u64(reserved + 8, 1), EINVAL, "reserved"),
            row("3 extensions", right().u64(0, 1).u32(syncs, 1025), EINVAL, "extension"),
            row("4 syncs", wrong().u32(syncs, 1025), EINVAL, "number of syncs"),
            row("8 operations", form.bind_all(vm, MOST_OPS + 1), ENOBUFS, "BindOps"),
            row("8 most operations", form.bind_all(vm, u32::MAX).u32(12, 0x7777), ENOBUFS, "BindOps"),
            row("9 unreadable", form.bind_all(vm, 2).u64(24, NOWHERE), EFAULT, "client memory"),
            row("9 unreadable end", form.bind_all(vm, 3), EFAULT, "client memory")
                .on(Ram::new().with_all(ARRAY, &[op(bo).u32(40, 5), op(bo)])),
            row("9 past the end of memory", form.bind_all(vm, 2).u64(24, u64::MAX - 79), EFAULT, "client memory")
                .on(Ram::new().with(u64::MAX - 79, &op(bo).0)),
            row("10 operation", wrong().u32(12, 0x7777), EINVAL, "bind operation"),
            row("11 unknown queue", right().u32(12, 0x7777), ENOENT, "no Queue"),
            row("12 exec queue", right().u32(12, exec_queue), EINVAL, "bind queue id"),
            row("14 queue of another VM", right().u32(12, queue_elsewhere), EINVAL, "bind queue id"),
        ];
        match form {
            Form::A => rows.extend(sync_struct_rows(&right(), &wrong())),
            Form::U => rows.push(row("2 pad2", right().u32(104, 1), EINVAL, "padding")),
        }
        refuses(rig, form.request(), rows);
        accepts(rig, form.request(), &right(), &Ram::new());
        let own = rig.device.bind_queue_create(rig.client, vm).unwrap();
        accepts(rig, form.request(), &right().u32(12, own), &Ram::new());
        // Nothing is read of the operation or the vector where there are none.
        accepts(rig, form.request(), &form.bind_all(vm, 0).u64(24, NOWHERE), &Ram::new());
    });
}

/// Rows 5 to 7, of dialect A alone: its sync struct, the wait flag and the cookie.
fn sync_struct_rows(right: &Bytes, wrong: &Bytes) -> Vec<Row> {
    let (right, wrong) = (|| right.clone(), || wrong.clone());
    let cookie = Ram::new().with(ARRAY, &[0; 16]);
    vec![
        row("4 before 5", wrong().u32(104, 1025).u32(108, 2), EINVAL, "number of syncs"),
        row("5 flag", wrong().u32(108, 2), EINVAL, "sync struct flags"),
        row("5 highest flag", right().u32(108, 1 << 31 | 1), EINVAL, "sync struct flags"),
        row("5 reserved (D12)", wrong().u64(128, 1), EINVAL, "reserved"),
        row("5 reserved, second word (D12)", right().u64(136, 1 << 63), EINVAL, "reserved"),
        row("6 wait and syncs", with_cookie(wrong(), NOWHERE).u32(104, 1), EINVAL, "syncs of a call that waits"),
        row("6 K1 cookie without wait", wrong().u64(112, ARRAY), EINVAL, "cookie without wait").on(cookie.clone()),
        row("6 K4 alignment", with_cookie(wrong(), ARRAY + 4), EINVAL, "cookie address").on(cookie.clone()),
        row("7 K5 unreadable", with_cookie(wrong(), NOWHERE), EFAULT, "client memory"),
        row("7 K5 half readable", with_cookie(wrong(), ARRAY + 8), EFAULT, "client memory")
            .on(Ram::new().with(ARRAY, &[0; 12])),
        row("10 of a call that waits", waiting(wrong()), EINVAL, "bind operation"),
        row("10 with a cookie", with_cookie(wrong(), ARRAY), EINVAL, "bind operation").on(cookie),
    ]
}

#[test]
fn operations_are_refused_in_their_order() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, .. } = scene(rig);
        // Right in itself, but there is no such thing; dialect A does not know the flag.
        let decompress = op(bo).u32(44, 128);
        let (missing, says) = match form {
            Form::A => (EINVAL, "bind flags"),
            Form::U => (EOPNOTSUPP, "decompression"),
        };
        let pair = |name, first: &Bytes, second: &Bytes, errno: Errno, says| {
            row(name, form.bind_all(vm, 2), errno, says)
                .on(Ram::new().with_all(ARRAY, &[first.clone(), second.clone()]))
        };
        let rows = vec![
            pair("10 first decides", &op(bo).u64(24, 0), &decompress, EINVAL, "bind range"),
            pair("10 first decides, other way", &decompress, &op(bo).u64(24, 0), missing, says),
            pair("10 second decides", &op(bo), &decompress, missing, says),
            pair("10 before 18", &op(bo).u64(32, 1 << 48), &op(bo).u32(40, 9), EINVAL, "bind operation"),
            pair("18 before 20", &op(0x7777), &op(bo).u64(32, 1 << 48), EINVAL, "bind address"),
            pair("20 second", &op(bo), &op(0x7777), ENOENT, "no Bo"),
        ];
        refuses(rig, form.request(), rows);
    });
}

#[test]
fn ranges_and_objects_are_refused_row_by_row() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, private_elsewhere, .. } = scene(rig);
        let top: u64 = 1 << 48;
        let incoherent = if rig.name() == "tgl" { 1 } else { 3 };
        let (cached, closed) = (rig.bo(0x1000).bo, object(rig, 0x1000, None));
        rig.device.bo_close(rig.client, closed).unwrap();
        let row = |name, op: &Bytes, errno, says| row(name, form.bind(vm, op), errno, says);
        let mut rows = vec![
            row("18 range", &unmap().u64(32, 0).u64(24, top + 0x1000), EINVAL, "bind address"),
            row("18 address", &unmap().u64(32, top), EINVAL, "bind address"),
            row("18 end", &unmap().u64(32, top - 0x1000).u64(24, 0x2000), EINVAL, "bind address"),
            row("18 sign-extended", &unmap().u64(32, 0xFFFF_8000_0000_0000), EINVAL, "bind address"),
            row("18 wraps", &unmap().u64(32, 0u64.wrapping_sub(0x1000)).u64(24, 0x2000), EINVAL, "bind address"),
            row("20 unknown object", &op(0x7777), ENOENT, "no Bo"),
            row("20 closed object", &op(closed), ENOENT, "no Bo"),
            row("3.3-2 range", &op(bo).u64(24, 0x3000), EINVAL, "object offset"),
            row("3.3-2 offset", &op(bo).u64(24, 0x2000).u64(16, 0x1000), EINVAL, "object offset"),
            row("3.3-2 offset wraps", &op(bo).u64(16, u64::MAX & !0xFFF), EINVAL, "object offset"),
            row("3.3-4 write-back and no coherence", &op(cached).u16(12, incoherent), EINVAL, "PAT index"),
            row("3.3-9 private to another VM", &op(private_elsewhere), EINVAL, "private"),
        ];
        if rig.name() == "lnl" {
            rows.push(compressed(rig, form, vm));
        }
        refuses(rig, form.request(), rows);
        accepts(rig, form.request(), &form.bind(vm, &unmap().u64(32, 0).u64(24, top)), &Ram::new());
        accepts(rig, form.request(), &form.bind(vm, &op(bo).u64(32, top - 0x2000).u64(24, 0x2000)), &Ram::new());
    });
}

/// An object that was promised never to be compressed, under a row that compresses.
fn compressed(rig: &mut Rig<'_>, form: Form, vm: u32) -> Row {
    let caching = CpuCaching::WriteCombining;
    let request = BoRequest { size_bytes: 0x1000, caching, scanout: false, no_compression: true, vm: None };
    let bo = rig.device.bo_create(rig.client, &request).unwrap();
    row("3.3-1 compression", form.bind(vm, &op(bo).u16(12, 9)), EINVAL, "PAT index")
}

#[test]
fn user_fences_are_refused_row_by_row() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, .. } = scene(rig);
        let right = || form.with_syncs(form.bind(vm, &op(bo)), 1);
        let fence = |fence: &Bytes| Ram::new().with(ARRAY, &[0; 16]).with(OTHER, &fence.0);
        let two = |last: &Bytes| {
            Ram::new().with(ARRAY, &[0; 16]).with_all(OTHER, &[user_fence(1), user_fence(2), last.clone()])
        };
        let unknown = Bytes::new(48).u32(12, 1).u32(16, 0x7777);
        let rows = vec![
            row("3.8 no operations", form.with_syncs(form.bind_all(vm, 0), 1), EOPNOTSUPP, "user fence")
                .on(fence(&user_fence(1))),
            row("3.8 no operations, in", form.with_syncs(form.bind_all(vm, 0), 1), EOPNOTSUPP, "without operations")
                .on(fence(&user_fence(1).u32(12, 0))),
            row("3.8 in", right(), EOPNOTSUPP, "to wait for").on(fence(&user_fence(1).u32(12, 0))),
            row("3.8 alignment", right(), EINVAL, "user fence address").on(fence(&user_fence(1).u64(16, ARRAY + 4))),
            row("3.8 unreadable", right(), EFAULT, "client memory").on(fence(&user_fence(1).u64(16, NOWHERE))),
            row("3.8 half readable", right(), EFAULT, "client memory").on(fence(&user_fence(1).u64(16, ARRAY + 16))),
            row("23 two", form.with_syncs(form.bind(vm, &op(bo)), 2), EINVAL, "second user fence").on(two(&unknown)),
            row("22 before 23", form.with_syncs(form.bind(vm, &op(bo)), 3), ENOENT, "no Syncobj").on(two(&unknown)),
        ];
        refuses(rig, form.request(), rows);
        accepts(rig, form.request(), &right(), &fence(&user_fence(7)));
    });
}

#[test]
fn a_mapping_stays_until_its_user_fence_can_have_been_seen() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, .. } = scene(rig);
        let mut memory = Ram::new().with(ARRAY, &[0; 8]).with(OTHER, &user_fence(7).0);
        let whole = op(bo).u64(24, 0x2000);
        accepts(rig, form.request(), &form.with_syncs(form.bind(vm, &whole), 1), &memory);
        let busy = |name, op: &Bytes| row(name, form.bind(vm, op), EBUSY, "Vma");
        let rows = || {
            vec![
                busy("29 unmap", &unmap().u64(24, 0x2000)),
                busy("29 unmap of a part", &unmap().u64(32, VA + 0x1000)),
                busy("29 map over", &op(bo)),
            ]
        };
        refuses(rig, form.request(), rows());
        // Other addresses are free all the while.
        accepts(rig, form.request(), &form.bind(vm, &unmap().u64(32, VA + 0x2000)), &Ram::new());
        rig.settle();
        refuses(rig, form.request(), rows());
        rig.device.deliver_user_fences(rig.client, &mut memory);
        assert_eq!(memory.at(ARRAY), [7, 0, 0, 0, 0, 0, 0, 0]);
        accepts(rig, form.request(), &form.bind(vm, &unmap().u64(32, VA + 0x1000)), &Ram::new());
        accepts(rig, form.request(), &form.bind(vm, &unmap()), &Ram::new());
    });
}

#[test]
fn a_long_running_vm_takes_user_fences_and_no_out_syncs() {
    on_each_form(|rig, form| {
        let bo = object(rig, 0x1000, None);
        let vm = rig.device.vm_create(rig.client, VmFlags::LR_MODE).unwrap();
        let call = form.with_syncs(form.bind(vm, &op(bo)), 1);
        // Neither the handle nor its upper half is looked at.
        let out = |kind: u32| Ram::new().with(OTHER, &Bytes::new(48).u32(8, kind).u32(12, 1).u32(20, 1).0);
        let rows = vec![
            row("3.8 out-sync", call.clone(), EOPNOTSUPP, "long-running").on(out(0)),
            row("3.8 out-point", call.clone(), EOPNOTSUPP, "long-running").on(out(1)),
        ];
        refuses(rig, form.request(), rows);
        accepts(rig, form.request(), &call, &Ram::new().with(ARRAY, &[0; 8]).with(OTHER, &user_fence(7).0));
    });
}

#[test]
fn arrays_are_read_once_and_in_order() {
    on_each_form(|rig, form| {
        let Scene { vm, bo, .. } = scene(rig);
        let ops = [op(bo), unmap(), op(bo).u64(32, VA + 0x2000)];
        let syncs = [user_fence(1), Bytes::new(48).u32(12, 1).u32(16, rig.syncobj())];
        let mut memory = Ram::new().with_all(OTHER, &syncs).with_all(ARRAY, &ops);
        let mut arg = form.with_syncs(form.bind_all(vm, 3), 2);
        assert_eq!(call(rig, form.request(), &mut arg, &mut memory), Ok(Answer::Done(0)));
        let reads = [(ARRAY, 80), (ARRAY + 80, 80), (ARRAY + 160, 80), (OTHER, 48), (ARRAY, 8), (OTHER + 48, 48)];
        assert_eq!(memory.reads, reads, "operations, then syncs, with the look at the fence's address");
    });
}
