//! Time goes on and the engines have no turn: somebody else has the processor.

use super::*;
use EngineClass::Copy;

impl Rig {
    /// A look after so much time, in which no engine did anything.
    fn look_after(&mut self, ns: u64) {
        self.bus.elapsed_ns += ns;
        self.scheduler.serve(&mut World { engines: &mut self.engines, bus: &mut self.bus });
    }

    fn resets(&mut self) -> usize {
        self.events().iter().filter(|event| matches!(event, Event::ContextReset(_))).count()
    }
}

#[test]
fn a_context_whose_engine_had_no_turn_is_not_sent_away() {
    let mut rig = Rig::tgl();
    for context in [1, 2] {
        rig.start(context, Copy, 1);
        rig.spinner(context, true);
    }
    rig.look_after(0);
    for _ in 0..3 {
        rig.look_after(5 * MS);
    }
    rig.turn();
    assert_eq!(rig.on(Copy, 0), Some(1), "it has waited longest");
    rig.turn();
    rig.turn();
    assert_eq!(rig.on(Copy, 0), Some(2), "and its time is over");
}

#[test]
fn an_engine_that_had_no_turn_is_not_reset() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, true);
    rig.set(1, &[Policy::PreemptionTimeout(1_000)]);
    rig.pass(MS);
    rig.enable(1, false);
    for _ in 0..4 {
        rig.look_after(MS);
    }
    assert_eq!((rig.resets(), rig.on(Copy, 0)), (0, Some(1)));
    rig.turn();
    assert_eq!((rig.events(), rig.state(Copy, 0)), (vec![mode(1, false)], State::Idle));
}

#[test]
fn the_turns_of_an_engine_outlive_its_reset() {
    let mut rig = Rig::tgl();
    rig.start(1, Copy, 1);
    rig.spinner(1, false);
    rig.set(1, &[Policy::PreemptionTimeout(1)]);
    rig.pass(MS);
    let turns = rig.engines[0].turns();
    rig.enable(1, false);
    rig.pass(MS);
    assert_eq!(rig.resets(), 1);
    assert!(rig.engines.iter().all(|engine| engine.turns() > turns));
}
