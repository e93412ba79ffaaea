//! What every part of the run works with: one client, one VM, one buffer object that the CPU sees too, and a way to run
//! a batch and wait for it.
//!
//! ```text
//!   0          4 KiB      64 KiB     128 KiB    192 KiB
//!   │ batches  │ results  │ source   │ target   │
//! ```

use super::trouble::Trouble;
use crate::messages::Messages;
use barexe_core::Error;
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    SyncEntry, VmFlags,
};
use barexe_core::device::{ClientId, Device, DeviceState, MappingId, Ticket, TicketState};
use barexe_core::gt::Engine;
use barexe_core::ring::command;
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Hal, Nanos};

/// Bytes of the buffer object.
pub const BO_BYTES: u64 = 192 << 10;
/// Where it is bound in the VM.
const BO_VA: u64 = 0x1_0000_0000;
/// Bytes of one batch.
pub const BATCH_BYTES: u64 = 256;
/// Offset of the results: one page.
pub const RESULTS: u64 = 0x1000;
/// Offset of what is copied.
pub const SOURCE: u64 = 0x1_0000;
/// Offset of what is filled and copied to.
pub const TARGET: u64 = 0x2_0000;
/// Bytes of source and target each.
pub const AREA_BYTES: u64 = 64 << 10;
/// Bytes that are looked at, or written, at once.
const CHUNK: usize = 128;

/// How long work may take: longer than a job may run, so that the driver's own limit comes first.
const LIMIT: Nanos = Nanos::from_millis(10_000);
/// How long a message is waited for before the driver looks without one, from then on until the job is over. A message
/// that came later than this would be taken for lost.
const GRACE: Nanos = Nanos::from_millis(1_000);
/// How long to sleep between two looks of a wait that polls.
const PAUSE: Nanos = Nanos::from_micros(20);

/// How a job is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing is looked at before an interrupt message has come.
    Message,
    /// The same, unless the job is known to be over: for several on their way at once.
    MessageIfPending,
    /// Messages are ignored.
    Polling,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs that ended well.
    pub jobs: u32,
    /// Waits that a message ended.
    pub by_message: u32,
    /// Waits in which none came, though the job was over.
    pub lost: u32,
    /// Engines that had to be reset.
    pub resets: u32,
}

/// Client, VM, buffer object.
#[derive(Debug)]
pub struct Stage<'d, 'a, H: Hal> {
    /// The device.
    pub device: &'d mut Device<'a, H>,
    /// Where messages leave their mark.
    pub messages: &'d Messages,
    /// What was counted.
    pub tally: Tally,
    client: ClientId,
    vm: u32,
    mapping: MappingId,
    /// Messages that a wait has taken notice of.
    seen: u32,
    /// How the last job is waited for.
    how: Wait,
}

impl<'d, 'a, H: Hal> Stage<'d, 'a, H> {
    /// Makes all of it.
    ///
    /// # Errors
    /// What the driver refused, or how the bind ended.
    pub fn set(device: &'d mut Device<'a, H>, messages: &'d Messages) -> Result<Self, Trouble> {
        let client = device.client_open(false)?;
        let vm = device.vm_create(client, VmFlags::empty())?;
        let (size_bytes, caching) = (BO_BYTES, CpuCaching::WriteBack);
        let bo = BoRequest { size_bytes, caching, scanout: false, no_compression: false, vm: None };
        let bo = device.bo_create(client, &bo)?;
        let offset = device.bo_mmap_offset(client, bo)?;
        let mapping = device.bo_map(client, offset, BO_BYTES)?;
        let (tally, seen, how) = (Tally::default(), messages.count(), Wait::Polling);
        messages.listen(false);
        let mut stage = Self { device, messages, tally, client, vm, mapping, seen, how };
        stage.bind(bo)?;
        Ok(stage)
    }

