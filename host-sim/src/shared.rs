//! The device without its engines: what an engine sees around it.

use crate::blocks::config_space::ConfigSpace;
use crate::blocks::forcewake;
use crate::blocks::self_clearing::Deferred;
use crate::blocks::unknown::Unknown;
use crate::bus::{Bus, BusError};
use crate::clients::stores::{Author, StoreWatch, Stored};
use crate::clients::user::UserMemory;
use crate::config::SimConfig;
use crate::fault::{Action, FaultPlan, Occasion};
use crate::memory::{Mapped, Memory};
use crate::spec::{EngineClass, Platform};
use crate::tile::{TileState, Tiles};
use crate::trace::Event;
use crate::trace::timeline::Timeline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most violations kept.
const VIOLATIONS: usize = 256;
/// Flushes of pending writes before each read on 20.04 (engines sheet §2.1, 15015404425).
const FLUSHES_BEFORE_READ: u32 = 4;
/// Entries of the GGTT that may be written before the fence (22019338487).
const GGTT_WRITES_BEFORE_FENCE: u32 = 63;
/// First fault register; address low and high lie before it (engines sheet §11.2).
const RING_FAULT: u32 = 0xCEC4;
const FAULT_DATA0: u32 = 0xCEB8;
const FAULT_DATA1: u32 = 0xCEBC;
/// Bit 0: compression bytes exist (page-tables sheet §9.2).
const FLAT_CCS: u32 = 0x8800;
/// Address in a GGTT entry; bit 0 says that it has one (page-tables sheet §4.2).
const GGTT_ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;
const PAGE: u64 = 4096;

/// Whether a register of a GT tells of faults or compression, by its offset in the main GT.
pub(crate) const fn is_fault_register(relative: u32) -> bool {
    matches!(relative, RING_FAULT | FAULT_DATA0 | FAULT_DATA1 | FLAT_CCS)
}

/// Everything but the engines.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) platform: Platform,
    pub(crate) memory: Memory,
    pub(crate) user: UserMemory,
    /// Memory behind a bus: all there is for a device that is seen from one.
    pub(crate) mapped: Option<Mapped>,
    pub(crate) tiles: Tiles,
    pub(crate) config: ConfigSpace,
    pub(crate) time_ns: u64,
    pub(crate) timeline: Timeline,
    pub(crate) violations: Vec<String>,
    pub(crate) unknown: Unknown,
    pub(crate) plan: FaultPlan,
    pub(crate) irq_line: bool,
    /// What is done later: when, on which tile, what.
    pub(crate) deferred: Vec<(u64, usize, Deferred)>,
    /// Somebody only looks: nothing that is met is the driver's fault.
    pub(crate) looking: bool,
    /// Compression bytes that are not zero, by page.
    compression: BTreeMap<u64, u64>,
    trace_accesses: bool,
    /// Messages that were delayed and are due.
    pub(crate) late_messages: u32,
    stores: Option<Arc<dyn StoreWatch>>,
}

