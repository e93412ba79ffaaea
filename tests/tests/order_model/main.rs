//! Random queues, jobs and syncs beside a graph of what has to wait for what.
//!
//! Several clients make random calls: batches on queues of several engines and priorities, binds, barriers, with in- and
//! out-syncs of every kind, user fences, waits that are interrupted, batches that hang or fault, queues and clients that go
//! in the middle of their work. The test knows of each call what it put in, and of the device what can be seen: numbers
//! that batches take from one counter in memory when they begin and when they end, user fences, how far fences and sync
//! objects are. Of that it makes a trace; the rules are checked over the trace, and know nothing of the driver.
//!
//! What must be true (numbers of rules: bind-and-exec sheet §1, §5, §6):
//!
//! | | rule |
//! |---|---|
//! | O1 | a batch begins when every fence that its in-syncs held at the call has signalled, and what made it has run (R57, §3.8) |
//! | O2 | a batch begins when everything accepted before it on its queue is over, barriers among it; never behind a batch that failed (R28, §5.2) |
//! | O3 | every fence signals, exactly once |
//! | O4 | not before its batch has ended; a bind or a barrier not before its in-syncs, what was accepted before it on its queue, and earlier binds of the VM that touch the same pages (R21, R57, §5.2) |
//! | O5 | a barrier signals in the very look in which the last of those has (R12, R15, R22) |
//! | O6 | nothing of a batch happens after its fence |
//! | O7 | a batch ends well, or with the code of what it did; behind a failure, on a destroyed queue, and after three resets that hit it: ECANCELED. Nothing else fails (§5.5) |
//! | O8 | a batch begins twice only after a reset |
//! | O9 | a user fence is written once: by a batch between its end and its fence, of a bind after its fence; always if it ended well, never if it failed (§6) |
//! | | a sync object is as far as the fences that it was given; its points are in order (§5.5 of the other sheet) |
//! | | a batch finds the page that the bind it waits for has mapped; no bind takes it away while the batch that it waits for runs |
//! | | a refused call changes nothing, and has the code of the sheet |
//! | | a wait that returns 0 returns behind its bind; one that is interrupted says so, and its bind happens once (R47 to R54) |
//! | | closing gives everything back; the same seed gives the same trace, and the same events in the device |
//!
//! | file | what it knows |
//! |---|---|
//! | `trace`, `lives` | what happened, in order, and by call |
//! | `check`, `checker_tests` | O1 to O9; that each finds what it is there for |
//! | `objects` | what sync objects hold |
//! | `batch` | batches that take numbers |
//! | `world`, `client`, `life` | the device and who uses it |
//! | `execs`, `binds`, `syncs`, `acts`, `refused`, `waits` | the steps |
//! | `look` | what can be seen after each |
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a model in a test: whatever goes wrong ends it, and numbers are small"
)]

mod acts;
mod batch;
mod binds;
mod check;
mod checker_tests;
mod client;
mod execs;
mod life;
mod lives;
mod look;
mod objects;
mod refused;
mod syncs;
mod trace;
mod waits;
mod world;

use barexe_core::device::{Config, TableWriter};
use barexe_core::{Capacities, Capacity, Shares};
use barexe_hal::Nanos;
use barexe_sim::{Platform, SimConfig};
use barexe_tests::random::{Seed, seeds};
use barexe_tests::rig::{Rig, all_platforms, on_opened};
use core::cell::RefCell;
use std::collections::BTreeMap;
use world::World;

/// Steps of one run.
const STEPS: u32 = 400;
/// Short, so that runs are.
const JOB_TIMEOUT: Nanos = Nanos::from_millis(6);
const PREEMPT_TIMEOUT: Nanos = Nanos::from_millis(2);

/// What came of one run.
#[derive(Debug, Default)]
struct Played {
    /// The trace, and what the device noted, as text.
    text: (String, String),
    done: BTreeMap<&'static str, u32>,
}

/// A quarter of everything is promised; the rest is enough for all that is tried.
fn some_shares() -> Shares {
    let even = Shares::even(&Capacities::DEFAULT);
    let quarter = |shares: Shares, capacity: &Capacity| shares.with(*capacity, even.of(*capacity) / 4);
    Shares::CAPACITIES.iter().fold(Shares::NONE, quarter)
}

