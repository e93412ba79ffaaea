//! The engine: what it holds, and when it goes on.

use super::access::Space;
use super::commands::transfer::Transfer;
use super::context::image::RingState;
use super::context::kept::EngineState;
use super::switch::Queue;
use super::{CsSpec, Flow, Stop};
use crate::bus::Bus;
use crate::spec::EngineClass;
use crate::tlb::Tlb;
use crate::trace::Event;
use std::collections::BTreeMap;

/// What an engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No context.
    Idle,
    /// A context with work.
    Running,
    /// A context whose semaphore is not satisfied.
    Waiting,
    /// Stopped by an error, until reset.
    Halted,
}

/// What one [`Streamer::run`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Commands executed. A copy or fill counts once for each piece it is done in.
    pub commands: u32,
    /// Interrupt vector bits raised.
    pub raised: u16,
    /// State afterwards.
    pub state: State,
    /// Virtual time it took.
    pub took_ns: u64,
}

/// Bits of the interrupt vector (engines sheet §9.2).
pub(super) mod vector {
    pub(in crate::cs) const USER: u16 = 1;
    pub(in crate::cs) const ERROR: u16 = 1 << 3;
    pub(in crate::cs) const FLUSH: u16 = 1 << 4;
    pub(in crate::cs) const SWITCH: u16 = 1 << 8;
    pub(in crate::cs) const SEMAPHORE: u16 = 1 << 11;
}

/// A batch being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) addr: u64,
    pub(super) space: Space,
}

/// Where a command was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Ring,
    Batch(Space),
    Context,
}

impl Place {
    /// Client batches may not do what only a driver may.
    pub(super) const fn is_privileged(self) -> bool {
        !matches!(self, Self::Batch(Space::Ppgtt))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Batch(_) => "batch",
            Self::Context => "context",
        }
    }
}

/// The context on the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) descriptor: u64,
    pub(super) ring_start: u32,
    pub(super) ring_bytes: u32,
    /// Where its head and tail are kept.
    pub(super) ring_state: RingState,
    pub(super) head: u32,
    pub(super) tail: u32,
    /// Root descriptor of its address space, if it has one.
    pub(super) root: Option<u64>,
    /// What its translations are cached under.
    pub(super) space: u64,
    /// Context timestamp when it was restored, in ticks, and the instant of that.
    pub(super) ticks_before: u64,
    pub(super) since_ns: u64,
}

impl Running {
    /// GGTT address of the status page, which names the context.
    pub(super) const fn lrca(&self) -> u32 {
        lrca(self.descriptor)
    }
}

/// GGTT address of a descriptor's context.
pub(super) const fn lrca(descriptor: u64) -> u32 {
    (descriptor & 0xFFFF_F000) as u32
}

/// `MI_MODE` and its bit that stops the ring (engines sheet §4.3).
const MI_MODE: u32 = 0x09C;
const STOP_RING: u32 = 1 << 8;

/// One engine.
#[derive(Debug)]
pub struct Streamer {
    pub(super) spec: CsSpec,
    pub(super) class: EngineClass,
    pub(super) instance: u8,
    pub(super) base: u32,
    pub(super) tlb: Tlb,
    /// See [`SimConfig::tlb_outlives_restore`](crate::SimConfig::tlb_outlives_restore).
    pub(crate) tlb_outlives_restore: bool,
    pub(super) running: Option<Running>,
    pub(super) state: EngineState,
    pub(super) queue: Queue,
    /// The context whose address space is forgotten when it comes.
    pub(super) forgets: Option<u32>,
    /// A copy or fill in progress.
    pub(super) transfer: Option<Transfer>,
    pub(super) eir: u32,
    pub(super) reset_ctl: u32,
    pub(super) ipehr: u32,
    pub(super) nop_id: u32,
    pub(super) csb_write: u32,
    pub(super) halted: Option<Stop>,
    pub(super) waiting: bool,
    /// It does nothing any more, until it is reset.
    pub(super) hung: bool,
    /// Nothing whole is left in the ring, though head and tail differ: until the tail is read again.
    pub(super) dry: bool,
    /// Jumps back in the batch, one after the other without any other start of a batch.
    pub(super) rounds: u32,
    /// The last command was an arbitration point.
    pub(super) at_arbitration: bool,
    pub(super) elapsed_ns: u64,
    /// Runs so far, whatever came of them.
    turns: u64,
    raised: u16,
    /// Room for the dwords of a command.
    pub(super) cmd: Vec<u32>,
    /// Where the batch began that the ring of a context started last, by context, if somebody watches stores.
    pub(super) begun: BTreeMap<u32, u64>,
    /// Commands whose results are missing, and how many there were.
    pub(super) missing: BTreeMap<&'static str, u64>,
}

