//! A HAL in memory that records every access and fails on request.
//!
//! It knows just enough of the device to let bring-up pass: forcewake acknowledges come some time after the request,
//! interrupt identities follow the selector, everything else is plain storage.
#![expect(unsafe_code, reason = "makes DMA buffers from heap memory")]

use barexe_hal::{
    BusAddr, Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind, InterruptLine, Interrupted,
    Mmio, Nanos, RegOffset, UserPages,
};
use core::ops::Range;
use core::ptr::NonNull;
use std::collections::BTreeMap;

/// One access, as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Read(u32),
    Write(u32, u32),
    /// Register of the first entry, first value, step, count.
    Entries(u32, u64, u64, u32),
    ReadEntries(u32, usize),
    Config(u16, u32),
    Irq(bool),
}

/// A kind of HAL call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    Config,
    Alloc,
    Relax,
    IrqEnable,
    /// A register read that answers all ones, and every one after it: the device is gone.
    Gone,
}

/// The recorder.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) regs: BTreeMap<u32, u32>,
    pub(crate) ggtt: Vec<u64>,
    pub(crate) config: BTreeMap<u16, u32>,
    pub(crate) log: Vec<Event>,
    pub(crate) now: u64,
    pub(crate) gone: bool,
    pub(crate) irq_on: bool,
    /// Identities by bank and bit, given once each.
    pub(crate) identities: BTreeMap<(u32, u32), u32>,
    pub(crate) live_buffers: usize,
    /// Acknowledges never come.
    pub(crate) deaf: bool,
    /// It says that it is no simulator.
    pub(crate) poses: bool,
    /// Seed of noise: reads answer anything.
    pub(crate) noise: Option<u64>,
    fail: Option<(Point, usize)>,
    uses: BTreeMap<Point, usize>,
    acks: Vec<(u64, u32, u32)>,
    ack_gt: u32,
    next_bus: u64,
}

const ACK_DELAY_NS: u64 = 25_000;

impl Recorder {
    fn new(device_id: u32, revision: u32, ack_gt: u32) -> Self {
        let config = [(0, device_id << 16 | 0x8086), (4, 0x0010_0000), (8, 0x0300_0000 | revision), (0x50, 0xC0)];
        Self {
            regs: BTreeMap::new(),
            ggtt: vec![0; 1 << 20],
            config: config.into_iter().collect(),
            log: Vec::new(),
            now: 0,
            gone: false,
            irq_on: false,
            identities: BTreeMap::new(),
            live_buffers: 0,
            deaf: false,
            poses: false,
            noise: None,
            fail: None,
            uses: BTreeMap::new(),
            acks: Vec::new(),
            ack_gt,
            next_bus: 0x1_2345_6000,
        }
    }

    /// A Tiger Lake with RCS0, BCS0, VCS0, VCS2, VECS0 (fuse words of the engines sheet §4 checks).
    pub(crate) fn tgl() -> Self {
        let mut hal = Self::new(0x9A49, 1, 0x13_0044);
        hal.regs.extend([(0x9140, 0x000E_00FA), (0x913C, 0x3F), (0x9134, 0xFFFF_FF00), (0x9118, 0xF0), (0xD00, 0x0E)]);
        hal
    }

    /// A Lunar Lake with RCS0, BCS0, BCS8, CCS0 and a media GT with VCS0, VECS0.
    pub(crate) fn lnl() -> Self {
        let mut hal = Self::new(0x64A0, 4, 0xDFC);
        hal.regs.extend([
            (0xD8C, 0x0501_0004),
            (0x38_0D8C, 0x0500_0004),
            (0xFD0, 1),
            (0x38_0FD0, 1),
            (0x9114, 0x0001_0000),
            (0x38_9140, 0x0001_0001),
            (0x913C, 0xFF),
            (0x9144, 0xFF),
            (0x9134, 0xFF),
            (0x9118, 0x0003_00F0),
            (0xD00, 0x0E),
            (0x38_0D00, 0x06),
            (0x8800, 1),
        ]);
        hal
    }

