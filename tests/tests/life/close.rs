//! Contract 11: close is as careful as probe. Whatever was going on, the device is as it was found, every buffer came
//! back once, and the next open works.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of these tests fail by panicking, cut addresses in halves, and print how many points a sweep had"
)]

use barexe_core::Storage;
use barexe_core::device::TableWriter;
use barexe_core::gt::{Engine, EngineClass, IrqFlag};
use barexe_hal::{ConfigSpace as _, Nanos};
use barexe_sim::{DeviceSnapshot, Fault, Platform, Sim};
use barexe_tests::found::found;
use barexe_tests::rig::{BATCH_END, JUMP, Rig, binary, on_each_platform_by, store, tiled_platforms};
use barexe_tests::scenario::{EVERYTHING, Step};
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

/// GGTT pages that firmware maps on each tile: below what the driver may use, a boot display in the middle, the last usable page,
/// and one above.
fn plant(sim: &Sim) {
    let display = (0x4000..0x4300).map(|page| (page, 0x1_2345_6001 + (u64::from(page) << 12)));
    for (page, entry) in
        [(0x10, 0x7000_1001), (0xF_EDFF, 0x7000_2001), (0xF_EE00, 0x7000_3001)].into_iter().chain(display)
    {
        for tile in 0..u32::from(sim.platform().tiles) {
            sim.plant_ggtt(tile << 20 | page, entry);
        }
    }
}

fn check_as_found(sim: &Sim, before: &DeviceSnapshot, what: &str) {
    let (given, taken) = sim.buffers();
    assert_eq!(given, taken, "{what}: buffers");
    assert_eq!(sim.violations(), Vec::<String>::new(), "{what}");
    assert_eq!(&found(sim), before, "{what}");
}

/// Opens, takes the first steps of the scenario, and closes.
fn visit<'s>(sim: &Sim, (storage, irq): (Storage<'s>, &'s Arc<IrqFlag>), steps: &[Step], what: &str) -> Storage<'s> {
    let mut world = World::open(sim, storage, irq).unwrap_or_else(|refused| panic!("{what}: open: {}", refused.error));
    for step in steps {
        world.step(step).unwrap_or_else(|error| panic!("{what}: {step:?}: {error}"));
    }
    world.close()
}

#[test]
fn firmwares_ggtt_entries_survive_and_the_device_can_be_opened_again() {
    for platform in tiled_platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        plant(&sim);
        let before = found(&sim);
        let mut owner = boxed();
        let mut storage = owner.lend();
        for round in 0..3 {
            let what = format!("{} round {round}", platform.name);
            storage = visit(&sim, (storage, &irq), EVERYTHING, &what);
            check_as_found(&sim, &before, &what);
        }
    }
}

#[test]
fn the_command_register_is_put_back_as_firmware_left_it() {
    for platform in tiled_platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        let mut owner = boxed();
        let mut storage = owner.lend();
        for command in [0, 2, 6, 0x404] {
            assert_eq!(sim.hal().config_write32(4, command), Ok(()));
            let before = found(&sim);
            storage = visit(&sim, (storage, &irq), &[], platform.name);
            check_as_found(&sim, &before, &format!("{} with command {command:#x}", platform.name));
        }
    }
}

/// After each step of the scenario: with objects made and nothing run, with work waiting, with work in the rings, with
/// objects that are gone for their client but not for the device.
#[test]
fn close_in_the_middle_of_anything() {
    for platform in tiled_platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        plant(&sim);
        let before = found(&sim);
        let mut owner = boxed();
        let mut storage = owner.lend();
        for count in 0..=EVERYTHING.len() {
            let what = format!("{} closed after {count} steps", platform.name);
            let (steps, _) = EVERYTHING.split_at(count);
            storage = visit(&sim, (storage, &irq), steps, &what);
            check_as_found(&sim, &before, &what);
            assert_eq!(sim.halted(), [], "{what}");
        }
        println!("{}: closed after each of {} steps", platform.name, EVERYTHING.len());
    }
}

const VA: u64 = 0x1A_0000;

