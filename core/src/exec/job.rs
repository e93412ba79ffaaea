//! Accepted work.

use super::lrc::Emitted;
use crate::Error;
use crate::chain::{Chain, LinkPool};
use crate::device::request::UserFenceWrite;
use crate::mem::pages::{Dropped, Reservation};
use crate::mem::tlb::{Stale, TlbTicket};
use crate::sync::fence::Dependencies;
use crate::sync::seqno::Seqno;
use crate::vm::steps::StepQueue;
use crate::vm::vma::VaRange;
use barexe_hal::GpuVa;

/// What a job does when its turn has come.
#[derive(Debug)]
pub enum Work {
    /// Nothing: it is over when everything before it is, and what it waits for (a zero-op call with in-syncs).
    Barrier,
    /// Runs a batch.
    Batch {
        /// Where it starts.
        batch: GpuVa,
        /// Value the GPU stores when the batch is over, and where.
        user_fence: Option<(GpuVa, u64)>,
        /// Where it is in the ring, once it is there.
        emitted: Option<Emitted>,
    },
    /// Changes page tables.
    Bind(BindWork),
}

impl Work {
    /// 1 if it runs a batch, else 0.
    #[must_use]
    pub const fn batches(&self) -> u32 {
        match self {
            Self::Batch { .. } => 1,
            Self::Barrier | Self::Bind(_) => 0,
        }
    }

    /// Whether it writes mappings again that other work may be using.
    #[must_use]
    pub const fn rebinds(&self) -> bool {
        matches!(self, Self::Bind(BindWork { rebinds: true, .. }))
    }
}

/// The user fence of a bind.
#[derive(Clone, Copy, Debug)]
pub struct NumberedUserFence {
    /// The number that mappings made by the bind carry.
    pub number: u32,
    /// What is to be stored.
    pub write: UserFenceWrite,
}

/// A change of page tables.
#[derive(Debug)]
pub struct BindWork {
    /// Mapping changes, in order, and mappings that are gone from the page tables and wait for the invalidation.
    pub steps: StepQueue,
    /// Tables for them; what is not taken goes back when the work is over.
    pub reservation: Reservation,
    /// Addresses it changes; none if there is nothing to do.
    pub span: Option<VaRange>,
    /// Something goes from the page tables.
    pub unbinds: bool,
    /// It writes mappings again that work may be using: later binds that map, and execs, wait for it.
    pub rebinds: bool,
    /// It keeps the queues of its VM, which is long-running, from the engines until it is over.
    pub suspends: bool,
    /// Once carried out: the invalidation that must be over before old tables and mappings go.
    pub invalidation: Option<TlbTicket>,
    /// Tables that are gone from the page tables and wait for the invalidation.
    pub dropped: Dropped,
    /// The copy engine stores the entries, not the CPU.
    pub by_engine: bool,
    /// The last job that does.
    pub last_job: Option<Seqno>,
    /// What TLBs may hold of the steps that are staged.
    pub stale: Stale,
    /// Its turn has come.
    pub started: bool,
    /// Whether the entries are written.
    pub written: bool,
    /// Why they could not be, all of them.
    pub failure: Option<Error>,
    /// The client's user fence, due when the bind is over.
    pub user_fence: Option<NumberedUserFence>,
}

/// One accepted call.
#[derive(Debug)]
pub struct Job {
    /// Its point on the queue's timeline.
    pub point: u64,
    /// What it waits for before it starts.
    pub wait: Dependencies,
    /// What it does.
    pub work: Work,
}

/// The jobs of all queues.
pub type JobPool<'a> = LinkPool<'a, Job>;
/// The jobs of one queue, oldest first.
pub type Jobs = Chain<Job>;
