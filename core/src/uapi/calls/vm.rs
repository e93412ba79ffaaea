//! `XE_VM_CREATE`, `XE_VM_DESTROY` and `XE_VM_GET_PROPERTY` (bind-and-exec sheet §2.4, §2.5, §3.1).

use crate::Error;
use crate::device::request::VmFlags;
use crate::device::{ClientId, Device};
use crate::uapi::wire::{Field, Zero, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::Hal;

/// Layout of the argument struct of create.
mod create {
    use super::{Field, Zero};

    pub(super) const FLAGS: Field<u32> = Field::at(8);
    pub(super) const VM_ID: Field<u32> = Field::at(12);
    pub(super) const NO_EXTENSION: [Zero; 1] = [Zero::extensions()];
    pub(super) const RESERVED: [Zero; 1] = [Zero::reserved(16)];
}

/// Layout of the argument struct of destroy.
mod destroy {
    use super::{Field, Zero};

    pub(super) const VM_ID: Field<u32> = Field::at(0);
    pub(super) const MUST_BE_ZERO: [Zero; 2] = [Zero::pad(4, 4), Zero::reserved(8)];
}

/// Layout of the argument struct of get property.
mod property {
    use super::{Field, Zero};

    pub(super) const VM_ID: Field<u32> = Field::at(8);
    pub(super) const WHICH: Field<u32> = Field::at(12);
    pub(super) const SIZE: Field<u32> = Field::at(16);
    pub(super) const MUST_BE_ZERO: [Zero; 4] =
        [Zero::extensions(), Zero::pad(20, 4), Zero::reserved(32), Zero::pad(48, 8)];

    /// The faults that the address space has seen and serves no more.
    pub(super) const FAULTS: u32 = 0;
}

pub(super) fn create<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_zero(arg, &create::NO_EXTENSION)?;
    let flags = read(arg, create::FLAGS);
    if VmFlags::from_bits_retain(flags).contains(VmFlags::FAULT_MODE) && !device.info().platform.fault_mode {
        // Row 2.
        return Err(Error::invalid("VM flags", u64::from(flags)));
    }
    check_zero(arg, &create::RESERVED)?;
    let id = device.vm_create(client, VmFlags::from_bits_retain(flags))?;
    write(arg, create::VM_ID, id);
    DONE
}

pub(super) fn destroy<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    check_zero(arg, &destroy::MUST_BE_ZERO)?;
    device.vm_destroy(client, read(arg, destroy::VM_ID))?;
    DONE
}

/// The one property is a list of page faults that were not served. Where batches do not go on after a fault nothing is kept of
/// them but that the queue is banned, so the list is empty: its size is, and there is nothing that could be read.
pub(super) fn get_property<H: Hal>(device: &Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_zero(arg, &property::MUST_BE_ZERO)?;
    device.vm_flags(client, read(arg, property::VM_ID))?;
    match (read(arg, property::WHICH), read(arg, property::SIZE)) {
        (property::FAULTS, 0) => {
            write(arg, property::SIZE, 0u32);
            DONE
        }
        (property::FAULTS, size) => Err(Error::invalid("size of the list of faults", u64::from(size))),
        (unknown, _) => Err(Error::invalid("VM property", u64::from(unknown))),
    }
}