/// What keeps an engine busy for ever. Each is a batch at [`VA`].
fn endless() -> [(&'static str, Vec<u32>); 3] {
    let [low, high] = [VA as u32, (VA >> 32) as u32];
    let mut storing = store(VA + 0x800, 7).to_vec();
    storing.extend([JUMP, low, high]);
    // Waits for a word of its own batch to become 1.
    let waiting = vec![0x0E00_C003, 1, low + 0x700, high, 0];
    let faulting = store(0x7000_0000_0000, 7).to_vec();
    [("a loop", storing), ("a semaphore that nobody signals", waiting), ("a page fault", faulting)]
}

/// Puts an endless batch on `engine`, work behind it, and work that waits for it elsewhere.
fn hang(rig: &mut Rig<'_>, engine: Engine, batch: &[u32]) {
    let vm = rig.vm();
    let bo = rig.bo(0x1000);
    rig.bind_now(vm, &[rig.map_op(bo, VA)]);
    rig.write(bo, 0, batch);
    let (queue, never) = (rig.queue(vm, engine), rig.syncobj());
    rig.exec(queue, VA, &[binary(never, true)]).unwrap();
    rig.exec(queue, VA, &[]).unwrap();
    rig.bind(vm, 0, &[rig.unmap_op(VA, 0x1000)], &[binary(never, false)]).unwrap();
    let other = rig.engines().into_iter().find(|other| other.class != engine.class).unwrap();
    let other = rig.queue(vm, other);
    rig.exec(other, VA, &[binary(never, false)]).unwrap();
    rig.settle();
    assert!(!rig.device.is_quiet(), "it ended");
}

/// Longest time close may take: the drain, the reset of two GTs, and what switching off takes.
const CLOSE_LIMIT: Nanos = Nanos::from_millis(120);

/// Hangs an engine, closes, and opens again for the whole scenario.
fn close_hung(platform: &Platform, engine: usize, name: &str, batch: &[u32]) {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    plant(&sim);
    let before = found(&sim);
    let mut owner = boxed();
    let mut rig = Rig::open(&sim, owner.lend());
    let engine = rig.engines()[engine];
    let what = format!("{} {:?} in {name}", platform.name, engine.class);
    hang(&mut rig, engine, batch);
    let start = sim.time();
    let storage = rig.close();
    assert!(
        sim.time().saturating_sub(start) < CLOSE_LIMIT,
        "{what}: close took {:?}",
        sim.time().saturating_sub(start)
    );
    check_as_found(&sim, &before, &what);
    visit(&sim, (storage, &irq), EVERYTHING, &what);
    check_as_found(&sim, &before, &format!("{what}, then opened again"));
}

#[test]
fn close_ends_what_does_not_end_by_itself() {
    let mut count = 0;
    for platform in tiled_platforms() {
        let [a_loop, rest @ ..] = endless();
        // The loop keeps the simulator busy for the whole time that close waits: two engines are enough.
        let loops = [(&a_loop, 1), (&a_loop, 3)];
        let others =
            (0..5 * usize::from(platform.tiles)).flat_map(|engine| rest.iter().map(move |batch| (batch, engine)));
        for ((name, batch), engine) in loops.into_iter().chain(others) {
            close_hung(&platform, engine, name, batch);
            count += 1;
        }
    }
    println!("closed in {count} hangs");
}

/// The submission never arrived, so the batch never runs: as far as the driver can see, a hang.
#[test]
fn close_ends_work_that_the_engine_never_heard_of() {
    on_each_platform_by(TableWriter::Cpu, |rig| {
        rig.sim.set_faults(&[Fault::DropsWrites(0x2_2550)]);
        let engine = rig.engine(EngineClass::Copy);
        hang(rig, engine, &[BATCH_END, 0]);
        rig.sim.set_faults(&[]);
    });
}

/// An engine that goes on whatever one does: its memory is only given back once it can reach none.
#[test]
fn close_takes_the_bus_away_from_an_engine_that_a_reset_does_not_stop() {
    for platform in tiled_platforms() {
        let sim = sim(&platform);
        let before = found(&sim);
        let mut owner = boxed();
        let mut rig = Rig::open(&sim, owner.lend());
        let engine = rig.engine(EngineClass::Copy);
        let [(name, batch), ..] = endless();
        hang(&mut rig, engine, &batch);
        // Requests are lost, and the register says that they are under way.
        sim.set_faults(&[Fault::DropsWrites(0x941C), Fault::Reads(0x941C, 1)]);
        let start = sim.time();
        let _ = rig.close();
        assert!(sim.time().saturating_sub(start) < CLOSE_LIMIT);
        let _ = sim.run(10_000);
        check_as_found(&sim, &before, name);
    }
}
