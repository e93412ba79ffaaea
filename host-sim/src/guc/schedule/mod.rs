//! The scheduler: which context is on which engine.
//!
//! The GuC is a submitter like the host in execlist mode, on the same queue of the command streamer: it loads one context
//! at a time, asks it to leave, and looks whether it has left. Requests only note what is wanted; [`Scheduler::look`]
//! does it.
//!
//! | file | concept |
//! |---|---|
//! | `context` | what is known of a context |
//! | `seats` | the engines, and who is on them |
//! | `requests` | what the host asks for |
//! | `serve` | contexts that left, that do not leave, that met a fault |
//! | `dispatch` | who is next |
//! | `queue` | work of contexts that run side by side |
//! | `activity` | how busy engines are |
//! | `memory` | memory through the GGTT |
//!
//! What the firmware does where its interface is silent is an assumption of this model: a context is put on an engine by
//! priority, then by age; one whose time is over goes behind those of its priority only if one of them waits; contexts
//! side by side keep all their engines until the last is done; a context that was reset is stopped.
//!
//! # What must hold
//!
//! - A registered context that may run and has work is on its engines, or among those that are ready, or asked about. One
//!   that leaves because it had to is ready at once: whether it was at its end shows when it is loaded again.
//! - Whatever makes a context runnable asks about it (new work, a mode, the end of a reset), and what is asked is done at
//!   the next look. The doorbell looks itself.
//! - After every turn of the engines there is a look, so an engine that became free is seen. While somebody is ready, the
//!   end of the time of who is on an engine is due; so is the end of the time in which one must leave. What is due in
//!   the past waits for a turn of the engines, which comes because an engine has something to do.
//! - Who is ready waits at most for the quantum, and the time to leave, of each of its priority that shares an engine.
//! - No engine stays free for those who wait beside it for one that may stay for ever.
//! - Time that passes without a turn of an engine is held against nobody on it.
//! - A context's clock stands in its image while it is off, and in the engine's register while it is on; it goes on
//!   exactly while it is on. Its image says which of the two only if its batch at the restore marks it: Linux's does, and
//!   takes a job for stuck whose clock showed the same in two looks, five seconds apart, while its fence was not heard of.

mod activity;
mod context;
mod dispatch;
mod memory;
mod queue;
mod requests;
mod seats;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use requests::Feature;

use self::activity::Activity;
use self::context::Context;
use self::seats::Seat;
use self::serve::World;
use super::machine::Machine;
use super::requests::{Event, Refusal, Request};
use std::collections::{BTreeMap, VecDeque};

/// Contexts of one GT, and the engines they run on. A new one has forgotten everything, as after a reset of the GT.
#[derive(Debug)]
pub(crate) struct Scheduler {
    /// By class and number in the class; none before the first request.
    seats: Vec<Seat>,
    contexts: BTreeMap<u32, Context>,
    /// Contexts about which something is to be done.
    asked: Vec<u32>,
    /// Contexts that wait for an engine.
    ready: Vec<u32>,
    /// Counts contexts that begin to wait.
    order: u64,
    /// Instant of the last look.
    looked_ns: u64,
    /// An engine on which a context does not yield is reset.
    resets_engines: bool,
    /// A context that waits for a semaphore makes room at once.
    yields_on_wait: bool,
    activity: Activity,
    /// What the host has to hear, oldest first.
    events: VecDeque<Event>,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            seats: Vec::new(),
            contexts: BTreeMap::new(),
            asked: Vec::new(),
            ready: Vec::new(),
            order: 0,
            looked_ns: 0,
            resets_engines: true,
            yields_on_wait: false,
            activity: Activity::default(),
            events: VecDeque::new(),
        }
    }
}

impl Scheduler {
    /// Takes a request, or says why not. What follows from it is done at the next [`look`](Self::look).
    pub(crate) fn request(&mut self, request: Request, machine: &mut Machine<'_>) -> Result<(), Refusal> {
        self.know_engines(machine);
        self.take(request, machine.shared.time_ns)
    }

    /// Does what was asked for and what the engines call for: after requests, after each turn of the engines, and
    /// whenever the clock went on. Whether anything changed on an engine.
    pub(crate) fn look(&mut self, machine: &mut Machine<'_>) -> bool {
        if !self.is_busy() {
            return false;
        }
        let (engines, bus) = machine.parts();
        self.serve(&mut World { engines, bus })
    }

    /// The instant at which something falls due that no engine brings about.
    pub(crate) fn next_look_ns(&self) -> Option<u64> {
        self.next_ns()
    }

    /// What happened, oldest first.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Tells from now on in memory how busy engines are: GGTT addresses of the common block and of the table.
    pub(crate) fn tell_activity(&mut self, common: u32, table: u32, machine: &mut Machine<'_>) {
        self.know_engines(machine);
        self.activity = Activity::at(common, table);
        self.tell_how_busy(machine.shared);
    }

    fn know_engines(&mut self, machine: &mut Machine<'_>) {
        if self.seats.is_empty() {
            self.seats = seats::of(machine);
        }
    }

    /// Whether something is on an engine, or is to come there.
    fn is_busy(&self) -> bool {
        !self.asked.is_empty() || !self.ready.is_empty() || self.seats.iter().any(|seat| seat.holder.is_some())
    }
}
