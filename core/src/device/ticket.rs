//! Tickets: how a caller asks later what became of accepted work.

use super::objects::client::ClientId;
use super::{Device, Pools};
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

/// Queues that failed and are gone are remembered so many, beside the newest one of each client: a power of two.
const KEPT: usize = 8;

/// How a queue ended that is gone.
pub(super) type Ending = (Handle<Timeline>, Timeline);

/// How queues of a client ended that failed and are gone.
#[derive(Debug, Default)]
pub(super) struct OwnFailures {
    /// The newest of them: no other client's can take its place.
    newest: Option<Ending>,
    /// How many had to make room for newer ones.
    forgotten: u64,
}

/// How queues ended that failed and are gone, those that a newer one of the same client has displaced: the newest few of
/// all clients, so that what waited for one of them hears of it.
///
/// A queue that is remembered nowhere ended well, if its client has none that were [forgotten](Pools::forgotten).
#[derive(Debug, Default)]
pub(super) struct Failures {
    kept: [Option<(ClientId, Ending)>; KEPT],
    next: usize,
    /// How many of clients that are gone had to make room for newer ones.
    forgotten: u64,
}

impl Failures {
    /// Keeps an ending; the one that makes room for it.
    fn keep(&mut self, client: ClientId, ending: Ending) -> Option<(ClientId, Ending)> {
        let slot = self.kept.get_mut(self.next)?;
        self.next = self.next.wrapping_add(1) & (KEPT - 1);
        slot.replace((client, ending))
    }

    fn find(&self, handle: Handle<Timeline>) -> Option<&Timeline> {
        self.kept.iter().flatten().find(|(_, (kept, _))| *kept == handle).map(|(_, (_, timeline))| timeline)
    }
}

impl Pools<'_> {
    /// Notes how a queue of a client ended that is gone now.
    pub(super) fn note_failure(&mut self, client: ClientId, (handle, timeline): Ending) {
        if timeline.error_of(u64::MAX).is_none() {
            return;
        }
        let older = match self.clients.get_mut(client) {
            Some(client) => client.failures.newest.replace((handle, timeline)),
            None => Some((handle, timeline)),
        };
        self.keep_failure(client, older);
    }

    fn keep_failure(&mut self, client: ClientId, ending: Option<Ending>) {
        let displaced = ending.and_then(|ending| self.failures.keep(client, ending));
        let Some((client, _)) = displaced else { return };
        let found = self.clients.get_mut(client).map(|client| &mut client.failures.forgotten);
        let forgotten = found.unwrap_or(&mut self.failures.forgotten);
        *forgotten = forgotten.saturating_add(1);
    }

    /// Takes a client out; how its last queue ended that failed is remembered among those of all.
    pub(super) fn remove_client(&mut self, client: ClientId) {
        if let Some(gone) = self.clients.remove(client) {
            self.keep_failure(client, gone.failures.newest);
        }
    }

    fn failure(&self, client: ClientId, handle: Handle<Timeline>) -> Option<&Timeline> {
        let newest = self.clients.get(client).and_then(|client| client.failures.newest.as_ref());
        let newest = newest.filter(|(kept, _)| *kept == handle).map(|(_, timeline)| timeline);
        newest.or_else(|| self.failures.find(handle))
    }

    /// How many failures of a client had to make room for newer ones.
    pub(super) fn forgotten(&self, client: ClientId) -> u64 {
        self.clients.get(client).map_or(self.failures.forgotten, |client| client.failures.forgotten)
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
        let timeline = timeline.or_else(|| self.pools.failure(ticket.client, ticket.timeline)).ok_or(stale)?;
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
    use super::super::Client;
    use super::*;
    use crate::DefaultStorage;
    use crate::Shares;
    use std::boxed::Box;

    /// In a frame of its own: it is large, and stacks of tests are not.
    #[inline(never)]
    fn boxed() -> Box<DefaultStorage> {
        Box::new(const { DefaultStorage::new() })
    }

    fn with_clients(test: impl FnOnce(&mut Pools<'_>, [ClientId; 2])) {
        let mut storage = boxed();
        let mut pools = Pools::lent(storage.lend(), 0, &Shares::NONE);
        let mut open = || pools.clients.insert(Client::new(false, None)).unwrap();
        let clients = [open(), open()];
        test(&mut pools, clients);
    }

    /// Ends a queue that took two calls; the second failed, or none.
    fn end(pools: &mut Pools<'_>, client: ClientId, error: Option<Error>) -> Handle<Timeline> {
        let mut timeline = Timeline::default();
        let (first, second) = (timeline.accept(), timeline.accept());
        timeline.signal(first, None);
        timeline.signal(second, error);
        let handle = pools.timelines.insert(timeline).unwrap();
        let timeline = pools.timelines.remove(handle).unwrap();
        pools.note_failure(client, (handle, timeline));
        handle
    }

    #[test]
    fn queues_that_failed_are_remembered_until_newer_ones_take_their_place() {
        with_clients(|pools, [client, _]| {
            let oldest = end(pools, client, Some(Error::Canceled));
            let found = pools.failure(client, oldest).unwrap();
            assert_eq!((found.error_of(1), found.error_of(2)), (None, Some(Error::Canceled)));
            for _ in 0..KEPT {
                end(pools, client, Some(Error::TimedOut));
            }
            assert!(pools.failure(client, oldest).is_some());
            assert_eq!(pools.forgotten(client), 0);
            let newest = end(pools, client, Some(Error::TimedOut));
            assert!(pools.failure(client, oldest).is_none() && pools.failure(client, newest).is_some());
            assert_eq!(pools.forgotten(client), 1);
        });
    }

    #[test]
    fn queues_that_ended_well_take_no_place() {
        with_clients(|pools, [client, _]| {
            let failed = end(pools, client, Some(Error::Canceled));
            for _ in 0..2 * KEPT {
                let well = end(pools, client, None);
                assert!(pools.failure(client, well).is_none());
            }
            assert!(pools.failure(client, failed).is_some());
        });
    }

    #[test]
    fn failures_of_one_client_make_nobody_forget_the_last_one_of_another() {
        with_clients(|pools, [hostile, neighbour]| {
            let failed = end(pools, neighbour, Some(Error::Canceled));
            for _ in 0..3 * KEPT {
                end(pools, hostile, Some(Error::TimedOut));
            }
            assert!(pools.failure(neighbour, failed).is_some());
            assert_eq!((pools.forgotten(neighbour), pools.forgotten(hostile)), (0, 15));
            end(pools, neighbour, Some(Error::Canceled));
            assert!(pools.failure(neighbour, failed).is_some(), "among those of all");
        });
    }

    #[test]
    fn of_a_client_that_is_gone_failures_are_kept_among_those_of_all() {
        with_clients(|pools, [client, _]| {
            let before = end(pools, client, Some(Error::Canceled));
            pools.remove_client(client);
            let after = end(pools, client, Some(Error::Canceled));
            assert!(pools.failure(client, before).is_some() && pools.failure(client, after).is_some());
            assert_eq!(pools.forgotten(client), 0);
            for _ in 1..KEPT {
                end(pools, client, Some(Error::TimedOut));
            }
            assert!(pools.failure(client, before).is_none() && pools.forgotten(client) == 1);
        });
    }
}
