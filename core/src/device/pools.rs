//! The lent storage as pools, apart from the HAL so that both can be borrowed at once.

use super::jobs::ready::Ready;
use super::jobs::syncs::PendingUserFence;
use super::objects::share::BoImport;
use super::request::BindOp;
use super::ticket::Failures;
use super::{BoMapping, Client};
use crate::chain::LinkPool;
use crate::exec::job::JobPool;
use crate::exec::queue::Queues;
use crate::list::List;
use crate::mem::bo::{BlockPool, Bo};
use crate::mem::ggtt::GgttNode;
use crate::mem::pages::{Directory, TableNote};
use crate::mem::user::{PinPool, UserRanges};
use crate::pool::{MAX_SLOTS, Pool, Slot};
use crate::shares::Accounts;
use crate::submit::Port;
use crate::sync::fence::{DependencyPool, Timelines};
use crate::sync::sleepers::Sleepers;
use crate::sync::syncobj::{OutSync, SyncPoints, Syncobj};
use crate::vm::Vms;
use crate::vm::index::VmaIndex;
use crate::vm::steps::StepPool;
use crate::vm::store::VmaStore;
use crate::{Capacity, Shares, Storage};
use barexe_hal::DmaBuffer;
use core::fmt;

/// The slices of page-table memory.
type PtSlices<'a> = (&'a mut [Option<DmaBuffer>], &'a mut [TableNote], &'a mut [Directory]);
/// The slices of what is made on the GTs, before any client comes: ranges of the GGTT, ports.
pub(super) type GtSlices<'a> = (&'a mut [Slot<GgttNode>], &'a mut [Option<Port>]);

/// The pools of a device.
pub(crate) struct Pools<'a> {
    pub(crate) clients: Pool<'a, Client>,
    pub(crate) vms: Vms<'a>,
    pub(crate) vmas: VmaStore<'a>,
    pub(crate) steps: StepPool<'a>,
    pub(crate) bos: Pool<'a, Bo>,
    pub(crate) bo_blocks: BlockPool<'a>,
    pub(crate) bo_mappings: Pool<'a, BoMapping>,
    pub(crate) bo_imports: Pool<'a, BoImport>,
    pub(crate) queues: Queues<'a>,
    /// Queues that every poll looks at.
    pub(crate) awake: List,
    /// Queues that an engine could run.
    pub(crate) ready: Ready,
    pub(crate) timelines: Timelines<'a>,
    pub(crate) jobs: JobPool<'a>,
    pub(crate) dependencies: DependencyPool<'a>,
    pub(crate) out_syncs: LinkPool<'a, OutSync>,
    pub(crate) syncobjs: Pool<'a, Syncobj>,
    pub(crate) sync_points: SyncPoints<'a>,
    pub(crate) sleepers: Sleepers<'a>,
    pub(crate) user_fences: LinkPool<'a, PendingUserFence>,
    pub(crate) user_ranges: UserRanges<'a>,
    pub(crate) user_pins: PinPool<'a>,
    pub(crate) bind_ops: &'a mut [BindOp],
    pub(crate) accounts: Accounts<'a>,
    /// How queues ended that failed and are gone.
    pub(super) failures: Failures,
}

impl fmt::Debug for Pools<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("clients", &self.clients)
            .field("vms", &self.vms)
            .field("vmas", &ShownMappings(self))
            .field("steps", &self.steps)
            .field("bos", &self.bos)
            .field("bo_blocks", &self.bo_blocks)
            .field("bo_mappings", &self.bo_mappings)
            .field("bo_imports", &self.bo_imports)
            .field("queues", &self.queues)
            .field("awake", &self.awake)
            .field("ready", &self.ready)
            .field("timelines", &self.timelines)
            .field("jobs", &self.jobs)
            .field("dependencies", &self.dependencies)
            .field("out_syncs", &self.out_syncs)
            .field("syncobjs", &self.syncobjs)
            .field("sync_points", &self.sync_points)
            .field("sleepers", &self.sleepers)
            .field("user_fences", &self.user_fences)
            .field("user_ranges", &self.user_ranges)
            .field("user_pins", &self.user_pins)
            .field("bind_ops", &self.bind_ops)
            .field("accounts", &self.accounts)
            .field("failures", &self.failures)
            .finish()
    }
}

/// The mappings of each VM, which only VM and store together know, and what they take.
struct ShownMappings<'p, 'a>(&'p Pools<'a>);

