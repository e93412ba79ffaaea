//! Which queues an engine could run: those with jobs in their rings that are not over.
//!
//! They stand in one list for each class of engine and each priority, in the order of their turns. The search for what an
//! engine runs next ends with the first that may have the engine; it passes over those on other engines of the class, and
//! over those whose VM or mode keeps them from it.
//!
//! Turns are dealt to clients, which deal them to their queues (start-time fair queueing, with equal shares): a queue that
//! becomes ready, or leaves an engine and has more to do, gets the turn that is on, or if its client has queues that
//! wait the one behind theirs. So however many queues a client has, another waits for about one of them.
//!
//! Every queue that is [ready](Queue::is_ready) is listed. One that is not may still be, for as long as nobody has looked
//! at it since its last job ended.

use crate::device::Pools;
use crate::device::request::QueueProperties;
use crate::exec::queue::{Queue, QueueList};
use crate::gt::EngineClass;
use crate::list::{Linked, List};
use crate::num::usize_of;
use crate::pool::Handle;

/// Priorities of clients, from 0.
const PRIORITIES: usize = usize_of(QueueProperties::max_priority(true)) + 1;
/// Classes of engines, by [`EngineClass::hardware_code`].
const CLASSES: usize = 6;

/// A turn for each class of engines.
pub(crate) type Turns = [u64; CLASSES];

/// The lists.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The turns that are on: those of the queues that were given engines last.
    turns: Turns,
    by_class: [[List; PRIORITIES]; CLASSES],
    /// The leads of gangs among them.
    gangs: List,
}

impl Ready {
    /// Nothing is ready.
    pub(in crate::device) const NONE: Self =
        Self { turns: [0; CLASSES], by_class: [[List::EMPTY; PRIORITIES]; CLASSES], gangs: List::EMPTY };

    fn list_mut(&mut self, class: EngineClass, priority: u32) -> Option<&mut List> {
        self.by_class.get_mut(usize::from(class.hardware_code()))?.get_mut(usize_of(priority))
    }
}

impl Pools<'_> {
    /// The queues that engines of a class could run, the most urgent first, and of those in the order of
    /// their turns.
    pub(super) fn ready_queues(&self, class: EngineClass) -> impl Iterator<Item = (Handle<Queue>, &Queue)> {
        let lists = self.ready.by_class.get(usize::from(class.hardware_code()));
        let lists = lists.map_or(&[][..], |lists| lists).iter().rev();
        lists.flat_map(|list| list.iter(&self.queues, QueueList::Ready))
    }

    /// The queues that any engine could run.
    pub(super) fn all_ready_queues(&self) -> impl Iterator<Item = (Handle<Queue>, &Queue)> {
        let lists = self.ready.by_class.iter().flatten();
        lists.flat_map(|list| list.iter(&self.queues, QueueList::Ready))
    }

    /// The gangs that engines could run.
    pub(super) fn ready_gangs(&self) -> impl Iterator<Item = Handle<Queue>> + '_ {
        let gangs = self.ready.gangs.iter(&self.queues, QueueList::Gangs);
        gangs.filter(|(_, queue)| queue.is_ready()).map(|(gang, _)| gang)
    }

    /// Lists a queue whose ring or state has changed, or not.
    pub(super) fn note_readiness(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.queues.get(handle) else { return };
        if !queue.is_ready() {
            return self.delist(handle);
        }
        let is_gang = !queue.members().is_empty();
        if !queue.links(QueueList::Ready).is_in_list() {
            self.deal_turn(handle);
        }
        if is_gang {
            self.ready.gangs.push(&mut self.queues, QueueList::Gangs, handle);
        }
    }

    /// Lists a queue, with the next turn of its client.
    fn deal_turn(&mut self, handle: Handle<Queue>) {
        let Some(queue) = self.queues.get_mut(handle) else { return };
        let client = self.clients.get_mut(queue.client);
        let Some(exec) = queue.exec_mut() else { return };
        let (class, priority) = (exec.class, exec.properties.priority);
        let at = usize::from(class.hardware_code());
        let on = self.ready.turns.get(at).copied().unwrap_or_default();
        let own = client.and_then(|client| client.turns.get_mut(at));
        exec.turn = own.as_deref().map_or(on, |own| on.max(*own));
        let turn = exec.turn;
        if let Some(own) = own {
            *own = turn.saturating_add(1);
        }
        let Some(list) = self.ready.list_mut(class, priority) else { return };
        let later = |other: &Queue| other.exec().is_some_and(|exec| exec.turn > turn);
        list.insert(&mut self.queues, QueueList::Ready, handle, later);
    }

    /// The queue is given an engine: its turn is on.
    pub(super) fn has_its_turn(&mut self, handle: Handle<Queue>) {
        let given = self.queues.get(handle).and_then(Queue::exec).map(|exec| (exec.class, exec.turn));
        if let Some((class, turn)) = given
            && let Some(on) = self.ready.turns.get_mut(usize::from(class.hardware_code()))
        {
            *on = turn.max(*on);
        }
    }

    /// The queue leaves its engine, whether it has more to do or not: others go before it from now on.
    pub(super) fn had_its_turn(&mut self, handle: Handle<Queue>) {
        self.delist(handle);
        self.note_readiness(handle);
    }

    /// Takes a queue out of the lists.
    pub(super) fn delist(&mut self, handle: Handle<Queue>) {
        let exec = self.queues.get(handle).and_then(Queue::exec);
        let Some((class, priority)) = exec.map(|exec| (exec.class, exec.properties.priority)) else { return };
        if let Some(list) = self.ready.list_mut(class, priority) {
            list.remove(&mut self.queues, QueueList::Ready, handle);
        }
        self.ready.gangs.remove(&mut self.queues, QueueList::Gangs, handle);
    }

    /// Whether a queue stands in its list.
    #[cfg(debug_assertions)]
    pub(super) fn is_listed(&self, handle: Handle<Queue>) -> bool {
        let class = self.queues.get(handle).and_then(Queue::exec).map(|exec| exec.class);
        class.is_some_and(|class| self.ready_queues(class).any(|(listed, _)| listed == handle))
    }
}
