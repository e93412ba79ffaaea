//! The public face: clients, handles and every call.
//!
//! A [`Device`] is one value over one HAL and lent storage. Calls take `&mut self` and never wait: they are refused
//! and change nothing, or they are accepted and give a [`Ticket`]. [`Device::poll`] moves accepted work forward;
//! who calls it, and how one waits in between, is the embedder's choice.
//!
//! | modules | hold |
//! |---|---|
//! | `life`, `pools` | opening and closing; the lent storage |
//! | [`request`] | what calls carry |
//! | `objects` | clients, buffer objects, address spaces, queues, sync objects: made, looked up, shared, destroyed |
//! | `binds` | binds checked, planned, carried out; client memory that is mapped, and taken back |
//! | `jobs` | execs, and the syncs of a call; queues, engines, turns; what happens when work goes wrong |
//! | `ticket`, [`wait`], [`awaited`] | what became of work; waiting for it, in a loop or as a future |
//! | `power` | the device suspended, and resumed when its power comes back |
//! | `scheduling` | what engine classes give to their queues; resets that nobody is to blame for |
//! | `cycles` | engine time beside CPU time |
//! | `charges` | what of the lent storage is charged to whom |
//! | `inspect`, `inject` | a look inside, and failures on demand, for tests and debuggers |

pub mod awaited;
mod binds;
mod charges;
mod cycles;
mod inject;
mod inspect;
mod jobs;
mod life;
mod objects;
mod pools;
mod power;
pub mod request;
mod scheduling;
mod ticket;
mod usage;
pub mod wait;

pub use binds::commit::TableWriter;
pub use binds::invalidate::InvalidationTicket;
pub use binds::page_fault::{FaultAccess, PageFault};
pub use charges::PlacesInUse;
pub use cycles::EngineCycles;
pub use inspect::{FencesInUse, MappingInfo};
pub(crate) use jobs::exec::ExecFrom;
pub use jobs::hang::HangReport;
pub use jobs::syncs::PendingUserFence;
pub use jobs::work::PollReport;
pub use life::OpenError;
pub use objects::bo::{BoMapping, MappingId};
pub use objects::client::{Client, ClientId};
pub use objects::outside::OutsideFence;
pub use objects::share::{BoImport, ExportedBo};
pub use objects::sync_share::{ExportedSyncobj, SyncFile};
pub use objects::syncobj::{SyncobjLook, TimelineLook};
pub use objects::transfer::SyncobjPoint;
pub use scheduling::Scheduling;
pub use ticket::{Ticket, TicketState};
pub use usage::{EngineTicks, MemoryUse};

use crate::chain::Chain;
use crate::exec::migration::Migrations;
use crate::gt::reset::engine::EngineReset;
use crate::gt::{DeviceInfo, IrqFlag, PLATFORMS, Platform};
use crate::mem::ggtt::Ggtt;
use crate::mem::pages::PtMemory;
use crate::mem::tlb::{EngineTlb, TlbInvalidator};
use crate::submit::Ports;
use crate::{Error, Shares};
use barexe_hal::{Hal, Nanos};
use pools::Pools;

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
    /// Longest time a job of a VM that is not long-running may run (commands-and-fences sheet §4.6).
    pub job_timeout: Nanos,
    /// Longest time a context may take to leave its engine when it is asked to, before the engine is reset.
    pub preempt_timeout: Nanos,
    /// Drive hardware of a family of which something is assumed that nobody has confirmed on silicon
    /// ([`Family::unverified`](crate::family::Family::unverified)); a simulator needs no permission.
    pub allow_unverified: bool,
    /// Places of the lent storage that each client is promised: [`Shares::even`], or a choice of one's own. By default none,
    /// and the storage is there for whoever comes first: right for a single client, which may then use all of it, and for
    /// clients that trust each other.
    pub shares: Shares,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            system_memory_bytes: 1 << 30,
            tag: 0,
            tables: TableWriter::Auto,
            platforms: &PLATFORMS,
            job_timeout: Nanos::from_millis(5000),
            preempt_timeout: Nanos::from_millis(640),
            allow_unverified: false,
            shares: Shares::NONE,
        }
    }
}

/// Whether the device still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It does.
    Live,
    /// It is without power, see [`suspend`](Device::suspend): accepted work waits, calls are refused.
    Suspended,
    /// It answered in a way it must not, or did not finish in time; everything accepted has been signalled.
    Wedged,
    /// It does not answer at all.
    Gone,
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
    ports: Ports<'a>,
    /// The driver's own contexts.
    migrations: Migrations,
    /// Their engines run nothing else.
    owns_copy_engine: bool,
    irq: Option<&'a IrqFlag>,
    /// User fences that [`deliver_user_fences`](Self::deliver_user_fences) has to store.
    user_fences_due: Chain<PendingUserFence>,
    /// Number of the newest bind user fence.
    last_user_fence: u32,
    /// Invalidations of client memory so far.
    invalidations: u64,
    next_asid: u32,
    next_mmap_offset: u64,
    hwconfig: &'a [u8],
    /// When a busy device is asked for a sign of life.
    next_look: Nanos,
    /// A closed client may still have its place.
    clients_closing: bool,
    /// Which gang goes before others.
    turn: jobs::gang::Turn,
    /// The instant of the poll that is going on; zero between polls.
    now: Nanos,
    /// Which kind of queues each group of engines runs.
    modes: jobs::modes::Modes,
    /// Engines are to let go of everything: the device is to be suspended.
    resting: bool,
    /// What each engine gives to queues that are created.
    scheduling: scheduling::OfEngines,
    /// The reset of engines that is going on.
    reset: Option<EngineReset>,
    /// What stopped the first engine that was stopped.
    first_hang: Option<HangReport>,
    injection: inject::Injection,
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
            DeviceState::Suspended => Err(Error::Suspended),
            DeviceState::Wedged => Err(Error::Canceled),
            DeviceState::Gone => Err(Error::DeviceGone),
        }
    }
}