impl Shared {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let platform = config.platform.clone();
        Self {
            memory: Memory::new(config),
            user: UserMemory::new(config.clients.clone()),
            mapped: None,
            tiles: Tiles::new(&platform, config.c6),
            config: ConfigSpace::new(&platform, config.msi),
            time_ns: 0,
            timeline: Timeline::new(config.timeline_events),
            violations: Vec::new(),
            unknown: Unknown::default(),
            plan: FaultPlan::default(),
            irq_line: false,
            deferred: Vec::new(),
            looking: false,
            compression: BTreeMap::new(),
            trace_accesses: config.trace_accesses,
            late_messages: 0,
            stores: config.stores.clone(),
            platform,
        }
    }

    /// Takes over what a device that was just made differs in. Memory, time, faults and notes stay.
    pub(crate) fn power_on(&mut self, fresh: Self) {
        let mut before = core::mem::replace(&mut self.tiles, fresh.tiles);
        for (tile, before) in self.tiles.iter_mut().zip(before.iter_mut()) {
            tile.ggtt.inherit(&mut before.ggtt);
        }
        (self.config, self.compression) = (fresh.config, fresh.compression);
        self.deferred.clear();
        self.trace(Event::PowerOn);
    }

    /// What lies at a bus address, for whoever watches stores.
    fn stored_at(&self, addr: u64, len: usize) -> Option<Stored> {
        if UserMemory::may_have(addr) {
            let (space, at) = self.user.client_place(addr, len)?;
            return Some(Stored::Client(space, at));
        }
        self.memory.cpu_place(addr, len).map(Stored::Buffer)
    }

    /// Puts an access on the timeline, if anybody wants to see accesses.
    pub(crate) fn trace_access(&mut self, event: impl FnOnce() -> Event) {
        if self.trace_accesses {
            self.trace(event());
        }
    }

    /// Puts an event on the timeline, now.
    pub(crate) fn trace(&mut self, event: Event) {
        self.timeline.push(self.time_ns, event);
    }

    /// Notes a rule that the driver broke.
    pub(crate) fn violation(&mut self, text: String) {
        let text = match self.tiles.selected() {
            0 => text,
            tile => format!("tile {tile}: {text}"),
        };
        self.trace(Event::Fault { text: text.clone() });
        if self.violations.len() < VIOLATIONS {
            self.violations.push(text);
        }
    }

    /// Workarounds of 20.04 that a driver must keep to.
    pub(crate) fn check_read(&mut self, offset: u32) {
        if self.platform.version >= 2004 && self.tiles.one().flushes < FLUSHES_BEFORE_READ {
            self.violation(format!("read of {offset:#x} without flushing pending writes (15015404425)"));
        }
        self.tiles.one_mut().flushes = 0;
    }

    /// Whether there is a register at the offset and its domain is awake; if not, that is a violation.
    pub(crate) fn is_reachable(&mut self, offset: u32, what: &str) -> bool {
        const REGISTERS: u32 = 4 << 20;
        if offset >= REGISTERS {
            self.violation(format!("{what} of {offset:#x}: no register lies there"));
            return false;
        }
        if let Some((engine, _)) = Platform::owner(offset)
            && self.platform.position(engine).is_none()
        {
            if !self.plan.lies() {
                let name = format!("{}{}", engine.class.short_name(), engine.instance);
                self.violation(format!("{what} of {offset:#x}: {name} does not exist on this part"));
            }
            return false;
        }
        let Some(domain) = forcewake::needed(&self.platform, offset) else { return true };
        let awake = self.tiles.one().forcewake.is_awake(domain, self.time_ns);
        if !awake {
            self.violation(format!("{what} of {offset:#x} while {domain:?} sleeps"));
        }
        awake
    }

    /// The CPU writes an entry of the array in BAR 0.
    pub(crate) fn write_ggtt(&mut self, page: u32, entry: u64) {
        let tile = self.tiles.one_mut();
        tile.ggtt_writes = tile.ggtt_writes.saturating_add(1);
        if self.platform.version >= 2004 && tile.ggtt_writes > GGTT_WRITES_BEFORE_FENCE {
            tile.ggtt_writes = 0;
            self.violation(String::from("64 GGTT entries written without the fence (22019338487)"));
        }
        if !self.set_ggtt_entry(page, entry) {
            self.violation(format!("write of GGTT entry {page:#x}, which is beyond the table"));
        }
    }

    /// Reads memory as the device sees it.
    pub(crate) fn peek(&self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        match &self.mapped {
            Some(mapped) => mapped.read(addr, into),
            None if UserMemory::may_have(addr) => self.user.device_read(addr, into),
            None => self.memory.device_read(addr, into),
        }
    }

    /// A device access to memory that failed: no table a driver writes leads to memory that it was not given, or has
    /// given back.
    fn blame(&mut self, addr: u64, writes: bool) {
        if self.looking {
            return;
        }
        let what = if writes { "writes" } else { "reads" };
        if !self.config.is_bus_master() {
            // Taking the bus away is how a driver stops an engine that nothing else stops: no rule is broken.
            let text = format!("the device {what} bus address {addr:#x}, while bus mastering is off");
            self.trace(Event::Fault { text });
            return;
        }
        let why = match &self.mapped {
            Some(mapped) => mapped.refusal(addr, writes),
            None if UserMemory::may_have(addr) => "where no client page is pinned for that",
            None if self.memory.was_freed(addr) => "which was freed",
            None => "where no buffer is",
        };
        self.violation(format!("the device {what} bus address {addr:#x}, {why}"));
    }

    /// Puts on the timeline that bytes were published, and where the GGTT shows them.
    pub(crate) fn trace_publish(&mut self, bus: u64, bytes: u64) {
        if !self.timeline.is_on() || bytes == 0 {
            return;
        }
        let shows = |entry: u64| entry & 1 != 0 && entry & GGTT_ADDRESS == bus & !(PAGE - 1);
        let in_tile =
            |tile: &TileState| (0u32..).zip(tile.ggtt.entries().iter().copied()).find(|(_, entry)| shows(*entry));
        let page = self.tiles.iter().find_map(in_tile);
        let ggtt = page.map(|(page, _)| page << 12 | bus as u32 & 0xFFF);
        self.trace(Event::Published { bus, ggtt, bytes });
    }
}

