//! A context of a random driver, and what is known of it.

use super::queue::{Batch, Queue};
use std::collections::VecDeque;

pub(crate) const MS: u64 = 1_000_000;
/// Time in which one that can be interrupted leaves.
const LEAVES_NS: u64 = 2 * MS;

/// What a driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    Mode(bool),
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Policies {
    pub(crate) quantum_us: u32,
    pub(crate) limit_us: u32,
    pub(crate) priority: u32,
}

/// A context, and what is known of it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) queue: Queue,
    pub(crate) policies: Policies,
    pub(crate) enabled: bool,
    pub(crate) pending: Option<(Pending, u64)>,
    /// Its engines were reset: what it had to do is lost.
    pub(crate) lost: bool,
    /// Batches that are not known to be done: job, what it does, whether it waits for somebody to release it.
    pub(crate) batches: VecDeque<(u32, Batch, bool)>,
    /// Jobs of which it was heard that they are done.
    pub(crate) heard: u32,
    pub(crate) done: u32,
    /// Its clock when it was last seen off its engine.
    pub(crate) clock: u32,
    /// Since when it has not been seen to get on.
    pub(crate) since_ns: u64,
}

impl Subject {
    pub(crate) const fn new(queue: Queue, policies: Policies, since_ns: u64) -> Self {
        Self {
            queue,
            policies,
            enabled: false,
            pending: None,
            lost: false,
            batches: VecDeque::new(),
            heard: 0,
            done: 0,
            clock: 0,
            since_ns,
        }
    }

    pub(crate) const fn has_work(&self) -> bool {
        self.done < self.queue.given && !self.lost
    }

    /// Whether it wants an engine and may have one.
    pub(crate) const fn wants(&self) -> bool {
        self.has_work() && self.enabled && self.pending.is_none()
    }

    /// Whether it may be on an engine, wanted or not.
    pub(crate) const fn may_hold(&self) -> bool {
        self.has_work() && (self.enabled || self.pending.is_some())
    }

    /// Whether a batch of its may be running that nothing interrupts.
    pub(crate) fn is_stubborn(&self) -> bool {
        self.batches.iter().any(|(_, batch, _)| *batch == Batch::Spin(false))
    }

    /// Time that it may need to leave; none without end.
    pub(crate) fn leaves_ns(&self) -> Option<u64> {
        match self.policies.limit_us {
            _ if !self.is_stubborn() => Some(LEAVES_NS),
            0 => None,
            us => Some(u64::from(us) * 1000 + LEAVES_NS),
        }
    }

    /// Time after which one of its priority is next; none without end.
    pub(crate) fn holds_ns(&self) -> Option<u64> {
        match self.policies.quantum_us {
            0 => None,
            us => self.leaves_ns().map(|leaves| leaves + u64::from(us) * 1000),
        }
    }
}
