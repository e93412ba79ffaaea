//! What a client uses: memory of its objects, and time of engines.

use super::Device;
use super::DeviceState;
use super::objects::client::{Client, ClientId};
use crate::Error;
use crate::exec::queue::{ExecPart, Queue};
use crate::gt::registers::access::ALL_ONES;
use crate::gt::{EngineClass, Registers, regs};
use crate::mem::bo::Bo;
use crate::pool::Handle;
use barexe_hal::Hal;

/// Memory of the objects that a client has handles to, in bytes. All of it is there from the beginning and stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// All of them.
    pub total: u64,
    /// Those with a second handle, of whomever, and those that were exported.
    pub shared: u64,
    /// Those that accepted work may reach: of a VM that maps them, or that they are private to.
    pub active: u64,
}

/// How long engines have run contexts of a client, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineTicks([u64; 5]);

impl EngineTicks {
    /// In ticks of the [timestamps](Device::engine_cycles); two engines at once count twice.
    #[must_use]
    pub fn of(&self, class: EngineClass) -> u64 {
        place(class).and_then(|place| self.0.get(place)).copied().unwrap_or(0)
    }

    fn add(&mut self, class: EngineClass, ticks: u64) {
        if let Some(sum) = place(class).and_then(|place| self.0.get_mut(place)) {
            *sum = sum.wrapping_add(ticks);
        }
    }
}

/// The place of a class, if clients may use it.
fn place(class: EngineClass) -> Option<usize> {
    class.client_code().map(usize::from)
}

/// Ticks between two looks at a clock of 32 or 64 bits. An engine that was reset shows a context's clock no more, and
/// what was saved before is behind: then none.
const fn ticks_between(before: u64, after: u64, wide: bool) -> u64 {
    let ticks = after.wrapping_sub(before);
    let (ticks, half) = if wide { (ticks, 1 << 63) } else { (ticks & 0xFFFF_FFFF, 1 << 31) };
    if ticks < half { ticks } else { 0 }
}

/// What the lower half of a clock shows on a part that does not answer.
const ALL_ONES_LOW: u64 = ALL_ONES as u64;

impl<H: Hal> Device<'_, H> {
    /// What the objects of a client come to.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_memory(&self, client: ClientId) -> Result<MemoryUse, Error> {
        self.check_client(client)?;
        let mut sum = MemoryUse::default();
        for (handle, bo) in self.pools.bos.iter() {
            if bo.client != Some(client) && !self.has_imported(client, handle) {
                continue;
            }
            let size = bo.size_bytes;
            sum.total = sum.total.saturating_add(size);
            if bo.exports > 0 || self.bo_handles(handle) > 1 {
                sum.shared = sum.shared.saturating_add(size);
            }
            if self.may_be_reached(bo) {
                sum.active = sum.active.saturating_add(size);
            }
        }
        Ok(sum)
    }

    /// Whether work that is not over may reach an object.
    fn may_be_reached(&self, bo: &Bo) -> bool {
        let maps =
            |queue: &Queue| bo.vm == Some(queue.vm) || self.pools.vmas.object(bo.parts, queue.vm.index()).is_some();
        self.pools.queues.iter().any(|(_, queue)| queue.live_jobs > 0 && maps(queue))
    }

    /// How long engines have worked for a client until now, its queues that are gone included. A context's clock of 32
    /// bits goes round in minutes: whoever asks less often than that may miss rounds of a context that never rested.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client_ticks(&mut self, client: ClientId) -> Result<EngineTicks, Error> {
        self.check_client(client)?;
        for position in 0..self.pools.queues.positions() {
            let Some(queue) = self.pools.queues.handle_at(position) else { continue };
            if self.pools.queues.get(queue).is_some_and(|queue| queue.client == client) {
                self.count_ticks(client, queue);
            }
        }
        Ok(self.check_client(client)?.ticks)
    }

    /// Counts what a queue has run since it was looked at last.
    fn count_ticks(&mut self, client: Handle<Client>, queue: Handle<Queue>) {
        let Some(now) = self.clock_of(queue) else { return };
        let wide = self.info.platform.family.lrc.wide_timestamp;
        let Some(exec) = self.pools.queues.get_mut(queue).and_then(Queue::exec_mut) else { return };
        let ticks = ticks_between(exec.clock, now, wide);
        exec.clock = now;
        if let Some(client) = self.pools.clients.get_mut(client) {
            client.ticks.add(exec.class, ticks);
        }
    }

    /// Counts what a queue has run that goes. No engine has its context any more.
    pub(in crate::device) fn count_last_ticks(&mut self, client: Handle<Client>, exec: &ExecPart) {
        let wide = self.info.platform.family.lrc.wide_timestamp;
        let Some(now) = exec.lrc.clock(&mut self.hal, wide) else { return };
        if let Some(client) = self.pools.clients.get_mut(client) {
            client.ticks.add(exec.class, ticks_between(exec.clock, now, wide));
        }
    }

    /// What the own clock of a queue's context shows: in memory while it rests, in its engine while it runs.
    fn clock_of(&mut self, queue: Handle<Queue>) -> Option<u64> {
        let wide = self.info.platform.family.lrc.wide_timestamp;
        let exec = self.pools.queues.get(queue).and_then(Queue::exec)?;
        if let Some(saved) = exec.lrc.clock(&mut self.hal, wide) {
            return Some(saved);
        }
        if self.state != DeviceState::Live {
            return None;
        }
        let engine = *self.info.engines.get(usize::from(exec.engine))?;
        let mut regs = Registers::on_tile(&mut self.hal, self.info.format(), engine.tile);
        let low = engine.base.offset(regs::CTX_TIMESTAMP_OFFSET);
        let shown = if wide {
            regs.read_counter64(low, engine.base.offset(regs::CTX_TIMESTAMP_UDW_OFFSET))?
        } else {
            u64::from(regs.read(low))
        };
        // It may have left the engine meanwhile: then the register is another's, and what it left behind counts. What a
        // part that is gone answers is no time: counted once, it would be counted back at the next look.
        exec.lrc.clock(&mut self.hal, wide).or((shown & ALL_ONES_LOW != ALL_ONES_LOW).then_some(shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_round_and_are_set_back_by_resets() {
        assert_eq!(ticks_between(5, 7, false), 2);
        assert_eq!(ticks_between(0xFFFF_FFFE, 3, false), 5, "it went round");
        assert_eq!(ticks_between(500, 1, false), 0, "it was set back");
        assert_eq!(ticks_between(500, 1, true), 0);
        assert_eq!(ticks_between(0xFFFF_FFFE, 0x1_0000_0003, true), 5);
    }

    #[test]
    fn classes_are_counted_apart() {
        let mut ticks = EngineTicks::default();
        let classes = [
            EngineClass::Render,
            EngineClass::Copy,
            EngineClass::VideoDecode,
            EngineClass::VideoEnhance,
            EngineClass::Compute,
        ];
        for (class, count) in classes.into_iter().zip(1..) {
            ticks.add(class, count);
            ticks.add(class, 10);
        }
        ticks.add(EngineClass::Gsc, 7);
        assert!(classes.into_iter().map(|class| ticks.of(class)).eq(11..16));
        assert_eq!(ticks.of(EngineClass::Gsc), 0);
    }
}
