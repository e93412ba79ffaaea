//! Calls on buffer objects.

use super::client::ClientId;
use crate::device::Device;
use crate::device::request::{BoRequest, CpuCaching};
use crate::mem::bo::Bo;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::{DmaBuffer, Hal};

/// A CPU mapping of a buffer object. It keeps the object's memory, also after its handle is closed.
#[derive(Clone, Copy, Debug)]
pub struct BoMapping {
    client: ClientId,
    bo: Handle<Bo>,
    len_bytes: u64,
}

/// Names a CPU mapping.
pub type MappingId = Handle<BoMapping>;

impl<H: Hal> Device<'_, H> {
    /// Creates a buffer object of zeroed memory; its handle.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unsupported`] for a promise about compression on a part without it,
    /// [`Error::NotFound`] (the VM), [`Error::NoSpace`] beyond the memory that there is for objects, [`Error::Exhausted`],
    /// the HAL's.
    pub fn bo_create(&mut self, client: ClientId, request: &BoRequest) -> Result<u32, Error> {
        self.check_live()?;
        self.check_client(client)?;
        if request.size_bytes == 0 || request.size_bytes & 0xFFF != 0 {
            return Err(Error::invalid("buffer object size", request.size_bytes));
        }
        if request.no_compression && !self.info.compresses() {
            return Err(Error::Unsupported { what: "a say about compression on a part without it" });
        }
        if request.scanout && request.caching == CpuCaching::WriteBack {
            return Err(Error::invalid("caching of a scan-out object", 1));
        }
        let vm = request.vm.map(|id| self.vm_of(client, id)).transpose()?;
        let owner = Owner::of(client);
        let all = self.bo_bytes().saturating_add(request.size_bytes);
        if all > self.config.system_memory_bytes {
            return Err(Error::NoSpace { size_bytes: request.size_bytes });
        }
        if self.pools.bos.room_for(owner) == 0 {
            return Err(Error::Exhausted(Capacity::Bos));
        }
        let last = self.info.dma_last;
        let (size, blocks) = (request.size_bytes, &mut self.pools.bo_blocks);
        let mut bo = Bo::new(size, request.caching, last, (blocks, owner), &mut self.hal)?;
        bo.client = Some(client);
        bo.vm = vm;
        bo.no_compression = request.no_compression;
        bo.mmap_offset = self.next_mmap_offset;
        match self.pools.bos.insert_for(owner, bo) {
            Ok(handle) => {
                self.next_mmap_offset = self.next_mmap_offset.saturating_add(size);
                Ok(handle.id())
            }
            Err(bo) => {
                bo.free(&mut self.pools.bo_blocks, &mut self.hal);
                Err(Error::Exhausted(Capacity::Bos))
            }
        }
    }

    /// Closes a handle. Mappings, GPU and CPU ones, keep the memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown handle, as the shared layer of the interface has it.
    pub fn bo_close(&mut self, client: ClientId, handle: u32) -> Result<(), Error> {
        if self.close_import(client, handle) {
            return Ok(());
        }
        let bo = self.bo_of(client, handle).map_err(|_| Error::invalid("GEM handle", u64::from(handle)))?;
        if let Some(bo) = self.pools.bos.get_mut(bo) {
            bo.client = None;
        }
        self.free_bo_if_unused(bo);
        Ok(())
    }

    /// The offset under which [`bo_map`](Self::bo_map) finds the object: the same at every call, apart from the
    /// offsets of all other objects.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn bo_mmap_offset(&self, client: ClientId, handle: u32) -> Result<u64, Error> {
        let bo = self.bo_of(client, handle)?;
        Ok(self.pools.bos.get(bo).map_or(0, |bo| bo.mmap_offset))
    }

    /// Maps the first `len_bytes` of the object at an mmap offset for the CPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no object of the client begins or it is shorter, [`Error::Exhausted`].
    pub fn bo_map(&mut self, client: ClientId, offset: u64, len_bytes: u64) -> Result<MappingId, Error> {
        let has = |handle, bo: &Bo| bo.client == Some(client) || self.has_imported(client, handle);
        let found = self.pools.bos.iter().find(|(handle, bo)| bo.mmap_offset == offset && has(*handle, bo));
        let (handle, bo) = found.ok_or(Error::invalid("mmap offset", offset))?;
        if len_bytes > bo.size_bytes {
            return Err(Error::invalid("mmap length", len_bytes));
        }
        let mapping = BoMapping { client, bo: handle, len_bytes };
        let id = self.pools.bo_mappings.insert_for(Owner::of(client), mapping);
        let id = id.map_err(|_| Error::Exhausted(Capacity::BoMappings))?;
        self.use_bo(handle);
        Ok(id)
    }

    /// Takes a CPU mapping away.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn bo_unmap(&mut self, client: ClientId, mapping: MappingId) -> Result<(), Error> {
        let bo = self.mapping_of(client, mapping)?.bo;
        self.pools.bo_mappings.remove(mapping);
        self.unuse_bo(bo);
        Ok(())
    }

    /// Copies bytes out of a mapped object.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] outside the mapping.
    pub fn mapping_read(
        &self,
        client: ClientId,
        mapping: MappingId,
        offset: u64,
        into: &mut [u8],
    ) -> Result<(), Error> {
        let bo = self.bo_for_access(client, mapping, offset, into.len())?;
        bo.copy(&self.pools.bo_blocks, offset, into.len(), |block, at, range| {
            let part = into.get_mut(range).ok_or(Error::invalid("offset in mapping", offset))?;
            block.read_bytes(at, part).map_err(|_| Error::invalid("offset in mapping", offset))
        })
    }

    /// Copies bytes into a mapped object.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] outside the mapping.
    pub fn mapping_write(
        &mut self,
        client: ClientId,
        mapping: MappingId,
        offset: u64,
        from: &[u8],
    ) -> Result<(), Error> {
        let bo = self.bo_for_access(client, mapping, offset, from.len())?;
        bo.copy(&self.pools.bo_blocks, offset, from.len(), |block, at, range| {
            let part = from.get(range).ok_or(Error::invalid("offset in mapping", offset))?;
            block.write_bytes(at, part).map_err(|_| Error::invalid("offset in mapping", offset))
        })
    }

    /// Size of an object in bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn bo_size(&self, client: ClientId, handle: u32) -> Result<u64, Error> {
        let bo = self.bo_of(client, handle)?;
        Ok(self.pools.bos.get(bo).map_or(0, |bo| bo.size_bytes))
    }

    /// Shows the memory of a mapped object to an embedder that puts it into its client's address space: `show(buffer,
    /// offset in it, offset in the mapping, bytes)` for each piece, in order.
    ///
    /// The memory is the client's and the device's: it stays where it is until the mapping is
    /// [taken away](Self::bo_unmap).
    ///
    /// # Errors
    /// [`Error::NotFound`], or what `show` gives.
    pub fn mapping_memory(
        &self,
        client: ClientId,
        mapping: MappingId,
        mut show: impl FnMut(&DmaBuffer, usize, u64, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let found = self.mapping_of(client, mapping)?;
        let Some(bo) = self.pools.bos.get(found.bo) else { return Ok(()) };
        bo.copy(&self.pools.bo_blocks, 0, crate::num::usize_capped(found.len_bytes), |block, at, range| {
            let len = range.end.saturating_sub(range.start);
            show(block, at, crate::num::u64_of(range.start), crate::num::u64_of(len))
        })
    }

    /// Bytes of all live buffer objects, whoever has them.
    #[must_use]
    pub fn bo_bytes(&self) -> u64 {
        self.pools.bos.iter().fold(0, |sum: u64, (_, bo)| sum.saturating_add(bo.size_bytes))
    }

    fn mapping_of(&self, client: ClientId, mapping: MappingId) -> Result<&BoMapping, Error> {
        let found = self.pools.bo_mappings.get(mapping).filter(|found| found.client == client);
        found.ok_or(Error::NotFound { kind: ObjectKind::BoMapping, id: mapping.id() })
    }

    fn bo_for_access(&self, client: ClientId, mapping: MappingId, offset: u64, len: usize) -> Result<&Bo, Error> {
        let mapping = self.mapping_of(client, mapping)?;
        let end = offset.checked_add(crate::num::u64_of(len));
        if end.is_none_or(|end| end > mapping.len_bytes) {
            return Err(Error::invalid("offset in mapping", offset));
        }
        self.pools.bos.get(mapping.bo).ok_or(Error::invalid("offset in mapping", offset))
    }

    /// The client's object with this handle.
    pub(in crate::device) fn bo_of(&self, client: ClientId, handle: u32) -> Result<Handle<Bo>, Error> {
        let bos = &self.pools.bos;
        let bo = bos.by_id(handle).filter(|bo| bos.get(*bo).is_some_and(|bo| bo.client == Some(client)));
        let bo = bo.or_else(|| self.imported(client, handle));
        bo.ok_or(Error::NotFound { kind: ObjectKind::Bo, id: handle })
    }

    pub(super) fn use_bo(&mut self, bo: Handle<Bo>) {
        if let Some(bo) = self.pools.bos.get_mut(bo) {
            bo.uses = bo.uses.saturating_add(1);
        }
    }

    /// Drops one use of an object, and the object with the last.
    pub(super) fn unuse_bo(&mut self, bo: Handle<Bo>) {
        if let Some(bo) = self.pools.bos.get_mut(bo) {
            bo.uses = bo.uses.saturating_sub(1);
        }
        self.free_bo_if_unused(bo);
    }

    fn free_bo_if_unused(&mut self, bo: Handle<Bo>) {
        if self.pools.bos.get(bo).is_some_and(|bo| bo.uses == 0 && bo.client.is_none())
            && let Some(bo) = self.pools.bos.remove(bo)
        {
            bo.free(&mut self.pools.bo_blocks, &mut self.hal);
        }
    }

    /// Closes every handle and mapping of a client.
    pub(super) fn drop_bos_of(&mut self, client: ClientId) {
        self.drop_imports_of(client);
        for position in 0..self.pools.bo_mappings.positions() {
            if let Some(mapping) = self.pools.bo_mappings.handle_at(position) {
                let _ = self.bo_unmap(client, mapping);
            }
        }
        for position in 0..self.pools.bos.positions() {
            if let Some(bo) = self.pools.bos.handle_at(position) {
                let _ = self.bo_close(client, bo.id());
            }
        }
    }
}
