//! Contract 1, second half: a device that is gone from any register access on.
//!
//! The call under way is refused with everything as before, or it was accepted: then every fence ends with an error
//! and later calls are refused. Close gives every buffer back, and the next open, on another part, works: each point
//! of a sweep begins with the storage that the point before it got back.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of these tests fail by panicking, count, and print how many points a sweep had"
)]

use barexe_core::device::{DeviceState, TicketState};
use barexe_core::gt::IrqFlag;
use barexe_core::{Errno, Error, Storage};
use barexe_sim::{Fault, Platform};
use barexe_tests::rig::rows;
use barexe_tests::scenario::{EVERYTHING, Step};
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

/// Register accesses, counted when the GTs were up, when the device was open, after each step, and after close.
struct Counts {
    up: u64,
    open: u64,
    after: Vec<u64>,
    close: u64,
}

/// How the points of a sweep went.
#[derive(Debug, Default)]
struct Tally {
    /// Open was refused.
    open_refused: u64,
    /// The call during which it went was refused.
    call_refused: u64,
    /// The call during which it went had been accepted, and a poll found out.
    accepted: u64,
    /// Accepted work ended with an error.
    failed: u64,
    /// Nothing was left to do when it went, or only to close.
    unnoticed: u64,
}

fn count<'s>(platform: &Platform, storage: Storage<'s>, irq: &'s Arc<IrqFlag>) -> (Counts, Storage<'s>) {
    let gts = sim(platform);
    drop(barexe_core::gt::bring_up_among(&mut gts.hal(), rows(platform), false));
    let sim = sim(platform);
    let mut world = World::open(&sim, storage, irq).unwrap_or_else(|refused| panic!("open: {}", refused.error));
    let open = sim.mmio_accesses();
    let after = EVERYTHING.iter().map(|step| {
        world.step(step).unwrap_or_else(|error| panic!("{step:?}: {error}"));
        sim.mmio_accesses()
    });
    let after = after.collect();
    let storage = world.close();
    (Counts { up: gts.mmio_accesses(), open, after, close: sim.mmio_accesses() }, storage)
}

impl Counts {
    fn end(&self) -> u64 {
        self.after.last().copied().unwrap_or(self.open)
    }

    /// Where the device goes: at each `stride`-th access while the GTs come up and while work is done, at the first,
    /// the last and some in between of the many GGTT accesses of open and close.
    fn points(&self, stride: usize) -> Vec<u64> {
        let thin = |from: u64, to: u64| (from..to).filter(move |n| n - from < 8 || to - n < 8 || n % 2000 == 0);
        let up = (0..self.up).step_by(stride).chain(thin(self.up, self.open));
        up.chain((self.open..self.end()).step_by(stride)).chain(thin(self.end(), self.close)).collect()
    }
}

/// Takes the step during which the device goes: refused with nothing changed, or accepted.
fn step_while_it_goes(world: &mut World<'_>, step: &Step, what: &str) -> Result<(), Error> {
    let before = if step.can_be_refused() { Some(world.state()) } else { None };
    let result = world.step(step);
    if let (Err(error), Some(before)) = (result, before) {
        assert_eq!(before.difference(&world.state()), None, "{what}: {step:?} refused with {error}");
    }
    result
}

/// Takes a step on a device that is gone, whether the driver has noticed or not.
fn step_when_gone(world: &mut World<'_>, step: &Step, what: &str) {
    let noticed = world.device.state() != DeviceState::Live;
    let before = world.core_state();
    let result = world.step(step);
    let code = result.map_err(|error| error.errno());
    assert!(result.is_ok() || world.core_state() == before, "{what}: {step:?} refused with {code:?}");
    assert!(!matches!((step, result), (Step::Wait, Err(_))), "{what}: work hangs on a device that is gone");
    if noticed && step.needs_device() {
        assert_eq!(code, Err(Errno::ENODEV), "{what}: {step:?} on a device known to be gone");
    }
}

