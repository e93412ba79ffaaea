//! Context restore and save (engines sheet §6.4, §6.6, §7.7).

use super::kept::EngineState;
use super::layout::{DWORDS, Image, at};
use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::spec::ticks;
use crate::cs::streamer::{Running, lrca};
use crate::cs::{Stop, Streamer};

/// The register page begins one page after the status page.
const IMAGE: u64 = 0x1000;

/// Dword slots of the page.
mod slot {
    pub(in crate::cs) const CONTROL: usize = 0x03;
    pub(in crate::cs) const PER_CTX: usize = 0x13;
    pub(in crate::cs) const INDIRECT: usize = 0x15;
    pub(in crate::cs) const TIMESTAMP: usize = 0x23;
    pub(in crate::cs) const TIMESTAMP_HIGH: usize = 0x25;
    pub(in crate::cs) const RING_STATE: usize = 0x27;
    pub(in crate::cs) const ASID: usize = 0x2F;
    pub(in crate::cs) const PDP0_HIGH: usize = 0x31;
    pub(in crate::cs) const PDP0_LOW: usize = 0x33;
}

/// Dword slots of the ring's registers.
#[derive(Clone, Copy, Debug)]
struct RingSlots {
    head: usize,
    tail: usize,
    start: usize,
    ctl: usize,
}

/// In the register page itself.
const IN_IMAGE: RingSlots = RingSlots { head: 0x05, tail: 0x07, start: 0x09, ctl: 0x0B };
/// In a page of their own.
const APART: RingSlots = RingSlots { head: 0x03, tail: 0x05, start: 0x07, ctl: 0x0B };

/// The registers of a ring in memory.
#[derive(Clone, Copy, Debug)]
pub(in crate::cs) struct RingState {
    /// GGTT address of the page.
    page: u64,
    slots: RingSlots,
}

impl RingState {
    /// Where those of a context are, which its register page says.
    fn of(lrca: u32, image: &Image) -> Self {
        let control = at(image, slot::CONTROL);
        if control & control >> 16 & RING_STATE_APART == 0 {
            return Self { page: Streamer::slot_addr(lrca, 0), slots: IN_IMAGE };
        }
        Self { page: u64::from(at(image, slot::RING_STATE) & !0xFFF), slots: APART }
    }

    const fn head(&self) -> u64 {
        self.page + self.slots.head as u64 * 4
    }

    const fn tail(&self) -> u64 {
        self.page + self.slots.tail as u64 * 4
    }
}

/// Bits of `CONTEXT_CONTROL`, a masked register.
const RESTORE_INHIBIT: u32 = 1 << 0;
const NO_SYNCHRONOUS_SWITCH: u32 = 1 << 3;
const RING_STATE_APART: u32 = 1 << 4;
/// What no driver of these parts sets, and what is not simulated: save inhibit, protected content.
const NOT_SIMULATED: u32 = 1 << 2 | 1 << 10;
/// Bits of an address-space id.
const ASID_BITS: u32 = 0xF_FFFF;

/// Batches that run between the restore and the ring.
pub(in crate::cs) struct ContextBatches {
    /// Address and length in bytes.
    pub(in crate::cs) indirect: Option<(u32, u32)>,
    pub(in crate::cs) per_context: Option<u32>,
}

fn wrong(what: &str, value: u32) -> Stop {
    Stop::Instruction(format!("context image: {what} {value:#x}"))
}

impl Streamer {
    const fn slot_addr(lrca: u32, slot: usize) -> u64 {
        lrca as u64 + IMAGE + slot as u64 * 4
    }

    fn read_page(&mut self, bus: &mut dyn Bus, page: u64) -> Result<Image, Stop> {
        let mut bytes = [[0; 4]; DWORDS];
        self.read(bus, Space::Ggtt, page, bytes.as_flattened_mut())?;
        Ok(bytes.map(u32::from_le_bytes))
    }

