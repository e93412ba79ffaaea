//! Signal, timeline signal, transfer, and descriptors of sync objects: bind-and-exec sheet §3.12.

use crate::table::{ARRAY, NOWHERE, OTHER, accepts, call, refuses, row};
use barexe_core::Errno::{EFAULT, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, ETIME};
use barexe_core::device::{ClientId, FencesInUse};
use barexe_core::uapi::request::{
    SYNCOBJ_FD_TO_HANDLE, SYNCOBJ_HANDLE_TO_FD, SYNCOBJ_SIGNAL, SYNCOBJ_TIMELINE_SIGNAL, SYNCOBJ_TRANSFER,
};
use barexe_core::uapi::{self, Answer, Descriptors, Shared, ioctl_blocking};
use barexe_core::{Capacities, Errno, Error};
use barexe_hal::Nanos;
use barexe_hal::client::NoClientMemory;
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{Rig, binary, on_each_platform, on_with, point};
use barexe_tests::wire::{Bytes, Ram};

fn handles(list: &[u32]) -> Ram {
    Ram::new().with(ARRAY, &list.iter().flat_map(|handle| handle.to_le_bytes()).collect::<Vec<_>>())
}

fn places(list: &[(u32, u64)]) -> Ram {
    let (handles_of, points): (Vec<u32>, Vec<u64>) = list.iter().copied().unzip();
    handles(&handles_of).with(OTHER, &points.iter().flat_map(|point| point.to_le_bytes()).collect::<Vec<_>>())
}

/// `drm_syncobj_array`.
fn signal(count: u32) -> Bytes {
    Bytes::new(16).u64(0, ARRAY).u32(8, count)
}

/// `drm_syncobj_timeline_array`.
fn timeline_signal(count: u32) -> Bytes {
    Bytes::new(24).u64(0, ARRAY).u64(8, OTHER).u32(16, count)
}

/// `drm_syncobj_transfer`.
fn transfer((from, from_point): (u32, u64), (to, to_point): (u32, u64), flags: u32) -> Bytes {
    Bytes::new(32).u32(0, from).u32(4, to).u64(8, from_point).u64(16, to_point).u32(24, flags)
}

/// `drm_syncobj_handle`.
fn both(handle: u32, flags: u32, fd: i32, point: u64) -> Bytes {
    Bytes::new(24).u32(0, handle).u32(4, flags).u32(8, fd.cast_unsigned()).u64(16, point)
}

fn value(rig: &Rig<'_>, handle: u32, submitted: bool) -> u64 {
    rig.device.syncobj_value(rig.client, handle, submitted).unwrap()
}

fn foreign(rig: &mut Rig<'_>) -> u32 {
    let stranger = rig.device.client_open(true).unwrap();
    rig.device.syncobj_create(stranger, true).unwrap();
    rig.device.syncobj_create(stranger, true).unwrap();
    rig.device.syncobj_create(stranger, true).unwrap()
}

#[test]
fn signal_is_refused_row_by_row_and_replaces_whatever_is_held() {
    on_each_platform(|rig| {
        let (empty, other, foreign) = (rig.syncobj(), rig.syncobj(), foreign(rig));
        let rows = vec![
            row("pad", signal(0).u32(12, 1), EINVAL, "padding"),
            row("count", signal(0), EINVAL, "count"),
            row("too many", signal(u32::MAX), ENOMEM, "Syncobjs"),
            row("unreadable", signal(3), EFAULT, "client memory").on(handles(&[empty, 0x7777])),
            row("unknown", signal(2), ENOENT, "no Syncobj").on(handles(&[empty, 0x7777])),
            row("foreign", signal(2), ENOENT, "no Syncobj").on(handles(&[foreign, empty])),
        ];
        refuses(rig, SYNCOBJ_SIGNAL, rows);
        let timeline = rig.syncobj();
        accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(1), &places(&[(timeline, 9)]));
        accepts(rig, SYNCOBJ_SIGNAL, &signal(4), &handles(&[empty, other, empty, timeline]));
        assert!(rig.is_signalled(empty) && rig.is_signalled(other));
        assert_eq!((value(rig, timeline, true), rig.device.fences_in_use().sync_points), (0, 0), "a timeline no more");
    });
}

