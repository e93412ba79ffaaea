//! Every call of the driver that the program has no use for, so that the check of the linked image sees them too.

use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, EngineRef, ExecCall, QueueProperties, QueueRequest, SyncEntry, SyncTarget,
    VmFlags,
};
use barexe_core::device::{ClientId, Config, Device, FaultAccess, PageFault, SyncobjLook};
use barexe_core::gt::{EngineClass, IrqFlag};
use barexe_core::uapi::{self, Answer};
use barexe_core::{Error, Storage};
use barexe_hal::{ClientAddr, ClientFault, ClientMemory, GpuVa, Hal};
use core::hint::black_box;

/// Client memory of which nothing is known.
struct Opaque;

impl ClientMemory for Opaque {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        into.fill_with(|| black_box(0));
        if black_box(true) { Ok(()) } else { Err(ClientFault { addr, len_bytes: into.len() }) }
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        if black_box(from).is_empty() { Ok(()) } else { Err(ClientFault { addr, len_bytes: from.len() }) }
    }
}

/// Opens the device and makes every call with arguments of which nothing is known. What was lent comes back.
pub(crate) fn touch<'a, H: Hal>(hal: H, storage: Storage<'a>, irq: &'a IrqFlag) -> (H, Storage<'a>) {
    match Device::open(hal, storage, Config::default(), Some(irq)) {
        Ok(mut device) => {
            let client = device.client_open(black_box(true));
            if let Ok(client) = client {
                let _ = black_box(objects(&mut device, client));
                let _ = black_box(work(&mut device, client));
                let _ = black_box(client_call(&mut device, client));
                device.deliver_user_fences(client, &mut Opaque);
                let _ = black_box(device.client_close(client));
            }
            device.close()
        }
        Err(refused) => (refused.hal, refused.storage),
    }
}

/// Any call of the byte interface, with any bytes.
fn client_call<H: Hal>(device: &mut Device<'_, H>, client: ClientId) -> Result<Answer, Error> {
    let mut bytes = black_box([0u8; 256]);
    let arg = bytes.get_mut(..black_box(64)).unwrap_or_default();
    let answer = uapi::ioctl(device, client, id(), arg, &mut Opaque);
    black_box(&bytes);
    answer
}

const fn id() -> u32 {
    black_box(1)
}

fn objects<H: Hal>(device: &mut Device<'_, H>, client: ClientId) -> Result<(), Error> {
    let vm = device.vm_create(client, VmFlags::from_bits_retain(id()))?;
    device.bind_queue_create(client, vm)?;
    let engine = EngineRef { class: EngineClass::Render, instance: black_box(0), gt: black_box(0) };
    let engines = [engine; 2];
    let placements = engines.get(..black_box(1)).unwrap_or_default();
    let properties = QueueProperties { priority: id(), timeslice_us: id() };
    let queue = QueueRequest { vm, placements, width: black_box(1), properties };
    device.exec_queue_create(client, &queue)?;
    let fault =
        PageFault { space: device.vm_address_space(client, id())?, va: black_box(0), access: FaultAccess::Write };
    black_box(device.page_fault(&fault)?);
    device.queue_width(client, id())?;
    device.queue_is_banned(client, id())?;
    device.queue_destroy(client, id())?;
    device.vm_destroy(client, id())?;
    device.bo_close(client, id())?;
    device.syncobj_create(client, black_box(true))?;
    device.syncobj_reset(client, &mut black_box(&[1u32][..]))?;
    let look = SyncobjLook { all: black_box(true), for_submit: black_box(true) };
    black_box(device.syncobj_look(client, &mut black_box(&[1u32][..]), look)?);
    device.syncobj_destroy(client, id())
}

fn work<H: Hal>(device: &mut Device<'_, H>, client: ClientId) -> Result<(), Error> {
    let number = || black_box(1u64);
    let op = |kind| BindOp {
        kind,
        va: number(),
        range_bytes: number(),
        pat_index: black_box(0),
        flags: BindFlags::from_bits_retain(id()),
    };
    let kinds = [BindKind::Map { bo: id(), offset_bytes: number() }, BindKind::MapNull, BindKind::Unmap];
    let ops = kinds.map(op);
    let targets = [
        SyncTarget::Syncobj { handle: id() },
        SyncTarget::Timeline { handle: id(), point: number() },
        SyncTarget::UserFence { addr: number(), value: number() },
    ];
    let syncs = targets.map(|target| SyncEntry { target, signal: black_box(true) });
    let call = BindCall { vm: id(), queue: id() };
    let ticket = device.vm_bind(client, &call, &mut black_box(&ops[..]), &mut black_box(&syncs[..]), &mut Opaque)?;
    black_box(device.ticket_state(ticket)?);
    let batches = GpuVa::new(number()).map(|va| [va; 1]);
    let batches = batches.as_ref().map_or(&[][..], |batches| &batches[..]);
    let ticket = device.exec(client, &ExecCall { queue: id(), batches }, &mut black_box(&syncs[..]))?;
    black_box(device.ticket_state(ticket)?);
    black_box(device.is_quiet());
    Ok(())
}
