//! What ends long-running work: engines that do not let go, bans, and clients.

use crate::scene::{PAGE, Space, USER, VA, give_pages, invalidated, on_each, till_done};
use barexe_core::device::TicketState;
use barexe_core::device::request::{EngineRef, ExecCall, QueueProperties, QueueRequest, VmFlags};
use barexe_core::gt::EngineClass;
use barexe_core::gt::reset::engine_error::EngineErrorKind;
use barexe_core::{Errno, Error};
use barexe_hal::{ClientAddr, GpuVa, Nanos};
use barexe_sim::Fault;
use barexe_tests::rig::{Rig, SPACE};

#[test]
fn an_engine_that_does_not_let_go_is_reset_and_the_invalidation_ends() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let [guilty, other] =
            [EngineClass::Copy, EngineClass::Render].map(|class| rig.queue(space.vm, rig.engine(class)));
        let blocking = space.block(rig, guilty, 0);
        let endless = space.watch(rig, other, 1, VA);
        rig.pass(Nanos::from_millis(1));
        let ticket = invalidated(rig, USER, PAGE);
        give_pages(rig, USER, PAGE, 700);
        rig.device.user_changed(ticket);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(rig.failure(blocking), Some(Errno::EIO));
        assert_eq!(rig.device.first_hang().unwrap().error.kind, EngineErrorKind::Stuck);
        let banned = [guilty, other].map(|queue| rig.device.queue_is_banned(rig.client, queue).unwrap());
        assert_eq!(banned, [true, false]);
        assert_eq!((space.seen(rig, 1), rig.is_over(endless)), (700, false));
        assert_eq!(space.starts(rig, 1), 1);
    });
}

/// R56, for work that nothing else would end.
#[test]
fn a_ban_of_the_vm_kills_its_queues() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let neighbour = Space::without_user(rig, VmFlags::LR_MODE);
        let queues = [EngineClass::Copy, EngineClass::Render].map(|class| rig.queue(space.vm, rig.engine(class)));
        let theirs = rig.queue(neighbour.vm, rig.engine(EngineClass::Copy));
        let endless = space.watch(rig, queues[0], 0, VA);
        let behind = space.store(rig, queues[0], 1, 5);
        let beside = space.watch(rig, queues[1], 2, VA);
        let other = neighbour.watch(rig, theirs, 0, neighbour.word());
        rig.pass(Nanos::from_millis(1));
        rig.device.fail_next_table_change();
        let failed = rig.bind(space.vm, 0, &[rig.unmap_op(VA, PAGE)], &[]).unwrap();
        assert!(matches!(rig.wait(failed), TicketState::Failed(_)));
        rig.pass(Nanos::from_millis(2));
        assert_eq!([endless, behind, beside].map(|job| rig.failure(job)), [Some(Errno::ECANCELED); 3]);
        for queue in queues {
            assert!(rig.device.queue_is_banned(rig.client, queue).unwrap());
            assert_eq!(rig.exec(queue, VA, &[]), Err(Error::Canceled));
        }
        let _ = invalidated(rig, USER + PAGE, PAGE);
        rig.write(neighbour.bo, neighbour.word() - VA, &[8]);
        rig.pass(Nanos::from_millis(2));
        assert_eq!((neighbour.seen(rig, 0), rig.is_over(other)), (8, false));
        for queue in queues {
            rig.device.queue_destroy(rig.client, queue).unwrap();
        }
        rig.device.vm_destroy(rig.client, space.vm).unwrap();
        rig.pass(Nanos::from_millis(1));
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}

#[test]
fn memory_that_cannot_be_brought_back_bans_the_vm() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let endless = space.watch(rig, queue, 0, VA);
        rig.pass(Nanos::from_millis(1));
        let ticket = invalidated(rig, USER, PAGE);
        rig.sim.set_faults(&[Fault::FailCall(0)]);
        rig.device.user_changed(ticket);
        rig.sim.set_faults(&[]);
        rig.pass(Nanos::from_millis(1));
        assert_eq!((rig.failure(endless), rig.sim.user_pinned()), (Some(Errno::ECANCELED), 0));
        assert!(rig.device.queue_is_banned(rig.client, queue).unwrap());
        let refused = rig.bind(space.vm, 0, &[rig.unmap_op(VA, PAGE)], &[]).map(drop);
        assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::ENOENT));
        let create = rig.device.bind_queue_create(rig.client, space.vm).map_err(|error| error.errno());
        assert_eq!(create, Err(Errno::ENOENT));
        rig.device.queue_destroy(rig.client, queue).unwrap();
        assert_eq!(rig.device.vm_destroy(rig.client, space.vm), Ok(()));
    });
}

#[test]
fn a_vm_in_the_middle_of_an_invalidation_can_be_ended() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let endless = space.watch(rig, queue, 0, VA);
        rig.pass(Nanos::from_millis(1));
        let ticket = rig.device.user_invalidate(SPACE, ClientAddr::new(USER).unwrap(), PAGE);
        let refused = rig.device.vm_destroy(rig.client, space.vm).map_err(|error| error.errno());
        assert_eq!(refused, Err(Errno::EBUSY));
        rig.device.queue_destroy(rig.client, queue).unwrap();
        rig.device.vm_destroy(rig.client, space.vm).unwrap();
        till_done(rig, ticket);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(rig.failure(endless).unwrap_or(Errno::ECANCELED), Errno::ECANCELED);
        assert_eq!(rig.sim.user_pinned(), 0);
        rig.device.user_changed(ticket);
        assert!(rig.device.is_quiet());
    });
}

