//! Steps that bind, and barriers on bind queues.

use super::client::{Page, WINDOW, WINDOW_PAGES, op};
use super::objects::Fences;
use super::syncs::{Syncs, user_fence};
use super::trace::{Call, Kind, Node};
use super::world::{State, World};
use barexe_core::Error;
use barexe_core::device::Ticket;
use barexe_core::device::request::{BindCall, BindKind, BindOp};
use std::collections::BTreeSet;

/// Operations, and what they do to the window.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) ops: Vec<BindOp>,
    /// The pages of the window afterwards, those that are new with this bind.
    pages: Vec<Option<(u64, Option<Node>)>>,
    /// Pages that get another value, and those that an operation names.
    touched: BTreeSet<usize>,
    named: BTreeSet<usize>,
    prefetches: bool,
}

impl World<'_, '_> {
    /// A bind queue of a random VM: client, VM, and the queue's number.
    pub(crate) fn any_bind_queue(&mut self) -> (usize, usize, usize) {
        let at = self.below(self.clients.len());
        let vm = self.below(self.clients[at].vms.len());
        let client = &self.clients[at];
        let own = client.queues.iter().filter(|queue| queue.binds && queue.vm == vm).map(|queue| queue.number);
        let all: Vec<usize> = own.chain([client.vms[vm].default_queue]).collect();
        (at, vm, all[self.below(all.len())])
    }

    /// How a call names the VM and the queue.
    pub(crate) fn bind_call(&self, at: usize, vm: usize, queue: usize) -> BindCall {
        let client = &self.clients[at];
        let found = client.queues.iter().find(|found| found.number == queue);
        BindCall { vm: client.vms[vm].id, queue: found.map_or(0, |queue| queue.id) }
    }

    pub(crate) fn some_change(&mut self, at: usize, vm: usize, most: u64) -> Change {
        let (data, pat) = (self.clients[at].data, self.rig.coherent_pat());
        let pages = self.clients[at].vms[vm].pages.iter();
        let pages = pages.map(|page| page.as_ref().map(|page| (page.of, Some(page.bind)))).collect();
        let mut change = Change { pages, ..Change::default() };
        for _ in 0..self.random.below(most + 1) {
            let first = self.below(WINDOW_PAGES);
            let count = 1 + self.below((WINDOW_PAGES - first).min(6));
            let from = self.random.below((WINDOW_PAGES - count) as u64 + 1);
            let (va, bytes) = (WINDOW + first as u64 * 4096, count as u64 * 4096);
            let range = first..first + count;
            change.named.extend(range.clone());
            let kind = match self.random.below(6) {
                0..3 => {
                    change.touched.extend(range.clone());
                    range.zip(from..).for_each(|(page, of)| change.pages[page] = Some((of, None)));
                    BindKind::Map { bo: data, offset_bytes: from * 4096 }
                }
                3 | 4 => {
                    change.touched.extend(range.clone().filter(|page| change.pages[*page].is_some()));
                    range.for_each(|page| change.pages[page] = None);
                    BindKind::Unmap
                }
                _ => {
                    change.prefetches = true;
                    BindKind::Prefetch { region: 0 }
                }
            };
            change.ops.push(op(kind, va, bytes, pat));
        }
        change
    }

    /// Batches that use what the change touches.
    pub(crate) fn users(&self, at: usize, vm: usize, change: &Change) -> Vec<Node> {
        let (client, id) = (self.clients[at].id, self.clients[at].vms[vm].id);
        let uses = |node: &Node| {
            let state = &self.states[*node];
            let of_vm = state.client == Some(client) && state.uses.is_some_and(|(vm, _)| vm == id);
            of_vm && state.uses.is_some_and(|(_, page)| change.touched.contains(&page))
        };
        self.pending.iter().copied().filter(uses).collect()
    }