    /// Loads a context. What its batches do is left to the caller.
    pub(in crate::cs) fn restore(&mut self, bus: &mut dyn Bus, descriptor: u64) -> Result<ContextBatches, Stop> {
        self.check_descriptor(descriptor)?;
        let lrca = lrca(descriptor);
        let image = self.read_page(bus, Self::slot_addr(lrca, 0))?;
        self.check_layout(&image)?;
        let control = at(&image, slot::CONTROL);
        let set = control & control >> 16;
        let apart_too_early = set & RING_STATE_APART != 0 && self.spec.version < 2000;
        if set & NO_SYNCHRONOUS_SWITCH == 0 || set & NOT_SIMULATED != 0 || apart_too_early {
            return Err(wrong("this context control is not simulated:", control));
        }
        let running = self.running_from(bus, descriptor, &image)?;
        let fresh = set & RESTORE_INHIBIT != 0;
        self.state = if fresh { EngineState::default() } else { self.load_state(bus, lrca)? };
        self.running = Some(running);
        let (indirect, per_context) = (at(&image, slot::INDIRECT), at(&image, slot::PER_CTX));
        Ok(ContextBatches {
            indirect: (indirect & 0x3F != 0).then_some((indirect & !0x3F, (indirect & 0x3F) * 64)),
            per_context: (per_context & 1 != 0).then_some(per_context & !0x3F),
        })
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

    /// The page with the ring's registers.
    fn read_ring(&mut self, bus: &mut dyn Bus, ring: RingState, image: &Image) -> Result<Image, Stop> {
        if ring.slots.head == IN_IMAGE.head {
            return Ok(*image);
        }
        let page = self.read_page(bus, ring.page)?;
        self.check_ring_page(&page)?;
        Ok(page)
    }

    fn running_from(&mut self, bus: &mut dyn Bus, descriptor: u64, image: &Image) -> Result<Running, Stop> {
        let ring_state = RingState::of(lrca(descriptor), image);
        let (ring, slots) = (self.read_ring(bus, ring_state, image)?, ring_state.slots);
        let (ctl, start) = (at(&ring, slots.ctl), at(&ring, slots.start));
        let ring_bytes = (ctl & 0x1F_F000) + 0x1000;
        let (head, tail) = (at(&ring, slots.head) & 0x1F_FFFC, at(&ring, slots.tail));
        if ctl & 1 == 0 || !ring_bytes.is_power_of_two() {
            return Err(wrong("ring control is", ctl));
        }
        if !start.is_multiple_of(0x1000) {
            return Err(wrong("ring start is", start));
        }
        if head >= ring_bytes {
            return Err(wrong("ring head is", head));
        }
        let tail = self.checked_tail(bus, tail, ring_bytes)?;
        let wide = |high: usize, low: usize| u64::from(at(image, high)) << 32 | u64::from(at(image, low));
        let root = wide(slot::PDP0_HIGH, slot::PDP0_LOW);
        let stamp_high = if self.spec.timestamp64 { u64::from(at(image, slot::TIMESTAMP_HIGH)) << 32 } else { 0 };
        let asid = u64::from(at(image, slot::ASID) & ASID_BITS);
        Ok(Running {
            descriptor,
            ring_start: start,
            ring_bytes,
            ring_state,
            head,
            tail,
            root: (descriptor >> 8 & 1 != 0).then_some(root),
            space: if self.spec.asid { asid } else { root },
            ticks_before: stamp_high | u64::from(at(image, slot::TIMESTAMP)),
            since_ns: self.now_ns(bus),
        })
    }

    /// A lite restore: the running context's tail is read again, nothing else.
    pub(in crate::cs) fn reload_tail(&mut self, bus: &mut dyn Bus, descriptor: u64) -> Result<(), Stop> {
        let Some(Running { ring_state, ring_bytes, .. }) = self.running else { return Ok(()) };
        let tail = self.read32(bus, Space::Ggtt, ring_state.tail())?;
        let tail = self.checked_tail(bus, tail, ring_bytes)?;
        let name = self.name();
        let Some(running) = &mut self.running else { return Ok(()) };
        running.descriptor = descriptor;
        let queued = |tail: u32| tail.wrapping_sub(running.head) & (running.ring_bytes - 1);
        if queued(tail) < queued(running.tail) {
            // Engines sheet §7.5: hardware may ignore such a tail, so the driver has to force a restore.
            let old = running.tail;
            bus.complain(format!("{name}: ring tail of the running context goes back from {old:#x} to {tail:#x}"));
            return Ok(());
        }
        running.tail = tail;
        self.dry = false;
        Ok(())
    }

    /// Writes the ring tail of a context that is in memory, as firmware does for the contexts of a work queue.
    pub(crate) fn set_tail(&mut self, bus: &mut dyn Bus, descriptor: u64, tail: u32) -> Result<(), Stop> {
        let lrca = lrca(descriptor);
        let image = self.read_page(bus, Self::slot_addr(lrca, 0))?;
        let ring = RingState::of(lrca, &image);
        self.write32(bus, Space::Ggtt, ring.tail(), tail)
    }

    /// The tail of an image. Bits 2:0 of the register do not exist: a driver that sets them has written half of something.
    fn checked_tail(&self, bus: &mut dyn Bus, tail: u32, ring_bytes: u32) -> Result<u32, Stop> {
        if tail >= ring_bytes {
            return Err(wrong("ring tail is", tail));
        }
        if !tail.is_multiple_of(8) {
            bus.complain(format!("{}: ring tail {tail:#x} is not at a multiple of 8", self.name()));
        }
        Ok(tail & !7)
    }

    /// Writes the context back.
    pub(in crate::cs) fn save(&mut self, bus: &mut dyn Bus) -> Result<(), Stop> {
        let Some(running) = self.running else { return Ok(()) };
        let lrca = running.lrca();
        let stamp = self.context_timestamp(bus);
        let control = self.read32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::CONTROL))?;
        self.store_state(bus, lrca)?;
        self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::CONTROL), control & !RESTORE_INHIBIT)?;
        self.write32(bus, Space::Ggtt, running.ring_state.head(), running.head)?;
        self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::TIMESTAMP), stamp as u32)?;
        if self.spec.timestamp64 {
            self.write32(bus, Space::Ggtt, Self::slot_addr(lrca, slot::TIMESTAMP_HIGH), (stamp >> 32) as u32)?;
        }
        self.state = EngineState::default();
        Ok(())
    }

    /// Ticks the running context has run.
    pub(in crate::cs) fn context_timestamp(&self, bus: &mut dyn Bus) -> u64 {
        let Some(running) = self.running else { return 0 };
        let here = ticks(self.now_ns(bus).saturating_sub(running.since_ns));
        let stamp = running.ticks_before.wrapping_add(here);
        if self.spec.timestamp64 { stamp } else { stamp & 0xFFFF_FFFF }
    }
}
