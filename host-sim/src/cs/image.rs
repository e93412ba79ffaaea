//! Context restore and save (engines sheet §6.3, §6.4, §6.6, §7.7).

use super::access::Space;
use super::spec::ticks;
use super::streamer::{EngineState, Running, lrca};
use super::{Stop, Streamer};
use crate::bus::Bus;
use crate::spec::EngineClass;
use crate::trace::Event;

/// The register image begins one page after the status page.
const IMAGE: u64 = 0x1000;

/// Dword slots of the image.
mod slot {
    pub(super) const CONTROL: usize = 0x03;
    pub(super) const HEAD: usize = 0x05;
    pub(super) const TAIL: usize = 0x07;
    pub(super) const START: usize = 0x09;
    pub(super) const CTL: usize = 0x0B;
    pub(super) const PER_CTX: usize = 0x13;
    pub(super) const INDIRECT: usize = 0x15;
    pub(super) const TIMESTAMP: usize = 0x23;
    pub(super) const TIMESTAMP_HIGH: usize = 0x25;
    pub(super) const PDP0_HIGH: usize = 0x31;
    pub(super) const PDP0_LOW: usize = 0x33;
}

/// Registers of the first two groups in order, by offset from the engine's base.
const FIRST: [u32; 13] = [0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4];
const FIRST_XE2: [u32; 15] =
    [0x244, 0x034, 0x030, 0x038, 0x03C, 0x168, 0x140, 0x110, 0x1C0, 0x1C4, 0x1C8, 0x180, 0x2B4, 0x120, 0x124];
const SECOND: [u32; 9] = [0x3A8, 0x28C, 0x288, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270];
const SECOND_XE2: [u32; 9] = [0x3A8, 0x3AC, 0x108, 0x284, 0x280, 0x27C, 0x278, 0x274, 0x270];

/// Header of a posted group of `registers` with offsets from the engine.
const fn group(registers: u32) -> u32 {
    0x1108_1000 | (2 * registers - 1)
}

const DWORDS: usize = 0x60;
type Image = [u32; DWORDS];

fn at(image: &Image, slot: usize) -> u32 {
    image.get(slot).copied().unwrap_or(0)
}

impl Streamer {
    fn slot_addr(lrca: u32, slot: usize) -> u64 {
        u64::from(lrca) + IMAGE + slot as u64 * 4
    }

    fn read_image(&mut self, bus: &mut dyn Bus, lrca: u32) -> Result<Image, Stop> {
        let mut bytes = [0; DWORDS * 4];
        self.read(bus, Space::Ggtt, u64::from(lrca) + IMAGE, &mut bytes)?;
        let mut image = [0; DWORDS];
        for (dword, chunk) in image.iter_mut().zip(bytes.as_chunks().0) {
            *dword = u32::from_le_bytes(*chunk);
        }
        Ok(image)
    }

    /// Loads a context and runs its context batches.
    pub(super) fn restore(&mut self, bus: &mut dyn Bus, descriptor: u64, from_idle: bool) -> Result<(), Stop> {
        self.check_descriptor(descriptor)?;
        let lrca = lrca(descriptor);
        let image = self.read_image(bus, lrca)?;
        self.check_image(&image)?;
        let running = self.running_from(bus, descriptor, &image)?;
        // A context that was never saved comes with the inhibit bit: what is kept under its address is another's.
        let kept = self.saved.remove(&lrca);
        let fresh = at(&image, slot::CONTROL) & 1 != 0;
        self.state = if fresh { EngineState::default() } else { kept.unwrap_or_default() };
        self.running = Some(running);
        let (ring, waiting) = (running.ring_start, (running.head, running.tail));
        bus.trace(Event::SwitchIn { engine: self.engine(), descriptor, ring, waiting });
        if from_idle {
            self.report_switch(bus, None, Some(descriptor), false);
        }
        let indirect = at(&image, slot::INDIRECT);
        if indirect & 0x3F != 0 {
            self.run_context_batch(bus, indirect & !0x3F, Some((indirect & 0x3F) * 64))?;
        }
        let per_context = at(&image, slot::PER_CTX);
        if per_context & 1 != 0 {
            self.run_context_batch(bus, per_context & !0xFFF, None)?;
        }
        Ok(())
    }

    fn check_descriptor(&self, descriptor: u64) -> Result<(), Stop> {
        let wrong = |what: &str| Err(Stop::Instruction(format!("descriptor {descriptor:#018x}: {what}")));
        if descriptor & 1 == 0 {
            return wrong("not valid");
        }
        if descriptor >> 3 & 3 != 3 {
            return wrong("addressing mode is not 64 bit");
        }
        if self.spec.descriptor_names_engine {
            let (class, instance) = (descriptor >> 61, descriptor >> 48 & 0x3F);
            if class != self.class.code() || instance != u64::from(self.instance) {
                return wrong("names another engine");
            }
        }
        Ok(())
    }

