//! The device: everything behind the HAL, and the engines on top of it.

use crate::bus::{Bus, BusError};
use crate::config_space::ConfigSpace;
use crate::cs::{CsSpec, State, Streamer};
use crate::fault::FaultPlan;
use crate::forcewake::{self, Forcewake};
use crate::interrupts::Interrupts;
use crate::memory::Memory;
use crate::registers::Registers;
use crate::self_clearing::{self, Deferred};
use crate::sim::SimConfig;
use crate::spec::{EngineClass, MEDIA_SHIFT, Platform};
use crate::timeline::Timeline;
use crate::trace::Event;

/// Virtual time of one register access, in nanoseconds.
const ACCESS_NS: u64 = 100;
/// Most violations kept.
const VIOLATIONS: usize = 256;
/// Writes to this register flush pending writes (engines sheet §2.1, 15015404425); so many before each read on 20.04.
const PENDING_WRITE_FLUSH: u32 = 0x13_0030;
const FLUSHES_BEFORE_READ: u32 = 4;
/// Entries of the GGTT that may be written before the media GT's version register is (22019338487).
const GGTT_WRITES_BEFORE_FENCE: u32 = 63;
/// First fault register; address low and high lie before it (engines sheet §11.2).
const RING_FAULT: u32 = 0xCEC4;
const FAULT_DATA0: u32 = 0xCEB8;
const FAULT_DATA1: u32 = 0xCEBC;
/// Address in a GGTT entry; bit 0 says that it has one (page-tables sheet §4.2).
const GGTT_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// The device without its engines: what an engine sees around it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) platform: Platform,
    pub(crate) memory: Memory,
    pub(crate) registers: Registers,
    pub(crate) ggtt: Vec<u64>,
    pub(crate) forcewake: Forcewake,
    pub(crate) interrupts: Interrupts,
    pub(crate) config: ConfigSpace,
    pub(crate) time_ns: u64,
    pub(crate) timeline: Timeline,
    pub(crate) violations: Vec<String>,
    pub(crate) plan: FaultPlan,
    pub(crate) irq_line: bool,
    pub(crate) deferred: Vec<(u64, Deferred)>,
    flushes: u32,
    ggtt_writes: u32,
}

impl Shared {
    /// Notes a rule that the driver broke.
    pub(crate) fn violation(&mut self, text: String) {
        self.timeline.push(self.time_ns, Event::Fault { text: text.clone() });
        if self.violations.len() < VIOLATIONS {
            self.violations.push(text);
        }
    }

    /// Puts on the timeline that bytes were published, and where the GGTT shows them.
    pub(crate) fn trace_publish(&mut self, bus: u64, bytes: u64) {
        if !self.timeline.is_on() || bytes == 0 {
            return;
        }
        let page =
            (0u32..).zip(&self.ggtt).find(|(_, entry)| **entry & 1 != 0 && **entry & GGTT_ADDRESS == bus & !0xFFF);
        let ggtt = page.map(|(page, _)| page << 12 | bus as u32 & 0xFFF);
        self.timeline.push(self.time_ns, Event::Published { bus, ggtt, bytes });
    }

    /// Workarounds of 20.04 that a driver must keep to.
    fn check_read(&mut self, offset: u32) {
        if self.platform.version >= 2004 && self.flushes < FLUSHES_BEFORE_READ {
            self.violation(format!("read of {offset:#x} without flushing pending writes (15015404425)"));
        }
        self.flushes = 0;
    }

    const fn count_flush(&mut self, offset: u32) {
        if offset == PENDING_WRITE_FLUSH {
            self.flushes += 1;
        } else {
            self.flushes = 0;
        }
        if offset == MEDIA_SHIFT + 0xD8C {
            self.ggtt_writes = 0;
        }
    }

    /// Whether the register's domain is awake; if not, that is a violation.
    fn is_reachable(&mut self, offset: u32, what: &str) -> bool {
        let Some(domain) = forcewake::needed(&self.platform, offset) else { return true };
        let awake = self.forcewake.is_awake(domain, self.time_ns);
        if !awake {
            self.violation(format!("{what} of {offset:#x} while {domain:?} sleeps"));
        }
        awake
    }

    pub(crate) fn write_ggtt(&mut self, page: u32, entry: u64) {
        self.ggtt_writes += 1;
        if self.platform.version >= 2004 && self.ggtt_writes > GGTT_WRITES_BEFORE_FENCE {
            self.violation(String::from("64 GGTT entries written without the fence (22019338487)"));
            self.ggtt_writes = 0;
        }
        self.set_ggtt_entry(page, entry);
    }
}

