//! What happened in a run, in order, as the test saw it.

use barexe_core::Errno;
use std::collections::BTreeSet;
use std::fmt;

/// Names an accepted call, or a fence of the test: calls are numbered in the order in which they were accepted.
pub(crate) type Node = usize;

/// What a batch does between its two stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing that takes time.
    Plain,
    /// Spins until the test lets it go; the engine may switch meanwhile.
    Spin,
    /// Spins for ever; the engine may switch.
    Endless,
    /// Spins for ever, and keeps the engine.
    Locked,
    /// Stores where nothing is mapped.
    Fault,
    /// Is no batch.
    Bad,
}

impl Fate {
    /// Whether a queue that runs it is banned.
    pub(crate) const fn is_fatal(self) -> bool {
        !matches!(self, Self::Plain | Self::Spin)
    }

    /// Whether a batch like this may end with this code.
    pub(crate) const fn may_give(self, code: Errno) -> bool {
        match self {
            Self::Plain | Self::Spin => false,
            Self::Endless => matches!(code, Errno::ETIME),
            Self::Locked => matches!(code, Errno::ETIME | Errno::EIO),
            Self::Fault | Self::Bad => matches!(code, Errno::EIO),
        }
    }
}

/// What has a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: the test signals it.
    Outside,
    /// An exec with a batch.
    Batch(Fate),
    /// A call without work.
    Barrier,
    /// A bind with operations.
    Bind,
}

/// An accepted call, by what the test handed in.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    /// The queue: every queue that ever was has a number of its own. None for fences of the test.
    pub(crate) queue: Option<usize>,
    /// What its in-syncs held when the call was made.
    pub(crate) waits: BTreeSet<Node>,
    /// Earlier binds of the same VM that meet its range (bind-and-exec sheet §5.2).
    pub(crate) meets: BTreeSet<Node>,
    /// A user fence was asked for.
    pub(crate) user_fence: bool,
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    Failed(Errno),
    /// Its queue is gone, and how it ended with it.
    Unknown,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A call was accepted; it is the next node.
    Call(Box<Call>),
    /// A call was refused, or had no fence.
    Said(String),
    /// A batch wrote its first or its last number: all batches of a run take numbers from one counter.
    Start {
        node: Node,
        serial: u32,
    },
    End {
        node: Node,
        serial: u32,
    },
    /// A user fence was written.
    UserFence {
        node: Node,
    },
    /// A fence has signalled.
    Fence {
        node: Node,
        how: How,
    },
    /// A queue was destroyed, alone or with its client.
    Kill {
        queue: usize,
        client: bool,
    },
}

/// An event, and when it was seen: in which look at everything, and at which instant of the clock.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) look: u32,
    pub(crate) at_ns: u64,
    pub(crate) event: Event,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} {:>9} ", self.look, self.at_ns)?;
        match &self.event {
            Event::Call(call) => write!(
                f,
                "accepted: {:?} on queue {:?} behind {:?} and {:?}, user fence {}",
                call.kind, call.queue, call.waits, call.meets, call.user_fence
            ),
            Event::Said(text) => f.write_str(text),
            Event::Start { node, serial } => write!(f, "{node} starts, number {serial}"),
            Event::End { node, serial } => write!(f, "{node} ends, number {serial}"),
            Event::UserFence { node } => write!(f, "{node} has its user fence"),
            Event::Fence { node, how } => write!(f, "{node} signals: {how:?}"),
            Event::Kill { queue, client } => write!(f, "queue {queue} is destroyed, with its client {client}"),
        }
    }
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) entries: Vec<Entry>,
    calls: usize,
    /// Number of the look that is under way.
    pub(crate) look: u32,
}

impl Trace {
    pub(crate) fn push(&mut self, at_ns: u64, event: Event) {
        self.entries.push(Entry { look: self.look, at_ns, event });
    }

    /// Notes a call; its node.
    pub(crate) fn accept(&mut self, at_ns: u64, call: Call) -> Node {
        self.push(at_ns, Event::Call(Box::new(call)));
        self.calls += 1;
        self.calls - 1
    }

    pub(crate) fn text(&self) -> String {
        self.entries.iter().map(|entry| format!("{entry}\n")).collect()
    }
}
