//! `XE_VM_BIND` (bind-and-exec sheet §2.5, §3.2).

use super::bind_op;
use super::client::{ClientArray, SharedMemory};
use super::sync_entry::{self, SyncRules};
use super::wire::{Field, Zero, check_zero, part, read};
use super::{Answer, DONE};
use crate::Error;
use crate::device::request::{BindCall, BindOp, Source};
use crate::device::{ClientId, Device};
use crate::mem::pat::PatTable;
use barexe_hal::{ClientMemory, Hal};

const VM_ID: Field<u32> = Field::at(8);
const QUEUE_ID: Field<u32> = Field::at(12);
const NUM_BINDS: Field<u32> = Field::at(20);
/// A single operation stands in the struct; of several, their address.
const INLINE_OP: usize = 24;
const VECTOR_OF_BINDS: Field<u64> = Field::at(24);
const NUM_SYNCS: Field<u32> = Field::at(108);
const SYNCS: Field<u64> = Field::at(112);
/// Rows 2 and 3.
const MUST_BE_ZERO: [Zero; 4] = [Zero::pad(16, 4), Zero::pad(104, 4), Zero::reserved(120), Zero::extensions()];

/// The operations of a call: none, the one in the struct, or those in client memory.
enum Ops<S> {
    Inline { bytes: [u8; bind_op::LEN], count: u32, pat: &'static PatTable },
    Vector(S),
}

impl<S: Source<BindOp>> Source<BindOp> for Ops<S> {
    fn len(&self) -> u32 {
        match self {
            Self::Inline { count, .. } => *count,
            Self::Vector(array) => array.len(),
        }
    }

    fn get(&mut self, index: u32) -> Result<BindOp, Error> {
        match self {
            Self::Inline { bytes, pat, .. } => bind_op::decode(bytes, pat),
            Self::Vector(array) => array.get(index),
        }
    }
}

pub(super) fn vm_bind<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let call = BindCall { vm: read(arg, VM_ID), queue: read(arg, QUEUE_ID) };
    // Row 1. Here alone an unknown VM is EINVAL (M5).
    let vm = device.vm_flags(client, call.vm).map_err(|_| Error::invalid("VM id", u64::from(call.vm)))?;
    check_zero(arg, &MUST_BE_ZERO)?;
    let num_syncs = sync_entry::check_count(read(arg, NUM_SYNCS))?;
    let memory = SharedMemory::new(memory);
    let mut ops = ops(arg, &memory, device.info().platform.family.pat);
    let rules = SyncRules { vm, fence_addr_bits: u64::MAX };
    let mut syncs = sync_entry::entries(&memory, read(arg, SYNCS), num_syncs, rules);
    device.vm_bind(client, &call, &mut ops, &mut syncs, &mut &memory)?;
    DONE
}

fn ops<'s, 'm>(
    arg: &[u8],
    memory: &'s SharedMemory<'m>,
    pat: &'static PatTable,
) -> Ops<impl Source<BindOp> + use<'s, 'm>> {
    match read(arg, NUM_BINDS) {
        count @ 0..=1 => Ops::Inline { bytes: part(arg, INLINE_OP), count, pat },
        count => {
            let decode = move |bytes: &[u8; bind_op::LEN]| bind_op::decode(bytes, pat);
            Ops::Vector(ClientArray::new(memory, read(arg, VECTOR_OF_BINDS), count, decode))
        }
    }
}