impl Bus for Shared {
    fn dma_read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        if !self.config.is_bus_master() {
            return Err(BusError { addr });
        }
        self.memory.device_read(addr, into)
    }

    fn dma_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        if !self.config.is_bus_master() {
            return Err(BusError { addr });
        }
        self.memory.device_write(addr, from)
    }

    fn ggtt_entry(&mut self, page: u32) -> u64 {
        self.ggtt.get(page as usize).copied().unwrap_or(0)
    }

    fn set_ggtt_entry(&mut self, page: u32, entry: u64) {
        if let Some(slot) = self.ggtt.get_mut(page as usize) {
            *slot = entry;
        }
    }

    fn mmio_read(&mut self, offset: u32) -> u32 {
        self.registers.peek(offset)
    }

    fn mmio_write(&mut self, offset: u32, value: u32) {
        self.registers.write(offset, value);
    }

    fn now_ns(&mut self) -> u64 {
        self.time_ns
    }

    fn tracing(&self) -> bool {
        self.timeline.is_on()
    }

    fn trace_at(&mut self, after_ns: u64, event: Event) {
        self.timeline.push(self.time_ns.saturating_add(after_ns), event);
    }

    fn latch_fault(&mut self, class: EngineClass, va: u64, ggtt: bool) {
        if self.registers.peek(RING_FAULT) & 1 != 0 {
            return;
        }
        let record = 1 | u32::from(ggtt) << 11 | (class.code() as u32) << 12;
        self.registers.put(RING_FAULT, record);
        self.registers.put(FAULT_DATA0, (va >> 12) as u32);
        self.registers.put(FAULT_DATA1, (va >> 44 & 0xF) as u32 | u32::from(ggtt) << 4);
    }
}

/// The whole device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) shared: Shared,
    pub(crate) engines: Vec<Streamer>,
    pub(crate) execution: bool,
}

impl Gpu {
    pub(crate) fn new(config: &SimConfig) -> Option<Self> {
        let platform = config.platform.clone();
        let spec = CsSpec::for_version(platform.version)?;
        let streamer =
            |engine: &crate::spec::EngineSpec| Streamer::new(spec, engine.class, engine.instance, engine.base);
        let engines = platform.engines.iter().map(streamer).collect();
        let shared = Shared {
            memory: Memory::new(config.coherence, config.max_block_bytes, config.memory_bytes),
            registers: Registers::new(&platform),
            ggtt: vec![0; platform.ggtt_entries() as usize],
            forcewake: Forcewake::new(&platform),
            interrupts: Interrupts::new(&platform),
            config: ConfigSpace::new(&platform),
            time_ns: 0,
            timeline: Timeline::new(config.timeline_events),
            violations: Vec::new(),
            plan: FaultPlan::default(),
            irq_line: false,
            deferred: Vec::new(),
            flushes: 0,
            ggtt_writes: 0,
            platform,
        };
        Some(Self { shared, engines, execution: config.execution })
    }

    /// Counts an access and lets its time pass; whether the device answers.
    fn access(&mut self) -> bool {
        self.shared.time_ns += ACCESS_NS;
        self.settle();
        self.shared.plan.answers_access() && self.shared.config.decodes_memory()
    }

    pub(crate) fn read32(&mut self, offset: u32) -> u32 {
        if !self.access() {
            return u32::MAX;
        }
        if let Some(value) = self.shared.plan.read(offset) {
            return value;
        }
        self.shared.check_read(offset);
        let now = self.shared.time_ns;
        if let Some(value) = self.shared.forcewake.read(offset, now) {
            return value;
        }
        if !self.shared.is_reachable(offset, "read") {
            return 0;
        }
        if let Some(value) = self.shared.interrupts.read(offset, now) {
            return value;
        }
        self.read_engine(offset).unwrap_or_else(|| self.shared.registers.read(offset))
    }

    fn engine_of(&self, offset: u32) -> Option<(usize, u32)> {
        let index = self.shared.platform.engines.iter().position(|engine| offset & !0xFFF == engine.base)?;
        Some((index, offset & 0xFFF))
    }

