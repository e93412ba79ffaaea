//! Long-running VMs: their batches need not end, so what needs their memory takes them off the engines instead, and they
//! go on where they were. And queues with page faults beside jobs.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "tests: numbers are small, addresses are cut in halves, what is refused fails the test"
)]

mod ends;
mod modes;
mod rebinds;
mod scene;

use barexe_core::device::TicketState;
use barexe_core::device::request::VmFlags;
use barexe_core::gt::EngineClass;
use barexe_hal::{ClientAddr, Nanos};
use barexe_tests::rig::SPACE;
use scene::{PAGE, Space, USER, VA, give_pages, invalidated, on_each, still_after, till_done};

const MS: Nanos = Nanos::from_millis(1);

#[test]
fn an_endless_batch_goes_on_with_the_pages_that_are_there_then() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let endless = space.watch(rig, queue, 0, VA + PAGE);
        let behind = space.store(rig, queue, 1, 9);
        rig.pass(MS);
        assert_eq!((space.seen(rig, 0), rig.sim.user_pinned()), (101, 2));
        let ticket = invalidated(rig, USER + PAGE, PAGE);
        assert_eq!(rig.sim.user_pinned(), 0, "the whole range is let go");
        give_pages(rig, USER + PAGE, PAGE, 200);
        assert!(still_after(rig, MS, |rig| space.poke(rig, 0)), "off its engine until the pages have changed");
        rig.device.user_changed(ticket);
        rig.pass(MS);
        assert_eq!((space.seen(rig, 0), rig.sim.user_pinned()), (200, 2));
        assert!(!rig.is_over(endless) && !rig.is_over(behind));
        space.end(rig, 0);
        assert_eq!((rig.wait(endless), rig.wait(behind)), (TicketState::Done, TicketState::Done));
        assert_eq!((space.starts(rig, 0), space.starts(rig, 1)), (1, 1), "nothing ran twice");
        assert_eq!(rig.read(space.bo, Space::result(1)), 9);
        assert!(rig.device.first_hang().is_none());
    });
}

#[test]
fn all_queues_of_the_vm_leave_all_engines_and_a_neighbour_stays() {
    on_each(|rig| {
        let (copy, render) = (rig.engine(EngineClass::Copy), rig.engine(EngineClass::Render));
        let space = Space::new(rig, VmFlags::LR_MODE);
        let other = Space::without_user(rig, VmFlags::LR_MODE);
        let ours = [copy, copy, render].map(|engine| rig.queue(space.vm, engine));
        let theirs = [copy, render].map(|engine| rig.queue(other.vm, engine));
        let jobs: Vec<_> = (0..).zip(ours).map(|(page, queue)| space.watch(rig, queue, page, VA)).collect();
        for (page, queue) in (0..).zip(theirs) {
            other.watch(rig, queue, page, other.word());
        }
        rig.pass(Nanos::from_millis(8));
        assert_eq!([0, 1, 2].map(|page| space.seen(rig, page)), [100; 3]);
        let ticket = invalidated(rig, USER, PAGE);
        give_pages(rig, USER, PAGE, 300);
        for page in 0..3 {
            space.poke(rig, page);
        }
        for round in 1..4 {
            rig.write(other.bo, other.word() - VA, &[round]);
            rig.pass(MS);
            assert_eq!([0, 1].map(|page| other.seen(rig, page)), [round; 2], "the neighbour has the engines");
            assert_eq!([0, 1, 2].map(|page| space.seen(rig, page)), [scene::POKED; 3]);
        }
        rig.device.user_changed(ticket);
        rig.pass(Nanos::from_millis(12));
        assert_eq!([0, 1, 2].map(|page| space.seen(rig, page)), [300; 3]);
        for page in 0..3 {
            space.end(rig, page);
        }
        rig.pass(Nanos::from_millis(12));
        assert!(jobs.iter().all(|job| rig.is_over(*job)));
        assert_eq!([0, 1, 2].map(|page| space.starts(rig, page)), [1; 3]);
        assert_eq!([0, 1].map(|page| other.starts(rig, page)), [1; 2]);
    });
}

