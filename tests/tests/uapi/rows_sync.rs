//! Sync entries of bind and exec, and calls on sync objects: bind-and-exec sheet §3.8, §3.12.

use crate::form::Form;
use crate::table::{ARRAY, NOWHERE, OTHER, Row, accepts, call, refuses, row};
use barexe_core::Errno::{EFAULT, EINVAL, ENOENT, ENOMEM, ETIME};
use barexe_core::device::TableWriter;
use barexe_core::gt::EngineClass;
use barexe_core::uapi::Answer;
use barexe_core::uapi::request::{SYNCOBJ_CREATE, SYNCOBJ_DESTROY, SYNCOBJ_RESET, SYNCOBJ_WAIT, XE_EXEC};
use barexe_hal::Nanos;
use barexe_tests::rig::{Gate, Rig, on_each_platform, on_each_platform_by};
use barexe_tests::wire::{Bytes, Ram};

const SYNCOBJ: u32 = 0;
const TIMELINE: u32 = 1;
const SIGNAL: u32 = 1;

/// `drm_xe_sync` of an object.
fn entry(kind: u32, flags: u32, handle: u32, point: u64) -> Bytes {
    Bytes::new(48).u32(8, kind).u32(12, flags).u32(16, handle).u64(24, point)
}

/// Entries that are wrong, in a call that has its syncs at [`OTHER`] and takes one.
fn entry_rows(rig: &mut Rig<'_>, call: &Bytes) -> Vec<Row> {
    let (empty, signalled) = (rig.syncobj(), rig.device.syncobj_create(rig.client, true).unwrap());
    let row =
        |name, entry: Bytes, errno, says| row(name, call.clone(), errno, says).on(Ram::new().with(OTHER, &entry.0));
    vec![
        row("unreadable", Bytes::new(47), EFAULT, "client memory"),
        row("flags", entry(9, 2, signalled, 0), EINVAL, "sync flags"),
        row("reserved", entry(9, 0, signalled, 0).u64(32, 1), EINVAL, "reserved"),
        row("reserved, second word", entry(SYNCOBJ, 0, signalled, 0).u64(40, 1), EINVAL, "reserved"),
        row("type", entry(3, 0, signalled, 0), EINVAL, "sync type"),
        row("0 in: upper half", entry(SYNCOBJ, 0, 0x7777, 0).u32(20, 1), EINVAL, "sync object handle"),
        row("0 in: unknown", entry(SYNCOBJ, 0, 0x7777, 0), ENOENT, "no Syncobj"),
        row("0 in: no fence", entry(SYNCOBJ, 0, empty, 0), EINVAL, "without a fence"),
        row("0 out: upper half", entry(SYNCOBJ, SIGNAL, 0x7777, 0).u32(20, 1), EINVAL, "sync object handle"),
        row("0 out: unknown", entry(SYNCOBJ, SIGNAL, 0x7777, 0), ENOENT, "no Syncobj"),
        row("1 in: upper half", entry(TIMELINE, 0, 0x7777, 0).u32(20, 1), EINVAL, "sync object handle"),
        row("1 in: point 0", entry(TIMELINE, 0, 0x7777, 0), EINVAL, "timeline point"),
        row("1 in: unknown", entry(TIMELINE, 0, 0x7777, 1), ENOENT, "no Syncobj"),
        row("1 in: no fence", entry(TIMELINE, 0, empty, 1), EINVAL, "without a fence"),
        row("1 in: not a timeline", entry(TIMELINE, 0, signalled, 1), EINVAL, "without a fence"),
        row("1 out: upper half", entry(TIMELINE, SIGNAL, 0x7777, 0).u32(20, 1), EINVAL, "sync object handle"),
        row("1 out: point 0", entry(TIMELINE, SIGNAL, 0x7777, 0), EINVAL, "timeline point"),
        row("1 out: unknown", entry(TIMELINE, SIGNAL, 0x7777, 1), ENOENT, "no Syncobj"),
    ]
}

/// A bind without operations, in each dialect, and an exec without batch, each with `count` syncs at [`OTHER`].
fn barriers(rig: &mut Rig<'_>, count: u32) -> [(u32, Bytes); 3] {
    let vm = rig.vm();
    let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
    let bind = |form: Form| (form.request(), form.with_syncs(form.barrier(vm), count));
    [bind(Form::A), bind(Form::U), (XE_EXEC, Bytes::new(56).u32(8, queue).u32(12, count).u64(16, OTHER))]
}

#[test]
fn entries_are_refused_row_by_row_by_bind_and_exec() {
    on_each_platform(|rig| {
        for (request, call) in barriers(rig, 1) {
            let rows = entry_rows(rig, &call);
            refuses(rig, request, rows);
        }
    });
}