#[test]
fn a_client_goes_while_its_vm_is_suspended() {
    on_each(|rig| {
        let mine = rig.client;
        rig.client = rig.device.client_open_in(false, SPACE).unwrap();
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        space.watch(rig, queue, 0, VA);
        rig.pass(Nanos::from_millis(1));
        let _ = invalidated(rig, USER, PAGE);
        rig.device.client_close(rig.client).unwrap();
        rig.client = mine;
        rig.pass(Nanos::from_millis(2));
        assert!(rig.device.is_quiet());
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}

fn queue_with(rig: &mut Rig<'_>, vm: u32, priority: u32, timeslice_us: u32) -> u32 {
    let engine = rig.engine(EngineClass::Copy);
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties { priority, timeslice_us };
    let request = QueueRequest { vm, placements: &[place], width: 1, properties };
    rig.device.exec_queue_create(rig.client, &request).unwrap()
}

/// A word that only they watch, one after the other: who has seen it has run since it was written.
fn who_ran(rig: &mut Rig<'_>, space: &Space, word: u32, time: Nanos) -> [bool; 2] {
    rig.write(space.bo, space.word() - VA, &[word]);
    rig.pass(time);
    [0, 1].map(|page| space.seen(rig, page) == word)
}

#[test]
fn endless_batches_take_turns_by_priority_and_time_slice() {
    on_each(|rig| {
        let space = Space::without_user(rig, VmFlags::LR_MODE);
        let [a, b] = [0, 1].map(|_| queue_with(rig, space.vm, 1, 1000));
        let from = space.word();
        let jobs = [space.watch(rig, a, 0, from), space.watch(rig, b, 1, from)];
        rig.pass(Nanos::from_millis(1));
        assert_eq!(who_ran(rig, &space, 1, Nanos::from_millis(4)), [true, true], "both within two time slices each");
        let urgent = queue_with(rig, space.vm, 2, 1000);
        let endless = space.watch(rig, urgent, 2, from);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(who_ran(rig, &space, 2, Nanos::from_millis(4)), [false, false]);
        assert_eq!(space.seen(rig, 2), 2, "the urgent one has the engine for itself");
        space.end(rig, 2);
        assert_eq!(rig.wait(endless), TicketState::Done);
        assert_eq!(who_ran(rig, &space, 3, Nanos::from_millis(4)), [true, true]);
        assert!(jobs.iter().all(|job| !rig.is_over(*job)));
        assert_eq!([0, 1, 2].map(|page| space.starts(rig, page)), [1; 3]);
    });
}

/// The context that follows one with nothing left goes on in the middle of its batch: it writes no number that would
/// prove that the other one has left.
#[test]
fn an_idle_context_is_not_waited_for_behind_an_endless_batch_of_a_neighbour() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let neighbour = Space::without_user(rig, VmFlags::LR_MODE);
        let [ours, theirs] = [space.vm, neighbour.vm].map(|vm| queue_with(rig, vm, 1, 1000));
        let endless = neighbour.watch(rig, theirs, 0, neighbour.word());
        rig.pass(Nanos::from_millis(1));
        let quick = space.store(rig, ours, 0, 3);
        assert_eq!(rig.wait(quick), TicketState::Done);
        rig.pass(Nanos::from_millis(1));
        let _ = invalidated(rig, USER, PAGE);
        assert_eq!(rig.sim.user_pinned(), 0);
        rig.write(neighbour.bo, neighbour.word() - VA, &[4]);
        rig.pass(Nanos::from_millis(1));
        assert_eq!((neighbour.seen(rig, 0), rig.is_over(endless)), (4, false));
        assert_eq!((neighbour.starts(rig, 0), rig.device.first_hang()), (1, None));
    });
}

/// A job on two engines at once leaves both, and goes on on both.
#[test]
fn a_parallel_queue_is_suspended_as_a_whole() {
    on_each(|rig| {
        let mut video = rig.engines();
        video.retain(|engine| engine.class == EngineClass::VideoDecode);
        let [first, second, ..] = video[..] else { return assert_eq!(rig.name(), "lnl") };
        let space = Space::new(rig, VmFlags::LR_MODE);
        let places = [first, second].map(|engine| EngineRef {
            class: engine.class,
            instance: engine.logical.into(),
            gt: engine.gt.into(),
        });
        let properties = QueueProperties::default();
        let request = QueueRequest { vm: space.vm, placements: &places, width: 2, properties };
        let queue = rig.device.exec_queue_create(rig.client, &request).unwrap();
        let batches = [0, 1].map(|page| space.watching(rig, page, VA + page * PAGE));
        let batches = batches.map(|at| GpuVa::new(at).unwrap());
        let call = ExecCall { queue, batches: &batches };
        let job = rig.device.exec(rig.client, &call, &mut &[][..]).unwrap();
        rig.pass(Nanos::from_millis(2));
        assert_eq!([0, 1].map(|page| space.seen(rig, page)), [100, 101]);
        let ticket = invalidated(rig, USER, PAGE);
        give_pages(rig, USER, 2 * PAGE, 800);
        rig.device.user_changed(ticket);
        rig.pass(Nanos::from_millis(2));
        assert_eq!([0, 1].map(|page| space.seen(rig, page)), [800, 801]);
        space.end(rig, 0);
        space.end(rig, 1);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert_eq!([0, 1].map(|page| space.starts(rig, page)), [1, 1]);
    });
}
