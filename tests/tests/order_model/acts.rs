//! Steps that change sync objects by hand.

use super::objects::{Content, Fences, Progress};
use super::world::World;
use barexe_core::device::SyncobjPoint;

impl World<'_, '_> {
    pub(crate) fn object(&mut self) {
        let (object, at) = (self.below(self.objects.len()), self.below(self.clients.len()));
        let (client, handle) = (self.clients[at].id, self.clients[at].handles[object]);
        self.trace.look += 1;
        match self.random.below(10) {
            0 => {
                self.count("resets");
                self.rig.device.syncobj_reset(client, &mut &[handle][..]).unwrap();
                self.objects[object].content = Content::Nothing;
                self.say(format!("object {object} is reset"));
            }
            1 => {
                self.count("signals");
                self.rig.device.syncobj_signal(client, &mut &[handle][..]).unwrap();
                self.objects[object].content = Content::Binary(Fences::new());
                self.say(format!("object {object} is signalled"));
            }
            2 => {
                self.count("points signalled");
                let point = self.objects[object].content.newest() + 1 + self.random.below(2);
                let (mut handles, mut points) = (&[handle][..], &[point][..]);
                self.rig.device.syncobj_timeline_signal(client, &mut handles, Some(&mut points)).unwrap();
                self.objects[object].content.add(point, Fences::new());
                self.say(format!("object {object}: point {point} is signalled"));
            }
            3..6 => self.transfer(at, object),
            _ => self.import(object),
        }
        self.look_at_fences();
    }

    /// Gives one object what another holds.
    fn transfer(&mut self, at: usize, to: usize) {
        let from = self.below(self.objects.len());
        let newest = self.objects[from].content.newest();
        // Sometimes a point that nothing was submitted for.
        let from_point = if self.random.one_in(2) { 0 } else { self.random.below(newest + 2) };
        let to_point = if self.random.one_in(2) { 0 } else { self.objects[to].content.newest() + 1 };
        let (client, handles) = (self.clients[at].id, &self.clients[at].handles);
        let source = SyncobjPoint { handle: handles[from], point: from_point };
        let target = SyncobjPoint { handle: handles[to], point: to_point };
        let wanted = self.objects[from].content.at(from_point);
        let given = self.rig.device.syncobj_transfer(client, source, target, false);
        assert_eq!(given.is_ok(), wanted.is_some(), "{from} at {from_point} to {to}: {given:?}");
        self.count(if wanted.is_some() { "transfers" } else { "refused transfers" });
        self.say(format!("object {to} at {to_point} has what {from} has at {from_point}: {wanted:?}"));
        if let Some(fences) = wanted {
            self.objects[to].content.give(to_point, fences);
        }
    }

    /// Puts a fence of the test into an object, a new one or one that is there.
    fn import(&mut self, object: usize) {
        let there = self.outsides.iter().next_back().map(|(node, fence)| (*node, *fence));
        let (node, fence) = match there {
            Some(there) if self.outsides.len() > 5 || self.random.one_in(3) => there,
            _ => self.hold(),
        };
        // Work that nobody waits for any more teaches nothing: what is pending stays more often.
        let over = |node: &usize| self.is_over(*node);
        if self.objects[object].content.progress(0, over) == Progress::Pending && self.random.one_in(2) {
            return;
        }
        self.count("imports");
        self.rig.device.syncobj_import(self.rig.client, self.objects[object].kept, fence).unwrap();
        self.objects[object].content = Content::Binary([node].into());
        self.say(format!("object {object} has {node}"));
    }
}
