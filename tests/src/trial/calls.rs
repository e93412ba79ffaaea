//! Calls put together in bytes (bind-and-exec sheet §2.4, §2.5).

use super::make::{Blocked, Bo};
use super::stage::Trial;
use crate::wire::Bytes;
use barexe_core::{Errno, Error};
use barexe_hal::{ClientAddr, ClientMemory};

/// Where arrays of operations stand in client memory.
pub const OPS: u64 = 0x7000_0000;
/// Where arrays of sync entries stand.
pub const SYNCS: u64 = 0x7100_0000;
/// A page for user fences.
pub const FENCES: u64 = 0x7200_0000;
/// Where there is no memory.
pub const NOWHERE: u64 = 0x6666_0000;

/// Bind operations: 80 bytes each.
pub mod op {
    use super::{Bo, Bytes};

    /// Numbers of the operations.
    pub const MAP: u32 = 0;
    /// Removes what is mapped.
    pub const UNMAP: u32 = 1;
    /// Maps client memory.
    pub const MAP_USERPTR: u32 = 2;
    /// Removes every mapping of an object.
    pub const UNMAP_ALL: u32 = 3;
    /// Moves what is mapped and binds it.
    pub const PREFETCH: u32 = 4;

    /// Flag READONLY.
    pub const READONLY: u32 = 1;
    /// Flag IMMEDIATE.
    pub const IMMEDIATE: u32 = 2;
    /// Flag NULL.
    pub const NULL: u32 = 4;

    /// An operation on a range; PAT index 0, which every platform has.
    #[must_use]
    pub fn on(op: u32, va: u64, range: u64) -> Bytes {
        Bytes::new(80).u64(24, range).u64(32, va).u32(40, op)
    }

    /// MAP of a part of an object, by a PAT row that suits it.
    #[must_use]
    pub fn map(bo: Bo, offset: u64, va: u64, range: u64) -> Bytes {
        with_pat(on(MAP, va, range).u32(8, bo.handle).u64(16, offset), bo.pat)
    }

    /// MAP NULL.
    #[must_use]
    pub fn null(va: u64, range: u64) -> Bytes {
        with_flags(on(MAP, va, range), NULL)
    }

    /// UNMAP.
    #[must_use]
    pub fn unmap(va: u64, range: u64) -> Bytes {
        on(UNMAP, va, range)
    }

    /// UNMAP_ALL.
    #[must_use]
    pub fn unmap_all(bo: Bo) -> Bytes {
        with_pat(on(UNMAP_ALL, 0, 0).u32(8, bo.handle), bo.pat)
    }

    /// With other flags.
    #[must_use]
    pub fn with_flags(op: Bytes, flags: u32) -> Bytes {
        op.u32(44, flags)
    }

    /// With another PAT index.
    #[must_use]
    pub fn with_pat(op: Bytes, pat: u16) -> Bytes {
        op.u16(12, pat)
    }
}

/// Sync entries: 48 bytes each.
pub mod sync {
    use super::Bytes;

    /// A sync object to wait for.
    #[must_use]
    pub fn wait(handle: u32) -> Bytes {
        Bytes::new(48).u32(16, handle)
    }

    /// A sync object to signal.
    #[must_use]
    pub fn out(handle: u32) -> Bytes {
        wait(handle).u32(12, 1)
    }

    /// A point of a timeline to wait for.
    #[must_use]
    pub fn wait_point(handle: u32, point: u64) -> Bytes {
        wait(handle).u32(8, 1).u64(24, point)
    }

    /// A point of a timeline to signal.
    #[must_use]
    pub fn out_point(handle: u32, point: u64) -> Bytes {
        wait_point(handle, point).u32(12, 1)
    }

    /// A user fence to write.
    #[must_use]
    pub fn user_fence(addr: u64, value: u64) -> Bytes {
        Bytes::new(48).u32(8, 2).u32(12, 1).u64(16, addr).u64(24, value)
    }
}

/// A bind call.
#[derive(Clone, Debug, Default)]
pub struct Bind {
    vm: u32,
    queue: u32,
    ops: Vec<Bytes>,
    syncs: Vec<Bytes>,
    /// Fields that are written last: offset and bytes.
    patches: Vec<(usize, Vec<u8>)>,
}

impl Bind {
    /// A call on the VM's own queue, without operations: a barrier.
    #[must_use]
    pub fn on(vm: u32) -> Self {
        Self { vm, ..Self::default() }
    }

    /// On a queue.
    #[must_use]
    pub const fn queue(mut self, queue: u32) -> Self {
        self.queue = queue;
        self
    }

    /// With one more operation.
    #[must_use]
    pub fn op(mut self, op: Bytes) -> Self {
        self.ops.push(op);
        self
    }

    /// With more operations.
    #[must_use]
    pub fn ops(mut self, ops: impl IntoIterator<Item = Bytes>) -> Self {
        self.ops.extend(ops);
        self
    }

    /// With one more sync entry.
    #[must_use]
    pub fn sync(mut self, sync: Bytes) -> Self {
        self.syncs.push(sync);
        self
    }

    /// With a sync object to signal.
    #[must_use]
    pub fn out(self, handle: u32) -> Self {
        self.sync(sync::out(handle))
    }

    /// After a blocked sync object.
    #[must_use]
    pub fn after(self, blocked: Blocked) -> Self {
        self.sync(sync::wait(blocked.syncobj))
    }

