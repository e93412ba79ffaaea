//! Which registers a client's batch may touch: its context's own, and those in the engine's list (engines sheet §4.3,
//! §4.4).

use super::Streamer;
use super::window::reg;
use crate::bus::Bus;
use crate::spec::EngineClass;

/// Slots of the list.
const SLOTS: u32 = 12;

/// One slot of `FORCE_TO_NONPRIV`: register 25:2, deny 30, access 29:28, length 1:0.
#[derive(Clone, Copy)]
struct Slot(u32);

impl Slot {
    const fn covers(self, register: u32) -> bool {
        // 1, 4, 16 or 64 dwords.
        let bytes = 4 << (2 * (self.0 & 3));
        self.0 != 0 && self.0 & 0x03FF_FFFC & !(bytes - 1) == register & !(bytes - 1)
    }

    const fn allows(self, write: bool) -> bool {
        let access = self.0 >> 28 & 3;
        self.0 >> 30 & 1 == 0 && (access == 0 || access == if write { 2 } else { 1 })
    }
}

impl Streamer {
    /// Whether a client's batch may read or write a register.
    pub(super) fn is_open_to_clients(&self, bus: &mut dyn Bus, register: u32, write: bool) -> bool {
        for slot in 0..SLOTS {
            let slot = Slot(bus.mmio_read(self.base + reg::FORCE_TO_NONPRIV + slot * 4));
            if slot.covers(register) {
                return slot.allows(write);
            }
        }
        self.own_offset(register).is_some_and(|offset| self.is_open_by_itself(offset, write))
    }

    const fn is_open_by_itself(&self, offset: u32, write: bool) -> bool {
        match offset {
            reg::GPR..reg::GPR_END | reg::PREDICATE_SRC0..=reg::PREDICATE_RESULT_1 | reg::PREDICATE_RESULT_2 => true,
            reg::TIMESTAMP | reg::TIMESTAMP_HIGH => !write,
            // Up to 12.60 every engine but render needs it in its list.
            reg::CTX_TIMESTAMP | reg::CTX_TIMESTAMP_HIGH => {
                !write && (matches!(self.class, EngineClass::Render) || self.spec.version >= 1270)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cs::CsSpec;
    use crate::testing::MemoryBus;

    fn open(version: u32, class: EngineClass, slots: &[u32], register: u32) -> [bool; 2] {
        let streamer = Streamer::new(CsSpec::for_version(version).unwrap(), class, 0, 0x2_2000);
        let mut bus = MemoryBus::new();
        for (slot, value) in (0..).zip(slots) {
            bus.registers.insert(0x2_24D0 + slot * 4, *value);
        }
        [false, true].map(|write| streamer.is_open_to_clients(&mut bus, register, write))
    }

    #[test]
    fn the_list_opens_what_it_names_as_it_says() {
        use EngineClass::Copy;
        // Engines sheet §4 checks: read-only context timestamp of BCS0.
        assert_eq!(open(1200, Copy, &[], 0x2_23A8), [false, false]);
        assert_eq!(open(1200, Copy, &[0x1002_23A8], 0x2_23A8), [true, false]);
        assert_eq!(open(2004, Copy, &[], 0x2_23A8), [true, false]);
        assert_eq!(open(1200, Copy, &[0x0000_7010, 0x2000_7018], 0x7018), [false, true]);
        assert_eq!(open(1200, Copy, &[0x0000_7010], 0x7014), [false, false]);
        assert_eq!(open(1200, Copy, &[0x0000_7011], 0x701C), [true, true], "four dwords");
        assert_eq!(open(1200, Copy, &[0x3000_7010], 0x7010), [false, false], "invalid access");
    }

    #[test]
    fn general_registers_are_open_unless_denied() {
        use EngineClass::Copy;
        assert_eq!(open(1200, Copy, &[], 0x2_2600), [true, true]);
        assert_eq!(open(1200, Copy, &[0x4002_2600], 0x2_2600), [false, false]);
        assert_eq!(open(1200, Copy, &[], 0x2600), [false, false], "of another engine");
        assert_eq!(open(1200, Copy, &[], 0x2_229C), [false, false]);
    }
}
