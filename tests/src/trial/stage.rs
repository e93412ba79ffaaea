//! One run of a scenario: a device, a client, what was checked so far.
#![expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]

use super::board::Board;
use super::calls::{FENCES, OPS, SYNCS};
use super::dialect::Dialect;
use super::make::Blocked;
use crate::rig::SPACE;
use crate::wire::{Bytes, Ram};
use crate::world::State;
use barexe_core::device::{ClientId, Device, TableWriter};
use barexe_core::uapi::{self, Answer};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use barexe_sim::{Fault, INJECTED, Sim, SimHal};
use core::fmt::Debug;

/// Everything a call can change: device, driver, client memory.
type Whole = (State, Vec<(u64, Vec<u8>)>);

/// What was checked so far.
#[derive(Debug)]
pub(super) struct Count {
    case: String,
    cases: u32,
    /// Checks since the case began.
    checks: u32,
}

/// What fails, and what there is to fail.
#[derive(Debug, Default)]
struct Sweep {
    fails: Option<(usize, u64)>,
    calls: Vec<u64>,
    refused: bool,
    own_faults: bool,
}

/// One run of a scenario.
#[derive(Debug)]
pub struct Trial<'s> {
    /// The part.
    pub sim: Sim,
    /// The driver.
    pub device: Device<'s, SimHal>,
    /// The client.
    pub client: ClientId,
    /// Its memory: room for operations at [`OPS`], for sync entries at [`SYNCS`], for user fences at [`FENCES`].
    pub memory: Ram,
    /// What it runs on.
    pub board: Board,
    /// Who writes page tables.
    pub writer: TableWriter,
    /// How calls are laid out.
    pub dialect: &'static Dialect,
    pub(super) blocked: Vec<Blocked>,
    pub(super) name: &'static str,
    pub(super) count: Count,
    sweep: Sweep,
}

