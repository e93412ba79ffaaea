//! Contexts with small programs on the engines of a part.

mod gangs;
mod held_up;
mod noise;
mod recovery;
mod sharing;

use super::serve::World;
use super::{Scheduler, seats};
use crate::cs::{CsSpec, State, Streamer};
use crate::guc::requests::{Event, Policy, Refusal, Registration, Request, WorkQueue};
use crate::spec::{EngineClass, Platform};
use crate::testing::MemoryBus;

/// GGTT address `a` leads to bus address `a + FRAME`.
const FRAME: u64 = 0x100_0000;
/// Images are so far apart; behind each lie its ring and its batch.
const STRIDE: u32 = 0x1_0000;
const RING: u32 = 0x4000;
const BATCH: u32 = 0x5000;
const FENCES: u32 = 0x100_0000;
const QUEUE: u32 = 0x101_0000;
const WORK: u32 = QUEUE + 0x400;
const END: u32 = 0x0500_0000;
const CHECK: u32 = 0x0280_0000;
const MS: u64 = 1_000_000;

struct Rig {
    bus: MemoryBus,
    engines: Vec<Streamer>,
    scheduler: Scheduler,
}

impl Rig {
    fn tgl() -> Self {
        let spec = CsSpec::for_version(1200).unwrap();
        let streamer =
            |engine: &crate::spec::EngineSpec| Streamer::new(spec, engine.class, engine.instance, engine.base);
        let engines: Vec<Streamer> = Platform::tgl().engines.iter().map(streamer).collect();
        let scheduler = Scheduler { seats: seats::among(&engines, |_| true), ..Scheduler::default() };
        let mut rig = Self { bus: MemoryBus::new(), engines, scheduler };
        rig.map(FENCES);
        rig.map(QUEUE);
        // Status pages of the engines.
        for engine in Platform::tgl().engines {
            rig.bus.registers.insert(engine.base + 0x80, FENCES + 0x800);
        }
        rig
    }

    fn map(&mut self, page: u32) {
        self.bus.ggtt.insert(page >> 12, (u64::from(page) + FRAME) | 1);
        self.bus.put64(u64::from(page) + FRAME, &[0]);
    }

    fn put(&mut self, address: u32, dwords: &[u32]) {
        self.bus.put32(u64::from(address) + FRAME, dwords);
    }

    fn get(&self, address: u32) -> u32 {
        self.bus.get32(u64::from(address) + FRAME)
    }

    const fn lrca(context: u32) -> u32 {
        (context + 1) * STRIDE
    }

    /// The image of a context with an empty ring, made for the first engine of its class.
    fn image(&mut self, context: u32, class: EngineClass) -> u64 {
        let lrca = Self::lrca(context);
        for page in [0, 0x1000, RING, BATCH] {
            self.map(lrca + page);
        }
        let base = Platform::tgl().engines.iter().find(|engine| engine.class == class).unwrap().base;
        let mut dwords = [0u32; 0x40];
        let first = [0x244, 0x34, 0x30, 0x38, 0x3C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4];
        let second = [0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270];
        (dwords[1], dwords[0x21], dwords[0x34]) = (0x1108_1019, 0x1108_1011, END | 1);
        for (slot, register) in (2..).step_by(2).zip(first).chain((0x22..).step_by(2).zip(second)) {
            dwords[slot] = base + register;
        }
        (dwords[3], dwords[9], dwords[0xB]) = (0x0009_0009, lrca + RING, 1);
        self.put(lrca + 0x1000, &dwords);
        u64::from(lrca) | 0x19 | class.code() << 61
    }

    /// Registers a context for engines of a class.
    fn register(&mut self, context: u32, class: EngineClass, engines: u32) {
        let images = vec![self.image(context, class)];
        let registration = Registration { context, kernel: true, class, engines, images, queue: None };
        self.ask(Request::Register(registration)).unwrap();
    }

    fn ask(&mut self, request: Request) -> Result<(), Refusal> {
        let now_ns = crate::bus::Bus::now_ns(&mut self.bus);
        self.scheduler.take(request, now_ns)
    }

    fn set(&mut self, context: u32, policies: &[Policy]) {
        self.ask(Request::SetPolicies { context, policies: policies.to_vec() }).unwrap();
    }

    fn enable(&mut self, context: u32, enabled: bool) {
        self.ask(Request::SetMode { context, enabled }).unwrap();
    }

    /// Fills the ring: runs the batch, then stores a value in the context's fence.
    fn job(&mut self, context: u32, value: u32) {
        let lrca = Self::lrca(context);
        let job = [0x1880_0001, lrca + BATCH, 0, 0, 0x1040_0002, FENCES + context * 4, 0, value];
        let tail = self.get(lrca + 0x1000 + 7 * 4);
        self.put(lrca + RING + tail, &job);
        self.put(lrca + 0x1000 + 7 * 4, &[tail + 32]);
    }

    /// A batch that does nothing.
    fn short(&mut self, context: u32) {
        self.put(Self::lrca(context) + BATCH, &[END]);
    }

    /// A batch that goes round; whether it can be interrupted.
    fn spinner(&mut self, context: u32, polite: bool) {
        let batch = Self::lrca(context) + BATCH;
        self.put(batch, &[if polite { CHECK } else { 0 }, 0x1880_0001, batch, 0]);
    }

    fn fence(&self, context: u32) -> u32 {
        self.get(FENCES + context * 4)
    }

    /// Registers a context, gives it a job and lets it run.
    fn start(&mut self, context: u32, class: EngineClass, engines: u32) {
        self.register(context, class, engines);
        self.job(context, 1);
        self.enable(context, true);
    }

    /// A turn of every engine, ten microseconds, a look.
    fn turn(&mut self) {
        for engine in &mut self.engines {
            engine.run(&mut self.bus, 64);
        }
        self.bus.elapsed_ns += 10_000;
        self.scheduler.serve(&mut World { engines: &mut self.engines, bus: &mut self.bus });
    }

    /// Turns for so long.
    fn pass(&mut self, ns: u64) {
        let until = self.bus.elapsed_ns + ns;
        while self.bus.elapsed_ns < until {
            self.turn();
        }
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.scheduler.take_event()).collect()
    }

    /// Which context is on an engine, by the hardware's index.
    fn on(&self, class: EngineClass, instance: u8) -> Option<u32> {
        let engine = self.engines.iter().find(|engine| engine.engine() == (class, instance)).unwrap();
        engine.current_descriptor().map(|descriptor| (descriptor >> 37 & 0x7FF) as u32)
    }

    fn state(&self, class: EngineClass, instance: u8) -> State {
        self.engines.iter().find(|engine| engine.engine() == (class, instance)).unwrap().state()
    }
}

const fn mode(context: u32, enabled: bool) -> Event {
    Event::ModeSet { context, enabled }
}
