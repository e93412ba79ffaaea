//! A HAL in memory that is right, or wrong in one way.
#![expect(unsafe_code, reason = "makes DMA buffers from heap memory")]

use barexe_hal::{
    BusAddr, Clock, ClockKind, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind, InterruptLine,
    Interrupted, Mmio, Nanos, PinRequest, PinnedRun, RegOffset, UserPages,
};
use core::ops::Range;
use core::ptr::NonNull;

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    MaxBlockDrifts,
    GivesMoreThanMax,
    GrantsAnything,
    GrantsAboveLast,
    Misaligned,
    OutOfRange,
    Dirty,
    DirtyForClients,
    ShortMapping,
    SameMemoryTwice,
    SameBusTwice,
    DirtyOnReuse,
    ObserveRoundsToLines,
    OtherVendor,
    ConfigRounds,
    ConfigWritesFirst,
    TimeJitters,
    MonotonicIsAnotherClock,
    TimeStands,
    Oversleeps,
    EnablesOnce,
    DropsWrites,
    HalfRegister,
    RunTooLong,
    RunForgetsLast,
    PinsMoreThanAsked,
    PinnedPagesMove,
    UnpinMovesTheRest,
    PinsAnything,
    SaysItHasNoPages,
}

/// A HAL in memory; right unless told otherwise.
#[derive(Debug)]
pub(crate) struct Memory {
    fault: Option<Fault>,
    now: u64,
    turn: u64,
    next_bus: u64,
    pub(crate) command: u32,
    pub(crate) irq: bool,
    pub(crate) registers: Vec<u32>,
    pub(crate) entries: Vec<u64>,
    pub(crate) live: Vec<(u64, *mut u64, usize)>,
    reusable: Option<Box<[u64]>>,
    /// Times each page of the client is pinned.
    pub(crate) pins: [u32; CLIENT_PAGES],
    /// Where the client's pages begin on the bus.
    client_bus: u64,
}

/// Memory of the one client that there is.
pub(crate) const CLIENT: u64 = 0x7000_0000;
pub(crate) const CLIENT_PAGES: usize = 8;
/// So many of its pages lie together on the bus.
const PIECE: usize = 3;

const MAX_BLOCK: u64 = 1 << 20;

impl Memory {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            now: 0,
            turn: 0,
            next_bus: 0x10_0000,
            command: 6,
            irq: false,
            registers: vec![0x1234_5678; 16],
            entries: (0..1 << 20).map(|page: u64| page << 12).collect(),
            live: Vec::new(),
            reusable: None,
            pins: [0; CLIENT_PAGES],
            client_bus: 0x2000_0000,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn refuse(&self, request: DmaRequest) -> bool {
        let DmaRequest { len_bytes, align_bytes, last_addr, .. } = request;
        let shape = len_bytes == 0 || len_bytes % 4096 != 0 || !align_bytes.is_power_of_two() || align_bytes < 4096;
        let fits = last_addr.get() >= 1 << 30;
        let size = len_bytes > MAX_BLOCK && !self.has(Fault::GivesMoreThanMax);
        size || shape && !self.has(Fault::GrantsAnything) || !fits && !self.has(Fault::GrantsAboveLast)
    }

    fn place(&mut self, request: DmaRequest) -> u64 {
        let align = if request.align_bytes.is_power_of_two() { request.align_bytes } else { 4096 };
        let bus = self.next_bus.next_multiple_of(align);
        self.next_bus = bus + request.len_bytes.max(4096);
        match self.fault {
            Some(Fault::Misaligned) => bus | 0x800,
            Some(Fault::OutOfRange) => bus + (1 << 40),
            Some(Fault::SameBusTwice) => 0x10_0000_0000,
            _ => bus,
        }
    }

    fn memory(&mut self, request: DmaRequest) -> (*mut u64, usize) {
        let words = usize::try_from(request.len_bytes.max(4096).div_ceil(8)).unwrap();
        if self.has(Fault::SameMemoryTwice)
            && let Some((_, cpu, live_words)) = self.live.first()
            && *live_words == words
        {
            return (*cpu, words);
        }
        let reused = self.reusable.take().filter(|old| old.len() == words && self.has(Fault::DirtyOnReuse));
        let mut memory = reused.unwrap_or_else(|| vec![0; words].into_boxed_slice());
        let for_client = request.owner == barexe_hal::DmaOwner::Client;
        if self.has(Fault::Dirty) || self.has(Fault::DirtyForClients) && for_client {
            memory[words - 1] = 1;
        }
        (Box::into_raw(memory).cast(), words)
    }
}

impl Mmio for Memory {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.registers[usize::try_from(reg.get() / 4).unwrap()]
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        let cell = &mut self.registers[usize::try_from(reg.get() / 4).unwrap()];
        match self.fault {
            Some(Fault::DropsWrites) => {}
            Some(Fault::HalfRegister) => *cell = *cell & 0xFFFF_0000 | value & 0xFFFF,
            _ => *cell = value,
        }
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        let first = usize::try_from((reg.get() - 0x80_0000) / 8).unwrap();
        out.copy_from_slice(&self.entries[first..first + out.len()]);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        let at = usize::try_from((reg.get() - 0x80_0000) / 8).unwrap();
        let count = match self.fault {
            Some(Fault::RunTooLong) => count + 1,
            Some(Fault::RunForgetsLast) if count > 1 => count - 1,
            _ => count,
        };
        let mut value = first;
        for entry in self.entries[at..].iter_mut().take(usize::try_from(count).unwrap()) {
            *entry = value;
            value = value.wrapping_add(step);
        }
    }
}

