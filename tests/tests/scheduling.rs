//! What queues of an engine class are given, changed under way, and resets of whole GTs that nobody is to blame for.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::request::QueueProperties;
use barexe_core::device::{Config, Scheduling, Ticket, TicketState};
use barexe_core::gt::EngineClass;
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_sim::SimConfig;
use barexe_tests::rig::{BATCH_END, JUMP, Mapped, Rig, on_opened, platforms};

const VA: u64 = 0x1A_0000;
/// `MI_ARB_CHECK`: here the engine may switch.
const ARB_CHECK: u32 = 0x0280_0000;

fn on_each(test: impl Fn(&mut Rig<'_>)) {
    for platform in platforms() {
        on_opened(&SimConfig::new(platform), Config::default(), &test);
    }
}

fn scheduling(rig: &Rig<'_>, gt: u16, class: EngineClass) -> Scheduling {
    rig.device.scheduling(gt, class).unwrap()
}

/// A VM with a batch at [`VA`] that spins until it is told to end.
fn spinner(rig: &mut Rig<'_>) -> (u32, Mapped) {
    let (vm, bo) = (rig.vm(), rig.bo(0x1000));
    rig.bind_now(vm, &[rig.map_op(bo, VA)]);
    rig.write(bo, 0, &[ARB_CHECK, JUMP, 0x1A_0000, 0]);
    (vm, bo)
}

fn end(rig: &mut Rig<'_>, bo: Mapped) {
    rig.write(bo, 0, &[ARB_CHECK, BATCH_END, 0, 0]);
}

/// The state of a ticket after so many milliseconds.
fn after(rig: &mut Rig<'_>, ticket: Ticket, millis: u64) -> TicketState {
    let until = rig.device.now().saturating_add(Nanos::from_millis(millis));
    while rig.device.now() < until {
        rig.settle();
    }
    rig.device.ticket_state(ticket).unwrap()
}

#[test]
fn queues_have_the_limits_of_the_time_they_were_created_at() {
    on_each(|rig| {
        let engine = rig.engine(EngineClass::Copy);
        let (vm, bo) = spinner(rig);
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
        end(rig, bo);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert!(!rig.device.queue_is_banned(rig.client, old).unwrap());
    });
}

#[test]
fn a_queue_that_asks_for_no_time_slice_gets_that_of_its_class() {
    on_each(|rig| {
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
    on_each(|rig| {
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
    on_each(|rig| {
        let engine = rig.engine(EngineClass::Copy);
        let (vm, bo) = spinner(rig);
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
        end(rig, bo);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert!(!rig.device.queue_is_banned(rig.client, queue).unwrap());
    });
}
