//! The engine's own register window, as commands and the host see it.

use super::Streamer;
use super::spec::ticks;
use crate::bus::Bus;

/// Offsets in the window (commands sheet §1.9, engines sheet §4.3).
pub(super) mod reg {
    pub(in crate::cs) const TAIL: u32 = 0x030;
    pub(in crate::cs) const HEAD: u32 = 0x034;
    pub(in crate::cs) const START: u32 = 0x038;
    pub(in crate::cs) const CTL: u32 = 0x03C;
    pub(in crate::cs) const ACTHD_HIGH: u32 = 0x05C;
    pub(in crate::cs) const IPEHR: u32 = 0x068;
    pub(in crate::cs) const ACTHD: u32 = 0x074;
    pub(in crate::cs) const ENGINE_ID: u32 = 0x08C;
    pub(in crate::cs) const NOPID: u32 = 0x094;
    pub(in crate::cs) const EIR: u32 = 0x0B0;
    pub(in crate::cs) const EMR: u32 = 0x0B4;
    pub(in crate::cs) const ESR: u32 = 0x0B8;
    pub(in crate::cs) const RESET_CTL: u32 = 0x0D0;
    pub(in crate::cs) const BBADDR: u32 = 0x140;
    pub(in crate::cs) const BBADDR_HIGH: u32 = 0x168;
    pub(in crate::cs) const CURRENT_LRCA: u32 = 0x240;
    pub(in crate::cs) const TIMESTAMP: u32 = 0x358;
    pub(in crate::cs) const TIMESTAMP_HIGH: u32 = 0x35C;
    pub(in crate::cs) const CONTEXT_STATUS_PTR: u32 = 0x3A0;
    pub(in crate::cs) const CTX_TIMESTAMP: u32 = 0x3A8;
    pub(in crate::cs) const CTX_TIMESTAMP_HIGH: u32 = 0x3AC;
    pub(in crate::cs) const PREDICATE_RESULT_2: u32 = 0x3BC;
    pub(in crate::cs) const PREDICATE_SRC0: u32 = 0x400;
    pub(in crate::cs) const PREDICATE_SRC1_HIGH: u32 = 0x40C;
    pub(in crate::cs) const PREDICATE_RESULT: u32 = 0x418;
    pub(in crate::cs) const PREDICATE_RESULT_1: u32 = 0x41C;
    pub(in crate::cs) const FORCE_TO_NONPRIV: u32 = 0x4D0;
    pub(in crate::cs) const GPR: u32 = 0x600;
    pub(in crate::cs) const GPR_END: u32 = 0x680;
}

/// Bytes of the window.
pub(super) const WINDOW: u32 = 0x1000;

/// The half of a 64-bit register that a dword offset names.
const fn half(value: u64, offset: u32) -> u32 {
    if offset & 4 == 0 { value as u32 } else { (value >> 32) as u32 }
}

const fn with_half(value: u64, offset: u32, part: u32) -> u64 {
    if offset & 4 == 0 { value & !0xFFFF_FFFF | part as u64 } else { value & 0xFFFF_FFFF | (part as u64) << 32 }
}

impl Streamer {
    /// A register of the window that is more than storage.
    pub fn read_register(&self, bus: &mut dyn Bus, offset: u32) -> Option<u32> {
        let running = self.running.as_ref();
        let batch = self.state.frames.last().map(|frame| frame.addr);
        let active = batch.or_else(|| running.map(|running| u64::from(running.head))).unwrap_or(0);
        Some(match offset {
            reg::TAIL => running.map_or(0, |running| running.tail),
            reg::HEAD => running.map_or(0, |running| running.head),
            reg::START => running.map_or(0, |running| running.ring_start),
            reg::CTL => running.map_or(0, |running| (running.ring_bytes - 0x1000) | 1),
            reg::ACTHD => active as u32,
            reg::ACTHD_HIGH => (active >> 32) as u32,
            reg::BBADDR => batch.map_or(0, |batch| batch as u32 | 1),
            reg::BBADDR_HIGH => batch.map_or(0, |batch| (batch >> 32) as u32),
            reg::IPEHR => self.ipehr,
            reg::NOPID => self.nop_id,
            reg::ENGINE_ID => self.class.code() as u32 | u32::from(self.instance) << 4,
            reg::EIR => self.eir,
            reg::ESR => self.eir & !bus.mmio_read(self.base + reg::EMR),
            reg::RESET_CTL => self.reset_ctl,
            reg::CURRENT_LRCA => running.map_or(0, |running| running.lrca()),
            reg::CONTEXT_STATUS_PTR => self.csb_write,
            reg::TIMESTAMP | reg::TIMESTAMP_HIGH => half(ticks(self.now_ns(bus)), offset - reg::TIMESTAMP),
            reg::CTX_TIMESTAMP | reg::CTX_TIMESTAMP_HIGH => {
                half(self.context_timestamp(bus), offset - reg::CTX_TIMESTAMP)
            }
            _ => return self.read_state(offset),
        })
    }

