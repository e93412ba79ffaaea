//! The thread that lets the GPU and the driver work while no client does.

use crate::node::Node;
use core::time::Duration;
use std::sync::{Condvar, Mutex, PoisonError};

/// Wakes the worker when there may be something to do.
#[derive(Debug, Default)]
pub struct Doorbell {
    rung: Mutex<bool>,
    wakes: Condvar,
}

impl Doorbell {
    /// Somebody called.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wakes.notify_one();
    }

    /// Sleeps until somebody calls, at most so long.
    fn wait(&self, longest: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self.wakes.wait_timeout_while(rung, longest, |rung| !*rung);
        *woken.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// How long the worker sleeps when nothing is going on at all.
const QUIET: Duration = Duration::from_millis(50);
/// When work is left that waits for something: a time, or memory that a client writes.
const WAITING: Duration = Duration::from_micros(200);
/// When engines are busy and get nowhere, as those that spin.
const SPINNING: Duration = Duration::from_micros(250);
/// When somebody else wants the device.
const POLITE: Duration = Duration::from_micros(20);
/// Steps without anything finished, after which engines are taken to spin.
const PATIENCE: u32 = 80;

/// Starts the thread. It takes no signals: those are for the client's threads.
///
/// # Errors
/// Why there is none, in words.
pub fn start(node: &'static Node) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(String::from("barexe-gpu"));
    thread.spawn(move || work(node)).map(drop).map_err(|error| format!("the thread of the GPU: {error}"))
}

fn work(node: &Node) {
    let mut in_vain = 0u32;
    loop {
        let step = node.step();
        in_vain = if step.moved || step.commands == 0 { 0 } else { in_vain.saturating_add(1) };
        let nap = match () {
            () if step.quiet => QUIET,
            () if step.commands == 0 && !step.moved => WAITING,
            () if in_vain > PATIENCE => SPINNING,
            () if node.is_wanted() => POLITE,
            () => continue,
        };
        node.doorbell.wait(nap);
    }
}
