//! What the demo's client does, call by call.

use super::batch::{self, BATCH_BYTES, BATCH_VA, DATA_BYTES, DATA_VA, offset};
use crate::machine::Patience;
use barexe_core::Error;
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    SyncEntry, SyncTarget, VmFlags,
};
use barexe_core::device::{ClientId, Device, MappingId, SyncobjLook, Ticket, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Hal};
use barexe_sim::Sim;

/// What the client saw in the end.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The bind's ticket.
    pub bind: TicketState,
    /// The exec's ticket.
    pub exec: TicketState,
    /// The bind's and the exec's sync object have signalled.
    pub signalled: [bool; 2],
    /// The whole data object.
    pub data: Vec<u8>,
}

/// A buffer object that the client has mapped.
#[derive(Clone, Copy)]
struct Buffer {
    handle: u32,
    mapping: MappingId,
    bytes: u64,
}

/// Looks at the device in the name of a client, at one of its VMs.
pub type Look<'l, H> = &'l mut dyn FnMut(&Device<'_, H>, ClientId, u32);

/// Who is told what the script does.
pub trait Notes {
    /// A call is made.
    fn mark(&self, text: &str);

    /// Somebody did or saw something.
    fn note(&self, who: &'static str, what: &str);
}

impl Notes for Sim {
    fn mark(&self, text: &str) {
        Self::mark(self, text);
    }

    fn note(&self, who: &'static str, what: &str) {
        Self::note(self, who, what);
    }
}

struct Script<'s, 'd, H: Hal> {
    notes: &'s dyn Notes,
    device: &'s mut Device<'d, H>,
    client: ClientId,
    /// Sync objects whose signal is not on the timeline yet.
    unseen: Vec<u32>,
}

/// Plays the script on a device that was just opened; `look` may look around before the client closes.
///
/// # Errors
/// The first call that was refused.
pub fn play<H: Hal>(notes: &dyn Notes, device: &mut Device<'_, H>, look: Look<'_, H>) -> Result<Seen, Error> {
    let client = device.client_open(false)?;
    let mut script = Script { notes, device, client, unseen: Vec::new() };
    let seen = script.play(look);
    notes.mark("client_close");
    script.device.client_close(client)?;
    seen
}

impl<H: Hal> Script<'_, '_, H> {
    fn play(&mut self, look: Look<'_, H>) -> Result<Seen, Error> {
        self.notes.mark("vm_create");
        let vm = self.device.vm_create(self.client, VmFlags::empty())?;
        let code = self.buffer("the batch", BATCH_BYTES)?;
        let data = self.buffer("the data", DATA_BYTES)?;
        let (bound, ran) = (self.syncobj()?, self.syncobj()?);
        let bind = self.bind(vm, &[(code, BATCH_VA), (data, DATA_VA)], bound)?;
        self.look_at_fences()?;
        let queue = self.queue(vm)?;
        self.fill(code, data)?;
        let exec = self.exec(queue, bound, ran)?;
        let (bind, exec) = self.wait(bind, exec)?;
        let signalled = [self.is_signalled(bound)?, self.is_signalled(ran)?];
        let mut bytes = vec![0; usize::try_from(data.bytes).unwrap_or(0)];
        self.device.mapping_read(self.client, data.mapping, 0, &mut bytes)?;
        look(self.device, self.client, vm);
        Ok(Seen { bind, exec, signalled, data: bytes })
    }

    /// A buffer object, mapped whole.
    fn buffer(&mut self, what: &str, bytes: u64) -> Result<Buffer, Error> {
        self.notes.mark(&format!("bo_create, bo_map: {bytes:#x} bytes for {what}"));
        let caching = CpuCaching::WriteBack;
        let request = BoRequest { size_bytes: bytes, caching, scanout: false, no_compression: false, vm: None };
        let handle = self.device.bo_create(self.client, &request)?;
        let offset = self.device.bo_mmap_offset(self.client, handle)?;
        let mapping = self.device.bo_map(self.client, offset, bytes)?;
        Ok(Buffer { handle, mapping, bytes })
    }

    fn syncobj(&mut self) -> Result<u32, Error> {
        let handle = self.device.syncobj_create(self.client, false)?;
        self.notes.mark(&format!("syncobj_create: syncobj {handle}"));
        self.unseen.push(handle);
        Ok(handle)
    }

    /// One bind call with one map operation for each buffer.
    fn bind(&mut self, vm: u32, maps: &[(Buffer, u64)], done: u32) -> Result<Ticket, Error> {
        let names: Vec<_> = maps.iter().map(|(buffer, va)| format!("bo {} at {va:#x}", buffer.handle)).collect();
        self.notes.mark(&format!("vm_bind: {}; signals syncobj {done}", names.join(", ")));
        let pat_index = self.coherent_pat();
        let op = |(buffer, va): &(Buffer, u64)| BindOp {
            kind: BindKind::Map { bo: buffer.handle, offset_bytes: 0 },
            va: *va,
            range_bytes: buffer.bytes,
            pat_index,
            flags: BindFlags::empty(),
        };
        let ops: Vec<_> = maps.iter().map(op).collect();
        let (mut ops, mut syncs) = (&ops[..], &[signal(done)][..]);
        let call = BindCall { vm, queue: 0 };
        self.device.vm_bind(self.client, &call, &mut ops, &mut syncs, &mut NoClientMemory)
    }

    /// The PAT index of write-back memory that CPU and GPU see alike (bind-and-exec sheet §3.4).
    const fn coherent_pat(&self) -> u16 {
        if self.device.info().graphics.major >= 20 { 2 } else { 0 }
    }

    /// A queue on the first copy engine that clients may use.
    fn queue(&mut self, vm: u32) -> Result<u32, Error> {
        let is_copy = |engine: &&Engine| engine.class == EngineClass::Copy && !engine.reserved;
        let engine = self.device.info().engines.iter().find(is_copy).copied();
        let engine = engine.ok_or(Error::NoFacility { what: "copy engine" })?;
        self.notes.mark(&format!("exec_queue_create: vm {vm}, copy engine {}", engine.logical));
        let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
        let properties = QueueProperties::default();
        let request = QueueRequest { vm, placements: &[place], width: 1, properties };
        self.device.exec_queue_create(self.client, &request)
    }

    /// The client writes its pattern and its batch, through its mappings.
    fn fill(&mut self, code: Buffer, data: Buffer) -> Result<(), Error> {
        let platform = self.device.info().platform.name;
        let batch = batch::batch(platform).ok_or(Error::NoFacility { what: "batch for this platform" })?;
        let bytes: Vec<u8> = batch.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.notes.note("client", &format!("writes a pattern and a batch of {} dwords", batch.len()));
        self.device.mapping_write(self.client, data.mapping, offset::SOURCE, &batch::pattern())?;
        self.device.mapping_write(self.client, code.mapping, 0, &bytes)
    }

    fn exec(&mut self, queue: u32, bound: u32, ran: u32) -> Result<Ticket, Error> {
        let fence = DATA_VA + offset::FENCE;
        self.notes.mark(&format!(
            "exec: batch {BATCH_VA:#x}; waits for syncobj {bound}; signals syncobj {ran}, user fence {fence:#x}"
        ));
        let wait = SyncEntry { target: SyncTarget::Syncobj { handle: bound }, signal: false };
        let user = SyncEntry { target: SyncTarget::UserFence { addr: fence, value: batch::FENCE }, signal: true };
        let batches = [GpuVa::new(BATCH_VA).ok_or(Error::invalid("batch address", BATCH_VA))?];
        let mut syncs = &[wait, signal(ran), user][..];
        self.device.exec(self.client, &ExecCall { queue, batches: &batches }, &mut syncs)
    }

    /// Polls until both are over or patience is at its end.
    fn wait(&mut self, bind: Ticket, exec: Ticket) -> Result<(TicketState, TicketState), Error> {
        self.notes.mark("relax, poll: until the work is over");
        let mut patience = Patience::new(self.device);
        loop {
            self.look_at_fences()?;
            let states = (self.device.ticket_state(bind)?, self.device.ticket_state(exec)?);
            let over = states.0 != TicketState::Pending && states.1 != TicketState::Pending;
            if over || !patience.wait(self.device, None) {
                return Ok(states);
            }
        }
    }

    /// Puts sync objects that have signalled on the timeline.
    fn look_at_fences(&mut self) -> Result<(), Error> {
        for syncobj in core::mem::take(&mut self.unseen) {
            if self.is_signalled(syncobj)? {
                self.notes.note("fence", &format!("syncobj {syncobj} has signalled"));
            } else {
                self.unseen.push(syncobj);
            }
        }
        Ok(())
    }

    fn is_signalled(&mut self, syncobj: u32) -> Result<bool, Error> {
        let look = SyncobjLook { all: true, for_submit: true };
        let mut handles: &[u32] = &[syncobj];
        Ok(self.device.syncobj_look(self.client, &mut handles, look)?.is_some())
    }
}

const fn signal(handle: u32) -> SyncEntry {
    SyncEntry { target: SyncTarget::Syncobj { handle }, signal: true }
}
