//! Contract 1, first half: each HAL call that can fail is made to fail once, at every place of a scenario.
//!
//! The call of the driver that meets the failure is refused and leaves everything as it was; the same call then
//! succeeds, and the scenario ends with the right results.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, count, and print how many points a sweep had"
)]

use barexe_core::gt::IrqFlag;
use barexe_core::{Error, Storage};
use barexe_sim::{Fault, INJECTED, Platform, Sim};
use barexe_tests::found::found;
use barexe_tests::rig::platforms;
use barexe_tests::scenario::{Check, EVERYTHING, Step};
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

/// HAL calls that can fail, counted when the device was open, after each step, and after close.
struct Counts {
    open: u64,
    after: Vec<u64>,
    close: u64,
}

/// What the failures of a sweep met.
#[derive(Debug, Default)]
struct Tally {
    points: u64,
    refused: u64,
    /// The driver went on without what failed: a wait that was only shortened, a restore on the way out.
    absorbed: u64,
}

fn count(platform: &Platform) -> Counts {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    let mut storage = boxed();
    let mut world = World::open(&sim, storage.lend(), &irq).unwrap();
    let open = sim.hal_calls();
    let after = EVERYTHING.iter().map(|step| {
        world.step(step).unwrap_or_else(|error| panic!("{step:?}: {error}, {:?}", sim.halted()));
        sim.hal_calls()
    });
    let after = after.collect();
    let _ = world.close();
    Counts { open, after, close: sim.hal_calls() }
}

/// Whether a refusal is the injected failure and nothing else.
const fn is_injected(error: Error) -> bool {
    if let Error::Hal(cause) | Error::ArrayNoMemory(cause) = error {
        return cause.code() == INJECTED;
    }
    matches!(error, Error::Interrupted)
}

/// Opens with a failure ahead: refused with everything as found and then opened, or opened at once.
fn open<'s>(sim: &Sim, storage: Storage<'s>, irq: &'s Arc<IrqFlag>, tally: &mut Tally) -> World<'s> {
    let before = found(sim);
    let refused = match World::open(sim, storage, irq) {
        Ok(world) => return world,
        Err(refused) => refused,
    };
    tally.refused += 1;
    assert!(is_injected(refused.error), "open: {}", refused.error);
    assert_eq!(found(sim), before, "open refused with {}", refused.error);
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "open refused with {}", refused.error);
    World::open(sim, refused.storage, irq).unwrap_or_else(|again| panic!("open again: {}", again.error))
}

/// Takes a step in which a HAL call fails.
fn fail(world: &mut World<'_>, step: &Step, tally: &mut Tally) {
    // A wait polls before it is interrupted: what it met by then is not undone, and it goes on.
    let before = if matches!(step, Step::Wait | Step::Change(..)) { None } else { Some(world.state()) };
    let Err(error) = world.step(step) else {
        tally.absorbed += 1;
        return;
    };
    tally.refused += 1;
    assert!(is_injected(error), "{step:?}: {error}");
    if let Some(before) = before {
        assert_eq!(before.difference(&world.state()), None, "{step:?} refused with {error}");
    }
    world.step(step).unwrap_or_else(|error| panic!("{step:?} repeated: {error}"));
}

/// The scenario with the HAL call of this number failing.
fn run(platform: &Platform, counts: &Counts, number: u64, tally: &mut Tally) {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    let mut storage = boxed();
    let before = found(&sim);
    sim.set_faults(&[Fault::FailCall(number)]);
    tally.points += 1;
    let mut world = open(&sim, storage.lend(), &irq, tally);
    let mut from = counts.open;
    for (step, after) in EVERYTHING.iter().zip(&counts.after) {
        if (from..*after).contains(&number) {
            fail(&mut world, step, tally);
        } else {
            world.step(step).unwrap_or_else(|error| panic!("call {number}: {step:?}: {error}"));
        }
        from = *after;
    }
    let _ = world.close();
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "call {number}: buffers");
    assert_eq!(sim.violations(), Vec::<String>::new(), "call {number}");
    assert_eq!(sim.halted(), [], "call {number}");
    let mut after = found(&sim);
    if number >= from {
        // The only call of close that can fail and that nothing can make up for: the PCI command register.
        tally.absorbed += 1;
        after.command = before.command;
    }
    assert_eq!(after, before, "call {number}");
}

fn sweep(platform: &Platform) {
    let counts = count(platform);
    let mut tally = Tally::default();
    for number in 0..counts.close {
        run(platform, &counts, number, &mut tally);
    }
    println!("{}: {} HAL calls that can fail ({} while opening): {tally:?}", platform.name, counts.close, counts.open);
    assert!(tally.points >= 60 && tally.refused >= 50, "{tally:?}");
    assert_eq!(tally.refused + tally.absorbed, tally.points, "a failure was not met: {tally:?}");
}

/// The scenario with this copy of client memory faulting: whether the call was refused, and how many user fences are
/// missing at the end.
fn run_with_fault(platform: &Platform, number: u64) -> (bool, u32) {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    let mut storage = boxed();
    let mut world = World::open(&sim, storage.lend(), &irq).unwrap();
    world.memory.fails = Some(number);
    let (mut refused, mut missing) = (false, 0);
    for step in EVERYTHING {
        let before = if matches!(step, Step::Bind(..)) && !refused { Some(world.state()) } else { None };
        if let Step::Check(Check::ClientHolds(addr, want)) = step {
            missing += u32::from(world.memory.word(*addr) != Some(*want));
        } else if let Err(error) = world.step(step) {
            assert!(matches!(error, Error::ClientFault(_)) && !refused, "{step:?}: {error}");
            assert_eq!(before.unwrap().difference(&world.state()), None, "{step:?} refused with {error}");
            refused = true;
            world.step(step).unwrap_or_else(|error| panic!("{step:?} repeated: {error}"));
        }
    }
    let _ = world.close();
    let (given, taken) = sim.buffers();
    assert_eq!((given, sim.violations(), sim.halted()), (taken, vec![], vec![]), "copy {number}");
    (refused, missing)
}

/// A bind looks at the place of its user fence before it is accepted; a place that goes later is the client's loss.
#[test]
fn each_copy_of_client_memory_faults_once() {
    for platform in platforms() {
        let met: Vec<_> = (0..5).map(|number| run_with_fault(&platform, number)).collect();
        println!("{}: {} copies of client memory", platform.name, met.len() - 1);
        assert_eq!(met, [(true, 0), (true, 0), (false, 1), (false, 1), (false, 0)], "{}", platform.name);
    }
}

#[test]
fn each_hal_call_fails_once_on_tiger_lake() {
    sweep(&Platform::tgl());
}

#[test]
fn each_hal_call_fails_once_on_two_tiles() {
    sweep(&Platform::tgl_with_tiles(2));
}

#[test]
fn each_hal_call_fails_once_on_lunar_lake() {
    sweep(&Platform::lnl());
}
