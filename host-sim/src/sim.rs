//! The front: make a device, hold it from outside, look into it.

use crate::blocks::forcewake::AckMode;
use crate::blocks::unknown::UnknownRegister;
use crate::config::SimConfig;
use crate::fault::{Fault, FaultPlan};
use crate::function::PciFunction;
use crate::gpu::{BLOCK, Gpu};
use crate::hal::SimHal;
use crate::running::RunReport;
use crate::snapshot::DeviceSnapshot;
use crate::spec::Platform;
use crate::trace::Event;
use crate::trace::timeline::Timeline;
use barexe_hal::{Nanos, UserSpace};
use core::ops::Range;
use core::sync::atomic::AtomicU32;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What receives message-signalled interrupts.
pub(crate) type Receiver = Box<dyn FnMut() + Send>;

/// State behind every handle of one device.
pub(crate) struct Inner {
    gpu: Mutex<Gpu>,
    receiver: Mutex<Option<Receiver>>,
    pub(crate) relax_commands: u64,
    pub(crate) interrupt_relax: Mutex<u32>,
    /// Accesses of a bus that wait for the device or have it.
    pub(crate) callers: AtomicU32,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

/// A lock whose holder failed a test is still a lock.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Does something with the device; how many messages are to be delivered.
    pub(crate) fn with_messages<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> (R, u32) {
        let mut gpu = locked(&self.gpu);
        let result = work(&mut gpu);
        // Whatever is found wrong outside of accesses and engines is no tile's.
        gpu.shared.tiles.select(0);
        (result, gpu.take_messages())
    }

    /// Does something with the device, then delivers what it had to say, outside the lock.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        let (result, messages) = self.with_messages(work);
        for _ in 0..messages {
            // The receiver is out of its place while it runs: one that calls back in misses nothing but itself.
            let taken = locked(&self.receiver).take();
            if let Some(mut receiver) = taken {
                receiver();
                locked(&self.receiver).get_or_insert(receiver);
            }
        }
        result
    }
}

/// A simulated GPU, held from outside.
#[derive(Clone, Debug)]
pub struct Sim {
    inner: Arc<Inner>,
}

impl Sim {
    /// A device after power-on. None for a platform whose graphics version is not simulated.
    #[must_use]
    pub fn new(config: &SimConfig) -> Option<Self> {
        let inner = Inner {
            gpu: Mutex::new(Gpu::new(config)?),
            receiver: Mutex::new(None),
            relax_commands: config.relax_commands,
            interrupt_relax: Mutex::new(0),
            callers: AtomicU32::new(0),
        };
        Some(Self { inner: Arc::new(inner) })
    }