impl Streamer {
    /// The engine whose register window begins at `mmio_base`.
    #[must_use]
    pub fn new(spec: CsSpec, class: EngineClass, instance: u8, mmio_base: u32) -> Self {
        Self {
            spec,
            class,
            instance,
            base: mmio_base,
            tlb: Tlb::default(),
            tlb_outlives_restore: true,
            running: None,
            state: EngineState::default(),
            queue: Queue::default(),
            forgets: None,
            transfer: None,
            eir: 0,
            reset_ctl: 0,
            ipehr: 0,
            nop_id: 0,
            csb_write: 11,
            halted: None,
            waiting: false,
            hung: false,
            dry: false,
            rounds: 0,
            at_arbitration: false,
            elapsed_ns: 0,
            turns: 0,
            raised: 0,
            cmd: Vec::new(),
            begun: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Class and instance, as they appear on the timeline.
    #[must_use]
    pub const fn engine(&self) -> (EngineClass, u8) {
        (self.class, self.instance)
    }

    /// Whether a descriptor has to name its class and instance.
    pub(crate) const fn is_named_by_descriptor(&self) -> bool {
        self.spec.descriptor_names_engine
    }

    /// What the engine is doing.
    #[must_use]
    pub const fn state(&self) -> State {
        match (&self.halted, &self.running) {
            (Some(_), _) => State::Halted,
            (None, None) => State::Idle,
            (None, Some(_)) if self.waiting => State::Waiting,
            (None, Some(_)) => State::Running,
        }
    }

    /// Descriptor of the context on the engine.
    #[must_use]
    pub fn current_descriptor(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.descriptor)
    }

    /// Why the engine stopped.
    #[must_use]
    pub const fn fault(&self) -> Option<&Stop> {
        self.halted.as_ref()
    }

    /// Commands for units that are not simulated, by name, and how many were left out.
    #[must_use]
    pub const fn missing(&self) -> &BTreeMap<&'static str, u64> {
        &self.missing
    }

    /// Forgets all translations.
    pub fn invalidate_tlb(&mut self) {
        self.tlb.forget_all();
    }

    /// What it remembers of page tables.
    #[cfg(test)]
    pub(crate) const fn tlb(&mut self) -> &mut Tlb {
        &mut self.tlb
    }

    /// Forgets the translations of a range of an address space, or of all of them.
    pub(crate) fn invalidate_range(&mut self, space: Option<u64>, start: u64, bytes: u64) {
        self.tlb.forget_range(space, start, bytes);
    }

    /// Back to the state after power-on: contexts on the engine are lost, as is everything not saved.
    pub fn reset(&mut self) {
        let fresh = Self::new(self.spec, self.class, self.instance, self.base);
        let missing = core::mem::take(&mut self.missing);
        *self = Self { missing, tlb_outlives_restore: self.tlb_outlives_restore, turns: self.turns, ..fresh };
    }

    /// How often it could have done something: time alone gets nobody on, if somebody else has the processor.
    pub(crate) const fn turns(&self) -> u64 {
        self.turns
    }

    /// Does nothing from now on, until it is reset.
    pub(crate) const fn hang(&mut self) {
        self.hung = true;
    }

