//! A device that loses its power and gets it back: work goes on, begins anew or ends with an error, and nothing hangs.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests: numbers are small, addresses are cut in halves, what is refused fails the test, sweeps are counted"
)]

use barexe_core::device::request::VmFlags;
use barexe_core::device::{Config, DeviceState, TableWriter, Ticket, TicketState};
use barexe_core::gt::reset::engine_error::{EngineError, EngineErrorKind};
use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_sim::{Fault, Platform, Sim, SimConfig};
use barexe_tests::found::settled;
use barexe_tests::rig::{
    ARB_CHECK, ARB_OFF, BATCH_END, JUMP, Mapped, Rig, binary, on_every_platform, on_opened, platforms, rows,
    store_batch, tiled_platforms,
};
use barexe_tests::scenario::EVERYTHING;
use barexe_tests::storage::boxed;
use barexe_tests::world::{World, sim};
use std::sync::Arc;

const VA: u64 = 0x1A_0000;
/// Where results lie in the object; batches are in front.
const RESULT: u64 = 0x8000;

/// A VM with one object at [`VA`].
struct Space {
    vm: u32,
    bo: Mapped,
}

impl Space {
    fn new(rig: &mut Rig<'_>, flags: VmFlags) -> Self {
        let vm = rig.device.vm_create(rig.client, flags).unwrap();
        let bo = rig.bo(0x2_0000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        Self { vm, bo }
    }

    /// Runs a batch from the page with this number, which stores `value` into the result of that number.
    fn store(&self, rig: &mut Rig<'_>, queue: u32, page: u64, value: u32) -> Ticket {
        rig.write(self.bo, page << 12, &store_batch(VA + RESULT + page * 8, value));
        rig.exec(queue, VA + (page << 12), &[]).unwrap()
    }

    /// Runs a batch that goes round until [`end`](Self::end). The engine may switch in it, or not.
    fn spin(&self, rig: &mut Rig<'_>, queue: u32, may_switch: bool) -> Ticket {
        let first = if may_switch { ARB_CHECK } else { ARB_OFF };
        rig.write(self.bo, 0, &[first, 0, JUMP, VA as u32, (VA >> 32) as u32]);
        rig.exec(queue, VA, &[]).unwrap()
    }

    fn end(&self, rig: &mut Rig<'_>) {
        rig.write(self.bo, 0, &[BATCH_END]);
    }

    fn result(&self, rig: &Rig<'_>, page: u64) -> u32 {
        rig.read(self.bo, RESULT + page * 8)
    }
}

/// Calls until the device is suspended, which must be within 100 ms.
fn suspend(rig: &mut Rig<'_>) {
    let limit = rig.device.now().saturating_add(Nanos::from_millis(100));
    while !rig.device.suspend().unwrap() {
        let now = rig.device.now();
        assert!(now < limit, "{}: engines do not let go", rig.name());
        let _ = rig.device.relax(now.saturating_add(Nanos::from_micros(50)));
    }
    assert_eq!((rig.device.state(), rig.device.suspend()), (DeviceState::Suspended, Ok(true)));
}

#[test]
fn a_batch_that_runs_is_preempted_and_goes_on_when_power_is_back() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let engine = rig.engine(EngineClass::Copy);
        let (spinning, behind) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
        let endless = space.spin(rig, spinning, true);
        let next = space.store(rig, spinning, 3, 33);
        let other = space.store(rig, behind, 4, 44);
        rig.device.poll();
        suspend(rig);
        rig.sim.lose_power();
        rig.device.resume().unwrap();
        assert_eq!(rig.wait(other), TicketState::Done, "{}", rig.name());
        assert!(!rig.is_over(endless) && !rig.is_over(next));
        space.end(rig);
        assert_eq!([endless, next].map(|ticket| rig.wait(ticket)), [TicketState::Done; 2]);
        assert_eq!((space.result(rig, 3), space.result(rig, 4)), (33, 44));
        assert_eq!(rig.device.first_hang(), None);
    });
}

#[test]
fn a_long_running_batch_goes_on_too() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::LR_MODE);
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Render));
        let _endless = space.spin(rig, queue, true);
        rig.settle();
        suspend(rig);
        rig.sim.lose_power();
        rig.device.resume().unwrap();
        rig.settle();
        space.end(rig);
        rig.settle();
        assert!(rig.device.is_quiet(), "{}", rig.name());
    });
}

