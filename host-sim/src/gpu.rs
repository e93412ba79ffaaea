//! The device: everything behind the HAL, and the engines on top of it.

use crate::blocks::function_reset;
use crate::blocks::pcode;
use crate::blocks::self_clearing::{self, Deferred};
use crate::config::SimConfig;
use crate::cs::{CsSpec, State, Streamer};
use crate::fault::{Action, Occasion};
use crate::guc::{self, Guc};
use crate::shared::Shared;
use crate::spec::{EngineClass, EngineSpec, Platform};
use crate::trace::Event;

/// Bytes of one tile's block of BAR 0.
pub(crate) const BLOCK: u32 = 16 << 20;
/// Virtual time of one register access, in nanoseconds.
const ACCESS_NS: u64 = 100;
/// Bit 0: compute engines are on (engines sheet §4.3).
const RCU_MODE: u32 = 0x1_4800;

/// The whole device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) shared: Shared,
    /// The engines of all tiles, tile by tile.
    pub(crate) engines: Vec<Streamer>,
    /// Their microcontrollers, tile by tile, one for each GT.
    pub(crate) gucs: Vec<Guc>,
    pub(crate) execution: bool,
    /// How it was made, and is made again when it is reset.
    config: SimConfig,
}

impl Gpu {
    pub(crate) fn new(config: &SimConfig) -> Option<Self> {
        let spec = CsSpec::for_version(config.platform.version)?;
        let keeps = config.tlb_outlives_restore;
        let streamer = |engine: &EngineSpec| {
            let mut streamer = Streamer::new(spec, engine.class, engine.instance, engine.base);
            streamer.tlb_outlives_restore = keeps;
            streamer
        };
        let of_tile = |_| config.platform.engines.iter().map(streamer);
        let engines = (0..config.platform.tiles.max(1)).flat_map(of_tile).collect();
        let (execution, config) = (config.execution, config.clone());
        let gucs = guc::gucs(&config.platform);
        Some(Self { shared: Shared::new(&config), engines, gucs, execution, config })
    }

    /// Back to the state after power-on. What is on the other side of the bus stays, and so does what happened.
    pub(crate) fn power_on(&mut self) {
        let Some(fresh) = Self::new(&self.config) else { return };
        self.engines = fresh.engines;
        self.gucs.iter_mut().for_each(Guc::reset);
        self.shared.power_on(fresh.shared);
    }

    /// The same, asked for by the driver itself: configuration space stays.
    pub(crate) fn reset_function(&mut self) {
        let config = self.shared.config.clone();
        self.power_on();
        self.shared.config = config;
    }

    /// Lets the device's clock show at least an instant.
    pub(crate) fn pass_to(&mut self, now_ns: u64) {
        if now_ns > self.shared.time_ns {
            self.shared.time_ns = now_ns;
            self.settle();
        }
    }

    /// Whether something happens without anybody asking.
    pub(crate) fn is_busy(&self) -> bool {
        let has_work = |engine: &Streamer| engine.pending_submit() || engine.current_descriptor().is_some();
        !self.shared.deferred.is_empty() || self.guc_due_ns().is_some() || self.engines.iter().any(has_work)
    }

    /// Counts an access at an offset in BAR 0 and lets its time pass; the offset in its tile's block, if the device
    /// answers there.
    pub(crate) fn access(&mut self, offset: u32) -> Option<u32> {
        self.shared.time_ns = self.shared.time_ns.saturating_add(ACCESS_NS);
        self.settle();
        let answers = self.shared.plan.answers_access() && self.shared.config.decodes_memory();
        let tile = (offset / BLOCK) as usize;
        if !self.shared.tiles.select(tile) {
            self.shared.violation(format!("access to {offset:#x}: there is no tile {tile}"));
            return None;
        }
        answers.then_some(offset % BLOCK)
    }

    /// Position of the selected tile's first engine.
    const fn first_engine(&self) -> usize {
        self.shared.tiles.selected() * self.shared.platform.engines.len()
    }

    /// The engines of the selected tile.
    pub(crate) fn engines_here(&mut self) -> impl Iterator<Item = &mut Streamer> {
        let (first, count) = (self.first_engine(), self.shared.platform.engines.len());
        self.engines.iter_mut().skip(first).take(count)
    }

    pub(crate) fn read32(&mut self, in_bar: u32) -> u32 {
        let Some(offset) = self.access(in_bar) else { return u32::MAX };
        if let Some(value) = self.shared.plan.read(in_bar) {
            return value;
        }
        if let Some(value) = self.read_goes_wrong(&Occasion::Read(Some(in_bar))) {
            return value as u32;
        }
        self.shared.check_read(offset);
        let now = self.shared.time_ns;
        if let Some(value) = self.shared.tiles.one().forcewake.read(offset, now) {
            return value;
        }
        if !self.is_kept_awake(offset) && !self.shared.is_reachable(offset, "read") {
            return 0;
        }
        if let Some(value) = self.shared.tiles.one_mut().interrupts.read(offset, now) {
            return value;
        }
        if let Some(value) = self.read_guc(offset) {
            return value;
        }
        if let Some(value) = self.read_engine(offset) {
            return value;
        }
        self.count_unknown(in_bar, offset, false);
        self.shared.tiles.one_mut().registers.read(offset)
    }

    /// Whether an offset is one of an engine that works, on a GT whose firmware decides when it sleeps. Without firmware
    /// nobody but the driver keeps a domain awake here.
    fn is_kept_awake(&self, offset: u32) -> bool {
        let engine = self.engine_of(offset).and_then(|(index, _)| self.engines.get(index));
        engine.is_some_and(|engine| engine.current_descriptor().is_some() && self.has_guc(engine.engine().0))
    }

