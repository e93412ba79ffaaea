//! What a client uses: time of engines, by the clocks that contexts carry with them, and memory of its objects.
#![expect(clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::Errno;
use barexe_core::device::{MemoryUse, TableWriter, TicketState};
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::rig::{ARB_CHECK, Rig, Spinner, on_each_platform_by};

const VA: u64 = 0x1A_0000;

/// Milliseconds of a number of ticks, on the GT of the client's engines.
fn millis(rig: &Rig<'_>, ticks: u64) -> u64 {
    ticks.saturating_mul(1000).checked_div(rig.device.info().timestamp_hz(0).into()).unwrap()
}

/// Milliseconds that engines of a class have worked for the rig's client.
fn worked(rig: &mut Rig<'_>, class: EngineClass) -> u64 {
    let ticks = rig.device.client_ticks(rig.client).unwrap().of(class);
    millis(rig, ticks)
}

#[test]
fn engine_time_counts_while_a_context_runs_and_stays_when_its_queue_is_gone() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Copy);
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let queue = rig.queue(vm, engine);
        assert_eq!(worked(rig, EngineClass::Copy), 0);
        rig.pass(Nanos::from_millis(30));
        assert_eq!(worked(rig, EngineClass::Copy), 0, "nobody worked");
        let job = rig.exec(queue, VA, &[]).unwrap();
        rig.pass(Nanos::from_millis(30));
        let running = worked(rig, EngineClass::Copy);
        assert!((29..=32).contains(&running), "{running} ms of 30, while it runs");
        rig.pass(Nanos::from_millis(30));
        let later = worked(rig, EngineClass::Copy);
        assert!((59..=63).contains(&later), "{later} ms of 60");
        spinner.end(rig);
        assert_eq!(rig.wait(job), TicketState::Done);
        let over = worked(rig, EngineClass::Copy);
        rig.pass(Nanos::from_millis(50));
        assert!(worked(rig, EngineClass::Copy) <= over + 1, "what is over takes no time");
        rig.device.queue_destroy(rig.client, queue).unwrap();
        rig.settle();
        let left = worked(rig, EngineClass::Copy);
        assert!((over..=over + 1).contains(&left), "{over} before, {left} after");
        assert_eq!(worked(rig, EngineClass::Render), 0, "another class");
    });
}

#[test]
fn contexts_that_share_an_engine_have_its_time_between_them() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Render);
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let other = rig.device.client_open(false).unwrap();
        let queues = [rig.queue(vm, engine), rig.queue(vm, engine)];
        let jobs = queues.map(|queue| rig.exec(queue, VA, &[]).unwrap());
        rig.pass(Nanos::from_millis(60));
        let both = worked(rig, EngineClass::Render);
        assert!((50..=63).contains(&both), "{both} ms of 60");
        assert_eq!(rig.device.client_ticks(other).unwrap().of(EngineClass::Render), 0);
        spinner.end(rig);
        assert!(jobs.map(|job| rig.wait(job)).iter().all(|state| *state == TicketState::Done));
    });
}

#[test]
fn a_reset_takes_back_nothing_and_adds_nothing_that_was_not() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let engine = rig.engine(EngineClass::Copy);
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let queue = rig.queue(vm, engine);
        let job = rig.exec(queue, VA, &[]).unwrap();
        rig.pass(Nanos::from_millis(20));
        let before = worked(rig, EngineClass::Copy);
        rig.device.reset_gt(engine.gt.into()).unwrap();
        rig.settle();
        rig.pass(Nanos::from_millis(20));
        let after = worked(rig, EngineClass::Copy);
        assert!((before..=before + 25).contains(&after), "{before} ms before, {after} after");
        spinner.end(rig);
        assert_eq!(rig.wait(job), TicketState::Done);
    });
}

#[test]
fn memory_is_shared_once_another_has_it_and_active_while_work_may_reach_it() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let used = |rig: &Rig<'_>| rig.device.client_memory(rig.client).unwrap();
        assert_eq!(used(rig), MemoryUse::default());
        let vm = rig.vm();
        let spinner = Spinner::new(rig, vm, VA, ARB_CHECK);
        let loose = rig.bo(0x3000);
        assert_eq!(used(rig), MemoryUse { total: 0x4000, shared: 0, active: 0 });
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let job = rig.exec(queue, VA, &[]).unwrap();
        assert_eq!(used(rig), MemoryUse { total: 0x4000, shared: 0, active: 0x1000 });
        let exported = rig.device.bo_export(rig.client, loose.bo).unwrap();
        assert_eq!(used(rig).shared, 0x3000);
        let other = rig.device.client_open(false).unwrap();
        let handle = rig.device.bo_import(other, &exported).unwrap();
        rig.device.bo_export_close(exported).unwrap();
        assert_eq!(used(rig).shared, 0x3000, "two have it");
        assert_eq!(rig.device.client_memory(other), Ok(MemoryUse { total: 0x3000, shared: 0x3000, active: 0 }));
        rig.device.bo_close(other, handle).unwrap();
        assert_eq!(used(rig).shared, 0);
        spinner.end(rig);
        assert_eq!(rig.wait(job), TicketState::Done);
        assert_eq!(used(rig), MemoryUse { total: 0x4000, shared: 0, active: 0 });
    });
}

#[test]
fn a_name_leads_to_an_object_as_long_as_somebody_has_it() {
    on_each_platform_by(TableWriter::Auto, |rig| {
        let bo = rig.bo(0x2000);
        let other = rig.device.client_open(true).unwrap();
        let errno = |result: Result<u32, barexe_core::Error>| result.map_err(|error| error.errno());
        assert_eq!(errno(rig.device.bo_open(other, bo.bo)), Err(Errno::ENOENT), "it has no name yet");
        let name = rig.device.bo_name(rig.client, bo.bo).unwrap();
        assert_eq!(rig.device.bo_name(rig.client, bo.bo), Ok(name));
        assert_eq!(errno(rig.device.bo_name(other, bo.bo)), Err(Errno::ENOENT), "another's");
        let handle = rig.device.bo_open(other, name).unwrap();
        assert_eq!(rig.device.bo_size(other, handle), Ok(0x2000));
        assert_eq!(rig.device.client_memory(other).unwrap().shared, 0x2000);
        let again = rig.device.bo_open(other, name).unwrap();
        assert_ne!(again, handle, "each time a new one");
        rig.device.bo_close(other, again).unwrap();
        rig.device.bo_close(rig.client, bo.bo).unwrap();
        assert_eq!(rig.device.bo_name(other, handle), Ok(name), "it is still there");
        rig.device.bo_close(other, handle).unwrap();
        assert_eq!(errno(rig.device.bo_open(other, name)), Err(Errno::ENOENT));
    });
}
