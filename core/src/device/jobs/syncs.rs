//! Sync entries of a call: checked and captured before it is accepted, carried out when it is.
//!
//! Rules and order: bind-and-exec sheet §3.8. In-syncs become dependencies at once, so that a later reset of the
//! object changes nothing. Out-syncs are noted in lent storage and applied in entry order after the call is accepted;
//! nothing about them can fail by then.

use crate::Error;
use crate::chain::{Chain, LinkPool};
use crate::device::objects::client::ClientId;
use crate::device::request::{Source, SyncEntry, SyncTarget};
use crate::device::{Device, Pools};
use crate::exec::job::{Job, JobPool, NumberedUserFence, Work};
use crate::exec::queue::Queues;
use crate::shares::Owner;
use crate::sync::fence::{Dependencies, Fence};
use crate::sync::syncobj::{Captured, OutSync, reserve_point};
use crate::vm::vma::{LAST_USER_FENCE, NO_USER_FENCE};
use barexe_hal::{ClientAddr, ClientMemory, GpuVa, Hal};

/// What kind of call the entries belong to (R6, R7).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::device) struct SyncRules {
    /// A user fence is a GPU address rather than a client's.
    pub(in crate::device) exec: bool,
    /// No completion fences are handed out.
    pub(in crate::device) lr_mode: bool,
    /// A zero-op call: there is nobody to write a user fence.
    pub(in crate::device) no_user_fence: bool,
}

/// The entries of one call, captured.
#[derive(Debug, Default)]
pub(in crate::device) struct CallSyncs {
    pub(in crate::device) wait: Dependencies,
    pub(in crate::device) outs: Chain<OutSync>,
    /// The call's user fence: address and value.
    pub(in crate::device) user_fence: Option<(u64, u64)>,
}

/// A bind user fence that is due.
#[derive(Clone, Copy, Debug)]
pub struct PendingUserFence {
    client: ClientId,
    fence: NumberedUserFence,
}

impl<H: Hal> Device<'_, H> {
    /// Captures all entries.
    ///
    /// # Errors
    /// The code of the first bad entry; everything captured so far is released.
    pub(in crate::device) fn capture_syncs(
        &mut self,
        client: ClientId,
        rules: SyncRules,
        entries: &mut dyn Source<SyncEntry>,
        memory: Option<&mut dyn ClientMemory>,
    ) -> Result<CallSyncs, Error> {
        let mut syncs = CallSyncs::default();
        match self.capture_entries(client, rules, entries, memory, &mut syncs) {
            Ok(()) => Ok(syncs),
            Err(error) => {
                self.pools.release_syncs(syncs);
                Err(error)
            }
        }
    }

    fn capture_entries(
        &mut self,
        client: ClientId,
        rules: SyncRules,
        entries: &mut dyn Source<SyncEntry>,
        mut memory: Option<&mut dyn ClientMemory>,
        syncs: &mut CallSyncs,
    ) -> Result<(), Error> {
        let mut second = Ok(());
        for index in 0..entries.len() {
            let entry = entries.get(index)?;
            match entry.target {
                SyncTarget::UserFence { addr, value } => {
                    check_user_fence(rules, entry.signal, addr, &mut memory)?;
                    if syncs.user_fence.replace((addr, value)).is_some() {
                        second =
                            second.and(Err(Error::invalid("second user fence of a call, entry", u64::from(index))));
                    }
                }
                SyncTarget::Syncobj { handle } => self.capture(client, rules, entry.signal, handle, None, syncs)?,
                SyncTarget::Timeline { handle, point } => {
                    self.capture(client, rules, entry.signal, handle, Some(point), syncs)?;
                }
            }
        }
        second
    }

    fn capture(
        &mut self,
        client: ClientId,
        rules: SyncRules,
        signal: bool,
        handle: u32,
        point: Option<u64>,
        syncs: &mut CallSyncs,
    ) -> Result<(), Error> {
        if signal && rules.lr_mode {
            return Err(Error::Unsupported { what: "an out-sync object in a long-running VM" });
        }
        if point == Some(0) {
            return Err(Error::invalid("timeline point", 0));
        }
        let syncobj = self.syncobj_of(client, handle)?;
        let (pools, owner) = (&mut self.pools, Owner::of(client));
        if !signal {
            let found = pools.syncobjs.get(syncobj).ok_or(Error::invalid("sync object", u64::from(handle)))?;
            let (points, timelines) = (&pools.sync_points, &pools.timelines);
            let into = (&mut pools.dependencies, owner);
            return found.depend(points, timelines, point.unwrap_or(0), &mut syncs.wait, into);
        }
        let out = match point {
            None => OutSync::Binary(syncobj),
            Some(value) => OutSync::Timeline { syncobj, value, point: reserve_point(&mut pools.sync_points, owner)? },
        };
        pools.push_out(syncs, out)
    }

    /// Stores every due user fence of `client` in its memory, in the order in which binds finished. A place the
    /// client no longer has is passed over.
    pub fn deliver_user_fences(&mut self, client: ClientId, memory: &mut dyn ClientMemory) {
        let mut rest = Chain::new();
        while let Some(due) = self.user_fences_due.pop(&mut self.pools.user_fences) {
            if due.client == client {
                // A fault here is the client's own doing (bind-and-exec sheet §6.2): the fence is just not stored.
                let _ = memory.copy_out(due.fence.write.addr, &due.fence.write.value.to_le_bytes());
            } else {
                let _ = rest.push_for(&mut self.pools.user_fences, Owner::of(due.client), due);
            }
        }
        self.user_fences_due = rest;
    }

    /// Notes that a bind user fence is due; a place was reserved when the bind was accepted.
    pub(in crate::device) fn user_fence_is_due(&mut self, client: ClientId, fence: NumberedUserFence) {
        let (owner, fences) = (Owner::of(client), &mut self.pools.user_fences);
        fences.unreserve(owner);
        if self.pools.clients.get(client).is_some_and(|client| !client.closed) {
            let _ = self.user_fences_due.push_for(fences, owner, PendingUserFence { client, fence });
        }
    }

    /// The number of the next bind user fence.
    pub(in crate::device) const fn next_user_fence(&self) -> u32 {
        if self.last_user_fence >= LAST_USER_FENCE { 1 } else { self.last_user_fence.wrapping_add(1) }
    }

    pub(in crate::device) fn drop_user_fences_of(&mut self, client: ClientId) {
        self.deliver_user_fences(client, &mut barexe_hal::client::NoClientMemory);
    }
}

