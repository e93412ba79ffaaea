//! Contract 8: the core is one value. Two devices run in one process, call by call in turns, and know nothing of each
//! other.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, and count"
)]

use barexe_core::device::{Config, DeviceState, TicketState};
use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_core::{Error, ObjectKind};
use barexe_sim::{Fault, Platform, Sim};
use barexe_tests::found::{core_state, found};
use barexe_tests::rig::{BATCH_END, Rig, platforms};
use barexe_tests::scenario::EVERYTHING;
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

fn check_over(sim: &Sim, what: &str) {
    let (given, taken) = sim.buffers();
    assert_eq!((given, sim.violations(), sim.halted()), (taken, vec![], vec![]), "{what}");
}

fn step(world: &mut World<'_>, index: usize, what: &str) {
    let step = &EVERYTHING[index];
    world.step(step).unwrap_or_else(|error| panic!("{what}: {step:?}: {error}"));
}

/// The scenario on both, the second one `lag` steps behind the first, each step of one right after a step of the other.
fn in_turns(first: &Platform, second: &Platform, lag: usize) {
    let (one, other) = (sim(first), sim(second));
    let (irq_one, irq_other) = (Arc::new(IrqFlag::new()), Arc::new(IrqFlag::new()));
    let mut storage = [boxed(), boxed()];
    let [lent_one, lent_other] = &mut storage;
    let mut world_one = World::open(&one, lent_one.lend(), &irq_one).unwrap();
    let mut world_other = World::open(&other, lent_other.lend(), &irq_other).unwrap();
    let what = format!("{} and {}, {lag} steps apart", first.name, second.name);
    for index in 0..EVERYTHING.len() + lag {
        if index < EVERYTHING.len() {
            step(&mut world_one, index, &what);
        }
        if let Some(index) = index.checked_sub(lag) {
            step(&mut world_other, index, &what);
        }
    }
    let _ = (world_other.close(), world_one.close());
    check_over(&one, &what);
    check_over(&other, &what);
}

#[test]
fn two_devices_run_the_scenario_in_turns() {
    let [tgl, lnl] = platforms();
    for lag in [0, 1, 7, EVERYTHING.len() / 2, EVERYTHING.len()] {
        in_turns(&tgl, &lnl, lag);
        in_turns(&lnl, &tgl, lag);
    }
    in_turns(&tgl, &tgl, 3);
    in_turns(&lnl, &lnl, 3);
    in_turns(&Platform::tgl_with_tiles(2), &lnl, 3);
}

/// One goes away in the middle of its work; the other finishes.
#[test]
fn a_device_that_is_gone_is_no_matter_to_the_other() {
    for (first, second) in [(Platform::tgl(), Platform::lnl()), (Platform::lnl(), Platform::tgl())] {
        let (gone, well) = (sim(&first), sim(&second));
        let (irq_gone, irq_well) = (Arc::new(IrqFlag::new()), Arc::new(IrqFlag::new()));
        let mut storage = [boxed(), boxed()];
        let [lent_gone, lent_well] = &mut storage;
        let mut world_gone = World::open(&gone, lent_gone.lend(), &irq_gone).unwrap();
        let mut world_well = World::open(&well, lent_well.lend(), &irq_well).unwrap();
        let mut refused = 0u32;
        for (index, what) in EVERYTHING.iter().enumerate() {
            if index == 30 {
                gone.set_faults(&[Fault::GoneFromAccess(0)]);
            }
            if world_gone.device.state() == DeviceState::Live {
                step(&mut world_gone, index, first.name);
            } else {
                refused += u32::from(what.needs_device() && world_gone.step(what) == Err(Error::DeviceGone));
            }
            step(&mut world_well, index, second.name);
        }
        assert!(refused >= 4, "{refused} calls on the device that is gone");
        let _ = (world_gone.close(), world_well.close());
        check_over(&well, second.name);
        assert_eq!(gone.buffers().0, gone.buffers().1);
    }
}

/// Devices with different tags: a handle of one is refused by the other, also where the other has an object in that very
/// place.
#[test]
fn handles_of_the_other_device_are_errors() {
    let [tgl, lnl] = platforms();
    let sims = [sim(&tgl), sim(&lnl)];
    let before = sims.each_ref().map(found);
    let mut storage = [boxed(), boxed()];
    let [lent_one, lent_other] = &mut storage;
    let tagged = |tag| Config { tag, ..Config::default() };
    let mut one = Rig::open_as(&sims[0], lent_one.lend(), tagged(1));
    let mut other = Rig::open_as(&sims[1], lent_other.lend(), tagged(2));
    let work = |rig: &mut Rig<'_>| {
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, 0x1A_0000)]);
        rig.write(bo, 0, &[BATCH_END, 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let ticket = rig.exec(queue, 0x1A_0000, &[]).unwrap();
        assert_eq!(rig.wait(ticket), TicketState::Done);
        (bo, ticket)
    };
    let ((bo, ticket), (own_bo, own_ticket)) = (work(&mut one), work(&mut other));
    assert_eq!((bo.mapping.id(), one.client.id()), (own_bo.mapping.id(), other.client.id()), "the same places");

    let state = core_state(&other.device);
    let missing = |kind, id| Error::NotFound { kind, id };
    let client = one.client;
    assert_eq!(other.device.syncobj_create(client, false), Err(missing(ObjectKind::Client, client.id())));
    assert_eq!(other.device.client_close(client), Err(missing(ObjectKind::Client, client.id())));
    let mapping = other.device.bo_unmap(other.client, bo.mapping);
    assert_eq!(mapping, Err(missing(ObjectKind::BoMapping, bo.mapping.id())));
    assert!(matches!(other.device.ticket_state(ticket), Err(Error::NotFound { kind: ObjectKind::Work, .. })));
    assert_eq!(core_state(&other.device), state);
    assert_eq!(other.device.ticket_state(own_ticket), Ok(TicketState::Done));

    let _ = (one.close(), other.close());
    for (sim, before) in sims.iter().zip(before) {
        check_over(sim, "handles");
        assert_eq!(found(sim), before);
    }
}
