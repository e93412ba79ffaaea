//! Timeline wait and query: bind-and-exec sheet §3.12.

use crate::form::Form;
use crate::table::{ARRAY, NOWHERE, OTHER, accepts, call, refuses, row};
use barexe_core::Errno::{EFAULT, EINVAL, ENOENT, ENOMEM, ETIME};
use barexe_core::gt::EngineClass;
use barexe_core::uapi::Answer;
use barexe_core::uapi::request::{SYNCOBJ_QUERY, SYNCOBJ_TIMELINE_WAIT};
use barexe_tests::rig::{BATCH_END, JUMP, Mapped, Rig, on_each_platform, point};
use barexe_tests::wire::{Bytes, Ram};

const ALL: u32 = 1;
const FOR_SUBMIT: u32 = 2;
const AVAILABLE: u32 = 4;
const DEADLINE: u32 = 8;

/// `drm_syncobj_timeline_wait` for handles at [`ARRAY`] and points at [`OTHER`].
fn wait(count: u32, flags: u32, timeout_ns: u64) -> Bytes {
    Bytes::new(48).u64(0, ARRAY).u64(8, OTHER).u64(16, timeout_ns).u32(24, count).u32(28, flags).u32(32, 0xEEEE)
}

/// `drm_syncobj_timeline_array` of query, handles at [`ARRAY`], values to [`OTHER`].
fn query(count: u32, flags: u32) -> Bytes {
    Bytes::new(24).u64(0, ARRAY).u64(8, OTHER).u32(16, count).u32(20, flags)
}

fn handles(list: &[u32]) -> Ram {
    Ram::new().with(ARRAY, &list.iter().flat_map(|handle| handle.to_le_bytes()).collect::<Vec<_>>())
}

fn places(list: &[(u32, u64)]) -> Ram {
    let (handles_of, points): (Vec<u32>, Vec<u64>) = list.iter().copied().unzip();
    handles(&handles_of).with(OTHER, &points.iter().flat_map(|point| point.to_le_bytes()).collect::<Vec<_>>())
}

/// A timeline whose points 2 and 5 have signalled, and 9 and 12 have not before the batch ends.
fn timeline(rig: &mut Rig<'_>) -> (u32, Mapped) {
    let (vm, spin, object) = (rig.vm(), rig.bo(0x1000), rig.syncobj());
    rig.bind_now(vm, &[rig.map_op(spin, 0x9_0000)]);
    rig.write(spin, 0, &[JUMP, 0x9_0000, 0]);
    let queue = rig.queue(vm, rig.engine(EngineClass::Render));
    for value in [2, 5] {
        rig.bind(vm, 0, &[], &[point(object, value, true)]).unwrap();
    }
    rig.exec(queue, 0x9_0000, &[point(object, 9, true)]).unwrap();
    // Over at once, but behind 9.
    rig.bind(vm, 0, &[], &[point(object, 12, true)]).unwrap();
    (object, spin)
}

#[test]
fn waits_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let (object, spin) = timeline(rig);
        let (empty, binary) = (rig.syncobj(), rig.device.syncobj_create(rig.client, true).unwrap());
        let one = |handle, point| places(&[(handle, point)]);
        let rows = vec![
            row("flags", wait(0, 16, 0), EINVAL, "wait flags"),
            row("too many", wait(u32::MAX, 0, 0), ENOMEM, "Syncobjs"),
            row("unreadable", wait(1, 0, 0).u64(0, NOWHERE), EFAULT, "client memory"),
            row("unknown", wait(1, 0, 0).u64(8, NOWHERE), ENOENT, "no Syncobj").on(handles(&[0x7777])),
            row("unreadable points", wait(1, 0, 0).u64(8, NOWHERE), EFAULT, "client memory").on(handles(&[empty])),
            row("half the points", wait(2, 0, 0), EFAULT, "client memory")
                .on(handles(&[object, empty]).with(OTHER, &[0; 8])),
            row("no fence", wait(1, 0, 0), EINVAL, "without a fence").on(one(empty, 0)),
            row("no such point", wait(1, 0, 0), EINVAL, "without a fence").on(one(object, 13)),
            row("point of a binary object", wait(1, 0, 0), EINVAL, "without a fence").on(one(binary, 1)),
            row("not submitted, waited for", wait(1, FOR_SUBMIT, 0), ETIME, "timed out").on(one(object, 13)),
            row("not available", wait(1, AVAILABLE, 0), ETIME, "timed out").on(one(object, 13)),
            row("pending", wait(1, 0, 0), ETIME, "timed out").on(one(object, 6)),
            row("over, behind what is not", wait(1, 0, 0), ETIME, "timed out").on(one(object, 12)),
            row("newest, pending", wait(1, DEADLINE, 0), ETIME, "timed out").on(one(object, 0)),
            row("one of two", wait(2, ALL, 0), ETIME, "timed out").on(places(&[(object, 5), (object, 9)])),
            row("one available of two", wait(2, ALL | AVAILABLE, 0), ETIME, "timed out")
                .on(places(&[(object, 12), (object, 13)])),
        ];
        refuses(rig, SYNCOBJ_TIMELINE_WAIT, rows);
        rig.write(spin, 0, &[BATCH_END, 0, 0]);
    });
}