#[test]
fn what_ran_when_power_was_lost_unannounced_begins_anew_on_every_engine() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let engines = rig.engines();
        let done = rig.queue(space.vm, engines[0]);
        let first = space.store(rig, done, 15, 1);
        assert_eq!(rig.wait(first), TicketState::Done);
        let queues: Vec<u32> = engines.iter().map(|engine| rig.queue(space.vm, *engine)).collect();
        let endless: Vec<Ticket> = queues.iter().map(|queue| space.spin(rig, *queue, false)).collect();
        rig.device.poll();
        let _ = rig.sim.run(200);
        for _ in 0..5 {
            rig.sim.lose_power();
            rig.device.power_was_lost().unwrap();
            let _ = rig.sim.run(200);
        }
        assert!(endless.iter().all(|ticket| !rig.is_over(*ticket)));
        space.end(rig);
        for (queue, ticket) in queues.iter().zip(endless) {
            assert_eq!(rig.wait(ticket), TicketState::Done, "{}: no loss of power is a queue's fault", rig.name());
            assert!(!rig.device.queue_is_banned(rig.client, *queue).unwrap());
        }
        assert_eq!(space.result(rig, 15), 1);
    });
}

#[test]
fn a_device_that_kept_its_power_after_all_is_stopped_before_contexts_begin_anew() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let endless = space.spin(rig, queue, false);
        rig.settle();
        rig.device.power_was_lost().unwrap();
        rig.settle();
        space.end(rig);
        assert_eq!(rig.wait(endless), TicketState::Done);
    });
}

#[test]
fn a_batch_that_does_not_let_go_is_taken_off_in_time_and_the_device_suspends() {
    for platform in platforms() {
        let config = Config { preempt_timeout: Nanos::from_millis(5), ..Config::default() };
        on_opened(&SimConfig::new(platform), config, |rig| {
            let space = Space::new(rig, VmFlags::empty());
            let engine = rig.engine(EngineClass::Copy);
            let (guilty, innocent) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
            let endless = space.spin(rig, guilty, false);
            rig.device.poll();
            let waiting = space.store(rig, innocent, 3, 3);
            let before = rig.device.now();
            suspend(rig);
            assert!(rig.device.now() < before.saturating_add(Nanos::from_millis(20)));
            rig.sim.lose_power();
            rig.device.resume().unwrap();
            assert_eq!(rig.wait(waiting), TicketState::Done);
            let code = match rig.wait(endless) {
                TicketState::Failed(Error::Engine(EngineError { kind, .. })) => Some(kind),
                TicketState::Failed(_) | TicketState::Pending | TicketState::Done => None,
            };
            assert_eq!(code, Some(EngineErrorKind::Stuck));
        });
    }
}

#[test]
fn a_suspended_device_is_not_reached_and_its_calls_are_refused_with_nothing_changed() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let out = rig.syncobj();
        rig.write(space.bo, 0, &store_batch(VA + RESULT, 5));
        let unsubmitted = rig.syncobj();
        // Something that waits for a client is pending all the way.
        let waits = rig.exec(queue, VA, &[binary(out, true)]).unwrap();
        suspend(rig);
        let accesses = rig.sim.mmio_accesses();
        let before = format!("{:?}", rig.device);
        rig.sim.lose_power();
        for _ in 0..10 {
            rig.device.poll();
        }
        let refused = [
            rig.exec(queue, VA, &[]).map(drop),
            rig.barrier(queue, &[]).map(drop),
            rig.bind(space.vm, 0, &[rig.unmap_op(VA, 0x2_0000)], &[]).map(drop),
            rig.device.vm_create(rig.client, VmFlags::empty()).map(drop),
            rig.device.client_open(false).map(drop),
            rig.device.syncobj_create(rig.client, false).map(drop),
        ];
        assert_eq!(refused, [Err(Error::Suspended); 6]);
        assert_eq!(Error::Suspended.errno(), Errno::EAGAIN);
        assert_eq!(format!("{:?}", rig.device), before);
        assert_eq!(rig.sim.mmio_accesses(), accesses, "{}: a register of a device without power", rig.name());
        rig.device.resume().unwrap();
        assert_eq!(rig.wait(waits), TicketState::Done);
        assert_eq!((space.result(rig, 0), rig.is_signalled(out), rig.is_signalled(unsubmitted)), (5, true, false));
    });
}

#[test]
fn objects_given_up_while_suspended_are_gone_after() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let other = rig.device.client_open(false).unwrap();
        rig.device.vm_create(other, VmFlags::empty()).unwrap();
        let _endless = space.spin(rig, queue, true);
        rig.settle();
        suspend(rig);
        rig.sim.lose_power();
        rig.device.queue_destroy(rig.client, queue).unwrap();
        rig.device.client_close(other).unwrap();
        rig.device.resume().unwrap();
        rig.settle();
        assert!(rig.device.is_quiet(), "{}", rig.name());
    });
}

