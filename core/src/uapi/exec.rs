//! `XE_EXEC` (bind-and-exec sheet §2.5, §3.5).

use super::client::SharedMemory;
use super::sync_entry::{self, SyncRules};
use super::wire::{Field, Zero, check_zero, read};
use super::{Answer, DONE, Dialect};
use crate::Error;
use crate::device::request::ExecCall;
use crate::device::{ClientId, Device};
use barexe_hal::{ClientMemory, GpuVa, Hal};

const QUEUE_ID: Field<u32> = Field::at(8);
const NUM_SYNCS: Field<u32> = Field::at(12);
const SYNCS: Field<u64> = Field::at(16);
/// Of the batch; of an array of addresses where a queue runs several batches at once.
const ADDRESS: Field<u64> = Field::at(24);
const NUM_BATCH_BUFFER: Field<u16> = Field::at(32);
/// Row 1.
const MUST_BE_ZERO: [Zero; 3] = [Zero::extensions(), Zero::pad(34, 6), Zero::reserved(40)];

pub(super) fn exec<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    check_zero(arg, &MUST_BE_ZERO)?;
    let num_syncs = sync_entry::check_count(read(arg, NUM_SYNCS))?;
    let queue = read(arg, QUEUE_ID);
    let batches = check_batches(device.queue_width(client, queue)?, queue, read(arg, NUM_BATCH_BUFFER))?;
    let addr_bits = device.info().family().pt.va_span_bytes().wrapping_sub(1);
    let rules =
        SyncRules { dialect: Dialect::U, vm: device.queue_vm_flags(client, queue)?, fence_addr_bits: addr_bits };
    let memory = SharedMemory::new(memory);
    let mut syncs = sync_entry::entries(&memory, read(arg, SYNCS), num_syncs, rules);
    // Clients may sign-extend the address; an address that nothing is mapped at is a fault of the GPU, not an error.
    let address = read(arg, ADDRESS);
    let batch = GpuVa::new(address & addr_bits).ok_or(Error::invalid("batch address", address))?;
    let batches: &[GpuVa] = if batches { core::slice::from_ref(&batch) } else { &[] };
    match device.exec(client, &ExecCall { queue, batches }, &mut syncs) {
        // The client's pages change under work that uses them: the call is made again when that is over.
        Err(Error::Again) if device.awaits_invalidation(client, queue) => Ok(Answer::Wait { until: None }),
        result => result.and(DONE),
    }
}

/// Rows 6 and 7: whether there is a batch, which is one or none, since no queue is wider.
fn check_batches(width: u16, queue: u32, count: u16) -> Result<bool, Error> {
    match (width, count) {
        (0, _) => Err(Error::invalid("exec queue id", u64::from(queue))),
        (_, 0) => Ok(false),
        (1, 1) => Ok(true),
        _ => Err(Error::invalid("number of batches", u64::from(count))),
    }
}
