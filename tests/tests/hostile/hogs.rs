//! Batches that keep the engine.

use crate::stage::{FAULTED, JOB_TIMEOUT, PREEMPT_TIMEOUT, RESULT, Stage, TOO_LONG, VA, attack, halves};
use barexe_core::Errno;
use barexe_core::device::Ticket;
use barexe_core::device::request::QueueProperties;
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;
use barexe_tests::rig::{ARB_CHECK, ARB_OFF, BATCH_END, JUMP};

/// A round waits at most this long for one other queue's turn: a time slice, and the way off the engine. A round that binds
/// has up to three turns.
const SLICE: Nanos = Nanos::from_millis(4);
/// As long, and until an engine that does not let go has been reset.
const STUCK: Nanos = Nanos::from_millis(4 + PREEMPT_TIMEOUT.get() / 1_000_000 + 1);
/// As long as a job may run, where its queue's time slice is longer.
const LONGEST: Nanos = Nanos::from_millis(JOB_TIMEOUT.get() / 1_000_000 + 4);

fn jump(page: u64) -> [u32; 3] {
    let [low, high] = halves(VA + (page << 12));
    [JUMP, low, high]
}

/// Begins with `first`, then over and over again.
fn spin(page: u64, first: &[u32]) -> Vec<u32> {
    [first, &jump(page)].concat()
}

#[test]
fn nobody() {
    attack("nothing", Nanos::from_millis(1)).tried(|stage| stage.pass(Nanos::from_millis(10)));
}

#[test]
fn a_spin_that_can_be_preempted() {
    attack("a spin that can be preempted", SLICE).tried(|stage| {
        assert_eq!(stage.end_of(&spin(0, &[ARB_CHECK])), TOO_LONG);
    });
}

#[test]
fn a_spin_without_a_point_to_preempt() {
    attack("a spin without a point to preempt", STUCK).tried(|stage| {
        assert_eq!(stage.end_of(&spin(0, &[])), FAULTED);
    });
}

#[test]
fn arbitration_off_and_a_spin() {
    attack("arbitration off, and a spin", STUCK).tried(|stage| {
        assert_eq!(stage.end_of(&spin(0, &[ARB_OFF, ARB_CHECK])), FAULTED);
    });
}

#[test]
fn arbitration_off_and_an_end() {
    attack("arbitration off, and an end", SLICE).tried(|stage| {
        let queue = stage.queue();
        let off = stage.run(queue, 0, &[ARB_OFF, BATCH_END]);
        assert_eq!(stage.outcome(off, JOB_TIMEOUT), None);
        let spins = stage.run(queue, 1, &spin(1, &[ARB_CHECK]));
        assert_eq!(stage.outcome(spins, Nanos::from_millis(60)), TOO_LONG, "the next job can be preempted again");
    });
}

/// One after the other, as soon as the last was taken off: a round that binds can meet two of them.
#[test]
fn one_stuck_queue_after_the_other() {
    let twice = Nanos::from_millis(2 * STUCK.get() / 1_000_000);
    attack("eight stuck queues, one after the other", twice).tried(|stage| {
        for _ in 0..8 {
            assert_eq!(stage.end_of(&spin(0, &[])), FAULTED);
        }
    });
}

const CROWD: u64 = 8;

fn crowd(stage: &mut Stage<'_, '_>, first: &[u32]) -> Vec<Ticket> {
    let spins = |page| {
        let queue = stage.queue();
        stage.run(queue, page, &spin(page, first))
    };
    (0..CROWD).map(spins).collect()
}

/// Clients take turns before their queues do: eight queues that spin cost a turn of the neighbour's no more than one.
#[test]
fn a_crowd_of_spins() {
    attack("eight queues that spin", SLICE).tried(|stage| {
        for spins in crowd(stage, &[ARB_CHECK]) {
            assert_eq!(stage.outcome(spins, Nanos::from_millis(400)), TOO_LONG);
        }
    });
}

/// One has its slice, does not leave, and is taken off; the neighbour's turn comes before the next one's. A round that
/// binds has three turns, and can meet two of them while jobs on the engine write its page tables.
#[test]
fn a_crowd_that_cannot_be_preempted() {
    let twice = Nanos::from_millis(2 * STUCK.get() / 1_000_000);
    attack("eight queues that spin, arbitration off", twice).tried(|stage| {
        for spins in crowd(stage, &[ARB_OFF]) {
            assert_eq!(stage.outcome(spins, Nanos::from_millis(400)), FAULTED);
        }
    });
}

