//! Calls for embedders that answer a client when the call is over, not before.

use super::{Again, Answer, ioctl, ioctl_again};
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
/// As [`ioctl`]; [`Error::Interrupted`] with nothing accepted; the error of the work that an accepted call waited for.
pub fn ioctl_blocking<'a, H: Hal>(
    lend: &mut impl Lend<'a, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<u32, Error> {
    let mut again: Option<Again> = None;
    loop {
        let (now, answer) = lend.with(|device| {
            let now = device.now();
            let answer = match again {
                None => ioctl(device, client, request, arg, memory),
                Some(again) => ioctl_again(device, client, request, arg, memory, again),
            };
            (now, answer)
        });
        match answer? {
            Answer::Done(value) => return Ok(value),
            Answer::Accepted(ticket) => return wait_for(lend, ticket, &Patience::ACCEPTED).map(|()| 0),
            Answer::Wait { until } => {
                let next = now.saturating_add(LOOK_EVERY);
                let interrupted = lend.idle(until.map_or(next, |until| until.min(next))).is_err();
                again = Some(Again { began: again.map_or(now, |again| again.began), interrupted });
            }
        }
    }
}

/// Longest time between two looks of a call that asks.
const LOOK_EVERY: Nanos = Patience::ACCEPTED.look_every;
