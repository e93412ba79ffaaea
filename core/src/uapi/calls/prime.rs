//! File descriptors of buffer objects: `PRIME_HANDLE_TO_FD`, `PRIME_FD_TO_HANDLE` (bind-and-exec sheet §3.10).

use super::descriptors::{Descriptors, Shared, give_out};
use crate::Error;
use crate::device::{ClientId, Device};
use crate::uapi::wire::{Field, check_flags, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::Hal;

/// Layout of the argument struct of both calls.
mod both {
    use super::Field;

    pub(super) const HANDLE: Field<u32> = Field::at(0);
    /// Of handle to fd: that the descriptor goes when another program starts, and that it can be written through.
    pub(super) const FLAGS: Field<u32> = Field::at(4);
    pub(super) const FD: Field<u32> = Field::at(8);

    pub(super) const CLOSE_ON_EXEC: u32 = 0x8_0000;
    pub(super) const READ_WRITE: u32 = 2;
}

pub(super) fn handle_to_fd<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    descriptors: &mut dyn Descriptors,
) -> Result<Answer, Error> {
    check_flags("descriptor flags", read(arg, both::FLAGS), both::CLOSE_ON_EXEC | both::READ_WRITE)?;
    let exported = device.bo_export(client, read(arg, both::HANDLE))?;
    let fd = give_out(device, Shared::Bo(exported), descriptors)?;
    write(arg, both::FD, fd);
    DONE
}

pub(super) fn fd_to_handle<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    descriptors: &dyn Descriptors,
) -> Result<Answer, Error> {
    let fd = read(arg, both::FD);
    let Some(Shared::Bo(exported)) = descriptors.get(fd.cast_signed()) else {
        return Err(Error::invalid("descriptor that is no buffer object", u64::from(fd)));
    };
    let handle = device.bo_import(client, exported)?;
    write(arg, both::HANDLE, handle);
    DONE
}
