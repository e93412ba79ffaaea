//! Calls on buffer objects: `XE_GEM_CREATE`, `XE_GEM_MMAP_OFFSET`, `GEM_CLOSE`, `GEM_FLINK`, `GEM_OPEN` (bind-and-exec
//! sheet §2.5, §3.10, §3.11).

use crate::Error;
use crate::device::request::{BoRequest, CpuCaching};
use crate::device::{ClientId, Device};
use crate::gt::REGION_MASK;
use crate::uapi::wire::client::SharedMemory;
use crate::uapi::wire::extension;
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::{ClientMemory, Hal};

/// Layout of the argument struct of create.
mod create {
    use super::{Field, Zero};

    pub(super) const EXTENSIONS: Field<u64> = Field::at(0);
    pub(super) const SIZE: Field<u64> = Field::at(8);
    pub(super) const PLACEMENT: Field<u32> = Field::at(16);
    pub(super) const FLAGS: Field<u32> = Field::at(20);
    pub(super) const VM_ID: Field<u32> = Field::at(24);
    pub(super) const HANDLE: Field<u32> = Field::at(28);
    pub(super) const CPU_CACHING: Field<u16> = Field::at(32);
    pub(super) const MUST_BE_ZERO: [Zero; 2] = [Zero::pad(34, 6), Zero::reserved(40)];

    /// Memory is allocated at once all the same, so that no later call can run out of it.
    pub(super) const DEFER_BACKING: u32 = 1;
    pub(super) const SCANOUT: u32 = 2;
    pub(super) const NEEDS_VISIBLE_VRAM: u32 = 4;
    pub(super) const NO_COMPRESSION: u32 = 8;
    pub(super) const KNOWN_FLAGS: u32 = DEFER_BACKING | SCANOUT | NEEDS_VISIBLE_VRAM | NO_COMPRESSION;
}

/// Layout of the argument struct of mmap offset.
mod mmap {
    use super::{Field, Zero};

    pub(super) const HANDLE: Field<u32> = Field::at(8);
    pub(super) const FLAGS: Field<u32> = Field::at(12);
    pub(super) const OFFSET: Field<u64> = Field::at(16);
    pub(super) const MUST_BE_ZERO: [Zero; 2] = [Zero::extensions(), Zero::reserved(24)];

    pub(super) const PCI_BARRIER: u32 = 1;
}

const CLOSE_HANDLE: Field<u32> = Field::at(0);

/// Layout of the argument struct of flink.
mod flink {
    use super::Field;

    pub(super) const HANDLE: Field<u32> = Field::at(0);
    pub(super) const NAME: Field<u32> = Field::at(4);
}

/// Layout of the argument struct of open.
mod open {
    use super::Field;

    pub(super) const NAME: Field<u32> = Field::at(0);
    pub(super) const HANDLE: Field<u32> = Field::at(4);
    pub(super) const SIZE: Field<u64> = Field::at(8);
}

pub(super) fn create<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    check_place(arg)?;
    let request = BoRequest {
        size_bytes: read(arg, create::SIZE),
        caching: check_memory(arg, device.info().compresses())?,
        scanout: read(arg, create::FLAGS) & create::SCANOUT != 0,
        no_compression: read(arg, create::FLAGS) & create::NO_COMPRESSION != 0,
        vm: Some(read(arg, create::VM_ID)).filter(|id| *id != 0),
    };
    if let Some(vm) = request.vm {
        device.vm_flags(client, vm)?;
    }
    // Row 14 before row 13: a chain that is refused must not have cost an object.
    extension::check_gem_chain(&SharedMemory::new(memory), read(arg, create::EXTENSIONS))?;
    let handle = device.bo_create(client, &request)?;
    write(arg, create::HANDLE, handle);
    DONE
}

/// Rows 1 to 5.
fn check_place(arg: &[u8]) -> Result<(), Error> {
    check_zero(arg, &create::MUST_BE_ZERO)?;
    let placement = read(arg, create::PLACEMENT);
    if placement == 0 || placement & !REGION_MASK != 0 {
        return Err(Error::invalid("placement", u64::from(placement)));
    }
    check_flags("buffer object flags", read(arg, create::FLAGS), create::KNOWN_FLAGS)?;
    let handle = read(arg, create::HANDLE);
    if handle != 0 {
        return Err(Error::invalid("GEM handle", u64::from(handle)));
    }
    let size = read(arg, create::SIZE);
    if size == 0 || size & 0xFFF != 0 { Err(Error::invalid("buffer object size", size)) } else { Ok(()) }
}

/// Rows 6 to 10; rows 9 and 12 are about VRAM, which row 2 has refused.
fn check_memory(arg: &[u8], compresses: bool) -> Result<CpuCaching, Error> {
    let flags = read(arg, create::FLAGS);
    if flags & create::NO_COMPRESSION != 0 && !compresses {
        return Err(Error::Unsupported { what: "a say about compression on a part without it" });
    }
    if flags & create::NEEDS_VISIBLE_VRAM != 0 {
        return Err(Error::invalid("visible VRAM without a placement there, flags", u64::from(flags)));
    }
    match read(arg, create::CPU_CACHING) {
        1 if flags & create::SCANOUT != 0 => Err(Error::invalid("caching of a scan-out object", 1)),
        1 => Ok(CpuCaching::WriteBack),
        2 => Ok(CpuCaching::WriteCombining),
        other => Err(Error::invalid("CPU caching", u64::from(other))),
    }
}

pub(super) fn mmap_offset<H: Hal>(device: &Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_zero(arg, &mmap::MUST_BE_ZERO)?;
    let flags = read(arg, mmap::FLAGS);
    check_flags("mmap flags", flags, mmap::PCI_BARRIER)?;
    if flags & mmap::PCI_BARRIER != 0 {
        // Every part this core drives is integrated.
        return Err(Error::invalid("PCI barrier on an integrated part, mmap flags", u64::from(flags)));
    }
    let offset = device.bo_mmap_offset(client, read(arg, mmap::HANDLE))?;
    write(arg, mmap::OFFSET, offset);
    DONE
}

pub(super) fn close<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    device.bo_close(client, read(arg, CLOSE_HANDLE))?;
    DONE
}

pub(super) fn flink<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_trusted(device, client)?;
    let name = device.bo_name(client, read(arg, flink::HANDLE))?;
    write(arg, flink::NAME, name);
    DONE
}

pub(super) fn open<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_trusted(device, client)?;
    let handle = device.bo_open(client, read(arg, open::NAME))?;
    let size = device.bo_size(client, handle)?;
    write(arg, open::HANDLE, handle);
    write(arg, open::SIZE, size);
    DONE
}

/// Names are easily guessed: only those who are trusted have to do with them.
fn check_trusted<H: Hal>(device: &Device<'_, H>, client: ClientId) -> Result<(), Error> {
    if device.client_is_privileged(client)? {
        return Ok(());
    }
    Err(Error::NoAccess { what: "names of buffer objects, for client", value: u64::from(client.id()) })
}