impl DmaMemory for Memory {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        if self.refuse(request) {
            return Err(HalErrorKind::BadRequest.into());
        }
        let bus = self.place(request);
        let (cpu, words) = self.memory(request);
        self.live.push((bus, cpu, words));
        let len_bytes = if self.has(Fault::ShortMapping) { words * 4 } else { words * 8 };
        // SAFETY: `memory` leaked `words` words for this buffer; with the fault that shares them, both are raw views.
        Ok(unsafe { DmaBuffer::from_raw_parts(NonNull::new(cpu).unwrap(), len_bytes, BusAddr::new(bus).unwrap()) })
    }

    fn free(&mut self, buffer: DmaBuffer) {
        let (cpu, ..) = buffer.into_raw_parts();
        let at = self.live.iter().position(|(_, live, _)| *live == cpu.as_ptr()).expect("freed once");
        let (_, cpu, words) = self.live.swap_remove(at);
        if self.live.iter().all(|(_, other, _)| *other != cpu) {
            // SAFETY: `memory` leaked exactly this slice, and no live buffer views it any more.
            self.reusable = Some(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(cpu, words)) });
        }
    }

    fn max_block_bytes(&self) -> u64 {
        if self.has(Fault::MaxBlockDrifts) { MAX_BLOCK + 4096 } else { MAX_BLOCK }
    }

    fn publish(&mut self, _: &DmaBuffer, _: Range<usize>) {}

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        if self.has(Fault::ObserveRoundsToLines) && !range.is_empty() {
            // Throws the whole cache line away, with what the CPU wrote beside the range.
            let line = range.start & !63;
            (line..range.start).for_each(|at| buffer.write_bytes(at, &[0]).unwrap());
        }
    }
}

impl ConfigSpace for Memory {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        let offset = if self.has(Fault::ConfigRounds) { offset_bytes & !3 & 0xFFF } else { offset_bytes };
        match offset {
            0 if self.has(Fault::OtherVendor) => Ok(0x9A49_1002),
            0 => Ok(0x9A49_8086),
            4 => Ok(self.command),
            4096.. => Err(HalErrorKind::BadRequest.into()),
            _ if offset % 4 != 0 => Err(HalErrorKind::BadRequest.into()),
            _ => Ok(0),
        }
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        let writes_first = self.has(Fault::ConfigWritesFirst) && offset_bytes & 0xFFC == 4;
        if offset_bytes == 4 || writes_first {
            self.command = value;
        }
        if offset_bytes >= 4096 || !offset_bytes.is_multiple_of(4) {
            Err(HalErrorKind::BadRequest.into())
        } else {
            Ok(())
        }
    }
}

impl Clock for Memory {
    fn now(&mut self) -> Nanos {
        self.turn += 1;
        let back = if self.has(Fault::TimeJitters) && self.turn % 100 == 99 { 5 } else { 0 };
        Nanos::new(self.now.saturating_sub(back))
    }

    fn now_by(&mut self, clock: ClockKind) -> Nanos {
        let ahead = if self.has(Fault::MonotonicIsAnotherClock) && clock == ClockKind::Monotonic { 1 } else { 0 };
        self.now().saturating_add(Nanos::new(ahead))
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.now = match self.fault {
            Some(Fault::TimeStands) => self.now,
            Some(Fault::Oversleeps) => self.now.max(until.get()) + 60_000_000,
            _ => self.now.max(until.get()),
        };
        Ok(())
    }
}

impl Memory {
    /// Bus address of a page of the client: after each piece a page stays free.
    fn page_bus(&self, page: usize) -> u64 {
        self.client_bus + 4096 * u64::try_from(page + page / PIECE).unwrap()
    }
}

impl UserPages for Memory {
    fn has_user_pages(&self) -> bool {
        !self.has(Fault::SaysItHasNoPages)
    }

    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        let (addr, len) = (request.addr.get(), request.len_bytes);
        if !self.has(Fault::PinsAnything) && (len == 0 || (addr | len) % 4096 != 0) {
            return Err(HalErrorKind::BadRequest.into());
        }
        let page = usize::try_from(addr.wrapping_sub(CLIENT) / 4096).unwrap();
        if page >= CLIENT_PAGES {
            return Err(HalErrorKind::ClientFault.into());
        }
        if self.has(Fault::PinnedPagesMove) {
            self.client_bus += 1 << 20;
        }
        let wanted = usize::try_from(len / 4096).unwrap() + usize::from(self.has(Fault::PinsMoreThanAsked));
        let end = (page + wanted).min(CLIENT_PAGES).min((page / PIECE + 1) * PIECE);
        for pins in &mut self.pins[page..end] {
            *pins += 1;
        }
        let len_bytes = 4096 * u64::try_from(end - page).unwrap();
        Ok(PinnedRun { bus: BusAddr::new(self.page_bus(page)).unwrap(), len_bytes, token: 7 })
    }

    fn unpin(&mut self, run: PinnedRun) {
        assert_eq!(run.token, 7);
        for at in (0..run.len_bytes).step_by(4096) {
            let bus = (run.bus.get() + at - 0x2000_0000) & 0xF_FFFF | 0x2000_0000;
            let page =
                (0..CLIENT_PAGES).find(|page| (self.page_bus(*page) - 0x2000_0000) & 0xF_FFFF | 0x2000_0000 == bus);
            self.pins[page.expect("a page of the client")] -= 1;
        }
        if self.has(Fault::UnpinMovesTheRest) && self.pins != [0; CLIENT_PAGES] {
            self.client_bus += 1 << 20;
        }
    }
}

impl InterruptLine for Memory {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        if self.irq && self.has(Fault::EnablesOnce) {
            return Err(HalErrorKind::Unsupported.into());
        }
        self.irq = true;
        Ok(())
    }

    fn irq_disable(&mut self) {
        self.irq = false;
    }
}