    /// Its name in texts.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.class.short_name(), self.instance)
    }

    pub(super) fn raise(&mut self, bus: &mut dyn Bus, bits: u16) {
        self.raised |= bits;
        bus.trace_at(self.elapsed_ns, Event::Interrupt { engine: self.engine(), vector: bits });
    }

    /// Notes something that a person who looks at the timeline wants to know.
    pub(super) fn remark(&self, bus: &mut dyn Bus, text: impl FnOnce() -> String) {
        if bus.tracing() {
            bus.trace_at(self.elapsed_ns, Event::Fault { text: format!("{}: {}", self.name(), text()) });
        }
    }

    /// Lets virtual time pass for what a command moves.
    pub(super) const fn spend_ns(&mut self, ns: u64) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
    }

    /// Virtual time as this engine sees it in the middle of a run.
    pub(super) fn now_ns(&self, bus: &mut dyn Bus) -> u64 {
        bus.now_ns().saturating_add(self.elapsed_ns)
    }

    /// Executes at most `budget` commands.
    pub fn run(&mut self, bus: &mut dyn Bus, budget: u32) -> Progress {
        self.run_turn(bus, budget, budget)
    }

    /// The same, but goes on to the end of its ring while it is in no batch, up to `longest` commands: nothing lies between
    /// a job's signal and the saving of its context. Hardware is quick there, and a driver may count on it when it frees the
    /// context.
    pub(crate) fn run_turn(&mut self, bus: &mut dyn Bus, budget: u32, longest: u32) -> Progress {
        (self.raised, self.elapsed_ns) = (0, 0);
        self.turns = self.turns.wrapping_add(1);
        let mut commands = 0;
        let stopped = bus.mmio_read(self.base + MI_MODE) & STOP_RING != 0;
        while (commands < budget || commands < longest && self.is_in_ring())
            && self.halted.is_none()
            && !stopped
            && !self.hung
        {
            if let Err(stop) = self.accept(bus) {
                self.halt(bus, stop);
                break;
            }
            if self.running.is_none() {
                break;
            }
            if self.is_drained() {
                if let Err(stop) = self.complete(bus) {
                    self.halt(bus, stop);
                }
                continue;
            }
            commands += 1;
            match self.step(bus) {
                Ok(flow) => self.waiting = flow == Flow::Wait,
                Err(stop) => self.halt(bus, stop),
            }
            // A wait is looked at once in a run: nothing that this engine does can end it.
            if self.waiting && !self.may_switch() {
                break;
            }
        }
        Progress { commands, raised: self.raised, state: self.state(), took_ns: self.elapsed_ns }
    }

    /// Whether its next command is the ring's.
    const fn is_in_ring(&self) -> bool {
        self.running.is_some() && self.state.frames.is_empty() && self.transfer.is_none()
    }

    /// Whether it has gone round in a batch for so long that it most likely waits for somebody.
    pub(crate) const fn is_spinning(&self) -> bool {
        /// A loop that counts is seldom longer.
        const MANY: u32 = 4096;
        self.rounds >= MANY && self.running.is_some() && !self.state.frames.is_empty() && self.halted.is_none()
    }

    /// Whether ring and batches have nothing left.
    fn is_drained(&self) -> bool {
        let empty = self.dry || self.running.is_some_and(|running| running.head == running.tail);
        empty && self.state.frames.is_empty() && self.transfer.is_none()
    }

    /// Stops until reset (engines sheet §7.7).
    fn halt(&mut self, bus: &mut dyn Bus, stop: Stop) {
        /// Errors that raise no interrupt.
        const EMR: u32 = 0x0B4;
        self.waiting = false;
        bus.trace_at(self.elapsed_ns, Event::Fault { text: format!("{}: {}", self.name(), stop.text()) });
        let told = match &stop {
            Stop::Memory { va, ggtt, .. } => {
                self.reset_ctl |= 1 << 2;
                bus.latch_fault(self.class, *va, *ggtt);
                true
            }
            Stop::Instruction(_) => {
                self.eir |= 1;
                bus.mmio_read(self.base + EMR) & 1 == 0
            }
        };
        self.halted = Some(stop);
        if told {
            self.raise(bus, vector::ERROR);
        }
    }
}
