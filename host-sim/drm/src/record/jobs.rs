//! Jobs and fences: which work a wait proves to be over.
//!
//! A job is over if a wait says so, if a later job of its queue is, or if a job is that waited for it.

use super::known::{Authors, JobId};
use barexe_sim::Author;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An id of an open file.
pub(super) type Key = (u64, u32);

/// What jobs follow each other on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// An exec queue or a bind queue.
    Queue(Key),
    /// Binds of a VM without a queue.
    Vm(Key),
}

/// Where a user fence lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// In the arena.
    Arena(u64),
    /// In other memory of the client.
    Client(u64),
}

/// A user fence of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserFence {
    pub(super) spot: Spot,
    pub(super) value: u64,
}

/// One exec or bind.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) line: Line,
    /// Root of the address space its batches run in; none of a bind.
    pub(super) root: Option<u64>,
    /// Where its batches begin.
    pub(super) batches: Vec<u64>,
    /// What it waits for.
    pub(super) after: Vec<JobId>,
    pub(super) fences: Vec<UserFence>,
}

/// A point of a sync object, and who signals it. Binary ones have point 0 only.
type Points = Vec<(u64, Vec<JobId>)>;

/// All that was ever submitted, by number.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    all: Vec<Job>,
    over: Vec<bool>,
    last: BTreeMap<Line, JobId>,
    syncobjs: BTreeMap<Key, Points>,
    /// Jobs that are not known to be over.
    open: Vec<JobId>,
    /// Who the last store was by, until jobs change.
    guess: Option<(Author, Option<Authors>)>,
}

/// Addresses of batches as the hardware has them.
const VA: u64 = (1 << 48) - 1;

impl Jobs {
    fn index(id: JobId) -> usize {
        usize::try_from(id).unwrap_or(usize::MAX)
    }

    fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(Self::index(id))
    }

    /// A job is about to be submitted.
    pub(super) fn begin(&mut self, mut job: Job) -> JobId {
        let id = JobId::try_from(self.all.len()).unwrap_or(JobId::MAX);
        job.after.extend(self.last.get(&job.line));
        self.all.push(job);
        self.over.push(false);
        self.open.push(id);
        self.guess = None;
        id
    }

    /// It was accepted.
    pub(super) fn accepted(&mut self, id: JobId) {
        if let Some(line) = self.get(id).map(|job| job.line) {
            self.last.insert(line, id);
        }
    }

    /// It was refused: it stores nothing.
    pub(super) fn refused(&mut self, id: JobId) {
        self.end(id);
    }

    fn end(&mut self, id: JobId) {
        self.open.retain(|open| *open != id);
        if let Some(over) = self.over.get_mut(Self::index(id)) {
            *over = true;
        }
        self.guess = None;
    }

    /// Whether nothing of it can come any more.
    pub(super) fn is_over(&self, id: JobId) -> bool {
        self.over.get(Self::index(id)).copied().unwrap_or(true)
    }

    /// Whether a job with batches is under way.
    pub(super) fn is_running(&self) -> bool {
        self.open.iter().any(|id| self.get(*id).is_some_and(|job| job.root.is_some()))
    }

    /// These are over, and with them all that came before.
    pub(super) fn prove(&mut self, mut ids: Vec<JobId>) {
        while let Some(id) = ids.pop() {
            if self.is_over(id) {
                continue;
            }
            self.end(id);
            ids.extend(self.get(id).map(|job| job.after.clone()).unwrap_or_default());
        }
    }

    /// The jobs that may be who stores. None if nobody is known who could.
    pub(super) fn authors(&mut self, author: Author) -> Option<Authors> {
        if let Some((of, guess)) = &self.guess
            && *of == author
        {
            return guess.clone();
        }
        let batch = author.batch.map(|batch| batch & VA);
        let running =
            || self.open.iter().filter_map(|id| Some((*id, self.get(*id)?))).filter(|(_, job)| job.root.is_some());
        let there = |(_, job): &(JobId, &Job)| job.root == Some(author.root);
        let exact = |entry: &(JobId, &Job)| {
            there(entry) && batch.is_some_and(|batch| entry.1.batches.iter().any(|at| *at & VA == batch))
        };
        let ids = |found: &mut dyn Iterator<Item = (JobId, &Job)>| found.map(|(id, _)| id).collect::<Vec<_>>();
        let mut found = ids(&mut running().filter(exact));
        if found.is_empty() {
            found = ids(&mut running().filter(there));
        }
        if found.is_empty() {
            found = ids(&mut running());
        }
        let authors = (!found.is_empty()).then(|| Arc::from(found));
        self.guess = Some((author, authors.clone()));
        authors
    }

    /// The job whose user fence, at that place and with that value, a bind or an exec stores. If several do on different
    /// lines, nobody knows.
    pub(super) fn of_fence(&self, spot: Spot, holds: impl Fn(u64) -> bool) -> Option<JobId> {
        let has = |id: &&JobId| {
            self.get(**id).is_some_and(|job| job.fences.iter().any(|fence| fence.spot == spot && holds(fence.value)))
        };
        let mut found = self.open.iter().filter(has).filter_map(|id| Some((*id, self.get(*id)?.line)));
        let (first, line) = found.next()?;
        found.all(|(_, other)| other == line).then_some(first)
    }

    /// Whether a user fence is to come there.
    pub(super) fn awaits(&self, spot: Spot) -> bool {
        let mut open = self.open.iter().filter_map(|id| self.get(*id));
        open.any(|job| job.fences.iter().any(|fence| fence.spot == spot))
    }

    /// Who must be over for a point of a sync object to be signalled.
    pub(super) fn of_point(&self, key: Key, point: u64) -> Vec<JobId> {
        let Some(points) = self.syncobjs.get(&key) else { return Vec::new() };
        let last = points.iter().map(|(at, _)| *at).filter(|at| *at >= point).min().unwrap_or(u64::MAX);
        points.iter().filter(|(at, _)| *at <= last).flat_map(|(_, jobs)| jobs.clone()).collect()
    }

    /// A sync object is signalled by these from now on; at a point of a timeline, or as a whole.
    pub(super) fn signal(&mut self, key: Key, point: u64, by: Vec<JobId>) {
        let points = self.syncobjs.entry(key).or_default();
        if point == 0 {
            points.clear();
        }
        points.push((point, by));
    }

    /// A sync object has no fence any more, or is gone.
    pub(super) fn reset(&mut self, key: Key) {
        self.syncobjs.remove(&key);
    }

    /// A file is gone with all that it has.
    pub(super) fn close(&mut self, file: u64) {
        self.syncobjs.retain(|(of, _), _| *of != file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: [Line; 2] = [Line::Queue((1, 1)), Line::Queue((1, 2))];

    fn job(line: Line, batch: u64, after: &[JobId]) -> Job {
        Job { line, root: Some(9), batches: vec![batch], after: after.to_vec(), fences: vec![] }
    }

    fn submit(jobs: &mut Jobs, job: Job) -> JobId {
        let id = jobs.begin(job);
        jobs.accepted(id);
        id
    }

    fn author(batch: u64) -> Author {
        Author { root: 9, batch: Some(batch) }
    }

    #[test]
    fn a_job_proves_those_before_it_and_those_it_waited_for_and_no_others() {
        let mut jobs = Jobs::default();
        let other = submit(&mut jobs, job(QUEUE[1], 1, &[]));
        let later = submit(&mut jobs, job(QUEUE[1], 2, &[]));
        let first = submit(&mut jobs, job(QUEUE[0], 3, &[]));
        let second = submit(&mut jobs, job(QUEUE[0], 4, &[other]));
        jobs.prove(vec![second]);
        assert_eq!([other, later, first, second].map(|id| jobs.is_over(id)), [true, false, true, true]);
        assert!(jobs.is_running());
        jobs.prove(vec![later]);
        assert!(!jobs.is_running());
    }

    #[test]
    fn a_store_is_by_those_whose_batch_runs_or_by_anybody() {
        let mut jobs = Jobs::default();
        assert_eq!(jobs.authors(author(1)), None);
        let one = submit(&mut jobs, job(QUEUE[0], 0xFFFF_8000_0000_1000, &[]));
        let two = submit(&mut jobs, job(QUEUE[1], 0x2000, &[]));
        let again = submit(&mut jobs, job(QUEUE[1], 0x2000, &[]));
        assert_eq!(jobs.authors(author(0x8000_0000_1000)).as_deref(), Some(&[one][..]));
        assert_eq!(jobs.authors(author(0x2000)).as_deref(), Some(&[two, again][..]));
        assert_eq!(jobs.authors(author(0x9000)).map(|all| all.len()), Some(3));
        jobs.refused(again);
        assert_eq!(jobs.authors(author(0x2000)).as_deref(), Some(&[two][..]));
    }

    #[test]
    fn a_point_is_signalled_when_those_before_it_are() {
        let mut jobs = Jobs::default();
        let key = (1, 5);
        jobs.signal(key, 10, vec![1]);
        jobs.signal(key, 20, vec![2]);
        assert_eq!((jobs.of_point(key, 5), jobs.of_point(key, 11)), (vec![1], vec![1, 2]));
        jobs.signal(key, 0, vec![3]);
        assert_eq!(jobs.of_point(key, 0), [3]);
        jobs.reset(key);
        assert!(jobs.of_point(key, 0).is_empty());
    }

    #[test]
    fn a_user_fence_is_of_the_first_job_of_one_queue_and_of_nobody_if_two_queues_have_it() {
        let (mut jobs, fence) = (Jobs::default(), UserFence { spot: Spot::Client(8), value: 1 });
        let with = |line| Job { fences: vec![fence], ..job(line, 1, &[]) };
        let first = submit(&mut jobs, with(QUEUE[0]));
        submit(&mut jobs, with(QUEUE[0]));
        assert_eq!(jobs.of_fence(fence.spot, |value| value == 1), Some(first));
        assert_eq!(jobs.of_fence(fence.spot, |value| value == 2), None);
        submit(&mut jobs, with(QUEUE[1]));
        assert_eq!(jobs.of_fence(fence.spot, |value| value == 1), None);
        assert!(jobs.awaits(fence.spot) && !jobs.awaits(Spot::Arena(8)));
    }
}
