//! Tickets: how a caller asks later what became of accepted work.

use super::Device;
use super::client::ClientId;
use crate::pool::Handle;
use crate::sync::fence::{Fence, Timeline};
use crate::{Error, ObjectKind};
use barexe_hal::Hal;

/// Names accepted work. It holds nothing: dropping it leaks nothing, and one that outlives its queue is an error, or, for
/// a while, what its work failed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    client: ClientId,
    timeline: Handle<Timeline>,
    point: u64,
}

/// What became of accepted work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// It is not over.
    Pending,
    /// It is over.
    Done,
    /// It is over and failed.
    Failed(Error),
}

impl Ticket {
    pub(super) const fn new(client: ClientId, fence: Fence) -> Self {
        Self { client, timeline: fence.timeline, point: fence.point }
    }

    pub(super) const fn fence(self) -> Fence {
        Fence { timeline: self.timeline, point: self.point }
    }

    /// The client whose call it was.
    #[must_use]
    pub const fn client(self) -> ClientId {
        self.client
    }

    /// Its place in the order of its queue.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.point
    }
}

/// Queues that failed and are gone are remembered so many: a power of two.
const KEPT: usize = 8;

/// How queues ended that failed and are gone: the newest few, so that what waited for one of them hears of it.
///
/// A queue that is not among them, and was not [forgotten](Self::forgotten), ended well.
#[derive(Debug, Default)]
pub(super) struct Failures {
    kept: [Option<(Handle<Timeline>, Timeline)>; KEPT],
    next: usize,
    forgotten: u64,
}

impl Failures {
    /// Notes how a queue ended that is gone now.
    pub(super) fn note(&mut self, handle: Handle<Timeline>, timeline: Timeline) {
        if timeline.error_of(u64::MAX).is_none() {
            return;
        }
        let Some(slot) = self.kept.get_mut(self.next) else { return };
        if slot.replace((handle, timeline)).is_some() {
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.next = self.next.wrapping_add(1) & (KEPT - 1);
    }

    fn find(&self, handle: Handle<Timeline>) -> Option<&Timeline> {
        self.kept.iter().flatten().find(|(kept, _)| *kept == handle).map(|(_, timeline)| timeline)
    }

    /// How many had to make room for newer ones.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl<H: Hal> Device<'_, H> {
    /// What became of the work, as of the last [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`Error::NotFound`] once the queue is gone, unless it failed not long ago, and for a ticket of a device with another
    /// [`tag`](super::Config::tag).
    pub fn ticket_state(&self, ticket: Ticket) -> Result<TicketState, Error> {
        let stale = Error::NotFound { kind: ObjectKind::Work, id: ticket.timeline.id() };
        let timeline = self.pools.timelines.get(ticket.timeline).filter(|found| !found.is_ended());
        let timeline = timeline.or_else(|| self.failures.find(ticket.timeline)).ok_or(stale)?;
        if ticket.point > timeline.accepted() {
            return Err(stale);
        }
        if timeline.done() < ticket.point {
            return Ok(TicketState::Pending);
        }
        Ok(timeline.error_of(ticket.point).map_or(TicketState::Done, TicketState::Failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Pool, Slot};
    use crate::sync::fence::Timelines;

    /// Ends a queue that took two calls; the second failed, or none.
    fn end(timelines: &mut Timelines<'_>, failures: &mut Failures, error: Option<Error>) -> Handle<Timeline> {
        let mut timeline = Timeline::default();
        let (first, second) = (timeline.accept(), timeline.accept());
        timeline.signal(first, None);
        timeline.signal(second, error);
        let handle = timelines.insert(timeline).unwrap();
        failures.note(handle, timelines.remove(handle).unwrap());
        handle
    }

    #[test]
    fn queues_that_failed_are_remembered_until_newer_ones_take_their_place() {
        let mut slots = [const { Slot::EMPTY }; 1];
        let (mut timelines, mut failures) = (Pool::new(&mut slots), Failures::default());
        let oldest = end(&mut timelines, &mut failures, Some(Error::Canceled));
        let found = failures.find(oldest).unwrap();
        assert_eq!((found.error_of(1), found.error_of(2)), (None, Some(Error::Canceled)));
        for _ in 1..KEPT {
            end(&mut timelines, &mut failures, Some(Error::TimedOut));
        }
        assert!(failures.find(oldest).is_some());
        assert_eq!(failures.forgotten(), 0);
        let newest = end(&mut timelines, &mut failures, Some(Error::TimedOut));
        assert!(failures.find(oldest).is_none() && failures.find(newest).is_some());
        assert_eq!(failures.forgotten(), 1);
    }

    #[test]
    fn queues_that_ended_well_take_no_place() {
        let mut slots = [const { Slot::EMPTY }; 1];
        let (mut timelines, mut failures) = (Pool::new(&mut slots), Failures::default());
        let failed = end(&mut timelines, &mut failures, Some(Error::Canceled));
        for _ in 0..2 * KEPT {
            let well = end(&mut timelines, &mut failures, None);
            assert!(failures.find(well).is_none());
        }
        assert!(failures.find(failed).is_some());
    }
}
