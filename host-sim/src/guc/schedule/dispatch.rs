//! Who is next: contexts on engines, and off them again.

use super::Scheduler;
use super::context::{Leaving, Stay};
use super::serve::World;
use crate::cs::{State, Streamer};
use crate::fault::Action;
use crate::guc::requests::Registration;
use core::ops::Range;

/// A context that waits for a semaphore is looked at so long before it makes room.
const WAIT_NS: u64 = 20_000;

/// How good a place is for a context: the best is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chance {
    /// Who is there stays, so long at least: the shorter the better.
    Occupied(core::cmp::Reverse<u64>),
    /// Who is there has to make room.
    Yields,
    /// Who is there is leaving.
    Clearing,
    /// Nobody is there.
    Free,
}

impl Chance {
    /// Who is there has no reason to make room.
    const FOR_EVER: Self = Self::Occupied(core::cmp::Reverse(u64::MAX));
}

impl Scheduler {
    /// Rows of seats side by side on which a registration's images have room.
    pub(super) fn places(&self, registration: &Registration) -> impl Iterator<Item = Range<usize>> {
        let (class, mask, width) = (registration.class, registration.engines, registration.images.len());
        let fits = move |(at, row): (usize, &[super::Seat])| {
            let [first, ..] = row else { return None };
            let allowed = first.number < u32::BITS && mask >> first.number & 1 != 0;
            (allowed && row.iter().all(|seat| seat.class == class)).then_some(at..at + width)
        };
        self.seats.windows(width.max(1)).enumerate().filter_map(fits)
    }

    /// Gives engines to those that wait, by priority and age. One that has to wait keeps others from its place, unless who is
    /// there may stay for ever: what is free of the place would then stay free for ever, too.
    pub(super) fn dispatch(&mut self, world: &mut World<'_>) -> bool {
        let mut moved = self.end_idle_time(world);
        let mut waiting = self.ready.clone();
        waiting.sort_by_key(|index| self.contexts.get(index).map(|context| (context.policies.priority, context.order)));
        let mut claimed: Vec<usize> = Vec::new();
        for index in waiting {
            let Some((chance, place)) = self.best_place(world, index, &claimed) else { continue };
            match chance {
                Chance::Free => {
                    self.enter(world, index, place.start);
                    moved = true;
                }
                Chance::Yields => {
                    for holder in self.holders(place.clone()) {
                        self.ask_to_leave(world, holder, true);
                    }
                    moved = true;
                }
                Chance::Clearing | Chance::Occupied(_) => {}
            }
            if chance == Chance::FOR_EVER {
                continue;
            }
            claimed.extend(place);
        }
        moved
    }

    /// Contexts that leave at the end of their time even if nobody waits.
    fn end_idle_time(&mut self, world: &mut World<'_>) -> bool {
        let now_ns = world.now_ns();
        let is_over = |index: &u32| {
            let context = self.contexts.get(index);
            let stay = context.and_then(|context| Some((context.policies, context.stay?)));
            stay.is_some_and(|(policies, stay)| {
                let over = policies.quantum_ns.is_some_and(|ns| stay.since_ns.saturating_add(ns) <= now_ns);
                policies.to_idle && over && stay.leaving == Leaving::No && self.had_a_turn(world, *index)
            })
        };
        let over: Vec<u32> = self.on_engines().into_iter().filter(is_over).collect();
        over.iter().for_each(|index| self.ask_to_leave(world, *index, true));
        !over.is_empty()
    }

    fn holders(&self, place: Range<usize>) -> Vec<u32> {
        let mut holders: Vec<u32> =
            self.seats.get(place).unwrap_or_default().iter().filter_map(|seat| seat.holder).collect();
        holders.dedup();
        holders
    }

    /// The place where a context comes soonest. None if all are claimed by those before it.
    fn best_place(&self, world: &mut World<'_>, index: u32, claimed: &[usize]) -> Option<(Chance, Range<usize>)> {
        let context = self.contexts.get(&index)?;
        let mut best: Option<(Chance, Range<usize>)> = None;
        for place in self.places(&context.registration) {
            if place.clone().any(|seat| claimed.contains(&seat)) {
                continue;
            }
            let holders = self.holders(place.clone());
            let worst = holders.iter().map(|holder| self.chance(world, context.policies.priority, *holder)).min();
            let chance = worst.unwrap_or(Chance::Free);
            if best.as_ref().is_none_or(|(so_far, _)| chance > *so_far) {
                best = Some((chance, place));
            }
        }
        best
    }

