//! Calls for embedders that answer a client when the call is over, not before.

use super::calls::descriptors::{Descriptors, NoDescriptors};
use super::cookie::Accepted;
use super::{Again, Answer, ioctl_with};
use crate::Error;
use crate::device::ClientId;
use crate::device::wait::{Lend, Patience, wait_for, watch};
use barexe_hal::{ClientMemory, Hal, Nanos};

/// As [`ioctl`](super::ioctl), and waits as long as the call does; its non-negative return value. The device is not
/// held meanwhile.
///
/// A call that waits ends early when [`Lend::idle`] says so: one that only asks, always; a bind that was accepted, if
/// the client's cookie can tell of it (R53), so that the same call made again waits on and binds nothing. Without a cookie
/// the wait of such a bind goes on to its end (R51). User fences are still the embedder's to deliver.
///
/// # Errors
/// As [`ioctl`](super::ioctl); [`Error::Interrupted`], with nothing changed (R52) or only the cookie written (R49); the error of
/// the work that an accepted call waited for.
pub fn ioctl_blocking<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<u32, Error> {
    ioctl_blocking_with(lend, client, request, arg, (memory, &mut NoDescriptors))
}

/// As [`ioctl_blocking`], for an embedder whose clients have file descriptors.
///
/// # Errors
/// As there.
pub fn ioctl_blocking_with<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    (memory, fds): (&mut dyn ClientMemory, &mut dyn Descriptors),
) -> Result<u32, Error> {
    let (mut again, mut limit): (Option<Again>, _) = (None, None);
    loop {
        let (now, answer) = lend.with(|device| {
            let now = device.now();
            (now, ioctl_with(device, client, request, arg, (memory, fds), again))
        });
        match answer? {
            Answer::Done(value) => return Ok(value),
            Answer::Accepted(accepted) => return wait_accepted(lend, accepted, memory).map(|()| 0),
            Answer::Wait { until } => {
                // The first answer says how long; at most, a call that is asked again counts from anew.
                limit = limit.or(until);
                if limit.is_some_and(|limit| now >= limit) {
                    return Err(Error::TimedOut);
                }
                let next = now.saturating_add(LOOK_EVERY);
                let interrupted = lend.idle(limit.map_or(next, |limit| limit.min(next))).is_err();
                again = Some(Again { began: again.map_or(now, |again| again.began), interrupted });
            }
        }
    }
}

/// Rules K8 and K9 (bind-and-exec sheet §2.2).
fn wait_accepted<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    accepted: Accepted,
    memory: &mut dyn ClientMemory,
) -> Result<(), Error> {
    let Accepted { ticket, cookie } = accepted;
    if let Some(cookie) = cookie {
        match watch(lend, ticket, &Patience { interruptible: true, ..Patience::ACCEPTED }) {
            Ok(over) => return over,
            Err(interrupted) if cookie.store(memory).is_ok() => return Err(interrupted),
            // The client cannot be told that the call happened: it must not be told that it did not.
            Err(_) => {}
        }
    }
    wait_for(lend, ticket, &Patience::ACCEPTED)
}

/// Longest time between two looks of a call that asks.
const LOOK_EVERY: Nanos = Patience::ACCEPTED.look_every;
