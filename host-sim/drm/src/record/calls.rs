//! What calls do to what the recorder knows.

use super::book::{Book, Fresh};
use super::jobs::{Job, Key, Line, Spot, UserFence};
use super::known::JobId;
use super::objects::Backing;
use super::ranges::Reason;
use crate::node::Refusal;
use barexe_recording::Payload;
use barexe_recording::layout::{Entry, INLINE_BIND};

/// Numbers of the calls that do something to it.
mod nr {
    pub(super) const GEM_CLOSE: u8 = 0x09;
    pub(super) const GEM_CREATE: u8 = 0x41;
    pub(super) const MMAP_OFFSET: u8 = 0x42;
    pub(super) const VM_DESTROY: u8 = 0x44;
    pub(super) const VM_BIND: u8 = 0x45;
    pub(super) const QUEUE_CREATE: u8 = 0x46;
    pub(super) const EXEC: u8 = 0x49;
    pub(super) const WAIT_USER_FENCE: u8 = 0x4A;
    pub(super) const SYNCOBJ_DESTROY: u8 = 0xC0;
    pub(super) const SYNCOBJ_WAIT: u8 = 0xC3;
    pub(super) const SYNCOBJ_RESET: u8 = 0xC4;
    pub(super) const SYNCOBJ_SIGNAL: u8 = 0xC5;
    pub(super) const TIMELINE_WAIT: u8 = 0xCA;
    pub(super) const TRANSFER: u8 = 0xCC;
    pub(super) const TIMELINE_SIGNAL: u8 = 0xCD;
}

/// The type byte of DRM's calls.
const DRM: u8 = 0x64;
/// Bytes of a user fence.
const FENCE: u64 = 8;

/// A call with what it points to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'c> {
    pub(super) file: u64,
    pub(super) request: u32,
    pub(super) arg: &'c [u8],
    pub(super) payloads: &'c [Payload],
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

/// A sync entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sync {
    signals: bool,
    of: SyncOf,
    value: u64,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncOf {
    Object(u32),
    User(u64),
}

/// A bind operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Op {
    operation: u32,
    object: u32,
    offset: u64,
    range: u64,
    va: u64,
    is_null: bool,
}

impl<'c> Asked<'c> {
    /// Its number, if it is one of DRM's.
    const fn nr(&self) -> Option<u8> {
        let [nr, kind, ..] = self.request.to_le_bytes();
        if kind == DRM { Some(nr) } else { None }
    }

    /// Whether it looks at the client's memory even if it is refused.
    pub(super) fn looks_if_refused(&self) -> bool {
        self.nr() == Some(nr::WAIT_USER_FENCE)
    }

    const fn key(&self, id: u32) -> Key {
        (self.file, id)
    }

    /// What a pointer leads to.
    fn payload(&self, field: &str) -> &'c [u8] {
        let found = self.payloads.iter().find(|payload| payload.field == field);
        found.and_then(|payload| payload.data.as_ref()).map_or(&[][..], |data| &data.0)
    }

    fn syncs(&self) -> Vec<Sync> {
        let entry = |bytes: &[u8]| {
            let (kind, target) = (word(bytes, 8), long(bytes, 16));
            let object = SyncOf::Object((target & 0xFFFF_FFFF) as u32);
            let of = if kind == 2 { SyncOf::User(target) } else { object };
            let value = if kind == 0 { 0 } else { long(bytes, 24) };
            Sync { signals: word(bytes, 12) & 1 != 0, of, value }
        };
        self.payload("syncs").chunks_exact(Entry::Sync.len_bytes()).map(entry).collect()
    }

    /// The operations of a bind.
    fn ops(&self) -> Vec<Op> {
        const NULL: u32 = 1 << 2;
        let size = Entry::Bind.len_bytes();
        let op = |bytes: &[u8]| Op {
            operation: word(bytes, 40),
            object: word(bytes, 8),
            offset: long(bytes, 16),
            range: long(bytes, 24),
            va: long(bytes, 32),
            is_null: word(bytes, 44) & NULL != 0,
        };
        match word(self.arg, 20) {
            1 => self.arg.get(INLINE_BIND..INLINE_BIND.saturating_add(size)).map(op).into_iter().collect(),
            _ => self.payload("vector_of_binds").chunks_exact(size).map(op).collect(),
        }
    }

    /// Sync objects and points of a call about them; binary ones have point 0.
    fn points(&self) -> Vec<(Key, u64)> {
        let handles = self.payload("handles").chunks_exact(4).map(|handle| self.key(word(handle, 0)));
        let mut points = self.payload("points").chunks_exact(8).map(|point| long(point, 0));
        handles.map(|key| (key, points.next().unwrap_or(0))).collect()
    }
}

