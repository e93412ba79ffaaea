//! Wait user fence, and properties of queues: bind-and-exec sheet §3.9, §3.7.

use crate::table::{ARRAY, NOWHERE, accepts, call, refuses, row};
use barexe_core::Errno::{EFAULT, EINTR, EINVAL, ENOENT, ETIME};
use barexe_core::uapi::request::{
    XE_EXEC_QUEUE_GET_PROPERTY, XE_EXEC_QUEUE_SET_PROPERTY, XE_WAIT_USER_FENCE, copies_back,
};
use barexe_core::uapi::{self, Again, Answer};
use barexe_hal::Nanos;
use barexe_tests::rig::{Rig, on_each_platform};
use barexe_tests::wire::{Bytes, Ram};

const EQ: u16 = 0;
const ABSTIME: u16 = 1;

/// `drm_xe_wait_user_fence`: until the word at [`ARRAY`] is 1, all bits of it; one look.
fn wait() -> Bytes {
    Bytes::new(72).u64(8, ARRAY).u16(16, EQ).u64(24, 1).u64(32, u64::MAX)
}

/// With a time limit.
fn within(timeout_ns: i64) -> Bytes {
    wait().u64(40, timeout_ns.cast_unsigned())
}

/// The word holds a value.
fn word(value: u64) -> Ram {
    Ram::new().with(ARRAY, &value.to_le_bytes())
}

fn rest(arg: &Bytes) -> i64 {
    arg.get_u64(40).cast_signed()
}

/// Every row but those that need time or a ban, which scenarios have; nothing is left of a limit of nothing.
#[test]
fn waits_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let rows = vec![
            row("1 extensions", wait().u64(0, 1).u16(18, 2), EINVAL, "extension"),
            row("1 pad", wait().u32(20, 1).u16(18, 2), EINVAL, "padding"),
            row("1 pad2", wait().u32(52, 1).u16(18, 2), EINVAL, "padding"),
            row("1 reserved", wait().u64(56, 1).u16(18, 2), EINVAL, "reserved"),
            row("1 reserved, second word", wait().u64(64, 1).u16(18, 2), EINVAL, "reserved"),
            row("2 flags", wait().u16(18, 2).u16(16, 6), EINVAL, "wait flags"),
            row("2 flags, highest", wait().u16(18, 0x8000), EINVAL, "wait flags"),
            row("3 comparison", wait().u16(16, 6).u64(8, ARRAY + 4), EINVAL, "comparison"),
            row("4 alignment", wait().u64(8, ARRAY + 4).u32(48, 0x7777), EINVAL, "user fence address"),
            row("5 unknown queue", wait().u64(8, NOWHERE).u32(48, 0x7777), ENOENT, "no Queue"),
            row("6 unreadable", wait().u64(8, NOWHERE), EFAULT, "client memory"),
            row("6 past the end", wait().u64(8, !7), EFAULT, "client memory"),
            row("10 one look", wait(), ETIME, "timed out").on(word(0)),
            row("10 one look at an instant", wait().u16(18, ABSTIME), ETIME, "timed out").on(word(0)),
        ];
        refuses(rig, XE_WAIT_USER_FENCE, rows);
        assert!(copies_back(XE_WAIT_USER_FENCE) && !copies_back(XE_EXEC_QUEUE_SET_PROPERTY));
    });
}

#[test]
fn a_condition_that_holds_ends_the_wait_whatever_the_limit() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let bind_queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        for (timeout, left) in [(0, 0), (-1, i64::MAX), (i64::MIN, i64::MAX)] {
            for queue in [0, bind_queue] {
                let after = accepts(rig, XE_WAIT_USER_FENCE, &within(timeout).u32(48, queue), &word(1));
                assert_eq!((rest(&after), after.get_u32(48)), (left, queue));
            }
            let after = accepts(rig, XE_WAIT_USER_FENCE, &within(timeout).u16(18, ABSTIME), &word(1));
            assert_eq!(rest(&after), left, "an instant before all others is for ever too");
        }
        let after = accepts(rig, XE_WAIT_USER_FENCE, &within(1_000_000), &word(1));
        assert!((1..=1_000_000).contains(&rest(&after)), "{}", rest(&after));
        let after = accepts(rig, XE_WAIT_USER_FENCE, &within(5).u16(18, ABSTIME), &word(1));
        assert_eq!(rest(&after), 5, "an instant stays what it is");
    });
}

/// A call that has to wait, and how long it wants to.
fn waits(rig: &mut Rig<'_>, arg: &Bytes, memory: &mut Ram, again: Option<Again>) -> Option<Nanos> {
    let mut given = arg.clone();
    let answer = match again {
        None => call(rig, XE_WAIT_USER_FENCE, &mut given, memory),
        Some(again) => uapi::ioctl_again(&mut rig.device, rig.client, XE_WAIT_USER_FENCE, &mut given.0, memory, again),
    };
    assert_eq!(given, *arg, "nothing is said before the end");
    match answer {
        Ok(Answer::Wait { until }) => until,
        other => panic!("{}: {other:?}", rig.name()),
    }
}

