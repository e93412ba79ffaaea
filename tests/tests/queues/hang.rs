//! When work goes wrong: whose work ends, with which code, and that everybody else's goes on.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::missing_const_for_fn,
    reason = "tests: numbers are small, addresses are cut in halves, what is refused fails the test"
)]

use barexe_core::device::request::{EngineRef, QueueProperties, QueueRequest, VmFlags};
use barexe_core::device::{Config, TableWriter, Ticket, TicketState};
use barexe_core::gt::reset::engine_error::{EngineError, EngineErrorKind};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_sim::{Fault, Platform, SimConfig};
use barexe_tests::rig::{
    ARB_CHECK, ARB_OFF, BATCH_END, JUMP, Mapped, Rig, binary, on_opened, platforms, store, store_batch,
};

const VA: u64 = 0x1A_0000;
const JOB_TIMEOUT: Nanos = Nanos::from_millis(20);
const PREEMPT_TIMEOUT: Nanos = Nanos::from_millis(5);

/// On every platform, with short limits.
fn on_each(test: impl Fn(&mut Rig<'_>)) {
    for platform in platforms() {
        let config = Config {
            tables: TableWriter::Cpu,
            job_timeout: JOB_TIMEOUT,
            preempt_timeout: PREEMPT_TIMEOUT,
            ..Config::default()
        };
        on_opened(&SimConfig::new(platform), config, &test);
    }
}

/// On the platforms with a compute engine, with it and the render engine: they share a reset domain.
fn on_each_with_compute(test: impl Fn(&mut Rig<'_>, Engine, Engine)) {
    on_each(|rig| match rig.engines().into_iter().find(|engine| engine.class == EngineClass::Compute) {
        Some(compute) => test(rig, rig.engine(EngineClass::Render), compute),
        None => assert_eq!(rig.name(), "tgl"),
    });
}

/// A VM with one object at [`VA`]: batches in its first pages, results from 0x8000 on.
struct Space {
    vm: u32,
    bo: Mapped,
}

const RESULT: u64 = 0x8000;

impl Space {
    fn new(rig: &mut Rig<'_>) -> Self {
        Self::of(rig, VmFlags::empty())
    }

    fn of(rig: &mut Rig<'_>, flags: VmFlags) -> Self {
        let vm = rig.device.vm_create(rig.client, flags).unwrap();
        let bo = rig.bo(0x1_0000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        Self { vm, bo }
    }

    /// Runs `batch` from the page with this number.
    fn run(&self, rig: &mut Rig<'_>, queue: u32, page: u64, batch: &[u32]) -> Ticket {
        rig.write(self.bo, page << 12, batch);
        rig.exec(queue, VA + (page << 12), &[]).unwrap()
    }

    /// Runs a batch that stores `value` into the result of that number.
    fn store(&self, rig: &mut Rig<'_>, queue: u32, page: u64, value: u32) -> Ticket {
        self.run(rig, queue, page, &store_batch(VA + RESULT + page * 8, value))
    }

    fn result(&self, rig: &Rig<'_>, page: u64) -> u32 {
        rig.read(self.bo, RESULT + page * 8)
    }
}

/// A loop through the page with this number; the engine may switch in it, or not.
fn spin(page: u64, may_switch: bool) -> Vec<u32> {
    let at = VA + (page << 12);
    let first = if may_switch { ARB_CHECK } else { ARB_OFF };
    vec![first, 0, JUMP, at as u32, (at >> 32) as u32]
}

fn state(rig: &Rig<'_>, ticket: Ticket) -> TicketState {
    rig.device.ticket_state(ticket).unwrap()
}

fn is_banned(rig: &Rig<'_>, queue: u32) -> bool {
    rig.device.queue_is_banned(rig.client, queue).unwrap()
}

fn first_hang(rig: &Rig<'_>) -> EngineErrorKind {
    rig.device.first_hang().unwrap().error.kind
}

/// A queue with other properties than the usual ones.
fn queue_with(rig: &mut Rig<'_>, vm: u32, engine: Engine, properties: QueueProperties) -> u32 {
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let request = QueueRequest { vm, placements: &[place], width: 1, properties };
    rig.device.exec_queue_create(rig.client, &request).unwrap()
}

#[test]
fn a_job_that_never_ends_is_taken_off_and_its_queue_banned() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let (guilty, other) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
        let out = rig.syncobj();
        rig.write(space.bo, 0, &spin(0, true));
        let endless = rig.exec(guilty, VA, &[binary(out, true)]).unwrap();
        let behind = space.store(rig, guilty, 1, 7);
        rig.pass(Nanos::from_millis(10));
        assert!(!rig.is_over(endless), "its time is not over");
        assert!(!is_banned(rig, guilty));
        rig.pass(Nanos::from_millis(20));
        assert_eq!((rig.failure(endless), rig.failure(behind)), (Some(Errno::ETIME), Some(Errno::ECANCELED)));
        assert!(is_banned(rig, guilty) && rig.is_signalled(out));
        assert_eq!(rig.exec(guilty, VA, &[]), Err(Error::Canceled));
        let fine = space.store(rig, other, 2, 9);
        assert_eq!(rig.wait(fine), TicketState::Done);
        assert_eq!((space.result(rig, 1), space.result(rig, 2)), (0, 9));
        assert_eq!(first_hang(rig), EngineErrorKind::TimedOut);
    });
}