impl Book {
    /// Ranges of the client's memory that matter if the call succeeds, as they are before it.
    pub(super) fn expect_ranges(&mut self, asked: &Asked<'_>) -> Vec<Fresh> {
        let mut wanted = Vec::new();
        match asked.nr() {
            Some(nr::VM_BIND) => {
                let of_client = asked.ops().into_iter().filter(|op| op.operation == 2);
                wanted.extend(of_client.map(|op| (op.offset..op.offset.saturating_add(op.range), Reason::Bound)));
                wanted.extend(asked.syncs().into_iter().filter_map(|sync| match sync.of {
                    SyncOf::User(addr) => Some((addr..addr.saturating_add(FENCE), Reason::Fence)),
                    SyncOf::Object(_) => None,
                }));
            }
            Some(nr::WAIT_USER_FENCE) => {
                let addr = long(asked.arg, 8);
                wanted.push((addr..addr.saturating_add(FENCE), Reason::Wait));
            }
            _ => {}
        }
        let mut all: Vec<Fresh> = Vec::new();
        for (range, reason) in wanted {
            let len = range.end.saturating_sub(range.start);
            if self.process.reachable(range.start, len, false) < len {
                continue;
            }
            let is_new = |part: &core::ops::Range<u64>| all.iter().all(|fresh| fresh.tracked.at != *part);
            let parts: Vec<_> = self.ranges.untracked(range, &self.objects).into_iter().filter(is_new).collect();
            all.extend(parts.into_iter().map(|part| self.fresh(part, reason)));
        }
        all
    }

    /// A call is about to be made: the job that it submits, if it does. `root` finds the root of a VM.
    pub(super) fn job(&mut self, asked: &Asked<'_>, root: impl FnOnce(Key) -> Option<u64>) -> Option<JobId> {
        let syncs = asked.syncs();
        let waited = syncs.iter().filter(|sync| !sync.signals);
        let after = waited.flat_map(|sync| match sync.of {
            SyncOf::Object(handle) => self.jobs.of_point(asked.key(handle), sync.value),
            SyncOf::User(_) => Vec::new(),
        });
        let after = after.collect();
        let fence = |spot: Option<Spot>, value| spot.map(|spot| UserFence { spot, value });
        let users =
            syncs.iter().filter_map(|sync| if let SyncOf::User(at) = sync.of { Some((at, sync.value)) } else { None });
        let job = match asked.nr()? {
            nr::EXEC => {
                let queue = asked.key(word(asked.arg, 8));
                let vm = self.objects.vm_of(queue);
                let place = |va| vm.and_then(|vm| self.objects.spot_of_va(vm, va));
                let fences = users.filter_map(|(va, value)| fence(place(va), value)).collect();
                let several = asked.payload("address").chunks_exact(8).map(|address| long(address, 0));
                let mut batches: Vec<u64> = several.collect();
                if batches.is_empty() {
                    batches.push(long(asked.arg, 24));
                }
                let root = Some(vm.and_then(root).unwrap_or(0));
                Job { line: Line::Queue(queue), root, batches, after, fences }
            }
            nr::VM_BIND => {
                let fences = users.filter_map(|(at, value)| fence(Some(self.objects.spot(at)), value)).collect();
                let line = match word(asked.arg, 12) {
                    0 => Line::Vm(asked.key(word(asked.arg, 8))),
                    queue => Line::Queue(asked.key(queue)),
                };
                Job { line, root: None, batches: Vec::new(), after, fences }
            }
            _ => return None,
        };
        Some(self.jobs.begin(job))
    }

    /// A call succeeded and left `got`; the number of the object that it created, and the jobs that it proves to be over.
    pub(super) fn done(&mut self, asked: &Asked<'_>, got: &[u8], job: Option<JobId>) -> (Option<u64>, Vec<JobId>) {
        let (arg, mut bo, mut over) = (asked.arg, None, Vec::new());
        match asked.nr().unwrap_or(0) {
            nr::GEM_CREATE => bo = Some(self.objects.create(asked.key(word(got, 28)))),
            nr::GEM_CLOSE => self.objects.close_handle(asked.key(word(arg, 0))),
            nr::MMAP_OFFSET => self.objects.has_offset(asked.key(word(arg, 8)), long(got, 16)),
            nr::VM_DESTROY => self.objects.destroy_vm(asked.key(word(arg, 0))),
            nr::QUEUE_CREATE => self.objects.queue_of(asked.key(word(got, 20)), word(arg, 12)),
            nr::VM_BIND => {
                self.bound(asked);
                self.submitted(asked, job);
                if asked.syncs().is_empty() {
                    // It came back when it was over.
                    over.extend(job);
                }
            }
            nr::EXEC => self.submitted(asked, job),
            nr::WAIT_USER_FENCE => over.extend(self.fence_seen(arg)),
            nr::SYNCOBJ_DESTROY => self.jobs.reset(asked.key(word(arg, 0))),
            nr::SYNCOBJ_RESET => asked.points().into_iter().for_each(|(key, _)| self.jobs.reset(key)),
            nr::SYNCOBJ_SIGNAL | nr::TIMELINE_SIGNAL => {
                asked.points().into_iter().for_each(|(key, point)| self.jobs.signal(key, point, Vec::new()));
            }
            nr::TRANSFER => {
                let by = self.jobs.of_point(asked.key(word(arg, 0)), long(arg, 8));
                self.jobs.signal(asked.key(word(arg, 4)), long(arg, 16), by);
            }
            nr::SYNCOBJ_WAIT => over = self.waited(asked, word(arg, 20), word(got, 24)),
            nr::TIMELINE_WAIT => over = self.waited(asked, word(arg, 28), word(got, 32)),
            _ => {}
        }
        (bo, over)
    }