/// Plays one run on a platform; `keeps`: events of the device that are kept.
fn play(seed: u64, platform: Platform, keeps: usize) -> Played {
    let _seed = Seed(seed);
    let tables = [TableWriter::Cpu, TableWriter::Engine, TableWriter::Auto][seed as usize % 3];
    let shares = if seed.is_multiple_of(2) { Shares::NONE } else { some_shares() };
    let (job_timeout, preempt_timeout) = (JOB_TIMEOUT, PREEMPT_TIMEOUT);
    let opened = Config { tables, job_timeout, preempt_timeout, shares, ..Config::default() };
    let played = RefCell::new(Played::default());
    let config = SimConfig { timeline_events: keeps, ..SimConfig::new(platform) };
    on_opened(&config, opened, |rig| *played.borrow_mut() = run(rig, seed));
    played.into_inner()
}

fn run(rig: &mut Rig<'_>, seed: u64) -> Played {
    let before = rig.device.fences_in_use();
    let mut world = World::new(rig, seed);
    world.play(STEPS);
    let (trace, done, rig) = (world.trace, world.done, world.rig);
    let text = trace.text();
    if let Err(wrong) = check::check(&trace) {
        panic!("{}: {wrong}\n{:?}\n{text}", rig.name(), rig.sim.violations());
    }
    assert_eq!(rig.device.fences_in_use(), before, "places are left in use");
    assert_eq!(rig.device.tables_in_use(), 0, "tables are left in use");
    Played { text: (text, rig.sim.timeline().text()), done }
}

/// So many seeds are played: as many as `BAREXE_SEEDS` says, or the one of `BAREXE_SEED`.
fn chosen(usual: u64) -> Vec<u64> {
    let count = std::env::var("BAREXE_SEEDS").map(|count| count.parse().unwrap());
    seeds(count.unwrap_or(usual))
}

#[test]
fn work_runs_in_an_order_that_the_rules_allow() {
    let (mut sum, seeds) = (BTreeMap::new(), chosen(30));
    for seed in &seeds {
        let platforms = all_platforms();
        let platform = platforms[*seed as usize % platforms.len()].clone();
        for (what, count) in play(*seed, platform, 0).done {
            *sum.entry(what).or_default() += count;
        }
    }
    assert!(seeds.len() < 20 || COVERED.iter().all(|(what, least)| sum.get(what) >= Some(least)), "{sum:?}");
}

/// What all runs together do, at the least.
const COVERED: &[(&str, u32)] = &[
    ("batches", 1000),
    ("long-running batches", 100),
    ("exec barriers", 100),
    ("binds", 500),
    ("bind barriers", 50),
    ("binds behind batches", 50),
    ("batches behind binds", 50),
    ("busy binds", 5),
    ("binary in-syncs", 500),
    ("binary out-syncs", 300),
    ("points added", 300),
    ("points waited for", 300),
    ("points signalled", 20),
    ("resets", 20),
    ("signals", 20),
    ("transfers", 50),
    ("refused transfers", 5),
    ("imports", 200),
    ("refused", 50),
    ("failed", 30),
    ("refused by dead queues", 20),
    ("waits to the end", 50),
    ("interrupted waits", 20),
    ("resumed waits", 10),
    ("exec queues destroyed", 20),
    ("bind queues destroyed", 10),
    ("clients closed", 10),
];

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (seed, platform) in chosen(2).into_iter().zip(barexe_tests::rig::platforms().into_iter().cycle()) {
        let [first, second] = [0, 1].map(|_| play(seed, platform.clone(), 1 << 20).text);
        assert!(first.0.lines().count() > 500 && first.1.lines().count() > 10_000, "{}", first.1.lines().count());
        for (what, one, other) in [("trace", &first.0, &second.0), ("device", &first.1, &second.1)] {
            let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
            assert!(one == other, "{}, seed {seed}, {what}: {differs:?}", platform.name);
        }
    }
}

/// Runs that once showed a defect of the driver: the idle context was put on top of a submission that the engine had not
/// taken over (13, on Tiger Lake); a context that had nothing left could not be told from one that was not taken over, and
/// was banned when it got more (50, with two tiles).
const FOUND: &[u64] = &[13, 50];

#[test]
fn runs_that_showed_a_defect_are_right() {
    for seed in FOUND {
        for platform in barexe_tests::rig::tiled_platforms() {
            play(*seed, platform, 0);
        }
    }
}
