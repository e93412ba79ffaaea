//! Many jobs over many queues on the simulated part, and a million on one queue, full all the time.
//!
//! The simulated part runs in the same thread, so its time for each job is in these figures too. What is left between many
//! queues and one are changes of contexts, and sixty thousand accepted jobs at a time, which take more room than the
//! caches have; one queue has a thousand.

use super::{Limit, line};
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    VmFlags,
};
use barexe_core::device::{ClientId, Config, Device, TableWriter};
use barexe_core::gt::EngineClass;
use barexe_core::{DefaultStorage, Error, Slot, Storage};
use barexe_hal::client::NoClientMemory;
use barexe_hal::{GpuVa, Nanos};
use barexe_sim::{Coherence, Platform, Sim, SimConfig, SimHal};
use core::time::Duration;
use std::time::Instant;

const VA: u64 = 0x1A_0000;
const BATCH_END: u32 = 0x0500_0000;
const QUEUES: usize = 128;
const MILLION: u64 = 1_000_000;

fn slots<T>(count: usize) -> &'static mut [Slot<T>] {
    let mut slots = Vec::new();
    slots.resize_with(count, || Slot::EMPTY);
    slots.leak()
}

/// Room for many queues, and for more jobs than the default.
fn storage() -> Storage<'static> {
    let storage: &'static mut DefaultStorage = Box::leak(Box::new(DefaultStorage::new()));
    Storage {
        queues: slots(256),
        timelines: slots(256),
        jobs: slots(60_000),
        ggtt_nodes: slots(4096),
        ..storage.lend()
    }
}

struct Rig {
    sim: Sim,
    device: Device<'static, SimHal>,
    client: ClientId,
    queues: Vec<u32>,
}

impl Rig {
    /// Queues of one VM on the copy engine, and a batch that ends at once.
    fn new(queues: usize) -> Self {
        let sim = Sim::new(&SimConfig { coherence: Coherence::Coherent, ..SimConfig::new(Platform::tgl()) }).unwrap();
        let config = Config { tables: TableWriter::Cpu, ..Config::default() };
        let opened = Device::open(sim.hal(), storage(), config, None);
        let mut device = opened.map_err(|refused| refused.error).unwrap();
        let client = device.client_open(false).unwrap();
        let vm = device.vm_create(client, VmFlags::empty()).unwrap();
        let caching = CpuCaching::WriteBack;
        let request = BoRequest { size_bytes: 4096, caching, scanout: false, no_compression: false, vm: None };
        let bo = device.bo_create(client, &request).unwrap();
        let offset = device.bo_mmap_offset(client, bo).unwrap();
        let mapping = device.bo_map(client, offset, 4096).unwrap();
        device.mapping_write(client, mapping, 0, &BATCH_END.to_le_bytes()).unwrap();
        let kind = BindKind::Map { bo, offset_bytes: 0 };
        let mut ops: &[BindOp] = &[BindOp { kind, va: VA, range_bytes: 4096, pat_index: 0, flags: BindFlags::empty() }];
        let call = BindCall { vm, queue: 0 };
        device.vm_bind(client, &call, &mut ops, &mut &[][..], &mut NoClientMemory).unwrap();
        let engine = *device.info().client_engines().find(|engine| engine.class == EngineClass::Copy).unwrap();
        let place = EngineRef { class: engine.class, instance: engine.logical.into(), gt: engine.gt.into() };
        let properties = QueueProperties::default();
        let request = QueueRequest { vm, placements: &[place], width: 1, properties };
        let queues = (0..queues).map(|_| device.exec_queue_create(client, &request).unwrap()).collect();
        Self { sim, device, client, queues }
    }

    fn exec(&mut self, queue: usize) -> Result<(), Error> {
        let batch = GpuVa::new(VA).unwrap();
        let call = ExecCall { queue: self.queues[queue], batches: &[batch] };
        self.device.exec(self.client, &call, &mut &[][..]).map(drop)
    }

    fn work(&mut self) {
        let soon = self.device.now().saturating_add(Nanos::from_micros(500));
        self.device.relax(soon).unwrap();
        self.device.poll();
    }

    /// Accepts so many jobs, in turns over all queues, as fast as they are taken, and waits until all are over.
    fn drain(&mut self, jobs: u64) -> Duration {
        let (begin, mut accepted, mut queue) = (Instant::now(), 0, 0);
        while accepted < jobs {
            match self.exec(queue) {
                Ok(()) => {
                    accepted += 1;
                    queue = (queue + 1) % self.queues.len();
                }
                Err(Error::Again | Error::Exhausted(_)) => self.work(),
                wrong => wrong.unwrap(),
            }
        }
        while self.device.fences_in_use().jobs > 0 {
            self.work();
        }
        begin.elapsed()
    }
}

fn report_queues() {
    let mut each = Vec::new();
    for jobs in [10_000u64, 30_000, 100_000] {
        let mut rig = Rig::new(QUEUES);
        let seconds = rig.drain(jobs).as_secs_f64() / jobs as f64;
        line(&format!("{jobs:>6} jobs over {QUEUES} queues, each"), seconds * 1e9, "ns", None);
        each.push(seconds);
        assert_eq!(rig.sim.violations(), Vec::<String>::new());
    }
    line("time of each, 10^5 jobs against 10^4", each[2] / each[0], "", Some(Limit::Most(1.2)));
    let alone = Rig::new(1).drain(100_000).as_secs_f64() / 100_000.0;
    line("100000 jobs on one queue, each", alone * 1e9, "ns", None);
    line("time of each, 128 queues against one", each[2] / alone, "", None);
}

fn report_million() {
    let mut rig = Rig::new(1);
    rig.drain(1000);
    let before = (rig.sim.buffers(), rig.device.fences_in_use());
    let each = rig.drain(MILLION).as_secs_f64() / MILLION as f64;
    assert_eq!((rig.sim.buffers(), rig.device.fences_in_use()), before, "memory is constant");
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
    line("10^6 jobs across the wrap, ring and queue full, each", each * 1e9, "ns", None);
}

pub(crate) fn report() {
    report_queues();
    report_million();
}