/// M4: the extension pointer of an entry is looked at by dialect A, after its reserved words and before its type.
#[test]
fn extensions_of_an_entry_are_refused_by_dialect_a_alone() {
    on_each_platform(|rig| {
        let signalled = rig.device.syncobj_create(rig.client, true).unwrap();
        let right = entry(SYNCOBJ, 0, signalled, 0).u64(0, 1 << 63);
        let on = |entry: &Bytes| Ram::new().with(OTHER, &entry.0);
        for (request, call) in barriers(rig, 1) {
            if request == Form::A.request() {
                let rows = vec![
                    row("extensions", call.clone(), EINVAL, "extension").on(on(&right)),
                    row("before the type", call.clone(), EINVAL, "extension").on(on(&right.clone().u32(8, 9))),
                    row("after reserved words", call, EINVAL, "reserved").on(on(&right.clone().u64(40, 1))),
                ];
                refuses(rig, request, rows);
            } else {
                accepts(rig, request, &call, &on(&right));
            }
        }
    });
}

#[test]
fn a_call_takes_1024_entries_and_no_more() {
    on_each_platform(|rig| {
        let signalled = rig.device.syncobj_create(rig.client, true).unwrap();
        let entries = vec![entry(SYNCOBJ, 0, signalled, 0); 1025];
        for (request, call) in barriers(rig, 1024) {
            accepts(rig, request, &call, &Ram::new().with_all(OTHER, &entries));
        }
        for (request, call) in barriers(rig, 1025) {
            let memory = Ram::new().with_all(OTHER, &entries);
            refuses(rig, request, vec![row("4, 2: syncs", call, EINVAL, "number of syncs").on(memory)]);
        }
    });
}

#[test]
fn a_refused_entry_lets_go_of_those_before_it() {
    on_each_platform(|rig| {
        let (object, timeline) = (rig.device.syncobj_create(rig.client, true).unwrap(), rig.syncobj());
        let missing = entry(SYNCOBJ, SIGNAL, 0x7777, 0);
        let right = [
            entry(SYNCOBJ, 0, object, 0),
            entry(SYNCOBJ, SIGNAL, object, 0),
            entry(TIMELINE, SIGNAL, timeline, 5),
            entry(TIMELINE, SIGNAL, timeline, 6),
        ];
        for (request, arg) in barriers(rig, 5) {
            let entries = Ram::new().with_all(OTHER, &right).with(OTHER + 4 * 48, &missing.0);
            refuses(rig, request, vec![row("D20", arg.clone(), ENOENT, "no Syncobj").on(entries)]);
        }
        for (request, arg) in barriers(rig, 4) {
            accepts(rig, request, &arg, &Ram::new().with_all(OTHER, &right));
        }
        // Now there is a point 6 on the timeline, and none above it.
        for (request, arg) in barriers(rig, 1) {
            let point = |point| Ram::new().with(OTHER, &entry(TIMELINE, 0, timeline, point).0);
            accepts(rig, request, &arg, &point(6));
            refuses(rig, request, vec![row("1 in: no such point", arg, EINVAL, "point").on(point(7))]);
        }
    });
}

#[test]
fn create_destroy_and_reset_refuse_row_by_row() {
    on_each_platform(|rig| {
        let (object, foreign) = (rig.device.syncobj_create(rig.client, true).unwrap(), foreign(rig));
        let one = |handle| Bytes::new(8).u32(0, handle);
        refuses(rig, SYNCOBJ_CREATE, vec![row("flags", one(0).u32(4, 2), EINVAL, "flags")]);
        let rows = vec![
            row("pad", one(object).u32(4, 1), EINVAL, "padding"),
            row("unknown", one(0x7777), EINVAL, "handle"),
            row("foreign", one(foreign), EINVAL, "handle"),
        ];
        refuses(rig, SYNCOBJ_DESTROY, rows);
        let reset = |count| Bytes::new(16).u64(0, ARRAY).u32(8, count);
        let handles = |list: &[u32]| {
            Ram::new().with_all(ARRAY, &list.iter().map(|h| Bytes::new(4).u32(0, *h)).collect::<Vec<_>>())
        };
        let rows = vec![
            row("pad", reset(0).u32(12, 1), EINVAL, "padding"),
            row("count", reset(0), EINVAL, "count"),
            row("too many", reset(u32::MAX), ENOMEM, "Syncobjs"),
            row("unreadable", reset(3), EFAULT, "client memory").on(handles(&[object, 0x7777])),
            row("unknown", reset(2), ENOENT, "no Syncobj").on(handles(&[object, 0x7777])),
            row("foreign", reset(2), ENOENT, "no Syncobj").on(handles(&[foreign, object])),
        ];
        refuses(rig, SYNCOBJ_RESET, rows);
        assert!(rig.is_signalled(object));
        accepts(rig, SYNCOBJ_RESET, &reset(1), &handles(&[object]));
        assert!(!rig.is_signalled(object));
        let made = accepts(rig, SYNCOBJ_CREATE, &one(0x7777).u32(4, 1), &Ram::new()).get_u32(0);
        assert!(rig.is_signalled(made));
        accepts(rig, SYNCOBJ_DESTROY, &one(made), &Ram::new());
    });
}

