//! What the scheduler sees of the engines, and what it makes of it.

use super::Scheduler;
use super::context::{Leaving, Stay};
use crate::bus::Bus;
use crate::cs::{Stop, Streamer};
use crate::fault::Action;
use crate::guc::requests::Event;
use core::ops::Range;

/// Reason of a failure that hardware gives: none is published.
const NOT_RESET: u32 = 1;

/// What the scheduler works on: all engines of the tile, and the device around them.
pub(super) struct World<'a> {
    pub(super) engines: &'a mut [Streamer],
    pub(super) bus: &'a mut dyn Bus,
}

impl World<'_> {
    pub(super) fn now_ns(&mut self) -> u64 {
        self.bus.now_ns()
    }

    /// Notes on the timeline what the firmware did.
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.bus.tracing() {
            self.bus.trace_at(0, crate::trace::Event::Note { who: "guc", what: text() });
        }
    }
}

impl Scheduler {
    /// Does what was asked for and what the engines call for. Whether anything changed on an engine.
    pub(super) fn serve(&mut self, world: &mut World<'_>) -> bool {
        self.looked_ns = world.now_ns();
        let mut moved = self.load_late(world);
        for index in self.on_engines() {
            moved |= self.look_after(world, index);
        }
        for index in core::mem::take(&mut self.asked) {
            moved |= self.grant(world, index);
        }
        moved |= self.dispatch(world);
        if moved {
            self.tell_how_busy(world.bus);
        }
        moved
    }

