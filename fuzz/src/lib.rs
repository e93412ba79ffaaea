//! What the targets share: a device on a simulated part, a hostile client, and a neighbour whose job must still run
//! afterwards.
//!
//! A device takes long to open, so each of the two parts is opened once. Every input has a hostile client of its own, and
//! nothing of it may be left when the next one comes.

use barexe_core::DefaultStorage;
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    VmFlags,
};
use barexe_core::device::{ClientId, Config, Device, DeviceState, MappingId, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_hal::client::{ClientFault, ClientMemory, NoClientMemory};
use barexe_hal::{ClientAddr, GpuVa, Nanos, UserSpace};
use barexe_sim::{Platform, Sim, SimConfig, SimHal};
use std::cell::RefCell;

/// Where the client's memory begins, as it knows it.
pub const MEMORY: u64 = 0x7000_0000;
/// Where clients map their object.
pub const VA: u64 = 0x1A_0000;
/// Its length.
pub const BO_BYTES: u64 = 0x4000;

/// One of everything, of one client.
#[derive(Clone, Copy, Debug)]
pub struct Owned {
    pub client: ClientId,
    pub vm: u32,
    pub bo: u32,
    pub mapping: MappingId,
    pub queue: u32,
    pub bind_queue: u32,
    pub syncobj: u32,
}

/// The device and its two clients.
pub struct Scene {
    pub sim: Sim,
    pub device: Device<'static, SimHal>,
    pub engine: Engine,
    pub neighbour: Owned,
    pub hostile: Owned,
    value: u32,
}

/// Client memory: bytes from [`MEMORY`] on.
#[derive(Debug)]
pub struct Ram(pub Vec<u8>);

impl ClientMemory for Ram {
    fn copy_in(&mut self, from: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        let part = self.part(from, into.len())?;
        into.copy_from_slice(part);
        Ok(())
    }

    fn copy_out(&mut self, to: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        self.part(to, from.len())?.copy_from_slice(from);
        Ok(())
    }
}

impl Ram {
    fn part(&mut self, at: ClientAddr, len: usize) -> Result<&mut [u8], ClientFault> {
        let first = at.get().checked_sub(MEMORY).and_then(|first| usize::try_from(first).ok());
        let part = first.and_then(|first| self.0.get_mut(first..first.checked_add(len)?));
        part.ok_or(ClientFault { addr: at, len_bytes: len })
    }
}

thread_local! {
    static SCENES: RefCell<[Option<Scene>; 2]> = const { RefCell::new([None, None]) };
}

fn open(on_lnl: bool) -> Scene {
    let platform = if on_lnl { Platform::lnl() } else { Platform::tgl() };
    let config = SimConfig { memory_bytes: 64 << 20, relax_commands: 2000, ..SimConfig::new(platform) };
    let sim = Sim::new(&config).unwrap();
    let limits =
        Config { job_timeout: Nanos::from_micros(500), preempt_timeout: Nanos::from_micros(100), ..Config::default() };
    let storage = Box::leak(Box::new(DefaultStorage::new())).lend();
    let mut device = Device::open(sim.hal(), storage, limits, None).map_err(|refused| refused.error).unwrap();
    let engine = *device.info().engines.iter().find(|engine| engine.class == EngineClass::Copy).unwrap();
    let neighbour = owned(&mut device, engine, 1);
    Scene { sim, device, engine, neighbour, hostile: neighbour, value: 0 }
}

/// Does something with a fresh client; what has to hold holds afterwards.
pub fn on_a_device(on_lnl: bool, work: impl FnOnce(&mut Scene)) {
    SCENES.with_borrow_mut(|scenes| {
        let scene = scenes[usize::from(on_lnl)].get_or_insert_with(|| open(on_lnl));
        let before = (scene.device.bo_bytes(), scene.device.tables_in_use());
        scene.hostile = owned(&mut scene.device, scene.engine, 2);
        work(scene);
        scene.neighbour_works();
        scene.device.client_close(scene.hostile.client).unwrap();
        scene.pass(Nanos::from_millis(1));
        assert!(scene.device.is_quiet(), "something is left");
        assert_eq!((scene.device.bo_bytes(), scene.device.tables_in_use()), before, "memory is left");
        assert_eq!(scene.sim.violations(), Vec::<String>::new());
    });
}

fn owned(device: &mut Device<'_, SimHal>, engine: Engine, space: u64) -> Owned {
    let client = device.client_open_in(false, UserSpace(space)).unwrap();
    let vm = device.vm_create(client, VmFlags::empty()).unwrap();
    let request = BoRequest {
        size_bytes: BO_BYTES,
        caching: CpuCaching::WriteBack,
        scanout: false,
        no_compression: false,
        vm: None,
    };
    let bo = device.bo_create(client, &request).unwrap();
    let offset = device.bo_mmap_offset(client, bo).unwrap();
    let mapping = device.bo_map(client, offset, BO_BYTES).unwrap();
    // Write-back and coherent.
    let pat_index = if device.info().family().name == "Gen12" { 0 } else { 1 };
    let kind = BindKind::Map { bo, offset_bytes: 0 };
    let op = BindOp { kind, va: VA, range_bytes: BO_BYTES, pat_index, flags: BindFlags::empty() };
    let call = BindCall { vm, queue: 0 };
    device.vm_bind(client, &call, &mut &[op][..], &mut &[][..], &mut NoClientMemory).unwrap();
    let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
    let properties = QueueProperties::default();
    let request = QueueRequest { vm, placements: &[place], width: 1, properties };
    let queue = device.exec_queue_create(client, &request).unwrap();
    let bind_queue = device.bind_queue_create(client, vm).unwrap();
    let syncobj = device.syncobj_create(client, true).unwrap();
    Owned { client, vm, bo, mapping, queue, bind_queue, syncobj }
}

impl Scene {
    /// Polls and lets the part run for a while.
    pub fn pass(&mut self, time: Nanos) {
        let until = self.device.now().saturating_add(time);
        while self.device.now() < until {
            self.device.poll();
            let now = self.device.now();
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(20)));
        }
        self.device.poll();
    }

    /// Puts dwords into the hostile client's object.
    pub fn write(&mut self, offset: u64, dwords: &[u32]) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        let Owned { client, mapping, .. } = self.hostile;
        // The client may have taken it away itself.
        let _ = self.device.mapping_write(client, mapping, offset, &bytes);
    }

    /// The neighbour's job runs, and its result is there, within a time that covers every queue the pool has room for.
    fn neighbour_works(&mut self) {
        self.value = self.value.wrapping_add(1);
        let value = self.value;
        let Owned { client, mapping, queue, .. } = self.neighbour;
        let [low, high] = [(VA + 0x800) as u32, ((VA + 0x800) >> 32) as u32];
        let batch: Vec<u8> = [0x1000_0002, low, high, value, 0x0500_0000, 0]
            .iter()
            .flat_map(|dword: &u32| dword.to_le_bytes())
            .collect();
        self.device.mapping_write(client, mapping, 0, &batch).unwrap();
        let call = ExecCall { queue, batches: &[GpuVa::new(VA).unwrap()] };
        let ticket = self.device.exec(client, &call, &mut &[][..]).unwrap();
        let limit = self.device.now().saturating_add(Nanos::from_millis(200));
        while self.device.ticket_state(ticket) == Ok(TicketState::Pending) && self.device.now() < limit {
            self.pass(Nanos::from_micros(20));
        }
        assert_eq!(self.device.ticket_state(ticket), Ok(TicketState::Done), "neighbour");
        assert_eq!(self.device.state(), DeviceState::Live);
        let mut word = [0; 4];
        self.device.mapping_read(client, mapping, 0x800, &mut word).unwrap();
        assert_eq!(u32::from_le_bytes(word), value, "neighbour's result");
    }
}
