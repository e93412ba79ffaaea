//! From an exec call to the doorbell, and from the number that a job writes to the doorbell of what waited for it.

use super::engines::Played;
use super::line;
use super::quiet::{self, QuietHal};
use super::timing::median;
use barexe_core::device::request::{
    BindCall, BindFlags, BindKind, BindOp, BoRequest, CpuCaching, EngineRef, ExecCall, QueueProperties, QueueRequest,
    SyncEntry, SyncTarget, VmFlags,
};
use barexe_core::device::{ClientId, Device};
use barexe_core::gt::EngineClass;
use barexe_core::sync::seqno::Seqno;
use barexe_hal::GpuVa;
use barexe_hal::client::NoClientMemory;
use std::time::Instant;

const VA: u64 = 0x1A_0000;
const ROUNDS: usize = 3000;

struct Queue {
    id: u32,
    /// Where its number is, in the list of the HAL.
    at: usize,
    newest: Seqno,
}

struct Rig {
    device: Device<'static, QuietHal<Played>>,
    client: ClientId,
    queues: Vec<Queue>,
    object: u32,
}

impl Rig {
    /// Queues on the copy and the render engine, in a VM with something mapped.
    fn new() -> Self {
        let (mut device, client) = quiet::open(Played::default());
        let engines = &mut device.hal_mut().engines;
        engines.opened = engines.lent.len();
        let vm = device.vm_create(client, VmFlags::empty()).unwrap();
        let caching = CpuCaching::WriteBack;
        let request = BoRequest { size_bytes: 4096, caching, scanout: false, no_compression: false, vm: None };
        let bo = device.bo_create(client, &request).unwrap();
        let kind = BindKind::Map { bo, offset_bytes: 0 };
        let mut ops: &[BindOp] = &[BindOp { kind, va: VA, range_bytes: 4096, pat_index: 0, flags: BindFlags::empty() }];
        let call = BindCall { vm, queue: 0 };
        device.vm_bind(client, &call, &mut ops, &mut &[][..], &mut NoClientMemory).unwrap();
        while !device.is_quiet() {
            device.poll();
        }
        let object = device.syncobj_create(client, false).unwrap();
        let mut rig = Self { device, client, queues: Vec::new(), object };
        for class in [EngineClass::Copy, EngineClass::Render] {
            rig.add_queue(vm, class);
        }
        rig.device.hal_mut().quiet = true;
        rig
    }

    fn add_queue(&mut self, vm: u32, class: EngineClass) {
        let engine = *self.device.info().client_engines().find(|engine| engine.class == class).unwrap();
        let place = EngineRef { class, instance: engine.logical.into(), gt: engine.gt.into() };
        let properties = QueueProperties::default();
        let request = QueueRequest { vm, placements: &[place], width: 1, properties };
        let id = self.device.exec_queue_create(self.client, &request).unwrap();
        let engines = &mut self.device.hal_mut().engines;
        // The page of numbers is the last that a queue takes.
        let (bus, _) = *engines.lent.iter().rev().find(|(_, len)| *len == 4096).unwrap();
        let newest = Seqno::initial_memory();
        engines.numbers.push((bus, newest.get()));
        let at = engines.numbers.len() - 1;
        self.queues.push(Queue { id, at, newest });
    }

    fn exec(&mut self, queue: usize, syncs: &[SyncEntry]) {
        let batch = GpuVa::new(VA).unwrap();
        let call = ExecCall { queue: self.queues[queue].id, batches: &[batch] };
        let mut syncs = syncs;
        self.device.exec(self.client, &call, &mut syncs).unwrap();
        self.queues[queue].newest = self.queues[queue].newest.next();
    }

    /// The newest job of a queue is over, as the engine says it.
    fn finish(&mut self, queue: usize) {
        let (at, number) = (self.queues[queue].at, self.queues[queue].newest.get());
        self.device.hal_mut().engines.numbers[at].1 = number;
    }

    /// Seconds from now to the doorbell that `work` rings.
    fn until_doorbell(&mut self, work: impl FnOnce(&mut Self)) -> f64 {
        self.device.hal_mut().engines.rung = None;
        let begin = Instant::now();
        work(self);
        let rung = self.device.hal_mut().engines.rung.take().unwrap();
        rung.duration_since(begin).as_secs_f64()
    }
}

pub(crate) fn report() {
    let mut rig = Rig::new();
    let entry = |signal| SyncEntry { target: SyncTarget::Syncobj { handle: rig.object }, signal };
    let (out, wait) = (entry(true), entry(false));
    let (mut told, mut released) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        told.push(rig.until_doorbell(|rig| rig.exec(0, &[out])));
        rig.exec(1, &[wait]);
        rig.finish(0);
        released.push(rig.until_doorbell(|rig| {
            rig.device.poll();
        }));
        rig.finish(1);
        rig.device.poll();
        assert_eq!(rig.device.fences_in_use().jobs, 0);
    }
    line("exec call to doorbell", median(told) * 1e9, "ns", None);
    line("number written to the doorbell of the released dependent", median(released) * 1e9, "ns", None);
}
