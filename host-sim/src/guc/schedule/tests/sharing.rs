//! Contexts share engines.

use super::*;
use crate::guc::messages::status;
use EngineClass::{Copy, VideoDecode};

#[test]
fn a_context_that_may_run_again_finds_its_translations_forgotten_and_one_with_new_work_does_not() {
    const LEAF: crate::ppgtt::Leaf =
        crate::ppgtt::Leaf { page: Some(0x5000), bytes: 4096, writable: true, atomics: true, pat: 0 };
    let mut rig = Rig::tgl();
    rig.register(1, Copy, 1);
    rig.short(1);
    for (mode, kept) in [(Some(true), false), (None, true), (Some(false), true), (Some(true), false)] {
        let copy = |engine: &&mut Streamer| engine.engine() == (Copy, 0);
        // A context without an address space of its own has number 0.
        rig.engines.iter_mut().find(copy).unwrap().tlb().put_leaf(0, 0x1000, LEAF);
        if mode != Some(false) {
            rig.job(1, 1);
        }
        match mode {
            Some(enabled) => rig.enable(1, enabled),
            None => rig.ask(Request::Schedule(1)).unwrap(),
        }
        rig.pass(MS);
        let tlb = rig.engines.iter_mut().find(copy).unwrap().tlb();
        assert_eq!(tlb.leaf(0, 0x1000).is_some(), kept, "{mode:?}");
    }
}

#[test]
fn a_context_lives_from_its_registration_to_its_end() {
    let mut rig = Rig::tgl();
    rig.start(7, Copy, 1);
    rig.short(7);
    rig.pass(MS);
    assert_eq!((rig.fence(7), rig.events()), (1, vec![mode(7, true)]));
    rig.job(7, 2);
    rig.ask(Request::Schedule(7)).unwrap();
    rig.pass(MS);
    assert_eq!((rig.fence(7), rig.state(Copy, 0)), (2, State::Idle));
    rig.enable(7, false);
    rig.pass(MS);
    assert_eq!(rig.events(), [mode(7, false)]);
    rig.ask(Request::Deregister(7)).unwrap();
    rig.pass(MS);
    assert_eq!(rig.events(), [Event::Deregistered(7)]);
    assert_eq!(rig.ask(Request::Schedule(7)), Err(status::CONTEXT_NOT_REGISTERED));
    assert!(!rig.scheduler.is_busy());
}

#[test]
fn work_of_a_context_that_may_not_run_waits() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.short(1);
    rig.pass(MS);
    rig.enable(1, false);
    rig.pass(MS);
    rig.job(1, 2);
    rig.ask(Request::Schedule(1)).unwrap();
    rig.pass(MS);
    assert_eq!(rig.fence(1), 1);
    rig.enable(1, true);
    rig.pass(MS);
    assert_eq!(rig.fence(1), 2);
    assert_eq!(rig.events(), [mode(1, true), mode(1, false), mode(1, true)]);
}

#[test]
fn two_contexts_of_a_priority_take_turns() {
    let mut rig = Rig::tgl();
    for context in [1, 2] {
        rig.start(context, Copy, 1);
        rig.spinner(context, true);
        rig.set(context, &[Policy::Quantum(1_000)]);
    }
    let mut seen = Vec::new();
    for _ in 0..600 {
        rig.turn();
        let on = rig.on(Copy, 0);
        if on.is_some() && seen.last() != Some(&on) {
            seen.push(on);
        }
    }
    assert_eq!(seen, [1, 2, 1, 2, 1, 2].map(Some), "six milliseconds");
    for context in [1, 2] {
        rig.put(Rig::lrca(context) + BATCH, &[END]);
    }
    rig.pass(2 * MS);
    assert_eq!((rig.fence(1), rig.fence(2)), (1, 1));
}

#[test]
fn one_whose_time_is_over_stays_if_nobody_waits() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.pass(10 * MS);
    let switches = rig.bus.events.iter().filter(|event| matches!(event, crate::trace::Event::SwitchIn { .. }));
    assert_eq!(switches.count(), 1);
    assert_eq!(rig.scheduler.next_look_ns(), None, "and nothing is due");
}

