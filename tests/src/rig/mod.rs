//! A device on a simulated part with one client, and short ways to do what most tests do.
//!
//! | file | concept |
//! |---|---|
//! | `runs` | platforms, and a test on a fresh device of each |
//! | `spin` | batches that go round until they are told to end, and gates made of them |
//!
//! What batches are written with is in [`commands`](crate::commands).
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

mod runs;
mod spin;

pub use crate::commands::{ARB_CHECK, ARB_OFF, BATCH_END, JUMP, NOOP, store, store_batch};
pub use runs::{
    all_platforms, on, on_each_platform, on_each_platform_by, on_every_platform, on_lent, on_opened, on_with,
    platforms, rows, tiled_platforms,
};
pub use spin::{Gate, Spinner};

use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    SyncEntry, SyncTarget, VmFlags,
};
use barexe_core::device::{ClientId, Config, Device, MappingId, SyncobjLook, Ticket, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::{Errno, Error, Storage};
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Nanos, UserSpace};
use barexe_sim::{Sim, SimHal};

/// A device, the simulated part behind it, and one client.
#[derive(Debug)]
pub struct Rig<'a> {
    /// The part.
    pub sim: Sim,
    /// The driver.
    pub device: Device<'a, SimHal>,
    /// The client.
    pub client: ClientId,
}

/// The memory space of the client.
pub const SPACE: UserSpace = UserSpace(1);

/// A buffer object and its CPU mapping.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// GEM handle.
    pub bo: u32,
    /// CPU mapping of all of it.
    pub mapping: MappingId,
    /// Its length.
    pub len_bytes: u64,
}

impl<'a> Rig<'a> {
    /// Opens the driver on a part, without an interrupt entry, and a privileged client.
    ///
    /// # Panics
    /// If either is refused.
    #[must_use]
    pub fn open(sim: &Sim, storage: Storage<'a>) -> Self {
        Self::open_as(sim, storage, Config { platforms: rows(&sim.platform()), ..Config::default() })
    }

    /// As [`open`](Self::open), with a configuration.
    ///
    /// # Panics
    /// As [`open`](Self::open).
    #[must_use]
    pub fn open_as(sim: &Sim, storage: Storage<'a>, config: Config) -> Self {
        let mut device =
            Device::open(sim.hal(), storage, config, None).unwrap_or_else(|refused| panic!("open: {}", refused.error));
        let client = device.client_open_in(true, SPACE).unwrap_or_else(|error| panic!("client: {error}"));
        Self { sim: sim.clone(), device, client }
    }

    /// Closes the driver; the storage comes back.
    #[must_use]
    pub fn close(self) -> Storage<'a> {
        self.device.close().1
    }
}

