//! `XE_VM_BIND` (bind-and-exec sheet §2.2, §2.4, §2.5, §3.2).

use super::bind_op;
use crate::Error;
use crate::device::request::{BindCall, BindOp, Source};
use crate::device::{ClientId, Device, Ticket, TicketState};
use crate::mem::pat::PatTable;
use crate::uapi::cookie::{self, Accepted, Cookie};
use crate::uapi::wire::client::{ClientArray, SharedMemory};
use crate::uapi::wire::sync_args::{Choice, SyncArgs};
use crate::uapi::wire::sync_entry::{self, SyncRules};
use crate::uapi::wire::{Field, Zero, check_zero, part, read};
use crate::uapi::{Answer, DONE, Dialect};
use barexe_hal::{ClientAddr, ClientMemory, Hal};

const VM_ID: Field<u32> = Field::at(8);
const QUEUE_ID: Field<u32> = Field::at(12);
const NUM_BINDS: Field<u32> = Field::at(20);
/// A single operation stands in the struct; of several, their address.
const INLINE_OP: usize = 24;
const VECTOR_OF_BINDS: Field<u64> = Field::at(24);
/// Up to here both dialects are the same.
const SYNCS_AT: usize = 104;

/// Behind the operation, as merged.
mod merged {
    use super::{Field, Zero};

    pub(super) const NUM_SYNCS: Field<u32> = Field::at(108);
    pub(super) const SYNCS: Field<u64> = Field::at(112);
    /// Rows 2 and 3.
    pub(super) const MUST_BE_ZERO: [Zero; 4] =
        [Zero::pad(16, 4), Zero::pad(104, 4), Zero::reserved(120), Zero::extensions()];
}

/// Rows 2 and 3 in dialect A: behind the operation stands a sync struct.
const MUST_BE_ZERO_A: [Zero; 3] = [Zero::pad(16, 4), Zero::reserved(144), Zero::extensions()];

/// The operations of a call: none, the one in the struct, or those in client memory.
enum Ops<S> {
    Inline { bytes: [u8; bind_op::LEN], count: u32, dialect: Dialect, pat: &'static PatTable },
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
            Self::Inline { bytes, dialect, pat, .. } => bind_op::decode(bytes, *dialect, pat),
            Self::Vector(array) => array.get(index),
        }
    }
}

pub(super) fn vm_bind<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    dialect: Dialect,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let call = BindCall { vm: read(arg, VM_ID), queue: read(arg, QUEUE_ID) };
    // Row 1. Here alone an unknown VM is EINVAL (M5).
    let vm = device.vm_flags(client, call.vm).map_err(|_| Error::invalid("VM id", u64::from(call.vm)))?;
    let args = sync_args(arg, dialect)?;
    let memory = SharedMemory::new(memory);
    let choice = args.choice(&memory)?;
    if let Choice::Resume { cookie, value } = choice {
        let ticket = device.bind_ticket(client, &call, cookie::commit_of(value))?;
        return waiting(device, ticket, Some(cookie));
    }
    let mut ops = ops(arg, &memory, dialect, device.info().platform.family.pat);
    let rules = SyncRules { dialect, vm, fence_addr_bits: u64::MAX };
    let mut syncs = sync_entry::entries(&memory, args.addr, args.count, rules);
    let ticket = device.vm_bind(client, &call, &mut ops, &mut syncs, &mut &memory)?;
    match choice {
        Choice::Wait { cookie } => waiting(device, ticket, cookie),
        Choice::Return | Choice::Resume { .. } => DONE,
    }
}

/// Rows 2 to 5.
fn sync_args(arg: &[u8], dialect: Dialect) -> Result<SyncArgs, Error> {
    match dialect {
        Dialect::A => {
            check_zero(arg, &MUST_BE_ZERO_A)?;
            SyncArgs::of_struct::<SYNCS_AT>(arg)
        }
        Dialect::U => {
            check_zero(arg, &merged::MUST_BE_ZERO)?;
            SyncArgs::of_fields(arg, merged::NUM_SYNCS, merged::SYNCS)
        }
    }
}

/// The answer of a call that waits for its own work: it may be over already.
fn waiting<H: Hal>(device: &Device<'_, H>, ticket: Ticket, cookie: Option<ClientAddr>) -> Result<Answer, Error> {
    match device.ticket_state(ticket)? {
        TicketState::Pending => {
            Ok(Answer::Accepted(Accepted { ticket, cookie: cookie.map(|addr| Cookie::new(addr, ticket)) }))
        }
        TicketState::Done => DONE,
        TicketState::Failed(error) => Err(error),
    }
}

fn ops<'s, 'm>(
    arg: &[u8],
    memory: &'s SharedMemory<'m>,
    dialect: Dialect,
    pat: &'static PatTable,
) -> Ops<impl Source<BindOp> + use<'s, 'm>> {
    match read(arg, NUM_BINDS) {
        count @ 0..=1 => Ops::Inline { bytes: part(arg, INLINE_OP), count, dialect, pat },
        count => {
            let decode = move |bytes: &[u8; bind_op::LEN]| bind_op::decode(bytes, dialect, pat);
            Ops::Vector(ClientArray::new(memory, read(arg, VECTOR_OF_BINDS), count, decode))
        }
    }
}
