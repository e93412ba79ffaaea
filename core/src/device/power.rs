//! A device that loses its power, and gets it back.
//!
//! ```text
//!   Live ──suspend──► engines let go of their contexts ──suspend──► Suspended ──(power off, power on)──► resume ──► Live
//!     └──power_was_lost──► what ran begins its oldest job anew ─────────────────────────────────────────────────────┘
//! ```
//!
//! Contexts, rings, page tables and sequence numbers are in memory and stay. Registers, TLBs and the GGTT do not: resume
//! programs them again. Accepted work waits meanwhile, and goes on where it was if its context was saved.

use super::{Device, DeviceState};
use crate::Error;
use crate::exec::lrc::show_ggtt_memory;
use crate::exec::queue::Queue;
use crate::gt::{Registers, power};
use crate::submit::{Port, Submission};
use crate::trace::note;
use barexe_hal::{Hal, Nanos};

impl<H: Hal> Device<'_, H> {
    /// Gets the device ready to lose its power; whether it is. While it is not: let time pass and call again.
    ///
    /// No context is given to an engine from now on, and what runs is preempted as if its time slice were over: whatever
    /// does not leave within [`preempt_timeout`](super::Config::preempt_timeout) is reset and its queue banned, so the
    /// wait is bounded. Once the answer is true the device is [`Suspended`](DeviceState::Suspended): interrupts, bus
    /// mastering and forcewake are off, no call reaches it, and each is refused with [`Error::Suspended`]. Work that was
    /// accepted is pending, and so are invalidations of client memory.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::Canceled`] for a device that has failed.
    pub fn suspend(&mut self) -> Result<bool, Error> {
        if self.state == DeviceState::Suspended {
            return Ok(true);
        }
        self.resting = true;
        self.poll();
        self.check_live()?;
        if !self.is_at_rest()? {
            return Ok(false);
        }
        power::down(&mut self.hal, &self.info);
        self.state = DeviceState::Suspended;
        note!(info, "suspended");
        Ok(true)
    }

    /// Takes a suspended device into use again: work goes on where it was. One that is not suspended yet stays as it is.
    ///
    /// Configuration space but for the command register is as it was before (BARs, MSI): that is the HAL's business.
    /// Interrupts come to the same place.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], and all work ends with it. Others as when the device was
    /// [opened](Self::open): it stays suspended, and the call may be repeated. [`Error::Canceled`] for a device that
    /// has failed before.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.resting = false;
        if self.state != DeviceState::Suspended {
            return self.check_live();
        }
        match power::up(&mut self.hal, &self.info) {
            Ok(()) => {}
            Err(Error::DeviceGone) => {
                self.fail(Error::DeviceGone);
                return Err(Error::DeviceGone);
            }
            Err(error) => return Err(error),
        }
        self.now = self.hal.now();
        self.show_everything();
        self.begin_anew(None, false);
        self.reset = None;
        self.tlb.flushed_by_reset();
        (self.next_look, self.now) = (Nanos::ZERO, Nanos::ZERO);
        self.state = DeviceState::Live;
        note!(info, "resumed");
        self.poll();
        Ok(())
    }

    /// The device was without power, and nobody had said so before: as [`resume`](Self::resume), and what ran then
    /// begins its oldest job anew.
    ///
    /// # Errors
    /// As [`resume`](Self::resume), which is to be repeated then.
    pub fn power_was_lost(&mut self) -> Result<(), Error> {
        if self.state == DeviceState::Live {
            note!(warn, "power was lost under running work");
            self.state = DeviceState::Suspended;
        }
        self.resume()
    }

    /// Whether every engine has saved its last context, and nothing is asked of the device.
    fn is_at_rest(&mut self) -> Result<bool, Error> {
        if self.reset.is_some() || !self.tlb.is_idle() || !self.ports.iter().all(Port::is_vacant) {
            return Ok(false);
        }
        let mut regs = Registers::new(&mut self.hal, self.info.format());
        for port in self.ports.iter() {
            if !port.execlist.is_ready(&mut regs.of_tile(port.tile))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the whole GGTT again.
    fn show_everything(&mut self) {
        let Self { ggtt, hal, .. } = self;
        ggtt.clear(hal);
        for port in self.ports.iter() {
            show_ggtt_memory((&port.status_page.0, &port.status_page.1), ggtt, hal);
            port.idle.show(ggtt, hal);
        }
        for migration in &self.migrations {
            migration.lrc.show(ggtt, hal);
        }
        for (_, queue) in self.pools.queues.iter() {
            if let Some(exec) = Queue::exec(queue) {
                exec.lrc.show(ggtt, hal);
            }
        }
    }

    /// A device without power cannot be closed with care: it is resumed, or given up.
    pub(super) fn wake_to_close(&mut self) {
        self.resting = false;
        if self.state == DeviceState::Suspended && self.resume().is_err() {
            self.fail(Error::DeviceGone);
        }
    }
}