#[test]
fn registers_and_ggtt_are_as_they_were() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        for engine in rig.engines() {
            let queue = rig.queue(space.vm, engine);
            let stored = space.store(rig, queue, 3, 9);
            assert_eq!(rig.wait(stored), TicketState::Done);
        }
        rig.settle();
        let before = settled(&rig.sim);
        suspend(rig);
        let off = settled(&rig.sim);
        assert!(off.awake.is_empty() && !off.interrupts && off.command != before.command);
        rig.sim.lose_power();
        assert!(rig.sim.snapshot().ggtt.is_empty());
        rig.device.resume().unwrap();
        rig.settle();
        let after = settled(&rig.sim);
        assert_eq!(after.ggtt, before.ggtt, "{}", rig.name());
        assert_eq!((after.awake, after.command, after.interrupts), (before.awake, before.command, before.interrupts));
        // What runs leaves its marks in registers; what was programmed is there again.
        let lost: Vec<_> = before.registers.keys().filter(|at| !after.registers.contains_key(at)).collect();
        let submitted = |at: &u32| matches!(at & 0xFFF, 0x510 | 0x514 | 0x550 | 0x080 | 0x0A0..=0x0FF);
        let lost: Vec<_> = lost.into_iter().filter(|at| !submitted(at)).collect();
        assert!(lost.is_empty(), "{}: {lost:x?}", rig.name());
    });
}

#[test]
fn a_suspend_that_was_begun_can_be_taken_back() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let endless = space.spin(rig, queue, true);
        rig.settle();
        assert_eq!(rig.device.suspend(), Ok(false), "{}", rig.name());
        rig.device.resume().unwrap();
        rig.settle();
        space.end(rig);
        assert_eq!(rig.wait(endless), TicketState::Done);
    });
}

/// The scenario with everything in it, with power lost before its n-th step: for odd n as announced, for even n not.
#[test]
fn power_may_go_before_any_step_of_any_work() {
    let (mut storage, irq) = (boxed(), Arc::new(IrqFlag::new()));
    let mut lent = storage.lend();
    let mut losses = 0;
    for platform in tiled_platforms() {
        for announced in [true, false] {
            for lost_before in (usize::from(announced)..=EVERYTHING.len()).step_by(2) {
                let sim = sim(&platform);
                let mut world = World::open(&sim, lent, &irq).unwrap_or_else(|refused| panic!("{}", refused.error));
                for (at, step) in EVERYTHING.iter().enumerate() {
                    if at == lost_before {
                        lose(&sim, &mut world, announced);
                        losses += 1;
                    }
                    let done = world.step(step);
                    assert!(done.is_ok(), "{}: {step:?} after {lost_before}: {done:?}", platform.name);
                }
                let outcomes = world.outcomes();
                let canceled = outcomes.iter().filter(|ended| **ended == Ok(TicketState::Failed(Error::Canceled)));
                // That of the queue that the scenario destroys with work on it.
                assert!(canceled.count() <= 1, "{}, lost before {lost_before}", platform.name);
                for ended in outcomes {
                    let fine = matches!(ended, Ok(TicketState::Done | TicketState::Failed(Error::Canceled)));
                    let over = matches!(ended, Err(Error::NotFound { .. }));
                    assert!(fine || over, "{}, lost before {lost_before}: {ended:?}", platform.name);
                }
                lent = world.close();
                assert_eq!(sim.violations(), Vec::<String>::new(), "{}, {lost_before}", platform.name);
                let (given, taken) = sim.buffers();
                assert_eq!(given, taken, "{}, {lost_before}: buffers", platform.name);
            }
        }
    }
    println!("{losses} losses of power");
}

fn lose(sim: &Sim, world: &mut World<'_>, announced: bool) {
    if announced {
        for _ in 0..10_000 {
            if world.device.suspend().unwrap() {
                break;
            }
            let now = world.device.now();
            let _ = world.device.relax(now.saturating_add(Nanos::from_micros(50)));
        }
        assert_eq!(world.device.state(), DeviceState::Suspended);
    }
    sim.lose_power();
    world.device.power_was_lost().unwrap();
}

/// Work is pending, power is lost, `faults` are set, the device is resumed: the work, and what resume said.
fn resume_with(rig: &mut Rig<'_>, faults: &[Fault]) -> (Ticket, Result<(), Error>) {
    let space = Space::new(rig, VmFlags::empty());
    let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
    let _running = space.spin(rig, queue, true);
    let pending = space.store(rig, queue, 3, 3);
    rig.settle();
    suspend(rig);
    rig.sim.lose_power();
    space.end(rig);
    rig.sim.set_faults(faults);
    let resumed = rig.device.resume();
    (pending, resumed)
}