#[test]
fn an_engine_whose_job_cannot_be_preempted_is_reset_and_others_go_on() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let (guilty, other) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
        let endless = space.run(rig, guilty, 0, &spin(0, false));
        rig.pass(Nanos::from_millis(2));
        let waiting = space.store(rig, other, 1, 5);
        rig.pass(Nanos::from_millis(12));
        assert_eq!(state(rig, waiting), TicketState::Done);
        assert_eq!(space.result(rig, 1), 5);
        assert_eq!(rig.failure(endless), Some(Errno::EIO));
        assert!(is_banned(rig, guilty) && !is_banned(rig, other));
        let name = rig.name();
        let report = rig.device.first_hang().unwrap();
        assert_eq!(report.error, EngineError { engine: engine.id, kind: EngineErrorKind::Stuck }, "{name}");
        assert!(report.queue.is_some() && report.asid.is_some());
    });
}

#[test]
fn a_memory_fault_ends_the_job_at_once_with_its_address_where_that_is_known() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let (guilty, other) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
        let mut batch = store(0x7000_0012_3000, 7).to_vec();
        batch.push(BATCH_END);
        let faulting = space.run(rig, guilty, 0, &batch);
        let fine = space.store(rig, other, 1, 5);
        rig.pass(Nanos::from_millis(6));
        assert_eq!((rig.failure(faulting), state(rig, fine)), (Some(Errno::EIO), TicketState::Done));
        assert_eq!(space.result(rig, 1), 5);
        let EngineErrorKind::Memory(fault) = first_hang(rig) else {
            return assert_eq!(first_hang(rig), EngineErrorKind::Memory(None));
        };
        match rig.name() {
            "tgl" => assert_eq!(fault.map(|fault| (fault.page, fault.ggtt)), Some((0x7000_0012_3000, false))),
            _ => assert_eq!(fault, None),
        }
    });
}

#[test]
fn an_invalid_instruction_ends_the_job_at_once() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let guilty = rig.queue(space.vm, engine);
        let bad = space.run(rig, guilty, 0, &[0x7F00_0000, BATCH_END]);
        rig.pass(Nanos::from_millis(6));
        assert_eq!((rig.failure(bad), first_hang(rig)), (Some(Errno::EIO), EngineErrorKind::Instruction));
        let again = rig.queue(space.vm, engine);
        let fine = space.store(rig, again, 1, 5);
        assert_eq!(rig.wait(fine), TicketState::Done);
    });
}

#[test]
fn queues_of_one_engine_take_turns() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let endless: Vec<Ticket> = (0..2)
            .map(|page| {
                let queue = rig.queue(space.vm, engine);
                space.run(rig, queue, page, &spin(page, true))
            })
            .collect();
        let quick = rig.queue(space.vm, engine);
        for round in 0..5 {
            let job = space.store(rig, quick, 2, 100 + round);
            rig.pass(Nanos::from_millis(4));
            assert_eq!((state(rig, job), space.result(rig, 2)), (TicketState::Done, 100 + round));
        }
        assert!(endless.iter().all(|job| !rig.is_over(*job)), "each had less than its time");
        assert!(rig.device.first_hang().is_none());
    });
}

