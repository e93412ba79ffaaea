//! `XE_EXEC` (bind-and-exec sheet §2.4, §2.5, §3.5).

use crate::Error;
use crate::uapi::wire::client::{ClientArray, SharedMemory};
use crate::uapi::wire::sync_args::SyncArgs;
use crate::uapi::wire::sync_entry::{self, SyncRules};
use crate::uapi::wire::{Field, Zero, check_zero, read};
use crate::uapi::{Answer, DONE, Dialect};

use crate::device::request::Source;
use crate::device::{ClientId, Device, ExecFrom};
use barexe_hal::{ClientMemory, GpuVa, Hal};

/// Where a dialect has the fields of the call.
struct Layout {
    queue: Field<u32>,
    /// Of the batch; of an array of addresses in client memory where a queue runs several batches at once.
    address: Field<u64>,
    num_batch_buffer: Field<u16>,
    /// Row 1.
    must_be_zero: &'static [Zero],
}

/// Dialect A: the queue id stands behind padding that brings the sync struct to a multiple of 8 bytes (R39).
const POSTED: Layout = Layout {
    queue: Field::at(12),
    address: Field::at(56),
    num_batch_buffer: Field::at(64),
    must_be_zero: &[Zero::extensions(), Zero::pad(8, 4), Zero::pad(66, 6), Zero::reserved(72)],
};
/// Of dialect A.
const SYNCS_AT: usize = 16;

/// Dialect U.
const MERGED: Layout = Layout {
    queue: Field::at(8),
    address: Field::at(24),
    num_batch_buffer: Field::at(32),
    must_be_zero: &[Zero::extensions(), Zero::pad(34, 6), Zero::reserved(40)],
};
const NUM_SYNCS: Field<u32> = Field::at(12);
const SYNCS: Field<u64> = Field::at(16);

pub(super) fn exec<H: Hal>(
    device: &mut Device<'_, H>,
    client: ClientId,
    dialect: Dialect,
    arg: &[u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let layout = match dialect {
        Dialect::A => &POSTED,
        Dialect::U => &MERGED,
    };
    check_zero(arg, layout.must_be_zero)?;
    let args = sync_args(arg, dialect)?;
    let queue = read(arg, layout.queue);
    let (width, count) = (device.queue_width(client, queue)?, read(arg, layout.num_batch_buffer));
    check_count(width, queue, count)?;
    let va_bits = device.info().family().pt.va_span_bytes().wrapping_sub(1);
    let rules = SyncRules { dialect, vm: device.queue_vm_flags(client, queue)?, fence_addr_bits: va_bits };
    let memory = SharedMemory::new(memory);
    let mut syncs = sync_entry::entries(&memory, args.addr, args.count, rules);
    let mut batches = batches(&memory, (width, count), read(arg, layout.address), va_bits);
    let call = ExecFrom { queue, batches: &mut batches, refuses_full_ring: dialect == Dialect::A };
    match device.exec_from(client, call, &mut syncs) {
        // The client's pages change under work that uses them: the call is made again when that is over.
        Err(Error::Again) if device.awaits_invalidation(client, queue) => Ok(Answer::Wait { until: None }),
        result => result.and(DONE),
    }
}

/// Rows 2 to 4.
fn sync_args(arg: &[u8], dialect: Dialect) -> Result<SyncArgs, Error> {
    match dialect {
        Dialect::A => {
            let args = SyncArgs::of_struct::<SYNCS_AT>(arg)?;
            args.check_no_wait().map(|()| args)
        }
        Dialect::U => SyncArgs::of_fields(arg, NUM_SYNCS, SYNCS),
    }
}

/// Rows 6 and 7: no batch, or one for each of the queue's parallel positions.
fn check_count(width: u16, queue: u32, count: u16) -> Result<(), Error> {
    match (width, count) {
        (0, _) => Err(Error::invalid("exec queue id", u64::from(queue))),
        (_, 0) => Ok(()),
        _ if width == count => Ok(()),
        _ => Err(Error::invalid("number of batches", u64::from(count))),
    }
}

/// The batches of a call: what the address field means depends on the queue's width. Without batches it means nothing
/// (R20, D7).
enum Batches<S> {
    InStruct { address: u64, count: u32, va_bits: u64 },
    Array(S),
}

fn batches<'s, 'm>(
    memory: &'s SharedMemory<'m>,
    (width, count): (u16, u16),
    address: u64,
    va_bits: u64,
) -> Batches<impl Source<GpuVa> + use<'s, 'm>> {
    let count = u32::from(count);
    match (width, count) {
        (0..=1, _) | (_, 0) => Batches::InStruct { address, count, va_bits },
        _ => {
            let decode = move |bytes: &[u8; 8]| batch(u64::from_le_bytes(*bytes), va_bits);
            Batches::Array(ClientArray::new(memory, address, count, decode))
        }
    }
}

/// Clients may sign-extend the address; an address that nothing is mapped at is a fault of the GPU, not an error.
fn batch(address: u64, va_bits: u64) -> Result<GpuVa, Error> {
    GpuVa::new(address & va_bits).ok_or(Error::invalid("batch address", address))
}

impl<S: Source<GpuVa>> Source<GpuVa> for Batches<S> {
    fn len(&self) -> u32 {
        match self {
            Self::InStruct { count, .. } => *count,
            Self::Array(array) => array.len(),
        }
    }

    fn get(&mut self, index: u32) -> Result<GpuVa, Error> {
        match self {
            Self::InStruct { address, va_bits, .. } => batch(*address, *va_bits),
            Self::Array(array) => array.get(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barexe_hal::client::NoClientMemory;
    use barexe_hal::{ClientAddr, ClientFault};

    const VA_BITS: u64 = (1 << 48) - 1;

    /// Each word of it is its own address, sign-extended from bit 47.
    struct Words;

    impl ClientMemory for Words {
        fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
            for (to, from) in into.iter_mut().zip((addr.get() | !VA_BITS).to_le_bytes()) {
                *to = from;
            }
            Ok(())
        }

        fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
            Err(ClientFault { addr, len_bytes: from.len() })
        }
    }

    fn read_all(memory: &mut dyn ClientMemory, of: (u16, u16), address: u64) -> Result<std::vec::Vec<u64>, Error> {
        let shared = SharedMemory::new(memory);
        let mut batches = batches(&shared, of, address, VA_BITS);
        (0..batches.len()).map(|index| Ok(batches.get(index)?.get())).collect()
    }

    #[test]
    fn a_count_is_none_or_the_width() {
        for width in 1..10u16 {
            for count in 0..10 {
                let right = count == 0 || count == width;
                assert_eq!(check_count(width, 1, count).is_ok(), right, "{count} on width {width} (R14)");
            }
        }
        assert_eq!(check_count(0, 7, 0), Err(Error::invalid("exec queue id", 7)));
    }

    #[test]
    fn a_wide_queue_has_its_addresses_in_client_memory() {
        assert_eq!(read_all(&mut Words, (2, 2), 0x1000), Ok(std::vec![0x1000, 0x1008]));
        assert_eq!(read_all(&mut Words, (1, 1), !VA_BITS | 0x1000), Ok(std::vec![0x1000]), "in the struct itself");
    }

    #[test]
    fn without_batches_the_address_is_not_looked_at_whatever_the_width() {
        for width in 1..10 {
            assert_eq!(read_all(&mut NoClientMemory, (width, 0), u64::MAX), Ok(std::vec![]), "D7");
        }
        assert!(matches!(read_all(&mut NoClientMemory, (2, 2), 0x1000), Err(Error::ClientFault(_))));
    }
}
