//! Scheduling: which queue's context an engine runs next.
//!
//! Everything rests on three facts that hold on every platform: the busy bit of the submit port, the numbers that jobs
//! write, and the idle context, whose number proves that the context before it has left the engine. The context
//! status buffer is not used.

use super::Device;
use crate::Error;
use crate::exec::lrc::Lrc;
use crate::exec::migration::Migrations;
use crate::exec::queue::{Queue, Queues};
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
            // A lite restore: the engine picks up the new tail of the context it runs.
            Some(holder) if self.is_running(engine, holder) => {
                self.has_more(engine, holder) && self.give(engine, holder, false)?
            }
            _ => match self.next_context(engine) {
                Some(next) => self.give(engine, next, true)?,
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
        let (holder, proof) = (port.holder, port.proof);
        let lrc = context(engine, holder, &mut port.idle, &mut self.pools.queues, &mut self.migrations);
        let written = lrc.map(|lrc| lrc.completed(&mut self.hal)).transpose()?;
        let proven = written.is_some_and(|written| proof.reached_by(written));
        if proven {
            port.leaving = None;
        }
        Ok(proven)
    }

    /// Whether there is a reason to look at the port's registers at all.
    fn port_wants_something(&self, engine: u8) -> bool {
        match self.holder_of(engine) {
            Some(Holder::Idle | Holder::Nobody) => self.next_context(engine).is_some(),
            Some(holder) => !self.is_running(engine, holder) || self.has_more(engine, holder),
            None => false,
        }
    }

    fn port_is_ready(&mut self, engine: u8) -> Result<bool, Error> {
        let Some(port) = self.ports.get(usize::from(engine)) else { return Ok(false) };
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        port.execlist.is_ready(&mut regs)
    }

    /// The ring of a client's queue or of the driver; the idle contexts' rings are of no interest here.
    fn ring_of(&self, engine: u8, holder: Holder) -> Option<&Lrc> {
        match holder {
            Holder::Nobody | Holder::Idle => None,
            Holder::Migration => self.migrations.iter().find(|own| own.engine == engine).map(|own| &own.lrc),
            Holder::Queue(queue) => self.pools.queues.get(queue).and_then(Queue::exec).map(|exec| &exec.lrc),
        }
    }

    /// Whether jobs of the context are in its ring and not over.
    fn is_running(&self, engine: u8, holder: Holder) -> bool {
        self.ring_of(engine, holder).is_some_and(Lrc::is_busy)
    }

    /// Whether jobs are in the ring that the engine was not told of.
    fn has_more(&self, engine: u8, holder: Holder) -> bool {
        self.ring_of(engine, holder).is_some_and(Lrc::has_unsubmitted)
    }

    /// The next context of this engine that has something in its ring: page tables first, for work waits for them;
    /// then the queues, taking turns by position.
    fn next_context(&self, engine: u8) -> Option<Holder> {
        if self.has_more(engine, Holder::Migration) {
            return Some(Holder::Migration);
        }
        let start = self.ports.get(usize::from(engine))?.next_queue;
        let wants = |(handle, queue): (Handle<Queue>, &Queue)| {
            let exec = queue.exec()?;
            (exec.engine == engine && exec.lrc.has_unsubmitted()).then_some(Holder::Queue(handle))
        };
        let after = self.pools.queues.iter().filter(|(handle, _)| handle.index() >= start).find_map(wants);
        after.or_else(|| self.pools.queues.iter().find_map(wants))
    }

    /// Gives the engine a context. `switches`: it runs another one now.
    fn give(&mut self, engine: u8, next: Holder, switches: bool) -> Result<bool, Error> {
        let ids = &self.info.platform.family.lrc.descriptor;
        let Some(port) = self.ports.get_mut(usize::from(engine)) else { return Ok(false) };
        let lrc = context(engine, next, &mut port.idle, &mut self.pools.queues, &mut self.migrations);
        let Some(lrc) = lrc else { return Ok(false) };
        if switches {
            port.leaving = left_behind(port.holder, port.leaving).filter(|before| *before != next);
            port.proof = lrc.completed(&mut self.hal)?.next();
            if port.holder != next {
                port.context_id = ids.next_id(port.context_id);
                lrc.set_context_id(port.context_id);
            }
            port.holder = next;
            if let Holder::Queue(queue) = next {
                port.next_queue = queue.index().saturating_add(1);
            }
        }
        let descriptor = lrc.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
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
        if matches!(port.holder, Holder::Nobody | Holder::Idle) {
            return Ok(false);
        }
        port.idle.completed(&mut self.hal)?;
        let Some(marker) = port.idle.emit_marker(&family.ring, class, &mut self.hal)? else { return Ok(false) };
        // Nothing else is in the idle ring, so its room up to here is free once the marker is written.
        port.idle.retire(marker);
        port.leaving = Some(port.holder);
        port.holder = Holder::Idle;
        port.proof = marker.seqno;
        let descriptor = port.idle.publish_tail(&mut self.hal, &self.info);
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), port.tile);
        port.execlist.submit(&mut regs, port.status_page.1.addr(), descriptor);
        Ok(true)
    }
}

/// What may still be being saved when another context takes an engine over.
const fn left_behind(holder: Holder, leaving: Option<Holder>) -> Option<Holder> {
    match holder {
        Holder::Nobody | Holder::Idle => leaving,
        Holder::Migration | Holder::Queue(_) => Some(holder),
    }
}

/// The context a holder names on an engine.
fn context<'x>(
    engine: u8,
    holder: Holder,
    idle: &'x mut Lrc,
    queues: &'x mut Queues<'_>,
    migrations: &'x mut Migrations,
) -> Option<&'x mut Lrc> {
    match holder {
        Holder::Nobody => None,
        Holder::Idle => Some(idle),
        Holder::Migration => migrations.iter_mut().find(|own| own.engine == engine).map(|own| &mut own.lrc),
        Holder::Queue(queue) => queues.get_mut(queue).and_then(Queue::exec_mut).map(|exec| &mut exec.lrc),
    }
}
