//! The device with its VMs, objects and fences, and one random step after the other.

use super::calls::{Call, Wait};
use super::vm::{CODE_BYTES, Vm};
use barexe_core::device::{OutsideFence, TicketState};
use barexe_hal::Nanos;
use barexe_tests::found::check_charges;
use barexe_tests::random::Random;
use barexe_tests::rig::{Mapped, Rig};
use std::collections::{BTreeMap, HashMap};

/// What a run did: a run that did too little proves too little.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) binds: u32,
    pub(crate) operations: u32,
    /// Binds that waited for a fence of the test when they were accepted.
    pub(crate) held: u32,
    /// Binds that waited for another bind.
    pub(crate) chained: u32,
    pub(crate) barriers: u32,
    pub(crate) refused: u32,
    /// Refused for want of room.
    pub(crate) full: u32,
    pub(crate) execs: u32,
    pub(crate) readers: u32,
    pub(crate) drains: u32,
    pub(crate) new_vms: u32,
    /// Most calls that were not over at one time.
    pub(crate) pending: usize,
}

impl Done {
    pub(crate) fn assert_covered(&self) {
        let all = [self.held, self.chained, self.barriers, self.refused, self.execs, self.readers, self.drains];
        assert!(all.iter().all(|count| *count >= 3), "{self:?}");
        assert!(self.binds > 300 && self.operations > self.binds && self.pending > 5, "{self:?}");
    }
}

/// Offset of the number of a page, in the page.
pub(crate) const TAG: u64 = 0xFF8;
const MAGIC: u64 = 0xBACE_D00D;

pub(crate) const fn tag(bo: usize, page: u64) -> u32 {
    ((bo as u32 + 1) << 16) | page as u32
}

/// The device and everything the client has.
#[derive(Debug)]
pub(crate) struct World<'w, 'a> {
    pub(crate) rig: &'w mut Rig<'a>,
    pub(crate) random: Random,
    pub(crate) vms: Vec<Vm>,
    pub(crate) bos: Vec<Mapped>,
    pub(crate) bo_pages: Vec<u64>,
    /// Object and page at each bus address.
    pub(crate) frames: HashMap<u64, (usize, u64)>,
    /// Fences that the test holds, and the sync object with each.
    pub(crate) fences: BTreeMap<u64, (OutsideFence, u32)>,
    pub(crate) done: Done,
    /// A VM was ended whose binds may not be over.
    ending: bool,
    last_number: u64,
}

/// Lengths of the objects: what has large leaves, what has groups, what has neither.
const BO_BYTES: [u64; 4] = [(4 << 20) + (64 << 10), 256 << 10, 20 << 10, 2 << 20];

impl<'w, 'a> World<'w, 'a> {
    pub(crate) fn new(rig: &'w mut Rig<'a>, seed: u64) -> Self {
        let bos: Vec<Mapped> = BO_BYTES.iter().map(|bytes| rig.bo(*bytes)).collect();
        let bo_pages: Vec<u64> = BO_BYTES.iter().map(|bytes| bytes >> 12).collect();
        for (index, (bo, pages)) in bos.iter().zip(&bo_pages).enumerate() {
            (0..*pages).for_each(|page| rig.write(*bo, page * 4096 + TAG, &[tag(index, page), MAGIC as u32]));
        }
        let frames = frames(rig);
        assert_eq!(frames.len() as u64, bo_pages.iter().sum::<u64>());
        let (random, fences, done) = (Random::new(seed), BTreeMap::new(), Done::default());
        let mut world =
            Self { rig, random, vms: Vec::new(), bos, bo_pages, frames, fences, done, ending: false, last_number: 0 };
        for scratch in [false, true, false] {
            let code = world.rig.bo(CODE_BYTES);
            world.add_vm(scratch, code);
        }
        world
    }

    fn add_vm(&mut self, scratch: bool, code: Mapped) {
        let vm = Vm::new(self.rig, scratch, (0..self.bos.len()).collect(), code);
        self.vms.push(vm);
    }

    /// A number that nothing had before.
    pub(crate) const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Position of a random VM.
    pub(crate) const fn any_vm(&mut self) -> usize {
        self.random.below(self.vms.len() as u64) as usize
    }

