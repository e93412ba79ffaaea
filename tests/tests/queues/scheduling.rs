//! What queues of an engine class are given, changed under way, and resets of whole GTs that nobody is to blame for.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::QueueProperties;
use barexe_core::device::{Scheduling, TableWriter, Ticket, TicketState};
use barexe_core::gt::EngineClass;
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_tests::rig::{ARB_CHECK, Rig, Spinner, on_each_platform_by};

const VA: u64 = 0x1A_0000;

fn scheduling(rig: &Rig<'_>, gt: u16, class: EngineClass) -> Scheduling {
    rig.device.scheduling(gt, class).unwrap()
}

/// The state of a ticket after so many milliseconds.
fn after(rig: &mut Rig<'_>, ticket: Ticket, millis: u64) -> TicketState {
    rig.pass(Nanos::from_millis(millis));
    rig.device.ticket_state(ticket).unwrap()
}

#[test]
fn queues_have_the_limits_of_the_time_they_were_created_at() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Copy);
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let old = rig.queue(vm, engine);
        let set = Scheduling { job_timeout: Nanos::from_millis(10), ..scheduling(rig, engine.gt.into(), engine.class) };
        rig.device.set_scheduling(engine.gt.into(), engine.class, set).unwrap();
        let new = rig.queue(vm, engine);
        let job = rig.exec(new, VA, &[]).unwrap();
        assert_eq!(after(rig, job, 5), TicketState::Pending);
        assert!(matches!(after(rig, job, 15), TicketState::Failed(_)));
        assert!(rig.device.queue_is_banned(rig.client, new).unwrap());
        let job = rig.exec(old, VA, &[]).unwrap();
        assert_eq!(after(rig, job, 40), TicketState::Pending);
        spinner.end(rig);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert!(!rig.device.queue_is_banned(rig.client, old).unwrap());
    });
}

#[test]
fn a_queue_that_asks_for_no_time_slice_gets_that_of_its_class() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let [render, copy] = [EngineClass::Render, EngineClass::Copy].map(|class| rig.engine(class));
        let set = Scheduling { timeslice_us: 77, ..scheduling(rig, copy.gt.into(), copy.class) };
        rig.device.set_scheduling(copy.gt.into(), copy.class, set).unwrap();
        let of = |rig: &Rig<'_>, engine: barexe_core::gt::Engine| {
            let place = barexe_core::device::request::EngineRef {
                class: engine.class,
                instance: engine.logical.into(),
                gt: engine.gt.into(),
            };
            rig.device.new_queue(&place).unwrap()
        };
        assert_eq!(of(rig, copy), QueueProperties { timeslice_us: 77, ..QueueProperties::default() });
        assert_eq!(of(rig, render), QueueProperties::default());
    });
}

#[test]
fn what_no_engine_could_keep_is_refused_and_changes_nothing() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Render);
        let (gt, class) = (u16::from(engine.gt), engine.class);
        let before = scheduling(rig, gt, class);
        let wrong = [
            Scheduling { timeslice_us: 0, ..before },
            Scheduling { timeslice_us: QueueProperties::MAX_TIMESLICE_US + 1, ..before },
            Scheduling { timeslice_limits_us: [0, 1], ..before },
            Scheduling { timeslice_limits_us: [3, 2], ..before },
            Scheduling { timeslice_limits_us: [1, QueueProperties::MAX_TIMESLICE_US + 1], ..before },
            Scheduling { job_timeout: Nanos::ZERO, ..before },
            Scheduling { preempt_timeout: Nanos::ZERO, ..before },
        ];
        for wrong in wrong {
            let refused = rig.device.set_scheduling(gt, class, wrong);
            assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::EINVAL));
        }
        assert_eq!(rig.device.set_scheduling(9, class, before).map_err(|error| error.errno()), Err(Errno::EINVAL));
        assert!(rig.device.scheduling(gt, EngineClass::Gsc).is_err());
        assert_eq!(scheduling(rig, gt, class), before);
    });
}

#[test]
fn a_reset_that_is_wanted_throws_work_off_and_blames_nobody() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Copy);
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let queue = rig.queue(vm, engine);
        let job = rig.exec(queue, VA, &[]).unwrap();
        assert_eq!(after(rig, job, 1), TicketState::Pending);
        // More often than a queue may be hit by resets that others are to blame for.
        for _ in 0..5 {
            rig.device.reset_gt(engine.gt.into()).unwrap();
            assert!(rig.device.is_resetting());
            assert_eq!(rig.device.reset_gt(engine.gt.into()), Err(Error::Again));
            rig.settle();
            assert!(!rig.device.is_resetting());
        }
        assert_eq!(rig.device.reset_gt(9).map_err(|error| error.errno()), Err(Errno::EINVAL));
        assert_eq!(rig.device.first_hang(), None);
        spinner.end(rig);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert!(!rig.device.queue_is_banned(rig.client, queue).unwrap());
    });
}