/// Once the driver knows, no work is pending any more; whether some failed.
fn check_work_has_ended(world: &World<'_>, what: &str) -> bool {
    let mut failed = false;
    for outcome in world.outcomes() {
        failed |= outcome == Ok(TicketState::Failed(Error::DeviceGone));
        let ended = match outcome {
            Ok(TicketState::Failed(error)) => error == Error::DeviceGone || error == Error::Canceled,
            Ok(TicketState::Done) | Err(Error::NotFound { .. }) => true,
            Ok(TicketState::Pending) | Err(_) => false,
        };
        assert!(ended, "{what}: work is {outcome:?}");
    }
    failed
}

/// The scenario on a device that is gone from the given access on.
fn run<'s>(
    platform: &Platform,
    counts: &Counts,
    gone: u64,
    (storage, irq): (Storage<'s>, &'s Arc<IrqFlag>),
    tally: &mut Tally,
) -> Storage<'s> {
    let what = format!("{} gone from access {gone}", platform.name);
    let sim = sim(platform);
    sim.set_faults(&[Fault::GoneFromAccess(gone)]);
    let storage = match World::open(&sim, storage, irq) {
        Err(refused) => {
            tally.open_refused += 1;
            assert_eq!(refused.error.errno(), Errno::ENODEV, "{what}: open: {}", refused.error);
            refused.storage
        }
        Ok(mut world) => {
            scenario(&mut world, counts, gone, &what, tally);
            world.close()
        }
    };
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{what}: buffers");
    assert_eq!(sim.violations(), Vec::<String>::new(), "{what}");
    let left = sim.snapshot();
    assert_eq!((left.command, left.interrupts), (0, false), "{what}: bus mastering or interrupts are left on");
    storage
}

fn scenario(world: &mut World<'_>, counts: &Counts, gone: u64, what: &str, tally: &mut Tally) {
    let (mut met, mut failed) = (None, false);
    for (step, after) in EVERYTHING.iter().zip(&counts.after) {
        if matches!(step, Step::Check(_)) && world.device.state() != DeviceState::Live {
            continue;
        }
        if gone >= *after {
            world.step(step).unwrap_or_else(|error| panic!("{what}: {step:?}: {error}"));
        } else if met.is_none() {
            met = Some(step_while_it_goes(world, step, what));
        } else {
            step_when_gone(world, step, what);
        }
        if world.device.state() != DeviceState::Live {
            failed |= check_work_has_ended(world, what);
        }
    }
    tally.failed += u64::from(failed);
    match (world.device.state(), met) {
        (DeviceState::Gone, Some(Err(_))) => tally.call_refused += 1,
        (DeviceState::Gone, _) => tally.accepted += 1,
        (DeviceState::Live, _) => tally.unnoticed += 1,
        (DeviceState::Wedged | DeviceState::Suspended, _) => panic!("{what}: taken for broken"),
    }
    if world.device.state() == DeviceState::Gone {
        for step in EVERYTHING.iter().filter(|step| step.needs_device()) {
            let code = world.step(step).map_err(|error| error.errno());
            assert_eq!(code, Err(Errno::ENODEV), "{what}: {step:?} after everything");
        }
    }
}

fn sweep(platform: &Platform, stride: usize) {
    let irq = Arc::new(IrqFlag::new());
    let mut owner = boxed();
    let (counts, mut storage) = count(platform, owner.lend(), &irq);
    let (points, mut tally) = (counts.points(stride), Tally::default());
    for gone in &points {
        storage = run(platform, &counts, *gone, (storage, &irq), &mut tally);
    }
    println!("{}: gone at {} of {} register accesses: {tally:?}", platform.name, points.len(), counts.close);
    assert!(
        points.len() >= 400 && tally.open_refused >= 100 && tally.accepted >= 100 && tally.failed >= 100,
        "{tally:?}"
    );
}

#[test]
fn gone_from_any_register_access_on_tiger_lake() {
    sweep(&Platform::tgl(), 1);
}

#[test]
fn gone_from_any_register_access_on_two_tiles() {
    sweep(&Platform::tgl_with_tiles(2), 2);
}

/// Four writes that flush come before each read here, so that a stride of four loses each read.
#[test]
fn gone_from_any_register_access_on_lunar_lake() {
    sweep(&Platform::lnl(), 4);
}
