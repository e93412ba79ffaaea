//! What scenarios begin with: VMs, objects, queues, sync objects, fences that the test signals.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::calls::{FENCES, OPS};
use super::dialect::{Dialect, requests};
use super::stage::Trial;
use crate::wire::Bytes;
use barexe_core::device::{MappingId, OutsideFence};
use barexe_core::gt::{Engine, EngineClass};

/// A buffer object with a CPU mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bo {
    /// GEM handle.
    pub handle: u32,
    /// Its length.
    pub bytes: u64,
    /// A PAT index that suits it.
    pub pat: u16,
    mapping: MappingId,
}

/// A sync object that holds a fence which only the test signals: b0, b1, b2 of the sheet.
#[derive(Clone, Copy, Debug)]
pub struct Blocked {
    /// The object.
    pub syncobj: u32,
    pub(super) fence: OutsideFence,
}

/// CPU caching (bind-and-exec sheet §2.6).
const WRITE_BACK: u16 = 1;
const WRITE_COMBINING: u16 = 2;

/// Class numbers of the interface (bind-and-exec sheet §2.6).
const fn class_code(class: EngineClass) -> u16 {
    match class {
        EngineClass::Render => 0,
        EngineClass::Copy => 1,
        EngineClass::VideoDecode => 2,
        EngineClass::VideoEnhance => 3,
        EngineClass::Compute => 4,
        EngineClass::Gsc => u16::MAX,
    }
}

fn empty(request: u32) -> Bytes {
    Bytes::new(Dialect::size(request))
}