/// Which bind user fences can still be unwritten: those of binds that are not over, and those that are due.
#[derive(Clone, Copy, Debug)]
pub(in crate::device) struct PendingUserFences<'p, 'a> {
    pub(in crate::device) queues: &'p Queues<'a>,
    pub(in crate::device) jobs: &'p JobPool<'a>,
    pub(in crate::device) due: &'p Chain<PendingUserFence>,
    pub(in crate::device) user_fences: &'p LinkPool<'a, PendingUserFence>,
}

impl PendingUserFences<'_, '_> {
    /// Whether the fence with this number is one of them.
    pub(in crate::device) fn has(&self, number: u32) -> bool {
        let of = |fence: &NumberedUserFence| fence.number == number;
        let of_job = |job: &Job| matches!(&job.work, Work::Bind(work) if work.user_fence.as_ref().is_some_and(of));
        let waits = || self.queues.iter().any(|(_, queue)| queue.jobs.iter(self.jobs).any(of_job));
        number != NO_USER_FENCE && (self.due.iter(self.user_fences).any(|due| of(&due.fence)) || waits())
    }
}

fn check_user_fence(
    rules: SyncRules,
    signal: bool,
    addr: u64,
    memory: &mut Option<&mut dyn ClientMemory>,
) -> Result<(), Error> {
    if rules.no_user_fence {
        return Err(Error::Unsupported { what: "a user fence on a call without operations" });
    }
    if !signal {
        return Err(Error::Unsupported { what: "a user fence to wait for" });
    }
    if addr & 7 != 0 {
        return Err(Error::invalid("user fence address", addr));
    }
    if rules.exec {
        return gpu_va(addr).map(drop);
    }
    let addr = ClientAddr::new(addr).ok_or(Error::invalid("user fence address", addr))?;
    let mut old = [0; 8];
    match memory {
        Some(memory) => Ok(memory.copy_in(addr, &mut old)?),
        None => Ok(()),
    }
}

/// A GPU address as clients write it: possibly sign-extended from the top bit of the address space.
pub(super) fn gpu_va(addr: u64) -> Result<GpuVa, Error> {
    GpuVa::new(addr & ((1 << 57) - 1)).ok_or(Error::invalid("GPU address", addr))
}

impl Pools<'_> {
    pub(in crate::device) fn release_out(&mut self, out: OutSync) {
        if let OutSync::Timeline { point, .. } = out {
            self.sync_points.remove(point);
        }
    }

    /// Lets go of what a call captured when the call is refused.
    pub(in crate::device) fn release_syncs(&mut self, mut syncs: CallSyncs) {
        syncs.wait.clear(&mut self.dependencies);
        while let Some(out) = syncs.outs.pop(&mut self.out_syncs) {
            self.release_out(out);
        }
    }

    /// Gives the accepted call's fence to its out-syncs, in entry order.
    pub(in crate::device) fn signal_outs(&mut self, syncs: CallSyncs, fence: Fence) {
        self.give_outs(syncs, Some(fence));
    }

    /// Gives a fence to out-syncs, in entry order; without one they have signalled.
    pub(in crate::device) fn give_outs(&mut self, mut syncs: CallSyncs, fence: Option<Fence>) {
        while let Some(out) = syncs.outs.pop(&mut self.out_syncs) {
            match out {
                OutSync::Binary(syncobj) => {
                    if let Some(syncobj) = self.syncobjs.get_mut(syncobj) {
                        syncobj.set(&mut self.sync_points, fence.map_or(Captured::Signalled, Captured::Fence));
                    }
                }
                OutSync::Timeline { syncobj, value, point } => {
                    if let Some(syncobj) = self.syncobjs.get_mut(syncobj) {
                        syncobj.add_point(&mut self.sync_points, &self.timelines, point, fence, value);
                    }
                }
            }
        }
    }
}