impl Rig<'_> {
    /// The simulated part's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.device.info().platform.name
    }

    /// A PAT index with write-back caching and coherence.
    #[must_use]
    pub fn coherent_pat(&self) -> u16 {
        if self.device.info().family().name == "Gen12" { 0 } else { 1 }
    }

    /// Engines that clients may use.
    #[must_use]
    pub fn engines(&self) -> Vec<Engine> {
        self.device.info().engines.iter().filter(|engine| !engine.reserved).copied().collect()
    }

    /// The first engine of a class.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn engine(&self, class: EngineClass) -> Engine {
        let found = self.engines().into_iter().find(|engine| engine.class == class);
        found.unwrap_or_else(|| panic!("{} has no {class:?} engine", self.name()))
    }

    /// An ordinary VM.
    ///
    /// # Panics
    /// If it is refused.
    pub fn vm(&mut self) -> u32 {
        self.device.vm_create(self.client, VmFlags::empty()).unwrap_or_else(|error| panic!("VM: {error}"))
    }

    /// A write-back buffer object, mapped for the CPU.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo(&mut self, len_bytes: u64) -> Mapped {
        let request = BoRequest {
            size_bytes: len_bytes,
            caching: CpuCaching::WriteBack,
            scanout: false,
            no_compression: false,
            vm: None,
        };
        let made = self.device.bo_create(self.client, &request);
        let bo = made.unwrap_or_else(|error| panic!("BO: {error}"));
        let offset = self.device.bo_mmap_offset(self.client, bo).unwrap_or_else(|error| panic!("mmap: {error}"));
        let mapping = self.device.bo_map(self.client, offset, len_bytes);
        Mapped { bo, mapping: mapping.unwrap_or_else(|error| panic!("map: {error}")), len_bytes }
    }

    /// A MAP operation of a whole object.
    #[must_use]
    pub fn map_op(&self, of: Mapped, va: u64) -> BindOp {
        BindOp {
            kind: BindKind::Map { bo: of.bo, offset_bytes: 0 },
            va,
            range_bytes: of.len_bytes,
            pat_index: self.coherent_pat(),
            flags: BindFlags::empty(),
        }
    }

    /// A MAP_USERPTR operation.
    #[must_use]
    pub fn user_op(&self, addr: u64, va: u64, range_bytes: u64) -> BindOp {
        let (kind, flags) = (BindKind::MapUserptr { addr }, BindFlags::empty());
        BindOp { kind, va, range_bytes, pat_index: self.coherent_pat(), flags }
    }

    /// An UNMAP operation.
    #[must_use]
    pub fn unmap_op(&self, va: u64, range_bytes: u64) -> BindOp {
        BindOp { kind: BindKind::Unmap, va, range_bytes, pat_index: self.coherent_pat(), flags: BindFlags::empty() }
    }

    /// Binds on a queue (0: the VM's own).
    ///
    /// # Errors
    /// As [`Device::vm_bind`].
    pub fn bind(&mut self, vm: u32, queue: u32, ops: &[BindOp], syncs: &[SyncEntry]) -> Result<Ticket, Error> {
        let (mut ops, mut syncs) = (ops, syncs);
        self.device.vm_bind(self.client, &BindCall { vm, queue }, &mut ops, &mut syncs, &mut NoClientMemory)
    }

    /// Binds on the VM's own queue and waits until it is done.
    ///
    /// # Panics
    /// If it is refused or fails.
    pub fn bind_now(&mut self, vm: u32, ops: &[BindOp]) {
        let ticket = self.bind(vm, 0, ops, &[]).unwrap_or_else(|error| panic!("bind: {error}"));
        assert_eq!(self.wait(ticket), TicketState::Done);
    }

    /// An exec queue of a VM on one engine.
    ///
    /// # Panics
    /// If it is refused.
    pub fn queue(&mut self, vm: u32, engine: Engine) -> u32 {
        let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
        let properties = QueueProperties::default();
        let request = QueueRequest { vm, placements: &[place], width: 1, properties };
        let made = self.device.exec_queue_create(self.client, &request);
        made.unwrap_or_else(|error| panic!("queue: {error}"))
    }

    /// Runs the batch at `va`.
    ///
    /// # Errors
    /// As [`Device::exec`].
    pub fn exec(&mut self, queue: u32, va: u64, syncs: &[SyncEntry]) -> Result<Ticket, Error> {
        let batch = [GpuVa::new(va).ok_or(Error::invalid("batch", va))?];
        let mut syncs = syncs;
        self.device.exec(self.client, &ExecCall { queue, batches: &batch }, &mut syncs)
    }

    /// An exec without batches.
    ///
    /// # Errors
    /// As [`Device::exec`].
    pub fn barrier(&mut self, queue: u32, syncs: &[SyncEntry]) -> Result<Ticket, Error> {
        let mut syncs = syncs;
        self.device.exec(self.client, &ExecCall { queue, batches: &[] }, &mut syncs)
    }

    /// An empty sync object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn syncobj(&mut self) -> u32 {
        self.device.syncobj_create(self.client, false).unwrap_or_else(|error| panic!("syncobj: {error}"))
    }

    /// Whether a sync object has signalled.
    ///
    /// # Panics
    /// For an unknown handle.
    pub fn is_signalled(&mut self, handle: u32) -> bool {
        let mut handles: &[u32] = &[handle];
        let look = SyncobjLook { all: true, for_submit: true };
        let seen = self.device.syncobj_look(self.client, &mut handles, look);
        seen.unwrap_or_else(|error| panic!("look: {error}")).is_some()
    }

    /// Polls and lets the part run until the work is over, or 100 ms have passed.
    ///
    /// # Panics
    /// For a stale ticket.
    pub fn wait(&mut self, ticket: Ticket) -> TicketState {
        let limit = self.device.now().saturating_add(Nanos::from_millis(100));
        loop {
            self.device.poll();
            let state = self.device.ticket_state(ticket).unwrap_or_else(|error| panic!("ticket: {error}"));
            let now = self.device.now();
            if state != TicketState::Pending || now >= limit {
                return state;
            }
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(20)));
        }
    }

    /// Polls and lets the part run for a while.
    pub fn settle(&mut self) {
        for _ in 0..50 {
            self.device.poll();
            let now = self.device.now();
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(20)));
        }
    }

    /// Polls and lets the part run for so long.
    pub fn pass(&mut self, time: Nanos) {
        let until = self.device.now().saturating_add(time);
        while self.device.now() < until {
            self.device.poll();
            let now = self.device.now();
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(20)));
        }
        self.device.poll();
    }

    /// The code that the work failed with.
    ///
    /// # Panics
    /// For a stale ticket.
    #[must_use]
    pub fn failure(&self, ticket: Ticket) -> Option<Errno> {
        match self.device.ticket_state(ticket).unwrap_or_else(|error| panic!("ticket: {error}")) {
            TicketState::Failed(error) => Some(error.errno()),
            TicketState::Pending | TicketState::Done => None,
        }
    }

    /// Whether the work is over, as of now.
    ///
    /// # Panics
    /// For a stale ticket.
    #[must_use]
    pub fn is_over(&self, ticket: Ticket) -> bool {
        let state = self.device.ticket_state(ticket).unwrap_or_else(|error| panic!("ticket: {error}"));
        state != TicketState::Pending
    }

    /// Writes dwords through a CPU mapping.
    ///
    /// # Panics
    /// Outside the mapping.
    pub fn write(&mut self, to: Mapped, offset: u64, dwords: &[u32]) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        let written = self.device.mapping_write(self.client, to.mapping, offset, &bytes);
        written.unwrap_or_else(|error| panic!("write: {error}"));
    }

    /// Reads a dword through a CPU mapping.
    ///
    /// # Panics
    /// Outside the mapping.
    #[must_use]
    pub fn read(&self, from: Mapped, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        let read = self.device.mapping_read(self.client, from.mapping, offset, &mut bytes);
        read.unwrap_or_else(|error| panic!("read: {error}"));
        u32::from_le_bytes(bytes)
    }
}

/// A binary sync object as a sync entry.
#[must_use]
pub const fn binary(handle: u32, signal: bool) -> SyncEntry {
    SyncEntry { target: SyncTarget::Syncobj { handle }, signal }
}

/// A point of a timeline sync object as a sync entry.
#[must_use]
pub const fn point(handle: u32, point: u64, signal: bool) -> SyncEntry {
    SyncEntry { target: SyncTarget::Timeline { handle, point }, signal }
}