    fn bind(&mut self, bo: u32) -> Result<(), Trouble> {
        let op = BindOp {
            kind: BindKind::Map { bo, offset_bytes: 0 },
            va: BO_VA,
            range_bytes: BO_BYTES,
            pat_index: u16::from(self.device.info().family().pat.wb.get()),
            flags: BindFlags::empty(),
        };
        let (mut ops, call): (&[BindOp], _) = (&[op], BindCall { vm: self.vm, queue: 0 });
        let ticket = self.device.vm_bind(self.client, &call, &mut ops, &mut no_syncs(), &mut NoClientMemory)?;
        self.wait(ticket)
    }

    /// GPU address of an offset in the buffer object.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that leaves the address space.
    pub fn va(offset: u64) -> Result<GpuVa, Error> {
        GpuVa::new(BO_VA).and_then(|va| va.checked_add(offset)).ok_or(Error::invalid("GPU address", offset))
    }

    /// A queue on an engine.
    ///
    /// # Errors
    /// What the driver refused.
    pub fn queue(&mut self, engine: &Engine) -> Result<u32, Error> {
        let (class, instance, gt) = (engine.class, u16::from(engine.logical), u16::from(engine.gt));
        let placements = &[EngineRef { class, instance, gt }];
        let request = QueueRequest { vm: self.vm, placements, width: 1, properties: QueueProperties::default() };
        self.device.exec_queue_create(self.client, &request)
    }

    /// Gives a queue back. Its memory comes back with the polls that follow.
    ///
    /// # Errors
    /// What the driver refused.
    pub fn drop_queue(&mut self, queue: u32) -> Result<(), Trouble> {
        self.device.queue_destroy(self.client, queue)?;
        let deadline = self.device.now().saturating_add(LIMIT);
        let waits = |device: &Device<'_, H>| device.state() == DeviceState::Live && !device.is_quiet();
        while waits(self.device) && self.device.now() < deadline {
            self.device.poll();
            self.pause(PAUSE)?;
        }
        Ok(())
    }

    /// Writes a batch, its end included, into place `slot`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is too long; what the driver refused.
    pub fn write_batch(&mut self, slot: u64, commands: impl Iterator<Item = u32>) -> Result<(), Error> {
        let mut bytes = [0; CHUNK];
        let mut used = 0usize;
        let end = command::batch_end();
        for (place, dword) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(commands.chain(end)) {
            *place = dword.to_le_bytes();
            used = used.saturating_add(1);
        }
        self.device.mapping_write(self.client, self.mapping, slot.saturating_mul(BATCH_BYTES), &bytes)
    }

    /// Gives the batch in place `slot` to a queue. `how` it will be waited for: also what was given before.
    ///
    /// # Errors
    /// What the driver refused.
    pub fn exec(&mut self, queue: u32, slot: u64, how: Wait) -> Result<Ticket, Error> {
        self.listen(how);
        if how == Wait::Message {
            self.seen = self.messages.count();
        }
        let batches = &[Self::va(slot.saturating_mul(BATCH_BYTES))?];
        self.device.exec(self.client, &ExecCall { queue, batches }, &mut no_syncs())
    }

    /// Takes messages, or no more. One that was ignored is made up for: the device sends no other before the driver has
    /// served it.
    fn listen(&mut self, how: Wait) {
        let listened = self.how != Wait::Polling;
        self.how = how;
        if listened == (how != Wait::Polling) {
            return;
        }
        self.messages.listen(how != Wait::Polling);
        self.messages.flag.handle().record();
        self.device.poll();
        self.seen = self.messages.count();
    }

