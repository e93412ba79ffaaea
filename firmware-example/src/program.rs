//! What the firmware does with the GPU: one bind, one batch, one result that is looked at.

use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    SyncEntry, VmFlags,
};
use barexe_core::device::{ClientId, Config, Device, DeviceState, MappingId, Ticket, TicketState};
use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_core::ring::command;
use barexe_core::{Error, Storage};
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Hal, Nanos};

/// How it went. The number is the program's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The GPU stored what it was told to.
    Passed,
    /// A call was refused, or the work failed.
    Refused(Error),
    /// The work did not end in time.
    TimedOut,
    /// Something else lies where the GPU should have stored.
    Differs {
        /// What lies there.
        found: u64,
    },
}

impl Verdict {
    /// 0 if passed.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Refused(_) => 1,
            Self::TimedOut => 2,
            Self::Differs { .. } => 3,
        }
    }
}

/// What is left when the program is over: all that was lent, and how it went.
#[derive(Debug)]
pub struct Finished<'a, H> {
    /// The HAL, with the device as it was found.
    pub hal: H,
    /// The storage.
    pub storage: Storage<'a>,
    /// How it went.
    pub verdict: Verdict,
}

/// Bytes of the one buffer object: batch and result in one 64 KiB page.
const BO_BYTES: u64 = 64 << 10;
/// Where it is bound in the VM.
const BO_VA: u64 = 0x1_0000_0000;
/// Offset of the result in it.
const RESULT_OFFSET: u64 = 0x8000;
/// What the batch stores.
const RESULT: u64 = 0xC0DE_F00D_5EED_CAFE;
/// Dwords of the batch: a store of a qword, and the end.
const BATCH_DWORDS: usize = 6;
/// How long the work may take.
const LIMIT: Nanos = Nanos::from_millis(1_000);
/// How long to sleep between two looks at it.
const PAUSE: Nanos = Nanos::from_micros(20);

/// Opens the device, runs the batch, closes the device.
///
/// `irq` is where the board's interrupt entry, or whatever stands in for it, leaves its mark.
pub fn run<'a, H: Hal>(hal: H, storage: Storage<'a>, irq: &'a IrqFlag) -> Finished<'a, H> {
    match Device::open(hal, storage, Config { system_memory_bytes: 1 << 20, ..Config::default() }, Some(irq)) {
        Ok(mut device) => {
            let verdict = use_gpu(&mut device).unwrap_or_else(Verdict::Refused);
            let (hal, storage) = device.close();
            Finished { hal, storage, verdict }
        }
        Err(refused) => {
            Finished { hal: refused.hal, storage: refused.storage, verdict: Verdict::Refused(refused.error) }
        }
    }
}

fn use_gpu<H: Hal>(device: &mut Device<'_, H>) -> Result<Verdict, Error> {
    let client = device.client_open(false)?;
    let vm = device.vm_create(client, VmFlags::empty())?;
    let (bo, mapping) = make_buffer(device, client)?;
    device.mapping_write(client, mapping, 0, &batch_bytes()?)?;
    let engine = first_copy_engine(device)?;
    let queue = QueueRequest { vm, placements: &[engine], width: 1, properties: QueueProperties::default() };
    let queue = device.exec_queue_create(client, &queue)?;

    let bound = bind(device, client, vm, bo)?;
    if !wait(device, bound)? {
        return Ok(Verdict::TimedOut);
    }
    let call = ExecCall { queue, batches: &[gpu_va(0)?] };
    let ran = device.exec(client, &call, &mut no_syncs())?;
    if !wait(device, ran)? {
        return Ok(Verdict::TimedOut);
    }
    let mut found = [0; 8];
    device.mapping_read(client, mapping, RESULT_OFFSET, &mut found)?;
    let found = u64::from_le_bytes(found);
    Ok(if found == RESULT { Verdict::Passed } else { Verdict::Differs { found } })
}

/// A buffer object that the CPU sees too.
fn make_buffer<H: Hal>(device: &mut Device<'_, H>, client: ClientId) -> Result<(u32, MappingId), Error> {
    let request = BoRequest {
        size_bytes: BO_BYTES,
        caching: CpuCaching::WriteBack,
        scanout: false,
        no_compression: false,
        vm: None,
    };
    let bo = device.bo_create(client, &request)?;
    let offset = device.bo_mmap_offset(client, bo)?;
    Ok((bo, device.bo_map(client, offset, BO_BYTES)?))
}

fn gpu_va(offset: u64) -> Result<GpuVa, Error> {
    let va = GpuVa::new(BO_VA).and_then(|va| va.checked_add(offset));
    va.ok_or(Error::invalid("GPU address", offset))
}

/// The batch, as it lies in memory.
fn batch_bytes() -> Result<[u8; BATCH_DWORDS * 4], Error> {
    let mut bytes = [0; BATCH_DWORDS * 4];
    let store = command::store_qword(gpu_va(RESULT_OFFSET)?, RESULT);
    let dwords = store.into_iter().chain(command::batch_end()).flat_map(u32::to_le_bytes);
    for (byte, value) in bytes.iter_mut().zip(dwords) {
        *byte = value;
    }
    Ok(bytes)
}

fn first_copy_engine<H: Hal>(device: &Device<'_, H>) -> Result<EngineRef, Error> {
    let copy = device.info().client_engines().find(|engine| engine.class == EngineClass::Copy);
    let engine = copy.ok_or(Error::NoFacility { what: "copy engine" })?;
    Ok(EngineRef { class: engine.class, instance: u16::from(engine.logical), gt: u16::from(engine.gt) })
}

fn bind<H: Hal>(device: &mut Device<'_, H>, client: ClientId, vm: u32, bo: u32) -> Result<Ticket, Error> {
    let op = BindOp {
        kind: BindKind::Map { bo, offset_bytes: 0 },
        va: BO_VA,
        range_bytes: BO_BYTES,
        pat_index: u16::from(device.info().family().pat.wb.get()),
        flags: BindFlags::empty(),
    };
    let mut ops: &[BindOp] = &[op];
    device.vm_bind(client, &BindCall { vm, queue: 0 }, &mut ops, &mut no_syncs(), &mut NoClientMemory)
}

const fn no_syncs() -> &'static [SyncEntry] {
    &[]
}

/// Polls until the work is over; whether it was in time.
fn wait<H: Hal>(device: &mut Device<'_, H>, ticket: Ticket) -> Result<bool, Error> {
    let deadline = device.now().saturating_add(LIMIT);
    loop {
        device.poll();
        match device.ticket_state(ticket)? {
            TicketState::Done => return Ok(true),
            TicketState::Failed(error) => return Err(error),
            TicketState::Pending if device.state() != DeviceState::Live => return Err(Error::Canceled),
            TicketState::Pending => {}
        }
        let now = device.now();
        if now >= deadline {
            return Ok(false);
        }
        device.relax(now.saturating_add(PAUSE))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_is_one_store_and_an_end() {
        let bytes = batch_bytes().unwrap();
        let dword = |index: usize| u32::from_le_bytes(bytes[index * 4..][..4].try_into().unwrap());
        // MI_STORE_DATA_IMM of a qword to 0x1_0000_8000, then MI_BATCH_BUFFER_END (commands sheet §1.2).
        let want = [0x1020_0003, 0x0000_8000, 1, 0x5EED_CAFE, 0xC0DE_F00D, 0x0500_0000];
        assert_eq!([0, 1, 2, 3, 4, 5].map(dword), want);
    }
}