#[test]
fn waits_tell_the_first_that_is_there() {
    on_each_platform(|rig| {
        let (object, spin) = timeline(rig);
        let binary = rig.device.syncobj_create(rig.client, true).unwrap();
        let mut first = |arg: Bytes, memory: &Ram| accepts(rig, SYNCOBJ_TIMELINE_WAIT, &arg, memory).get_u32(32);
        let any = |list: &[(u32, u64)]| places(list);
        assert_eq!(first(wait(0, 0, 0).u64(0, NOWHERE).u64(8, NOWHERE), &Ram::new()), 0xEEEE);
        assert_eq!(first(wait(2, 0, 0), &any(&[(object, 9), (object, 5)])), 1);
        assert_eq!(first(wait(1, 0, 0), &any(&[(object, 1)])), 0, "a point between two is the later one");
        assert_eq!(first(wait(1, ALL, 0), &any(&[(object, 3)])), 0xEEEE, "which was first says nothing");
        assert_eq!(first(wait(2, AVAILABLE, 0), &any(&[(object, 13), (object, 9)])), 1);
        assert_eq!(first(wait(2, FOR_SUBMIT, 0), &any(&[(object, 13), (binary, 0)])), 1);
        assert_eq!(first(wait(1, 0, 0).u64(8, 0), &handles(&[binary])), 0, "no points: the newest");
        rig.write(spin, 0, &[BATCH_END, 0, 0]);
        rig.settle();
        let all = any(&[(object, 9), (object, 12), (object, 0)]);
        assert_eq!(accepts(rig, SYNCOBJ_TIMELINE_WAIT, &wait(3, ALL, 0), &all).get_u32(32), 0xEEEE);
    });
}

#[test]
fn a_wait_for_a_point_is_made_again_until_it_is_there() {
    on_each_platform(|rig| {
        let (object, spin) = timeline(rig);
        let ask = |rig: &mut Rig<'_>| {
            let (mut arg, mut memory) = (wait(1, 0, i64::MAX as u64), places(&[(object, 12)]));
            call(rig, SYNCOBJ_TIMELINE_WAIT, &mut arg, &mut memory)
        };
        assert_eq!(ask(rig), Ok(Answer::Wait { until: None }));
        rig.write(spin, 0, &[BATCH_END, 0, 0]);
        rig.settle();
        assert_eq!(ask(rig), Ok(Answer::Done(0)));
    });
}

#[test]
fn queries_are_refused_row_by_row_and_tell_values() {
    on_each_platform(|rig| {
        let (object, spin) = timeline(rig);
        let (empty, binary) = (rig.syncobj(), rig.device.syncobj_create(rig.client, true).unwrap());
        let rows = vec![
            row("flags", query(0, 2), EINVAL, "query flags"),
            row("count", query(0, 0), EINVAL, "count"),
            row("too many", query(u32::MAX, 0), ENOMEM, "Syncobjs"),
            row("unreadable", query(2, 0), EFAULT, "client memory").on(handles(&[0x7777])),
            row("unknown", query(2, 0), ENOENT, "no Syncobj").on(handles(&[object, 0x7777])),
            row("unwritable", query(2, 0), EFAULT, "client memory").on(handles(&[object, empty]).with(OTHER, &[0; 15])),
        ];
        refuses(rig, SYNCOBJ_QUERY, rows);
        let ask = |rig: &mut Rig<'_>, flags| {
            let mut memory = handles(&[object, empty, binary]).with(OTHER, &[0xEE; 24]);
            assert_eq!(call(rig, SYNCOBJ_QUERY, &mut query(3, flags), &mut memory), Ok(Answer::Done(0)));
            let values = Bytes(memory.at(OTHER).to_vec());
            [values.get_u64(0), values.get_u64(8), values.get_u64(16)]
        };
        assert_eq!(ask(rig, 0), [5, 0, 0], "12 is over, but 9 is not");
        assert_eq!(ask(rig, 1), [12, 0, 0], "last submitted");
        rig.write(spin, 0, &[BATCH_END, 0, 0]);
        rig.settle();
        assert_eq!(ask(rig, 0), [12, 0, 0]);
        // A value that is not above the newest: the object then reports the larger number.
        let vm = rig.vm();
        let out = Ram::new().with(OTHER, &Bytes::new(48).u32(8, 1).u32(12, 1).u32(16, object).u64(24, 3).0);
        for form in Form::BOTH {
            accepts(rig, form.request(), &form.with_syncs(form.barrier(vm), 1), &out);
            assert_eq!(ask(rig, 0), [12, 0, 0]);
        }
    });
}
