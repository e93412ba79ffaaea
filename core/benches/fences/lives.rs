//! One fence: created, given a waiter, signalled, released; and many at once.

use super::{Limit, line, median_seconds};
use barexe_core::pool::Slot;
use barexe_core::shares::Owner;
use barexe_core::sync::fence::{Dependencies, DependencyPool, Fence, Timeline, Timelines};
use barexe_core::sync::sleepers::{Sleeper, SleeperList, Sleepers};
use barexe_core::{Handle, Pool};
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Waker;
use core::time::Duration;
use std::time::Instant;

const ROUNDS: usize = 301;
const LIVES: usize = 2000;
/// Waiters of one sweep.
const MANY: usize = 1000;

fn slots<T>(count: usize) -> &'static mut [Slot<T>] {
    let mut slots = Vec::new();
    slots.resize_with(count, || Slot::EMPTY);
    slots.leak()
}

/// Everything that fences live in.
struct World {
    timelines: Timelines<'static>,
    dependencies: DependencyPool<'static>,
    sleepers: Sleepers<'static>,
    queues: Vec<Handle<Timeline>>,
}

thread_local! {
    static WORLD: core::cell::RefCell<World> = core::cell::RefCell::new(World::new());
}

impl World {
    fn new() -> Self {
        let mut timelines: Timelines<'static> = Pool::new(slots(MANY));
        let queues = (0..MANY).map(|_| timelines.insert(Timeline::default()).ok().unwrap()).collect();
        let sleepers: &'static mut [Slot<Sleeper>] = slots(MANY);
        Self { timelines, dependencies: Pool::new(slots(MANY)), sleepers: Pool::new(sleepers), queues }
    }
}

/// Uncontended atomic read-modify-writes, one after the other.
fn read_modify_writes(count: usize) -> Duration {
    let word = AtomicU64::new(0);
    let begin = Instant::now();
    for _ in 0..count {
        black_box(&word).fetch_add(1, Ordering::SeqCst);
    }
    begin.elapsed()
}

/// Lives of fences that a job waits for.
pub(crate) fn with_job(count: usize) -> Duration {
    WORLD.with_borrow_mut(|world| {
        let World { timelines, dependencies, queues, .. } = world;
        let begin = Instant::now();
        for _ in 0..count {
            let timeline = queues[0];
            let point = timelines.get_mut(timeline).map_or(0, Timeline::accept);
            let mut wait = Dependencies::new();
            let added = wait.add(dependencies, Owner::NOBODY, timelines, Fence { timeline, point });
            let early = wait.are_met(dependencies, timelines);
            let signalled = timelines.get_mut(timeline).is_some_and(|found| found.signal(point, None));
            black_box((added.is_ok(), early, signalled, wait.are_met(dependencies, timelines)));
        }
        begin.elapsed()
    })
}

/// Lives of fences that a future sleeps on.
pub(crate) fn with_future(count: usize) -> Duration {
    WORLD.with_borrow_mut(|world| {
        let World { timelines, sleepers, queues, .. } = world;
        let (waker, mut list) = (Waker::noop(), SleeperList::default());
        let begin = Instant::now();
        for _ in 0..count {
            let timeline = queues[0];
            let point = timelines.get_mut(timeline).map_or(0, Timeline::accept);
            black_box(list.add(sleepers, Owner::NOBODY, point, waker));
            let signalled = timelines.get_mut(timeline).is_some_and(|found| found.signal(point, None));
            list.wake(sleepers, point);
            black_box(signalled);
        }
        begin.elapsed()
    })
}

/// The sweep after a completion: so many fences of one queue have signalled, each with a future asleep.
fn sweep() -> Duration {
    WORLD.with_borrow_mut(|world| {
        let World { timelines, sleepers, queues, .. } = world;
        let mut list = SleeperList::default();
        let timeline = timelines.get_mut(queues[0]).unwrap();
        for _ in 0..MANY {
            let point = timeline.accept();
            list.add(sleepers, Owner::NOBODY, point, Waker::noop()).unwrap();
        }
        let begin = Instant::now();
        let last = timeline.accepted();
        for point in (last - MANY as u64 + 1)..=last {
            timeline.signal(black_box(point), None);
        }
        list.wake(sleepers, last);
        begin.elapsed()
    })
}

