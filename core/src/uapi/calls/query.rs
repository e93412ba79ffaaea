//! `XE_DEVICE_QUERY` (bind-and-exec sheet §2.5, §3.13): the shell that all queries share. Answers are in
//! [`answers`], those to a question in client memory in [`asked`].

mod answers;
mod asked;

use crate::Error;
use crate::device::{ClientId, Device};
use crate::uapi::wire::{Field, Zero, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::{ClientAddr, ClientMemory, Hal};

const QUERY: Field<u32> = Field::at(8);
const SIZE: Field<u32> = Field::at(12);
const DATA: Field<u64> = Field::at(16);
const MUST_BE_ZERO: [Zero; 2] = [Zero::extensions(), Zero::reserved(24)];

/// Length of `query_pxp_status`.
const PXP_STATUS_LEN: usize = 8;

/// What becomes of a query once its answer is known.
enum Reply {
    /// Its length was asked for, and is noted in the argument struct.
    Sized,
    /// It goes to this address.
    To(ClientAddr),
}

pub(super) fn device_query<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    check_zero(arg, &MUST_BE_ZERO)?;
    let info = device.info();
    let payload = match read(arg, QUERY) {
        0 => answers::engines(info),
        1 => answers::mem_regions(device, client)?,
        2 => answers::config(device, client)?,
        3 => answers::gt_list(info),
        // The embedder's table, if it has one: nothing is put together here.
        4 => return reply(arg, memory, device.hwconfig()),
        5 => answers::topology(info),
        6 => return asked::engine_cycles(device, arg, memory),
        7 => return asked::firmware_version(&info.platform.firmware, arg, memory),
        8 => answers::oa_units(info),
        9 => return pxp_status(arg),
        10 => return Err(Error::NoFacility { what: "EU stall sampling" }),
        unknown => return Err(Error::invalid("device query", u64::from(unknown))),
    };
    reply(arg, memory, payload.bytes())
}

/// Whether the length or the answer is wanted: a given length must be exactly that of the answer.
fn check_size(arg: &mut [u8], len_bytes: usize) -> Result<Reply, Error> {
    let len_bytes = crate::num::u32_capped(len_bytes);
    match read(arg, SIZE) {
        0 => {
            write(arg, SIZE, len_bytes);
            Ok(Reply::Sized)
        }
        given if given == len_bytes => {
            let data = read(arg, DATA);
            ClientAddr::new(data).map(Reply::To).ok_or(Error::invalid("query data", data))
        }
        given => Err(Error::invalid("size of the query's answer", u64::from(given))),
    }
}

fn reply(arg: &mut [u8], memory: &mut dyn ClientMemory, answer: &[u8]) -> Result<Answer, Error> {
    if let Reply::To(data) = check_size(arg, answer.len())? {
        memory.copy_out(data, answer)?;
    }
    DONE
}

/// Query 9. This core has no protected content.
fn pxp_status(arg: &mut [u8]) -> Result<Answer, Error> {
    match check_size(arg, PXP_STATUS_LEN)? {
        Reply::Sized => DONE,
        Reply::To(_) => Err(Error::NoFacility { what: "protected content" }),
    }
}
