//! The public face: clients, handles and every call.
//!
//! A [`Device`] is one value over one HAL and lent storage. Calls take `&mut self` and never wait: they are refused
//! and change nothing, or they are accepted and give a [`Ticket`]. [`Device::poll`] moves accepted work forward;
//! who calls it, and how one waits in between, is the embedder's choice.

mod backings;
mod bind;
mod bo;
mod client;
mod commit;
mod engines;
mod exec;
#[cfg(feature = "inject")]
mod inject;
mod inspect;
mod invalidate;
mod life;
mod outside;
mod page_fault;
mod plan;
mod queues;
mod repin;
pub mod request;
mod share;
mod syncobj;
mod syncs;
mod ticket;
mod user;
mod user_units;
mod vm;
pub mod wait;
mod work;

pub use bo::{BoMapping, MappingId};
pub use client::{Client, ClientId};
pub use commit::TableWriter;
pub use inspect::{FencesInUse, MappingInfo};
pub use invalidate::InvalidationTicket;
pub use life::OpenError;
pub use outside::OutsideFence;
pub use page_fault::{FaultAccess, PageFault};
pub use share::{BoImport, ExportedBo};
pub use syncobj::{SyncobjLook, TimelineLook};
pub use syncs::PendingUserFence;
pub use ticket::{Ticket, TicketState};
pub use work::PollReport;

use crate::Error;
use crate::chain::{Chain, LinkPool};
use crate::exec::job::JobPool;
use crate::exec::migration::Migrations;
use crate::exec::queue::Queues;
use crate::gt::{DeviceInfo, IrqFlag, PLATFORMS, Platform};
use crate::mem::bo::{BlockPool, Bo};
use crate::mem::ggtt::Ggtt;
use crate::mem::pages::PtMemory;
use crate::mem::tlb::{EngineTlb, TlbInvalidator};
use crate::mem::user::{PinPool, UserRanges};
use crate::pool::Pool;
use crate::submit::Ports;
use crate::sync::fence::{DependencyPool, Timelines};
use crate::sync::syncobj::{OutSync, SyncPoints, Syncobj};
use crate::vm::Vms;
use crate::vm::index::VmaIndex;
use crate::vm::steps::StepPool;
use crate::vm::store::VmaStore;
use barexe_hal::{Hal, Nanos};
use core::fmt;
use request::BindOp;

/// What the embedder decides about a device before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// System memory the GPU may be given, in bytes: what clients are told.
    pub system_memory_bytes: u64,
    /// Goes into the handles the embedder holds (clients, CPU mappings, tickets): one that strays to a device with
    /// another tag is refused there.
    pub tag: u8,
    /// Who stores page-table entries; [`TableWriter::Auto`] unless there is a reason.
    pub tables: TableWriter,
    /// What the device may be: one of the [`PLATFORMS`], unless there is a reason.
    pub platforms: &'static [Platform],
}

impl Default for Config {
    fn default() -> Self {
        Self { system_memory_bytes: 1 << 30, tag: 0, tables: TableWriter::Auto, platforms: &PLATFORMS }
    }
}

/// Whether the device still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It does.
    Live,
    /// It answered in a way it must not, or did not finish in time; everything accepted has been signalled.
    Wedged,
    /// It does not answer at all.
    Gone,
}

/// The pools of a device, apart from the HAL so that both can be borrowed at once.
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
    pub(crate) timelines: Timelines<'a>,
    pub(crate) jobs: JobPool<'a>,
    pub(crate) dependencies: DependencyPool<'a>,
    pub(crate) out_syncs: LinkPool<'a, OutSync>,
    pub(crate) syncobjs: Pool<'a, Syncobj>,
    pub(crate) sync_points: SyncPoints<'a>,
    pub(crate) user_fences: LinkPool<'a, PendingUserFence>,
    pub(crate) user_ranges: UserRanges<'a>,
    pub(crate) user_pins: PinPool<'a>,
    pub(crate) bind_ops: &'a mut [BindOp],
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
            .field("timelines", &self.timelines)
            .field("jobs", &self.jobs)
            .field("dependencies", &self.dependencies)
            .field("out_syncs", &self.out_syncs)
            .field("syncobjs", &self.syncobjs)
            .field("sync_points", &self.sync_points)
            .field("user_fences", &self.user_fences)
            .field("user_ranges", &self.user_ranges)
            .field("user_pins", &self.user_pins)
            .field("bind_ops", &self.bind_ops)
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

/// An Intel Xe GPU, driven.
#[derive(Debug)]
pub struct Device<'a, H: Hal> {
    hal: H,
    info: DeviceInfo,
    config: Config,
    state: DeviceState,
    pools: Pools<'a>,
    pages: PtMemory<'a>,
    ggtt: Ggtt<'a>,
    tlb: TlbInvalidator<EngineTlb>,
    ports: Ports,
    /// The driver's own contexts.
    migrations: Migrations,
    /// Their engines run nothing else.
    owns_copy_engine: bool,
    irq: Option<&'a IrqFlag>,
    /// User fences that [`deliver_user_fences`](Self::deliver_user_fences) has to store.
    user_fences_due: Chain<PendingUserFence>,
    /// Places that accepted binds keep in the pool for theirs.
    user_fences_reserved: u32,
    /// Number of the newest bind user fence.
    last_user_fence: u32,
    /// Invalidations of client memory so far.
    invalidations: u64,
    next_asid: u32,
    next_mmap_offset: u64,
    hwconfig: &'a [u8],
    /// See [`break_tables`](Self::break_tables).
    broken_tile: Option<u8>,
    /// When a busy device is asked for a sign of life.
    next_look: Nanos,
    #[cfg(feature = "inject")]
    fails_table_change: bool,
}

impl<'a, H: Hal> Device<'a, H> {
    /// The part's configuration table, see [`set_hwconfig`](Self::set_hwconfig).
    #[must_use]
    pub const fn hwconfig(&self) -> &'a [u8] {
        self.hwconfig
    }

    /// Lends the part's configuration table: key, length, values in dwords.
    ///
    /// The table is in the firmware of the part. This core loads none, so clients are told that there is no table
    /// (bind-and-exec sheet §3.13, query 4) unless the embedder has it.
    pub const fn set_hwconfig(&mut self, table: &'a [u8]) {
        self.hwconfig = table;
    }

    /// For tests of what no client and no device can bring about: page tables of this tile refuse every change from now
    /// on, after the call that asked for it was accepted.
    pub const fn break_tables(&mut self, of_tile: Option<u8>) {
        self.broken_tile = of_tile;
    }

    /// What the probe found.
    #[must_use]
    pub const fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// What it was opened with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether it still works.
    #[must_use]
    pub const fn state(&self) -> DeviceState {
        self.state
    }

    /// The HAL's clock.
    pub fn now(&mut self) -> Nanos {
        self.hal.now()
    }

    /// Lets the embedder's surroundings run, see [`Clock::relax`](barexe_hal::Clock::relax).
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn relax(&mut self, until: Nanos) -> Result<(), Error> {
        Ok(self.hal.relax(until)?)
    }

    /// The HAL, for embedders that share it.
    pub const fn hal_mut(&mut self) -> &mut H {
        &mut self.hal
    }

    /// Refuses calls that need a working device.
    const fn check_live(&self) -> Result<(), Error> {
        match self.state {
            DeviceState::Live => Ok(()),
            DeviceState::Wedged => Err(Error::Canceled),
            DeviceState::Gone => Err(Error::DeviceGone),
        }
    }
}
