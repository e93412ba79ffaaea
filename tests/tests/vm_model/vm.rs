//! An address space of the device, its map, and its calls that are not over.

use super::calls::{Call, Exec};
use super::space::Space;
use barexe_core::device::request::{BindFlags, BindKind, BindOp, VmFlags};
use barexe_core::gt::EngineClass;
use barexe_tests::rig::{Mapped, Rig};

/// Where a VM's own object is mapped, that holds its batches and what they load: in no zone.
pub(crate) const CODE: u64 = 0x60_0000_0000;
pub(crate) const CODE_BYTES: u64 = 0x4000;

/// An address space.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) id: u32,
    pub(crate) scratch: bool,
    /// Bind queues; the first is the VM's own.
    pub(crate) queues: Vec<u32>,
    /// Runs batches.
    pub(crate) run: u32,
    pub(crate) code: Mapped,
    /// Objects that it may map.
    pub(crate) bos: Vec<usize>,
    /// As the newest accepted call left it.
    pub(crate) newest: Space,
    /// As the calls that are over left it.
    pub(crate) base: Space,
    /// Bind calls that are not over, oldest first.
    pub(crate) calls: Vec<Call>,
    pub(crate) execs: Vec<Exec>,
}

impl Vm {
    pub(crate) fn new(rig: &mut Rig<'_>, scratch: bool, bos: Vec<usize>, code: Mapped) -> Self {
        let flags = if scratch { VmFlags::SCRATCH_PAGE } else { VmFlags::empty() };
        let id = rig.device.vm_create(rig.client, flags).unwrap();
        let mut queues = vec![0];
        queues.extend((0..2).map(|_| rig.device.bind_queue_create(rig.client, id).unwrap()));
        let run = rig.queue(id, rig.engine(EngineClass::Render));
        rig.bind_now(id, &[rig.map_op(code, CODE)]);
        let (newest, base, calls, execs) = (Space::default(), Space::default(), Vec::new(), Vec::new());
        Self { id, scratch, queues, run, code, bos, newest, base, calls, execs }
    }

    /// Ends it while its binds may still be waiting. Its batches are over.
    pub(crate) fn end(self, rig: &mut Rig<'_>) {
        assert!(self.execs.is_empty());
        for call in &self.calls {
            rig.device.syncobj_destroy(rig.client, call.out).unwrap();
        }
        for queue in self.queues.into_iter().skip(1).chain([self.run]) {
            rig.device.queue_destroy(rig.client, queue).unwrap();
        }
        rig.device.vm_destroy(rig.client, self.id).unwrap();
    }

    /// The roots of its page tables, by tile.
    pub(crate) fn roots(&self, rig: &Rig<'_>) -> Vec<u64> {
        let tiles = 0..rig.device.info().tile_count();
        tiles.map(|tile| rig.device.vm_root_on(rig.client, self.id, tile).unwrap()).collect()
    }

    /// Whether some batch that is not over uses one of these units.
    pub(crate) fn pins(&self, units: impl Iterator<Item = u64>) -> bool {
        let mut units = units;
        units.any(|va| self.execs.iter().any(|exec| exec.pins.contains(&va)))
    }
}

/// A bind operation as the device takes it.
pub(crate) fn bind_op(kind: BindKind, va: u64, range_bytes: u64, pat: u8, read_only: bool) -> BindOp {
    let flags = if read_only { BindFlags::READONLY } else { BindFlags::empty() };
    BindOp { kind, va, range_bytes, pat_index: pat.into(), flags }
}