#[test]
fn a_queue_of_higher_priority_does_not_wait_for_a_time_slice() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let low = QueueProperties { priority: 0, timeslice_us: 10_000_000 };
        let high = QueueProperties { priority: 2, timeslice_us: 1000 };
        let (low, same, high) = (
            queue_with(rig, space.vm, engine, low),
            queue_with(rig, space.vm, engine, low),
            queue_with(rig, space.vm, engine, high),
        );
        space.run(rig, low, 0, &spin(0, true));
        rig.pass(Nanos::from_millis(1));
        let as_urgent = space.store(rig, same, 1, 3);
        rig.pass(Nanos::from_millis(3));
        assert_eq!(state(rig, as_urgent), TicketState::Pending);
        let urgent = space.store(rig, high, 2, 4);
        rig.pass(Nanos::from_millis(1));
        assert_eq!(state(rig, urgent), TicketState::Done);
        // Whoever had to make way has had its turn.
        assert_eq!(state(rig, as_urgent), TicketState::Done);
    });
}

#[test]
fn destroying_a_queue_kills_its_work() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let (queue, other, out) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine), rig.syncobj());
        rig.write(space.bo, 0, &spin(0, true));
        rig.exec(queue, VA, &[binary(out, true)]).unwrap();
        rig.pass(Nanos::from_millis(2));
        rig.device.queue_destroy(rig.client, queue).unwrap();
        rig.pass(Nanos::from_millis(2));
        assert!(rig.is_signalled(out), "long before its time is over");
        assert!(rig.device.is_quiet(), "nothing of it is left");
        let fine = space.store(rig, other, 1, 5);
        assert_eq!(rig.wait(fine), TicketState::Done);
        assert!(rig.device.first_hang().is_none(), "nobody was to blame");
    });
}

#[test]
fn jobs_of_a_long_running_vm_have_no_limit() {
    on_each(|rig| {
        let space = Space::of(rig, VmFlags::LR_MODE);
        let engine = rig.engine(EngineClass::Copy);
        let queue = rig.queue(space.vm, engine);
        let endless = space.run(rig, queue, 0, &spin(0, true));
        rig.pass(Nanos::from_millis(50));
        assert!(!rig.is_over(endless) && !is_banned(rig, queue));
    });
}

#[test]
fn work_that_a_reset_only_happened_to_hit_begins_anew() {
    on_each_with_compute(|rig, render, compute| {
        let space = Space::new(rig);
        let (guilty, innocent) = (rig.queue(space.vm, render), rig.queue(space.vm, compute));
        // Waits until its word is 1, then stores.
        let at = VA + RESULT;
        let mut waiting = vec![0x0E00_C003, 1, at as u32, (at >> 32) as u32, 0];
        waiting.extend(store_batch(VA + RESULT + 8, 6));
        let done_before = space.store(rig, innocent, 3, 8);
        assert_eq!(rig.wait(done_before), TicketState::Done);
        let hit = space.run(rig, innocent, 1, &waiting);
        let bad = space.run(rig, guilty, 0, &[0x7F00_0000, BATCH_END]);
        rig.pass(Nanos::from_millis(6));
        assert_eq!((rig.failure(bad), state(rig, hit)), (Some(Errno::EIO), TicketState::Pending));
        rig.write(space.bo, RESULT, &[1]);
        rig.pass(Nanos::from_millis(2));
        assert_eq!((state(rig, hit), space.result(rig, 1)), (TicketState::Done, 6));
        assert!(!is_banned(rig, innocent));
    });
}

