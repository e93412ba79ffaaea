//! Steps that make calls which are refused: nothing changes.

use super::batch::BOARD;
use super::syncs::{Syncs, user_fence};
use super::world::World;
use barexe_core::Errno;
use barexe_core::device::request::{BindOp, SyncEntry};
use barexe_tests::found::core_state;
use barexe_tests::rig::binary;

impl World<'_, '_> {
    /// One bad entry among good ones, in an exec, a barrier or a bind.
    pub(crate) fn refused(&mut self) {
        if self.random.one_in(3) {
            return self.refused_bind();
        }
        let Some((at, queue)) = self.any_exec_queue() else { return };
        let fatal =
            self.calls.iter().any(|call| matches!(call.kind, super::trace::Kind::Batch(fate) if fate.is_fatal()));
        let (barrier, long_running) = (self.random.one_in(3), self.clients[at].vms[queue.vm].long_running);
        let mut syncs = self.some_syncs(at, !long_running);
        let code = if queue.dead {
            self.count("refused by dead queues");
            Errno::ECANCELED
        } else if fatal {
            // One that is dead and not known to be gives another code.
            return;
        } else if barrier && long_running {
            // A batchless exec in a long-running VM has no syncs at all.
            syncs.entries.push(binary(0xDEAD, false));
            Errno::EOPNOTSUPP
        } else if barrier && self.random.one_in(3) {
            self.insert(&mut syncs, user_fence(BOARD + 8, 1));
            Errno::EOPNOTSUPP
        } else if long_running && self.random.one_in(2) {
            self.insert(&mut syncs, binary(0xDEAD, true));
            Errno::EOPNOTSUPP
        } else {
            self.bad_entry(at, &mut syncs)
        };
        let before = core_state(&self.rig.device);
        let refused = self.take_client(at, |rig| {
            let va = BOARD + super::batch::code(0);
            if barrier { rig.barrier(queue.id, &syncs.entries) } else { rig.exec(queue.id, va, &syncs.entries) }
        });
        assert_eq!(refused.map_err(|error| error.errno()), Err(code), "{:?}", syncs.entries);
        assert!(before == core_state(&self.rig.device), "a refused call has changed something");
        self.count("refused");
        self.say(format!("refused: {code:?}"));
    }

    fn refused_bind(&mut self) {
        let (at, vm, queue) = self.any_bind_queue();
        let (client, long_running) = (self.clients[at].id, self.clients[at].vms[vm].long_running);
        let change = self.some_change(at, vm, 2);
        let mut syncs = self.some_syncs(at, !long_running);
        let code = self.bad_entry(at, &mut syncs);
        let call = self.bind_call(at, vm, queue);
        let (mut ops, mut entries): (&[BindOp], &[_]) = (&change.ops, &syncs.entries);
        let before = core_state(&self.rig.device);
        let memory = &mut self.clients[at].memory;
        let refused = self.rig.device.vm_bind(client, &call, &mut ops, &mut entries, memory);
        assert_eq!(refused.map_err(|error| error.errno()), Err(code), "{:?}", syncs.entries);
        assert!(before == core_state(&self.rig.device), "a refused bind has changed something");
        self.count("refused");
        self.say(format!("bind refused: {code:?}"));
    }

    fn bad_entry(&mut self, at: usize, syncs: &mut Syncs) -> Errno {
        let (entry, code) = match self.random.below(4) {
            0 => (binary(0xDEAD, false), Errno::ENOENT),
            1 => (SyncEntry { signal: false, ..user_fence(BOARD + 8, 1) }, Errno::EOPNOTSUPP),
            // What another client has is nobody's.
            2 => (binary(self.objects[0].kept, false), Errno::ENOENT),
            _ => (self.impossible_in(at), Errno::EINVAL),
        };
        self.insert(syncs, entry);
        code
    }

    fn insert(&mut self, syncs: &mut Syncs, entry: SyncEntry) {
        let place = self.below(syncs.entries.len() + 1);
        syncs.entries.insert(place, entry);
    }
}
