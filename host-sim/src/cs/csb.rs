//! The context status buffer in the engine's status page (engines sheet §7.4).
//!
//! Only the layout of 12.00 exists here: 20.04 has the reporting switched off (workaround 16021639441).

use super::Streamer;
use super::access::Space;
use crate::bus::Bus;

const HWS_PGA: u32 = 0x080;
const CSFE_CHICKEN1: u32 = 0x0D4;
const NO_REPORT: u32 = 1 << 15;
const ENTRIES: u32 = 12;
const FIRST_ENTRY: u64 = 0x10 * 4;
const WRITE_POINTER: u64 = 0x2F * 4;
/// "No context" in an entry.
const NONE: u64 = 0x7FF;

/// Software context id of a 12.00 descriptor.
const fn context_id(descriptor: Option<u64>) -> u64 {
    match descriptor {
        Some(descriptor) => descriptor >> 37 & 0x7FF,
        None => NONE,
    }
}

impl Streamer {
    /// The entry that reports a switch from one context to another: because the first completed, or by a new load.
    fn switch_entry(&self, from: Option<u64>, to: Option<u64>, complete: bool) -> u64 {
        let new_queue = u64::from(to.is_some() && !complete);
        let detail = if complete || from.is_none() { 0 } else { 5 };
        let away = context_id(from) << 47;
        new_queue | self.class.code() << 3 | u64::from(self.instance) << 6 | context_id(to) << 15 | detail << 32 | away
    }

    /// Reports a switch, where reporting is on.
    pub(super) fn report_switch(&mut self, bus: &mut dyn Bus, from: Option<u64>, to: Option<u64>, complete: bool) {
        if !self.spec.descriptor_names_engine || bus.mmio_read(self.base + CSFE_CHICKEN1) & NO_REPORT != 0 {
            return;
        }
        let page = u64::from(bus.mmio_read(self.base + HWS_PGA) & !0xFFF);
        self.csb_write = (self.csb_write + 1) % ENTRIES;
        let entry = self.switch_entry(from, to, complete);
        let at = page + FIRST_ENTRY + u64::from(self.csb_write) * 8;
        let written = self.write64(bus, Space::Ggtt, at, entry);
        let written = written.and_then(|()| self.write32(bus, Space::Ggtt, page + WRITE_POINTER, self.csb_write));
        if let Err(stop) = written {
            bus.complain(format!("{}: the status page cannot be written: {}", self.name(), stop.text()));
        }
    }

    /// `CONTEXT_STATUS_PTR`, a masked register: the driver sets the write pointer when it begins anew.
    pub(super) const fn write_csb_pointer(&mut self, value: u32) {
        let mask = value >> 16 & 0xFF;
        self.csb_write = (self.csb_write & !mask | value & mask) % ENTRIES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cs::CsSpec;
    use crate::spec::EngineClass;

    fn bcs() -> Streamer {
        Streamer::new(CsSpec::for_version(1200).unwrap(), EngineClass::Copy, 0, 0x2_2000)
    }

    #[test]
    fn entries_are_those_of_the_sheet() {
        let id = |id: u64| Some(id << 37 | 1);
        // The sheet's entries have the idle side's counter zero and its id all ones.
        assert_eq!(bcs().switch_entry(None, id(1), false), 0x03FF_8000_0000_8019);
        assert_eq!(bcs().switch_entry(id(1), None, true), 0x0000_8000_03FF_8018);
        assert_eq!(bcs().switch_entry(id(1), id(2), false), 0x0000_8005_0001_0019);
        assert_eq!(bcs().switch_entry(id(1), id(2), true), 0x0000_8000_0001_0018, "the second of one load");
    }

    #[test]
    fn the_driver_sets_the_write_pointer() {
        let mut streamer = bcs();
        assert!(streamer.write_register(0x3A0, 0xFFFF_0505));
        assert_eq!(streamer.csb_write, 5);
    }
}
