//! `XE_DEVICE_QUERY` (bind-and-exec sheet §2.5, §3.13): the shell that all queries share. Answers are in
//! [`answers`].

mod answers;

use super::client::SharedMemory;
use super::wire::{Field, Zero, check_zero, read, write};
use super::{Answer, DONE};
use crate::Error;
use crate::device::{ClientId, Device};
use barexe_hal::{ClientAddr, ClientMemory, Hal};

const QUERY: Field<u32> = Field::at(8);
const SIZE: Field<u32> = Field::at(12);
const DATA: Field<u64> = Field::at(16);
const MUST_BE_ZERO: [Zero; 2] = [Zero::extensions(), Zero::reserved(24)];

/// Layout of `query_uc_fw_version`.
mod firmware {
    use super::{Field, Zero};

    pub(super) const LEN: usize = 32;
    pub(super) const TYPE: Field<u16> = Field::at(0);
    pub(super) const MUST_BE_ZERO: [Zero; 3] = [Zero::pad(2, 2), Zero::pad(20, 4), Zero::pad(24, 8)];

    /// The submission firmware, GuC, and the one for media, HuC.
    pub(super) const LAST_TYPE: u16 = 1;
}

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
    device: &Device<'_, H>,
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
        6 => return Err(Error::Unsupported { what: "query ENGINE_CYCLES" }),
        7 => return firmware_version(arg, memory),
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

/// Query 7. This core loads no firmware.
fn firmware_version(arg: &mut [u8], memory: &mut dyn ClientMemory) -> Result<Answer, Error> {
    let Reply::To(data) = check_size(arg, firmware::LEN)? else { return DONE };
    let asked: [u8; firmware::LEN] = SharedMemory::new(memory).read(Some(data.get()))?;
    check_zero(&asked, &firmware::MUST_BE_ZERO)?;
    let kind = read(&asked, firmware::TYPE);
    if kind > firmware::LAST_TYPE {
        return Err(Error::invalid("firmware type", u64::from(kind)));
    }
    Err(Error::NoFacility { what: "firmware of that type" })
}

/// Query 9. This core has no protected content.
fn pxp_status(arg: &mut [u8]) -> Result<Answer, Error> {
    match check_size(arg, PXP_STATUS_LEN)? {
        Reply::Sized => DONE,
        Reply::To(_) => Err(Error::NoFacility { what: "protected content" }),
    }
}