#[test]
fn the_more_urgent_goes_first_and_the_other_goes_on_where_it_was() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.pass(MS / 10);
    rig.start(2, Copy, 1);
    rig.spinner(2, true);
    rig.set(2, &[Policy::Priority(1)]);
    rig.pass(5 * MS);
    assert_eq!(rig.on(Copy, 0), Some(2), "as long as it likes");
    rig.put(Rig::lrca(2) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!((rig.fence(2), rig.on(Copy, 0)), (1, Some(1)));
    rig.put(Rig::lrca(1) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!(rig.fence(1), 1);
}

#[test]
fn contexts_for_two_engines_take_whichever_is_free() {
    let mut rig = Rig::tgl();
    for context in [1, 2] {
        rig.start(context, VideoDecode, 3);
        rig.spinner(context, true);
    }
    rig.pass(MS);
    assert_eq!((rig.on(VideoDecode, 0), rig.on(VideoDecode, 2)), (Some(1), Some(2)));
    rig.start(3, VideoDecode, 3);
    rig.short(3);
    rig.set(3, &[Policy::Priority(1)]);
    rig.pass(MS);
    assert_eq!(rig.fence(3), 1, "one of them made room");
    rig.put(Rig::lrca(2) + BATCH, &[END]);
    rig.pass(5 * MS);
    assert_eq!((rig.fence(2), rig.fence(1)), (1, 0));
}

#[test]
fn new_work_of_a_running_context_needs_no_switch() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.pass(MS);
    rig.job(1, 5);
    rig.ask(Request::Schedule(1)).unwrap();
    rig.turn();
    rig.put(Rig::lrca(1) + BATCH, &[END]);
    rig.pass(MS);
    assert_eq!(rig.fence(1), 5);
    let switches = rig.bus.events.iter().filter(|event| matches!(event, crate::trace::Event::SwitchIn { .. }));
    assert_eq!(switches.count(), 1);
}

#[test]
fn one_that_waits_for_another_makes_room_if_that_was_asked_for() {
    for yields in [true, false] {
        let mut rig = Rig::tgl();
        for context in [1, 2] {
            rig.start(context, Copy, 1);
            rig.set(context, &[Policy::Quantum(0)]);
        }
        // The first waits for what the second stores.
        rig.put(Rig::lrca(1) + BATCH, &[0x0E40_C002, 1, FENCES + 2 * 4, 0, END]);
        rig.short(2);
        if yields {
            rig.scheduler.opt_in(super::super::Feature::YieldOnWait);
        }
        rig.pass(5 * MS);
        assert_eq!((rig.fence(1), rig.fence(2)), if yields { (1, 1) } else { (0, 0) });
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let mut rig = Rig::tgl();
    let image = rig.image(1, Copy);
    let one = Registration { context: 1, kernel: true, class: Copy, engines: 2, images: vec![image], queue: None };
    assert_eq!(rig.ask(Request::Register(one.clone())), Err(status::INVALID_ENGINE), "there is one copy engine");
    let none = Registration { engines: 1, images: Vec::new(), ..one.clone() };
    assert_eq!(rig.ask(Request::Register(none)), Err(status::INVALID_ENGINE));
    let one = Registration { engines: 1, ..one };
    rig.ask(Request::Register(one.clone())).unwrap();
    assert_eq!(rig.ask(Request::Register(one)), Err(status::INVALID_CONTEXT_REGISTRATION));
    assert_eq!(rig.ask(Request::Schedule(2)), Err(status::CONTEXT_NOT_REGISTERED));
    rig.job(1, 1);
    rig.spinner(1, true);
    rig.enable(1, true);
    assert_eq!(rig.ask(Request::SetMode { context: 1, enabled: false }), Err(status::PENDING_ACTION));
    rig.pass(MS);
    assert_eq!(rig.ask(Request::Deregister(1)), Err(status::INVALID_CONTEXT), "it runs");
    rig.enable(1, false);
    assert_eq!(rig.ask(Request::Deregister(1)), Err(status::INVALID_CONTEXT), "it may still run");
    rig.pass(MS);
    rig.ask(Request::Deregister(1)).unwrap();
}

#[test]
fn busy_time_is_told_in_memory() {
    let mut rig = Rig::tgl();
    rig.scheduler.activity = super::super::Activity::at(FENCES + 0x400, QUEUE);
    rig.scheduler.tell_how_busy(&mut rig.bus);
    // The copy engine is class 3, number 0.
    let row = QUEUE + 3 * 32 * 16;
    assert_eq!((rig.get(FENCES + 0x400), rig.get(FENCES + 0x408)), (19_200_000, 1));
    assert_eq!((rig.get(row), rig.get(row + 4)), (0x8000_0001, 0));
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.pass(MS);
    assert_eq!((rig.get(row) & 0xFFFF, rig.get(row + 8)), (2, 0));
    let since = rig.get(row + 4);
    assert!(since >= 19_200, "a millisecond after the beginning");
    rig.enable(1, false);
    rig.pass(MS);
    let busy = rig.get(row + 8);
    assert_eq!((rig.get(row) & 0xFFFF, rig.get(row + 4), rig.get(FENCES + 0x408)), (3, 0, 3));
    assert!((18_000..22_000).contains(&busy), "{busy} ticks of a millisecond");
}
