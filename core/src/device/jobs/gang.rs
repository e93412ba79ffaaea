//! Queues on several engines: placements to choose from, and gangs, whose jobs have a part on each of several engines.
//!
//! A gang is a lead and its members, each a queue of the pool with a context of its own. Clients name the lead. Jobs go
//! into all rings at once, a semaphore in memory holds their parts together (see [`ring::gang`](crate::ring::gang)), and
//! the lead's number stands for all. No firmware has a part in it.
//!
//! Two gangs on the same engines could miss each other for ever, each waiting for its other half. So gangs take turns
//! over the whole device: the one whose turn it is goes before everything of its priority, on all of its engines.

use crate::Error;
use crate::chain::LinkHandle;
use crate::device::objects::client::ClientId;
use crate::device::request::{EngineRef, QueueProperties};
use crate::device::{Device, Pools};
use crate::exec::job::{Job, Jobs, Work};
use crate::exec::lrc::{BatchRequest, Emitted, Lrc};
use crate::exec::queue::{ExecPart, Members, Placements, Queue, QueueKind, Role};
use crate::exec::watch::Watch;
use crate::gt::EngineClass;
use crate::mem::tlb::RingMark;
use crate::pool::Handle;
use crate::ring::RingFormat;
use crate::ring::gang::{MEMBERS_MAX, Part};
use crate::sync::fence::Dependencies;
use crate::vm::Vm;
use barexe_hal::{GpuVa, Hal, Nanos};

/// How long a gang goes before others.
const TURN: Nanos = Nanos::from_millis(2);

/// Where one context of a queue may run.
#[derive(Clone, Copy, Debug)]
pub(in crate::device) struct Place {
    first: u8,
    any: Placements,
    /// It is one of several.
    together: bool,
}

/// The places of a queue's contexts, the lead's first.
pub(in crate::device) type Places = heapless::Vec<Place, { MEMBERS_MAX + 1 }>;

/// Which gang goes before others.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::device) struct Turn {
    /// None: nobody does.
    lead: Option<Handle<Queue>>,
    until: Nanos,
}

impl Turn {
    /// Whether the turn is that of the gang this queue is part of.
    pub(super) fn is_of(&self, handle: Handle<Queue>, queue: &Queue) -> bool {
        self.lead.is_some_and(|lead| queue.lead().unwrap_or(handle) == lead)
    }
}

