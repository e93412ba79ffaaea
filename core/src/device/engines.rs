//! Scheduling: which queue's context an engine runs next.
//!
//! Everything rests on three facts that hold on every platform: the busy bit of the submit port, the numbers that jobs
//! write, and the idle context, whose number proves that the context before it has left the engine. The context
//! status buffer is not used.

use super::Device;
use crate::Error;
use crate::exec::queue::Queue;
use crate::gt::Registers;
use crate::pool::Handle;
use crate::submit::{Holder, Submission};
use barexe_hal::Hal;

impl<H: Hal> Device<'_, H> {
    /// Moves one engine forward; whether something changed.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::DeviceBroken`].
    pub(super) fn step_port(&mut self, engine: u8) -> Result<bool, Error> {
        let settled = self.settle(engine)?;
        if !self.port_wants_something(engine) || !self.port_is_ready(engine)? {
            return Ok(settled);
        }
        let given = match self.holder_of(engine) {
            Some(Holder::Queue(queue)) if self.is_running(queue) => {
                // A lite restore: the engine picks up the new tail of the context it runs.
                self.has_more(queue) && self.give(engine, queue, false)?
            }
            _ => match self.next_queue(engine) {
                Some(queue) => self.give(engine, queue, true)?,
                None => self.go_idle(engine)?,
            },
        };
        Ok(settled || given)
    }

    fn holder_of(&self, engine: u8) -> Option<Holder> {
        self.ports.get(usize::from(engine)).map(|port| port.holder)
    }

    /// Notes that the context before the current one has left, once the current one has written its first number.
    fn settle(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        if port.leaving.is_none() {
            return Ok(false);
        }
        let lrc = match port.holder {
            Holder::Nobody => None,
            Holder::Idle => Some(&mut port.idle),
            Holder::Queue(queue) => {
                self.pools.queues.get_mut(queue).and_then(Queue::exec_mut).map(|exec| &mut exec.lrc)
            }
        };
        let written = lrc.map(|lrc| lrc.completed(&mut self.hal)).transpose()?;
        let proven = written.is_some_and(|written| port.proof.reached_by(written));
        if proven {
            port.leaving = None;
        }
        Ok(proven)
    }

    /// Whether there is a reason to look at the port's registers at all.
    fn port_wants_something(&self, engine: u8) -> bool {
        match self.holder_of(engine) {
            Some(Holder::Queue(queue)) => !self.is_running(queue) || self.has_more(queue),
            Some(Holder::Idle | Holder::Nobody) => self.next_queue(engine).is_some(),
            None => false,
        }
    }

    fn port_is_ready(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get(usize::from(engine)) else { return Ok(false) };
        let mut regs = Registers::new(&mut self.hal, self.info.format());
        port.execlist.is_ready(&mut regs)
    }

    /// Whether jobs of the queue are in the ring and not over.
    fn is_running(&self, queue: Handle<Queue>) -> bool {
        let exec = self.pools.queues.get(queue).and_then(Queue::exec);
        exec.is_some_and(|exec| exec.lrc.is_busy())
    }

    /// Whether jobs are in the ring that the engine was not told of.
    fn has_more(&self, queue: Handle<Queue>) -> bool {
        let exec = self.pools.queues.get(queue).and_then(Queue::exec);
        exec.is_some_and(|exec| exec.lrc.has_unsubmitted())
    }

    /// The next queue of this engine that has something in its ring, taking turns by position.
    fn next_queue(&self, engine: u8) -> Option<Handle<Queue>> {
        let start = self.ports.get(usize::from(engine))?.next_queue;
        let wants = |(handle, queue): (Handle<Queue>, &Queue)| {
            let exec = queue.exec()?;
            (exec.engine == engine && exec.lrc.has_unsubmitted()).then_some(handle)
        };
        let after = self.pools.queues.iter().filter(|(handle, _)| handle.index() >= start).find_map(wants);
        after.or_else(|| self.pools.queues.iter().find_map(wants))
    }

    /// Gives the engine a queue's context. `switches`: it runs another one now.
    fn give(&mut self, engine: u8, queue: Handle<Queue>, switches: bool) -> Result<bool, Error> {
        let ids = &self.info.platform.family.lrc.descriptor;
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let Some(exec) = self.pools.queues.get_mut(queue).and_then(Queue::exec_mut) else { return Ok(false) };
        if switches {
            let before = if let Holder::Queue(before) = port.holder { Some(before) } else { port.leaving };
            port.leaving = before.filter(|before| *before != queue);
            port.proof = exec.lrc.completed(&mut self.hal)?.next();
            if port.holder != Holder::Queue(queue) {
                port.context_id = ids.next_id(port.context_id);
                exec.lrc.set_context_id(port.context_id);
            }
            port.holder = Holder::Queue(queue);
            port.next_queue = queue.index().saturating_add(1);
        }
        let descriptor = exec.lrc.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::new(&mut self.hal, self.info.format());
        port.execlist.submit(&mut regs, port.status_page.1.addr(), descriptor);
        Ok(true)
    }

    /// Lets the idle context take over, so that the last queue's context is saved and leaves the engine.
    fn go_idle(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(class) = self.info.engines.get(usize::from(engine)).map(|engine| engine.class) else {
            return Ok(false);
        };
        let family = self.info.platform.family;
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let Holder::Queue(before) = port.holder else { return Ok(false) };
        port.idle.completed(&mut self.hal)?;
        let Some(marker) = port.idle.emit_marker(&family.ring, class, &mut self.hal)? else { return Ok(false) };
        // Nothing else is in the idle ring, so its room up to here is free once the marker is written.
        port.idle.retire(marker);
        port.leaving = Some(before);
        port.holder = Holder::Idle;
        port.proof = marker.seqno;
        let descriptor = port.idle.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::new(&mut self.hal, self.info.format());
        port.execlist.submit(&mut regs, port.status_page.1.addr(), descriptor);
        Ok(true)
    }
}
