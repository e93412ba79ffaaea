//! File descriptors of sync objects and sync files: `SYNCOBJ_HANDLE_TO_FD`, `SYNCOBJ_FD_TO_HANDLE` (bind-and-exec sheet
//! §2.5, §3.12).
//!
//! The core has no descriptors. An embedder that has keeps what the core exports behind one, see [`Descriptors`]. Around
//! these calls its clients expect more of a sync file than ioctls of the device: `poll` is
//! [`sync_file_state`](Device::sync_file_state), merging two is [`sync_file_merge`](Device::sync_file_merge), a file of
//! another driver is [`sync_file_of_outside`](Device::sync_file_of_outside), and the last `close` is
//! [`Shared::close`].

use crate::device::{ClientId, Device, ExportedBo, ExportedSyncobj, SyncFile};
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use crate::{Error, ObjectKind};
use barexe_hal::Hal;

/// What a descriptor stands for.
#[derive(Debug)]
#[must_use = "it is kept until it is closed"]
pub enum Shared {
    /// A sync object, whatever it will hold.
    Syncobj(ExportedSyncobj),
    /// A fence.
    SyncFile(SyncFile),
    /// A buffer object.
    Bo(ExportedBo),
}

impl Shared {
    /// Gives it back: the last descriptor is closed.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one of another device.
    pub fn close<H: Hal>(self, device: &mut Device<'_, H>) -> Result<(), Error> {
        match self {
            Self::Syncobj(exported) => device.syncobj_export_close(exported),
            Self::SyncFile(file) => device.sync_file_close(file),
            Self::Bo(exported) => device.bo_export_close(exported),
        }
    }
}

/// The descriptor table of the client that calls.
pub trait Descriptors {
    /// A new descriptor for it.
    ///
    /// # Errors
    /// Why there is none, and what was to be behind it.
    fn insert(&mut self, shared: Shared) -> Result<i32, (Error, Shared)>;

    /// What is behind a descriptor, if it is one of this device's.
    fn get(&self, fd: i32) -> Option<&Shared>;
}

/// For clients of an embedder without descriptors: none can be made (EOPNOTSUPP), and none is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDescriptors;

impl Descriptors for NoDescriptors {
    fn insert(&mut self, shared: Shared) -> Result<i32, (Error, Shared)> {
        Err((Error::Unsupported { what: "a file descriptor with this embedder" }, shared))
    }

    fn get(&self, _: i32) -> Option<&Shared> {
        None
    }
}

/// Layout of the argument struct of both calls.
mod both {
    use super::{Field, Zero};

    pub(super) const HANDLE: Field<u32> = Field::at(0);
    pub(super) const FLAGS: Field<u32> = Field::at(4);
    pub(super) const FD: Field<u32> = Field::at(8);
    pub(super) const POINT: Field<u64> = Field::at(16);
    pub(super) const MUST_BE_ZERO: [Zero; 1] = [Zero::pad(12, 4)];

    /// A sync file rather than the object.
    pub(super) const SYNC_FILE: u32 = 1;
    /// Of the object's timeline, at `POINT`.
    pub(super) const TIMELINE: u32 = 2;
}

/// The checks that both calls begin with: whether it is about a sync file, and of which point.
fn check(arg: &[u8]) -> Result<Option<u64>, Error> {
    check_zero(arg, &both::MUST_BE_ZERO)?;
    let (flags, point) = (read(arg, both::FLAGS), read(arg, both::POINT));
    check_flags("descriptor flags", flags, both::SYNC_FILE | both::TIMELINE)?;
    match flags & both::SYNC_FILE {
        0 if point != 0 => Err(Error::invalid("point without a sync file", point)),
        0 => Ok(None),
        _ if flags & both::TIMELINE != 0 => Ok(Some(point)),
        // Without the flag the field means nothing.
        _ => Ok(Some(0)),
    }
}

pub(super) fn handle_to_fd<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    descriptors: &mut dyn Descriptors,
) -> Result<Answer, Error> {
    let point = check(arg)?;
    let handle = read(arg, both::HANDLE);
    let shared = match point {
        Some(point) => Shared::SyncFile(device.sync_file_create(client, handle, point)?),
        None => Shared::Syncobj(device.syncobj_export(client, handle).map_err(as_argument)?),
    };
    let fd = give_out(device, shared, descriptors)?;
    write(arg, both::FD, fd);
    DONE
}

/// A descriptor for what is shared, or all as before.
pub(super) fn give_out<H: Hal>(
    device: &mut Device<'_, H>,
    shared: Shared,
    descriptors: &mut dyn Descriptors,
) -> Result<u32, Error> {
    match descriptors.insert(shared) {
        Ok(fd) => Ok(fd.cast_unsigned()),
        Err((error, shared)) => {
            shared.close(device)?;
            Err(error)
        }
    }
}

pub(super) fn fd_to_handle<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    descriptors: &dyn Descriptors,
) -> Result<Answer, Error> {
    let point = check(arg)?;
    let fd = read(arg, both::FD);
    let found = descriptors.get(fd.cast_signed());
    match (point, found) {
        (Some(point), Some(Shared::SyncFile(file))) => {
            device.sync_file_import(client, read(arg, both::HANDLE), point, file)?;
        }
        (None, Some(Shared::Syncobj(exported))) => {
            let handle = device.syncobj_open(client, exported)?;
            write(arg, both::HANDLE, handle);
        }
        (Some(_), _) => return Err(Error::invalid("descriptor that is no sync file", u64::from(fd))),
        (None, _) => return Err(Error::invalid("descriptor that is no sync object", u64::from(fd))),
    }
    DONE
}

/// An unknown handle is an invalid argument to this one call.
const fn as_argument(error: Error) -> Error {
    if let Error::NotFound { kind: ObjectKind::Syncobj, id } = error {
        return Error::invalid("sync object handle", id as u64);
    }
    error
}