/// A sync object of another client.
fn foreign(rig: &mut Rig<'_>) -> u32 {
    let stranger = rig.device.client_open(true).unwrap();
    rig.device.syncobj_create(stranger, true).unwrap();
    rig.device.syncobj_create(stranger, true).unwrap()
}

/// `drm_syncobj_wait` for handles at [`ARRAY`].
fn wait(count: u32, flags: u32, timeout_ns: u64) -> Bytes {
    Bytes::new(40).u64(0, ARRAY).u64(8, timeout_ns).u32(16, count).u32(20, flags).u32(24, 0xEEEE)
}

fn handles(list: &[u32]) -> Ram {
    Ram::new().with(ARRAY, &list.iter().flat_map(|handle| handle.to_le_bytes()).collect::<Vec<_>>())
}

const ALL: u32 = 1;
const FOR_SUBMIT: u32 = 2;
const DEADLINE: u32 = 8;
const FOREVER: u64 = i64::MAX as u64;

#[test]
fn wait_refuses_row_by_row() {
    on_each_platform(|rig| {
        let (done, empty) = (rig.device.syncobj_create(rig.client, true).unwrap(), rig.syncobj());
        let rows = vec![
            row("flags", wait(0, 4, 0), EINVAL, "wait flags"),
            row("unknown flag", wait(1, 16, 0), EINVAL, "wait flags"),
            row("too many", wait(u32::MAX, 0, 0), ENOMEM, "Syncobjs"),
            row("unreadable", wait(1, 0, 0).u64(0, NOWHERE), EFAULT, "client memory"),
            row("unreadable end", wait(4, 0, 0), EFAULT, "client memory").on(handles(&[done, empty, 0x7777])),
            row("unknown", wait(3, 0, 0), ENOENT, "no Syncobj").on(handles(&[done, empty, 0x7777])),
            row("no fence", wait(2, 0, 0), EINVAL, "without a fence").on(handles(&[done, empty])),
            row("no fence, all", wait(2, ALL, 0), EINVAL, "without a fence").on(handles(&[done, empty])),
            row("one look", wait(1, FOR_SUBMIT, 0), ETIME, "timed out").on(handles(&[empty])),
            row("one look, all", wait(2, ALL | FOR_SUBMIT, 0), ETIME, "timed out").on(handles(&[done, empty])),
            row("past", wait(1, FOR_SUBMIT, 1), ETIME, "timed out").on(handles(&[empty])),
            row("before time", wait(1, FOR_SUBMIT, u64::MAX), ETIME, "timed out").on(handles(&[empty])),
        ];
        refuses(rig, SYNCOBJ_WAIT, rows);
        let mut first = |arg: Bytes, list: &[u32]| accepts(rig, SYNCOBJ_WAIT, &arg, &handles(list)).get_u32(24);
        assert_eq!(first(wait(0, ALL, 0).u64(0, NOWHERE), &[]), 0xEEEE, "no handles: nothing is read or written");
        assert_eq!(first(wait(2, 0, 0), &[done, done]), 0);
        assert_eq!(first(wait(2, FOR_SUBMIT | DEADLINE, 0), &[empty, done]), 1);
        assert_eq!(first(wait(1, ALL, 0), &[done]), 0xEEEE, "where all are waited for, none was first");
    });
}

#[test]
fn a_wait_is_made_again_until_it_is_over_or_too_late() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        let vm = rig.vm();
        let gate = Gate::shut(rig, vm, EngineClass::Copy);
        let soon = rig.device.now().saturating_add(Nanos::from_millis(5));
        let mut memory = handles(&[gate.syncobj]);
        let mut ask = |rig: &mut Rig<'_>, timeout_ns| {
            let mut arg = wait(1, 0, timeout_ns);
            let answer = call(rig, SYNCOBJ_WAIT, &mut arg, &mut memory);
            (answer.map_err(|error| error.errno()), arg.get_u32(24))
        };
        assert_eq!(ask(rig, FOREVER), (Ok(Answer::Wait { until: None }), 0xEEEE));
        assert_eq!(ask(rig, soon.get()), (Ok(Answer::Wait { until: Some(soon) }), 0xEEEE));
        rig.sim.advance(Nanos::from_millis(6));
        assert_eq!(ask(rig, soon.get()), (Err(ETIME), 0xEEEE));
        gate.open(rig);
        let step = rig.device.now().saturating_add(Nanos::from_millis(1));
        rig.device.relax(step).unwrap();
        // The call itself looks at what the device has done by now.
        assert_eq!(ask(rig, FOREVER), (Ok(Answer::Done(0)), 0));
    });
}
