//! Ordinary memory of the client that the device may reach: the same bytes on both sides.
//!
//! The simulated device has the pages; the client's memory has a copy of what is tracked, which is fetched before
//! anybody looks and given back when a call has written. Pages that go or are replaced are announced to the core first,
//! as an operating system does, and change when it has let them go.

use super::engine::Player;
use crate::machine::Patience;
use barexe_core::device::{InvalidationTicket, TicketState};
use barexe_hal::{ClientAddr, UserSpace};
use core::ops::Range;

/// The memory space of the one process.
pub(super) const SPACE: UserSpace = UserSpace(1);
const PAGE: u64 = STEP as u64;
const STEP: usize = 4096;

/// The pages that a range touches.
const fn pages(addr: u64, length: u64) -> Range<u64> {
    let end = addr.saturating_add(length).saturating_add(PAGE - 1);
    addr & !(PAGE - 1)..end & !(PAGE - 1)
}

impl Player<'_, '_> {
    /// The range matters from here on and reads as zero.
    pub(super) fn user_range(&mut self, addr: u64, length: u64) {
        for page in pages(addr, length).step_by(STEP) {
            if self.sim.user_read(SPACE, page, 1).is_none() {
                self.sim.user_map(SPACE, page..page.saturating_add(PAGE), PAGE);
            }
        }
        self.memory.track(addr, length);
        let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
        let _ = self.sim.user_write(SPACE, addr, &zeros);
    }

    /// The range matters no longer. Its pages go, but for those that another range is in; and the client still has them, so
    /// they stay as long as a job may come back to them.
    pub(super) fn user_range_end(&mut self, n: usize, addr: u64, length: u64) {
        self.memory.untrack(addr, length);
        if !self.device.is_quiet() {
            return;
        }
        for page in pages(addr, length).step_by(STEP) {
            if !self.memory.tracks(&(page..page.saturating_add(PAGE))) {
                self.take_pages(n, page..page.saturating_add(PAGE));
            }
        }
    }

    /// The client replaced the pages of a range.
    pub(super) fn remap(&mut self, n: usize, addr: u64, length: u64) {
        let over = self.invalidate(n, addr, length);
        self.memory.refresh(addr, length);
        self.sim.user_map(SPACE, pages(addr, length), PAGE);
        self.changed(over);
    }

    /// Pages go.
    pub(super) fn take_pages(&mut self, n: usize, range: Range<u64>) {
        let over = self.invalidate(n, range.start, range.end.saturating_sub(range.start));
        self.sim.user_unmap(SPACE, range);
        self.changed(over);
    }

    /// Says that pages have changed.
    fn changed(&mut self, over: Option<InvalidationTicket>) {
        if let Some(ticket) = over {
            self.device.user_changed(ticket);
        }
    }

    /// Announces that pages are going to change, and waits until they may.
    fn invalidate(&mut self, n: usize, addr: u64, length: u64) -> Option<InvalidationTicket> {
        let at = ClientAddr::new(addr)?;
        let ticket = self.device.user_invalidate(SPACE, at, length);
        let mut patience = Patience::new(self.device);
        loop {
            match self.device.invalidation_state(ticket) {
                TicketState::Done => return Some(ticket),
                TicketState::Pending if patience.wait(self.device, None) => {}
                state @ (TicketState::Pending | TicketState::Failed(_)) => {
                    self.report.differs(n, format!("pages at {addr:#x}"), "let go", format!("{state:?}"));
                    return None;
                }
            }
        }
    }

    /// Fetches what the device wrote.
    pub(super) fn fetch_user(&mut self) {
        let sim = &self.sim;
        self.memory.fetch_user(|addr, len| sim.user_read(SPACE, addr, len));
    }

    /// Gives back what a call wrote.
    pub(super) fn give_user(&mut self) {
        for (addr, bytes) in self.memory.take_written_user() {
            let _ = self.sim.user_write(SPACE, addr, &bytes);
        }
    }
}