#[test]
fn a_queue_whose_oldest_job_was_hit_by_three_resets_is_banned() {
    on_each_with_compute(|rig, render, compute| {
        let space = Space::new(rig);
        let unlucky = rig.queue(space.vm, compute);
        let hit = space.run(rig, unlucky, 1, &spin(1, true));
        for resets in 1..=3 {
            let guilty = rig.queue(space.vm, render);
            rig.pass(Nanos::from_millis(1));
            space.run(rig, guilty, 0, &[0x7F00_0000, BATCH_END]);
            rig.pass(Nanos::from_millis(5));
            assert!(is_banned(rig, guilty));
            assert_eq!(is_banned(rig, unlucky), resets == 3, "after {resets} resets");
        }
        assert_eq!(rig.failure(hit), Some(Errno::ECANCELED));
        assert!(rig.device.is_quiet());
    });
}

/// The engine never says that it is ready for its reset.
#[test]
fn if_an_engine_does_not_come_back_all_gts_are_reset_and_others_go_on() {
    on_each(|rig| {
        let space = Space::new(rig);
        let engine = rig.engine(EngineClass::Copy);
        let (guilty, other) = (rig.queue(space.vm, engine), rig.queue(space.vm, engine));
        let control = engine.base.get() + 0xD0;
        let endless = space.run(rig, guilty, 0, &spin(0, false));
        rig.pass(Nanos::from_millis(2));
        rig.sim.set_faults(&[Fault::Reads(control, 1)]);
        let waiting = space.store(rig, other, 1, 5);
        rig.pass(Nanos::from_millis(8));
        rig.sim.set_faults(&[]);
        rig.pass(Nanos::from_millis(4));
        assert_eq!((rig.failure(endless), state(rig, waiting)), (Some(Errno::EIO), TicketState::Done));
        let bo = rig.bo(0x1000);
        rig.bind_now(space.vm, &[rig.map_op(bo, VA + 0x10_0000)]);
        for unit in rig.engines() {
            let queue = rig.queue(space.vm, unit);
            let job = space.run(rig, queue, 2, &store_batch(VA + 0x10_0000, u32::from(unit.id) + 1));
            assert_eq!(rig.wait(job), TicketState::Done);
            assert_eq!(rig.read(bo, 0), u32::from(unit.id) + 1);
        }
    });
}

/// Engine ids repeat on each tile: a reset must hit the engine of the right one.
#[test]
fn a_reset_on_one_tile_does_not_touch_the_other() {
    let config = Config {
        tables: TableWriter::Cpu,
        job_timeout: JOB_TIMEOUT,
        preempt_timeout: PREEMPT_TIMEOUT,
        ..Config::default()
    };
    on_opened(&SimConfig::new(Platform::tgl_with_tiles(2)), config, |rig| {
        let space = Space::new(rig);
        let copies: Vec<Engine> = rig.engines().into_iter().filter(|unit| unit.class == EngineClass::Copy).collect();
        let [near, far] = [0, 1].map(|tile| *copies.iter().find(|unit| unit.tile == tile).unwrap());
        assert_eq!(near.id, far.id);
        // On the other tile runs a job that would begin anew if it were reset: it counts how often it began.
        let counter = VA + RESULT;
        let mut counting = vec![0x1700_0003, counter as u32 + 8, 0, counter as u32, 0];
        counting.extend(store(counter, 1));
        counting.extend([0x0E00_C003, 1, counter as u32 + 16, 0, 0]);
        counting.extend([BATCH_END, 0]);
        let (guilty, innocent) = (rig.queue(space.vm, far), rig.queue(space.vm, near));
        let running = space.run(rig, innocent, 1, &counting);
        let endless = space.run(rig, guilty, 0, &spin(0, false));
        rig.pass(Nanos::from_millis(2));
        let other = rig.queue(space.vm, far);
        let waiting = space.store(rig, other, 3, 5);
        rig.pass(Nanos::from_millis(10));
        assert_eq!((rig.failure(endless), state(rig, waiting)), (Some(Errno::EIO), TicketState::Done));
        assert_eq!(rig.device.first_hang().map(|hang| (hang.tile, hang.error.engine)), Some((1, far.id)));
        rig.write(space.bo, RESULT + 16, &[1]);
        rig.pass(Nanos::from_millis(2));
        assert_eq!(state(rig, running), TicketState::Done);
        assert_eq!((space.result(rig, 0), space.result(rig, 1)), (1, 0), "it began once");
    });
}
