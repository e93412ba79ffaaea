//! Queues on several engines: jobs with a part on each of several, and jobs that run where there is room.
//!
//! What must be true: all parts of a job run at the same time; the job is over when all of them are, and its user fence is
//! written once, then (M7); jobs of a queue keep their order; two gangs on the same engines do not wait for each other for
//! ever; whoever hangs takes its whole gang along and nobody else; a queue with several placements runs on any of them.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "tests: numbers are small, addresses are cut in halves, what is refused fails the test"
)]

use barexe_core::device::request::{EngineRef, ExecCall, QueueProperties, QueueRequest, SyncEntry, SyncTarget};
use barexe_core::device::{Config, TableWriter, Ticket, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::{Capacities, Capacity, Errno, Error};
use barexe_hal::{GpuVa, Nanos};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{ARB_CHECK, ARB_OFF, BATCH_END, JUMP, Mapped, Rig, binary, on_opened, store, store_batch};

const VA: u64 = 0x1A_0000;
/// Where words that batches share begin, from [`VA`] on.
const WORDS: u64 = 0x8000;
const USER_FENCE: u64 = 0xF000;

/// On the part with two video decoders.
fn on_tgl(test: impl Fn(&mut Rig<'_>)) {
    on_part(Platform::tgl(), test);
}

fn on_part(platform: Platform, test: impl Fn(&mut Rig<'_>)) {
    let config = Config {
        tables: TableWriter::Cpu,
        job_timeout: Nanos::from_millis(50),
        preempt_timeout: Nanos::from_millis(5),
        ..Config::default()
    };
    on_opened(&SimConfig::new(platform), config, &test);
}

struct Space {
    vm: u32,
    bo: Mapped,
}

impl Space {
    fn new(rig: &mut Rig<'_>) -> Self {
        let vm = rig.vm();
        let bo = rig.bo(0x1_0000);
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        Self { vm, bo }
    }

    /// Puts a batch into the page of that number; its address.
    fn batch(&self, rig: &mut Rig<'_>, page: u64, batch: &[u32]) -> u64 {
        rig.write(self.bo, page << 12, batch);
        VA + (page << 12)
    }

    fn word(&self, rig: &Rig<'_>, number: u64) -> u32 {
        rig.read(self.bo, WORDS + number * 8)
    }

    fn set(&self, rig: &mut Rig<'_>, number: u64, value: u32) {
        rig.write(self.bo, WORDS + number * 8, &[value]);
    }
}

const fn word_va(number: u64) -> u64 {
    VA + WORDS + number * 8
}

/// `MI_SEMAPHORE_WAIT` in the PPGTT until a word equals `value`.
const fn await_word(number: u64, value: u32) -> [u32; 5] {
    let at = word_va(number);
    [0x0E00_C003, value, at as u32, (at >> 32) as u32, 0]
}

fn decoders(rig: &Rig<'_>) -> Vec<Engine> {
    of_class(rig, EngineClass::VideoDecode)
}

fn of_class(rig: &Rig<'_>, class: EngineClass) -> Vec<Engine> {
    rig.engines().into_iter().filter(|engine| engine.class == class && !engine.reserved).collect()
}

fn named(engines: &[Engine]) -> Vec<EngineRef> {
    let name = |e: &Engine| EngineRef { class: e.class, instance: e.logical.into(), gt: e.gt.into() };
    engines.iter().map(name).collect()
}

fn queue(rig: &mut Rig<'_>, vm: u32, engines: &[Engine], width: u16) -> Result<u32, Error> {
    let request = QueueRequest { vm, placements: &named(engines), width, properties: QueueProperties::default() };
    rig.device.exec_queue_create(rig.client, &request)
}

fn gang(rig: &mut Rig<'_>, vm: u32) -> u32 {
    let engines = decoders(rig);
    queue(rig, vm, &engines, 2).unwrap()
}

fn exec(rig: &mut Rig<'_>, queue: u32, batches: &[u64], syncs: &[SyncEntry]) -> Result<Ticket, Error> {
    let batches: Vec<GpuVa> = batches.iter().map(|va| GpuVa::new(*va).unwrap()).collect();
    let mut syncs = syncs;
    rig.device.exec(rig.client, &ExecCall { queue, batches: &batches }, &mut syncs)
}

/// Each of two batches waits for a word that the other stores.
fn meeting(space: &Space, rig: &mut Rig<'_>, page: u64, word: u64) -> [u64; 2] {
    [(0, 1), (1, 0)].map(|(own, other)| {
        let mut batch = store(word_va(word + own), 1).to_vec();
        batch.extend(await_word(word + other, 1));
        batch.extend(store_batch(word_va(word + 2 + own), 7));
        space.batch(rig, page + own, &batch)
    })
}

#[test]
fn parts_of_a_job_run_at_the_same_time() {
    on_tgl(|rig| {
        let space = Space::new(rig);
        let gang = gang(rig, space.vm);
        let batches = meeting(&space, rig, 0, 0);
        let job = exec(rig, gang, &batches, &[]).unwrap();
        assert_eq!(rig.wait(job), TicketState::Done);
        assert_eq!((space.word(rig, 2), space.word(rig, 3)), (7, 7));
    });
}

#[test]
fn a_job_is_over_when_all_parts_are_and_its_user_fence_is_written_once_then() {
    for late in [0, 1] {
        on_tgl(|rig| {
            let space = Space::new(rig);
            let gang = gang(rig, space.vm);
            let mut waiting = await_word(9, 1).to_vec();
            waiting.extend(store_batch(word_va(late), 5));
            let quick = space.batch(rig, 0, &store_batch(word_va(1 - late), 5));
            let waiting = space.batch(rig, 1, &waiting);
            let batches = if late == 0 { [waiting, quick] } else { [quick, waiting] };
            let out = rig.syncobj();
            let fence = SyncTarget::UserFence { addr: VA + USER_FENCE, value: 0xF00D };
            let syncs = [binary(out, true), SyncEntry { target: fence, signal: true }];
            let job = exec(rig, gang, &batches, &syncs).unwrap();
            rig.pass(Nanos::from_millis(3));
            assert_eq!((space.word(rig, 1 - late), rig.read(space.bo, USER_FENCE)), (5, 0), "M7");
            assert!(!rig.is_over(job) && !rig.is_signalled(out));
            space.set(rig, 9, 1);
            assert_eq!(rig.wait(job), TicketState::Done);
            assert!(rig.is_signalled(out));
            assert_eq!((space.word(rig, late), rig.read(space.bo, USER_FENCE)), (5, 0xF00D));
            // Nobody writes it again.
            rig.write(space.bo, USER_FENCE, &[1]);
            rig.pass(Nanos::from_millis(2));
            assert_eq!(rig.read(space.bo, USER_FENCE), 1);
        });
    }
}

/// Numbers begin just below the wrap, and rings are full many times over.
#[test]
fn jobs_of_a_gang_keep_their_order_over_full_rings_and_wrapped_numbers() {
    on_tgl(|rig| {
        let space = Space::new(rig);
        let (gang, pair) = (gang(rig, space.vm), [word_va(0), word_va(1)]);
        let mut last = None;
        for round in 0..40_u32 {
            // Pages 0 to 7 in turn; a page is written again only when its job is over.
            let page = u64::from(round % 4) * 2;
            let batches = [0, 1].map(|part| {
                let mut batch = await_word(part, round).to_vec();
                batch.extend(store_batch(pair[part as usize], round + 1));
                space.batch(rig, page + part, &batch)
            });
            let job = exec(rig, gang, &batches, &[]).unwrap();
            if round % 4 == 3 {
                assert_eq!(rig.wait(job), TicketState::Done);
                assert_eq!((space.word(rig, 0), space.word(rig, 1)), (round + 1, round + 1));
            }
            last = Some(job);
        }
        let plain = [0, 1].map(|part| space.batch(rig, part, &[BATCH_END, 0]));
        for _ in 0..400 {
            last = Some(exec(rig, gang, &plain, &[]).unwrap());
        }
        assert_eq!(rig.wait(last.unwrap()), TicketState::Done);
    });
}

#[test]
fn gangs_on_the_same_engines_do_not_wait_for_each_other_for_ever() {
    on_tgl(|rig| {
        let space = Space::new(rig);
        let gangs: Vec<u32> = (0..4).map(|_| gang(rig, space.vm)).collect();
        // Single queues that keep both engines busy beside them.
        let mut spins = Vec::new();
        for (engine, page) in decoders(rig).into_iter().zip(6..) {
            let mut batch = await_word(100, 1).to_vec();
            batch.extend([ARB_CHECK, BATCH_END]);
            let at = space.batch(rig, page, &batch);
            let single = rig.queue(space.vm, engine);
            spins.push(exec(rig, single, &[at], &[]).unwrap());
        }
        let mut jobs = Vec::new();
        for (gang, at) in gangs.iter().zip(0..) {
            // Pages below the words are few: the batches lie side by side in them.
            let batches = [(0, 1), (1, 0)].map(|(own, other)| {
                let mut batch = store(word_va(at * 4 + own), 1).to_vec();
                batch.extend(await_word(at * 4 + other, 1));
                batch.extend(store_batch(word_va(at * 4 + 2 + own), 7));
                let place = (at * 2 + own) * 0x100;
                rig.write(space.bo, place, &batch);
                VA + place
            });
            jobs.push(exec(rig, *gang, &batches, &[]).unwrap());
        }
        rig.pass(Nanos::from_millis(30));
        for (job, at) in jobs.iter().zip(0..) {
            assert_eq!(rig.device.ticket_state(*job), Ok(TicketState::Done), "gang {at}");
            assert_eq!((space.word(rig, at * 4 + 2), space.word(rig, at * 4 + 3)), (7, 7));
        }
        space.set(rig, 100, 1);
        assert!(spins.into_iter().all(|job| rig.wait(job) == TicketState::Done));
        assert!(rig.device.first_hang().is_none());
    });
}

#[test]
fn a_part_that_hangs_takes_its_gang_along_and_nobody_else() {
    for (hanging, may_switch) in [(0, true), (1, true), (0, false), (1, false)] {
        on_tgl(|rig| {
            let space = Space::new(rig);
            let (guilty, fine) = (gang(rig, space.vm), gang(rig, space.vm));
            let at = VA + 0x1000;
            let first = if may_switch { ARB_CHECK } else { ARB_OFF };
            let spin = space.batch(rig, 1, &[first, 0, JUMP, at as u32, (at >> 32) as u32]);
            let quick = space.batch(rig, 0, &store_batch(word_va(0), 5));
            let batches = if hanging == 0 { [spin, quick] } else { [quick, spin] };
            let out = rig.syncobj();
            let bad = exec(rig, guilty, &batches, &[binary(out, true)]).unwrap();
            let behind = exec(rig, guilty, &[quick, quick], &[]).unwrap();
            rig.pass(Nanos::from_millis(1));
            let meet = meeting(&space, rig, 2, 8);
            let good = exec(rig, fine, &meet, &[]).unwrap();
            rig.pass(Nanos::from_millis(110));
            let cause = if may_switch { Errno::ETIME } else { Errno::EIO };
            assert_eq!((rig.failure(bad), rig.failure(behind)), (Some(cause), Some(Errno::ECANCELED)));
            assert!(rig.is_signalled(out) && rig.device.queue_is_banned(rig.client, guilty).unwrap());
            assert_eq!(exec(rig, guilty, &[quick, quick], &[]), Err(Error::Canceled));
            assert_eq!(rig.device.ticket_state(good), Ok(TicketState::Done));
            assert!(!rig.device.queue_is_banned(rig.client, fine).unwrap());
        });
    }
}

#[test]
fn a_gang_that_is_destroyed_leaves_nothing_behind() {
    on_tgl(|rig| {
        let space = Space::new(rig);
        let (gang, other) = (gang(rig, space.vm), gang(rig, space.vm));
        let waiting = space.batch(rig, 0, &[await_word(9, 1).to_vec(), vec![BATCH_END, 0]].concat());
        let out = rig.syncobj();
        exec(rig, gang, &[waiting, waiting], &[binary(out, true)]).unwrap();
        rig.pass(Nanos::from_millis(1));
        rig.device.queue_destroy(rig.client, gang).unwrap();
        rig.pass(Nanos::from_millis(3));
        assert!(rig.is_signalled(out) && rig.device.is_quiet() && rig.device.first_hang().is_none());
        let batches = meeting(&space, rig, 2, 0);
        let fine = exec(rig, other, &batches, &[]).unwrap();
        assert_eq!(rig.wait(fine), TicketState::Done);
    });
}

#[test]
fn a_gang_takes_a_place_for_each_part_or_none() {
    let usual = Capacities::DEFAULT;
    // One default bind queue, then the gang's.
    for (queues, made) in [(2, false), (3, true)] {
        let capacities = Capacities { queues, ..usual };
        barexe_tests::rig::on_with(&SimConfig::new(Platform::tgl()), &capacities, |rig| {
            let vm = rig.vm();
            let engines = decoders(rig);
            let done = queue(rig, vm, &engines, 2);
            match made {
                true => assert!(done.is_ok()),
                false => assert_eq!(done, Err(Error::Exhausted(Capacity::Queues))),
            }
            let single = queue(rig, vm, &engines[..1], 1);
            assert_eq!(single.is_ok(), !made);
        });
    }
}

#[test]
fn placements_are_checked() {
    on_part(Platform::tgl_with_two_copy_engines(), |rig| {
        let vm = rig.vm();
        let (copies, decoders) = (of_class(rig, EngineClass::Copy), decoders(rig));
        let code = |done: Result<u32, Error>| done.map_err(|error| error.errno());
        assert_eq!(code(queue(rig, vm, &copies, 2)), Err(Errno::EOPNOTSUPP));
        assert_eq!(code(queue(rig, vm, &[copies[0], decoders[0]], 1)), Err(Errno::EINVAL), "two classes");
        assert_eq!(code(queue(rig, vm, &[decoders[1], decoders[0]], 2)), Err(Errno::EINVAL), "not neighbours");
        assert_eq!(code(queue(rig, vm, &decoders, 0)), Err(Errno::EINVAL));
        assert_eq!(code(queue(rig, vm, &[decoders[0]; 10], 1)), Err(Errno::EINVAL));
        assert!(queue(rig, vm, &[decoders[0], decoders[1], decoders[0], decoders[1]], 2).is_ok());
        assert!(queue(rig, vm, &copies, 1).is_ok());
    });
}

#[test]
fn a_queue_with_several_placements_runs_where_there_is_room() {
    on_part(Platform::tgl_with_two_copy_engines(), |rig| {
        let space = Space::new(rig);
        for class in [EngineClass::VideoDecode, EngineClass::Copy] {
            let engines = of_class(rig, class);
            let anywhere = queue(rig, space.vm, &engines, 1).unwrap();
            for (busy, round) in engines.iter().chain(&engines).zip(1..) {
                // Holds one engine with arbitration off: whoever depends on it would have to wait for a reset.
                let mut holder = vec![ARB_OFF, 0];
                holder.extend(await_word(9, round));
                holder.extend([0x0400_0001, BATCH_END]);
                let holder = space.batch(rig, 0, &holder);
                let single = rig.queue(space.vm, *busy);
                let held = exec(rig, single, &[holder], &[]).unwrap();
                rig.pass(Nanos::from_micros(300));
                let batch = space.batch(rig, 1, &store_batch(word_va(0), round));
                let job = exec(rig, anywhere, &[batch], &[]).unwrap();
                rig.pass(Nanos::from_micros(600));
                assert_eq!(rig.device.ticket_state(job), Ok(TicketState::Done), "{class:?}, round {round}");
                assert_eq!(space.word(rig, 0), round);
                space.set(rig, 9, round);
                assert_eq!(rig.wait(held), TicketState::Done);
            }
            space.set(rig, 9, 0);
        }
        assert!(rig.device.first_hang().is_none());
    });
}

/// A job that is taken off one engine in the middle goes on on another, with what its context knew.
#[test]
fn a_job_that_made_room_goes_on_elsewhere() {
    on_part(Platform::tgl_with_two_copy_engines(), |rig| {
        let space = Space::new(rig);
        let engines = decoders(rig);
        let anywhere = queue(rig, space.vm, &engines, 1).unwrap();
        let mut batch = store(word_va(0), 1).to_vec();
        batch.extend(await_word(1, 1));
        batch.extend(store_batch(word_va(2), 3));
        let at = space.batch(rig, 0, &batch);
        let job = exec(rig, anywhere, &[at], &[]).unwrap();
        rig.pass(Nanos::from_millis(1));
        assert_eq!(space.word(rig, 0), 1);
        // Both engines get spinners of higher priority; then one of them ends.
        let urgent = QueueProperties { priority: 2, timeslice_us: 1000 };
        let mut spins = Vec::new();
        for (engine, number) in engines.iter().zip(1..) {
            let mut spin = await_word(10 + number, 1).to_vec();
            spin.extend([BATCH_END, 0]);
            let spin = space.batch(rig, number, &spin);
            let request = QueueRequest { vm: space.vm, placements: &named(&[*engine]), width: 1, properties: urgent };
            let single = rig.device.exec_queue_create(rig.client, &request).unwrap();
            spins.push(exec(rig, single, &[spin], &[]).unwrap());
        }
        space.set(rig, 0, 0);
        rig.pass(Nanos::from_millis(2));
        space.set(rig, 1, 1);
        rig.pass(Nanos::from_millis(2));
        assert!(!rig.is_over(job), "nothing runs beside what is more urgent");
        space.set(rig, 12, 1);
        rig.pass(Nanos::from_millis(2));
        assert_eq!(rig.device.ticket_state(job), Ok(TicketState::Done));
        assert_eq!((space.word(rig, 0), space.word(rig, 2)), (0, 3), "it did not begin anew");
        space.set(rig, 11, 1);
        assert!(spins.into_iter().all(|spin| rig.wait(spin) == TicketState::Done));
    });
}
