//! Which queues an engine could run: those with jobs in their rings that are not over.
//!
//! They stand in one list for each class of engine and each priority, and in each the one that was given an engine last
//! stands last, so that all get their turn. The search for what an engine runs next ends with the first that may have the
//! engine; it passes over those on other engines of the class, and over those whose VM or mode keeps them from it.
//!
//! Every queue that is [ready](Queue::is_ready) is listed. One that is not may still be, for as long as nobody has looked
//! at it since its last job ended.

use super::Pools;
use crate::device::request::QueueProperties;
use crate::exec::queue::{Queue, QueueList};
use crate::gt::EngineClass;
use crate::list::List;
use crate::num::usize_of;
use crate::pool::Handle;

/// Priorities of clients, from 0.
const PRIORITIES: usize = usize_of(QueueProperties::max_priority(true)) + 1;
/// Classes of engines, by [`EngineClass::hardware_code`].
const CLASSES: usize = 6;

/// The lists.
#[derive(Debug)]
pub(crate) struct Ready {
    by_class: [[List; PRIORITIES]; CLASSES],
    /// The leads of gangs among them.
    gangs: List,
}

impl Ready {
    /// Nothing is ready.
    pub(super) const NONE: Self = Self { by_class: [[List::EMPTY; PRIORITIES]; CLASSES], gangs: List::EMPTY };

    fn list_mut(&mut self, class: EngineClass, priority: u32) -> Option<&mut List> {
        self.by_class.get_mut(usize::from(class.hardware_code()))?.get_mut(usize_of(priority))
    }
}

impl Pools<'_> {
    /// The queues that engines of a class could run, the most urgent first, and of those the one that has waited for
    /// longest.
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
        let place = queue.exec().map(|exec| (exec.class, exec.properties.priority));
        let list = place.and_then(|(class, priority)| self.ready.list_mut(class, priority));
        if let Some(list) = list {
            list.push(&mut self.queues, QueueList::Ready, handle);
        }
        if is_gang {
            self.ready.gangs.push(&mut self.queues, QueueList::Gangs, handle);
        }
    }

    /// The queue was given an engine: others of its priority go before it from now on.
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
