//! `XE_EXEC_QUEUE_GET_PROPERTY` and `XE_EXEC_QUEUE_SET_PROPERTY` (bind-and-exec sheet §2.5, §3.7). Their extension
//! pointers are not looked at: both calls follow dialect U, which does not (M4).

use crate::Error;
use crate::device::{ClientId, Device};
use crate::uapi::wire::{Field, Zero, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::Hal;

/// Layout of the argument struct, the same for both.
const QUEUE_ID: Field<u32> = Field::at(8);
const PROPERTY: Field<u32> = Field::at(12);
const VALUE: Field<u64> = Field::at(16);
const MUST_BE_ZERO: [Zero; 1] = [Zero::reserved(24)];

/// The property that can be read: whether the queue runs nothing more.
const BAN: u32 = 0;
/// The property that can be set, of queues in a group.
const MULTI_QUEUE_PRIORITY: u32 = 5;
const MAX_MULTI_QUEUE_PRIORITY: u64 = 2;

pub(super) fn get<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &mut [u8]) -> Result<Answer, Error> {
    check_zero(arg, &MUST_BE_ZERO)?;
    // What happened to the queue by now, not by the last look.
    device.poll();
    let banned = device.queue_is_banned(client, read(arg, QUEUE_ID))?;
    match read(arg, PROPERTY) {
        BAN => write(arg, VALUE, u64::from(banned)),
        unknown => return Err(Error::invalid("queue property", u64::from(unknown))),
    }
    DONE
}

/// Never succeeds: queues are not grouped here, and nothing else can be set.
pub(super) fn set<H: Hal>(device: &Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    check_zero(arg, &MUST_BE_ZERO)?;
    let property = read(arg, PROPERTY);
    if property != MULTI_QUEUE_PRIORITY {
        return Err(Error::invalid("queue property", u64::from(property)));
    }
    let queue = read(arg, QUEUE_ID);
    device.queue_width(client, queue)?;
    let value = read(arg, VALUE);
    if value > MAX_MULTI_QUEUE_PRIORITY {
        return Err(Error::invalid("priority in a group of queues", value));
    }
    Err(Error::invalid("queue outside a group", u64::from(queue)))
}
