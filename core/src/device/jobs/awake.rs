//! Which queues a poll looks at.
//!
//! A queue that cannot move is asleep, and costs a poll nothing. The rule that makes this right is one sentence: **a queue
//! that is not awake cannot move.** It holds because every event that lets one move wakes it:
//!
//! ```text
//!   a call gives it work ───────────────────────┐
//!   it is banned, destroyed, or its VM is ──────┤
//!   an engine is given a context of it ─────────┼──► awake ──► looked at by every poll ──► off all engines, and its next
//!   a context of it has left an engine ─────────┤                                          job waits, or it has none:
//!   the fence that its next job waits for ──────┘                                          asleep
//! ```
//!
//! While an engine may touch a context of it, it stays awake: the number that tells of a job that is over comes from there,
//! and nobody else tells. So does a queue whose next bind has begun, or may: page-table jobs and invalidations are shared
//! by all binds.
//!
//! Builds with debug assertions look at every other queue too when nothing moves any more, and find that none could.

use crate::Error;
use crate::device::{Device, Pools};
use crate::exec::queue::{Attention, Queue, QueueList, QueueState};
use crate::pool::Handle;
use crate::ring::gang::MEMBERS_MAX;
use crate::sync::fence::{Fence, Timeline};
use barexe_hal::Hal;

impl<H: Hal> Device<'_, H> {
    /// Looks once at every queue that is awake; whether something moved.
    pub(super) fn step_queues(&mut self) -> Result<bool, Error> {
        let mut moved = false;
        for _ in 0..self.pools.awake.len() {
            let Some(queue) = self.pools.take_awake() else { break };
            moved |= self.step_queue(queue)?;
            if self.is_on_an_engine(queue) {
                self.pools.wake(queue);
            } else {
                self.pools.rest(queue);
            }
        }
        Ok(moved)
    }

    /// A queue that is not awake cannot move, and one that an engine could run is among those that are ready.
    #[cfg(debug_assertions)]
    pub(super) fn check_sleepers(&mut self) -> Result<(), Error> {
        for position in 0..self.pools.queues.positions() {
            let Some(handle) = self.pools.queues.handle_at(position) else { continue };
            let Some(queue) = self.pools.queues.get(handle) else { continue };
            debug_assert!(!queue.is_ready() || self.pools.is_listed(handle), "{handle:?} is not listed as ready");
            let is_asleep = queue.attention != Attention::Awake && queue.lead().is_none();
            debug_assert!(!is_asleep || !self.is_on_an_engine(handle), "{handle:?} is on an engine and asleep");
            if is_asleep && self.step_queue(handle)? {
                debug_assert!(false, "{handle:?} was asleep and moved");
            }
        }
        Ok(())
    }
}

impl Pools<'_> {
    /// Sees to it that the next poll looks at a queue. `queue` may be a member of a gang: it moves with its lead.
    pub(in crate::device) fn wake(&mut self, queue: Handle<Queue>) {
        let lead = self.queues.get(queue).and_then(Queue::lead).unwrap_or(queue);
        self.forget_sleep(lead);
        if let Some(found) = self.queues.get_mut(lead) {
            found.attention = Attention::Awake;
            self.awake.push(&mut self.queues, QueueList::Attention, lead);
        }
    }

    /// Wakes the queues whose next jobs wait for points of a timeline up to `done`.
    pub(in crate::device) fn wake_waiting(&mut self, timeline: Handle<Timeline>, done: u64) {
        loop {
            let first = self.timelines.get(timeline).and_then(|timeline| timeline.waiting().first(&self.queues));
            let Some(queue) = first.filter(|queue| waits_for(self.queues.get(*queue)) <= done) else { return };
            self.wake(queue);
        }
    }

    /// Puts a queue into another state, and every queue that its jobs have parts on. `queue` may be any of them.
    pub(in crate::device) fn set_queue_state(&mut self, queue: Handle<Queue>, state: QueueState) {
        let lead = self.queues.get(queue).and_then(Queue::lead).unwrap_or(queue);
        let Some(found) = self.queues.get_mut(lead) else { return };
        found.state = state;
        for at in 0..MEMBERS_MAX {
            let member = self.queues.get(lead).and_then(|lead| lead.members().get(at).copied());
            if let Some((member, found)) = member.and_then(|member| Some((member, self.queues.get_mut(member)?))) {
                found.state = state;
                self.note_readiness(member);
            }
        }
        self.note_readiness(lead);
        self.wake(lead);
    }

    /// Takes a queue out, from wherever it stands.
    pub(super) fn remove_queue(&mut self, queue: Handle<Queue>) -> Option<Queue> {
        self.forget_sleep(queue);
        self.awake.remove(&mut self.queues, QueueList::Attention, queue);
        self.delist(queue);
        self.queues.remove(queue)
    }

    /// The queue that has been awake for longest without a look; it is asleep now.
    fn take_awake(&mut self) -> Option<Handle<Queue>> {
        let queue = self.awake.pop(&mut self.queues, QueueList::Attention)?;
        if let Some(found) = self.queues.get_mut(queue) {
            found.attention = Attention::Asleep;
        }
        Some(queue)
    }

    /// Lets a queue sleep that is on no engine, if that can be: it was looked at, and did what it could.
    fn rest(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.queues.get(handle).filter(|queue| queue.attention == Attention::Asleep) else { return };
        let Some(job) = queue.next_to_start().and_then(|job| self.jobs.get(job)) else { return };
        match job.value.wait.first(&self.dependencies) {
            Some(fence) => self.sleep_until(handle, fence),
            None if queue.exec().is_none() => self.wake(handle),
            // The ring has no room, and has none before an engine runs what is in it.
            None => {}
        }
    }

    /// Lets a queue sleep until a fence has signalled.
    fn sleep_until(&mut self, handle: Handle<Queue>, fence: Fence) {
        if fence.is_signalled(&self.timelines) {
            return;
        }
        let Some(timeline) = self.timelines.get_mut(fence.timeline) else { return };
        let later = |other: &Queue| waits_for(Some(other)) > fence.point;
        timeline.waiting_mut().insert(&mut self.queues, QueueList::Attention, handle, later);
        if let Some(queue) = self.queues.get_mut(handle) {
            queue.attention = Attention::Until(fence);
        }
    }

    /// Takes a queue from the fence it sleeps on, if there is one.
    fn forget_sleep(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.queues.get_mut(handle) else { return };
        if let Attention::Until(fence) = queue.attention {
            queue.attention = Attention::Asleep;
            if let Some(timeline) = self.timelines.get_mut(fence.timeline) {
                timeline.waiting_mut().remove(&mut self.queues, QueueList::Attention, handle);
            }
        }
    }
}

/// The point that a queue sleeps until.
fn waits_for(queue: Option<&Queue>) -> u64 {
    match queue.map(|queue| queue.attention) {
        Some(Attention::Until(fence)) => fence.point,
        Some(Attention::Asleep | Attention::Awake) | None => 0,
    }
}