    /// Waits until the work is over.
    ///
    /// # Errors
    /// How it ended, if not well; [`Trouble::TimedOut`].
    pub fn wait(&mut self, ticket: Ticket) -> Result<(), Trouble> {
        let deadline = self.device.now().saturating_add(LIMIT);
        let mut came = None;
        while !self.is_over(ticket)? || (self.how == Wait::Message && came.is_none()) {
            if self.device.now() >= deadline {
                return Err(Trouble::TimedOut);
            }
            if self.how == Wait::Polling || came == Some(false) {
                self.pause(PAUSE)?;
            } else {
                came = Some(self.await_message(deadline)?);
            }
            self.device.poll();
        }
        let Tally { by_message, lost, .. } = &mut self.tally;
        match came {
            Some(true) => *by_message = by_message.saturating_add(1),
            Some(false) => *lost = lost.saturating_add(1),
            None => {}
        }
        Ok(())
    }

    fn is_over(&self, ticket: Ticket) -> Result<bool, Trouble> {
        match self.device.ticket_state(ticket)? {
            TicketState::Done => Ok(true),
            TicketState::Failed(Error::Canceled) => Err(self.lost_device()),
            TicketState::Failed(error) => Err(error.into()),
            TicketState::Pending if self.device.state() != DeviceState::Live => Err(self.lost_device()),
            TicketState::Pending => Ok(false),
        }
    }

    fn lost_device(&self) -> Trouble {
        let gone = self.device.state() == DeviceState::Gone;
        Trouble::Refused(if gone { Error::DeviceGone } else { Error::Canceled })
    }

    /// Sleeps until a message comes, or would have come; whether one did.
    fn await_message(&mut self, deadline: Nanos) -> Result<bool, Error> {
        let end = self.device.now().saturating_add(GRACE).min(deadline);
        while self.messages.count() == self.seen {
            if self.device.now() >= end {
                return Ok(false);
            }
            self.device.relax(end)?;
        }
        self.seen = self.messages.count();
        Ok(true)
    }

    fn pause(&mut self, pause: Nanos) -> Result<(), Error> {
        let until = self.device.now().saturating_add(pause);
        self.device.relax(until)
    }

    /// Fills `len_bytes` from `offset` on, both multiples of 128, by the CPU.
    ///
    /// # Errors
    /// What the driver refused.
    pub fn paint(&mut self, offset: u64, len_bytes: u64, byte: impl Fn(u64) -> u8) -> Result<(), Error> {
        let mut bytes = [0; CHUNK];
        for at in (0..len_bytes).step_by(CHUNK) {
            for (byte_at, place) in (at..).zip(&mut bytes) {
                *place = byte(byte_at);
            }
            self.device.mapping_write(self.client, self.mapping, offset.saturating_add(at), &bytes)?;
        }
        Ok(())
    }

    /// Looks at every byte of a range, as [`paint`](Self::paint) names it.
    ///
    /// # Errors
    /// [`Trouble::Differs`] with the first byte that is not as wanted.
    pub fn check(&mut self, offset: u64, len_bytes: u64, wanted: impl Fn(u64) -> u8) -> Result<(), Trouble> {
        let mut bytes = [0; CHUNK];
        for at in (0..len_bytes).step_by(CHUNK) {
            self.device.mapping_read(self.client, self.mapping, offset.saturating_add(at), &mut bytes)?;
            for (byte_at, found) in (at..).zip(&bytes) {
                let wanted = wanted(byte_at);
                if *found != wanted {
                    return Err(Trouble::Differs { offset: offset.saturating_add(byte_at), found: *found, wanted });
                }
            }
        }
        Ok(())
    }

    /// Looks at one qword.
    ///
    /// # Errors
    /// [`Trouble::Differs`].
    pub fn check_qword(&mut self, offset: u64, wanted: u64) -> Result<(), Trouble> {
        let mut bytes = [0; 8];
        self.device.mapping_read(self.client, self.mapping, offset, &mut bytes)?;
        for ((at, found), wanted) in (offset..).zip(bytes).zip(wanted.to_le_bytes()) {
            if found != wanted {
                return Err(Trouble::Differs { offset: at, found, wanted });
            }
        }
        Ok(())
    }
}

const fn no_syncs() -> &'static [SyncEntry] {
    &[]
}