/// As [`resume_with`] on a fresh part; then `then`.
fn resumed_with(platform: &Platform, faults: &[Fault], then: impl Fn(&mut Rig<'_>, Ticket, Result<(), Error>)) {
    let config = Config { platforms: rows(platform), tables: TableWriter::Cpu, ..Config::default() };
    on_opened(&SimConfig::new(platform.clone()), config, |rig| {
        let (pending, resumed) = resume_with(rig, faults);
        then(rig, pending, resumed);
    });
}

#[test]
fn a_resume_that_fails_is_repeated_with_any_hal_call_failing() {
    for platform in platforms() {
        let (mut failed, mut number) = (0, 0);
        loop {
            let ended = core::cell::Cell::new(false);
            for fault in [Fault::FailCall(number), Fault::InterruptCall(number)] {
                resumed_with(&platform, &[fault], |rig, pending, resumed| {
                    ended.set(rig.sim.hal_calls() <= number);
                    if let Err(error) = resumed {
                        assert_eq!(rig.device.state(), DeviceState::Suspended, "call {number}: {error}");
                        assert!(!rig.is_over(pending));
                        rig.device.resume().unwrap();
                    }
                    assert_eq!(rig.wait(pending), TicketState::Done, "{}, call {number}", rig.name());
                });
            }
            if ended.get() {
                break;
            }
            (failed, number) = (failed + 1, number + 1);
        }
        assert!(failed > 3, "{failed} calls failed");
        println!("{}: {failed} calls", platform.name);
    }
}

#[test]
fn a_device_that_does_not_come_back_ends_everything_wherever_it_goes() {
    for platform in platforms() {
        let accesses = core::cell::Cell::new(0);
        resumed_with(&platform, &[], |rig, _, resumed| {
            resumed.unwrap();
            accesses.set(rig.sim.mmio_accesses());
        });
        let (mut storage, mut points) = (boxed(), 0);
        let mut lent = storage.lend();
        // Most accesses of the second part are to its GGTT.
        let step = accesses.get() / 40;
        for gone in (0..accesses.get()).filter(|at| *at < 60 || at % step == 0) {
            let sim = Sim::new(&SimConfig::new(platform.clone())).unwrap();
            let mut rig = Rig::open_as(&sim, lent, Config { tables: TableWriter::Cpu, ..Config::default() });
            let (pending, resumed) = resume_with(&mut rig, &[Fault::GoneFromAccess(gone)]);
            assert!(
                matches!(resumed, Ok(()) | Err(Error::DeviceGone)),
                "{}, access {gone}: {resumed:?}",
                platform.name
            );
            assert_eq!(rig.wait(pending), TicketState::Failed(Error::DeviceGone), "{}, access {gone}", platform.name);
            assert_eq!(rig.device.state(), DeviceState::Gone);
            assert_eq!(rig.device.suspend(), Err(Error::DeviceGone));
            lent = rig.close();
            let (given, taken) = sim.buffers();
            assert_eq!(given, taken, "{}, access {gone}: buffers", platform.name);
            points += 1;
        }
        assert!(points > 40, "{points}");
        println!("{}: gone at {points} of {} accesses", platform.name, accesses.get());
    }
}

#[test]
fn another_device_in_its_place_is_not_taken_for_it() {
    for platform in platforms() {
        let revision = [Fault::ConfigReads(8, 0x0300_00FF)];
        resumed_with(&platform, &revision, |rig, pending, resumed| {
            assert!(matches!(resumed, Err(Error::DeviceBroken { .. })), "{resumed:?}");
            rig.sim.set_faults(&[]);
            rig.device.resume().unwrap();
            assert_eq!(rig.wait(pending), TicketState::Done);
        });
        let id = [Fault::ConfigReads(0, 0x1234_8086)];
        resumed_with(&platform, &id, |rig, pending, resumed| {
            assert!(matches!(resumed, Err(Error::Invalid { .. })), "{resumed:?}");
            assert!(!rig.is_over(pending));
            rig.sim.set_faults(&[]);
        });
    }
}

#[test]
fn a_suspended_device_can_be_closed() {
    on_every_platform(|rig| {
        let space = Space::new(rig, VmFlags::empty());
        let queue = rig.queue(space.vm, rig.engine(EngineClass::Copy));
        let _endless = space.spin(rig, queue, true);
        rig.settle();
        suspend(rig);
        rig.sim.lose_power();
    });
}