impl<'s> Trial<'s> {
    pub(super) fn new(
        name: &'static str,
        (sim, device): (&Sim, Device<'s, SimHal>),
        (board, writer, dialect): (&Board, TableWriter, &'static Dialect),
    ) -> Self {
        let mut device = device;
        let client = device.client_open_in(true, SPACE).unwrap_or_else(|error| panic!("client: {error}"));
        let memory = Ram::new().with(OPS, &[0; 0x1_0000]).with(SYNCS, &[0; 0x1_0000]).with(FENCES, &[0; 0x1000]);
        Self {
            sim: sim.clone(),
            device,
            client,
            memory,
            board: board.clone(),
            writer,
            dialect,
            blocked: Vec::new(),
            name,
            count: Count { case: String::from("before the first case"), cases: 0, checks: 1 },
            sweep: Sweep::default(),
        }
    }

    /// Begins a sub-case. Each must check something.
    ///
    /// # Panics
    /// If the one before it checked nothing.
    pub fn case(&mut self, what: &str) {
        assert!(self.count.checks > 0, "{self}: nothing was checked");
        self.count.case = String::from(what);
        self.count.cases = self.count.cases.saturating_add(1);
        self.count.checks = 0;
    }

    /// Checks a value.
    ///
    /// # Panics
    /// If it is another.
    #[track_caller]
    pub fn check<T: PartialEq + Debug>(&mut self, what: &str, got: T, want: T) {
        self.count.checks = self.count.checks.saturating_add(1);
        assert_eq!(got, want, "{self}: {what}");
    }

    /// Sub-cases checked so far.
    ///
    /// # Panics
    /// If the last one checked nothing.
    #[must_use]
    pub fn cases(&self) -> u32 {
        assert!(self.count.checks > 0, "{self}: nothing was checked");
        self.count.cases
    }

    /// Fails one HAL call of one attempt: the n-th attempt, and the n-th call that can fail in it, from 0.
    pub const fn fail(&mut self, attempt: usize, call: u64) {
        self.sweep.fails = Some((attempt, call));
    }

    /// HAL calls that can fail, of each attempt so far.
    #[must_use]
    pub fn attempts(&self) -> &[u64] {
        &self.sweep.calls
    }

    /// The chosen failure refused the attempt it was meant for, which was then made again; not if the driver did without
    /// what failed.
    #[must_use]
    pub const fn was_refused(&self) -> bool {
        self.sweep.refused
    }

    /// Sets faults of the scenario's own, or none: sweeps leave attempts alone meanwhile.
    pub fn set_faults(&mut self, faults: &[Fault]) {
        self.sweep.own_faults = !faults.is_empty();
        self.sim.set_faults(faults);
    }

    /// Everything a refused call must leave as it was.
    #[must_use]
    pub fn whole(&self) -> Whole {
        (State::of(&self.sim, &self.device), self.memory.contents())
    }

    /// The one way to the driver: makes a call; once more, if it met the failure that was chosen for it.
    ///
    /// # Errors
    /// Those of the call.
    ///
    /// # Panics
    /// If the failed call changed anything.
    pub fn attempt<R>(&mut self, mut call: impl FnMut(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        if self.sweep.own_faults {
            return call(self);
        }
        let (number, before) = (self.sweep.calls.len(), self.sim.hal_calls());
        if let Some((_, at)) = self.sweep.fails.filter(|(attempt, _)| *attempt == number) {
            return self.attempt_failing(at, call);
        }
        let result = call(self);
        self.sweep.calls.push(self.sim.hal_calls().wrapping_sub(before));
        result
    }

    /// Makes a call in which a HAL call fails, and makes it again if that refused it.
    fn attempt_failing<R>(&mut self, at: u64, mut call: impl FnMut(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        self.sweep.fails = None;
        let before = self.whole();
        self.sim.set_faults(&[Fault::FailCall(at)]);
        let first = call(self);
        self.sim.set_faults(&[]);
        match &first {
            Err(error) if is_injected(*error) => {
                self.unchanged_since(&before, &format!("refused with {error}"));
                self.sweep.refused = true;
                call(self)
            }
            Ok(_) | Err(_) => first,
        }
    }

    /// Makes a call in bytes; the argument struct afterwards.
    ///
    /// # Errors
    /// Those of the call.
    ///
    /// # Panics
    /// If it has to be waited for.
    pub fn ioctl(&mut self, request: u32, arg: &Bytes) -> Result<Bytes, Error> {
        self.attempt(|trial| {
            let mut arg = arg.clone();
            let answer = uapi::ioctl(&mut trial.device, trial.client, request, &mut arg.0, &mut trial.memory)?;
            assert_eq!(answer, Answer::Done(0), "{trial}: {request:#x}");
            Ok(arg)
        })
    }

    /// Makes a call that must be accepted; the argument struct afterwards.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn accepted(&mut self, request: u32, arg: &Bytes) -> Bytes {
        self.count.checks = self.count.checks.saturating_add(1);
        let done = self.ioctl(request, arg);
        done.unwrap_or_else(|error| panic!("{self}: {request:#x} is refused: {error}"))
    }

    /// Makes a call that must be refused with a code and change nothing at all.
    ///
    /// # Panics
    /// If it is accepted, refused otherwise, or changes something.
    #[track_caller]
    pub fn refused(&mut self, request: u32, arg: &Bytes, errno: Errno) {
        let before = self.whole();
        match self.ioctl(request, arg) {
            Ok(_) => panic!("{self}: {request:#x} is accepted, not {errno:?}"),
            Err(error) => self.check(&format!("code of \"{error}\""), error.errno(), errno),
        }
        self.unchanged_since(&before, "refused call");
    }

    #[track_caller]
    fn unchanged_since(&self, before: &Whole, what: &str) {
        let after = self.whole();
        if let Some(difference) = before.0.difference(&after.0) {
            panic!("{self}: {what} changed something: {difference}");
        }
        assert_eq!(before.1, after.1, "{self}: {what} changed client memory");
    }

    /// Lets driver and device work for a millisecond; user fences are stored.
    pub fn settle(&mut self) {
        for _ in 0..50 {
            self.poll();
            let now = self.device.now();
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(20)));
        }
        self.poll();
    }

    /// Lets the driver look once; user fences are stored.
    pub fn poll(&mut self) {
        self.device.poll();
        let Self { device, client, memory, .. } = self;
        device.deliver_user_fences(*client, memory);
    }

    /// Signals what is still blocked and closes the device.
    pub(super) fn end(mut self) {
        for blocked in core::mem::take(&mut self.blocked) {
            let _ = self.device.outside_fence_signal(blocked.fence);
        }
        self.settle();
        let Self { device, .. } = self;
        let _ = device.close();
    }
}

/// Says where a scenario is, for failures.
impl core::fmt::Display for Trial<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, count: Count { case, .. }, writer, .. } = self;
        write!(f, "{name} on {}, tables by {writer:?}, dialect {}, case \"{case}\"", self.board.name, self.dialect.name)
    }
}

/// Whether a refusal is the failure that was asked for.
const fn is_injected(error: Error) -> bool {
    if let Error::Hal(cause) | Error::ArrayNoMemory(cause) = error {
        return cause.code() == INJECTED;
    }
    matches!(error, Error::Interrupted)
}
