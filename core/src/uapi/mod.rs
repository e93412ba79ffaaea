//! The client interface in bytes: the Xe DRM calls, dialect U, over [`Device`].
//!
//! [`ioctl`] takes what a client handed to the kernel, a request code and an argument struct, and answers as the
//! merged driver does (bind-and-exec sheet §2.5, §2.8, §3). It decodes, checks what belongs to the layout, and leaves
//! the rest to the device.

pub mod request;

use crate::device::{ClientId, Device};
use crate::error::Error;
use barexe_hal::{ClientMemory, Hal, Nanos};

/// What became of a call that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is finished; the non-negative return value.
    Done(u32),
    /// Not yet: poll or relax the device and make the same call again with the same bytes.
    Wait {
        /// At the latest at this instant of the HAL's clock; `None`: there is no deadline.
        until: Option<Nanos>,
    },
}

/// One ioctl of one client.
///
/// `arg` is the argument struct, as long as the size field of `request` says; outputs are written back into it. No
/// call waits inside: see [`Answer::Wait`].
///
/// # Errors
/// The code of the specification through [`Error::errno`]. `arg` and client memory are as before then.
pub fn ioctl<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    request: u32,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let _ = (device, client, arg, memory);
    Err(Error::UnknownRequest(request))
}