#[test]
fn timeline_signal_is_refused_row_by_row_and_adds_points() {
    on_each_platform(|rig| {
        let (one, other) = (rig.syncobj(), rig.syncobj());
        let rows = vec![
            row("flags", timeline_signal(0).u32(20, 1), EINVAL, "flags"),
            row("count", timeline_signal(0), EINVAL, "count"),
            row("too many", timeline_signal(u32::MAX), ENOMEM, "Syncobjs"),
            row("unreadable", timeline_signal(3), EFAULT, "client memory").on(places(&[(one, 1), (0x7777, 1)])),
            row("unknown", timeline_signal(2).u64(8, NOWHERE), ENOENT, "no Syncobj").on(handles(&[one, 0x7777])),
            row("unreadable points", timeline_signal(1).u64(8, NOWHERE), EFAULT, "client memory").on(handles(&[one])),
            row("half the points", timeline_signal(2), EFAULT, "client memory")
                .on(handles(&[one, other]).with(OTHER, &[0; 8])),
        ];
        refuses(rig, SYNCOBJ_TIMELINE_SIGNAL, rows);
        let all = [(one, 3), (other, 1), (one, 8), (one, 5)];
        accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(4), &places(&all));
        assert_eq!([value(rig, one, false), value(rig, one, true), value(rig, other, false)], [8, 8, 1]);
        let none = rig.syncobj();
        accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(2).u64(8, 0), &handles(&[none, one]));
        assert!(rig.is_signalled(none), "without points all are 0");
        assert_eq!((value(rig, none, true), value(rig, one, true)), (0, 8));
    });
}

/// N - 1, N and N + 1 points of an array that takes places in a pool of N: all or none.
#[test]
fn an_array_of_points_is_added_whole_or_not_at_all() {
    for platform in [Platform::tgl(), Platform::lnl()] {
        let capacities = Capacities { sync_points: 4, ..Capacities::DEFAULT };
        on_with(&SimConfig::new(platform), &capacities, |rig| {
            let objects: Vec<u32> = (0..5).map(|_| rig.syncobj()).collect();
            let all: Vec<(u32, u64)> = objects.iter().map(|object| (*object, 7)).collect();
            for count in [3, 4] {
                accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(count), &places(&all));
                rig.device.syncobj_reset(rig.client, &mut &objects[..]).unwrap();
            }
            let rows = vec![row("one too many", timeline_signal(5), ENOMEM, "SyncPoints").on(places(&all))];
            refuses(rig, SYNCOBJ_TIMELINE_SIGNAL, rows);
            assert_eq!(rig.device.fences_in_use().sync_points, 0);
        });
    }
}

const FOR_SUBMIT: u32 = 2;

/// A timeline whose points 2 and 6 wait for fences of their own.
fn held_timeline(rig: &mut Rig<'_>) -> (u32, [barexe_core::device::OutsideFence; 2]) {
    let (vm, object) = (rig.vm(), rig.syncobj());
    let fences = [2, 6].map(|value| {
        let (gate, fence) = (rig.syncobj(), rig.device.outside_fence_create().unwrap());
        rig.device.syncobj_import(rig.client, gate, fence).unwrap();
        let queue = rig.device.bind_queue_create(rig.client, vm).unwrap();
        rig.bind(vm, queue, &[], &[binary(gate, false), point(object, value, true)]).unwrap();
        fence
    });
    (object, fences)
}

#[test]
fn transfer_is_refused_row_by_row() {
    on_each_platform(|rig| {
        let (object, fences) = held_timeline(rig);
        let (empty, foreign) = (rig.syncobj(), foreign(rig));
        let rows = vec![
            row("pad", transfer((0x7777, 0), (0x7777, 0), 0).u32(28, 1), EINVAL, "padding"),
            row("flags", transfer((object, 0), (empty, 0), 1), EINVAL, "flags"),
            row("unknown source", transfer((0x7777, 0), (empty, 0), FOR_SUBMIT), ENOENT, "no Syncobj"),
            row("unknown destination", transfer((object, 0), (0x7777, 0), 0), ENOENT, "no Syncobj"),
            row("foreign source", transfer((foreign, 0), (empty, 0), 0), ENOENT, "no Syncobj"),
            row("foreign destination", transfer((object, 0), (foreign, 0), 0), ENOENT, "no Syncobj"),
            row("no fence", transfer((empty, 0), (object, 0), 0), EINVAL, "without a fence"),
            row("no such point", transfer((object, 7), (empty, 0), 0), EINVAL, "without a fence"),
        ];
        refuses(rig, SYNCOBJ_TRANSFER, rows);
        for fence in fences {
            rig.device.outside_fence_signal(fence).unwrap();
        }
    });
}

