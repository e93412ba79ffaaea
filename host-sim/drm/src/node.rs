//! The node: files and calls.

use crate::arena::Arena;
use crate::attributes::Classes;
use crate::complaints::Complaints;
use crate::mapping::MapId;
use crate::process::{Caller, Process, Processes};
use crate::record::{Noted, Recorder, Watched};
use crate::settings::Settings;
use crate::shared::{Table, Tokens};
use crate::storage::storage;
use crate::wall::{self, WallHal};
use crate::worker::Doorbell;
use barexe_core::Error;
use barexe_core::device::wait::Lend;
use barexe_core::device::{ClientId, Config, Device, MappingId};
use barexe_core::gt::{DeviceInfo, IrqFlag};
use barexe_core::uapi::ioctl_blocking_with;
use barexe_hal::{Interrupted, Nanos};
use barexe_sim::{BufferSource, Coherence, Sim, SimConfig, StoreWatch};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the file that holds all buffers; it takes memory only where something was written.
const ARENA_BYTES: usize = 64 << 30;
/// Memory that clients are told of, and may have.
const MEMORY_BYTES: u64 = 16 << 30;
/// Largest buffer in one piece.
const BLOCK_BYTES: u64 = 1 << 30;
/// Rounds of engines and driver in one step: what one gives the other is begun before anybody else has the processor.
const ROUNDS: u32 = 6;
/// Commands that engines execute at most in a round.
const COMMANDS: u64 = 400;

/// The core on the simulated GPU, for good.
pub type NodeDevice = Device<'static, WallHal>;

/// Names an open file of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

impl FileId {
    /// The node's own file, for what is behind descriptors.
    pub(crate) const NODE: Self = Self(0);
}

/// Why a call was refused: the number that the interface has for it, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub i32);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.errno().code())
    }
}

impl Refusal {
    /// The file is none.
    pub const BAD_FILE: Self = Self(libc::EBADF);
    /// Not with these values.
    pub const INVALID: Self = Self(libc::EINVAL);
    /// The caller's memory is not there.
    pub const FAULT: Self = Self(libc::EFAULT);
    /// Only for the system's administrator.
    pub const NO_ACCESS: Self = Self(libc::EACCES);
    /// There is no device, or none any more.
    pub const NO_DEVICE: Self = Self(libc::ENODEV);
    /// A signal came.
    pub const INTERRUPTED: Self = Self(libc::EINTR);
}

/// Lets time pass for a caller that has nothing to do; whether it was interrupted.
pub type Idle<'i> = &'i mut dyn FnMut(Duration) -> bool;

/// An open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) client: ClientId,
    /// Whoever opened it.
    pub(crate) process: Process,
}

/// Whoever makes a call on a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By {
    pub(crate) client: ClientId,
    pub(crate) caller: Caller,
}

/// What is behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) device: NodeDevice,
    pub(crate) files: BTreeMap<FileId, File>,
    pub(crate) mappings: BTreeMap<MapId, (ClientId, MappingId)>,
    pub(crate) last_mapping: u64,
    /// How engine classes are scheduled, and between what that may be set.
    pub(crate) classes: Classes,
    next_file: u64,
}

/// One GPU, and everything that is open at it.
#[derive(Debug)]
pub struct Node {
    state: Mutex<State>,
    shared: Mutex<Table>,
    sim: Sim,
    pub(crate) arena: Arc<Arena>,
    pub(crate) processes: Arc<Processes>,
    /// Threads that want the lock: the worker lets them go first.
    waiting: AtomicU32,
    pub(crate) doorbell: Doorbell,
    complaints: Complaints,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

/// What one step of the device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Commands that engines executed.
    pub(crate) commands: u64,
    /// The driver moved something.
    pub(crate) moved: bool,
    /// Nothing is left to do until somebody calls.
    pub(crate) quiet: bool,
}