impl fmt::Debug for ShownMappings<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pools { vms, vmas, .. } = self.0;
        let counts = [("nodes", vmas.nodes_live()), ("cells", vmas.cells_live())];
        let mut map = f.debug_map();
        map.entries(counts.into_iter().filter(|(_, live)| *live > 0));
        for (handle, vm) in vms.iter().filter(|(_, vm)| vm.vmas.len() > 0) {
            map.entry(&handle, &ShownIndex(&vm.vmas, vmas));
        }
        map.finish()
    }
}

struct ShownIndex<'p, 'a>(&'p VmaIndex, &'p VmaStore<'a>);

impl fmt::Debug for ShownIndex<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter(self.1)).finish()
    }
}

impl<'a> Pools<'a> {
    /// Pools in lent storage; the slices of page tables, GGTT and ports are not theirs. `tag` goes into handles that the
    /// embedder holds, `shares` says what each client is promised.
    pub(super) fn lent(storage: Storage<'a>, tag: u8, shares: &Shares) -> Self {
        let (accounts, clients) = (storage.accounts, storage.clients.len().min(MAX_SLOTS));
        let ledger = |capacity| accounts.ledger(capacity, clients, shares);
        Self {
            clients: Pool::tagged(storage.clients, tag),
            vms: Pool::new(storage.vms).counted(ledger(Capacity::Vms)),
            vmas: VmaStore::new(storage.vma_nodes, storage.vm_bos)
                .counted(ledger(Capacity::VmaNodes), ledger(Capacity::VmBos)),
            steps: Pool::new(storage.steps).counted(ledger(Capacity::BindSteps)),
            bos: Pool::new(storage.bos).counted(ledger(Capacity::Bos)),
            bo_blocks: Pool::new(storage.bo_blocks).counted(ledger(Capacity::BoBlocks)),
            bo_mappings: Pool::tagged(storage.bo_mappings, tag).counted(ledger(Capacity::BoMappings)),
            bo_imports: Pool::new(storage.bo_imports).counted(ledger(Capacity::BoImports)),
            queues: Pool::new(storage.queues).counted(ledger(Capacity::Queues)),
            awake: List::EMPTY,
            ready: Ready::NONE,
            timelines: Pool::tagged(storage.timelines, tag).counted(ledger(Capacity::Timelines)),
            jobs: Pool::new(storage.jobs).counted(ledger(Capacity::Jobs)),
            dependencies: Pool::new(storage.dependencies).counted(ledger(Capacity::Dependencies)),
            out_syncs: Pool::new(storage.out_syncs),
            syncobjs: Pool::new(storage.syncobjs).counted(ledger(Capacity::Syncobjs)),
            sync_points: Pool::new(storage.sync_points).counted(ledger(Capacity::SyncPoints)),
            sleepers: Pool::tagged(storage.sleepers, tag).counted(ledger(Capacity::Sleepers)),
            user_fences: Pool::new(storage.user_fences).counted(ledger(Capacity::UserFences)),
            user_ranges: Pool::new(storage.user_ranges).counted(ledger(Capacity::UserRanges)),
            user_pins: Pool::new(storage.user_pins).counted(ledger(Capacity::UserPins)),
            bind_ops: storage.bind_ops,
            accounts,
            failures: Failures::default(),
        }
    }

    /// The storage back, with the slices that are not theirs.
    pub(super) const fn into_storage(self, pt: PtSlices<'a>, (ggtt_nodes, ports): GtSlices<'a>) -> Storage<'a> {
        let (vma_nodes, vm_bos) = self.vmas.into_parts();
        Storage {
            clients: self.clients.into_slots(),
            vms: self.vms.into_slots(),
            vma_nodes,
            vm_bos,
            steps: self.steps.into_slots(),
            bind_ops: self.bind_ops,
            bos: self.bos.into_slots(),
            bo_blocks: self.bo_blocks.into_slots(),
            bo_mappings: self.bo_mappings.into_slots(),
            bo_imports: self.bo_imports.into_slots(),
            queues: self.queues.into_slots(),
            timelines: self.timelines.into_slots(),
            jobs: self.jobs.into_slots(),
            dependencies: self.dependencies.into_slots(),
            out_syncs: self.out_syncs.into_slots(),
            syncobjs: self.syncobjs.into_slots(),
            sync_points: self.sync_points.into_slots(),
            sleepers: self.sleepers.into_slots(),
            user_fences: self.user_fences.into_slots(),
            user_ranges: self.user_ranges.into_slots(),
            user_pins: self.user_pins.into_slots(),
            ports,
            pt_blocks: pt.0,
            pt_notes: pt.1,
            pt_directories: pt.2,
            ggtt_nodes,
            accounts: self.accounts,
        }
    }
}
