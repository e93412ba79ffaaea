//! Calls for embedders that answer a client when the call is over, not before.

use super::{Answer, ioctl};
use crate::Error;
use crate::device::ClientId;
use crate::device::wait::{Lend, Patience, wait_for};
use barexe_hal::{ClientMemory, Hal, Nanos};

/// As [`ioctl`], and waits as long as the call does; its non-negative return value. The device is not held meanwhile.
///
/// `interrupted` calls, those that ask and wait, end early when [`Lend::idle`] says so; a bind that was accepted does
/// not (R51, R54): there is nothing the client could repeat. User fences are still the embedder's to deliver.
///
/// # Errors
/// As [`ioctl`]; [`Error::Interrupted`] with nothing changed; the error of the work that an accepted call waited for.
pub fn ioctl_blocking<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<u32, Error> {
    let mut limit = None;
    loop {
        let (answer, now) = lend.with(|device| (ioctl(device, client, request, arg, memory), device.now()));
        match answer? {
            Answer::Done(value) => return Ok(value),
            Answer::Accepted(ticket) => return wait_for(lend, ticket, &Patience::ACCEPTED).map(|()| 0),
            Answer::Wait { until } => {
                // The first answer says how long; at most, a call that is asked again counts from anew.
                limit = limit.or(until);
                if limit.is_some_and(|limit| now >= limit) {
                    return Err(Error::TimedOut);
                }
                let next = now.saturating_add(LOOK_EVERY);
                lend.idle(limit.map_or(next, |limit| limit.min(next)))?;
            }
        }
    }
}

/// Longest time between two looks of a call that asks.
const LOOK_EVERY: Nanos = Patience::ACCEPTED.look_every;