    /// Registers that belong to the context.
    const fn read_state(&self, offset: u32) -> Option<u32> {
        let state = &self.state;
        let [first, second] = state.predicate_sources;
        let [result, result_1, result_2] = state.predicate_results;
        Some(match offset {
            reg::PREDICATE_RESULT => result,
            reg::PREDICATE_RESULT_1 => result_1,
            reg::PREDICATE_RESULT_2 => result_2,
            reg::PREDICATE_SRC0..=reg::PREDICATE_SRC1_HIGH => {
                half(if offset & 8 == 0 { first } else { second }, offset)
            }
            reg::GPR..reg::GPR_END => match state.gprs.as_slice().split_at((offset >> 3 & 15) as usize).1 {
                [gpr, ..] => half(*gpr, offset),
                [] => 0,
            },
            _ => return None,
        })
    }

    /// Writes a register of the window that is more than storage; whether it was one.
    pub fn write_register(&mut self, offset: u32, value: u32) -> bool {
        let state = &mut self.state;
        match offset {
            reg::EIR => self.eir &= !value,
            reg::RESET_CTL => self.write_reset_ctl(value),
            reg::CONTEXT_STATUS_PTR => self.write_csb_pointer(value),
            // In execlist mode the ring registers belong to the context; the others report.
            reg::TAIL | reg::HEAD | reg::START | reg::CTL | reg::CURRENT_LRCA | reg::ENGINE_ID | reg::ESR => {}
            reg::PREDICATE_RESULT => state.predicate_results[0] = value,
            reg::PREDICATE_RESULT_1 => state.predicate_results[1] = value,
            reg::PREDICATE_RESULT_2 => state.predicate_results[2] = value,
            reg::PREDICATE_SRC0..=reg::PREDICATE_SRC1_HIGH => {
                let [first, second] = &mut state.predicate_sources;
                let source = if offset & 8 == 0 { first } else { second };
                *source = with_half(*source, offset, value);
            }
            reg::GPR..reg::GPR_END => {
                if let Some(gpr) = state.gprs.get_mut((offset >> 3 & 15) as usize) {
                    *gpr = with_half(*gpr, offset, value);
                }
            }
            reg::CTX_TIMESTAMP | reg::CTX_TIMESTAMP_HIGH => {
                if let Some(running) = &mut self.running {
                    running.ticks_before = with_half(running.ticks_before, offset - reg::CTX_TIMESTAMP, value);
                }
            }
            _ => return false,
        }
        true
    }

    /// Bit 0 asks for readiness, which comes at once (bit 1); writing bit 2 takes back a catastrophic error.
    const fn write_reset_ctl(&mut self, value: u32) {
        let (mask, bits) = (value >> 16, value & 0xFFFF);
        if mask & 1 != 0 {
            self.reset_ctl = self.reset_ctl & !3 | if bits & 1 != 0 { 3 } else { 0 };
        }
        if mask & bits & 4 != 0 {
            self.reset_ctl &= !4;
        }
    }

    /// Offset inside the window of a register, if it lies there.
    pub(super) fn own_offset(&self, register: u32) -> Option<u32> {
        register.checked_sub(self.base).filter(|offset| *offset < WINDOW)
    }
}
