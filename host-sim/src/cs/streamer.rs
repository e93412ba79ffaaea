//! The engine: takes contexts, fetches commands, executes them, switches.

use super::access::Space;
use super::decode::{self, Family};
use super::math::Gprs;
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
    /// Commands executed.
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

    const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Batch(_) => "batch",
            Self::Context => "context",
        }
    }
}

/// State that hardware saves in the part of the image that only it understands. Kept by context address here.
#[derive(Clone, Debug)]
pub(super) struct EngineState {
    pub(super) gprs: Gprs,
    pub(super) frames: Vec<Frame>,
    pub(super) arbitration: bool,
    pub(super) skipping: bool,
    /// `PREDICATE` registers: SRC0, SRC1 (64 bit each), RESULT, `RESULT_1`, `RESULT_2`.
    pub(super) predicate_sources: [u64; 2],
    pub(super) predicate_results: [u32; 3],
}

impl Default for EngineState {
    fn default() -> Self {
        Self {
            gprs: [0; 16],
            frames: Vec::new(),
            arbitration: true,
            skipping: false,
            predicate_sources: [0; 2],
            predicate_results: [0; 3],
        }
    }
}

/// The context on the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) descriptor: u64,
    pub(super) ring_start: u32,
    pub(super) ring_bytes: u32,
    pub(super) head: u32,
    pub(super) tail: u32,
    /// Root descriptor of its address space, if it has one.
    pub(super) root: Option<u64>,
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

/// Most commands of one context batch: hardware has no limit, a test does.
const CONTEXT_BATCH_COMMANDS: u32 = 4096;

