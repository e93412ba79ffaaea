//! The events of a trace, put together by node.

use super::trace::{Call, Event, Fate, How, Kind, Node, Trace};
use std::collections::{BTreeMap, BTreeSet};

/// Where an event stands in the trace, and the look in which it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) index: usize,
    pub(crate) look: u32,
}

/// Everything that happened to a node.
#[derive(Debug)]
pub(crate) struct Life<'t> {
    pub(crate) call: &'t Call,
    pub(crate) accepted: At,
    pub(crate) starts: Vec<(At, u32)>,
    pub(crate) ends: Vec<(At, u32)>,
    pub(crate) user_fence: Option<At>,
    pub(crate) fence: Option<(At, How)>,
}

impl Life<'_> {
    pub(crate) const fn fate(&self) -> Option<Fate> {
        if let Kind::Batch(fate) = self.call.kind { Some(fate) } else { None }
    }

    /// Where its fence signalled; past everything if it never did.
    pub(crate) fn signalled(&self) -> At {
        self.fence.map_or(At { index: usize::MAX, look: u32::MAX }, |(at, _)| at)
    }

    pub(crate) fn how(&self) -> Option<How> {
        self.fence.map(|(_, how)| how)
    }
}

/// All nodes of a trace.
#[derive(Debug, Default)]
pub(crate) struct Lives<'t> {
    pub(crate) all: Vec<Life<'t>>,
    /// Nodes of each queue, in call order.
    pub(crate) queues: BTreeMap<usize, Vec<Node>>,
    /// Where queues were destroyed, and whether with their clients.
    pub(crate) kills: BTreeMap<usize, (At, bool)>,
    /// Where batches that stop an engine were given up: each is at most one reset.
    pub(crate) resets: Vec<At>,
}

impl<'t> Lives<'t> {
    /// # Errors
    /// If something happened to a node that there is not, or twice what happens once.
    pub(crate) fn of(trace: &'t Trace) -> Result<Self, String> {
        let (mut lives, mut serials) = (Self::default(), BTreeSet::new());
        for (index, entry) in trace.entries.iter().enumerate() {
            let at = At { index, look: entry.look };
            if let Event::Start { serial, .. } | Event::End { serial, .. } = entry.event
                && !serials.insert(serial)
            {
                return Err(format!("{entry}: another batch had that number"));
            }
            lives.add(at, &entry.event).map_err(|what| format!("{entry}: {what}"))?;
        }
        Ok(lives)
    }

    fn add(&mut self, at: At, event: &'t Event) -> Result<(), &'static str> {
        const UNKNOWN: &str = "no call has that number";
        match *event {
            Event::Said(_) => {}
            Event::Call(ref call) => self.accept(at, call),
            Event::Start { node, serial } => self.all.get_mut(node).ok_or(UNKNOWN)?.starts.push((at, serial)),
            Event::End { node, serial } => self.all.get_mut(node).ok_or(UNKNOWN)?.ends.push((at, serial)),
            Event::UserFence { node } => {
                if self.all.get_mut(node).ok_or(UNKNOWN)?.user_fence.replace(at).is_some() {
                    return Err("a user fence is written twice");
                }
            }
            Event::Fence { node, how } => {
                let life = self.all.get_mut(node).ok_or(UNKNOWN)?;
                if life.fence.replace((at, how)).is_some() {
                    return Err("a fence signals twice");
                }
                if how != How::Well && life.fate().is_some_and(Fate::is_fatal) {
                    self.resets.push(at);
                }
            }
            Event::Kill { queue, client } => {
                if self.kills.insert(queue, (at, client)).is_some() {
                    return Err("a queue is destroyed twice");
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, accepted: At, call: &'t Call) {
        if let Some(queue) = call.queue {
            self.queues.entry(queue).or_default().push(self.all.len());
        }
        let (starts, ends) = (Vec::new(), Vec::new());
        self.all.push(Life { call, accepted, starts, ends, user_fence: None, fence: None });
    }

    /// Nodes of its queue that were accepted before it.
    pub(crate) fn earlier(&self, node: Node) -> impl Iterator<Item = Node> {
        let queue = self.all[node].call.queue.and_then(|queue| self.queues.get(&queue));
        queue.into_iter().flatten().copied().take_while(move |other| *other < node)
    }

    /// Resets between two places.
    pub(crate) fn resets_between(&self, from: usize, to: usize) -> usize {
        self.resets.iter().filter(|at| (from..to).contains(&at.index)).count()
    }

    /// Whether the queue of a node was destroyed before a place.
    pub(crate) fn was_killed(&self, node: Node, before: At) -> bool {
        self.kill_of(node).is_some_and(|(kill, _)| kill.index < before.index)
    }

    /// Whether the client of a node was closed.
    pub(crate) fn was_closed(&self, node: Node) -> bool {
        self.kill_of(node).is_some_and(|(_, client)| client)
    }

    fn kill_of(&self, node: Node) -> Option<(At, bool)> {
        self.kills.get(&self.all[node].call.queue?).copied()
    }
}