#[test]
fn a_transfer_takes_what_is_pending_at_the_point_and_keeps_it() {
    on_each_platform(|rig| {
        let (object, [two, six]) = held_timeline(rig);
        let [first, both_of, end, late] = [(); 4].map(|()| rig.syncobj());
        accepts(rig, SYNCOBJ_TRANSFER, &transfer((object, 1), (first, 0), 0), &Ram::new());
        accepts(rig, SYNCOBJ_TRANSFER, &transfer((object, 6), (both_of, 0), 0), &Ram::new());
        accepts(rig, SYNCOBJ_TRANSFER, &transfer((object, 0), (end, 20), 0), &Ram::new());
        accepts(rig, SYNCOBJ_TRANSFER, &transfer((end, 20), (end, 30), 0), &Ram::new());
        rig.device.syncobj_destroy(rig.client, object).unwrap();
        assert_eq!([value(rig, first, true), value(rig, both_of, true), value(rig, end, true)], [0, 0, 30]);
        rig.device.outside_fence_signal(six).unwrap();
        assert!(!rig.is_signalled(first) && !rig.is_signalled(both_of), "6 is not over before 2");
        assert_eq!(value(rig, end, false), 0);
        rig.device.outside_fence_signal(two).unwrap();
        assert!(rig.is_signalled(first) && rig.is_signalled(both_of));
        assert_eq!(value(rig, end, false), 30);
        // What has signalled is a point all the same.
        accepts(rig, SYNCOBJ_TRANSFER, &transfer((first, 0), (late, 4), 0), &Ram::new());
        assert_eq!((value(rig, late, true), value(rig, late, false)), (4, 4));
    });
}

/// A pending fence of a binary object stays in front of the points that are added to it.
#[test]
fn a_binary_object_that_becomes_a_timeline_keeps_its_fence() {
    on_each_platform(|rig| {
        let (object, fence) = (rig.syncobj(), rig.device.outside_fence_create().unwrap());
        rig.device.syncobj_import(rig.client, object, fence).unwrap();
        accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(1), &places(&[(object, 3)]));
        assert_eq!((value(rig, object, true), value(rig, object, false)), (3, 0));
        rig.device.outside_fence_signal(fence).unwrap();
        assert_eq!(value(rig, object, false), 3);
    });
}

#[test]
fn a_transfer_waits_for_its_source_five_seconds_at_most() {
    on_each_platform(|rig| {
        let (from, to) = (rig.syncobj(), rig.syncobj());
        let arg = transfer((from, 5), (to, 0), FOR_SUBMIT);
        let limit = rig.device.now().saturating_add(Nanos::from_millis(5000));
        let answer = call(rig, SYNCOBJ_TRANSFER, &mut arg.clone(), &mut Ram::new());
        let Ok(Answer::Wait { until: Some(until) }) = answer else { panic!("{answer:?}") };
        assert!(until >= limit && until < limit.saturating_add(Nanos::from_millis(1)));
        let began = rig.device.now();
        let (request, client) = (SYNCOBJ_TRANSFER, rig.client);
        let blocking = |rig: &mut Rig<'_>| {
            let mut arg = arg.0.clone();
            let over = ioctl_blocking(&mut &mut rig.device, client, request, &mut arg, &mut NoClientMemory);
            over.map_err(|error| error.errno())
        };
        assert_eq!(blocking(rig), Err(ETIME));
        let waited = rig.device.now().saturating_sub(began);
        assert!((5000..5100).contains(&(waited.get() / 1_000_000)), "{waited:?}");
        accepts(rig, SYNCOBJ_TIMELINE_SIGNAL, &timeline_signal(1), &places(&[(from, 5)]));
        assert_eq!(blocking(rig), Ok(0));
        assert!(rig.is_signalled(to));
    });
}

/// A table of descriptors with so many places.
struct Table(Vec<Shared>, usize);

