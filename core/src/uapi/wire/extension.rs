//! Extension chains: properties of a queue or buffer object, linked through client memory (bind-and-exec sheet §2.5,
//! §3.6, §3.10).

use super::client::SharedMemory;
use super::{Field, Zero, check_zero, read};
use crate::Error;
use crate::device::request::QueueProperties;

/// Of the header every extension has.
const NEXT: Field<u64> = Field::at(0);
const NAME: Field<u32> = Field::at(8);
const HEADER_PAD: [Zero; 1] = [Zero::pad(12, 4)];
/// Of `ext_set_property`, behind its header.
const PROPERTY: Field<u32> = Field::at(0);
const PROPERTY_PAD: [Zero; 1] = [Zero::pad(4, 4)];
const VALUE: Field<u64> = Field::at(8);
const HEADER_LEN: u64 = 16;

const SET_PROPERTY: u32 = 0;
/// Most links of a chain.
const MAX_LINKS: u32 = 16;

const QUEUE_PRIORITY: u32 = 0;
const QUEUE_TIMESLICE: u32 = 1;
const GEM_PXP_TYPE: u32 = 0;

/// Walks a chain of SET_PROPERTY extensions and gives each property with its value to `set`, in order. Every byte is
/// read once.
fn walk(
    memory: &SharedMemory<'_>,
    first: u64,
    mut set: impl FnMut(u32, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut at = first;
    for _ in 0..MAX_LINKS {
        if at == 0 {
            return Ok(());
        }
        let header: [u8; 16] = memory.read(Some(at))?;
        check_zero(&header, &HEADER_PAD)?;
        let name = read(&header, NAME);
        if name != SET_PROPERTY {
            return Err(Error::invalid("extension name", u64::from(name)));
        }
        let body: [u8; 32] = memory.read(at.checked_add(HEADER_LEN))?;
        check_zero(&body, &PROPERTY_PAD)?;
        set(read(&body, PROPERTY), read(&body, VALUE))?;
        at = read(&header, NEXT);
    }
    if at == 0 { Ok(()) } else { Err(Error::ChainTooLong(MAX_LINKS)) }
}

/// The properties a chain gives an exec queue or bind queue; `unset`: those it has nothing to say of; `limits`: shortest and
/// longest time slice that it may ask for.
///
/// # Errors
/// Row 6f of the sheet's table, link by link. Properties from 2 on belong to facilities that this core leaves out.
pub(in crate::uapi) fn queue_properties(
    memory: &SharedMemory<'_>,
    first: u64,
    (privileged, limits): (bool, [u32; 2]),
    unset: QueueProperties,
) -> Result<QueueProperties, Error> {
    let mut properties = unset;
    walk(memory, first, |property, value| {
        match property {
            // A value that does not fit is as wrong as the largest that does.
            QUEUE_PRIORITY => properties.priority = u32::try_from(value).unwrap_or(u32::MAX),
            QUEUE_TIMESLICE => {
                let [shortest, longest] = limits;
                properties.timeslice_us = u32::try_from(value).unwrap_or(u32::MAX);
                if properties.timeslice_us < shortest || properties.timeslice_us > longest {
                    return Err(Error::invalid("time slice in microseconds", value));
                }
            }
            unknown => return Err(Error::invalid("queue property", u64::from(unknown))),
        }
        properties.check(privileged)
    })?;
    Ok(properties)
}

/// Checks the chain of a buffer object. It has nothing to say that this core could do.
///
/// # Errors
/// Row 14 of the sheet's table, link by link.
pub(in crate::uapi) fn check_gem_chain(memory: &SharedMemory<'_>, first: u64) -> Result<(), Error> {
    walk(memory, first, |property, value| match property {
        GEM_PXP_TYPE => check_pxp(value),
        unknown => Err(Error::invalid("buffer object property", u64::from(unknown))),
    })
}

/// Protected content: type 0 is none, 1 is what this core does not have.
const fn check_pxp(kind: u64) -> Result<(), Error> {
    match kind {
        0 => Ok(()),
        1 => Err(Error::NoFacility { what: "protected content" }),
        _ => Err(Error::invalid("protected content type", kind)),
    }
}
