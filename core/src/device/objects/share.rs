//! Buffer objects that leave their client: export, and import by another.
//!
//! What is exported is the object itself, memory and caching mode included; a client that imports it gets a handle of its
//! own to it. An object that is private to a VM stays there (bind-and-exec sheet §3.10). Export is by a value that the
//! embedder hands on, or by a name that any client can use.

use super::client::{Client, ClientId};
use crate::device::Device;
use crate::mem::bo::Bo;
use crate::pool::Handle;
use crate::shares::Owner;
use crate::{Capacity, Error, ObjectKind};
use barexe_hal::Hal;

/// A handle that a client got by import.
#[derive(Clone, Copy, Debug)]
pub struct BoImport {
    client: Handle<Client>,
    bo: Handle<Bo>,
}

/// Set in handles that were imported; no other id has it.
const IMPORTED: u32 = 1 << 31;

/// A buffer object on its way between clients. It keeps the object until it is
/// [closed](Device::bo_export_close), and a device until that is closed.
#[derive(Debug)]
#[must_use = "it keeps the object until it is closed"]
pub struct ExportedBo {
    tag: u8,
    bo: Handle<Bo>,
}

impl<H: Hal> Device<'_, H> {
    /// Exports an object.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotPermitted`] for an object that is private to a VM.
    pub fn bo_export(&mut self, client: ClientId, handle: u32) -> Result<ExportedBo, Error> {
        let bo = self.bo_to_share(client, handle)?;
        self.count_export(bo, 1);
        self.use_bo(bo);
        Ok(ExportedBo { tag: self.config.tag, bo })
    }

    /// Ends an export. Handles that were imported stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one of another device.
    pub fn bo_export_close(&mut self, exported: ExportedBo) -> Result<(), Error> {
        let bo = self.exported(&exported)?;
        self.count_export(bo, -1);
        self.unuse_bo(bo);
        Ok(())
    }

    fn count_export(&mut self, bo: Handle<Bo>, change: i32) {
        if let Some(bo) = self.pools.bos.get_mut(bo) {
            bo.exports = bo.exports.saturating_add_signed(change);
        }
    }

    /// Tells exported objects apart: the same for all exports of one; `None` for one of another device.
    #[must_use]
    pub fn bo_export_id(&self, exported: &ExportedBo) -> Option<u32> {
        self.exported(exported).ok().map(Handle::id)
    }

    /// Gives an object a name, which lives as long as a client has a handle to it; always the same.
    ///
    /// # Errors
    /// As [`bo_export`](Self::bo_export).
    pub fn bo_name(&mut self, client: ClientId, handle: u32) -> Result<u32, Error> {
        let bo = self.bo_to_share(client, handle)?;
        if let Some(bo) = self.pools.bos.get_mut(bo) {
            bo.named = true;
        }
        Ok(bo.id())
    }

    /// Gives a client a new handle to the object of a name, each time.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exhausted`].
    pub fn bo_open(&mut self, client: ClientId, name: u32) -> Result<u32, Error> {
        self.check_client(client)?;
        let named = self.pools.bos.by_id(name).filter(|bo| self.pools.bos.get(*bo).is_some_and(|bo| bo.named));
        let named = named.filter(|bo| self.bo_handles(*bo) > 0);
        self.new_import(client, named.ok_or(Error::NotFound { kind: ObjectKind::Bo, id: name })?)
    }

    /// The client's object, if it may leave the client.
    fn bo_to_share(&self, client: ClientId, handle: u32) -> Result<Handle<Bo>, Error> {
        self.check_client(client)?;
        let bo = self.bo_of(client, handle)?;
        if let Some(vm) = self.pools.bos.get(bo).and_then(|bo| bo.vm) {
            return Err(Error::NotPermitted { what: "export of an object private to VM", value: vm.id().into() });
        }
        Ok(bo)
    }

    /// How many handles clients have to an object.
    pub(in crate::device) fn bo_handles(&self, bo: Handle<Bo>) -> usize {
        let own = self.pools.bos.get(bo).is_some_and(|bo| bo.client.is_some());
        let imports = self.pools.bo_imports.iter().filter(|(_, import)| import.bo == bo);
        imports.count().saturating_add(usize::from(own))
    }

    /// Size of an exported object in bytes; 0 for one of another device.
    #[must_use]
    pub fn bo_export_size(&self, exported: &ExportedBo) -> u64 {
        let bo = self.exported(exported).ok().and_then(|bo| self.pools.bos.get(bo));
        bo.map_or(0, |bo| bo.size_bytes)
    }

    /// Gives a client a handle to an exported object; always the same while it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exhausted`].
    pub fn bo_import(&mut self, client: ClientId, exported: &ExportedBo) -> Result<u32, Error> {
        self.check_client(client)?;
        let bo = self.exported(exported)?;
        if self.pools.bos.get(bo).is_some_and(|bo| bo.client == Some(client)) {
            return Ok(bo.id());
        }
        let has = |import: &BoImport| import.client == client && import.bo == bo;
        if let Some((import, _)) = self.pools.bo_imports.iter().find(|(_, import)| has(import)) {
            return Ok(import.id() | IMPORTED);
        }
        self.new_import(client, bo)
    }

    fn new_import(&mut self, client: ClientId, bo: Handle<Bo>) -> Result<u32, Error> {
        let import = self.pools.bo_imports.insert_for(Owner::of(client), BoImport { client, bo });
        let import = import.map_err(|_| Error::Exhausted(Capacity::BoImports))?;
        self.use_bo(bo);
        Ok(import.id() | IMPORTED)
    }

    fn exported(&self, exported: &ExportedBo) -> Result<Handle<Bo>, Error> {
        let here = exported.tag == self.config.tag && self.pools.bos.get(exported.bo).is_some();
        if here { Ok(exported.bo) } else { Err(Error::NotFound { kind: ObjectKind::Bo, id: exported.bo.id() }) }
    }

    /// The import that a handle names, if it names one of this client.
    fn import_of(&self, client: ClientId, handle: u32) -> Option<Handle<BoImport>> {
        let imports = &self.pools.bo_imports;
        let import = imports.by_id(handle & !IMPORTED).filter(|_| handle & IMPORTED != 0)?;
        imports.get(import).filter(|import| import.client == client).map(|_| import)
    }

    /// The object that an imported handle of the client names.
    pub(super) fn imported(&self, client: ClientId, handle: u32) -> Option<Handle<Bo>> {
        let import = self.pools.bo_imports.get(self.import_of(client, handle)?)?;
        Some(import.bo)
    }

    /// Whether the client got a handle to the object by import.
    pub(in crate::device) fn has_imported(&self, client: ClientId, bo: Handle<Bo>) -> bool {
        self.pools.bo_imports.iter().any(|(_, import)| import.client == client && import.bo == bo)
    }

    /// Closes an imported handle; whether it was one.
    pub(super) fn close_import(&mut self, client: ClientId, handle: u32) -> bool {
        let import = self.import_of(client, handle).and_then(|import| self.pools.bo_imports.remove(import));
        if let Some(import) = import {
            self.unuse_bo(import.bo);
        }
        import.is_some()
    }

    /// Closes every imported handle of a client.
    pub(super) fn drop_imports_of(&mut self, client: ClientId) {
        for position in 0..self.pools.bo_imports.positions() {
            if let Some(import) = self.pools.bo_imports.handle_at(position) {
                let _ = self.close_import(client, import.id() | IMPORTED);
            }
        }
    }
}