    /// The part.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.inner.with(|gpu| gpu.shared.platform.clone())
    }

    /// A handle for the driver.
    #[must_use]
    pub fn hal(&self) -> SimHal {
        SimHal::new(Arc::clone(&self.inner))
    }

    /// The device as a PCI bus sees it, for drivers that are not in this process. Its interrupt line is on: whether a
    /// message arrives is the bus's affair.
    #[must_use]
    pub fn function(&self) -> PciFunction {
        PciFunction::new(Arc::clone(&self.inner))
    }

    /// Calls `receiver` for every interrupt message from now on.
    pub fn on_msi(&self, receiver: impl FnMut() + Send + 'static) {
        *locked(&self.inner.receiver) = Some(Box::new(receiver));
    }

    /// Lets the engines execute at most `max_commands`.
    #[must_use]
    pub fn run(&self, max_commands: u64) -> RunReport {
        self.inner.with(|gpu| gpu.run(max_commands, u64::MAX, false))
    }

    /// As [`run`](Self::run), and stops when there is a message for the driver.
    #[must_use]
    pub fn run_to_message(&self, max_commands: u64) -> RunReport {
        self.inner.with(|gpu| gpu.run(max_commands, u64::MAX, true))
    }

    /// Lets time pass without executing anything.
    pub fn advance(&self, by: Nanos) {
        self.inner.with(|gpu| {
            gpu.shared.time_ns = gpu.shared.time_ns.saturating_add(by.get());
            gpu.settle();
        });
    }

    /// Sets the clock to an instant of a clock outside, unless it is beyond.
    pub fn advance_to(&self, at: Nanos) {
        self.inner.with(|gpu| {
            gpu.shared.time_ns = gpu.shared.time_ns.max(at.get());
            gpu.settle();
        });
    }

    /// The device's clock.
    #[must_use]
    pub fn time(&self) -> Nanos {
        Nanos::new(self.inner.with(|gpu| gpu.shared.time_ns))
    }

    /// Puts a mark on the timeline.
    pub fn mark(&self, text: &str) {
        self.inner.with(|gpu| gpu.shared.timeline.push(gpu.shared.time_ns, Event::Mark(String::from(text))));
    }

    /// Puts what somebody outside did or saw on the timeline.
    pub fn note(&self, who: &'static str, what: &str) {
        self.inner.with(|gpu| {
            let what = String::from(what);
            gpu.shared.timeline.push(gpu.shared.time_ns, Event::Note { who, what });
        });
    }

    /// The table with which the part's firmware tells about it; empty where it tells nothing.
    #[must_use]
    pub fn hwconfig(&self) -> Vec<u8> {
        self.inner.with(|gpu| crate::blocks::hwconfig::table(&gpu.shared.platform.hwconfig))
    }

    /// The timeline so far.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.inner.with(|gpu| gpu.shared.timeline.clone())
    }

    /// Rules of the hardware and of the HAL that the driver broke, in order. Looks at freed buffers too.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.inner.with(|gpu| {
            for text in gpu.shared.memory.disturbed() {
                gpu.shared.violation(text);
            }
            gpu.shared.violations.clone()
        })
    }

    /// Commands for units that are not simulated, by name, and how often one was left out.
    #[must_use]
    pub fn missing(&self) -> BTreeMap<&'static str, u64> {
        self.inner.with(|gpu| {
            let mut all = BTreeMap::new();
            for (name, count) in gpu.engines.iter().flat_map(crate::cs::Streamer::missing) {
                let sum: &mut u64 = all.entry(*name).or_default();
                *sum = sum.saturating_add(*count);
            }
            all
        })
    }

    /// Registers that mean nothing here and that the driver used, by offset: what it wrote is kept, and nobody looks at it.
    #[must_use]
    pub fn unknown_registers(&self) -> Vec<UnknownRegister> {
        self.inner.with(|gpu| gpu.shared.unknown.list())
    }

    /// What was asked of the GuC's firmware and it does not know: action, and how often.
    #[must_use]
    pub fn unknown_guc_actions(&self) -> BTreeMap<u16, u64> {
        self.inner.with(|gpu| {
            let mut all = BTreeMap::new();
            for (action, count) in gpu.gucs.iter().flat_map(crate::guc::Guc::unknown) {
                let sum: &mut u64 = all.entry(*action).or_default();
                *sum = sum.saturating_add(*count);
            }
            all
        })
    }

    /// Why engines stopped: name and reason.
    #[must_use]
    pub fn halted(&self) -> Vec<(String, String)> {
        self.inner.with(|gpu| {
            let reason = |engine: &crate::cs::Streamer| {
                let (class, instance) = engine.engine();
                let name = format!("{}{instance}", class.short_name());
                engine.fault().map(|stop| (name, String::from(stop.text())))
            };
            gpu.engines.iter().filter_map(reason).collect()
        })
    }

    /// The whole state.
    #[must_use]
    pub fn snapshot(&self) -> DeviceSnapshot {
        self.inner.with(|gpu| DeviceSnapshot::of(gpu))
    }

    /// Sets what goes wrong from now on, and starts counting anew.
    pub fn set_faults(&self, faults: &[Fault]) {
        self.inner.with(|gpu| gpu.shared.plan = FaultPlan::new(faults));
    }

    /// HAL calls that could have failed since the faults were set.
    #[must_use]
    pub fn hal_calls(&self) -> u64 {
        self.inner.with(|gpu| gpu.shared.plan.calls)
    }

    /// Register accesses since the faults were set.
    #[must_use]
    pub fn mmio_accesses(&self) -> u64 {
        self.inner.with(|gpu| gpu.shared.plan.accesses)
    }

    /// How forcewake acknowledges.
    pub fn set_forcewake(&self, mode: AckMode) {
        self.inner.with(|gpu| gpu.shared.tiles.iter_mut().for_each(|tile| tile.forcewake.mode = mode));
    }

    /// Takes the power away and gives it back: everything but memory is as after power-on.
    pub fn lose_power(&self) {
        self.inner.with(Gpu::power_on);
    }

    /// Loses the next `count` interrupt messages of each tile.
    pub fn lose_messages(&self, count: u32) {
        self.inner.with(|gpu| gpu.shared.tiles.iter_mut().for_each(|tile| tile.interrupts.lose_messages = count));
    }

    /// Interrupts the next `count` waits.
    pub fn interrupt_next_relax(&self, count: u32) {
        *locked(&self.inner.interrupt_relax) = count;
    }

    /// Reads memory at a bus address as the device sees it; none where no buffer lies.
    #[must_use]
    pub fn peek(&self, addr: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = self.inner.with(|gpu| gpu.shared.peek(addr, &mut bytes));
        read.ok().map(|()| bytes)
    }

    /// A register as it is stored, by offset in BAR 0, without the side effects of a read. 0 where there is none.
    #[must_use]
    pub fn register(&self, offset: u32) -> u32 {
        self.inner.with(|gpu| {
            let exists = gpu.shared.tiles.select((offset / BLOCK) as usize);
            if exists { gpu.shared.tiles.one().registers.peek(offset % BLOCK) } else { 0 }
        })
    }

    /// Writes a GGTT entry as firmware would have before the driver came; pages of tile n count from n << 20.
    pub fn plant_ggtt(&self, page: u32, entry: u64) {
        self.inner.with(|gpu| {
            gpu.shared.tiles.select((page >> 20) as usize);
            let _ = crate::bus::Bus::set_ggtt_entry(&mut gpu.shared, page & 0xF_FFFF, entry);
        });
    }

    /// Where `va` leads from the page-table root `descriptor`, by the simulator's own walk.
    #[must_use]
    pub fn walk(&self, descriptor: u64, va: u64) -> Option<crate::ppgtt::Leaf> {
        self.inner.with(|gpu| {
            let spec = crate::cs::CsSpec::for_version(gpu.shared.platform.version)?.walk;
            gpu.shared.looking = true;
            let leaf = crate::ppgtt::walk(&mut gpu.shared, &spec, descriptor, va).ok();
            gpu.shared.looking = false;
            leaf
        })
    }

    /// Gives a client fresh zeroed pages, in the place of those it had. Every `piece_bytes`, a multiple of 4096, they
    /// continue elsewhere on the bus; a piece is aligned to its length.
    pub fn user_map(&self, space: UserSpace, range: Range<u64>, piece_bytes: u64) {
        self.inner.with(|gpu| gpu.shared.user.map(space.0, &range, piece_bytes, true));
    }

    /// As [`user_map`](Self::user_map), for pages that nobody but their owner may write.
    pub fn user_map_read_only(&self, space: UserSpace, range: Range<u64>) {
        self.inner.with(|gpu| gpu.shared.user.map(space.0, &range, 4096, false));
    }

    /// Takes pages away from a client. What is pinned of them lives on for the device until it is unpinned.
    pub fn user_unmap(&self, space: UserSpace, range: Range<u64>) {
        self.inner.with(|gpu| gpu.shared.user.unmap(space.0, &range));
    }

    /// Reads a client's memory; none where it has none.
    #[must_use]
    pub fn user_read(&self, space: UserSpace, addr: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = self.inner.with(|gpu| gpu.shared.user.read(space.0, addr, &mut bytes));
        read.then_some(bytes)
    }

    /// Writes a client's memory; false, with nothing written, where it has none.
    #[must_use]
    pub fn user_write(&self, space: UserSpace, addr: u64, from: &[u8]) -> bool {
        self.inner.with(|gpu| gpu.shared.user.write(space.0, addr, from))
    }

    /// Client pages that are pinned; one that is pinned twice counts twice.
    #[must_use]
    pub fn user_pinned(&self) -> u64 {
        self.inner.with(|gpu| gpu.shared.user.pinned())
    }

    /// Everything that the page tables under the root `descriptor` map, by the simulator's own walk; none if it names no
    /// root.
    #[must_use]
    pub fn page_tables(&self, descriptor: u64) -> Option<crate::ppgtt::PageTables> {
        self.inner.with(|gpu| {
            let spec = crate::cs::CsSpec::for_version(gpu.shared.platform.version)?.walk;
            gpu.shared.looking = true;
            let found = crate::ppgtt::contents(&mut gpu.shared, &spec, descriptor).ok();
            gpu.shared.looking = false;
            found
        })
    }

    /// Buffers given out and taken back so far.
    #[must_use]
    pub fn buffers(&self) -> (u64, u64) {
        self.inner.with(|gpu| (gpu.shared.memory.allocated, gpu.shared.memory.freed))
    }
}
