//! The node's side: what happens is told as it happens.

use super::Recorder;
use super::book::Fresh;
use super::calls::Asked;
use super::jobs::Key;
use super::known::JobId;
use crate::node::{By, FileId, Idle, Node, Refusal};
use crate::process::Caller;
use barexe_core::uapi::request;
use barexe_recording::describe::Given;
use barexe_recording::hex::Packed;
use barexe_recording::{Addr, Body, Call, describe};

/// Where a deadline stands, and the flag without which it is a length of time.
type Deadline = (usize, Option<(usize, u8)>);

/// Calls that can wait until an instant, by number.
const DEADLINES: [(u8, Deadline); 3] = [(0x4A, (40, Some((18, 1)))), (0xC3, (8, None)), (0xCA, (16, None))];

/// The client's clock, if the call has a deadline on it that is neither past nor never.
fn now_of(request: u32, arg: &[u8]) -> Option<u64> {
    let [nr, ..] = request.to_le_bytes();
    let (_, (at, flag)) = DEADLINES.into_iter().find(|(number, _)| *number == nr)?;
    let absolute = flag.is_none_or(|(at, bit)| arg.get(at).is_some_and(|flags| flags & bit != 0));
    let deadline = i64::from_le_bytes(*arg.get(at..)?.first_chunk()?);
    (absolute && deadline > 0 && deadline < i64::MAX).then(|| crate::wall::now().get())
}

/// Which thread this is.
#[expect(unsafe_code, reason = "the system is asked")]
fn thread() -> u64 {
    // SAFETY: nothing is passed.
    u64::from(unsafe { libc::gettid() }.unsigned_abs())
}

impl Recorder {
    /// A file was opened.
    pub(crate) fn opened(&self, id: FileId, primary: bool) {
        let _turn = self.turns.take();
        if let Some(mut book) = self.book() {
            let node = if primary { "card" } else { "render" };
            book.out.event(Body::Open { file: id.0, node: node.into() });
        }
    }

    /// A file is gone with all that it had.
    pub(crate) fn closed(&self, id: FileId) {
        let _turn = self.turns.take();
        if let Some(mut book) = self.book() {
            book.out.event(Body::Close { file: id.0 });
            book.objects.close_file(id.0);
            book.jobs.close(id.0);
            book.untrack();
        }
    }
}

/// A call that is being made.
struct Begun {
    id: FileId,
    by: By,
    request: u32,
    given: Vec<u8>,
    described: Given,
    now_ns: Option<u64>,
    fresh: Vec<Fresh>,
    job: Option<JobId>,
}

/// What came of it.
type Answer = Result<u32, Refusal>;

impl Begun {
    fn asked(&self) -> Asked<'_> {
        Asked { file: self.id.0, request: self.request, arg: &self.given, payloads: &self.described.payloads }
    }

    /// Whether the client gets what the call left: its struct is copied back here, so that what is written down is what the
    /// client sees.
    fn reaches_client(&self, left: &[u8]) -> bool {
        let Caller { process, back, .. } = self.by.caller;
        !request::copies_back(self.request) || back.is_none_or(|addr| process.write(addr, left))
    }

    /// The call as the file has it, of which the client gets what it left, or not.
    fn told(&self, left: &[u8], answer: Answer, reaches: bool) -> Call {
        let (request, given) = (self.request, &self.given);
        let mut read = |addr: u64, into: &mut [u8]| self.by.caller.process.read(addr, into);
        let got = describe::got(request, (given, left), answer.is_err(), &mut read);
        let (ret, errno) = match if reaches { answer } else { Err(Refusal::FAULT) } {
            Ok(value) => (i64::from(value), None),
            Err(refusal) => (refusal.returned(), Some(describe::errno_name(refusal.0))),
        };
        let changed = request::copies_back(request) && left != given && reaches;
        let [nr, ..] = request.to_le_bytes();
        Call {
            name: self.described.name.clone(),
            nr,
            request: Addr(request.into()),
            file: self.id.0,
            thread: None,
            input: Packed(given.clone()),
            fields: self.described.fields.clone(),
            payloads: self.described.payloads.clone(),
            ret,
            errno,
            out: changed.then(|| Packed(left.to_vec())),
            out_fields: if reaches { got.fields } else { Default::default() },
            out_payloads: got.payloads,
            volatile: got.volatile,
            unwritable: !reaches,
            bo: None,
            now_ns: self.now_ns,
        }
    }
}

impl Refusal {
    /// As calls return it.
    pub(super) fn returned(self) -> i64 {
        i64::from(self.0).saturating_neg()
    }
}

impl Node {
    /// Makes a call as [`Node::call`] does, and records it: with what it points to and what it left.
    pub(crate) fn record_call(
        &self,
        recorder: &Recorder,
        (id, by): (FileId, By),
        request: u32,
        arg: &mut [u8],
        idle: Idle<'_>,
    ) -> Answer {
        let mut turn = recorder.turns.take();
        let given = arg.to_vec();
        let mut read = |addr: u64, into: &mut [u8]| by.caller.process.read(addr, into);
        let described = describe::given(request, &given, &mut read);
        let now_ns = now_of(request, &given);
        let mut begun = Begun { id, by, request, given, described, now_ns, fresh: Vec::new(), job: None };
        self.before(recorder, &mut begun);
        let answer = self.make_call(by, request, arg, &mut |nap| turn.aside(|| idle(nap)));
        self.after(recorder, begun, arg, (answer, turn.shared));
        answer
    }

    /// Tells what the client wrote before a call, and looks at what the call is about to do.
    fn before(&self, recorder: &Recorder, begun: &mut Begun) {
        // Nothing is stored while this is held.
        let state = self.lock();
        let Some(mut book) = recorder.book() else { return };
        book.catch_up(&recorder.arena);
        let root = |(_, vm): Key| state.device.vm_root(begun.by.client, vm).ok();
        let (fresh, job) = (book.expect_ranges(&begun.asked()), book.job(&begun.asked(), root));
        (begun.fresh, begun.job) = (fresh, job);
    }

    /// Tells of a call, and of what it shows to be over. Others may have had their turn while it waited.
    fn after(&self, recorder: &Recorder, mut begun: Begun, left: &[u8], (answer, shared): (Answer, bool)) {
        let reaches = begun.reaches_client(left);
        let mut call = begun.told(left, answer, reaches);
        let _state = self.lock();
        let Some(mut book) = recorder.book() else { return };
        if shared {
            book.catch_up(&recorder.arena);
        }
        if let (Some(job), true) = (begun.job, answer.is_err()) {
            book.jobs.refused(job);
        }
        let fresh = core::mem::take(&mut begun.fresh);
        let asked = begun.asked();
        // One that was interrupted will be made again.
        let interrupted = answer == Err(Refusal(libc::EINTR));
        let tracked = !interrupted && (answer.is_ok() || asked.looks_if_refused());
        for fresh in fresh {
            if tracked { book.track(fresh) } else { book.dismiss(fresh) }
        }
        if interrupted {
            return;
        }
        call.thread = book.thread(thread());
        book.tag(&asked, answer.err().or((!reaches).then_some(Refusal::FAULT)));
        let (bo, over) = if answer.is_ok() { book.done(&asked, left, begun.job) } else { (None, Vec::new()) };
        call.bo = bo;
        book.out.call(call);
        if !over.is_empty() {
            book.proven(over);
        }
        book.untrack();
    }
}
