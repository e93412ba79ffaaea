//! The device, what the test knows of it, and one random step after the other.

use super::batch::{BOARD_BYTES, PLACES};
use super::client::{Client, WINDOW_PAGES};
use super::objects::{Content, Fences, Object};
use super::trace::{Call, Event, Kind, Node, Trace};
use super::waits::Interrupted;
use barexe_core::device::{ClientId, ExportedBo, ExportedSyncobj, OutsideFence, Ticket};
use barexe_hal::Nanos;
use barexe_tests::found::check_charges;
use barexe_tests::random::Random;
use barexe_tests::rig::{Mapped, Rig};
use std::collections::{BTreeMap, BTreeSet};

/// What the test knows of a node, beside its call.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// None for fences of the test.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) client: Option<ClientId>,
    /// Its fence was seen.
    pub(crate) over: bool,
    /// Place of a batch on the board, and what was read there: numbers of its start and its end.
    pub(crate) place: Option<u64>,
    pub(crate) seen: (u32, u32),
    /// The user fence: of a bind its address and value.
    pub(crate) user_fence: Option<(u64, u64)>,
    pub(crate) user_fence_seen: bool,
    /// Offset on the board of the jump that keeps a batch spinning, and when it is to be let go.
    pub(crate) jump: Option<u64>,
    pub(crate) until: Option<Nanos>,
    /// The VM and the page of its window that a batch stores to; where the value has to be in the data object then.
    pub(crate) uses: Option<(u32, usize)>,
    pub(crate) stored: Option<(u64, u32)>,
    /// A sync object with its fence alone, of its client.
    pub(crate) own: Option<u32>,
}

/// The device and everything that the test has.
#[derive(Debug)]
pub(crate) struct World<'w, 'a> {
    pub(crate) rig: &'w mut Rig<'a>,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) calls: Vec<Call>,
    pub(crate) states: Vec<State>,
    /// Nodes that are not over.
    pub(crate) pending: BTreeSet<Node>,
    pub(crate) outsides: BTreeMap<Node, OutsideFence>,
    pub(crate) objects: Vec<Object>,
    pub(crate) shares: Vec<ExportedSyncobj>,
    /// The board and the data object, for clients to import.
    pub(crate) exports: (ExportedBo, ExportedBo),
    pub(crate) board: Mapped,
    pub(crate) data: Mapped,
    pub(crate) clients: Vec<Client>,
    pub(crate) interrupted: Vec<Interrupted>,
    /// A call waits: others do not, and its client stays.
    pub(crate) waiting: bool,
    queues: usize,
    pub(crate) places: u64,
    pub(crate) fatal: u32,
    pub(crate) done: BTreeMap<&'static str, u32>,
}

const OBJECTS: usize = 8;
const CLIENTS: u64 = 3;

impl<'w, 'a> World<'w, 'a> {
    pub(crate) fn new(rig: &'w mut Rig<'a>, seed: u64) -> Self {
        let (board, data) = (rig.bo(BOARD_BYTES), rig.bo(WINDOW_PAGES as u64 * 4096));
        rig.write(board, 0, &[1]);
        let exports = [board, data].map(|of| rig.device.bo_export(rig.client, of.bo).unwrap()).into();
        let kept: Vec<u32> = (0..OBJECTS).map(|_| rig.syncobj()).collect();
        let shares = kept.iter().map(|kept| rig.device.syncobj_export(rig.client, *kept).unwrap()).collect();
        let objects = kept.into_iter().map(|kept| Object { content: Content::Nothing, kept }).collect();
        let mut world = Self {
            rig,
            random: Random::new(seed),
            trace: Trace::default(),
            calls: Vec::new(),
            states: Vec::new(),
            pending: BTreeSet::new(),
            outsides: BTreeMap::new(),
            objects,
            shares,
            exports,
            board,
            data,
            clients: Vec::new(),
            interrupted: Vec::new(),
            waiting: false,
            queues: 0,
            places: 0,
            fatal: 0,
            done: BTreeMap::new(),
        };
        for _ in 0..CLIENTS {
            world.add_client();
        }
        world
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(crate) const fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    /// The number of the next queue.
    pub(crate) const fn next_queue(&mut self) -> usize {
        self.queues += 1;
        self.queues
    }

    pub(crate) fn note(&mut self, event: Event) {
        let at = self.rig.sim.time().get();
        self.trace.push(at, event);
    }

    pub(crate) fn say(&mut self, text: String) {
        self.note(Event::Said(text));
    }

    /// Notes an accepted call.
    pub(crate) fn accept(&mut self, call: Call, state: State) -> Node {
        let at = self.rig.sim.time().get();
        self.calls.push(call.clone());
        self.states.push(state);
        let node = self.trace.accept(at, call);
        self.pending.insert(node);
        node
    }

    pub(crate) fn is_over(&self, node: Node) -> bool {
        self.states[node].over
    }

    /// Takes steps, then lets everything come to its end.
    pub(crate) fn play(&mut self, steps: u32) {
        for _ in 0..steps {
            self.step();
            check_charges(&self.rig.device);
            if self.pending.len() > 60 || self.places >= PLACES {
                self.drain();
            }
            if self.places >= PLACES {
                break;
            }
        }
        self.drain();
        self.end();
    }

    pub(crate) fn step(&mut self) {
        match self.random.below(100) {
            0..24 => self.exec(),
            24..38 => self.bind(),
            38..46 => self.object(),
            46..51 => self.refused(),
            51..57 => self.signal_one(),
            57..62 if !self.waiting => self.wait(),
            62..64 => self.queue_comes_or_goes(),
            64 if self.random.one_in(6) && !self.waiting => self.client_comes_and_goes(),
            65 if self.random.one_in(4) => self.drain(),
            _ => {
                let most = [20, 100, 400][self.below(3)];
                let micros = 1 + self.random.below(most);
                self.work(micros);
            }
        }
    }

    /// A new fence of the test.
    pub(crate) fn hold(&mut self) -> (Node, OutsideFence) {
        let fence = self.rig.device.outside_fence_create().unwrap();
        let (waits, meets) = (Fences::new(), Fences::new());
        let call = Call { kind: Kind::Outside, queue: None, waits, meets, user_fence: false };
        let node = self.accept(call, State::default());
        self.outsides.insert(node, fence);
        (node, fence)
    }

    /// Signals a random fence of the test.
    pub(crate) fn signal_one(&mut self) {
        if self.outsides.is_empty() {
            return;
        }
        let at = self.below(self.outsides.len());
        let node = self.outsides.keys().nth(at).copied().unwrap();
        let fence = self.outsides.remove(&node).unwrap();
        self.trace.look += 1;
        self.rig.device.outside_fence_signal(fence).unwrap();
        self.signalled(node, super::trace::How::Well);
        self.look_at_fences();
    }

    /// Lets everything come to its end.
    pub(crate) fn drain(&mut self) {
        self.count("drains");
        while !self.outsides.is_empty() {
            self.signal_one();
            let micros = 1 + self.random.below(50);
            self.work(micros);
        }
        for _ in 0..2000 {
            if self.pending.is_empty() {
                break;
            }
            self.work(100);
        }
        self.look_at_mappings();
    }
}