    /// Makes the `nth` use (from 0) of a kind of call fail; once, except that a gone device stays gone.
    pub(crate) fn fail_at(mut self, point: Point, nth: usize) -> Self {
        self.fail = Some((point, nth));
        self
    }

    /// How often a kind of call was used.
    pub(crate) fn uses(&self, point: Point) -> usize {
        self.uses.get(&point).copied().unwrap_or(0)
    }

    fn fails(&mut self, point: Point) -> bool {
        let used = self.uses.entry(point).or_insert(0);
        let now = *used;
        *used += 1;
        self.fail == Some((point, now))
    }

    /// What was written, in order, to registers that `pick` wants.
    pub(crate) fn writes(&self, pick: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let writes = self.log.iter().filter_map(|event| match event {
            Event::Write(reg, value) => Some((*reg, *value)),
            _ => None,
        });
        writes.filter(|(reg, _)| pick(*reg)).collect()
    }

    /// Position of an event in the log.
    pub(crate) fn position(&self, event: Event) -> usize {
        let found = self.log.iter().position(|logged| *logged == event);
        found.unwrap_or_else(|| panic!("{event:x?} never happened"))
    }

    /// The acknowledge register of a forcewake request.
    fn ack_of(&self, request: u32) -> Option<u32> {
        let shift = if request >= 0x38_0000 { 0x38_0000 } else { 0 };
        match request - shift {
            0xA188 if self.ack_gt >= 0x4_0000 => Some(self.ack_gt),
            0xA188 => Some(self.ack_gt + shift),
            0xA278 => Some(0xD84),
            reg @ 0xA540..0xA560 => Some(reg - 0xA540 + 0xD50 + shift),
            reg @ 0xA560..0xA570 => Some(reg - 0xA560 + 0xD70 + shift),
            _ => None,
        }
    }

    /// Requests that are still up.
    pub(crate) fn awake(&self) -> Vec<u32> {
        let up = self.regs.iter().filter(|(reg, value)| self.ack_of(**reg).is_some() && **value == 0x0001_0001);
        up.map(|(reg, _)| *reg).collect()
    }

    fn settle(&mut self) {
        let (due, later) = core::mem::take(&mut self.acks).into_iter().partition(|(at, ..)| *at <= self.now);
        self.acks = later;
        let due: Vec<(u64, u32, u32)> = due;
        self.regs.extend(due.into_iter().map(|(_, ack, value)| (ack, value)));
    }

    fn write_selector(&mut self, bank: u32, word: u32) {
        let identity = self.identities.remove(&(bank, word.trailing_zeros())).unwrap_or(0);
        self.regs.insert(0x19_0060 + bank * 4, identity);
    }
}

/// A word of noise: what is stored, a few of its bits flipped, or anything at all.
fn noisy(seed: &mut u64, stored: u32) -> u32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    let word = u32::try_from(*seed >> 32).unwrap();
    match *seed & 3 {
        0 => word,
        1 => stored ^ (word & word.rotate_left(7) & word.rotate_left(13)),
        _ => stored,
    }
}

fn entry_index(reg: RegOffset) -> usize {
    usize::try_from((reg.get() - 0x80_0000) / 8).unwrap()
}

