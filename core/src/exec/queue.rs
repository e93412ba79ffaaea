//! Queues: the ordering domains of binds and execs.

use super::job::{Job, JobPool, Jobs};
use super::lrc::Lrc;
use super::watch::Watch;
use crate::chain::LinkHandle;
use crate::device::Client;
use crate::device::Scheduling;
use crate::device::request::QueueProperties;
use crate::gt::EngineClass;
use crate::list::{Linked, Links};
use crate::mem::tlb::RingMark;
use crate::num::{low8, u32_capped, u64_of};
use crate::pool::{Handle, Pool};
use crate::ring::gang::MEMBERS_MAX;
use crate::shares::Owner;
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
    /// Position in [`DeviceInfo::engines`](crate::gt::DeviceInfo) of the engine it runs on, or ran on last.
    pub engine: u8,
    /// The class of all of them.
    pub class: EngineClass,
    /// The engines it may run on.
    pub placements: Placements,
    /// Whether its jobs have parts on other engines.
    pub role: Role,
    /// Ring and context image.
    pub lrc: Lrc,
    /// Oldest job that is not in the ring yet.
    pub next_to_emit: Option<LinkHandle<Job>>,
    /// What the newest job that was emitted has flushed for.
    pub flushed: RingMark,
    /// Scheduling properties.
    pub properties: QueueProperties,
    /// What its engines had for new queues when it was created.
    pub scheduling: Scheduling,
    /// How long its oldest job has run.
    pub watch: Watch,
    /// Whether an engine might touch its context when its oldest job was last looked at.
    pub was_on_an_engine: bool,
    /// The context's own clock when it was looked at last, in ticks.
    pub clock: u64,
    /// When its turn is, among the queues that are ready.
    pub turn: u64,
    /// How many resets that others were to blame for have hit its oldest job.
    pub hits: u8,
    /// Why the job that ran last was taken off its engine; the jobs after it are cancelled.
    pub blame: Option<Error>,
}

/// A set of engines, by position in [`DeviceInfo::engines`](crate::gt::DeviceInfo).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placements(u32);

impl Placements {
    /// With one more engine.
    #[must_use]
    pub const fn with(self, engine: u8) -> Self {
        Self(self.0 | 1u32.unbounded_shl(engine as u32))
    }

    /// Whether an engine is in it.
    #[must_use]
    pub const fn has(self, engine: u8) -> bool {
        1u32.unbounded_shl(engine as u32) & self.0 != 0
    }
}

/// What a context does in jobs that run on several engines at once (see [`gang`](crate::ring::gang)).
#[derive(Debug)]
pub enum Role {
    /// Jobs of the queue run on one engine.
    Alone,
    /// The queue's own context; the others, in the order of parallel positions.
    Lead(Members),
    /// One of the others. The queue that clients name.
    Member(Handle<Queue>),
}

/// The contexts beside the lead, each a hidden queue: the lead's jobs move theirs.
pub type Members = heapless::Vec<Handle<Queue>, MEMBERS_MAX>;

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
    /// Whether polls look at it.
    pub attention: Attention,
    /// Where it stands in the lists of its device.
    pub links: QueueLinks,
}

/// Whether every poll looks at a queue, or what it sleeps on.
///
/// A queue that is not awake cannot move: none of its jobs may start, and none may end, before something else has moved
/// that wakes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attention {
    /// Nothing of it can move before a call, or an engine that it is given, wakes it.
    #[default]
    Asleep,
    /// Every poll looks at it.
    Awake,
    /// Its next job cannot start before this fence has signalled, which wakes it.
    Until(Fence),
}

/// Lists that queues stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueList {
    /// Of all that are awake, or of those that sleep until the fences of one timeline have signalled.
    Attention,
    /// Of those that an engine could run: with jobs in their rings that are not over.
    Ready,
    /// Of the gangs among these.
    Gangs,
}

/// Where a queue stands in each of them.
#[derive(Debug, Default)]
pub struct QueueLinks {
    attention: Links,
    ready: Links,
    gangs: Links,
}

impl Linked for Queue {
    type Kind = QueueList;

    fn links(&self, kind: QueueList) -> &Links {
        match kind {
            QueueList::Attention => &self.links.attention,
            QueueList::Ready => &self.links.ready,
            QueueList::Gangs => &self.links.gangs,
        }
    }

    fn links_mut(&mut self, kind: QueueList) -> &mut Links {
        match kind {
            QueueList::Attention => &mut self.links.attention,
            QueueList::Ready => &mut self.links.ready,
            QueueList::Gangs => &mut self.links.gangs,
        }
    }
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

    /// The contexts beside its own that its jobs run on.
    #[must_use]
    pub fn members(&self) -> &[Handle<Self>] {
        match self.exec().map(|exec| &exec.role) {
            Some(Role::Lead(members)) => members,
            Some(Role::Alone | Role::Member(_)) | None => &[],
        }
    }

    /// Takes one member out.
    pub fn pop_member(&mut self) -> Option<Handle<Self>> {
        match self.exec_mut().map(|exec| &mut exec.role) {
            Some(Role::Lead(members)) => members.pop(),
            Some(Role::Alone | Role::Member(_)) | None => None,
        }
    }

    /// Whether an engine is the one its own context runs on, or ran on last.
    #[must_use]
    pub fn is_on(&self, engine: u8) -> bool {
        self.exec().is_some_and(|exec| exec.engine == engine)
    }

    /// Batches of each of its jobs; 0 for a bind queue.
    #[must_use]
    pub fn width(&self) -> u16 {
        let others = u16::from(low8(u64_of(self.members().len())));
        if self.exec().is_some() { others.saturating_add(1) } else { 0 }
    }

    /// The queue whose jobs move its own, if it is part of another.
    #[must_use]
    pub const fn lead(&self) -> Option<Handle<Self>> {
        match self.exec() {
            Some(ExecPart { role: Role::Member(lead), .. }) => Some(*lead),
            _ => None,
        }
    }

    /// Whether an engine could run what is in its ring.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == QueueState::Live && self.exec().is_some_and(|exec| exec.lrc.is_busy())
    }

    /// The job that starts next: the oldest bind, or the oldest batch that is not in the ring.
    #[must_use]
    pub const fn next_to_start(&self) -> Option<LinkHandle<Job>> {
        match self.exec() {
            Some(exec) => exec.next_to_emit,
            None => self.jobs.first(),
        }
    }

    /// The fence of the newest job like this that is not over.
    pub fn last_job(&self, jobs: &JobPool<'_>, like: impl Fn(&Job) -> bool) -> Option<Fence> {
        let newest = self.jobs.iter(jobs).filter(|job| like(job)).last();
        newest.map(|job| Fence { timeline: self.timeline, point: job.point })
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
        let parts = u32_capped(self.members().len()).saturating_add(1);
        if jobs.room_for(Owner::of(self.client)) < parts { Err(Error::Exhausted(Capacity::Jobs)) } else { Ok(()) }
    }

    /// Appends a job; there is room (see [`room_for_job`](Self::room_for_job)).
    pub fn push(&mut self, jobs: &mut JobPool<'_>, job: Job) -> Option<LinkHandle<Job>> {
        let batches = job.work.batches();
        let handle = self.jobs.push_for(jobs, Owner::of(self.client), job).ok()?;
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