#[test]
fn a_length_of_time_counts_from_the_first_look() {
    on_each_platform(|rig| {
        let (arg, mut memory) = (within(1_000_000), word(0));
        let began = rig.device.now();
        let end = waits(rig, &arg, &mut memory, None).unwrap();
        assert!(
            end.saturating_sub(began) >= Nanos::from_millis(1) && end < began.saturating_add(Nanos::new(1_010_000))
        );
        rig.sim.advance(Nanos::new(600_000));
        let again = Again { began, interrupted: false };
        let same = waits(rig, &arg, &mut memory, Some(again));
        assert_eq!(same, Some(began.saturating_add(Nanos::from_millis(1))));
        rig.sim.advance(Nanos::new(600_000));
        let mut last = arg.clone();
        let over = uapi::ioctl_again(&mut rig.device, rig.client, XE_WAIT_USER_FENCE, &mut last.0, &mut memory, again);
        assert_eq!((over.map_err(|error| error.errno()), rest(&last)), (Err(ETIME), 0));
        assert_eq!(waits(rig, &within(-1), &mut memory, None), None, "for ever");
    });
}

#[test]
fn an_interruption_comes_after_the_condition_and_leaves_the_rest() {
    on_each_platform(|rig| {
        let began = rig.device.now();
        rig.sim.advance(Nanos::new(400_000));
        let again = Again { began, interrupted: true };
        for (value, expected) in [(0, Err(EINTR)), (1, Ok(Answer::Done(0)))] {
            let (mut arg, mut memory) = (within(1_000_000), word(value));
            let end =
                uapi::ioctl_again(&mut rig.device, rig.client, XE_WAIT_USER_FENCE, &mut arg.0, &mut memory, again);
            assert_eq!(end.map_err(|error| error.errno()), expected);
            assert!((550_000..=600_000).contains(&rest(&arg)), "{}", rest(&arg));
        }
    });
}

/// A queue that goes while it is waited for is no wrong id.
#[test]
fn a_queue_that_is_destroyed_ends_the_wait_with_eio() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let (arg, mut memory) = (within(-1).u32(48, queue), word(0));
        let began = rig.device.now();
        assert_eq!(waits(rig, &arg, &mut memory, None), None);
        rig.device.queue_destroy(rig.client, queue).unwrap();
        let (mut last, again) = (arg.clone(), Again { began, interrupted: false });
        let over = uapi::ioctl_again(&mut rig.device, rig.client, XE_WAIT_USER_FENCE, &mut last.0, &mut memory, again);
        let over = over.map_err(|error| (error.errno().name(), error.to_string()));
        assert_eq!(over, Err(("EIO", format!("nothing more comes from queue {queue:#x}"))));
        assert_eq!(rest(&last), i64::MAX);
        refuses(rig, XE_WAIT_USER_FENCE, vec![row("5 gone from the start", arg, ENOENT, "no Queue").on(word(0))]);
    });
}

/// `drm_xe_exec_queue_get_property` and `_set_property`.
fn property(queue: u32, number: u32, value: u64) -> Bytes {
    Bytes::new(40).u32(8, queue).u32(12, number).u64(16, value)
}

#[test]
fn properties_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let vm = rig.vm();
        let queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        let get = vec![
            row("reserved", property(0x7777, 0, 0).u64(24, 1), EINVAL, "reserved"),
            row("reserved, second word", property(queue, 0, 0).u64(32, 1), EINVAL, "reserved"),
            row("unknown", property(0x7777, 9, 0), ENOENT, "no Queue"),
            row("property", property(queue, 1, 0), EINVAL, "queue property"),
            row("property, most", property(queue, u32::MAX, 0), EINVAL, "queue property"),
        ];
        refuses(rig, XE_EXEC_QUEUE_GET_PROPERTY, get);
        let set = vec![
            row("reserved", property(0x7777, 0, 3).u64(24, 1), EINVAL, "reserved"),
            row("property", property(0x7777, 0, 3), EINVAL, "queue property"),
            row("property, next", property(0x7777, 6, 3), EINVAL, "queue property"),
            row("unknown", property(0x7777, 5, 3), ENOENT, "no Queue"),
            row("value", property(queue, 5, 3), EINVAL, "priority in a group"),
            row("in no group", property(queue, 5, 2), EINVAL, "outside a group"),
        ];
        refuses(rig, XE_EXEC_QUEUE_SET_PROPERTY, set);
        let got = accepts(rig, XE_EXEC_QUEUE_GET_PROPERTY, &property(queue, 0, u64::MAX).u64(0, 5), &Ram::new());
        assert_eq!((got.get_u64(16), got.get_u64(0)), (0, 5), "the extension pointer is not looked at");
    });
}
