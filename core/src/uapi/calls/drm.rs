//! Calls that every DRM driver has: who it is, what it can, who may set modes.
//!
//! This core has no displays: it says so with lists of nothing, and has no opinion about who is master. The values
//! are those of the driver that the interface was merged with.

use crate::Error;
use crate::device::{ClientId, Device};
use crate::num::{u64_of, usize_capped};
use crate::uapi::wire::{Field, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::{ClientAddr, ClientFault, ClientMemory, Hal};

/// Layout of the argument struct of version: three numbers, then length and address of three texts.
mod version {
    use super::Field;

    pub(super) const MAJOR: Field<u32> = Field::at(0);
    pub(super) const MINOR: Field<u32> = Field::at(4);
    pub(super) const PATCH: Field<u32> = Field::at(8);
    /// Each with its text.
    pub(super) const TEXTS: [(Field<u64>, Field<u64>, &[u8]); 3] = [
        (Field::at(16), Field::at(24), b"xe"),
        (Field::at(32), Field::at(40), b"20201103"),
        (Field::at(48), Field::at(56), b"Intel Xe Graphics"),
    ];
    pub(super) const NUMBERS: [(Field<u32>, u32); 3] = [(MAJOR, 1), (MINOR, 1), (PATCH, 0)];
}

/// Of each text as much is told as there is room for; its length always.
pub(super) fn version(arg: &mut [u8], memory: &mut dyn ClientMemory) -> Result<Answer, Error> {
    for (field, number) in version::NUMBERS {
        write(arg, field, number);
    }
    for (len, at, text) in version::TEXTS {
        let (room, addr) = (read(arg, len), read(arg, at));
        write(arg, len, u64_of(text.len()));
        let told = text.get(..usize_capped(room).min(text.len())).unwrap_or_default();
        if addr != 0 && !told.is_empty() {
            let unreachable = ClientFault { addr: ClientAddr::ZERO, len_bytes: told.len() };
            memory.copy_out(ClientAddr::new(addr).ok_or(unreachable)?, told)?;
        }
    }
    DONE
}

/// Layout of the argument structs of the two calls on capabilities.
mod cap {
    use super::Field;

    pub(super) const WHICH: Field<u64> = Field::at(0);
    pub(super) const VALUE: Field<u64> = Field::at(8);
}

/// Capabilities, and their values. All others are about displays.
const CAPS: [(u64, u64); 4] = [
    // Buffer objects leave and come as file descriptors.
    (0x5, 3),
    // Times are of the monotonic clock.
    (0x6, 1),
    // Sync objects, and timelines.
    (0x13, 1),
    (0x14, 1),
];

pub(super) fn get_cap(arg: &mut [u8]) -> Result<Answer, Error> {
    let wanted = read(arg, cap::WHICH);
    write(arg, cap::VALUE, 0u64);
    let (_, value) = CAPS.iter().find(|(cap, _)| *cap == wanted).ok_or(NO_DISPLAY)?;
    write(arg, cap::VALUE, *value);
    DONE
}

/// A call that is about displays.
const NO_DISPLAY: Error = Error::Unsupported { what: "a display" };

/// All client capabilities are about displays.
pub(super) const fn set_client_cap() -> Result<Answer, Error> {
    Err(NO_DISPLAY)
}

/// Layout of the argument struct of set version: major and minor of the interface and of the driver, -1 for any.
mod set_version {
    use super::Field;

    pub(super) const INTERFACE: [Field<u32>; 2] = [Field::at(0), Field::at(4)];
    pub(super) const DRIVER: [Field<u32>; 2] = [Field::at(8), Field::at(12)];
}

/// Versions that there are: of the interface, of the driver.
const VERSIONS: [([Field<u32>; 2], [u32; 2]); 2] =
    [(set_version::INTERFACE, [1, 4]), (set_version::DRIVER, [version::NUMBERS[0].1, version::NUMBERS[1].1])];

pub(super) fn set_version(arg: &mut [u8]) -> Result<Answer, Error> {
    let mut refused = Ok(());
    for ([major_at, minor_at], [major, minor]) in VERSIONS {
        let (wanted, at_least) = (read(arg, major_at), read(arg, minor_at));
        if wanted != u32::MAX && (wanted != major || at_least > minor) {
            refused = refused.and(Err(Error::invalid("version wanted", u64::from(wanted))));
        }
        write(arg, major_at, major);
        write(arg, minor_at, minor);
    }
    refused.and(DONE)
}

/// First word of several structs: a length of a text that there is none of, or a number that stands for a client.
const FIRST: Field<u32> = Field::at(0);

/// The device has no name on a bus that this core would know.
pub(super) fn get_unique(arg: &mut [u8]) -> Result<Answer, Error> {
    write(arg, Field::at(0), 0u64);
    DONE
}

/// A number by which a master can let the client do more. Here every client may do all that there is.
pub(super) fn get_magic(client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    write(arg, FIRST, client.id());
    DONE
}

pub(super) fn auth_magic<H: Hal>(device: &Device<'_, H>, arg: &[u8]) -> Result<Answer, Error> {
    let magic = read(arg, FIRST);
    if device.has_client(magic) { DONE } else { Err(Error::invalid("magic number", u64::from(magic))) }
}

/// Layout of the lists of what displays are made of: pointers, then counts, then the sizes of a picture.
mod resources {
    use super::Field;

    /// Counts and sizes, in pairs.
    pub(super) const NUMBERS: [Field<u64>; 4] = [Field::at(32), Field::at(40), Field::at(48), Field::at(56)];
    pub(super) const PLANES: Field<u32> = Field::at(8);
}

pub(super) fn mode_resources(arg: &mut [u8]) -> Result<Answer, Error> {
    for number in resources::NUMBERS {
        write(arg, number, 0u64);
    }
    DONE
}

pub(super) fn mode_planes(arg: &mut [u8]) -> Result<Answer, Error> {
    write(arg, resources::PLANES, 0u32);
    DONE
}
