//! Calls on sync objects: create, destroy, reset, signal, wait (bind-and-exec sheet §2.5, §3.12).

use crate::device::request::Source;
use crate::device::{ClientId, Device, SyncobjLook};
use crate::uapi::wire::client::{ClientArray, SharedMemory};
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use crate::{Capacity, Error};
use barexe_hal::{ClientMemory, Hal, Nanos};

/// Layout of the argument structs of create and destroy.
mod one {
    use super::{Field, Zero};

    pub(super) const HANDLE: Field<u32> = Field::at(0);
    /// Of create.
    pub(super) const FLAGS: Field<u32> = Field::at(4);
    /// Of destroy.
    pub(super) const MUST_BE_ZERO: [Zero; 1] = [Zero::pad(4, 4)];

    pub(super) const SIGNALED: u32 = 1;
}

/// Layout of the argument struct of wait.
mod waiting {
    use super::Field;

    pub(super) const HANDLES: Field<u64> = Field::at(0);
    pub(super) const TIMEOUT_NS: Field<i64> = Field::at(8);
    pub(super) const COUNT: Field<u32> = Field::at(16);
    pub(super) const FLAGS: Field<u32> = Field::at(20);
    pub(super) const FIRST_SIGNALED: Field<u32> = Field::at(24);
}

/// Flags of the calls that wait.
pub(super) mod wait_flags {
    pub(crate) const ALL: u32 = 1;
    pub(crate) const FOR_SUBMIT: u32 = 2;
    /// Of timeline waits.
    pub(crate) const AVAILABLE: u32 = 4;
    /// A hint about when the result is wanted; there is nothing here that could hurry.
    pub(crate) const DEADLINE: u32 = 8;
}

/// Layout of the argument struct of reset and signal.
mod array {
    use super::{Field, Zero};

    pub(super) const HANDLES: Field<u64> = Field::at(0);
    pub(super) const COUNT: Field<u32> = Field::at(8);
    pub(super) const MUST_BE_ZERO: [Zero; 1] = [Zero::pad(12, 4)];
}

/// Most handles of one call. Objects can be named twice, but nothing is gained by naming more than there can be.
const MAX_HANDLES: u32 = 1 << 16;

/// The `count` handles at `addr`.
pub(super) fn handles<'s, 'm>(
    memory: &'s SharedMemory<'m>,
    addr: u64,
    count: u32,
) -> Result<impl Source<u32> + use<'s, 'm>, Error> {
    if count > MAX_HANDLES {
        return Err(Error::Exhausted(Capacity::Syncobjs));
    }
    Ok(ClientArray::new(memory, addr, count, |bytes: &[u8; 4]| Ok(u32::from_le_bytes(*bytes))))
}

pub(super) fn create<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    let flags = read(arg, one::FLAGS);
    check_flags("sync object flags", flags, one::SIGNALED)?;
    let handle = device.syncobj_create(client, flags & one::SIGNALED != 0)?;
    write(arg, one::HANDLE, handle);
    DONE
}

pub(super) fn destroy<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    check_zero(arg, &one::MUST_BE_ZERO)?;
    device.syncobj_destroy(client, read(arg, one::HANDLE))?;
    DONE
}

/// Reset and signal: the same is done to all objects of an array.
pub(super) fn change<H: Hal>(
    device: &mut Device<'_, H>,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
    change: impl FnOnce(&mut Device<'_, H>, &mut dyn Source<u32>) -> Result<(), Error>,
) -> Result<Answer, Error> {
    check_zero(arg, &array::MUST_BE_ZERO)?;
    let memory = SharedMemory::new(memory);
    let mut handles = handles(&memory, read(arg, array::HANDLES), read(arg, array::COUNT))?;
    change(device, &mut handles)?;
    DONE
}

pub(super) fn wait<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let flags = read(arg, waiting::FLAGS);
    check_flags("wait flags", flags, wait_flags::ALL | wait_flags::FOR_SUBMIT | wait_flags::DEADLINE)?;
    let count = read(arg, waiting::COUNT);
    if count == 0 {
        return DONE;
    }
    let memory = SharedMemory::new(memory);
    let mut handles = handles(&memory, read(arg, waiting::HANDLES), count)?;
    let look = SyncobjLook { all: flags & wait_flags::ALL != 0, for_submit: flags & wait_flags::FOR_SUBMIT != 0 };
    // A look with timeout 0 is to see what the device has done by now.
    device.poll();
    match device.syncobj_look(client, &mut handles, look)? {
        Some(first) => {
            // Where all are waited for, which was first says nothing.
            if !look.all {
                write(arg, waiting::FIRST_SIGNALED, first);
            }
            DONE
        }
        None => not_yet(read(arg, waiting::TIMEOUT_NS), device.now()),
    }
}

/// A wait that did not succeed: its deadline is absolute, 0 and the past are one look.
pub(super) fn not_yet(timeout_ns: i64, now: Nanos) -> Result<Answer, Error> {
    let deadline = Nanos::new(u64::try_from(timeout_ns).unwrap_or(0));
    if timeout_ns == i64::MAX {
        Ok(Answer::Wait { until: None })
    } else if now >= deadline {
        Err(Error::TimedOut)
    } else {
        Ok(Answer::Wait { until: Some(deadline) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_not_ahead_is_one_look() {
        let now = Nanos::new(1000);
        for past in [i64::MIN, -1, 0, 999, 1000] {
            assert_eq!(not_yet(past, now), Err(Error::TimedOut), "{past}");
        }
        assert_eq!(not_yet(1001, now), Ok(Answer::Wait { until: Some(Nanos::new(1001)) }));
        assert_eq!(not_yet(i64::MAX, now), Ok(Answer::Wait { until: None }));
    }
}
