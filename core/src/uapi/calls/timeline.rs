//! Calls on points of timelines: wait, query, signal, transfer (bind-and-exec sheet §2.5, §3.12).

use super::syncobj::{handles, not_yet, wait_flags};
use crate::device::request::Source;
use crate::device::{ClientId, Device, SyncobjLook, SyncobjPoint, TimelineLook};
use crate::num::u64_of;
use crate::uapi::wire::client::{ClientArray, SharedMemory};
use crate::uapi::wire::{Field, Zero, check_flags, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use crate::{Capacity, Error};
use barexe_hal::{ClientAddr, ClientFault, ClientMemory, Hal, Nanos};

/// Layout of the argument struct of wait.
mod waiting {
    use super::Field;

    pub(super) const HANDLES: Field<u64> = Field::at(0);
    pub(super) const POINTS: Field<u64> = Field::at(8);
    pub(super) const TIMEOUT_NS: Field<i64> = Field::at(16);
    pub(super) const COUNT: Field<u32> = Field::at(24);
    pub(super) const FLAGS: Field<u32> = Field::at(28);
    pub(super) const FIRST_SIGNALED: Field<u32> = Field::at(32);
}

/// Layout of the argument struct of query and signal.
mod asking {
    use super::Field;

    pub(super) const HANDLES: Field<u64> = Field::at(0);
    pub(super) const POINTS: Field<u64> = Field::at(8);
    pub(super) const COUNT: Field<u32> = Field::at(16);
    pub(super) const FLAGS: Field<u32> = Field::at(20);

    pub(super) const LAST_SUBMITTED: u32 = 1;
}

/// Layout of the argument struct of transfer.
mod moving {
    use super::{Field, Zero};

    pub(super) const FROM: Field<u32> = Field::at(0);
    pub(super) const TO: Field<u32> = Field::at(4);
    pub(super) const FROM_POINT: Field<u64> = Field::at(8);
    pub(super) const TO_POINT: Field<u64> = Field::at(16);
    pub(super) const FLAGS: Field<u32> = Field::at(24);
    pub(super) const MUST_BE_ZERO: [Zero; 1] = [Zero::pad(28, 4)];
}

/// How long a transfer waits for its source (commands-and-fences sheet §5.6).
const SUBMIT_LIMIT: Nanos = Nanos::from_millis(5000);

/// Most objects of one query: their values are gathered before any is told.
const MAX_VALUES: usize = 256;

const WAIT_FLAGS: u32 = wait_flags::ALL | wait_flags::FOR_SUBMIT | wait_flags::AVAILABLE | wait_flags::DEADLINE;

pub(super) fn wait<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let flags = read(arg, waiting::FLAGS);
    check_flags("wait flags", flags, WAIT_FLAGS)?;
    let count = read(arg, waiting::COUNT);
    if count == 0 {
        return DONE;
    }
    let memory = SharedMemory::new(memory);
    let mut handles = handles(&memory, read(arg, waiting::HANDLES), count)?;
    let at = read(arg, waiting::POINTS);
    let mut points = point_array(&memory, at, count);
    let points: Option<&mut dyn Source<u64>> = if at == 0 { None } else { Some(&mut points) };
    let has = |flag| flags & flag != 0;
    let objects = SyncobjLook { all: has(wait_flags::ALL), for_submit: has(wait_flags::FOR_SUBMIT) };
    let look = TimelineLook { objects, available: has(wait_flags::AVAILABLE) };
    // A look with timeout 0 is to see what the device has done by now.
    device.poll();
    match device.syncobj_timeline_look(client, &mut handles, points, look)? {
        Some(first) => {
            // Where all are waited for, which was first says nothing.
            if !objects.all {
                write(arg, waiting::FIRST_SIGNALED, first);
            }
            DONE
        }
        None => not_yet(read(arg, waiting::TIMEOUT_NS), device.now()),
    }
}

pub(super) fn query<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let flags = read(arg, asking::FLAGS);
    check_flags("query flags", flags, asking::LAST_SUBMITTED)?;
    let count = read(arg, asking::COUNT);
    if count == 0 {
        return Err(Error::invalid("sync object count", 0));
    }
    let memory = SharedMemory::new(memory);
    let mut handles = handles(&memory, read(arg, asking::HANDLES), count)?;
    device.poll();
    let mut values = heapless::Vec::<u64, MAX_VALUES>::new();
    let mut unknown = Ok(());
    for index in 0..count {
        match device.syncobj_value(client, handles.get(index)?, flags & asking::LAST_SUBMITTED != 0) {
            Ok(value) => values.push(value).map_err(|_| Error::Exhausted(Capacity::Syncobjs))?,
            Err(error) => unknown = unknown.and(Err(error)),
        }
    }
    unknown?;
    tell(&memory, read(arg, asking::POINTS), &values)?;
    DONE
}

pub(super) fn signal<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    check_flags("timeline signal flags", read(arg, asking::FLAGS), 0)?;
    let (count, at) = (read(arg, asking::COUNT), read(arg, asking::POINTS));
    let memory = SharedMemory::new(memory);
    let mut handles = handles(&memory, read(arg, asking::HANDLES), count)?;
    let mut points = point_array(&memory, at, count);
    let points: Option<&mut dyn Source<u64>> = if at == 0 { None } else { Some(&mut points) };
    device.syncobj_timeline_signal(client, &mut handles, points)?;
    DONE
}

/// The first answer "wait" says until when: 5 s from then on. Whoever repeats the call beyond gives it up
/// ([`Answer::Wait`]).
pub(super) fn transfer<H: Hal>(device: &mut Device<'_, H>, client: ClientId, arg: &[u8]) -> Result<Answer, Error> {
    check_zero(arg, &moving::MUST_BE_ZERO)?;
    let flags = read(arg, moving::FLAGS);
    check_flags("transfer flags", flags, wait_flags::FOR_SUBMIT)?;
    let from = SyncobjPoint { handle: read(arg, moving::FROM), point: read(arg, moving::FROM_POINT) };
    let to = SyncobjPoint { handle: read(arg, moving::TO), point: read(arg, moving::TO_POINT) };
    if device.syncobj_transfer(client, from, to, flags & wait_flags::FOR_SUBMIT != 0)? {
        return DONE;
    }
    Ok(Answer::Wait { until: Some(device.now().saturating_add(SUBMIT_LIMIT)) })
}

/// The `count` points at `addr`.
fn point_array<'s, 'm>(memory: &'s SharedMemory<'m>, addr: u64, count: u32) -> impl Source<u64> + use<'s, 'm> {
    ClientArray::new(memory, addr, count, |bytes: &[u8; 8]| Ok(u64::from_le_bytes(*bytes)))
}

/// Writes values one behind the other, in one piece: all of them or none.
fn tell(memory: &SharedMemory<'_>, addr: u64, values: &[u64]) -> Result<(), Error> {
    let mut bytes = heapless::Vec::<u8, { MAX_VALUES * 8 }>::new();
    for value in values {
        // There is room for as many as there can be.
        let _full = bytes.extend_from_slice(&value.to_le_bytes());
    }
    let unreachable = ClientFault { addr: ClientAddr::ZERO, len_bytes: bytes.len() };
    let end = addr.checked_add(u64_of(bytes.len()));
    let addr = end.and_then(|_| ClientAddr::new(addr)).ok_or(unreachable)?;
    let mut shared = memory;
    Ok(shared.copy_out(addr, &bytes)?)
}
