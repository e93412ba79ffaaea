//! Accesses as a bus makes them: seen on the timeline, and answered in every case.

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
        let value = match self.shared.plan.config_read(offset) {
            _ if self.shared.plan.is_gone() => u32::MAX,
            Some(value) => value,
            None => self.shared.config.read(offset).unwrap_or(u32::MAX),
        };
        self.seen("config", u32::from(offset), value, false);
        value
    }

    /// Writes a dword of configuration space.
    pub(crate) fn config_write(&mut self, offset: u16, value: u32) {
        self.seen("config", u32::from(offset), value, true);
        if !self.shared.plan.is_gone() {
            // The offset is a dword's: its bus cut it.
            let _ = self.shared.config.write(offset, value);
        }
    }

    fn seen(&mut self, space: &'static str, offset: u32, value: u32, written: bool) {
        let value = u64::from(value);
        self.shared.trace_access(|| Event::Access { space, offset, value, written });
    }
}
