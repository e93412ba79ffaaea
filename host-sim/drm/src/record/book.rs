//! What the recorder knows, and how it tells what happened to memory.

use super::jobs::{Jobs, Spot};
use super::known::{Authors, JobId, Known, Run};
use super::look;
use super::objects::Objects;
use super::out::Output;
use super::ranges::{Ranges, Reason, Tracked};
use crate::arena::Arena;
use crate::process::Process;
use barexe_recording::hex::Packed;
use barexe_recording::{Addr, Body, Place, Runs};
use core::ops::Range;
use std::sync::Arc;

/// Everything about one process.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) out: Output,
    pub(super) process: Process,
    pub(super) objects: Objects,
    pub(super) jobs: Jobs,
    pub(super) ranges: Ranges,
    /// What the arena holds.
    pub(super) arena: Known,
    /// What tracked memory of the client holds.
    pub(super) client: Known,
    pub(super) threads: Vec<u64>,
}

/// A range that a call makes matter, and what the client has in it before.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) tracked: Tracked,
    holds: Runs,
}

/// A range as the file has it.
pub(super) const fn user(range: &Range<u64>) -> (Addr, u64) {
    (Addr(range.start), range.end.saturating_sub(range.start))
}

/// Runs as the file has them: offsets from a start; neighbours are one.
fn runs(found: Vec<Run>, offset: impl Fn(u64) -> u64) -> Runs {
    let mut runs: Runs = Vec::new();
    for (at, bytes) in found {
        let at = offset(at);
        match runs.last_mut().filter(|(start, run)| start.saturating_add(run.0.len() as u64) == at) {
            Some((_, run)) => run.0.extend(bytes),
            None => runs.push((at, Packed(bytes))),
        }
    }
    runs
}

impl Book {
    /// Tells what the client wrote since the last event.
    pub(super) fn catch_up(&mut self, arena: &Arena) {
        let mut over = false;
        for bo in self.objects.shown(true) {
            let mut all: Runs = Vec::new();
            for (offset, range) in self.objects.places(bo) {
                let mut found = Vec::new();
                look::arena(arena, range.clone(), |at, bytes| {
                    let (runs, was_something) = self.arena.changes(at, bytes);
                    over |= was_something;
                    found.extend(runs);
                });
                all.extend(runs(found, |at| offset.saturating_add(at.saturating_sub(range.start))));
            }
            self.wrote(Place::Bo(bo), all);
        }
        let tracked: Vec<Range<u64>> = self.ranges.all.iter().map(|tracked| tracked.at.clone()).collect();
        for range in tracked {
            let mut found = Vec::new();
            look::client(self.process, range.clone(), |at, bytes| {
                let (runs, was_something) = self.client.changes(at, bytes);
                over |= was_something;
                found.extend(runs);
            });
            self.wrote(Place::User(Addr(range.start)), runs(found, |at| at.saturating_sub(range.start)));
        }
        if over && self.jobs.is_running() {
            // What a batch that runs may be looking at was changed: it has to run before.
            self.out.tag("spinning_batch");
        }
    }

    fn wrote(&mut self, place: Place, runs: Runs) {
        if !runs.is_empty() {
            self.out.event(Body::CpuWrite { place, runs });
        }
    }

    /// A range that is going to matter: what is in it is known from here on, and told once the call has succeeded.
    pub(super) fn fresh(&mut self, at: Range<u64>, reason: Reason) -> Fresh {
        self.client.forget(at.clone());
        let mut found = Vec::new();
        look::client(self.process, at.clone(), |at, bytes| found.extend(self.client.changes(at, bytes).0));
        let holds = runs(found, |found| found.saturating_sub(at.start));
        Fresh { tracked: Tracked { at, reason }, holds }
    }

    /// It does not matter after all.
    pub(super) fn dismiss(&mut self, fresh: Fresh) {
        self.client.forget(fresh.tracked.at);
    }

    /// A range matters from here on.
    pub(super) fn track(&mut self, fresh: Fresh) {
        let (addr, length) = user(&fresh.tracked.at);
        // Another thread may have come first.
        if !self.ranges.has(addr.0) {
            self.out.event(Body::UserRange { addr, length });
            self.ranges.all.push(fresh.tracked);
            self.wrote(Place::User(addr), fresh.holds);
        }
    }

    /// Ranges that matter no longer are told of.
    pub(super) fn untrack(&mut self) {
        let bound = self.objects.bound_memory();
        let (jobs, objects) = (&self.jobs, &self.objects);
        let ended = self.ranges.take(|tracked| match tracked.reason {
            Reason::Bound => !bound.overlaps(&tracked.at),
            Reason::Fence => !jobs.awaits(objects.spot(tracked.at.start)),
            Reason::Wait => true,
        });
        for range in ended {
            let (addr, length) = user(&range);
            self.client.forget(range);
            self.out.event(Body::UserRangeEnd { addr, length });
        }
    }

    /// These jobs are over, as a wait has shown: what they stored is told.
    pub(super) fn proven(&mut self, jobs: Vec<JobId>) {
        self.jobs.prove(jobs);
        for bo in self.objects.shown(false) {
            let mut all: Runs = Vec::new();
            for (offset, range) in self.objects.places(bo) {
                let found = self.arena.take_over(range.clone(), |authors| is_over(&self.jobs, authors));
                all.extend(runs(found, |at| offset.saturating_add(at.saturating_sub(range.start))));
            }
            self.found(Place::Bo(bo), all);
        }
        for range in self.ranges.all.iter().map(|tracked| tracked.at.clone()).collect::<Vec<_>>() {
            let found = self.client.take_over(range.clone(), |authors| is_over(&self.jobs, authors));
            self.found(Place::User(Addr(range.start)), runs(found, |at| at.saturating_sub(range.start)));
        }
    }

    fn found(&mut self, place: Place, runs: Runs) {
        if !runs.is_empty() {
            self.out.event(Body::GpuResult { place, runs });
        }
    }

    /// The driver wrote to an address of the client: what a call answers, or the user fence of a bind.
    pub(super) fn driver_wrote(&mut self, addr: u64, bytes: &[u8]) {
        let spot = self.objects.spot(addr);
        let fence = <[u8; 8]>::try_from(bytes).ok().map(u64::from_le_bytes);
        let job = fence.and_then(|fence| self.jobs.of_fence(spot, |value| value == fence));
        let authors: Option<Authors> = job.map(|job| Arc::from([job]));
        let (known, at) = match spot {
            Spot::Arena(at) => (&mut self.arena, at),
            // The fence of a call that has not come back yet is in no range yet.
            Spot::Client(at) if authors.is_some() || self.ranges.has(at) => (&mut self.client, at),
            Spot::Client(_) => return,
        };
        match authors {
            Some(authors) => known.store(at, bytes, &authors),
            None => known.write(at, bytes),
        }
    }

    /// Index of the calling thread; the first one has none.
    pub(super) fn thread(&mut self, id: u64) -> Option<u64> {
        let known = self.threads.iter().position(|known| *known == id);
        let index = known.unwrap_or_else(|| {
            self.threads.push(id);
            self.threads.len().saturating_sub(1)
        });
        u64::try_from(index).ok().filter(|index| *index > 0)
    }
}

fn is_over(jobs: &Jobs, authors: &Authors) -> bool {
    authors.iter().all(|job| jobs.is_over(*job))
}
