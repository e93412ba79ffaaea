//! Waiting for accepted work without holding the device.
//!
//! A device is one value behind `&mut`: who has it keeps everybody else from it. So nobody may wait while having it
//! (bind-and-exec sheet §4.8, L10). [`wait_for`] is lent the device anew for every look and sleeps in between without
//! it; meanwhile other threads bind, run batches and signal what is waited for.

use super::{Device, Ticket, TicketState};
use crate::Error;
use barexe_hal::{Hal, Interrupted, Nanos};

/// How an embedder lends a device that others use too.
///
/// For a device behind a lock, [`with`](Self::with) takes the lock and lets it go; [`idle`](Self::idle) is called
/// without it. An embedder that has the device to itself passes `&mut device`.
pub trait Lend<'a, H: Hal> {
    /// Takes the device, does `work` with it, gives it back.
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'a, H>) -> T) -> T;

    /// Passes time without the device, until `until` of the HAL's clock or something happens.
    ///
    /// # Errors
    /// [`Interrupted`] if the caller's environment wants the wait given up. A wait that cannot be given up goes on.
    fn idle(&mut self, until: Nanos) -> Result<(), Interrupted>;
}

impl<'a, H: Hal> Lend<'a, H> for &mut Device<'a, H> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Device<'a, H>) -> T) -> T {
        work(self)
    }

    fn idle(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.hal.relax(until)
    }
}

/// What ends a wait before the work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// An instant of the HAL's clock; `None`: only the work itself ends the wait, or the loss of the device.
    pub until: Option<Nanos>,
    /// The environment may end it. Not so for a bind that was accepted and has no cookie to tell its caller so (R51): the
    /// call would be taken for one that did not happen.
    pub interruptible: bool,
    /// Longest time between two looks.
    pub look_every: Nanos,
}

impl Patience {
    /// For calls that were accepted and wait for their work: until it is over, whatever the environment wants.
    pub const ACCEPTED: Self = Self { until: None, interruptible: false, look_every: Nanos::from_micros(100) };

    /// Sleeps until the next look.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Interrupted`].
    pub(crate) fn sleep<'a, H: Hal>(&self, lend: &mut impl Lend<'a, H>, now: Nanos) -> Result<(), Error> {
        let next = now.saturating_add(self.look_every);
        let next = match self.until {
            Some(until) if now >= until => return Err(Error::TimedOut),
            Some(until) => next.min(until),
            None => next,
        };
        match lend.idle(next) {
            Err(Interrupted) if self.interruptible => Err(Error::Interrupted),
            Err(Interrupted) | Ok(()) => Ok(()),
        }
    }
}

/// Waits until the work of `ticket` is over. The device is held only for looks.
///
/// If the queue is destroyed during the wait, binds it had accepted are carried out all the same, and the wait ends with
/// theirs, well or not.
///
/// # Errors
/// The work's own error; [`Error::TimedOut`] and [`Error::Interrupted`] as `patience` has it, with the work still going
/// on; [`Error::NotFound`] for a ticket that was stale from the start, and if queues failed and went away so fast that
/// nobody knows any more whether this was one of them.
pub fn wait_for<'a, H: Hal>(lend: &mut impl Lend<'a, H>, ticket: Ticket, patience: &Patience) -> Result<(), Error> {
    watch(lend, ticket, patience)?
}

/// As [`wait_for`]; how the work ended.
///
/// # Errors
/// Why the wait ended before the work.
pub(crate) fn watch<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    ticket: Ticket,
    patience: &Patience,
) -> Result<Result<(), Error>, Error> {
    // As of the last look that found the work: failures that were forgotten by then.
    let mut known = None;
    loop {
        let (state, forgotten, now) = lend.with(|device| {
            device.poll();
            (device.ticket_state(ticket), device.pools.forgotten(ticket.client()), device.now())
        });
        match state {
            Ok(TicketState::Done) => return Ok(Ok(())),
            Ok(TicketState::Failed(error)) => return Ok(Err(error)),
            Ok(TicketState::Pending) => known = Some(forgotten),
            // A queue goes only when all its work is over, and leaves a note if that failed.
            Err(_) if known == Some(forgotten) => return Ok(Ok(())),
            Err(stale) => return Ok(Err(stale)),
        }
        patience.sleep(lend, now)?;
    }
}