/// Repeats the bytes of a word, each where its address has it.
fn fill(addr: u64, word: u64, into: &mut [u8]) {
    let bytes = word.to_le_bytes().into_iter().cycle().skip((addr & 7) as usize);
    for (byte, value) in into.iter_mut().zip(bytes) {
        *byte = value;
    }
}

impl Bus for Shared {
    fn dma_read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        self.trace_access(|| Event::Dma { addr, bytes: into.len() as u64, written: false });
        let read = if self.config.is_bus_master() { self.peek(addr, into) } else { Err(BusError { addr }) };
        read.inspect_err(|refused| self.blame(refused.addr, false))?;
        match if self.looking { None } else { self.plan.meet(&Occasion::DmaRead(Some(addr))) } {
            Some(Action::AllOnes) => into.fill(0xFF),
            Some(Action::Value(value)) => fill(addr, value, into),
            Some(Action::Drop | Action::Gone) => return Err(BusError { addr }),
            None | Some(Action::Delay(_) | Action::Hang) => {}
        }
        Ok(())
    }

    fn dma_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        let mut other = Vec::new();
        let from = match self.plan.meet(&Occasion::DmaWrite(Some(addr))) {
            Some(Action::Drop | Action::Gone) => return Ok(()),
            Some(Action::Value(value)) => {
                other.resize(from.len(), 0);
                fill(addr, value, &mut other);
                &other[..]
            }
            None | Some(Action::AllOnes | Action::Delay(_) | Action::Hang) => from,
        };
        self.trace_access(|| Event::Dma { addr, bytes: from.len() as u64, written: true });
        let written = match &self.mapped {
            _ if !self.config.is_bus_master() => Err(BusError { addr }),
            Some(mapped) => mapped.write(addr, from),
            None if UserMemory::may_have(addr) => self.user.device_write(addr, from),
            None => self.memory.device_write(addr, from),
        };
        written.inspect_err(|refused| self.blame(refused.addr, true))
    }

    fn is_watched(&self) -> bool {
        self.stores.is_some()
    }

    fn dma_write_by(&mut self, addr: u64, from: &[u8], author: Author) -> Result<(), BusError> {
        self.dma_write(addr, from)?;
        if let Some((stores, place)) = self.stores.as_ref().zip(self.stored_at(addr, from.len())) {
            stores.stored(place, from, author);
        }
        Ok(())
    }

    fn command_goes_wrong(&mut self, engine: (EngineClass, u8), name: &'static str) -> Option<Action> {
        self.plan.meet(&Occasion::Command(Some(engine), Some(name)))
    }

    fn submission_goes_wrong(&mut self, engine: (EngineClass, u8)) -> Option<Action> {
        self.plan.meet(&Occasion::Submission(Some(engine)))
    }

    fn reset_goes_wrong(&mut self, engine: (EngineClass, u8)) -> Option<Action> {
        self.plan.meet(&Occasion::Reset(Some(engine)))
    }

    fn ggtt_entry(&mut self, page: u32) -> Option<u64> {
        self.tiles.one().ggtt.get(page)
    }

    fn set_ggtt_entry(&mut self, page: u32, entry: u64) -> bool {
        self.tiles.one_mut().ggtt.set(page, entry)
    }

    fn mmio_read(&mut self, offset: u32) -> u32 {
        self.tiles.one().registers.peek(offset)
    }

    fn mmio_write(&mut self, offset: u32, value: u32) {
        self.tiles.one_mut().registers.write(offset, value);
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

    fn complain(&mut self, text: String) {
        self.violation(text);
    }

    fn latch_fault(&mut self, class: EngineClass, va: u64, ggtt: bool) {
        let shift = self.platform.gt_shift(class);
        let registers = &mut self.tiles.one_mut().registers;
        if registers.peek(shift + RING_FAULT) & 1 != 0 {
            return;
        }
        let record = 1 | u32::from(ggtt) << 11 | (class.code() as u32) << 12;
        registers.put(shift + RING_FAULT, record);
        registers.put(shift + FAULT_DATA0, (va >> 12) as u32);
        registers.put(shift + FAULT_DATA1, (va >> 44 & 0xF) as u32 | u32::from(ggtt) << 4);
    }

    fn compression(&mut self, page: u64) -> Option<u64> {
        let exists = self.tiles.one().registers.peek(FLAT_CCS) & 1 != 0;
        exists.then(|| self.compression.get(&(page & !(PAGE - 1))).copied().unwrap_or(0))
    }

    fn set_compression(&mut self, page: u64, bytes: u64) {
        if bytes == 0 {
            self.compression.remove(&(page & !(PAGE - 1)));
        } else {
            self.compression.insert(page & !(PAGE - 1), bytes);
        }
    }
}