impl Descriptors for Table {
    fn insert(&mut self, shared: Shared) -> Result<i32, (Error, Shared)> {
        if self.0.len() == self.1 {
            return Err((Error::Again, shared));
        }
        self.0.push(shared);
        Ok(i32::try_from(self.0.len()).unwrap() + 2)
    }

    fn get(&self, fd: i32) -> Option<&Shared> {
        self.0.get(usize::try_from(fd).ok()?.checked_sub(3)?)
    }
}

const SYNC_FILE: u32 = 1;
const TIMELINE: u32 = 2;

fn share(rig: &mut Rig<'_>, client: ClientId, request: u32, arg: &Bytes, table: &mut Table) -> Result<Bytes, Errno> {
    let (before, mut after) = (rig.device.fences_in_use(), arg.clone());
    let answer = uapi::ioctl_with(&mut rig.device, client, request, &mut after.0, (&mut Ram::new(), table), None);
    match answer {
        Ok(Answer::Done(0)) => Ok(after),
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert_eq!((&after, rig.device.fences_in_use()), (arg, before), "refused with {error}");
            Err(error.errno())
        }
    }
}

#[test]
fn descriptors_are_refused_row_by_row() {
    on_each_platform(|rig| {
        let (done, empty) = (rig.device.syncobj_create(rig.client, true).unwrap(), rig.syncobj());
        let (client, mut table) = (rig.client, Table(Vec::new(), 8));
        let to_fd = SYNCOBJ_HANDLE_TO_FD;
        for (name, arg, errno) in [
            ("pad", both(0x7777, 8, 0, 1).u32(12, 1), EINVAL),
            ("flags", both(0x7777, 4, 0, 0), EINVAL),
            ("point without a sync file", both(done, TIMELINE, 0, 1), EINVAL),
            ("unknown", both(0x7777, 0, 0, 0), EINVAL),
            ("sync file of an unknown one", both(0x7777, SYNC_FILE, 0, 0), ENOENT),
            ("sync file without a fence", both(empty, SYNC_FILE, 0, 0), EINVAL),
            ("sync file of no point", both(done, SYNC_FILE | TIMELINE, 0, 1), EINVAL),
        ] {
            assert_eq!(share(rig, client, to_fd, &arg, &mut table), Err(errno), "{name}");
        }
        let object = share(rig, client, to_fd, &both(done, 0, 0, 0), &mut table).unwrap().get_u32(8);
        // Without the flag the point of a sync file means nothing.
        let file = share(rig, client, to_fd, &both(done, SYNC_FILE, 0, 77), &mut table).unwrap().get_u32(8);
        let (object, file) = (object.cast_signed(), file.cast_signed());
        for (name, arg, errno) in [
            ("pad", both(0, 8, 0, 1).u32(12, 1), EINVAL),
            ("flags", both(0, 4, object, 0), EINVAL),
            ("point without a sync file", both(0, 0, object, 1), EINVAL),
            ("unknown descriptor", both(0, 0, 99, 0), EINVAL),
            ("negative descriptor", both(0, 0, -1, 0), EINVAL),
            ("a sync file is no object", both(0, 0, file, 0), EINVAL),
            ("an object is no sync file", both(0x7777, SYNC_FILE, object, 0), EINVAL),
            ("sync file into an unknown object", both(0x7777, SYNC_FILE, file, 0), ENOENT),
        ] {
            assert_eq!(share(rig, client, SYNCOBJ_FD_TO_HANDLE, &arg, &mut table), Err(errno), "{name}");
        }
        table.1 = table.0.len();
        assert_eq!(
            share(rig, client, to_fd, &both(done, 0, 0, 0), &mut table),
            Err(Errno::EAGAIN),
            "no descriptor left"
        );
        assert_eq!(share(rig, client, to_fd, &both(done, SYNC_FILE, 0, 0), &mut table), Err(Errno::EAGAIN));
        // An embedder without descriptors.
        refuses(rig, to_fd, vec![row("none", both(done, 0, 0, 0), EOPNOTSUPP, "descriptor")]);
        refuses(rig, SYNCOBJ_FD_TO_HANDLE, vec![row("none", both(0, 0, object, 0), EINVAL, "descriptor")]);
        table.0.into_iter().for_each(|shared| shared.close(&mut rig.device).unwrap());
    });
}

fn counts(rig: &Rig<'_>) -> FencesInUse {
    rig.device.fences_in_use()
}

