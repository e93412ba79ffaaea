//! The client interface in bytes: the Xe DRM calls, in both [dialects](Dialect), over [`Device`].
//!
//! [`ioctl`] takes what a client handed to its kernel, a request code and an argument struct, and answers as the driver
//! does (bind-and-exec sheet §2.4, §2.5, §2.8, §3). A call family has a file in `calls`: layout first, as constants,
//! then the checks in the order of the sheet's rows; `wire` has what they read and write with. What the interface knows
//! only as bytes is checked here; what means something beyond the bytes is checked by the device, once for these
//! clients and for those that call it directly.
//!
//! Calls that all DRM drivers share are here as far as a driver without displays and files has them. Three things stay
//! with the embedder: copying the argument struct in, and out again for calls that have outputs; file descriptors, see
//! [`Descriptors`]; and [`Device::deliver_user_fences`] for binds that are over, unless the client waits for its fences by
//! a call, which delivers them.

mod blocking;
mod calls;
mod cookie;
mod dialect;
pub mod request;
mod wire;

pub use blocking::{ioctl_blocking, ioctl_blocking_with};
pub use calls::descriptors::{Descriptors, NoDescriptors, Shared};
pub use cookie::{Accepted, Cookie};
pub use dialect::Dialect;
pub use request::Call;

use crate::device::{ClientId, Device, DeviceState};
use crate::error::Error;
use barexe_hal::{ClientMemory, Hal, Nanos};

/// What became of a call that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is finished; the non-negative return value.
    Done(u32),
    /// Not yet: poll or relax the device and make the same call again with the same bytes, by [`ioctl_again`].
    ///
    /// Nothing is kept of the call in between. Each repetition looks at the objects as they are then, so what another
    /// thread of the client does to them meanwhile counts.
    Wait {
        /// At the latest at this instant of the HAL's clock; `None`: there is no deadline. Of a call that is repeated the
        /// first answer counts: if it is not over at that instant, it ends with [`Error::TimedOut`].
        until: Option<Nanos>,
    },
    /// It is accepted and waits for its work. Its return value is 0 once the work is over, or the work's error:
    /// [`wait_for`](crate::device::wait::wait_for) finds out. Whether the wait may be given up the [`Accepted`] says.
    Accepted(Accepted),
}

/// The call is finished, with nothing to say beyond its outputs.
const DONE: Result<Answer, Error> = Ok(Answer::Done(0));

/// What a call that has to wait is made again with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// The instant at which it was made first: a time limit that is a length counts from there.
    pub began: Nanos,
    /// The client's environment wants the wait to end.
    pub interrupted: bool,
}

/// One ioctl of one client.
///
/// `arg` is the argument struct, as long as the size field of `request` says; outputs are written back into it. Fields
/// that the client's struct is too short for read as zero, and what it has beyond the driver's struct is not looked at
/// (bind-and-exec sheet §2.8). `memory` is the client's memory: every element of an array in it is read once, in
/// order. No call waits inside: see [`Answer::Wait`] and [`Answer::Accepted`], and [`ioctl_blocking`].
///
/// # Errors
/// The code of the specification is [`Error::errno`]. Client memory is as before then, and so is `arg`, but for what is
/// left of a time limit: an embedder copies the struct of a call with outputs
/// ([`copies_back`](request::copies_back)) back to the client whatever became of the call.
pub fn ioctl<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    ioctl_with(device, client, request, arg, (memory, &mut NoDescriptors), None)
}

/// As [`ioctl`], for a call that was answered with [`Answer::Wait`] and is made again.
///
/// # Errors
/// As [`ioctl`]; [`Error::Interrupted`] if it still had to wait and the environment does not want that: nothing was
/// accepted, and the client can make the call anew.
pub fn ioctl_again<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
    again: Again,
) -> Result<Answer, Error> {
    ioctl_with(device, client, request, arg, (memory, &mut NoDescriptors), Some(again))
}

/// As [`ioctl`], or as [`ioctl_again`] for a call that is made again, for an embedder whose clients have file
/// descriptors. This is the shell around every call (bind-and-exec sheet §2.8).
///
/// # Errors
/// As those two.
pub fn ioctl_with<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    (memory, fds): (&mut dyn ClientMemory, &mut dyn Descriptors),
    again: Option<Again>,
) -> Result<Answer, Error> {
    match device.state() {
        DeviceState::Live => {}
        DeviceState::Suspended => return Err(Error::Suspended),
        DeviceState::Wedged => return Err(Error::Canceled),
        DeviceState::Gone => return Err(Error::DeviceGone),
    }
    let call = Call::of(request)?;
    device.client_is_privileged(client)?;
    if call.needs_primary_node() && !device.client_is_primary(client)? {
        return Err(Error::NoAccess { what: "call of the primary node", value: u64::from(request) });
    }
    let dialect = Dialect::of(call, request)?;
    let len_bytes = arg.len().min(request::size_bytes(request)).min(dialect.size_bytes(call));
    let arg = arg.get_mut(..len_bytes).unwrap_or_default();
    // One that only looks looks once more. The others have not happened yet, and shall not now.
    if again.is_some_and(|again| again.interrupted) && call != Call::WaitUserFence {
        return Err(Error::Interrupted);
    }
    calls::dispatch(device, client, (call, dialect, again), arg, (memory, fds))
}
