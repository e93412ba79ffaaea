//! What is known of a context.

use crate::guc::requests::{Policy, Registration};

const US: u64 = 1_000;

/// Policies of a context.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policies {
    /// The lower goes first.
    pub(super) priority: u32,
    /// Time on an engine before others have their turn, in nanoseconds; none without end.
    pub(super) quantum_ns: Option<u64>,
    /// Time in which it must leave, in nanoseconds; none without end.
    pub(super) preemption_ns: Option<u64>,
    /// It leaves at the end of its time even if nobody waits.
    pub(super) to_idle: bool,
}

impl Default for Policies {
    /// Those before the host sets any: an assumption, as the driver always does.
    fn default() -> Self {
        let priority = crate::guc::messages::context::priority::KERNEL_NORMAL;
        Self { priority, quantum_ns: Some(1_000 * US), preemption_ns: Some(640_000 * US), to_idle: false }
    }
}

/// Microseconds as nanoseconds; none for 0, which means without end.
const fn limit(us: u32) -> Option<u64> {
    if us == 0 { None } else { Some(us as u64 * US) }
}

impl Policies {
    pub(super) const fn set(&mut self, policy: Policy) {
        match policy {
            Policy::Quantum(us) => self.quantum_ns = limit(us),
            Policy::PreemptionTimeout(us) => self.preemption_ns = limit(us),
            Policy::Priority(priority) => self.priority = priority,
            Policy::PreemptToIdle(to_idle) => self.to_idle = to_idle,
            // Frequencies are not simulated.
            Policy::Frequency(_) => {}
        }
    }
}

/// How far a context that was asked to leave has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Nobody asked.
    No,
    /// It has until then; for ever if there is no instant.
    Until(Option<u64>),
    /// It did not: what its engines show was told, next they are reset.
    Told,
    /// Not even a reset makes it leave.
    Stuck,
}

/// A context's time on its engines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    /// Position of the seat of its first image; the others have those after it.
    pub(super) first: usize,
    pub(super) since_ns: u64,
    pub(super) leaving: Leaving,
    /// It goes behind the others of its priority when it has left.
    pub(super) to_the_end: bool,
}

/// One context, or several side by side.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) registration: Registration,
    pub(super) policies: Policies,
    pub(super) enabled: bool,
    /// The host waits to hear that it may run.
    pub(super) enabling: bool,
    /// The host waits to hear that it has stopped.
    pub(super) disabling: bool,
    /// The host waits to hear that it is forgotten.
    pub(super) leaves_for_good: bool,
    /// There is new work.
    pub(super) work: bool,
    /// Seats on which it was not since it may run: its translations are forgotten when it comes there. A driver that
    /// stops a context to change its page tables rests on that.
    pub(super) fresh: Vec<usize>,
    /// It is on its engines.
    pub(super) stay: Option<Stay>,
    /// Place in the order of those that wait.
    pub(super) order: u64,
}

impl Context {
    pub(super) fn new(registration: Registration) -> Self {
        let policies = Policies::default();
        Self {
            registration,
            policies,
            enabled: false,
            enabling: false,
            disabling: false,
            leaves_for_good: false,
            work: false,
            fresh: Vec::new(),
            stay: None,
            order: 0,
        }
    }

    /// Engines it needs at once.
    pub(super) const fn width(&self) -> usize {
        self.registration.images.len()
    }
}
