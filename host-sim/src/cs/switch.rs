//! Contexts on and off the engine: the submit queue, preemption, completion (engines sheet §7).

use super::streamer::{lrca, vector};
use super::{Stop, Streamer};
use crate::bus::Bus;
use crate::trace::Event;

/// Bit of a descriptor: restore the context even if it is the running one.
const FORCE_RESTORE: u64 = 1 << 2;

/// What tells contexts apart: the context's address, and the id that the driver gave it. A context that came into the
/// memory of another one is another one.
const fn identity(descriptor: u64) -> (u32, u32) {
    (lrca(descriptor), (descriptor >> 32) as u32)
}

/// What was submitted and does not run yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    /// The last load, until it is accepted: first context, and the one after it.
    pending: Option<(u64, Option<u64>)>,
    /// Second context of the accepted load.
    next: Option<u64>,
    /// The running context is to leave, and nothing follows it.
    to_idle: bool,
}

impl Streamer {
    /// Takes a submission of one context. It is accepted at the next point where that is legal.
    pub const fn submit(&mut self, descriptor: u64) {
        self.submit_queue(descriptor, None);
    }

    /// Takes a submission of a context and of one that follows when its ring is empty.
    pub const fn submit_queue(&mut self, first: u64, second: Option<u64>) {
        self.queue.pending = Some((first, second));
    }

    /// Whether a submission is not accepted yet.
    #[must_use]
    pub const fn pending_submit(&self) -> bool {
        self.queue.pending.is_some()
    }

    /// Asks for an idle engine: what is not accepted yet never comes, the running context leaves at the next point where
    /// that is legal.
    pub(crate) const fn leave_soon(&mut self) {
        self.queue = Queue { pending: None, next: None, to_idle: self.running.is_some() };
    }

    /// Whether there is neither a context nor anything that would bring one, and the engine works.
    pub(crate) const fn is_out(&self) -> bool {
        !self.hung && self.running.is_none() && !self.pending_submit() && self.fault().is_none()
    }

    /// Whether the running context would leave now for what was asked for.
    pub(super) const fn may_switch(&self) -> bool {
        let at_point = self.waiting || self.at_arbitration;
        let wanted = self.pending_submit() || self.queue.to_idle;
        wanted && self.state.arbitration && at_point && self.transfer.is_none()
    }

    /// Takes the pending context where that is legal: no context, the same context, or a preemption point.
    pub(super) fn accept(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        if self.queue.to_idle {
            return self.make_room(bus);
        }
        let Some((first, second)) = self.queue.pending else { return Ok(()) };
        let accepted = Queue { pending: None, next: second, to_idle: false };
        let before = self.running.map(|running| running.descriptor);
        match self.running {
            Some(running) if identity(running.descriptor) == identity(first) && first & FORCE_RESTORE == 0 => {
                self.queue = accepted;
                return self.reload_tail(bus, first);
            }
            Some(_) if !self.may_switch() => return Ok(()),
            Some(_) => {
                self.leave(bus)?;
                self.report_switch(bus, before, Some(first), false);
                self.raise(bus, vector::SWITCH);
            }
            None => self.report_switch(bus, None, Some(first), false),
        }
        self.queue = accepted;
        self.enter(bus, first)
    }

    /// Becomes idle where that is legal.
    fn make_room(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        if let Some(running) = self.running {
            if !self.may_switch() {
                return Ok(());
            }
            self.leave(bus)?;
            self.report_switch(bus, Some(running.descriptor), None, false);
            self.raise(bus, vector::SWITCH);
        }
        self.queue.to_idle = false;
        Ok(())
    }

    /// The ring is empty: the context is saved and leaves; the second one of the load follows.
    pub(super) fn complete(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        let before = self.running.map(|running| running.descriptor);
        self.leave(bus)?;
        // A newer load takes the place of what is left of this one.
        let next = self.queue.next.take().filter(|_| self.queue.pending.is_none());
        self.queue.to_idle = false;
        self.report_switch(bus, before, next, true);
        self.raise(bus, vector::SWITCH);
        next.map_or(Ok(()), |next| self.enter(bus, next))
    }

    /// Translations of a context's address space are forgotten when it comes next.
    pub(crate) const fn forget_at_restore(&mut self, descriptor: u64) {
        self.forgets = Some(lrca(descriptor));
    }

    fn enter(&mut self, bus: &mut dyn Bus, descriptor: u64) -> Result<(), Stop> {
        let batches = self.restore(bus, descriptor)?;
        if !self.tlb_outlives_restore {
            self.forget_own_space();
        }
        if let Some(running) = self.running {
            if self.forgets.take_if(|context| *context == running.lrca()).is_some() {
                self.tlb.forget_space(running.space);
            }
            let (engine, ring, waiting) = (self.engine(), running.ring_start, (running.head, running.tail));
            bus.trace_at(self.elapsed_ns, Event::SwitchIn { engine, descriptor, ring, waiting });
        }
        if let Some((addr, bytes)) = batches.indirect {
            self.run_context_batch(bus, addr, Some(bytes))?;
        }
        batches.per_context.map_or(Ok(()), |addr| self.run_context_batch(bus, addr, None))
    }

    fn leave(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        self.save(bus)?;
        (self.waiting, self.at_arbitration, self.dry, self.rounds) = (false, false, false, 0);
        let Some(running) = self.running.take() else { return Ok(()) };
        let (descriptor, head) = (running.descriptor, running.head);
        bus.trace_at(self.elapsed_ns, Event::SwitchOut { engine: self.engine(), descriptor, head });
        Ok(())
    }
}