    /// Holds the image against the fixed layout.
    fn check_image(&self, image: &Image) -> Result<(), Stop> {
        let xe2 = self.spec.version >= 2000;
        let first: &[u32] = if xe2 { &FIRST_XE2 } else { &FIRST };
        let second: &[u32] = if xe2 { &SECOND_XE2 } else { &SECOND };
        self.check_group(image, 0x01, group(first.len() as u32), first)?;
        self.check_group(image, 0x21, group(second.len() as u32), second)?;
        if self.class == EngineClass::Render {
            self.check_group(image, 0x41, 0x1108_0001, &[0x0C8])?;
        }
        if self.class == EngineClass::Copy && xe2 {
            self.check_group(image, 0x41, group(2), &[0x200, 0x204])?;
        }
        Ok(())
    }

    fn check_group(&self, image: &Image, header_slot: usize, header: u32, registers: &[u32]) -> Result<(), Stop> {
        let found = at(image, header_slot);
        if found != header {
            let text = format!("context image: dword {header_slot:#x} is {found:#010x}, not {header:#010x}");
            return Err(Stop::Instruction(text));
        }
        for (index, register) in registers.iter().enumerate() {
            let slot = header_slot + 1 + 2 * index;
            let (found, want) = (at(image, slot), self.base + register);
            if found != want {
                let text = format!("context image: dword {slot:#x} names register {found:#x}, not {want:#x}");
                return Err(Stop::Instruction(text));
            }
        }
        Ok(())
    }

    fn running_from(&self, bus: &mut dyn Bus, descriptor: u64, image: &Image) -> Result<Running, Stop> {
        let ctl = at(image, slot::CTL);
        let ring_bytes = (ctl & 0x1F_F000) + 0x1000;
        let (head, tail) = (at(image, slot::HEAD) & 0x1F_FFFC, at(image, slot::TAIL));
        let wrong = |what: &str, value: u32| Err(Stop::Instruction(format!("context image: {what} {value:#x}")));
        if ctl & 1 == 0 || !ring_bytes.is_power_of_two() {
            return wrong("ring control is", ctl);
        }
        if head >= ring_bytes {
            return wrong("ring head is", head);
        }
        if tail >= ring_bytes || tail % 8 != 0 {
            return wrong("ring tail is", tail);
        }
        let wide = |high: usize, low: usize| u64::from(at(image, high)) << 32 | u64::from(at(image, low));
        let root = wide(slot::PDP0_HIGH, slot::PDP0_LOW);
        let stamp_high = if self.spec.timestamp64 { u64::from(at(image, slot::TIMESTAMP_HIGH)) << 32 } else { 0 };
        Ok(Running {
            descriptor,
            ring_start: at(image, slot::START),
            ring_bytes,
            head,
            tail,
            root: (descriptor >> 8 & 1 != 0).then_some(root),
            ticks_before: stamp_high | u64::from(at(image, slot::TIMESTAMP)),
            since_ns: self.now_ns(bus),
        })
    }

    /// A lite restore: the running context's tail is read again, nothing else.
    pub(super) fn reload_tail(&mut self, bus: &mut dyn Bus, descriptor: u64) -> Result<(), Stop> {
        let lrca = lrca(descriptor);
        let tail = self.read32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::TAIL))?;
        let Some(running) = &mut self.running else { return Ok(()) };
        if tail >= running.ring_bytes || tail % 8 != 0 {
            return Err(Stop::Instruction(format!("context image: ring tail is {tail:#x}")));
        }
        running.tail = tail;
        running.descriptor = descriptor;
        Ok(())
    }

    /// Writes the context back.
    pub(super) fn save(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        let Some(running) = self.running else { return Ok(()) };
        let lrca = running.lrca();
        let stamp = self.context_timestamp(bus);
        let control = self.read32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::CONTROL))?;
        self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::CONTROL), control & !1)?;
        self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::HEAD), running.head)?;
        self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::TIMESTAMP), stamp as u32)?;
        if self.spec.timestamp64 {
            self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::TIMESTAMP_HIGH), (stamp >> 32) as u32)?;
        }
        self.saved.insert(lrca, core::mem::take(&mut self.state));
        Ok(())
    }

    /// Ticks the running context has run.
    pub(super) fn context_timestamp(&self, bus: &mut dyn Bus) -> u64 {
        let Some(running) = self.running else { return 0 };
        let here = ticks(self.now_ns(bus).saturating_sub(running.since_ns));
        let stamp = running.ticks_before.wrapping_add(here);
        if self.spec.timestamp64 { stamp } else { stamp & 0xFFFF_FFFF }
    }
}