    /// The next instant at which there is something to do although nothing happened.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let late = self.seats.iter().filter_map(|seat| seat.late_ns);
        let stay = |index: u32| self.contexts.get(&index).and_then(|context| Some((context, context.stay?)));
        let limits = self.on_engines().into_iter().filter_map(stay).filter_map(|(context, stay)| match stay.leaving {
            Leaving::No if self.ready.is_empty() && !context.policies.to_idle => None,
            Leaving::No => context.policies.quantum_ns.map(|ns| stay.since_ns.saturating_add(ns)),
            Leaving::Until(until) => until.filter(|_| self.resets_engines),
            Leaving::Told | Leaving::Stuck => None,
        });
        // What was due at the last look and did not happen waits for something else.
        late.chain(limits).filter(|at| *at > self.looked_ns).min()
    }

    /// Contexts that are on engines, each once.
    pub(super) fn on_engines(&self) -> Vec<u32> {
        let mut holders: Vec<u32> = self.seats.iter().filter_map(|seat| seat.holder).collect();
        holders.dedup();
        holders
    }

    /// The seats of a context that is on its engines.
    pub(super) fn range(&self, index: u32) -> Range<usize> {
        let context = self.contexts.get(&index);
        let stay = context.and_then(|context| Some((context.stay?.first, context.width())));
        stay.map_or(0..0, |(first, width)| first..first + width)
    }

    /// Looks at a context that is on its engines: whether it has left, has to, or met a fault.
    fn look_after(&mut self, world: &mut World<'_>, index: u32) -> bool {
        let seats = self.seats.get(self.range(index)).unwrap_or_default();
        let is_out = |engine: usize| world.engines.get(engine).is_none_or(Streamer::is_out);
        if seats.iter().all(|seat| seat.late_ns.is_none() && is_out(seat.engine)) {
            self.has_left(world, index);
            return true;
        }
        self.tell_faults(world, index);
        let now_ns = world.now_ns();
        let Some(stay) = self.contexts.get(&index).and_then(|context| context.stay) else { return false };
        match stay.leaving {
            Leaving::Until(Some(until)) if until <= now_ns && self.resets_engines && self.had_a_turn(world, index) => {
                self.tell_hang(world, index);
                true
            }
            Leaving::Told => {
                self.reset(world, index);
                true
            }
            Leaving::No | Leaving::Until(_) | Leaving::Stuck => false,
        }
    }

    fn has_left(&mut self, world: &mut World<'_>, index: u32) {
        let seats = self.range(index);
        self.seats.get_mut(seats).unwrap_or_default().iter_mut().for_each(super::Seat::forget);
        let Some(context) = self.contexts.get_mut(&index) else { return };
        let Some(stay) = context.stay.take() else { return };
        world.note(|| format!("context {index} has left"));
        // One that was asked to leave may have had nothing left to do: then it is done as soon as it is loaded again.
        if context.enabled && stay.leaving != Leaving::No {
            self.wait_for_engine(index, stay.to_the_end);
        }
        if self.contexts.get(&index).is_some_and(|context| context.work || context.disabling) {
            self.ask(index);
        }
    }

    /// Tells once that an address of a context did not translate.
    fn tell_faults(&mut self, world: &mut World<'_>, index: u32) {
        let range = self.range(index);
        for seat in self.seats.get_mut(range).unwrap_or_default() {
            let fault = world.engines.get(seat.engine).and_then(Streamer::fault);
            if !seat.told && matches!(fault, Some(Stop::Memory { .. })) {
                seat.told = true;
                self.events.push_back(Event::MemoryError { context: Some(index) });
            }
        }
    }

    /// A context does not leave: what its engines show is kept before they are reset.
    fn tell_hang(&mut self, world: &mut World<'_>, index: u32) {
        let range = self.range(index);
        for seat in self.seats.get(range).unwrap_or_default() {
            if world.engines.get(seat.engine).is_some_and(|engine| !engine.is_out()) {
                let (engine, image) = (seat.name(), seat.descriptor);
                self.events.push_back(Event::Hang { engine, context: index, image });
            }
        }
        self.set_leaving(index, Leaving::Told);
    }

    /// Resets the engines that a context does not leave.
    fn reset(&mut self, world: &mut World<'_>, index: u32) {
        let mut failed = false;
        let range = self.range(index);
        for seat in self.seats.get(range).unwrap_or_default() {
            let Some(engine) = world.engines.get_mut(seat.engine).filter(|engine| !engine.is_out()) else { continue };
            if let Some(Action::Drop) = world.bus.reset_goes_wrong(seat.name()) {
                self.events.push_back(Event::EngineFailure { engine: seat.name(), reason: NOT_RESET });
                failed = true;
            } else {
                engine.reset();
            }
        }
        if failed {
            self.set_leaving(index, Leaving::Stuck);
            return;
        }
        world.note(|| format!("context {index} did not leave: its engines were reset"));
        // What it had to do is lost, and its image is from before: with the message it is stopped (i915,
        // `__guc_reset_context`). Work that comes meanwhile waits until the host has looked at it and lets it run again.
        if let Some(context) = self.contexts.get_mut(&index) {
            (context.work, context.enabled) = (false, false);
            context.stay = context.stay.map(|stay| Stay { leaving: Leaving::No, ..stay });
        }
        self.events.push_back(Event::ContextReset(index));
        self.has_left(world, index);
    }

    pub(super) fn set_leaving(&mut self, index: u32, leaving: Leaving) {
        if let Some(stay) = self.contexts.get_mut(&index).and_then(|context| context.stay.as_mut()) {
            stay.leaving = leaving;
        }
    }

    /// Does what was asked of a context.
    fn grant(&mut self, world: &mut World<'_>, index: u32) -> bool {
        let Some(context) = self.contexts.get_mut(&index) else { return false };
        if core::mem::take(&mut context.enabling) {
            self.events.push_back(Event::ModeSet { context: index, enabled: true });
        }
        if context.leaves_for_good {
            self.contexts.remove(&index);
            self.events.push_back(Event::Deregistered(index));
            return false;
        }
        if context.disabling {
            return self.stop(world, index);
        }
        if !context.enabled || !context.work {
            return false;
        }
        context.work = false;
        self.read_queue(world, index);
        self.go_on(world, index)
    }

    /// The host wants it stopped.
    fn stop(&mut self, world: &mut World<'_>, index: u32) -> bool {
        self.ready.retain(|ready| *ready != index);
        let Some(context) = self.contexts.get_mut(&index) else { return false };
        match context.stay {
            None => {
                context.disabling = false;
                self.events.push_back(Event::ModeSet { context: index, enabled: false });
                false
            }
            Some(stay) if stay.leaving == Leaving::No => {
                self.ask_to_leave(world, index, false);
                true
            }
            Some(_) => false,
        }
    }

    /// There is new work: a context on its engines reads its tails again, another one waits for engines.
    fn go_on(&mut self, world: &mut World<'_>, index: u32) -> bool {
        let stay = self.contexts.get(&index).and_then(|context| context.stay);
        match stay {
            None => {
                self.wait_for_engine(index, true);
                false
            }
            Some(Stay { leaving: Leaving::No, .. }) => {
                self.load(world, index);
                true
            }
            // It is loaded again when it has left.
            Some(_) => false,
        }
    }

    /// Puts a context among those that wait, unless it is there: behind all others, or where it was in their order.
    pub(super) fn wait_for_engine(&mut self, index: u32, at_the_end: bool) {
        if self.ready.contains(&index) {
            return;
        }
        if let Some(context) = self.contexts.get_mut(&index) {
            if at_the_end {
                self.order += 1;
                context.order = self.order;
            }
            self.ready.push(index);
        }
    }
}