    /// Takes steps, and looks at everything after each; gives everything back in the end.
    pub(crate) fn play(mut self, steps: u32) -> Done {
        for _ in 0..steps {
            self.step();
            check_charges(&self.rig.device);
            self.observe();
            self.check();
        }
        self.drain();
        let (rig, done) = (self.rig, self.done);
        self.vms.into_iter().for_each(|vm| vm.end(rig));
        rig.settle();
        assert!(rig.device.is_quiet());
        assert_eq!(rig.device.tables_in_use(), 0, "tables are left when no VM is");
        done
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..17 => self.bind(),
            17..19 => self.barrier(),
            19..21 => self.refused_bind(),
            21..24 => self.signal_one(),
            24..28 => self.work(3),
            28..32 => self.exec(),
            32 => self.drain(),
            33 | 34 => self.read_on(),
            35 if self.random.one_in(3) => self.replace_vm(),
            _ => self.settle(),
        }
    }

    /// Lets the device work for a moment.
    pub(crate) fn work(&mut self, most: u64) {
        for _ in 0..=self.random.below(most) {
            self.rig.device.poll();
            let until = self.rig.device.now().saturating_add(Nanos::from_micros(self.random.below(20)));
            let _ = self.rig.device.relax(until);
        }
    }

    /// Lets the device work until every call that is left has something to wait for.
    pub(crate) fn settle(&mut self) {
        for look in 0..5000 {
            let stuck = self.vms.iter().any(|vm| (0..vm.calls.len()).any(|index| !self.may_be_waiting(vm, index)));
            if self.rig.device.is_quiet() || look > 6 && !stuck {
                return;
            }
            self.rig.device.poll();
            let until = self.rig.device.now().saturating_add(Nanos::from_micros(20));
            let _ = self.rig.device.relax(until);
            self.observe();
        }
        for (at, vm) in self.vms.iter().enumerate() {
            for (index, call) in vm.calls.iter().enumerate() {
                assert!(self.may_be_waiting(vm, index), "VM {at}: nothing holds {call:?} back");
            }
        }
    }

    fn may_be_waiting(&self, vm: &Vm, index: usize) -> bool {
        let (call, earlier) = (&vm.calls[index], &vm.calls[..index]);
        let shakes = |call: &Call| !call.effect.shaken.is_empty();
        let held = call.waits.iter().any(|wait| self.is_signalled(wait) != Some(true));
        let queued = earlier.iter().any(|other| other.queue == call.queue || call.may_wait_for(other));
        let behind_all = shakes(call) && !(earlier.is_empty() && vm.execs.is_empty());
        held || queued || behind_all || earlier.iter().any(shakes)
    }

    /// Whether what a call waits for has happened; none if that cannot be known any more.
    pub(crate) fn is_signalled(&self, wait: &Wait) -> Option<bool> {
        match *wait {
            Wait::Fence(number) => Some(!self.fences.contains_key(&number)),
            Wait::Call(number) => {
                let pending = self.vms.iter().flat_map(|vm| &vm.calls).any(|call| call.number == number);
                if pending { Some(false) } else { None }
            }
        }
    }

    /// Sees which calls are over, and whether they may be.
    pub(crate) fn observe(&mut self) {
        let pending = self.vms.iter().map(|vm| vm.calls.len()).sum();
        self.done.pending = self.done.pending.max(pending);
        let over: Vec<u64> = {
            let calls = self.vms.iter().flat_map(|vm| &vm.calls);
            let is_over = |call: &&Call| self.is_over(call.ticket);
            calls.filter(is_over).map(|call| call.number).collect()
        };
        for at in 0..self.vms.len() {
            self.retire(at, &over);
            self.observe_execs(at);
        }
    }

    pub(crate) fn is_over(&self, ticket: barexe_core::device::Ticket) -> bool {
        match self.rig.device.ticket_state(ticket).unwrap() {
            TicketState::Pending => false,
            TicketState::Done => true,
            failed @ TicketState::Failed(_) => panic!("{failed:?}"),
        }
    }

    /// Takes calls out that are over.
    fn retire(&mut self, at: usize, over: &[u64]) {
        let is_over = |call: &Call| over.contains(&call.number);
        let vm = &self.vms[at];
        for (index, call) in vm.calls.iter().enumerate().filter(|(_, call)| is_over(call)) {
            let early = vm.calls[..index]
                .iter()
                .find(|other| !is_over(other) && (other.queue == call.queue || other.meets(call)));
            assert!(early.is_none(), "VM {at}: {call:?}\nis over before {early:?}");
            let waits = call.waits.iter().find(|wait| match wait {
                Wait::Fence(number) => self.fences.contains_key(number),
                Wait::Call(number) => self.is_signalled(wait) == Some(false) && !over.contains(number),
            });
            assert!(waits.is_none(), "VM {at}: {call:?}\nis over before {waits:?}");
        }
        let vm = &mut self.vms[at];
        let (over, pending) = core::mem::take(&mut vm.calls).into_iter().partition(|call| is_over(call));
        vm.calls = pending;
        let over: Vec<Call> = over;
        for call in over {
            vm.base.settle(&call.effect);
            self.rig.device.syncobj_destroy(self.rig.client, call.out).unwrap();
        }
    }

    /// Signals a random fence of those that are held.
    fn signal_one(&mut self) {
        let Some(number) = self.any_fence() else { return };
        let (fence, syncobj) = self.fences.remove(&number).unwrap();
        self.rig.device.outside_fence_signal(fence).unwrap();
        self.rig.device.syncobj_destroy(self.rig.client, syncobj).unwrap();
    }

    pub(crate) fn any_fence(&mut self) -> Option<u64> {
        let count = self.fences.len() as u64;
        if count == 0 { None } else { self.fences.keys().nth(self.random.below(count) as usize).copied() }
    }

    /// A new fence that the test holds.
    pub(crate) fn hold(&mut self) -> u64 {
        let number = self.number();
        let rig = &mut *self.rig;
        let fence = rig.device.outside_fence_create().unwrap();
        let syncobj = rig.syncobj();
        rig.device.syncobj_import(rig.client, syncobj, fence).unwrap();
        self.fences.insert(number, (fence, syncobj));
        number
    }

    /// Lets everything come to its end, in random order, and looks whether exactly that is left that should be.
    fn drain(&mut self) {
        self.done.drains += 1;
        self.ending = false;
        while !self.fences.is_empty() {
            self.signal_one();
            if self.random.one_in(2) {
                self.work(2);
                self.observe();
                self.check();
            }
        }
        for _ in 0..1000 {
            self.settle();
            if self.rig.device.is_quiet() {
                break;
            }
            self.work(1);
        }
        self.observe();
        let left = self.vms.iter().map(|vm| (vm.calls.len(), vm.execs.len())).collect::<Vec<_>>();
        assert!(
            left.iter().all(|left| *left == (0, 0)) && self.rig.device.is_quiet(),
            "{left:?} {:?}",
            self.rig.sim.halted()
        );
        for vm in &self.vms {
            assert!(vm.base.cells == vm.newest.cells, "the model does not agree with itself");
        }
        let reached = self.check();
        assert_eq!(reached, self.rig.device.tables_in_use(), "tables in use, and those that can be reached");
    }

    /// Ends a VM, whatever its binds wait for, and makes another.
    fn replace_vm(&mut self) {
        let at = self.any_vm();
        let pending: usize = self.vms.iter().map(|vm| vm.calls.len()).sum();
        // One that is ending holds its queues and tables until its binds are over.
        if self.vms[at].execs.is_empty() && pending < 10 && !self.ending {
            self.ending = true;
            self.done.new_vms += 1;
            let vm = self.vms.remove(at);
            let (scratch, code) = (vm.scratch, vm.code);
            vm.end(self.rig);
            self.add_vm(scratch, code);
        }
    }
}

/// Where the pages of the objects lie, by the numbers that stand in them.
fn frames(rig: &Rig<'_>) -> HashMap<u64, (usize, u64)> {
    let mut frames = HashMap::new();
    for buffer in rig.sim.snapshot().buffers {
        for addr in (buffer.addr..buffer.addr + buffer.len_bytes).step_by(4096) {
            let found = rig.sim.peek(addr + TAG, 8).and_then(|bytes| bytes.first_chunk().copied());
            let word = found.map_or(0, u64::from_le_bytes);
            if word >> 32 == MAGIC {
                frames.insert(addr, ((word as u32 >> 16) as usize - 1, word & 0xFFFF));
            }
        }
    }
    frames
}