    fn read_engine(&mut self, offset: u32) -> Option<u32> {
        let (index, inside) = self.engine_of(offset)?;
        let engine = self.engines.get_mut(index)?;
        match inside {
            // engines sheet §7.3: busy until the submission has been accepted and has drained.
            0x234 => Some(u32::from(engine.pending_submit() || engine.current_descriptor().is_some()) << 7),
            0x238 => Some((engine.current_descriptor().unwrap_or(0) >> 32) as u32),
            // Stopped, or nothing to do: the idle bit of MI_MODE.
            0x09C => {
                let stored = self.shared.registers.read(offset);
                let idle = engine.state() == State::Idle || stored & 1 << 8 != 0;
                Some(stored | u32::from(idle) << 9)
            }
            _ => engine.read_register(&mut self.shared, inside),
        }
    }

    pub(crate) fn write32(&mut self, offset: u32, value: u32) {
        if !self.access() || self.shared.plan.drops_write(offset) {
            return;
        }
        self.shared.count_flush(offset);
        let now = self.shared.time_ns;
        if self.shared.forcewake.write(offset, value, now) || !self.shared.is_reachable(offset, "write") {
            return;
        }
        if self.shared.interrupts.write(offset, value, now) {
            return;
        }
        if let Some((index, inside)) = self.engine_of(offset) {
            if inside == 0x550 {
                self.load(index, value);
            } else if self.engines.get_mut(index).is_some_and(|engine| engine.write_register(inside, value)) {
                return;
            }
        }
        self.shared.registers.write(offset, value);
        self_clearing::written(self, offset, value);
    }

    /// `EXECLIST_CONTROL`: the submit queue's first entry is taken over.
    fn load(&mut self, index: usize, value: u32) {
        let Some(engine) = self.shared.platform.engines.get(index).copied() else { return };
        let Some(streamer) = self.engines.get_mut(index) else { return };
        if value & 1 == 0 {
            return;
        }
        let stored = |inside: u32| self.shared.registers.peek(engine.base + inside);
        let descriptor = u64::from(stored(0x510)) | u64::from(stored(0x514)) << 32;
        let refusal = match () {
            () if stored(0x29C) & 1 << 3 == 0 => Some("execlists are not enabled"),
            () if stored(0x080) == 0 => Some("there is no status page"),
            () if descriptor & 1 == 0 => Some("the descriptor is not valid"),
            () if descriptor >> 3 & 3 != 3 => Some("the addressing mode is not 64 bit"),
            () if streamer.pending_submit() => Some("the submission before is not accepted"),
            () => None,
        };
        if let Some(refusal) = refusal {
            let name = engine.class.short_name();
            self.shared.violation(format!("{name}{}: load of {descriptor:#x}: {refusal}", engine.instance));
            return;
        }
        self.shared.trace(Event::Doorbell { engine: (engine.class, engine.instance), descriptor });
        streamer.submit(descriptor);
    }

    /// What was put off and is due.
    pub(crate) fn settle(&mut self) {
        if self.shared.deferred.is_empty() {
            return;
        }
        let now = self.shared.time_ns;
        let (due, later) = core::mem::take(&mut self.shared.deferred).into_iter().partition(|(at, _)| *at <= now);
        self.shared.deferred = later;
        let due: Vec<(u64, Deferred)> = due;
        for (_, deferred) in due {
            self_clearing::finish(self, &deferred);
        }
    }
}

/// The GGTT array in the upper half of the block.
impl Gpu {
    const GGTT: u32 = 8 << 20;
    const BLOCK: u32 = 16 << 20;

    /// First entry of an access, if it is one of the array.
    fn ggtt_index(&mut self, offset: u32) -> Option<u32> {
        let inside = (Self::GGTT..Self::BLOCK).contains(&offset) && offset.is_multiple_of(8);
        if !inside {
            self.shared.violation(format!("64-bit access to {offset:#x}"));
        }
        inside.then(|| (offset - Self::GGTT) / 8)
    }

    pub(crate) fn read64_run(&mut self, offset: u32, out: &mut [u64]) {
        if !self.access() {
            out.fill(u64::MAX);
            return;
        }
        let Some(first) = self.ggtt_index(offset) else {
            out.fill(0);
            return;
        };
        for (page, entry) in (first..).zip(out) {
            *entry = self.shared.ggtt_entry(page);
        }
    }

    pub(crate) fn write64_steps(&mut self, offset: u32, first: u64, step: u64, count: u32) {
        if !self.access() {
            return;
        }
        let Some(page) = self.ggtt_index(offset) else { return };
        let mut entry = first;
        let count = count.min((1 << 20) - page);
        for page in (page..).take(count as usize) {
            self.shared.write_ggtt(page, entry);
            entry = entry.wrapping_add(step);
        }
    }
}