impl<H: Hal> Device<'_, H> {
    /// Checks engines that a queue may name: entry for parallel position i of placement j at j * width + i
    /// (bind-and-exec sheet §3.6 rows 6a and 6b).
    ///
    /// # Errors
    /// [`Error::Invalid`] for an engine that does not exist or is reserved, for engines of different classes or GTs, and
    /// for neighbouring positions that are not neighbouring instances; [`Error::Unsupported`] for a width above 1 of a
    /// class whose engines do not work together.
    pub fn check_placements(&self, named: &[EngineRef], width: u16) -> Result<(), Error> {
        let wide = usize::from(width);
        let Some(first) = named.first() else { return Err(Error::invalid("number of placements", 0)) };
        if named.len() > MEMBERS_MAX.saturating_add(1) || named.len().checked_rem(wide) != Some(0) {
            return Err(Error::invalid("queue width", u64::from(width)));
        }
        for (at, engine) in named.iter().enumerate() {
            let before = at.checked_sub(1).filter(|_| at.checked_rem(wide) != Some(0));
            let before = before.and_then(|before| named.get(before)).map(|before| before.instance);
            let follows = before.is_none_or(|before| before.checked_add(1) == Some(engine.instance));
            self.position_of(engine)?;
            if (engine.class, engine.gt) != (first.class, first.gt) || !follows {
                return Err(Error::invalid("engine instance", u64::from(engine.instance)));
            }
        }
        let together = matches!(first.class, EngineClass::VideoDecode | EngineClass::VideoEnhance);
        if width > 1 && !together {
            return Err(Error::Unsupported { what: "jobs of several engines of this class" });
        }
        Ok(())
    }

    pub(in crate::device) fn position_of(&self, named: &EngineRef) -> Result<u8, Error> {
        let fits = |engine: &crate::gt::Engine| {
            !engine.reserved
                && engine.class == named.class
                && u16::from(engine.logical) == named.instance
                && u16::from(engine.gt) == named.gt
        };
        let position = self.info.engines.iter().position(fits);
        let position = position.and_then(|position| u8::try_from(position).ok());
        position.ok_or(Error::invalid("engine instance", u64::from(named.instance)))
    }

    /// Where the contexts of a queue may run. One context may run on any of its placements. The contexts of a gang cannot
    /// wander one by one, so for them one placement is chosen: that whose first engine has the fewest queues.
    pub(in crate::device) fn places_of(&self, named: &[EngineRef], width: u16) -> Result<Places, Error> {
        self.check_placements(named, width)?;
        let (mut places, wide) = (Places::new(), usize::from(width));
        if let ([first, ..], 1) = (named, width) {
            let (first, mut any) = (self.position_of(first)?, Placements::default());
            for engine in named {
                any = any.with(self.position_of(engine)?);
            }
            let _ = places.push(Place { first, any, together: false });
            return Ok(places);
        }
        let (mut chosen, mut fewest) = (0, usize::MAX);
        for start in (0..named.len()).step_by(wide.max(1)) {
            let Some(first) = named.get(start) else { break };
            let engine = self.position_of(first)?;
            let load = self.pools.queues.iter().filter(|(_, queue)| queue.is_on(engine)).count();
            if load < fewest {
                (chosen, fewest) = (start, load);
            }
        }
        for engine in named.iter().skip(chosen).take(wide) {
            let first = self.position_of(engine)?;
            // The number of engines was checked.
            let _ = places.push(Place { first, any: Placements::default().with(first), together: true });
        }
        Ok(places)
    }

    /// Makes a queue and the members of its gang, or nothing.
    pub(in crate::device) fn add_exec_queue(
        &mut self,
        owner: (ClientId, Handle<Vm>),
        places: &Places,
        properties: QueueProperties,
    ) -> Result<Handle<Queue>, Error> {
        let mut lead: Option<Handle<Queue>> = None;
        for place in places {
            match (self.add_context(owner, *place, properties, lead), lead) {
                (Ok(first), None) => lead = Some(first),
                (Ok(member), Some(lead)) => {
                    let exec = self.pools.queues.get_mut(lead).and_then(Queue::exec_mut);
                    if let Some(ExecPart { role: Role::Lead(members), .. }) = exec {
                        // There is a place for each context that a queue can have.
                        let _ = members.push(member);
                    }
                }
                (Err(error), made) => {
                    if let Some(lead) = made {
                        self.free_queue(lead);
                    }
                    return Err(error);
                }
            }
        }
        lead.ok_or(Error::invalid("number of placements", 0))
    }

    fn add_context(
        &mut self,
        owner: (ClientId, Handle<Vm>),
        place: Place,
        properties: QueueProperties,
        lead: Option<Handle<Queue>>,
    ) -> Result<Handle<Queue>, Error> {
        let role = match lead {
            Some(lead) => Role::Member(lead),
            None if place.together => Role::Lead(Members::new()),
            None => Role::Alone,
        };
        let exec = ExecPart {
            engine: place.first,
            class: self.info.engines.get(usize::from(place.first)).map_or(EngineClass::Gsc, |engine| engine.class),
            placements: place.any,
            role,
            lrc: self.make_lrc(place.first, owner.1)?,
            next_to_emit: None,
            flushed: RingMark::default(),
            properties,
            scheduling: self.scheduling_of(place.first),
            watch: Watch::NEW,
            was_on_an_engine: false,
            clock: 0,
            turn: 0,
            hits: 0,
            blame: None,
        };
        let timeline = lead.and_then(|lead| self.pools.queues.get(lead)).map(|lead| lead.timeline);
        self.add_queue(owner, QueueKind::Exec(exec), lead.is_some(), timeline)
    }

    /// Whether an engine may still touch a context of the queue or of its members.
    pub(super) fn is_on_an_engine(&self, handle: Handle<Queue>) -> bool {
        let members = self.pools.queues.get(handle).map_or(&[][..], Queue::members);
        self.ports.iter().any(|port| port.holds(handle) || members.iter().any(|member| port.holds(*member)))
    }

    /// The contexts of the gang whose turn it is.
    pub(super) fn queues_in_turn(&self) -> impl Iterator<Item = (Handle<Queue>, &Queue)> {
        let queues = &self.pools.queues;
        let lead = self.turn.lead.and_then(|lead| Some((lead, queues.get(lead)?)));
        let members = lead.map_or(&[][..], |(_, lead)| lead.members());
        lead.into_iter().chain(members.iter().filter_map(|member| Some((*member, queues.get(*member)?))))
    }

    /// Lets the next gang go before others, when the turn is over or its gang has nothing left.
    pub(super) fn take_turns(&mut self) {
        let queues = &self.pools.queues;
        let lead = self.turn.lead.filter(|lead| queues.get(*lead).is_some_and(Queue::is_ready));
        if self.now < self.turn.until && lead == self.turn.lead {
            return;
        }
        let after = self.turn.lead.map_or(0, |lead| lead.index().saturating_add(1));
        let next = self.pools.ready_gangs().filter(|gang| gang.index() >= after).min_by_key(|gang| gang.index());
        if next.is_none() && self.turn.lead.is_none() {
            return;
        }
        self.turn = Turn { lead: next, until: self.now.saturating_add(TURN) };
    }
}