    /// The jobs that a wait for sync objects has proven: of all of them, or of the one it names.
    fn waited(&self, asked: &Asked<'_>, flags: u32, first: u32) -> Vec<JobId> {
        const WAIT_ALL: u32 = 1;
        const AVAILABLE: u32 = 1 << 2;
        if flags & AVAILABLE != 0 {
            return Vec::new();
        }
        let all = flags & WAIT_ALL != 0;
        let seen = (0..).zip(asked.points()).filter(|(index, _)| all || *index == first);
        seen.flat_map(|(_, (key, point))| self.jobs.of_point(key, point)).collect()
    }

    /// The job whose user fence a wait has seen, by the value that is there.
    fn fence_seen(&self, arg: &[u8]) -> Option<JobId> {
        let (addr, mask) = (long(arg, 8), long(arg, 32));
        let mut there = [0; 8];
        if !self.process.read(addr, &mut there) {
            return None;
        }
        let there = u64::from_le_bytes(there);
        self.jobs.of_fence(self.objects.spot(addr), |value| value & mask == there & mask)
    }

    /// Work was accepted: its sync objects are signalled by it.
    fn submitted(&mut self, asked: &Asked<'_>, job: Option<JobId>) {
        let Some(job) = job else { return };
        self.jobs.accepted(job);
        for sync in asked.syncs().into_iter().filter(|sync| sync.signals) {
            if let SyncOf::Object(handle) = sync.of {
                self.jobs.signal(asked.key(handle), sync.value, vec![job]);
            }
        }
    }

    /// A bind was accepted: its VM maps something else.
    fn bound(&mut self, asked: &Asked<'_>) {
        let vm = asked.key(word(asked.arg, 8));
        for op in asked.ops() {
            let range = op.va..op.va.saturating_add(op.range);
            let object = self.objects.bo(asked.key(op.object));
            let delta = op.offset.wrapping_sub(op.va);
            match op.operation {
                0 if op.is_null => self.objects.bind(vm, range, None),
                0 => self.objects.bind(vm, range, object.map(|bo| Backing::Bo(bo, delta))),
                1 => self.objects.bind(vm, range, None),
                2 => self.objects.bind(vm, range, Some(Backing::Client(delta))),
                3 => object.into_iter().for_each(|bo| self.objects.unbind_all(vm, bo)),
                _ => {}
            }
        }
    }

    /// What the file exercises, by a call that was made.
    pub(super) fn tag(&mut self, asked: &Asked<'_>, refused: Option<Refusal>) {
        let Some(nr) = asked.nr() else { return };
        let arg = asked.arg;
        let ops = if nr == nr::VM_BIND { asked.ops() } else { Vec::new() };
        let has = |operation| ops.iter().any(|op| op.operation == operation);
        let is_user = |sync: &Sync| matches!(sync.of, SyncOf::User(_));
        if refused.is_some() {
            self.out.tag("error_returns");
            if nr == nr::WAIT_USER_FENCE && refused == Some(Refusal(libc::EIO)) {
                self.out.tag("gpu_fault");
            }
            return;
        }
        let rows = [
            (nr == nr::VM_BIND, "bind"),
            (nr == nr::VM_BIND && word(arg, 20) > 1, "bind_array"),
            (nr == nr::VM_BIND && word(arg, 12) != 0, "bind_queue"),
            (nr == nr::VM_BIND && word(arg, 20) == 0, "zero_op_bind"),
            (nr == nr::EXEC, "exec"),
            (nr == nr::EXEC && word(arg, 32) & 0xFFFF == 0, "zero_batch_exec"),
            (ops.iter().any(|op| op.is_null), "null"),
            (has(1), "unmap"),
            (has(3), "unmap_all"),
            (has(2), "userptr"),
            (nr == nr::TIMELINE_WAIT || nr == nr::TIMELINE_SIGNAL, "timeline"),
            (nr == nr::SYNCOBJ_WAIT || nr == nr::TIMELINE_WAIT, "syncobj"),
            (nr == nr::WAIT_USER_FENCE || asked.syncs().iter().any(is_user), "user_fence"),
        ];
        rows.into_iter().filter(|(exercised, _)| *exercised).for_each(|(_, tag)| self.out.tag(tag));
    }
}