impl Trial<'_> {
    /// A write-back, coherent PAT index.
    #[must_use]
    pub const fn pat(&self) -> u16 {
        if self.board.platform.version == 1200 { 0 } else { 1 }
    }

    /// A VM without any mode.
    ///
    /// # Panics
    /// If it is refused.
    pub fn vm(&mut self) -> u32 {
        self.vm_with(0)
    }

    /// A VM with modes (bind-and-exec sheet §2.6).
    ///
    /// # Panics
    /// If it is refused.
    pub fn vm_with(&mut self, flags: u32) -> u32 {
        self.accepted(requests::VM_CREATE, &empty(requests::VM_CREATE).u32(8, flags)).get_u32(12)
    }

    /// Destroys a VM.
    ///
    /// # Panics
    /// If it is refused.
    pub fn vm_destroy(&mut self, vm: u32) {
        self.accepted(requests::VM_DESTROY, &empty(requests::VM_DESTROY).u32(0, vm));
    }

    /// A write-back object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo(&mut self, bytes: u64) -> Bo {
        self.bo_as(bytes, WRITE_BACK, 0)
    }

    /// A write-back object private to a VM.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo_of(&mut self, bytes: u64, vm: u32) -> Bo {
        self.bo_as(bytes, WRITE_BACK, vm)
    }

    /// A write-combining object: every PAT row suits it.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo_uncached(&mut self, bytes: u64) -> Bo {
        self.bo_as(bytes, WRITE_COMBINING, 0)
    }

    fn bo_as(&mut self, bytes: u64, caching: u16, vm: u32) -> Bo {
        let arg = empty(requests::GEM_CREATE).u64(8, bytes).u32(16, 1).u32(24, vm).u16(32, caching);
        let handle = self.accepted(requests::GEM_CREATE, &arg).get_u32(28);
        let arg = empty(requests::GEM_MMAP_OFFSET).u32(8, handle);
        let offset = self.accepted(requests::GEM_MMAP_OFFSET, &arg).get_u64(16);
        let mapping = self.attempt(|trial| trial.device.bo_map(trial.client, offset, bytes));
        let mapping = mapping.unwrap_or_else(|error| panic!("{self}: CPU mapping: {error}"));
        Bo { handle, bytes, pat: self.pat(), mapping }
    }

    /// Closes the handle of an object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo_close(&mut self, bo: Bo) {
        self.accepted(requests::GEM_CLOSE, &empty(requests::GEM_CLOSE).u32(0, bo.handle));
    }

    /// Gives up an object as far as the client has it: CPU mapping and handle.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bo_forget(&mut self, bo: Bo) {
        let unmapped = self.device.bo_unmap(self.client, bo.mapping);
        unmapped.unwrap_or_else(|error| panic!("{self}: unmap: {error}"));
        self.bo_close(bo);
    }

    /// A bind queue of a VM.
    ///
    /// # Panics
    /// If it is refused.
    pub fn bind_queue(&mut self, vm: u32) -> u32 {
        self.queue_at(vm, [5, 0, 0])
    }

    /// An exec queue of a VM on the first engine of a class.
    ///
    /// # Panics
    /// If there is none, or it is refused.
    pub fn queue(&mut self, vm: u32, class: EngineClass) -> u32 {
        self.queue_on_tile(vm, class, 0)
    }

    /// As [`queue`](Self::queue), on any tile.
    ///
    /// # Panics
    /// If there is none, or it is refused.
    pub fn queue_on_tile(&mut self, vm: u32, class: EngineClass, tile: u8) -> u32 {
        let suits = |engine: &&Engine| engine.class == class && engine.tile == tile;
        let engine = self.device.info().client_engines().find(suits).copied();
        let engine = engine.unwrap_or_else(|| panic!("{self}: no {class:?} engine on tile {tile}"));
        self.queue_at(vm, [class_code(class), engine.logical.into(), engine.gt.into()])
    }

    /// A queue on the engine of this class code, logical instance and GT.
    fn queue_at(&mut self, vm: u32, [class, instance, gt]: [u16; 3]) -> u32 {
        self.put(OPS, &Bytes::new(8).u16(0, class).u16(2, instance).u16(4, gt).0);
        let arg = empty(requests::QUEUE_CREATE).u16(8, 1).u16(10, 1).u32(12, vm).u64(24, OPS);
        self.accepted(requests::QUEUE_CREATE, &arg).get_u32(20)
    }

    /// Destroys a queue.
    ///
    /// # Panics
    /// If it is refused.
    pub fn queue_destroy(&mut self, queue: u32) {
        self.accepted(requests::QUEUE_DESTROY, &empty(requests::QUEUE_DESTROY).u32(0, queue));
    }

    /// An empty sync object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn syncobj(&mut self) -> u32 {
        self.accepted(requests::SYNCOBJ_CREATE, &empty(requests::SYNCOBJ_CREATE)).get_u32(0)
    }

    /// A sync object that has signalled.
    ///
    /// # Panics
    /// If it is refused.
    pub fn signalled_syncobj(&mut self) -> u32 {
        self.accepted(requests::SYNCOBJ_CREATE, &empty(requests::SYNCOBJ_CREATE).u32(4, 1)).get_u32(0)
    }

    /// Destroys a sync object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn syncobj_destroy(&mut self, handle: u32) {
        self.accepted(requests::SYNCOBJ_DESTROY, &empty(requests::SYNCOBJ_DESTROY).u32(0, handle));
    }

    /// Empties a sync object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn syncobj_reset(&mut self, handle: u32) {
        self.put(OPS, &handle.to_le_bytes());
        self.accepted(requests::SYNCOBJ_RESET, &empty(requests::SYNCOBJ_RESET).u64(0, OPS).u32(8, 1));
    }

    /// A sync object with a fence that only [`unblock`](Self::unblock) signals.
    ///
    /// # Panics
    /// If it is refused.
    pub fn blocked(&mut self) -> Blocked {
        let syncobj = self.syncobj();
        self.block(syncobj)
    }

    /// Puts a fence that only [`unblock`](Self::unblock) signals into a sync object.
    ///
    /// # Panics
    /// If it is refused.
    pub fn block(&mut self, syncobj: u32) -> Blocked {
        let made = self.attempt(|trial| trial.device.outside_fence_create());
        let fence = made.unwrap_or_else(|error| panic!("{self}: fence: {error}"));
        let imported = self.attempt(|trial| trial.device.syncobj_import(trial.client, syncobj, fence));
        imported.unwrap_or_else(|error| panic!("{self}: import: {error}"));
        let blocked = Blocked { syncobj, fence };
        self.blocked.push(blocked);
        blocked
    }

    /// Signals the fence; nothing but what the driver does at once has happened yet.
    ///
    /// # Panics
    /// The second time.
    pub fn unblock(&mut self, blocked: Blocked) {
        self.blocked.retain(|other| other.fence != blocked.fence);
        let signalled = self.device.outside_fence_signal(blocked.fence);
        signalled.unwrap_or_else(|error| panic!("{self}: {error}"));
    }

    /// Address of the n-th user fence, which holds 0.
    #[must_use]
    pub const fn fence(&self, number: u64) -> u64 {
        FENCES.wrapping_add(number.wrapping_mul(8))
    }

    /// Writes dwords into an object through its CPU mapping.
    ///
    /// # Panics
    /// Outside the object.
    pub fn write(&mut self, bo: Bo, offset: u64, dwords: &[u32]) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        let written = self.device.mapping_write(self.client, bo.mapping, offset, &bytes);
        written.unwrap_or_else(|error| panic!("{self}: write: {error}"));
    }

    /// Reads a dword of an object through its CPU mapping.
    ///
    /// # Panics
    /// Outside the object.
    #[must_use]
    pub fn read(&self, bo: Bo, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        let read = self.device.mapping_read(self.client, bo.mapping, offset, &mut bytes);
        read.unwrap_or_else(|error| panic!("{self}: read: {error}"));
        u32::from_le_bytes(bytes)
    }

    /// Writes into each page of an object a number of its own, from `first` on.
    ///
    /// # Panics
    /// Never for an object of this client.
    pub fn number_pages(&mut self, bo: Bo, first: u32) {
        for (number, offset) in (first..).zip((0..bo.bytes).step_by(4096)) {
            self.write(bo, offset, &[number]);
        }
    }
}
