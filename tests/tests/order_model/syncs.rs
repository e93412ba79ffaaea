//! Random syncs of a call.

use super::objects::{Content, Fences};
use super::trace::Node;
use super::world::World;
use barexe_core::device::request::{SyncEntry, SyncTarget};
use barexe_tests::rig::{binary, point};

/// The entries of a call, and what they mean.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    pub(crate) entries: Vec<SyncEntry>,
    pub(crate) waits: Fences,
    /// Objects, and the points they are given; 0 for a binary one.
    pub(crate) outs: Vec<(usize, u64)>,
}

impl World<'_, '_> {
    /// In-syncs and, unless there may be none, out-syncs, mixed.
    pub(crate) fn some_syncs(&mut self, at: usize, outs: bool) -> Syncs {
        let mut syncs = Syncs::default();
        for _ in 0..self.random.below(4) {
            if !outs || self.random.one_in(2) {
                self.some_in(at, &mut syncs);
            } else {
                self.some_out(at, &mut syncs);
            }
        }
        syncs
    }

    fn some_in(&mut self, at: usize, syncs: &mut Syncs) {
        let object = self.below(self.objects.len());
        let handle = self.clients[at].handles[object];
        let content = &self.objects[object].content;
        let newest = content.newest();
        // Entries for one object twice in a call: its out-syncs come when all in-syncs are captured.
        let at_point = if newest > 0 && !self.random.one_in(4) { 1 + self.random.below(newest) } else { 0 };
        let Some(fences) = self.objects[object].content.at(at_point) else { return };
        self.count(if at_point == 0 { "binary in-syncs" } else { "points waited for" });
        syncs.waits.extend(fences);
        syncs.entries.push(if at_point == 0 { binary(handle, false) } else { point(handle, at_point, false) });
    }

    fn some_out(&mut self, at: usize, syncs: &mut Syncs) {
        let object = self.below(self.objects.len());
        let handle = self.clients[at].handles[object];
        // A second point of one call has to be above the first.
        let newest = syncs.outs.iter().filter(|(of, _)| *of == object).map(|(_, point)| *point).max();
        let newest = newest.unwrap_or(0).max(self.objects[object].content.newest());
        let value = if self.random.one_in(2) { 0 } else { newest + 1 + self.random.below(3) };
        self.count(if value == 0 { "binary out-syncs" } else { "points added" });
        syncs.outs.push((object, value));
        syncs.entries.push(if value == 0 { binary(handle, true) } else { point(handle, value, true) });
    }

    /// The call was accepted: its out-syncs have its fence, in the order of the entries.
    pub(crate) fn give_outs(&mut self, syncs: &Syncs, node: Node) {
        for (object, point) in &syncs.outs {
            self.objects[*object].content.give(*point, [node].into());
        }
    }

    /// Waits for a node by the sync object that has its fence alone.
    pub(crate) fn wait_for(&mut self, node: Node, syncs: &mut Syncs) {
        if !self.is_over(node) {
            let own = self.states[node].own.unwrap();
            syncs.waits.insert(node);
            syncs.entries.push(binary(own, false));
        }
    }

    /// A new sync object of the client as one more out-sync.
    pub(crate) fn own_out(&mut self, at: usize, syncs: &mut Syncs) -> u32 {
        let own = self.rig.device.syncobj_create(self.clients[at].id, false).unwrap();
        syncs.entries.push(binary(own, true));
        own
    }

    /// An in-sync that cannot be, and the object it is of.
    pub(crate) fn impossible_in(&mut self, at: usize) -> SyncEntry {
        let object = self.below(self.objects.len());
        let handle = self.clients[at].handles[object];
        match self.objects[object].content {
            Content::Nothing if self.random.one_in(2) => binary(handle, false),
            Content::Nothing | Content::Binary(_) => point(handle, 1 + self.random.below(5), false),
            Content::Timeline(_) if self.random.one_in(3) => point(handle, 0, false),
            Content::Timeline(_) => point(handle, self.objects[object].content.newest() + 1, false),
        }
    }
}

/// A user fence.
pub(crate) const fn user_fence(addr: u64, value: u64) -> SyncEntry {
    SyncEntry { target: SyncTarget::UserFence { addr, value }, signal: true }
}