impl Pools<'_> {
    /// Gives each member its part of a job; there is room (see [`Queue::room_for_job`]).
    pub(super) fn push_parts(&mut self, lead: Handle<Queue>, point: u64, batches: &[GpuVa]) {
        for (at, batch) in batches.iter().enumerate().skip(1) {
            let member = self.queues.get(lead).and_then(|lead| lead.members().get(at.saturating_sub(1)).copied());
            if let Some(member) = member.and_then(|member| self.queues.get_mut(member)) {
                let work = Work::Batch { batch: *batch, user_fence: None, emitted: None };
                member.push(&mut self.jobs, Job { point, wait: Dependencies::new(), work });
            }
        }
    }

    /// Puts all parts of a job into their rings, or none; where the lead's part lies. `request` is the lead's.
    pub(super) fn emit_parts<H: Hal>(
        &mut self,
        lead: Handle<Queue>,
        (format, class): (&RingFormat, EngineClass),
        request: &BatchRequest,
        hal: &mut H,
    ) -> Result<Option<Emitted>, Error> {
        let Some(found) = self.queues.get(lead) else { return Ok(None) };
        let mut members = Members::new();
        // Not cloned: that would bring a panic path in.
        let _ = members.extend_from_slice(found.members());
        for context in core::iter::once(&lead).chain(&members) {
            if !lrc_of(self, *context).map_or(Ok(true), Lrc::has_room_for_part)? {
                return Ok(None);
            }
        }
        let Some(lead_addrs) = lrc_of(self, lead).map(|lrc| *lrc.addrs()) else { return Ok(None) };
        let mut addrs = heapless::Vec::<_, MEMBERS_MAX>::new();
        for member in &members {
            let Some(exec) = self.queues.get_mut(*member).and_then(Queue::exec_mut) else { continue };
            let Some(next) = exec.next_to_emit else { continue };
            exec.next_to_emit = Jobs::after(&self.jobs, next);
            let Some(Job { work: Work::Batch { batch, emitted, .. }, .. }) =
                self.jobs.get_mut(next).map(|link| &mut link.value)
            else {
                continue;
            };
            let part = (&BatchRequest { batch: *batch, user_fence: None, ..*request }, Part::Member(&lead_addrs));
            *emitted = exec.lrc.emit_part(format, class, part, hal)?;
            let _ = addrs.push(*exec.lrc.addrs());
            self.note_readiness(*member);
        }
        let Some(lrc) = lrc_of(self, lead) else { return Ok(None) };
        lrc.emit_part(format, class, (request, Part::Lead(&addrs)), hal)
    }

    /// Notes where a job of the queue, or the lead's part of it, lies in the ring.
    pub(super) fn note_emitted(
        &mut self,
        queue: Handle<Queue>,
        job: LinkHandle<Job>,
        place: Emitted,
        flushed: RingMark,
    ) {
        let after = Jobs::after(&self.jobs, job);
        if let Some(exec) = self.queues.get_mut(queue).and_then(Queue::exec_mut) {
            (exec.next_to_emit, exec.flushed) = (after, flushed);
        }
        if let Some(Work::Batch { emitted, .. }) = self.jobs.get_mut(job).map(|link| &mut link.value.work) {
            *emitted = Some(place);
        }
        self.note_readiness(queue);
    }

    /// Takes the oldest part out of every member: the lead's job is over.
    pub(super) fn finish_parts<H: Hal>(&mut self, lead: Handle<Queue>, hal: &mut H) -> Result<(), Error> {
        for at in 0..MEMBERS_MAX {
            let member = self.queues.get(lead).and_then(|lead| lead.members().get(at).copied());
            let Some((handle, found)) = member.and_then(|member| Some((member, self.queues.get_mut(member)?))) else {
                break;
            };
            let part = found.pop(&mut self.jobs);
            if let Some(exec) = found.exec_mut() {
                exec.hits = 0;
                exec.lrc.completed(hal)?;
                if let Some(Job { work: Work::Batch { emitted: Some(emitted), .. }, .. }) = part {
                    exec.lrc.retire(emitted);
                }
            }
            self.note_readiness(handle);
        }
        self.note_readiness(lead);
        Ok(())
    }
}

fn lrc_of<'p>(pools: &'p mut Pools<'_>, queue: Handle<Queue>) -> Option<&'p mut Lrc> {
    pools.queues.get_mut(queue).and_then(Queue::exec_mut).map(|exec| &mut exec.lrc)
}