    pub(crate) fn bind(&mut self) {
        let (at, vm, queue) = self.any_bind_queue();
        let change = self.some_change(at, vm, 3);
        let (client, long_running) = (self.clients[at].id, self.clients[at].vms[vm].long_running);
        let mut syncs = self.some_syncs(at, !long_running);
        for user in self.users(at, vm, &change) {
            self.wait_for(user, &mut syncs);
            self.count("binds behind batches");
        }
        let own = (!long_running).then(|| self.own_out(at, &mut syncs));
        let fence = (!change.ops.is_empty() && self.random.one_in(3)).then(|| self.bind_fence());
        syncs.entries.extend(fence.map(|(addr, value)| user_fence(addr, value)));
        let call = self.bind_call(at, vm, queue);
        let (mut ops, mut entries): (&[BindOp], &[_]) = (&change.ops, &syncs.entries);
        self.trace.look += 1;
        let memory = &mut self.clients[at].memory;
        match self.rig.device.vm_bind(client, &call, &mut ops, &mut entries, memory) {
            Ok(ticket) => {
                assert!(!self.must_be_busy(at, vm, &change), "a mapping goes whose user fence is not written");
                let state =
                    State { ticket: Some(ticket), client: Some(client), own, user_fence: fence, ..State::default() };
                self.bound((at, vm, queue), &change, &syncs, state);
            }
            Err(Error::Busy { .. }) => {
                own.map_or(Ok(()), |own| self.rig.device.syncobj_destroy(client, own)).unwrap();
                self.is_busy(at, vm);
            }
            Err(error) => panic!("{error}: {change:?}"),
        }
        self.look_at_fences();
    }

    /// Address and value of the user fence of the next node.
    pub(crate) const fn bind_fence(&self) -> (u64, u64) {
        let node = self.states.len() as u64;
        (0x10_0000 + node * 8, node << 8 | 1)
    }

    /// Notes that a bind was accepted.
    pub(crate) fn bound(
        &mut self,
        (at, vm, queue): (usize, usize, usize),
        change: &Change,
        syncs: &Syncs,
        state: State,
    ) -> Node {
        let works = !change.touched.is_empty() || change.prefetches;
        let kind = if works { Kind::Bind } else { Kind::Barrier };
        self.count(if works { "binds" } else { "bind barriers" });
        let meets: Fences = {
            let binds = self.clients[at].vms[vm].binds.iter();
            let meets = |pages: &BTreeSet<usize>| !pages.is_disjoint(&change.touched);
            binds.filter(|(node, pages)| !self.is_over(*node) && meets(pages)).map(|(node, _)| *node).collect()
        };
        let user_fence = state.user_fence.is_some();
        let call = Call { kind, queue: Some(queue), waits: syncs.waits.clone(), meets, user_fence };
        let node = self.accept(call, state);
        self.give_outs(syncs, node);
        let vm = &mut self.clients[at].vms[vm];
        vm.binds.push((node, change.touched.clone()));
        let page = |(of, bind): (u64, Option<Node>)| Page { of, bind: bind.unwrap_or(node) };
        vm.pages = change.pages.iter().map(|of| of.map(page)).collect();
        node
    }

    /// Whether a mapping is touched whose own bind's user fence is not written (bind-and-exec sheet §3.2, row 29).
    pub(crate) fn must_be_busy(&self, at: usize, vm: usize, change: &Change) -> bool {
        let page = |page: &usize| self.clients[at].vms[vm].pages[*page].as_ref();
        let owed = |of: &Page| self.is_owed(of.bind);
        change.touched.iter().filter_map(page).any(owed)
    }

    fn is_owed(&self, bind: Node) -> bool {
        self.states[bind].user_fence.is_some() && !self.states[bind].user_fence_seen
    }

    /// A bind was refused for a user fence: one has to be owed in that VM.
    pub(crate) fn is_busy(&mut self, at: usize, vm: usize) {
        let owed = self.clients[at].vms[vm].binds.iter().any(|(bind, _)| self.is_owed(*bind));
        assert!(owed, "no user fence of the VM is owed");
        self.count("busy binds");
        self.say(String::from("refused for a user fence"));
    }

    /// Maps the board, and waits for that.
    pub(crate) fn map_board(&mut self, at: usize, vm: usize, map: BindOp) {
        let (client, queue) = (self.clients[at].id, self.clients[at].vms[vm].default_queue);
        let call = self.bind_call(at, vm, queue);
        let (mut ops, mut none): (&[BindOp], &[_]) = (&[map], &[]);
        self.trace.look += 1;
        let memory = &mut self.clients[at].memory;
        let ticket: Ticket = self.rig.device.vm_bind(client, &call, &mut ops, &mut none, memory).unwrap();
        let (waits, meets) = (Fences::new(), Fences::new());
        let call = Call { kind: Kind::Bind, queue: Some(queue), waits, meets, user_fence: false };
        let node = self.accept(call, State { ticket: Some(ticket), client: Some(client), ..State::default() });
        self.look_at_fences();
        while !self.is_over(node) {
            self.work(20);
        }
    }
}
