//! Devices that answer, but wrongly: everything accepted ends with an error, later calls are refused, close gives
//! everything back, and the device works again once it does what it must.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of these tests fail by panicking")]

use barexe_core::device::{Config, Device, DeviceState, TicketState};
use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_sim::{Fault, Platform, SimConfig};
use barexe_tests::found::found;
use barexe_tests::rig::{BATCH_END, Rig, on, on_each_platform, rows, tiled_platforms};
use barexe_tests::scenario::{Check, EVERYTHING, Step};
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Invalidation request of the copy engines, and the status of BCS0's submit port.
const INVALIDATE_COPY: u32 = 0xCEE4;
const STATUS: u32 = 0x2_2234;

/// The scenario with a fault set once the device is open: the state it leaves the device in.
fn scenario_with(platform: &Platform, fault: Fault, cause: Error, refusal: Errno) -> DeviceState {
    let (sim, irq) = (sim(platform), Arc::new(IrqFlag::new()));
    let before = found(&sim);
    let what = format!("{} with {fault:?}", platform.name);
    let mut owner = boxed();
    let mut world = World::open(&sim, owner.lend(), &irq).unwrap_or_else(|e| panic!("{what}: open: {}", e.error));
    sim.set_faults(&[fault]);
    let mut failed = false;
    for step in EVERYTHING {
        let works = world.device.state() == DeviceState::Live;
        if works || !matches!(step, Step::Check(_)) {
            let code = world.step(step).map_err(|error| error.errno());
            assert!(works || !step.needs_device() || code == Err(refusal), "{what}: {step:?} is {code:?}");
            assert!(!works || code.is_ok(), "{what}: {step:?} is {code:?}");
        }
        if world.device.state() != DeviceState::Live {
            for outcome in world.outcomes() {
                failed |= outcome == Ok(TicketState::Failed(cause));
                let ended = [Ok(TicketState::Failed(cause)), Ok(TicketState::Done)].contains(&outcome);
                assert!(ended || matches!(outcome, Err(Error::NotFound { .. })), "{what}: work is {outcome:?}");
            }
        }
    }
    let state = world.device.state();
    assert!(failed, "{what}: no work failed");
    sim.set_faults(&[]);
    let storage = world.close();
    assert_eq!((sim.buffers().0, sim.violations()), (sim.buffers().1, vec![]), "{what}");
    assert_eq!(found(&sim), before, "{what}");
    let mut world = World::open(&sim, storage, &irq).unwrap_or_else(|e| panic!("{what}: open again: {}", e.error));
    for step in EVERYTHING {
        world.step(step).unwrap_or_else(|error| panic!("{what}, healed: {step:?}: {error}"));
    }
    let _ = world.close();
    assert_eq!(found(&sim), before, "{what}");
    state
}

#[test]
fn an_invalidation_that_never_finishes_wedges_the_device() {
    for platform in tiled_platforms() {
        let fault = Fault::Reads(INVALIDATE_COPY, 1);
        let state = scenario_with(&platform, fault, Error::TimedOut, Errno::ECANCELED);
        assert_eq!(state, DeviceState::Wedged, "{}", platform.name);
    }
    let fault = Fault::Reads(1 << 24 | INVALIDATE_COPY, 1);
    let state = scenario_with(&Platform::tgl_with_tiles(2), fault, Error::TimedOut, Errno::ECANCELED);
    assert_eq!(state, DeviceState::Wedged, "tile 1");
}

#[test]
fn a_submit_port_that_reads_as_ones_is_a_device_that_is_gone() {
    for platform in tiled_platforms() {
        let fault = Fault::ReadsAllOnes(STATUS);
        let state = scenario_with(&platform, fault, Error::DeviceGone, Errno::ENODEV);
        assert_eq!(state, DeviceState::Gone, "{}", platform.name);
    }
}

/// Nobody is told of finished work: polling alone finds out.
#[test]
fn lost_interrupts_only_cost_time() {
    for platform in tiled_platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        let mut owner = boxed();
        let mut world = World::open(&sim, owner.lend(), &irq).unwrap();
        sim.lose_messages(u32::MAX);
        for step in EVERYTHING {
            world.step(step).unwrap_or_else(|error| panic!("{}: {step:?}: {error}", platform.name));
        }
        assert!(EVERYTHING.iter().any(|step| matches!(step, Step::Check(Check::Holds(..)))));
        let _ = world.close();
        assert_eq!((sim.buffers().0, sim.violations()), (sim.buffers().1, vec![]));
    }
}

/// The device says nothing more until it was asked what it had to say: somebody must ask without being told.
#[test]
fn one_lost_interrupt_does_not_silence_the_next() {
    for platform in tiled_platforms() {
        let (sim, irq) = (sim(&platform), Arc::new(IrqFlag::new()));
        let mut owner = boxed();
        let config = Config { platforms: rows(&platform), ..Config::default() };
        let device = Device::open(sim.hal(), owner.lend(), config, Some(&irq));
        let mut device = device.unwrap_or_else(|refused| panic!("open: {}", refused.error));
        let client = device.client_open(true).unwrap();
        let mut rig = Rig { sim: sim.clone(), device, client };
        let (vm, bo) = (rig.vm(), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, 0x1A_0000)]);
        rig.write(bo, 0, &[BATCH_END, 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        let (heard, entry) = (Arc::new(AtomicU32::new(0)), Arc::clone(&irq));
        let counter = Arc::clone(&heard);
        sim.on_msi(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            entry.handle().record();
        });
        sim.lose_messages(1);
        // The longest that anybody waits in vain is until the next look at a busy device.
        for _ in 0..8 {
            let ticket = rig.exec(queue, 0x1A_0000, &[]).unwrap();
            while !rig.is_over(ticket) {
                let now = rig.device.now();
                rig.device.relax(now.saturating_add(Nanos::from_millis(2))).unwrap();
                rig.device.poll();
            }
        }
        assert!(heard.load(Ordering::Relaxed) > 0, "{}", platform.name);
        let _ = rig.close();
    }
}

/// A batch in the ring when close begins, and so many waits interrupted.
fn close_while_interrupted(platform: Platform, interruptions: u32) {
    on(&SimConfig::new(platform), |rig| {
        let vm = rig.vm();
        let bo = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(bo, 0x1A_0000)]);
        rig.write(bo, 0, &[BATCH_END, 0]);
        let queue = rig.queue(vm, rig.engine(EngineClass::Copy));
        rig.exec(queue, 0x1A_0000, &[]).unwrap();
        rig.sim.interrupt_next_relax(interruptions);
    });
}

#[test]
fn close_does_not_give_up_when_some_of_its_waits_are_interrupted() {
    for platform in tiled_platforms() {
        close_while_interrupted(platform.clone(), 3);
        close_while_interrupted(platform, 1000);
    }
}

/// Then nothing of the part runs while close waits: it ends at its limit all the same.
#[test]
fn close_ends_when_all_of_its_waits_are_interrupted() {
    close_while_interrupted(Platform::tgl(), u32::MAX);
}

/// An interruption of a caller's own wait changes nothing.
#[test]
fn an_interrupted_wait_says_so() {
    on_each_platform(|rig| {
        rig.sim.interrupt_next_relax(1);
        let until = rig.device.now().saturating_add(Nanos::from_micros(10));
        assert_eq!(rig.device.relax(until), Err(Error::Interrupted));
        assert_eq!(rig.device.relax(until), Ok(()));
    });
}