impl Node {
    /// Switches a simulated GPU on and opens the core on it, for as long as this process lives.
    ///
    /// # Errors
    /// Why that is not possible, in words.
    pub fn open(settings: &Settings) -> Result<&'static Self, String> {
        let arena = Arc::new(Arena::new(ARENA_BYTES).map_err(|error| format!("memory for buffers: {error}"))?);
        let processes = Arc::new(Processes::default());
        let recorder = settings.record.as_ref().map(|_| Arc::new(Recorder::new(Arc::clone(&arena))));
        let buffers: Arc<dyn BufferSource> = match &recorder {
            Some(recorder) => Arc::new(Noted(Arc::clone(recorder))),
            None => Arc::<Arena>::clone(&arena),
        };
        let config = SimConfig {
            coherence: Coherence::Coherent,
            max_block_bytes: BLOCK_BYTES,
            memory_bytes: MEMORY_BYTES,
            execution: settings.execution,
            buffers: Some(buffers),
            stores: recorder.clone().map(|recorder| -> Arc<dyn StoreWatch> { recorder }),
            clients: Some(Arc::<Processes>::clone(&processes)),
            ..SimConfig::new(settings.platform.clone())
        };
        let sim = Sim::new(&config).ok_or_else(|| format!("{} is not simulated", settings.platform.name))?;
        sim.advance_to(wall::now());
        let irq: &'static IrqFlag = Box::leak(Box::new(IrqFlag::new()));
        sim.on_msi(move || irq.handle().record());
        let config = Config { system_memory_bytes: MEMORY_BYTES, ..Config::default() };
        let device = Device::open(WallHal::new(&sim), storage(), config, Some(irq));
        let mut device = device.map_err(|failed| format!("the driver does not start: {}", failed.error))?;
        device.set_hwconfig(sim.hwconfig().leak());
        let recorder = recorder.filter(|recorder| recorder.begins(settings, device.info(), MEMORY_BYTES));
        let own = device.client_open(true).map_err(|error| error.to_string())?;
        let files = BTreeMap::from([(FileId::NODE, File { client: own, process: Process::own() })]);
        let classes = Classes::of(&device);
        let state = State { device, files, mappings: BTreeMap::new(), last_mapping: 0, classes, next_file: 1 };
        let (state, shared) = (Mutex::new(state), Mutex::default());
        let (waiting, doorbell) = (AtomicU32::new(0), Doorbell::default());
        let complaints = Complaints::new(settings.complain);
        let node = Self { state, shared, sim, arena, processes, waiting, doorbell, complaints, recorder };
        let node = Box::leak(Box::new(node));
        node.sim.set_faults(&settings.faults);
        crate::worker::start(node)?;
        Ok(node)
    }

    /// The device, for one look or one change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        state
    }

    /// What is shared. Whoever has this does not wait for the device.
    pub(crate) fn shared(&self) -> MutexGuard<'_, Table> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody else wants the device.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// The memory that all buffers lie in.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// What the driver found out about the device.
    pub fn with_info<R>(&self, look: impl FnOnce(&DeviceInfo) -> R) -> R {
        look(self.lock().device.info())
    }

    /// Lets GPU and driver work for a moment.
    pub(crate) fn step(&self) -> Step {
        let mut state = self.lock();
        let State { device, files, .. } = &mut *state;
        let mut step = Step { commands: 0, moved: false, quiet: true };
        for _ in 0..ROUNDS {
            self.sim.advance_to(wall::now());
            // A message is answered at once: a context that leaves its engine makes room for the next.
            let ran = self.sim.run_to_message(COMMANDS);
            let report = device.poll();
            step.commands = step.commands.saturating_add(ran.commands);
            step.moved |= report.moved;
            // An engine that polls memory is idle and yet has work.
            step.quiet = ran.idle && !report.busy && device.is_quiet();
            if !report.moved {
                break;
            }
        }
        self.complaints.tell(&self.sim);
        for file in files.values() {
            device.deliver_user_fences(file.client, &mut self.memory_of(file.process));
        }
        step
    }

    /// Opens a file for a process, at the primary or at the render node.
    ///
    /// # Errors
    /// There is no room for more.
    pub fn open_file(&self, process: Process, primary: bool) -> Result<FileId, Refusal> {
        let mut state = self.lock();
        let client = state.device.client_open_in(false, process.space())?;
        if primary {
            state.device.client_at_primary(client)?;
        }
        let id = FileId(state.next_file);
        state.next_file = state.next_file.saturating_add(1);
        state.files.insert(id, File { client, process });
        drop(state);
        if let Some(recorder) = &self.recorder {
            recorder.opened(id, primary);
        }
        Ok(id)
    }

    /// The last reference to a file is gone, and everything it has goes with it.
    pub fn close_file(&self, id: FileId) {
        let mut state = self.lock();
        if let Some(file) = state.files.remove(&id) {
            let _ = state.device.client_close(file.client);
            state.mappings.retain(|_, (client, _)| *client != file.client);
        }
        drop(state);
        if let Some(recorder) = &self.recorder {
            recorder.closed(id);
        }
        self.doorbell.ring();
    }

    /// Memory of a process, as the driver writes to it.
    fn memory_of(&self, process: Process) -> Watched<'_> {
        Watched { process, recorder: self.recorder.as_deref() }
    }

    /// One call on a file, by a process in whose memory all that it points to lies; `arg` is its argument struct, as long
    /// as the request says. Descriptors in it are [tokens](crate::Token). Its non-negative return value; `arg` is what the
    /// caller gets back, also of a call that was refused, if the request says so.
    ///
    /// # Errors
    /// The code of the interface.
    pub fn call(
        &self,
        (id, caller): (FileId, Caller),
        request: u32,
        arg: &mut [u8],
        idle: Idle<'_>,
    ) -> Result<u32, Refusal> {
        let client = self.lock().files.get(&id).ok_or(Refusal::BAD_FILE)?.client;
        let by = By { client, caller };
        match &self.recorder {
            Some(recorder) => self.record_call(recorder, (id, by), request, arg, idle),
            None => self.make_call(by, request, arg, idle),
        }
    }

    /// The call itself.
    pub(crate) fn make_call(&self, by: By, request: u32, arg: &mut [u8], idle: Idle<'_>) -> Result<u32, Refusal> {
        let mut lend = Lent { node: self, by: Some(by), idle };
        let (mut memory, mut tokens) = (self.memory_of(by.caller.process), Tokens::new(self));
        let answer = ioctl_blocking_with(&mut lend, by.client, request, arg, (&mut memory, &mut tokens));
        self.doorbell.ring();
        Ok(answer?)
    }
}

/// The device for a thread that makes a call: it has it only for looks, and lets it work in between.
pub(crate) struct Lent<'n, 'i> {
    pub(crate) node: &'n Node,
    /// Whose call it is.
    pub(crate) by: Option<By>,
    pub(crate) idle: Idle<'i>,
}

impl Lend<'static, WallHal> for Lent<'_, '_> {
    fn with<T>(&mut self, work: impl FnOnce(&mut NodeDevice) -> T) -> T {
        let device = &mut self.node.lock().device;
        if let Some(By { client, caller }) = self.by {
            // Another process with the same file may have had its turn meanwhile. A client that is gone the work finds out.
            let _ = device.client_acts_as(client, caller.privileged);
        }
        work(device)
    }

    fn idle(&mut self, until: Nanos) -> Result<(), Interrupted> {
        let step = self.node.step();
        // While something moves nobody sleeps, but signals are seen.
        let nap =
            if step.moved { Duration::ZERO } else { Duration::from_nanos(until.saturating_sub(wall::now()).get()) };
        if (self.idle)(nap) { Err(Interrupted) } else { Ok(()) }
    }
}
