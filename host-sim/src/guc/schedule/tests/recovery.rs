//! Contexts that do not leave, and faults.

use super::*;
use crate::fault::Action;
use EngineClass::Copy;
use barexe_hal::Nanos;

/// The events of a context that was reset.
fn hang(rig: &Rig, context: u32) -> Event {
    let image = u64::from(Rig::lrca(context)) | 0x19 | 3 << 61 | u64::from(context) << 37;
    assert!(rig.scheduler.contexts.contains_key(&context));
    Event::Hang { engine: (Copy, 0), context, image }
}

#[test]
fn a_polite_spinner_stops_within_its_limit() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.pass(MS);
    rig.events();
    rig.set(1, &[Policy::PreemptionTimeout(1_000)]);
    rig.enable(1, false);
    rig.pass(MS / 2);
    assert_eq!((rig.events(), rig.state(Copy, 0)), (vec![mode(1, false)], State::Idle));
    rig.enable(1, true);
    rig.put(Rig::lrca(1) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!(rig.fence(1), 1, "it went on");
}

#[test]
fn one_that_does_not_leave_loses_its_engine() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, false);
    rig.start(2, Copy, 1);
    rig.short(2);
    rig.pass(3 * MS);
    assert_eq!(rig.fence(2), 0);
    rig.events();
    rig.set(1, &[Policy::PreemptionTimeout(1_000)]);
    rig.enable(1, false);
    assert_eq!(rig.scheduler.next_look_ns(), Some(5 * MS), "its way out ends a millisecond after now");
    rig.pass(MS + 40_000);
    assert_eq!(rig.events(), [hang(&rig, 1), Event::ContextReset(1), mode(1, false)]);
    rig.pass(MS);
    assert_eq!((rig.fence(1), rig.fence(2)), (0, 1));
    rig.ask(Request::Deregister(1)).unwrap();
}

#[test]
fn a_reset_context_is_stopped_until_the_host_lets_it_run() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, false);
    rig.set(1, &[Policy::PreemptionTimeout(1_000), Policy::Quantum(1_000)]);
    rig.start(2, Copy, 1);
    rig.short(2);
    rig.pass(5 * MS);
    assert_eq!(rig.fence(2), 1, "the end of its time was the end of the first");
    let image = hang(&rig, 1);
    assert_eq!(rig.events(), [mode(1, true), mode(2, true), image, Event::ContextReset(1)]);
    assert_eq!(rig.state(Copy, 0), State::Idle);
    rig.put(Rig::lrca(1) + BATCH, &[END]);
    rig.ask(Request::Schedule(1)).unwrap();
    rig.pass(MS);
    assert_eq!((rig.fence(1), rig.state(Copy, 0)), (0, State::Idle), "work that was under way does not bring it back");
    rig.enable(1, true);
    rig.pass(MS);
    assert_eq!((rig.fence(1), rig.events()), (1, vec![mode(1, true)]));
}

#[test]
fn without_engine_resets_one_that_does_not_leave_stays() {
    let mut rig = Rig::tgl();
    rig.ask(Request::GlobalPolicies { resets_engines: false }).unwrap();
    rig.start(1, Copy, 1);
    rig.spinner(1, false);
    rig.set(1, &[Policy::PreemptionTimeout(1)]);
    rig.pass(MS);
    rig.enable(1, false);
    rig.pass(10 * MS);
    assert_eq!((rig.events(), rig.on(Copy, 0)), (vec![mode(1, true)], Some(1)));
    assert_eq!(rig.scheduler.next_look_ns(), None);
}

#[test]
fn a_reset_that_fails_is_told_once() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, false);
    rig.set(1, &[Policy::PreemptionTimeout(1)]);
    rig.pass(MS);
    rig.events();
    rig.bus.next_reset = Some(Action::Drop);
    rig.enable(1, false);
    rig.pass(10 * MS);
    assert_eq!(rig.events(), [hang(&rig, 1), Event::EngineFailure { engine: (Copy, 0), reason: 1 }]);
}

#[test]
fn an_address_that_does_not_translate_is_told_and_ends_with_a_reset() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.put(Rig::lrca(1) + BATCH, &[0x1040_0002, 0x700_0000, 0, 1, END]);
    rig.pass(5 * MS);
    assert_eq!(rig.events(), [mode(1, true), Event::MemoryError { context: Some(1) }]);
    assert_eq!((rig.state(Copy, 0), rig.bus.faults.len()), (State::Halted, 1));
    rig.set(1, &[Policy::PreemptionTimeout(1)]);
    rig.enable(1, false);
    rig.pass(MS);
    assert_eq!(rig.events(), [hang(&rig, 1), Event::ContextReset(1), mode(1, false)]);
    assert_eq!(rig.state(Copy, 0), State::Idle);
}

#[test]
fn a_hung_engine_comes_back_with_a_reset() {
    let mut rig = Rig::tgl();
    rig.bus.next_load = Some(Action::Hang);
    rig.start(1, Copy, 1);
    rig.short(1);
    rig.pass(MS);
    assert_eq!(rig.fence(1), 0);
    rig.set(1, &[Policy::PreemptionTimeout(1)]);
    rig.enable(1, false);
    rig.pass(MS);
    assert_eq!(rig.events(), [mode(1, true), hang(&rig, 1), Event::ContextReset(1), mode(1, false)]);
    rig.start(2, Copy, 1);
    rig.short(2);
    rig.pass(MS);
    assert_eq!(rig.fence(2), 1);
}

#[test]
fn a_late_load_comes_and_a_lost_one_does_not() {
    let mut rig = Rig::tgl();
    rig.bus.next_load = Some(Action::Delay(Nanos::new(3 * MS)));
    rig.start(1, Copy, 1);
    rig.short(1);
    rig.pass(2 * MS);
    assert_eq!((rig.fence(1), rig.scheduler.next_look_ns()), (0, Some(4 * MS + 10_000)));
    rig.pass(2 * MS);
    assert_eq!(rig.fence(1), 1);
    rig.bus.next_load = Some(Action::Drop);
    rig.job(1, 2);
    rig.ask(Request::Schedule(1)).unwrap();
    rig.pass(5 * MS);
    assert_eq!(rig.fence(1), 1);
}