/// The longest slice that the specification lets anybody have is longer than a job may run.
#[test]
fn the_longest_time_slice() {
    attack("the longest time slice", LONGEST).tried(|stage| {
        let longest = QueueProperties { priority: 1, timeslice_us: QueueProperties::MAX_TIMESLICE_US };
        let queue = stage.queue_with(longest).unwrap();
        let spins = stage.run(queue, 0, &spin(0, &[ARB_CHECK]));
        assert_eq!(stage.outcome(spins, Nanos::from_millis(60)), TOO_LONG);
    });
}

#[test]
fn priorities_above_ones_right() {
    attack("priorities above its right", SLICE).tried(|stage| {
        let of = |priority, timeslice_us| QueueProperties { priority, timeslice_us };
        assert_eq!(stage.queue_with(of(2, 1000)), Err(Errno::EPERM));
        for wrong in [of(3, 1000), of(u32::MAX, 1000), of(1, 0), of(1, u32::MAX), of(0, 10_000_001)] {
            assert_eq!(stage.queue_with(wrong), Err(Errno::EINVAL));
        }
        assert_eq!(stage.end_of(&spin(0, &[ARB_CHECK])), TOO_LONG);
    });
}

/// `MI_SEMAPHORE_WAIT`: polls until the word is equal.
fn wait_equal(va: u64) -> [u32; 5] {
    let [low, high] = halves(va);
    [0x0E00_C003, 1, low, high, 0]
}

#[test]
fn a_semaphore_that_nobody_signals() {
    attack("an endless semaphore wait", SLICE).tried(|stage| {
        assert_eq!(stage.end_of(&wait_equal(VA + RESULT)), TOO_LONG);
    });
    attack("an endless semaphore wait, arbitration off", STUCK).tried(|stage| {
        assert_eq!(stage.end_of(&[&[ARB_OFF][..], &wait_equal(VA + RESULT)].concat()), FAULTED);
    });
}

#[test]
fn batches_that_chain_in_a_circle() {
    attack("three batches that chain in a circle", STUCK).tried(|stage| {
        for page in [1, 2] {
            let next = jump((page + 1) % 3);
            stage.rig.write(stage.bo, page << 12, &next);
        }
        assert_eq!(stage.end_of(&jump(1)), FAULTED);
    });
}

/// `MI_BATCH_BUFFER_START` as a call, from a batch into itself. What hardware does on a third level is not determined;
/// the simulator stops, as at an invalid instruction.
#[test]
fn a_batch_that_calls_itself() {
    attack("a batch that calls itself without end", STUCK).tried(|stage| {
        let [low, high] = halves(VA);
        assert_eq!(stage.end_of(&[JUMP | 1 << 22, low, high]), FAULTED);
    });
}

/// A predicate that skips everything, the end too: whatever follows is looked at and not executed.
#[test]
fn a_batch_that_skips_its_end() {
    attack("a predicate that skips whatever follows", STUCK).tried(|stage| {
        let skipping = spin(0, &[0x0080_000F]);
        let end = stage.end_of(&skipping);
        assert_eq!(end, FAULTED, "through its end into what is not mapped, or stuck");
    });
}

#[test]
fn a_storm_of_interrupts() {
    for (class, user) in [(EngineClass::Copy, 0x0100_0000), (EngineClass::Render, 0x0100_0000)] {
        let storm = crate::stage::Attack { class, ..attack("a storm of interrupts", SLICE) };
        storm.tried(|stage| assert_eq!(stage.end_of(&spin(0, &[ARB_CHECK, user, user, user])), TOO_LONG));
    }
}

/// A fill of more bytes than any job has time for, into a mapping without memory. No engine is preempted inside.
#[test]
fn a_fill_that_takes_for_ever() {
    attack("a fill of gigabytes", STUCK).tried(|stage| {
        let null = barexe_core::device::request::BindOp {
            kind: barexe_core::device::request::BindKind::MapNull,
            range_bytes: 64 << 30,
            va: 1 << 40,
            ..stage.rig.map_op(stage.bo, 0)
        };
        stage.rig.bind_now(stage.vm, &[null]);
        let fill: &[u32] = if stage.rig.device.info().family().name == "Gen12" {
            &[0x5110_0009, 0x0003_FFFF, 0, 0x7FFF_7FFF, 0, 1 << 8, 0x8000_0000, 0, 0, 0, 0, BATCH_END]
        } else {
            &[0x56C2_0005, 0x0003_FFFF, 0x0003_FFFF, 0x0003_FFFF, 0, 1 << 8, 0, BATCH_END]
        };
        let end = stage.end_of(fill);
        assert!(end == FAULTED || end == TOO_LONG, "{}: {end:?}", stage.rig.name());
    });
}
