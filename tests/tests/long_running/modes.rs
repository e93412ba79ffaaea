//! Queues with page faults beside jobs, on the platform for tests that has both (bind-and-exec sheet §5.6).

use crate::scene::{Space, VA, on_faulting};
use barexe_core::device::TicketState;
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::rig::Rig;

const FAULTING: VmFlags = VmFlags::LR_MODE.union(VmFlags::FAULT_MODE);

/// A VM, and an endless batch of it that watches its own word.
fn endless(rig: &mut Rig<'_>, flags: VmFlags, class: EngineClass) -> Space {
    let space = Space::without_user(rig, flags);
    let queue = rig.queue(space.vm, rig.engine(class));
    space.watch(rig, queue, 0, space.word());
    space
}

/// Whether its batch runs: it sees what is written.
fn runs(rig: &mut Rig<'_>, space: &Space, word: u32, time: Nanos) -> bool {
    rig.write(space.bo, space.word() - VA, &[word]);
    rig.pass(time);
    space.seen(rig, 0) == word
}

#[test]
fn queues_that_fault_make_way_for_jobs_of_their_group() {
    on_faulting(|rig| {
        let [render, compute, copy] =
            [EngineClass::Render, EngineClass::Compute, EngineClass::Copy].map(|class| endless(rig, FAULTING, class));
        for space in [&render, &compute, &copy] {
            assert!(runs(rig, space, 1, Nanos::from_millis(1)));
        }
        let normal = Space::without_user(rig, VmFlags::empty());
        let queue = rig.queue(normal.vm, rig.engine(EngineClass::Render));
        let job = normal.watch(rig, queue, 0, normal.word());
        rig.pass(Nanos::from_millis(1));
        let ran = [&render, &compute, &copy, &normal].map(|space| runs(rig, space, 2, Nanos::from_millis(7)));
        assert_eq!(ran, [false, false, true, true], "render and compute are one group");
        normal.end(rig, 0);
        assert_eq!(rig.wait(job), TicketState::Done);
        let ran = [&render, &compute, &copy].map(|space| runs(rig, space, 3, Nanos::from_millis(1)));
        assert_eq!(ran, [true; 3]);
        assert_eq!([&render, &compute, &copy].map(|space| space.starts(rig, 0)), [1; 3]);
        assert!(rig.device.first_hang().is_none());
    });
}

#[test]
fn a_queue_that_faults_waits_while_jobs_run() {
    on_faulting(|rig| {
        let normal = endless(rig, VmFlags::empty(), EngineClass::Compute);
        assert!(runs(rig, &normal, 1, Nanos::from_millis(1)));
        let render = endless(rig, FAULTING, EngineClass::Render);
        assert!(!runs(rig, &render, 2, Nanos::from_millis(10)));
        assert!(runs(rig, &normal, 2, Nanos::from_millis(1)));
        normal.end(rig, 0);
        assert!(runs(rig, &render, 3, Nanos::from_millis(2)));
    });
}

/// Neither of them ends, so neither waits for the other.
#[test]
fn endless_batches_with_and_without_page_faults_take_turns() {
    on_faulting(|rig| {
        let faulting = endless(rig, FAULTING, EngineClass::Copy);
        let preempted = endless(rig, VmFlags::LR_MODE, EngineClass::Copy);
        for word in 1..4 {
            assert!(runs(rig, &faulting, word, Nanos::from_millis(12)));
            assert!(runs(rig, &preempted, word, Nanos::from_millis(12)));
        }
        // They are never on the engine together: one of the words is not seen for a whole turn.
        rig.write(faulting.bo, faulting.word() - VA, &[9]);
        rig.write(preempted.bo, preempted.word() - VA, &[9]);
        rig.pass(Nanos::from_millis(1));
        assert_ne!(faulting.seen(rig, 0) == 9, preempted.seen(rig, 0) == 9);
        assert_eq!((faulting.starts(rig, 0), preempted.starts(rig, 0)), (1, 1));
    });
}

#[test]
fn a_queue_that_faults_and_does_not_let_go_is_banned_and_jobs_run() {
    on_faulting(|rig| {
        let faulting = Space::without_user(rig, FAULTING);
        let blocks = rig.queue(faulting.vm, rig.engine(EngineClass::Copy));
        let blocking = faulting.block(rig, blocks, 0);
        rig.pass(Nanos::from_millis(1));
        let normal = Space::without_user(rig, VmFlags::empty());
        let queue = rig.queue(normal.vm, rig.engine(EngineClass::Copy));
        let job = normal.store(rig, queue, 0, 5);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert_eq!(normal.seen(rig, 0), 5);
        assert!(matches!(rig.device.ticket_state(blocking), Ok(TicketState::Failed(_))));
        assert!(rig.device.queue_is_banned(rig.client, blocks).unwrap());
    });
}