    /// With a field of the call itself as given.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.patches.push((offset, bytes.to_vec()));
        self
    }
}

/// An exec call.
#[derive(Clone, Debug, Default)]
pub struct Exec {
    queue: u32,
    batch: Option<u64>,
    syncs: Vec<Bytes>,
    patches: Vec<(usize, Vec<u8>)>,
}

impl Exec {
    /// A call without batches: a barrier.
    #[must_use]
    pub fn on(queue: u32) -> Self {
        Self { queue, ..Self::default() }
    }

    /// With the batch at an address.
    #[must_use]
    pub const fn batch(mut self, va: u64) -> Self {
        self.batch = Some(va);
        self
    }

    /// With one more sync entry.
    #[must_use]
    pub fn sync(mut self, sync: Bytes) -> Self {
        self.syncs.push(sync);
        self
    }

    /// With a sync object to signal.
    #[must_use]
    pub fn out(self, handle: u32) -> Self {
        self.sync(sync::out(handle))
    }

    /// After a sync object.
    #[must_use]
    pub fn after(self, blocked: Blocked) -> Self {
        self.sync(sync::wait(blocked.syncobj))
    }

    /// With a field of the call itself as given.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.patches.push((offset, bytes.to_vec()));
        self
    }
}

/// A length as the interface counts.
fn count(all: &[Bytes]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

fn patched(arg: Bytes, patches: &[(usize, Vec<u8>)]) -> Bytes {
    patches.iter().fold(arg, |arg, (offset, bytes)| arg.with(*offset, bytes))
}

impl Trial<'_> {
    /// Puts bytes into client memory.
    ///
    /// # Panics
    /// Where there is none.
    pub fn put(&mut self, addr: u64, bytes: &[u8]) {
        let put = ClientAddr::new(addr).is_some_and(|addr| self.memory.copy_out(addr, bytes).is_ok());
        assert!(put, "{self}: no client memory at {addr:#x}");
    }

    /// The word at an address of the page of user fences.
    #[must_use]
    pub fn fence_word(&self, addr: u64) -> u64 {
        let bytes = Bytes(self.memory.at(FENCES).to_vec());
        bytes.get_u64(usize::try_from(addr.wrapping_sub(FENCES)).unwrap_or(usize::MAX))
    }

    fn put_all(&mut self, addr: u64, all: &[Bytes]) {
        let bytes: Vec<u8> = all.iter().flat_map(|one| one.0.iter().copied()).collect();
        if !bytes.is_empty() {
            self.put(addr, &bytes);
        }
    }

    /// The request and the argument struct of a bind; its arrays are in client memory afterwards.
    pub fn bind_arg(&mut self, call: &Bind) -> (u32, Bytes) {
        let dialect = self.dialect;
        let arg = Bytes::new(super::Dialect::size(dialect.bind)).u32(8, call.vm).u32(12, call.queue);
        let arg = match &call.ops[..] {
            [] => arg,
            [op] => arg.u32(20, 1).with(24, &op.0),
            ops => {
                self.put_all(OPS, ops);
                arg.u32(20, count(ops)).u64(24, OPS)
            }
        };
        self.put_all(SYNCS, &call.syncs);
        let (num_syncs, syncs) = dialect.bind_syncs;
        (dialect.bind, patched(arg.u32(num_syncs, count(&call.syncs)).u64(syncs, SYNCS), &call.patches))
    }

    /// The request and the argument struct of an exec; its sync entries are in client memory afterwards.
    pub fn exec_arg(&mut self, call: &Exec) -> (u32, Bytes) {
        let dialect = self.dialect;
        self.put_all(SYNCS, &call.syncs);
        let (num_syncs, syncs) = dialect.exec_syncs;
        let (address, batches) = dialect.exec_batch;
        let arg = Bytes::new(super::Dialect::size(dialect.exec)).u32(dialect.exec_queue, call.queue);
        let arg = arg.u32(num_syncs, count(&call.syncs)).u64(syncs, SYNCS);
        let arg = arg.u64(address, call.batch.unwrap_or(0)).u16(batches, u16::from(call.batch.is_some()));
        (dialect.exec, patched(arg, &call.patches))
    }

    /// Makes a bind that must be accepted.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn bind(&mut self, call: &Bind) {
        let (request, arg) = self.bind_arg(call);
        self.accepted(request, &arg);
    }

    /// Makes a bind that must be refused with a code and change nothing.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn bind_refused(&mut self, call: &Bind, errno: Errno) {
        let (request, arg) = self.bind_arg(call);
        self.refused(request, &arg, errno);
    }

    /// Makes a bind; what became of it.
    ///
    /// # Errors
    /// Those of the call.
    pub fn try_bind(&mut self, call: &Bind) -> Result<(), Error> {
        let (request, arg) = self.bind_arg(call);
        self.ioctl(request, &arg).map(drop)
    }

    /// Makes a bind that must be accepted and lets it finish.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn bind_now(&mut self, call: &Bind) {
        self.bind(call);
        self.settle();
    }

    /// Makes an exec that must be accepted.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn exec(&mut self, call: &Exec) {
        let (request, arg) = self.exec_arg(call);
        self.accepted(request, &arg);
    }

    /// Makes an exec that must be refused with a code and change nothing.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn exec_refused(&mut self, call: &Exec, errno: Errno) {
        let (request, arg) = self.exec_arg(call);
        self.refused(request, &arg, errno);
    }
}
