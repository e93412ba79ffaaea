//! Accesses as a bus makes them: seen on the timeline, and answered in every case.

use crate::fault::{Action, Occasion};
use crate::gpu::Gpu;
use crate::trace::Event;

impl Gpu {
    /// Reads a register.
    pub(crate) fn read_register(&mut self, in_bar: u32) -> u32 {
        let value = self.read32(in_bar);
        self.seen("register", in_bar, value, false);
        value
    }

    /// Writes a register.
    pub(crate) fn write_register(&mut self, in_bar: u32, value: u32) {
        self.seen("register", in_bar, value, true);
        self.write32(in_bar, value);
    }

    /// Reads a dword of configuration space: all ones from a device that is gone.
    pub(crate) fn config_read(&mut self, offset: u16) -> u32 {
        let wrong = self.read_goes_wrong(&Occasion::ConfigRead(Some(offset)));
        let value = match self.shared.plan.config_read(offset) {
            _ if self.shared.plan.is_gone() => u32::MAX,
            Some(value) => value,
            None => wrong.map_or_else(|| self.shared.config.read(offset).unwrap_or(u32::MAX), |value| value as u32),
        };
        self.seen("config", u32::from(offset), value, false);
        value
    }

    /// Writes a dword of configuration space.
    pub(crate) fn config_write(&mut self, offset: u16, value: u32) {
        self.seen("config", u32::from(offset), value, true);
        let wrong = self.write_goes_wrong(&Occasion::ConfigWrite(Some(offset)), value.into());
        if let Some(value) = wrong.filter(|_| !self.shared.plan.is_gone()) {
            // The offset is a dword's: its bus cut it.
            let _ = self.shared.config.write(offset, value as u32);
        }
    }

    /// What a read gives instead of the truth.
    pub(crate) fn read_goes_wrong(&mut self, happened: &Occasion) -> Option<u64> {
        match self.shared.plan.meet(happened)? {
            Action::AllOnes | Action::Gone => Some(u64::MAX),
            Action::Value(value) => Some(value),
            Action::Delay(by) => {
                self.late(by.get());
                None
            }
            Action::Drop | Action::Hang => None,
        }
    }

    /// What a write of `value` writes; none if it is lost.
    pub(crate) fn write_goes_wrong(&mut self, happened: &Occasion, value: u64) -> Option<u64> {
        match self.shared.plan.meet(happened) {
            None | Some(Action::AllOnes | Action::Hang) => Some(value),
            Some(Action::Value(value)) => Some(value),
            Some(Action::Drop | Action::Gone) => None,
            Some(Action::Delay(by)) => {
                self.late(by.get());
                Some(value)
            }
        }
    }

    /// An access takes so much longer.
    fn late(&mut self, ns: u64) {
        self.shared.plan.owe(ns);
        self.pass_to(self.shared.time_ns.saturating_add(ns));
    }

    fn seen(&mut self, space: &'static str, offset: u32, value: u32, written: bool) {
        let value = u64::from(value);
        self.shared.trace_access(|| Event::Access { space, offset, value, written });
    }
}
