//! What a scenario has made so far.

use crate::rig::SPACE;
use crate::scenario::Make;
use barexe_core::Error;
use barexe_core::device::request::{BoRequest, EngineRef, QueueProperties, QueueRequest};
use barexe_core::device::{ClientId, Device, MappingId, Ticket};
use barexe_core::gt::EngineClass;
use barexe_hal::Hal;

/// What the scenario has made so far, in order.
#[derive(Debug, Default)]
pub(super) struct Made {
    client: Option<ClientId>,
    other: Option<ClientId>,
    vms: Vec<u32>,
    /// Handle and length.
    bos: Vec<(u32, u64)>,
    /// Object and its mapping.
    mappings: Vec<(usize, MappingId)>,
    queues: Vec<u32>,
    syncobjs: Vec<u32>,
    pub(super) tickets: Vec<Ticket>,
}

/// The id of the n-th object; of one that was not made, an id that nobody has.
fn named(ids: &[u32], index: usize) -> u32 {
    ids.get(index).copied().unwrap_or(u32::MAX)
}

impl Made {
    pub(super) fn client(&self) -> Result<ClientId, Error> {
        self.client.ok_or(Error::invalid("client of the scenario", 0))
    }

    pub(super) fn other(&self) -> Result<ClientId, Error> {
        self.other.ok_or(Error::invalid("second client of the scenario", 0))
    }

    pub(super) fn mapping(&self, bo: usize) -> Result<MappingId, Error> {
        let found = self.mappings.iter().find(|(of, _)| *of == bo);
        found.map(|(_, mapping)| *mapping).ok_or(Error::invalid("mapping of the scenario", 0))
    }

    pub(super) fn vm(&self, index: usize) -> u32 {
        named(&self.vms, index)
    }

    pub(super) fn bo(&self, index: usize) -> u32 {
        self.bos.get(index).map_or(u32::MAX, |(handle, _)| *handle)
    }

    pub(super) fn queue(&self, index: usize) -> u32 {
        named(&self.queues, index)
    }

    pub(super) fn syncobj(&self, index: usize) -> u32 {
        named(&self.syncobjs, index)
    }

    pub(super) fn make(&mut self, device: &mut Device<'_, impl Hal>, make: Make) -> Result<(), Error> {
        match make {
            Make::Client => self.client = Some(device.client_open_in(false, SPACE)?),
            Make::OtherClient => self.other = Some(device.client_open(false)?),
            Make::Import(bo) => self.import(device, bo)?,
            Make::Vm(flags) => self.vms.push(device.vm_create(self.client()?, flags)?),
            Make::Bo(size_bytes, caching, vm) => {
                let vm = vm.map(|vm| self.vm(vm));
                let request = BoRequest { size_bytes, caching, scanout: false, no_compression: false, vm };
                self.bos.push((device.bo_create(self.client()?, &request)?, size_bytes));
            }
            Make::Mapping(bo) => {
                let len = self.bos.get(bo).map_or(0, |(_, len)| *len);
                let offset = device.bo_mmap_offset(self.client()?, self.bo(bo))?;
                self.mappings.push((bo, device.bo_map(self.client()?, offset, len)?));
            }
            Make::Syncobj => self.syncobjs.push(device.syncobj_create(self.client()?, false)?),
            Make::BindQueue(vm) => self.queues.push(device.bind_queue_create(self.client()?, self.vm(vm))?),
            Make::ExecQueue(vm, class) => self.make_exec_queue(device, vm, class)?,
        }
        Ok(())
    }

    fn import(&self, device: &mut Device<'_, impl Hal>, bo: usize) -> Result<(), Error> {
        let other = self.other()?;
        let exported = device.bo_export(self.client()?, self.bo(bo))?;
        let imported = device.bo_import(other, &exported);
        device.bo_export_close(exported)?;
        imported.map(drop)
    }

    fn make_exec_queue(
        &mut self,
        device: &mut Device<'_, impl Hal>,
        vm: usize,
        class: EngineClass,
    ) -> Result<(), Error> {
        let engine = device.info().client_engines().find(|engine| engine.class == class);
        let engine = engine.ok_or(Error::invalid("engine class of the scenario", 0))?;
        let place = EngineRef { class, instance: engine.logical.into(), gt: engine.gt.into() };
        let properties = QueueProperties::default();
        let request = QueueRequest { vm: self.vm(vm), placements: &[place], width: 1, properties };
        self.queues.push(device.exec_queue_create(self.client()?, &request)?);
        Ok(())
    }
}
