//! Queues: the ordering domains of binds and execs.

use super::job::{Job, JobPool, Jobs};
use super::lrc::Lrc;
use super::watch::Watch;
use crate::chain::LinkHandle;
use crate::device::Client;
use crate::device::request::QueueProperties;
use crate::mem::tlb::RingMark;
use crate::pool::{Handle, Pool};
use crate::sync::fence::{Fence, Timeline};
use crate::vm::Vm;
use crate::{Capacity, Error};

/// Most batches one queue holds, accepted and not over (bind-and-exec sheet §3.5 row 9).
pub const MAX_JOBS: u32 = 1000;

/// What a queue runs.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives in a pool slot that has room for either, and there is no heap")]
pub enum QueueKind {
    /// Page-table changes, in order.
    Bind,
    /// Batches on one engine.
    Exec(ExecPart),
}

/// The part of a queue that runs batches.
#[derive(Debug)]
pub struct ExecPart {
    /// Position of its engine in [`DeviceInfo::engines`](crate::gt::DeviceInfo).
    pub engine: u8,
    /// Ring and context image.
    pub lrc: Lrc,
    /// Oldest job that is not in the ring yet.
    pub next_to_emit: Option<LinkHandle<Job>>,
    /// What the newest job that was emitted has flushed for.
    pub flushed: RingMark,
    /// Scheduling properties.
    pub properties: QueueProperties,
    /// How long its oldest job has run.
    pub watch: Watch,
    /// How many resets that others were to blame for have hit its oldest job.
    pub hits: u8,
    /// Why the job that ran last was taken off its engine; the jobs after it are cancelled.
    pub blame: Option<Error>,
}

/// What a queue still accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Everything.
    Live,
    /// Destroyed: its accepted binds finish, its batches that are not in the ring are cancelled.
    Destroyed,
    /// Nothing more runs on it.
    Banned,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    /// The client it belongs to.
    pub client: Handle<Client>,
    /// The VM it works on; it keeps the VM.
    pub vm: Handle<Vm>,
    /// The order of its work.
    pub timeline: Handle<Timeline>,
    /// Whether it still works.
    pub state: QueueState,
    /// Default bind queue of a VM: no client names it.
    pub hidden: bool,
    /// Jobs that are not over.
    pub jobs: Jobs,
    /// How many they are.
    pub live_jobs: u32,
    /// How many of them run batches.
    pub live_batches: u32,
    /// What it runs.
    pub kind: QueueKind,
}

/// All queues of a device.
pub type Queues<'a> = Pool<'a, Queue>;

impl Queue {
    /// The part that runs batches, unless this is a bind queue.
    #[must_use]
    pub const fn exec(&self) -> Option<&ExecPart> {
        match &self.kind {
            QueueKind::Exec(exec) => Some(exec),
            QueueKind::Bind => None,
        }
    }

    /// The part that runs batches, unless this is a bind queue.
    pub const fn exec_mut(&mut self) -> Option<&mut ExecPart> {
        match &mut self.kind {
            QueueKind::Exec(exec) => Some(exec),
            QueueKind::Bind => None,
        }
    }

    /// The fence of the newest job like this that is not over.
    pub fn last_job(&self, jobs: &JobPool<'_>, like: impl Fn(&Job) -> bool) -> Option<Fence> {
        let newest = self.jobs.iter(jobs).filter(|job| like(job)).last();
        newest.map(|job| Fence { timeline: self.timeline, point: job.point })
    }

    /// Batches per exec call: as many as it runs side by side, 0 for a bind queue.
    #[must_use]
    pub const fn width(&self) -> u16 {
        match self.kind {
            QueueKind::Exec(_) => 1,
            QueueKind::Bind => 0,
        }
    }

    /// Whether the queue has as many batches as it takes. Binds have no limit of their own (bind-and-exec sheet §3.2), and
    /// barriers are no jobs (§5.3).
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.live_batches >= MAX_JOBS
    }

    /// Whether one more job fits into the pool.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn room_for_job(&self, jobs: &JobPool<'_>) -> Result<(), Error> {
        if jobs.room() == 0 { Err(Error::Exhausted(Capacity::Jobs)) } else { Ok(()) }
    }

    /// Appends a job; there is room (see [`room_for_job`](Self::room_for_job)).
    pub fn push(&mut self, jobs: &mut JobPool<'_>, job: Job) -> Option<LinkHandle<Job>> {
        let batches = job.work.batches();
        let handle = self.jobs.push(jobs, job).ok()?;
        self.live_jobs = self.live_jobs.saturating_add(1);
        self.live_batches = self.live_batches.saturating_add(batches);
        if let Some(exec) = self.exec_mut() {
            exec.next_to_emit = exec.next_to_emit.or(Some(handle));
        }
        Some(handle)
    }

    /// Takes the oldest job out.
    pub fn pop(&mut self, jobs: &mut JobPool<'_>) -> Option<Job> {
        let oldest = self.jobs.first();
        let next = self.jobs.first().and_then(|first| Jobs::after(jobs, first));
        if let Some(exec) = self.exec_mut()
            && exec.next_to_emit == oldest
        {
            exec.next_to_emit = next;
        }
        let job = self.jobs.pop(jobs)?;
        self.live_jobs = self.live_jobs.saturating_sub(1);
        self.live_batches = self.live_batches.saturating_sub(job.work.batches());
        Some(job)
    }
}