/// One engine.
#[derive(Debug)]
pub struct Streamer {
    pub(super) spec: CsSpec,
    pub(super) class: EngineClass,
    pub(super) instance: u8,
    pub(super) base: u32,
    pub(super) tlb: Tlb,
    pub(super) running: Option<Running>,
    pub(super) state: EngineState,
    pub(super) saved: BTreeMap<u32, EngineState>,
    pub(super) eir: u32,
    pub(super) reset_ctl: u32,
    pub(super) ipehr: u32,
    pub(super) csb_write: u32,
    pending: Option<u64>,
    halted: Option<Stop>,
    waiting: bool,
    /// The last command was an arbitration point.
    pub(super) at_arbitration: bool,
    raised: u16,
    elapsed_ns: u64,
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
            running: None,
            state: EngineState::default(),
            saved: BTreeMap::new(),
            eir: 0,
            reset_ctl: 0,
            ipehr: 0,
            csb_write: 11,
            pending: None,
            halted: None,
            waiting: false,
            at_arbitration: false,
            raised: 0,
            elapsed_ns: 0,
        }
    }

    /// Class and instance, as they appear on the timeline.
    #[must_use]
    pub const fn engine(&self) -> (EngineClass, u8) {
        (self.class, self.instance)
    }

    /// Takes a submission. It is accepted at the next point where that is legal.
    pub const fn submit(&mut self, descriptor: u64) {
        self.pending = Some(descriptor);
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

    /// Whether a submission is not accepted yet.
    #[must_use]
    pub const fn pending_submit(&self) -> bool {
        self.pending.is_some()
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

    /// Forgets all translations.
    pub fn invalidate_tlb(&mut self) {
        self.tlb.forget_all();
    }

    /// Back to the state after power-on: contexts on the engine are lost, as is everything not saved.
    pub fn reset(&mut self) {
        *self = Self::new(self.spec, self.class, self.instance, self.base);
    }

    pub(super) fn page_root(&self) -> Option<u64> {
        self.running.as_ref().and_then(|running| running.root)
    }

    pub(super) fn raise(&mut self, bus: &mut dyn Bus, bits: u16) {
        self.raised |= bits;
        bus.trace_at(self.elapsed_ns, Event::Interrupt { engine: self.engine(), vector: bits });
    }

    /// Lets virtual time pass for what a command moves.
    pub(super) const fn spend_ns(&mut self, ns: u64) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Virtual time as this engine sees it in the middle of a run.
    pub(super) fn now_ns(&self, bus: &mut dyn Bus) -> u64 {
        bus.now_ns().saturating_add(self.elapsed_ns)
    }

    /// Executes at most `budget` commands.
    pub fn run(&mut self, bus: &mut dyn Bus, budget: u32) -> Progress {
        (self.raised, self.elapsed_ns) = (0, 0);
        let mut commands = 0;
        while commands < budget && self.halted.is_none() {
            if let Err(stop) = self.accept_pending(bus) {
                self.halt(bus, stop);
                break;
            }
            let Some(running) = self.running else { break };
            if self.state.frames.is_empty() && running.head == running.tail {
                self.complete(bus);
                continue;
            }
            commands += 1;
            match self.step(bus) {
                Ok(flow) => self.waiting = flow == Flow::Wait,
                Err(stop) => self.halt(bus, stop),
            }
            if self.waiting && self.pending.is_none() {
                break;
            }
        }
        Progress { commands, raised: self.raised, state: self.state(), took_ns: self.elapsed_ns }
    }

    /// Takes the pending context where that is legal: no context, the same context, or a preemption point.
    fn accept_pending(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        let Some(descriptor) = self.pending else { return Ok(()) };
        let arbitrate = self.state.arbitration && (self.waiting || self.at_arbitration);
        let from_idle = self.running.is_none();
        match self.running {
            None => {}
            Some(running) if running.lrca() == lrca(descriptor) => {
                self.pending = None;
                return self.reload_tail(bus, descriptor);
            }
            Some(_) if arbitrate => self.switch_out(bus, false),
            Some(_) => return Ok(()),
        }
        self.pending = None;
        self.waiting = false;
        self.at_arbitration = false;
        self.restore(bus, descriptor, from_idle)
    }

    /// The ring is empty: the context is saved and leaves.
    fn complete(&mut self, bus: &mut dyn Bus) {
        self.waiting = false;
        self.switch_out(bus, true);
    }

    fn switch_out(&mut self, bus: &mut dyn Bus, complete: bool) {
        if let Err(stop) = self.save(bus) {
            self.halt(bus, stop);
            return;
        }
        let Some(running) = self.running.take() else { return };
        let (descriptor, head) = (running.descriptor, running.head);
        bus.trace_at(self.elapsed_ns, Event::SwitchOut { engine: self.engine(), descriptor, head });
        let next = if complete { None } else { self.pending };
        self.report_switch(bus, Some(running.descriptor), next, complete);
        self.raise(bus, vector::SWITCH);
    }

    fn halt(&mut self, bus: &mut dyn Bus, stop: Stop) {
        self.waiting = false;
        bus.trace_at(
            self.elapsed_ns,
            Event::Fault { text: format!("{:?}{}: {}", self.class, self.instance, stop.text()) },
        );
        match &stop {
            Stop::Memory { va, ggtt, .. } => {
                self.reset_ctl |= 1 << 2;
                bus.latch_fault(self.class, *va, *ggtt);
            }
            Stop::Instruction(_) => self.eir |= 1,
        }
        self.halted = Some(stop);
        self.raise(bus, vector::ERROR);
    }

    /// Fetches and executes one command.
    fn step(&mut self, bus: &mut dyn Bus) -> Result<Flow, Stop> {
        self.at_arbitration = false;
        let place = self.state.frames.last().map_or(Place::Ring, |frame| Place::Batch(frame.space));
        let (at, dwords) = match self.state.frames.last().copied() {
            None => self.fetch_from_ring(bus)?,
            Some(frame) => (frame.addr, self.fetch_from_batch(bus, frame)?),
        };
        self.advance(dwords.len());
        let flow = self.execute(bus, &dwords, place, at)?;
        if flow == Flow::Wait {
            self.rewind(at);
        }
        Ok(flow)
    }

    fn fetch_from_ring(&mut self, bus: &mut dyn Bus) -> Result<(u64, Vec<u32>), Stop> {
        let Some(running) = self.running else { return Err(Stop::Instruction(String::from("no context"))) };
        let queued = running.tail.wrapping_sub(running.head) & (running.ring_bytes - 1);
        let dword = |streamer: &mut Self, bus: &mut dyn Bus, index: u32| {
            let at = running.head.wrapping_add(index * 4) & (running.ring_bytes - 1);
            streamer.read32(bus, Space::Ggtt, u64::from(running.ring_start) + u64::from(at))
        };
        let header = dword(self, bus, 0)?;
        let len = self.length(header, u64::from(running.head))?;
        if len * 4 > queued {
            let text = format!("ring command {header:#010x} at {:#x} runs past the tail", running.head);
            return Err(Stop::Instruction(text));
        }
        let dwords = (0..len).map(|index| dword(self, bus, index)).collect::<Result<_, _>>()?;
        Ok((u64::from(running.head), dwords))
    }

    fn fetch_from_batch(&mut self, bus: &mut dyn Bus, frame: Frame) -> Result<Vec<u32>, Stop> {
        let header = self.read32(bus, frame.space, frame.addr)?;
        let len = self.length(header, frame.addr)?;
        let mut bytes = vec![0; len as usize * 4];
        self.read(bus, frame.space, frame.addr, &mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }

    fn length(&mut self, header: u32, at: u64) -> Result<u32, Stop> {
        self.ipehr = header;
        let unknown = || Stop::Instruction(format!("{header:#010x} at {at:#x}: no such command family"));
        decode::length(self.class, header).ok_or_else(unknown)
    }

    fn advance(&mut self, dwords: usize) {
        let bytes = dwords as u64 * 4;
        if let Some(frame) = self.state.frames.last_mut() {
            frame.addr = frame.addr.wrapping_add(bytes);
        } else if let Some(running) = &mut self.running {
            running.head = running.head.wrapping_add(bytes as u32) & (running.ring_bytes - 1);
        }
    }

    const fn rewind(&mut self, at: u64) {
        if let Some(frame) = self.state.frames.as_mut_slice().last_mut() {
            frame.addr = at;
        } else if let Some(running) = &mut self.running {
            running.head = at as u32;
        }
    }

    fn execute(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place, at: u64) -> Result<Flow, Stop> {
        let header = cmd.first().copied().unwrap_or(0);
        let took_ns = cost_ns(header);
        if header != 0 && bus.tracing() {
            let text = decode::disassemble(self.class, cmd);
            let event = Event::Command { engine: self.engine(), text, from: place.name(), at, took_ns };
            bus.trace_at(self.elapsed_ns, event);
        }
        self.elapsed_ns += took_ns;
        let is_set_predicate = header >> 23 == 0x01;
        if self.state.skipping && !is_set_predicate && header >> 23 != 0x0A {
            return Ok(Flow::Next);
        }
        match decode::family(header) {
            Some(Family::Mi) => self.mi(bus, cmd, place),
            Some(Family::Blit) => self.blit(bus, cmd),
            Some(Family::Pipe) if header >> 16 == 0x7A00 => self.pipe_control(bus, cmd, place),
            _ => Ok(Flow::Next),
        }
    }

    /// Runs a batch of the context restore: `bound` is its length in bytes, or it ends itself.
    pub(super) fn run_context_batch(&mut self, bus: &mut dyn Bus, addr: u32, bound: Option<u32>) -> Result<(), Stop> {
        let mut at = u64::from(addr);
        let end = bound.map(|bytes| at + u64::from(bytes));
        for _ in 0..CONTEXT_BATCH_COMMANDS {
            if end.is_some_and(|end| at >= end) {
                return Ok(());
            }
            let cmd = self.fetch_from_batch(bus, Frame { addr: at, space: Space::Ggtt })?;
            if cmd.first().is_some_and(|header| header >> 23 == 0x0A) {
                return Ok(());
            }
            if cmd.first().is_some_and(|header| header >> 23 == 0x31) {
                return Err(Stop::Instruction(format!("context batch at {at:#x} starts another batch")));
            }
            // A wait repeats the command: the registers waited for here finish by themselves.
            if self.execute(bus, &cmd, Place::Context, at)? != Flow::Wait {
                at += cmd.len() as u64 * 4;
            }
        }
        Err(Stop::Instruction(format!("context batch at {addr:#x} does not end")))
    }
}

/// Virtual time of a command, besides what it moves. Plausible, not measured.
const fn cost_ns(header: u32) -> u64 {
    match header >> 29 {
        0 if header == 0 => 2,
        0 => 40,
        2 => 400,
        _ => 100,
    }
}
