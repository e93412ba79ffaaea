//! Looks into an address space, for debuggers and tests: what is mapped, and where the hardware begins to walk.

use super::Device;
use super::objects::client::ClientId;
use super::request::BindFlags;
use crate::mem::tlb::AddressSpace;
use crate::vm::vma::{VaRange, Vma, VmaBacking};
use crate::{Error, ObjectKind};
use barexe_hal::Hal;

/// One mapping of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingInfo {
    /// Addresses it covers.
    pub range: VaRange,
    /// GEM handle and offset of its first byte, of a mapping of an object. The handle may have been closed since.
    pub bo: Option<(u32, u64)>,
    /// Address of its first byte, of a mapping of client memory.
    pub user: Option<u64>,
    /// PAT index.
    pub pat_index: u16,
    /// Flags it was mapped with.
    pub flags: BindFlags,
}

/// Places in use of everything that orders work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FencesInUse {
    /// Queues, and fences from outside.
    pub timelines: u32,
    /// Calls that are not over.
    pub jobs: u32,
    /// Fences that they wait for.
    pub dependencies: u32,
    /// Out-syncs of a call that is being accepted: none between calls.
    pub out_syncs: u32,
    /// Sync objects.
    pub syncobjs: u32,
    /// Points of timelines.
    pub sync_points: u32,
    /// Futures that sleep.
    pub sleepers: u32,
    /// User fences of binds that are due.
    pub user_fences: u32,
}

impl<H: Hal> Device<'_, H> {
    /// How many fences and sync objects are in use, of all clients.
    #[must_use]
    pub const fn fences_in_use(&self) -> FencesInUse {
        let pools = &self.pools;
        FencesInUse {
            timelines: pools.timelines.live(),
            jobs: pools.jobs.live(),
            dependencies: pools.dependencies.live(),
            out_syncs: pools.out_syncs.live(),
            syncobjs: pools.syncobjs.live(),
            sync_points: pools.sync_points.live(),
            sleepers: pools.sleepers.live(),
            user_fences: pools.user_fences.live(),
        }
    }

    /// Every mapping of a VM as the newest accepted call left them, in ascending order.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn vm_mappings(&self, client: ClientId, vm: u32) -> Result<impl Iterator<Item = MappingInfo>, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Vm, id: vm };
        let found = self.pools.vms.get(self.vm_of(client, vm)?).ok_or(missing)?;
        Ok(found.vmas.iter(&self.pools.vmas).map(|vma| self.mapping_info(&vma)))
    }

    fn mapping_info(&self, vma: &Vma) -> MappingInfo {
        let user = if let VmaBacking::User { addr, .. } = vma.backing() { Some(addr) } else { None };
        let bo = match vma.backing() {
            VmaBacking::Null | VmaBacking::User { .. } => None,
            VmaBacking::Bo { object, offset_bytes } => {
                let handle = self.pools.bos.handle_at(self.pools.vmas.bo_of(object));
                handle.map(|handle| (handle.id(), offset_bytes))
            }
        };
        MappingInfo { range: vma.range(), bo, user, pat_index: vma.pat().get().into(), flags: vma.flags() }
    }

    /// The descriptor of a VM's root table on tile 0, as context images carry it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn vm_root(&self, client: ClientId, vm: u32) -> Result<u64, Error> {
        self.vm_root_on(client, vm, 0)
    }

    /// As [`vm_root`](Self::vm_root), on any tile.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a tile that there is not.
    pub fn vm_root_on(&self, client: ClientId, vm: u32, tile: u8) -> Result<u64, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Vm, id: vm };
        let found = self.pools.vms.get(self.vm_of(client, vm)?);
        let root = found.and_then(|vm| vm.tree(tile).ok()?.root(&self.pages)).ok_or(missing)?;
        Ok(self.info.platform.family.pt.directory(root, false))
    }

    /// The id by which the hardware's TLBs and fault reports name a VM.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn vm_address_space(&self, client: ClientId, vm: u32) -> Result<AddressSpace, Error> {
        let missing = Error::NotFound { kind: ObjectKind::Vm, id: vm };
        let found = self.pools.vms.get(self.vm_of(client, vm)?).ok_or(missing)?;
        Ok(AddressSpace::new(found.asid))
    }
}
