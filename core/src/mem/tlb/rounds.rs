//! Rounds of invalidation, asynchronously.
//!
//! Page-table memory may be reused only after an invalidation that *began* after the tables changed has finished.
//! [`TlbInvalidator`] turns that into tickets and rounds: one round is in flight at most; requests made meanwhile
//! share the next one. No call waits.
//!
//! ```text
//!   request ──► ticket n+1        round n in flight        round n+1
//!                      └────────────────────────────────────► done
//! ```

use super::{AddressSpace, Invalidate};
use crate::Error;
use crate::mem::tree::VaRange;
use barexe_hal::{Mmio, Nanos};

/// The part that knows the hardware. Both calls return at once.
pub trait TlbBackend {
    /// Starts an invalidation of everything.
    fn start<H: Mmio>(&mut self, hal: &mut H);

    /// Whether the invalidation that was started last has finished.
    ///
    /// # Errors
    /// [`Error::DeviceGone`].
    fn finished<H: Mmio>(&mut self, hal: &mut H) -> Result<bool, Error>;
}

/// A round's number; order is by wrapping distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round(u32);

impl Round {
    /// Just below the wrap, so that every run crosses it.
    const FIRST: Self = Self(u32::MAX - 3);

    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether `self` is `other` or came after it.
    const fn has_reached(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) < 1 << 31
    }
}

/// Names an invalidation that was asked for. Holds nothing; dropping it leaks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "memory may be reused only after the ticket is done"]
pub struct TlbTicket(Round);

/// Longest time one round may take (engines sheet §13.8).
pub const ROUND_TIMEOUT: Nanos = Nanos::from_millis(4);

/// Rounds of invalidation over a backend.
#[derive(Debug)]
pub struct TlbInvalidator<B> {
    backend: B,
    started: Round,
    finished: Round,
    /// Deadline of the round in flight.
    in_flight: Option<Nanos>,
    /// Somebody waits for the next round.
    wanted: bool,
}

impl<B: TlbBackend> TlbInvalidator<B> {
    /// An invalidator with nothing in flight.
    #[must_use]
    pub const fn new(backend: B) -> Self {
        Self { backend, started: Round::FIRST, finished: Round::FIRST, in_flight: None, wanted: false }
    }

    /// Asks for an invalidation that begins after this call. It starts at the next [`poll`](Self::poll) that finds
    /// no round in flight; a round that runs already began too early to serve.
    pub const fn request(&mut self) -> TlbTicket {
        self.wanted = true;
        TlbTicket(self.started.next())
    }

    /// Whether the invalidation has finished.
    #[must_use]
    pub const fn is_done(&self, ticket: TlbTicket) -> bool {
        self.finished.has_reached(ticket.0)
    }

    /// Nothing is in flight and nobody waits.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.in_flight.is_none() && !self.wanted
    }

    /// When the round in flight is overdue.
    #[must_use]
    pub const fn deadline(&self) -> Option<Nanos> {
        self.in_flight
    }

    /// The part that knows the hardware, for reports.
    #[must_use]
    pub const fn backend(&self) -> &B {
        &self.backend
    }

    /// Looks whether the round in flight has finished, and starts the next one if somebody waits for it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at every call once the round is overdue ([`backend`](Self::backend) knows who did not
    /// answer): the GT needs a reset, see [`flushed_by_reset`](Self::flushed_by_reset). An answer that comes late
    /// still counts. [`Error::DeviceGone`].
    pub fn poll<H: Mmio>(&mut self, hal: &mut H, now: Nanos) -> Result<(), Error> {
        if let Some(deadline) = self.in_flight {
            if !self.backend.finished(hal)? {
                return if now >= deadline { Err(Error::TimedOut) } else { Ok(()) };
            }
            self.finished = self.started;
            self.in_flight = None;
        }
        if self.wanted {
            self.wanted = false;
            self.started = self.started.next();
            self.in_flight = Some(now.saturating_add(ROUND_TIMEOUT));
            self.backend.start(hal);
        }
        Ok(())
    }

    /// A GT reset, or the loss of the device, has emptied every TLB: all tickets so far are done.
    pub const fn flushed_by_reset(&mut self) {
        if self.wanted {
            self.started = self.started.next();
        }
        self.wanted = false;
        self.in_flight = None;
        self.finished = self.started;
    }
}

/// Everything is invalidated, whatever the range.
impl<B: TlbBackend> Invalidate for TlbInvalidator<B> {
    type Proof = TlbTicket;

    fn invalidate(&mut self, _: AddressSpace, _: VaRange) -> TlbTicket {
        self.request()
    }
}