    /// The engine an offset belongs to, and the offset inside its registers.
    fn engine_of(&self, offset: u32) -> Option<(usize, u32)> {
        let (engine, inside) = Platform::owner(offset)?;
        Some((self.first_engine() + self.shared.platform.position(engine)?, inside))
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
                let stored = self.shared.tiles.one_mut().registers.read(offset);
                let idle = engine.state() == State::Idle || stored & 1 << 8 != 0;
                Some(stored | u32::from(idle) << 9)
            }
            _ => engine.read_register(&mut self.shared, inside),
        }
    }

    pub(crate) fn write32(&mut self, in_bar: u32, value: u32) {
        let Some(offset) = self.access(in_bar) else { return };
        if self.shared.plan.drops_write(in_bar) {
            return;
        }
        let Some(value) = self.write_goes_wrong(&Occasion::Write(Some(in_bar)), value.into()) else { return };
        let value = value as u32;
        self.shared.tiles.one_mut().count_flush(offset);
        let now = self.shared.time_ns;
        let wakes = self.shared.tiles.one_mut().forcewake.write(offset, value, now);
        if wakes || !self.is_kept_awake(offset) && !self.shared.is_reachable(offset, "write") {
            return;
        }
        if self.shared.tiles.one_mut().interrupts.write(offset, value, now) {
            return;
        }
        if let Some((index, inside)) = self.engine_of(offset) {
            if inside == 0x550 {
                self.load(index, value);
                return;
            }
            if self.engines.get_mut(index).is_some_and(|engine| engine.write_register(inside, value)) {
                return;
            }
        }
        if self.write_guc(offset, value) {
            return;
        }
        self.count_unknown(in_bar, offset, true);
        let tile = self.shared.tiles.one_mut();
        tile.registers.write(offset, value);
        tile.forcewake.written(offset, value);
        self_clearing::written(self, offset, value);
        function_reset::written(self, offset, value);
        pcode::written(self, offset, value);
    }

    /// `EXECLIST_CONTROL`: the submit queue is taken over.
    fn load(&mut self, index: usize, value: u32) {
        let own = index - self.first_engine();
        let Some(engine) = self.shared.platform.engines.get(own).copied() else { return };
        if value & 1 == 0 {
            return;
        }
        let stored = |inside: u32| u64::from(self.shared.tiles.one().registers.peek(engine.base + inside));
        let entry = |number: u32| stored(0x510 + 8 * number) | stored(0x514 + 8 * number) << 32;
        let [first, second] = [0, 1].map(entry);
        let second = (second & 1 != 0).then_some(second);
        self.catch_up(index);
        if let Some(refusal) = self.refusal(index, &engine, first, second) {
            let name = engine.class.short_name();
            self.shared.violation(format!("{name}{}: load of {first:#x}: {refusal}", engine.instance));
            return;
        }
        match self.shared.plan.meet(&Occasion::Submission(Some((engine.class, engine.instance)))) {
            None | Some(Action::AllOnes | Action::Value(_)) => {}
            Some(Action::Drop | Action::Gone) => return,
            Some(Action::Delay(by)) => {
                self_clearing::put_off(self, by.get(), Deferred::Load { index, first, second });
                return;
            }
            Some(Action::Hang) => {
                if let Some(streamer) = self.engines.get_mut(index) {
                    streamer.hang();
                }
            }
        }
        self.take_over(index, first, second);
    }

    /// The engine takes a load.
    pub(crate) fn take_over(&mut self, index: usize, first: u64, second: Option<u64>) {
        let Some(engine) = self.engines.get(index).map(Streamer::engine) else { return };
        for descriptor in core::iter::once(first).chain(second) {
            self.shared.trace(Event::Doorbell { engine, descriptor });
        }
        if let Some(streamer) = self.engines.get_mut(index) {
            streamer.submit_queue(first, second);
        }
    }

    /// Why a load is not taken (engines sheet §7.5, §7.7).
    fn refusal(&self, index: usize, engine: &EngineSpec, first: u64, second: Option<u64>) -> Option<&'static str> {
        let stored = |inside: u32| self.shared.tiles.one().registers.peek(engine.base + inside);
        let wrong = |descriptor: u64| match () {
            () if descriptor & 1 == 0 => Some("the descriptor is not valid"),
            () if descriptor >> 3 & 3 != 3 => Some("the addressing mode is not 64 bit"),
            () => None,
        };
        let compute_off =
            engine.class == EngineClass::Compute && self.shared.tiles.one().registers.peek(RCU_MODE) & 1 == 0;
        let busy = self.engines.get(index).is_some_and(Streamer::pending_submit);
        match () {
            () if stored(0x29C) & 1 << 3 == 0 => Some("execlists are not enabled"),
            () if stored(0x080) == 0 => Some("there is no status page"),
            () if stored(0x080) & 0xFFF != 0 => Some("the status page is not at a page's start"),
            () if compute_off => Some("compute engines are not enabled (RCU_MODE)"),
            () if busy => Some("the submission before is not accepted"),
            () if second.is_some() && self.shared.platform.version >= 2000 => {
                Some("whether a second entry is honoured from 20.00 on is not known")
            }
            () => wrong(first).or_else(|| second.and_then(wrong)),
        }
    }

    /// What was put off and is due.
    pub(crate) fn settle(&mut self) {
        let now = self.shared.time_ns;
        if self.shared.deferred.iter().all(|(at, ..)| *at > now) {
            return;
        }
        let (due, later) = core::mem::take(&mut self.shared.deferred).into_iter().partition(|(at, ..)| *at <= now);
        self.shared.deferred = later;
        let due: Vec<(u64, usize, Deferred)> = due;
        for (_, tile, deferred) in due {
            self.shared.tiles.select(tile);
            self_clearing::finish(self, &deferred);
        }
    }
}