/// One object under handles of two clients: what one does the other sees, until the last of handles and descriptors goes.
#[test]
fn an_object_is_shared_and_lives_as_long_as_anybody_has_it() {
    on_each_platform(|rig| {
        let before = counts(rig);
        let (owner, other) = (rig.client, rig.device.client_open(false).unwrap());
        let (object, mut table) = (rig.syncobj(), Table(Vec::new(), 8));
        let fd = share(rig, owner, SYNCOBJ_HANDLE_TO_FD, &both(object, 0, 0, 0), &mut table).unwrap().get_u32(8);
        let open = both(0, 0, fd.cast_signed(), 0);
        let [theirs, again] =
            [(); 2].map(|()| share(rig, other, SYNCOBJ_FD_TO_HANDLE, &open, &mut table).unwrap().get_u32(0));
        assert_ne!(theirs, again, "a new handle each time");
        rig.device.syncobj_signal(other, &mut &[theirs][..]).unwrap();
        assert!(rig.is_signalled(object));
        assert!(rig.device.syncobj_destroy(owner, theirs).is_err(), "another client's handle");
        rig.device.syncobj_destroy(owner, object).unwrap();
        assert!(rig.device.syncobj_value(owner, object, false).is_err());
        rig.device.syncobj_destroy(other, theirs).unwrap();
        rig.device.syncobj_reset(other, &mut &[again][..]).unwrap();
        rig.device.client_close(other).unwrap();
        assert_eq!(counts(rig).syncobjs, before.syncobjs + 1, "the descriptor has it");
        let back = share(rig, owner, SYNCOBJ_FD_TO_HANDLE, &open, &mut table).unwrap().get_u32(0);
        table.0.into_iter().for_each(|shared| shared.close(&mut rig.device).unwrap());
        assert!(!rig.is_signalled(back), "it was emptied");
        rig.device.syncobj_destroy(owner, back).unwrap();
        assert_eq!(counts(rig), before);
    });
}

/// A sync file is what the object held; two are merged; it is imported as all of an object and as a point.
#[test]
fn a_sync_file_keeps_the_fence_of_its_moment() {
    on_each_platform(|rig| {
        use barexe_core::device::TicketState::{Done, Pending};
        let before = counts(rig);
        let (object, [two, six]) = held_timeline(rig);
        let client = rig.client;
        let early = rig.device.sync_file_create(client, object, 2).unwrap();
        let whole = rig.device.sync_file_create(client, object, 0).unwrap();
        let outside = rig.device.outside_fence_create().unwrap();
        let foreign = rig.device.sync_file_of_outside(outside).unwrap();
        let merged = rig.device.sync_file_merge(&early, &foreign).unwrap();
        rig.device.syncobj_reset(client, &mut &[object][..]).unwrap();
        let (all, at) = (rig.syncobj(), rig.syncobj());
        rig.device.sync_file_import(client, all, 0, &whole).unwrap();
        rig.device.sync_file_import(client, at, 5, &merged).unwrap();
        let states =
            |rig: &Rig<'_>| [&early, &whole, &foreign, &merged].map(|f| rig.device.sync_file_state(f).unwrap());
        assert_eq!(states(rig), [Pending; 4]);
        rig.device.outside_fence_signal(two).unwrap();
        assert_eq!(states(rig), [Done, Pending, Pending, Pending]);
        rig.device.outside_fence_signal(outside).unwrap();
        assert_eq!(states(rig), [Done, Pending, Done, Done]);
        assert_eq!((value(rig, at, false), rig.is_signalled(all)), (5, false));
        rig.device.outside_fence_signal(six).unwrap();
        assert_eq!((states(rig), rig.is_signalled(all)), ([Done; 4], true));
        for file in [early, whole, foreign, merged] {
            rig.device.sync_file_close(file).unwrap();
        }
        rig.settle();
        let after = counts(rig);
        assert_eq!(after.timelines, before.timelines + 3, "the VM's queue and two more");
        assert_eq!((after.dependencies, after.jobs, after.sync_points), (0, 0, 4), "two fences each in `all` and `at`");
        for handle in [all, at, object] {
            rig.device.syncobj_destroy(client, handle).unwrap();
        }
        assert_eq!(counts(rig).sync_points, 0);
    });
}