/// The whole part of waiters, `per_fence` on each out-sync, as many altogether for each `per_fence`: jobs.
fn waiting_jobs(per_fence: usize) -> Duration {
    WORLD.with_borrow_mut(|world| {
        let World { timelines, dependencies, queues, .. } = world;
        let fences: Vec<Fence> = (0..MANY / per_fence)
            .map(|at| Fence { timeline: queues[at], point: timelines.get_mut(queues[at]).unwrap().accept() })
            .collect();
        let mut waits: Vec<Dependencies> = (0..MANY).map(|_| Dependencies::new()).collect();
        let begin = Instant::now();
        for (at, wait) in waits.iter_mut().enumerate() {
            wait.add(dependencies, Owner::NOBODY, timelines, fences[at / per_fence]).unwrap();
        }
        let asked = begin.elapsed();
        for fence in &fences {
            timelines.get_mut(fence.timeline).unwrap().signal(fence.point, None);
        }
        let begin = Instant::now();
        for wait in &mut waits {
            black_box(wait.are_met(dependencies, timelines));
        }
        asked + begin.elapsed()
    })
}

/// The same, futures.
fn waiting_futures(per_fence: usize) -> Duration {
    WORLD.with_borrow_mut(|world| {
        let World { sleepers, .. } = world;
        let mut lists: Vec<SleeperList> = (0..MANY / per_fence).map(|_| SleeperList::default()).collect();
        let begin = Instant::now();
        for at in 0..MANY {
            black_box(lists[at / per_fence].add(sleepers, Owner::NOBODY, 1, Waker::noop()));
        }
        for list in &mut lists {
            list.wake(sleepers, 1);
        }
        begin.elapsed()
    })
}

fn report_waiters(name: &str, round: fn(usize) -> Duration) {
    const SIZES: [usize; 4] = [1, 10, 100, 1000];
    // In turns, so that whatever else the machine does hits all of them.
    let mut times = SIZES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (at, size) in SIZES.into_iter().enumerate() {
            times[at].push(round(size).as_secs_f64() / MANY as f64);
        }
    }
    let times = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    for (size, time) in SIZES.into_iter().zip(times) {
        line(&format!("{name}: waiters of one out-sync {size:>4}, each"), time * 1e9, "ns", None);
    }
    let (least, most) = times.iter().fold((f64::MAX, 0f64), |(a, b), time| (a.min(*time), b.max(*time)));
    // Less for more waiters is no fault: what one more costs must not grow.
    line(&format!("{name}: time of each, 1000 against 1"), times[3] / times[0], "", Some(Limit::Most(1.2)));
    line(&format!("{name}: dearest against cheapest"), most / least, "", None);
}

pub(crate) fn report() {
    let rmw = median_seconds(ROUNDS, LIVES, || read_modify_writes(LIVES));
    line("one uncontended atomic read-modify-write", rmw * 1e9, "ns", None);
    let lives = [("a job waits", with_job as fn(usize) -> Duration), ("a future waits", with_future)];
    for (name, life) in lives {
        let time = median_seconds(ROUNDS, LIVES, || life(LIVES));
        line(
            &format!("fence created, waited for, signalled, released: {name}"),
            time / rmw,
            "RMW",
            Some(Limit::Most(5.5)),
        );
    }
    let swept = median_seconds(ROUNDS, MANY, sweep);
    line("sweep after a completion, each fence", swept / rmw, "RMW", Some(Limit::Most(3.0)));
    report_waiters("jobs", waiting_jobs);
    report_waiters("futures", waiting_futures);
}
