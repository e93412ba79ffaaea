//! Steps that make and destroy queues and clients, in the middle of their work; and the end of a run.

use super::trace::{Event, Node};
use super::world::World;

impl World<'_, '_> {
    pub(crate) fn queue_comes_or_goes(&mut self) {
        let at = self.below(self.clients.len());
        let count = self.clients[at].queues.len();
        if count < 3 || count < 7 && self.random.one_in(2) {
            return self.add_queue(at, false);
        }
        let queue = self.clients[at].queues.remove(self.random.below(count as u64) as usize);
        self.count(if queue.binds { "bind queues destroyed" } else { "exec queues destroyed" });
        self.trace.look += 1;
        self.note(Event::Kill { queue: queue.number, client: false });
        self.rig.device.queue_destroy(self.clients[at].id, queue.id).unwrap();
        self.look_at_fences();
    }

    /// Closes a client, whatever it does, and opens another.
    pub(crate) fn client_comes_and_goes(&mut self) {
        let at = self.below(self.clients.len());
        self.count("clients closed");
        self.close_client(at);
        // What is left of it holds queues and tables for as long as it waits.
        self.drain();
        self.add_client();
    }

    fn close_client(&mut self, at: usize) {
        let client = self.clients.remove(at);
        self.trace.look += 1;
        let queues = client.queues.iter().map(|queue| queue.number);
        for queue in queues.chain(client.vms.iter().map(|vm| vm.default_queue)).collect::<Vec<_>>() {
            self.note(Event::Kill { queue, client: true });
        }
        self.states.iter_mut().filter(|state| state.client == Some(client.id)).for_each(|state| state.own = None);
        self.interrupted.clear();
        self.rig.device.client_close(client.id).unwrap();
        self.look_at_fences();
    }

    /// Gives everything back.
    pub(crate) fn end(&mut self) {
        while !self.clients.is_empty() {
            self.close_client(0);
        }
        let (client, objects) = (self.rig.client, core::mem::take(&mut self.objects));
        for object in objects {
            self.rig.device.syncobj_destroy(client, object.kept).unwrap();
        }
        for share in core::mem::take(&mut self.shares) {
            self.rig.device.syncobj_export_close(share).unwrap();
        }
        for _ in 0..200 {
            self.work(50);
        }
        assert!(self.rig.device.is_quiet(), "work is left");
        // Nothing has written to a place of the board since its fence signalled.
        let all: Vec<Node> = (0..self.states.len()).collect();
        self.look_at_places(&all);
    }
}