    /// What a context of a priority can expect of one that is on an engine.
    fn chance(&self, world: &mut World<'_>, priority: u32, holder: u32) -> Chance {
        let for_ever = Chance::FOR_EVER;
        let Some(context) = self.contexts.get(&holder) else { return Chance::Clearing };
        let Some(stay) = context.stay else { return Chance::Clearing };
        if stay.leaving != Leaving::No {
            return Chance::Clearing;
        }
        if priority != context.policies.priority {
            return if priority < context.policies.priority { Chance::Yields } else { for_ever };
        }
        let waits = self.yields_on_wait && self.waits(world, holder);
        let quantum = if waits { Some(WAIT_NS) } else { context.policies.quantum_ns };
        let Some(until) = quantum.map(|ns| stay.since_ns.saturating_add(ns)) else { return for_ever };
        let over = until <= world.now_ns() && self.had_a_turn(world, holder);
        if over { Chance::Yields } else { Chance::Occupied(core::cmp::Reverse(until)) }
    }

    /// Whether the engines of a context had a turn since it came, or since it was asked to leave. Behind a bus time goes on
    /// by itself: without this a server that is held up would send away who never ran, and reset engines on which a
    /// context had no chance to leave.
    pub(super) fn had_a_turn(&self, world: &World<'_>, index: u32) -> bool {
        let seats = self.seats.get(self.range(index)).unwrap_or_default();
        seats.iter().all(|seat| world.engines.get(seat.engine).is_none_or(|engine| engine.turns() != seat.turns))
    }

    /// Whether a context does nothing but wait for semaphores.
    fn waits(&self, world: &World<'_>, index: u32) -> bool {
        let seats = self.seats.get(self.range(index)).unwrap_or_default();
        let state = |engine: usize| world.engines.get(engine).map(Streamer::state);
        seats.iter().all(|seat| matches!(state(seat.engine), Some(State::Waiting | State::Idle)))
    }

    pub(super) fn ask_to_leave(&mut self, world: &mut World<'_>, index: u32, to_the_end: bool) {
        let now_ns = world.now_ns();
        let range = self.range(index);
        let Some(context) = self.contexts.get_mut(&index) else { return };
        let until = context.policies.preemption_ns.map(|ns| now_ns.saturating_add(ns));
        let Some(stay) = &mut context.stay else { return };
        if stay.leaving != Leaving::No {
            return;
        }
        (stay.leaving, stay.to_the_end) = (Leaving::Until(until), to_the_end);
        for seat in self.seats.get_mut(range).unwrap_or_default() {
            seat.late_ns = None;
            if let Some(engine) = world.engines.get_mut(seat.engine) {
                seat.turns = engine.turns();
                engine.leave_soon();
            }
        }
    }

    fn enter(&mut self, world: &mut World<'_>, index: u32, first: usize) {
        self.ready.retain(|ready| *ready != index);
        let since_ns = world.now_ns();
        let Some(context) = self.contexts.get_mut(&index) else { return };
        context.stay = Some(Stay { first, since_ns, leaving: Leaving::No, to_the_end: true });
        let range = self.range(index);
        for seat in self.seats.get_mut(range).unwrap_or_default() {
            seat.holder = Some(index);
            seat.turns = world.engines.get(seat.engine).map_or(0, Streamer::turns);
        }
        self.load(world, index);
    }

    /// Loads the images of a context on its engines: one that is there already reads its tail again.
    pub(super) fn load(&mut self, world: &mut World<'_>, index: u32) {
        let range = self.range(index);
        let Some(context) = self.contexts.get_mut(&index) else { return };
        let seats = self.seats.get_mut(range.clone()).unwrap_or_default();
        for ((position, seat), image) in range.zip(seats).zip(&context.registration.images) {
            let Some(engine) = world.engines.get_mut(seat.engine) else { continue };
            seat.descriptor = seat.descriptor_of(*image, index, engine.is_named_by_descriptor());
            if let Some(at) = context.fresh.iter().position(|fresh| *fresh == position) {
                context.fresh.swap_remove(at);
                engine.forget_at_restore(seat.descriptor);
            }
            match world.bus.submission_goes_wrong(seat.name()) {
                Some(Action::Drop | Action::Gone) => continue,
                Some(Action::Delay(by)) => {
                    seat.late_ns = Some(world.bus.now_ns().saturating_add(by.get()));
                    continue;
                }
                Some(Action::Hang) => engine.hang(),
                None | Some(Action::AllOnes | Action::Value(_)) => {}
            }
            engine.submit(seat.descriptor);
            world.bus.trace_at(0, crate::trace::Event::Doorbell { engine: seat.name(), descriptor: seat.descriptor });
        }
    }

    /// Loads that were delayed and are due.
    pub(super) fn load_late(&mut self, world: &mut World<'_>) -> bool {
        let now_ns = world.now_ns();
        let mut moved = false;
        for seat in self.seats.iter_mut().filter(|seat| seat.late_ns.is_some_and(|at| at <= now_ns)) {
            seat.late_ns = None;
            if let Some(engine) = world.engines.get_mut(seat.engine) {
                engine.submit(seat.descriptor);
                moved = true;
            }
        }
        moved
    }
}