impl Mmio for Recorder {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.settle();
        self.log.push(Event::Read(reg.get()));
        self.gone |= self.fails(Point::Gone);
        if self.gone {
            return u32::MAX;
        }
        let stored = self.regs.get(&reg.get()).copied().unwrap_or(0);
        self.noise.as_mut().map_or(stored, |seed| noisy(seed, stored))
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        self.log.push(Event::Write(reg.get(), value));
        match reg.get() {
            // Writing the bits that are pending clears them.
            0x19_0018 | 0x19_001C | 0x19_0010 | 0x119_0010 | 0x4_44E8 | 0x4_44F8 if value != 0x8000_0000 => {
                let old = self.regs.get(&reg.get()).copied().unwrap_or(0);
                self.regs.insert(reg.get(), old & !value);
            }
            0x19_0010 | 0x119_0010 => {}
            0x19_0008 => {
                let old = self.regs.get(&reg.get()).copied().unwrap_or(0) & !0x8000_0000;
                self.regs.insert(reg.get(), if value & 0x8000_0000 == 0 { old & !value } else { old });
            }
            0x19_0060 | 0x19_0064 => drop(self.regs.insert(reg.get(), 0)),
            selector @ (0x19_0070 | 0x19_0074) => self.write_selector((selector - 0x19_0070) / 4, value),
            0xFD0 | 0x38_0FD0 | 0xD8C | 0x38_0D8C => {}
            other => {
                self.regs.insert(other, value);
                if let Some(ack) = self.ack_of(other).filter(|_| !self.deaf) {
                    self.acks.push((self.now + ACK_DELAY_NS, ack, value & 1));
                }
            }
        }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.log.push(Event::ReadEntries(reg.get(), out.len()));
        self.gone |= self.fails(Point::Gone);
        let first = entry_index(reg);
        for (word, entry) in out.iter_mut().zip(&self.ggtt[first..]) {
            *word = if self.gone { u64::MAX } else { *entry };
        }
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.log.push(Event::Entries(reg.get(), first, step, count));
        let at = entry_index(reg);
        let mut value = first;
        for entry in self.ggtt[at..].iter_mut().take(usize::try_from(count).unwrap()) {
            *entry = value;
            value = value.wrapping_add(step);
        }
    }
}

impl DmaMemory for Recorder {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        if self.fails(Point::Alloc) {
            return Err(HalErrorKind::NoMemory.into());
        }
        let len_bytes = usize::try_from(request.len_bytes).unwrap();
        let words = Box::leak(vec![0u64; len_bytes / 8].into_boxed_slice());
        let bus = BusAddr::new(self.next_bus).unwrap();
        self.next_bus += request.len_bytes;
        self.live_buffers += 1;
        let cpu = NonNull::new(words.as_mut_ptr()).unwrap();
        // SAFETY: the slice was leaked for this buffer alone, is 8-aligned and `len_bytes` long.
        Ok(unsafe { DmaBuffer::from_raw_parts(cpu, len_bytes, bus) })
    }

    fn free(&mut self, buffer: DmaBuffer) {
        let (cpu, len_bytes, _) = buffer.into_raw_parts();
        let words = NonNull::slice_from_raw_parts(cpu, len_bytes / 8);
        // SAFETY: `alloc` leaked exactly this slice, and the buffer was its only owner.
        drop(unsafe { Box::from_raw(words.as_ptr()) });
        self.live_buffers -= 1;
    }

    fn max_block_bytes(&self) -> u64 {
        1 << 21
    }

    fn publish(&mut self, _: &DmaBuffer, _: Range<usize>) {}

    fn observe(&mut self, _: &DmaBuffer, _: Range<usize>) {}
}

impl ConfigSpace for Recorder {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        if self.fails(Point::Config) {
            return Err(HalErrorKind::DeviceGone.into());
        }
        Ok(self.config.get(&offset_bytes).copied().unwrap_or(0))
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        if self.fails(Point::Config) {
            return Err(HalErrorKind::DeviceGone.into());
        }
        self.log.push(Event::Config(offset_bytes, value));
        // The status half is write-one-to-clear.
        let status = self.config.get(&offset_bytes).copied().unwrap_or(0) & 0xFFFF_0000;
        self.config.insert(offset_bytes, status & !value | value & 0xFFFF);
        Ok(())
    }

    fn is_simulated(&self) -> bool {
        !self.poses
    }
}

impl Clock for Recorder {
    fn now(&mut self) -> Nanos {
        Nanos::new(self.now)
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        if self.fails(Point::Relax) {
            return Err(Interrupted);
        }
        self.now = self.now.max(until.get());
        Ok(())
    }
}

impl UserPages for Recorder {}

impl InterruptLine for Recorder {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        if self.fails(Point::IrqEnable) {
            return Err(HalErrorKind::Unsupported.into());
        }
        self.log.push(Event::Irq(true));
        self.irq_on = true;
        Ok(())
    }

    fn irq_disable(&mut self) {
        self.log.push(Event::Irq(false));
        self.irq_on = false;
    }
}
