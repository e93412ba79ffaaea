//! Device time beside wall time: a thread in which the engines execute.
//!
//! It sleeps while nothing is to be done, and lets accesses of the peer go first: no batch, however long, keeps a
//! register from being read.
//!
//! Nothing is waited for under the device's lock. The thread sleeps outside it, until the instant that its last turn named;
//! an access that gives the device something to do wakes it, and one that comes between the turn and the sleep ends the
//! sleep before it begins. What a driver stores without an access, such as the word that ends a spinner, is seen because a
//! device with an engine that spins or waits asks for another turn within a tenth of a millisecond.

use super::line::MessageLine;
use barexe_hal::Nanos;
use barexe_sim::PciFunction;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::time::Instant;

/// Most commands executed at once: a few tens of microseconds.
const SLICE_COMMANDS: u64 = 256;

/// The bus's clock: wall time since it was made.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    start: Instant,
}

impl WallClock {
    /// A clock that shows zero.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Wall time since it was made.
    #[must_use]
    pub fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

/// The thread of the engines; it ends with this value.
#[derive(Debug)]
pub struct Engines {
    thread: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Engines {
    /// Starts it.
    #[must_use]
    pub fn start(function: PciFunction, clock: WallClock, line: Arc<MessageLine>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let work = move || {
            while !seen.load(Ordering::Acquire) {
                let (due, reaction) = function.run(clock.now(), SLICE_COMMANDS);
                line.send(reaction.messages);
                rest(&function, due, clock);
            }
        };
        Self { thread: Some(thread::spawn(work)), over }
    }

    /// Whom to wake when the device has been given something to do.
    #[must_use]
    pub fn sleeper(&self) -> Option<Thread> {
        self.thread.as_ref().map(|thread| thread.thread().clone())
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot have panicked without having said so.
            let _ = thread.join();
        }
    }
}

/// Sleeps until the device wants to run, or somebody wakes the thread; then lets others go first.
fn rest(function: &PciFunction, due: Option<Nanos>, clock: WallClock) {
    match due.map(|due| due.saturating_sub(clock.now()).get()) {
        None => thread::park(),
        Some(0) => {}
        Some(pause) => thread::park_timeout(Duration::from_nanos(pause)),
    }
    while function.is_wanted() {
        thread::yield_now();
    }
}
