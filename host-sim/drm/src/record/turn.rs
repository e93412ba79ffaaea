//! One event after the other: the order in the file is the order in which things happened.
//!
//! A call has the turn while it does something, and lets go of it while it only waits. A thread may leave a call for good
//! while it waits, by `longjmp` out of a signal handler; it has nothing then.

use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<()>);

/// The turn, or a place in the queue for it.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    held: Option<MutexGuard<'t, ()>>,
    /// It was let go of since it was taken.
    pub(super) shared: bool,
}

/// How long the end of the process waits for it, in steps.
const STEPS: u32 = 500;
const STEP: Duration = Duration::from_millis(2);

impl Turns {
    pub(super) fn take(&self) -> Turn<'_> {
        let held = Some(self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Turn { turns: self, held, shared: false }
    }

    /// Waits a while; a thread that does not let go must not keep the process from ending.
    pub(super) fn take_soon(&self) -> Option<MutexGuard<'_, ()>> {
        for _ in 0..STEPS {
            match self.0.try_lock() {
                Ok(held) => return Some(held),
                Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
            }
        }
        None
    }
}

impl Turn<'_> {
    /// Does something that others need not wait for.
    pub(super) fn aside<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.held = None;
        let result = work();
        self.held = Some(self.turns.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared = true;
        result
    }
}
