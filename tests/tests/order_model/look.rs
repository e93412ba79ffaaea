//! Looking: what became visible since the last look.

use super::batch::{numbers, user_fence};
use super::client::WINDOW;
use super::objects::Progress;
use super::trace::{Event, How, Kind, Node};
use super::world::World;
use barexe_core::device::{SyncobjLook, TicketState};
use barexe_hal::Nanos;

/// Longest time that a batch spins, so that it is never taken for one that hangs.
const SPIN_MICROS: u64 = 600;

impl World<'_, '_> {
    /// Lets the device work for a while, then looks.
    pub(crate) fn work(&mut self, micros: u64) {
        let until = self.rig.device.now().saturating_add(Nanos::from_micros(micros));
        loop {
            self.trace.look += 1;
            let now = self.rig.device.now();
            let _ = self.rig.device.relax(until.min(now.saturating_add(Nanos::from_micros(50))));
            // What batches wrote was there before the driver looks at their numbers.
            self.look_at_board();
            self.rig.device.poll();
            self.look_at_fences();
            self.let_go();
            if self.rig.device.now() >= until {
                return;
            }
        }
    }

    fn look_at_board(&mut self) {
        let nodes: Vec<Node> = self.pending.iter().copied().collect();
        self.look_at_places(&nodes);
    }

    pub(crate) fn look_at_places(&mut self, nodes: &[Node]) {
        let (mut stamps, mut written) = (Vec::new(), Vec::new());
        let now = self.rig.device.now();
        for node in nodes.iter().copied() {
            let Some(place) = self.states[node].place else { continue };
            let word = |offset| self.rig.read(self.board, offset);
            let (start, end) = (word(numbers(place)), word(numbers(place) + 4));
            let (low, high) = (word(user_fence(place)), word(user_fence(place) + 4));
            let state = &mut self.states[node];
            if start != state.seen.0 {
                stamps.push((start, Event::Start { node, serial: start }));
                state.until =
                    state.jump.map(|_| now.saturating_add(Nanos::from_micros(self.random.below(SPIN_MICROS))));
            }
            if end != state.seen.1 {
                stamps.push((end, Event::End { node, serial: end }));
            }
            state.seen = (start, end);
            if (low, high) != (0, 0) && !state.user_fence_seen {
                state.user_fence_seen = true;
                let value = u64::from(low) | u64::from(high) << 32;
                assert_eq!(state.user_fence, Some((user_fence(place), value)), "user fence of {node}");
                written.push(Event::UserFence { node });
            }
        }
        stamps.sort_by_key(|(serial, _)| *serial);
        stamps.into_iter().map(|(_, event)| event).chain(written).for_each(|event| self.note(event));
    }

    /// Lets batches go that have spun for long enough.
    fn let_go(&mut self) {
        let now = self.rig.device.now();
        let due = |node: &&Node| self.states[**node].until.is_some_and(|until| until <= now);
        let due: Vec<Node> = self.pending.iter().filter(due).copied().collect();
        for node in due {
            self.states[node].until = None;
            if let Some(jump) = self.states[node].jump {
                self.rig.write(self.board, jump, &[0; 3]);
            }
        }
    }

    pub(crate) fn look_at_fences(&mut self) {
        for node in self.pending.clone() {
            let Some(ticket) = self.states[node].ticket else { continue };
            match self.rig.device.ticket_state(ticket) {
                Ok(TicketState::Pending) => {}
                Ok(TicketState::Done) => self.signalled(node, How::Well),
                Ok(TicketState::Failed(error)) => self.signalled(node, How::Failed(error.errno())),
                Err(_) => self.signalled(node, How::Unknown),
            }
        }
        self.look_at_user_fences();
        self.look_at_objects();
    }

    pub(crate) fn signalled(&mut self, node: Node, how: How) {
        self.note(Event::Fence { node, how });
        self.pending.remove(&node);
        let (kind, queue) = (self.calls[node].kind, self.calls[node].queue);
        let state = &mut self.states[node];
        state.over = true;
        if let (Some((offset, value)), How::Well) = (state.stored, how) {
            assert_eq!(self.rig.read(self.data, offset), value, "what {node} stored");
        }
        if let (Some(own), Some(client)) = (self.states[node].own.take(), self.states[node].client) {
            let look = SyncobjLook { all: true, for_submit: false };
            assert_eq!(self.rig.device.syncobj_look(client, &mut &[own][..], look), Ok(Some(0)), "out-sync of {node}");
            self.rig.device.syncobj_destroy(client, own).unwrap();
        }
        if matches!((kind, how), (Kind::Batch(_), How::Failed(_))) {
            self.count("failed");
            let queues = self.clients.iter_mut().flat_map(|client| &mut client.queues);
            queues.filter(|other| Some(other.number) == queue).for_each(|queue| queue.dead = true);
        }
    }

    fn look_at_user_fences(&mut self) {
        for client in &mut self.clients {
            self.rig.device.deliver_user_fences(client.id, &mut client.memory);
        }
        let owed = |state: &super::world::State| state.user_fence.is_some() && !state.user_fence_seen;
        for node in 0..self.states.len() {
            let state = &self.states[node];
            let Some((addr, value)) = state.user_fence.filter(|_| owed(state) && state.place.is_none()) else {
                continue;
            };
            let client = self.clients.iter().find(|client| Some(client.id) == state.client);
            if let Some(word) = client.and_then(|client| client.memory.0.get(&addr)) {
                assert_eq!(*word, value, "user fence of {node}");
                self.states[node].user_fence_seen = true;
                self.note(Event::UserFence { node });
            }
        }
    }

    /// Each object is as far as the fences in it.
    fn look_at_objects(&mut self) {
        for at in 0..self.objects.len() {
            let object = &self.objects[at];
            let over = |node: &Node| self.states[*node].over;
            let want = (object.content.progress(0, over), object.content.value(over), object.content.newest());
            let (client, kept, device) = (self.rig.client, object.kept, &mut self.rig.device);
            let look = SyncobjLook { all: true, for_submit: false };
            let progress = match device.syncobj_look(client, &mut &[kept][..], look) {
                Ok(Some(_)) => Progress::Signalled,
                Ok(None) => Progress::Pending,
                Err(_) => Progress::Absent,
            };
            let value = |submitted| device.syncobj_value(client, kept, submitted).unwrap();
            assert_eq!((progress, value(false), value(true)), want, "object {at}: {:?}", object.content);
        }
    }

    /// What is mapped is what accepted calls left.
    pub(crate) fn look_at_mappings(&mut self) {
        for client in &self.clients {
            for vm in &client.vms {
                let found = self.rig.device.vm_mappings(client.id, vm.id).unwrap();
                let mut pages = vec![None; vm.pages.len()];
                for mapping in found.filter(|mapping| mapping.range.start >= WINDOW) {
                    let (first, (_, offset)) = ((mapping.range.start - WINDOW) / 4096, mapping.bo.unwrap());
                    for page in 0..mapping.range.len_bytes() / 4096 {
                        pages[(first + page) as usize] = Some(offset / 4096 + page);
                    }
                }
                let want: Vec<_> = vm.pages.iter().map(|page| page.as_ref().map(|page| page.of)).collect();
                assert_eq!(pages, want, "{:?} VM {}", client.id, vm.id);
            }
        }
    }
}