/// Without the word that pages have changed, the next exec brings them back, and all queues with them.
#[test]
fn an_exec_brings_the_memory_back_for_all_queues() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queues = [EngineClass::Copy, EngineClass::Render].map(|class| rig.queue(space.vm, rig.engine(class)));
        space.watch(rig, queues[0], 0, VA);
        rig.pass(MS);
        let _ = invalidated(rig, USER, PAGE);
        give_pages(rig, USER, PAGE, 400);
        assert!(still_after(rig, MS, |rig| space.poke(rig, 0)));
        let job = space.store(rig, queues[1], 1, 5);
        assert_eq!(rig.wait(job), TicketState::Done);
        rig.pass(MS);
        assert_eq!(space.seen(rig, 0), 400);
    });
}

#[test]
fn a_vm_goes_on_after_the_last_of_several_changes() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        space.watch(rig, queue, 0, VA);
        let at = |page: u64| ClientAddr::new(USER + page * PAGE).unwrap();
        let nowhere = rig.device.user_invalidate(SPACE, ClientAddr::new(0x1000).unwrap(), PAGE);
        rig.pass(MS);
        assert_eq!(rig.device.invalidation_state(nowhere), TicketState::Done);
        assert_eq!(space.seen(rig, 0), 100, "pages of others suspend nobody");
        let (first, second) =
            (rig.device.user_invalidate(SPACE, at(0), PAGE), rig.device.user_invalidate(SPACE, at(1), PAGE));
        till_done(rig, first);
        till_done(rig, second);
        give_pages(rig, USER, PAGE, 500);
        rig.device.user_changed(second);
        assert!(still_after(rig, MS, |rig| space.poke(rig, 0)), "one has not changed");
        rig.device.user_changed(first);
        rig.pass(MS);
        assert_eq!(space.seen(rig, 0), 500);
    });
}

/// Nothing runs, so nothing needs the pages before an exec does.
#[test]
fn memory_of_an_idle_vm_is_left_to_the_next_exec() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let ticket = invalidated(rig, USER, PAGE);
        give_pages(rig, USER, PAGE, 600);
        rig.device.user_changed(ticket);
        rig.pass(MS);
        assert_eq!(rig.sim.user_pinned(), 0);
        space.watch(rig, queue, 0, VA);
        rig.pass(MS);
        assert_eq!((space.seen(rig, 0), rig.sim.user_pinned()), (600, 2));
    });
}

#[test]
fn pages_that_are_gone_stay_unmapped_and_the_rest_goes_on() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE | VmFlags::SCRATCH_PAGE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        space.watch(rig, queue, 0, VA);
        rig.pass(MS);
        assert_eq!(space.seen(rig, 0), 100);
        let ticket = invalidated(rig, USER, 2 * PAGE);
        rig.sim.user_unmap(SPACE, USER..USER + 2 * PAGE);
        rig.device.user_changed(ticket);
        rig.pass(MS);
        assert_eq!(space.seen(rig, 0), 0, "scratch");
        assert_eq!(rig.sim.user_pinned(), 0);
    });
}

#[test]
fn many_changes_under_a_running_batch() {
    on_each(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queues = [EngineClass::Copy, EngineClass::Render].map(|class| rig.queue(space.vm, rig.engine(class)));
        let jobs = [0, 1].map(|page| space.watch(rig, queues[page as usize], page, VA + page * PAGE));
        for round in 0..20 {
            let (page, value) = (u64::from(round % 2), 1000 + round);
            let ticket = invalidated(rig, USER + page * PAGE, PAGE);
            give_pages(rig, USER + page * PAGE, PAGE, value);
            rig.device.user_changed(ticket);
            rig.pass(Nanos::from_micros(300));
            assert_eq!(space.seen(rig, page), value);
        }
        for page in 0..2 {
            space.end(rig, page);
            assert_eq!(rig.wait(jobs[page as usize]), TicketState::Done);
            assert_eq!(space.starts(rig, page), 1);
        }
    });
}
