//! Steps that run batches, and barriers on exec queues.

use super::batch::{BOARD, batch, code, user_fence as place_of_fence};
use super::client::{Queue, WINDOW};
use super::objects::Fences;
use super::syncs::{Syncs, user_fence};
use super::trace::{Call, Fate, Kind, Node};
use super::world::{State, World};
use barexe_core::Error;

/// Batches of a run that stop their engine, at most.
const FATAL: u32 = 4;

impl World<'_, '_> {
    /// A client that has exec queues, and one of them.
    pub(crate) fn any_exec_queue(&mut self) -> Option<(usize, Queue)> {
        let at = self.below(self.clients.len());
        let queues: Vec<Queue> = self.clients[at].queues.iter().filter(|queue| !queue.binds).copied().collect();
        if queues.is_empty() { None } else { Some((at, queues[self.below(queues.len())])) }
    }

    pub(crate) fn exec(&mut self) {
        let Some((at, queue)) = self.any_exec_queue() else { return };
        if self.random.one_in(6) { self.exec_barrier(at, queue) } else { self.exec_batch(at, queue) }
    }

    fn exec_barrier(&mut self, at: usize, queue: Queue) {
        let long_running = self.clients[at].vms[queue.vm].long_running;
        let syncs = if long_running { Syncs::default() } else { self.some_syncs(at, true) };
        self.trace.look += 1;
        let taken = self.take_client(at, |rig| rig.barrier(queue.id, &syncs.entries));
        match taken {
            Ok(_) if long_running => self.say(format!("queue {}: a barrier without fences", queue.number)),
            Ok(ticket) => {
                self.count("exec barriers");
                let (waits, meets, client) = (syncs.waits.clone(), Fences::new(), Some(self.clients[at].id));
                let kind = Kind::Barrier;
                let call = Call { kind, queue: Some(queue.number), waits, meets, user_fence: false };
                let node = self.accept(call, State { ticket: Some(ticket), client, ..State::default() });
                self.give_outs(&syncs, node);
            }
            Err(error) => self.is_dead(at, queue, error),
        }
        self.look_at_fences();
    }

    fn exec_batch(&mut self, at: usize, queue: Queue) {
        let vm = &self.clients[at].vms[queue.vm];
        let (long_running, vm_id) = (vm.long_running, vm.id);
        let (fate, place) = (self.fate(long_running), self.places);
        let mut syncs = self.some_syncs(at, !long_running);
        let uses = if long_running { None } else { self.some_page(at, queue.vm, &mut syncs) };
        let own = (uses.is_some() || !long_running && self.random.one_in(2)).then(|| self.own_out(at, &mut syncs));
        let fence = (place_of_fence(place), place << 32 | 7);
        let fence = self.random.one_in(3).then_some(fence);
        syncs.entries.extend(fence.map(|(offset, value)| user_fence(BOARD + offset, value)));
        let stores = uses.map(|page| (WINDOW + page as u64 * 4096 + place * 4, place as u32 + 1));
        let stored = uses.and_then(|page| Some((self.clients[at].vms[queue.vm].pages[page].as_ref()?.of, place)));
        let stored = stored.map(|(page, place)| (page * 4096 + place * 4, place as u32 + 1));
        let (dwords, jump) = batch(place, fate, stores);
        self.rig.write(self.board, code(place), &dwords);
        self.places += 1;
        self.trace.look += 1;
        let client = self.clients[at].id;
        match self.take_client(at, |rig| rig.exec(queue.id, BOARD + code(place), &syncs.entries)) {
            Ok(ticket) => {
                self.count(if long_running { "long-running batches" } else { "batches" });
                self.fatal += u32::from(fate.is_fatal());
                let (waits, meets, kind) = (syncs.waits.clone(), Fences::new(), Kind::Batch(fate));
                let call = Call { kind, queue: Some(queue.number), waits, meets, user_fence: fence.is_some() };
                let jump = (fate == Fate::Spin).then_some(jump);
                let uses = uses.map(|page| (vm_id, page));
                let (ticket, client, place) = (Some(ticket), Some(client), Some(place));
                let state =
                    State { ticket, client, place, jump, uses, stored, own, user_fence: fence, ..State::default() };
                let node = self.accept(call, state);
                self.give_outs(&syncs, node);
            }
            Err(error) => {
                own.map_or(Ok(()), |own| self.rig.device.syncobj_destroy(client, own)).unwrap();
                self.is_dead(at, queue, error);
            }
        }
        self.look_at_fences();
    }

    /// Does something in the name of a client.
    pub(crate) fn take_client<T>(&mut self, at: usize, work: impl FnOnce(&mut barexe_tests::rig::Rig<'_>) -> T) -> T {
        let keeper = core::mem::replace(&mut self.rig.client, self.clients[at].id);
        let result = work(self.rig);
        self.rig.client = keeper;
        result
    }

    const fn fate(&mut self, long_running: bool) -> Fate {
        let all = [Fate::Endless, Fate::Locked, Fate::Fault, Fate::Bad];
        match self.random.below(40) {
            0..13 => Fate::Spin,
            // Nothing ends a batch of a long-running VM that only takes long.
            13 if self.fatal < FATAL => all[if long_running { 2 + self.below(2) } else { self.below(4) }],
            _ => Fate::Plain,
        }
    }

    /// A page of the window that a batch may store to, behind the bind that mapped it.
    fn some_page(&mut self, at: usize, vm: usize, syncs: &mut Syncs) -> Option<usize> {
        let pages = &self.clients[at].vms[vm].pages;
        let mapped: Vec<(usize, Node)> =
            pages.iter().enumerate().filter_map(|(page, of)| Some((page, of.as_ref()?.bind))).collect();
        if mapped.is_empty() || self.random.one_in(3) {
            return None;
        }
        let (page, bind) = mapped[self.below(mapped.len())];
        if self.is_over(bind) {
            return Some(page);
        }
        self.states[bind].own?;
        self.wait_for(bind, syncs);
        self.count("batches behind binds");
        Some(page)
    }

    /// The queue refuses work: it must have reason to.
    fn is_dead(&mut self, at: usize, queue: Queue, error: Error) {
        assert_eq!(error, Error::Canceled, "queue {}", queue.number);
        let fatal = |kind| matches!(kind, Kind::Batch(fate) if fate.is_fatal());
        let mut own = self.calls.iter().filter(|call| call.queue == Some(queue.number));
        let failed = own.any(|call| fatal(call.kind)) || self.calls.iter().filter(|call| fatal(call.kind)).count() >= 3;
        assert!(failed || queue.dead, "nothing explains that queue {} refuses work", queue.number);
        self.count("refused by dead queues");
        self.say(format!("queue {} is dead", queue.number));
        let mut queues = self.clients[at].queues.iter_mut();
        queues.find(|other| other.number == queue.number).unwrap().dead = true;
    }
}
