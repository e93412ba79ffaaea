//! Tickets: how a caller asks later what became of accepted work.

use super::Device;
use super::client::ClientId;
use crate::pool::Handle;
use crate::sync::fence::{Fence, Timeline};
use crate::{Error, ObjectKind};
use barexe_hal::Hal;

/// Names accepted work. It holds nothing: dropping it leaks nothing, and one that outlives its queue is an error.
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

impl<H: Hal> Device<'_, H> {
    /// What became of the work, as of the last [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`Error::NotFound`] once the queue is gone, and for a ticket of a device with another
    /// [`tag`](super::Config::tag).
    pub fn ticket_state(&self, ticket: Ticket) -> Result<TicketState, Error> {
        let stale = Error::NotFound { kind: ObjectKind::Work, id: ticket.timeline.id() };
        let timeline = self.pools.timelines.get(ticket.timeline).filter(|found| !found.is_ended()).ok_or(stale)?;
        if ticket.point > timeline.accepted() {
            return Err(stale);
        }
        if timeline.done() < ticket.point {
            return Ok(TicketState::Pending);
        }
        Ok(timeline.error_of(ticket.point).map_or(TicketState::Done, TicketState::Failed))
    }
}
