//! What unit tests of the simulator share: plain memory behind a bus.

use crate::bus::{Bus, BusError};
use crate::cs::CsSpec;
use crate::fault::Action;
use crate::ppgtt::WalkSpec;
use crate::spec::EngineClass;
use crate::trace::Event;
use std::collections::BTreeMap;

pub(crate) fn tgl_walk() -> WalkSpec {
    CsSpec::for_version(1200).unwrap().walk
}

pub(crate) fn lnl_walk() -> WalkSpec {
    CsSpec::for_version(2004).unwrap().walk
}

/// Pages that exist once written, a GGTT, registers that only store.
#[derive(Default)]
pub(crate) struct MemoryBus {
    pages: BTreeMap<u64, Box<[u8; 4096]>>,
    pub(crate) ggtt: BTreeMap<u32, u64>,
    pub(crate) registers: BTreeMap<u32, u32>,
    pub(crate) events: Vec<Event>,
    pub(crate) faults: Vec<(u64, bool)>,
    pub(crate) complaints: Vec<String>,
    /// Time since the beginning, which is not 0.
    pub(crate) elapsed_ns: u64,
    /// What goes wrong with the next load, and the next reset.
    pub(crate) next_load: Option<Action>,
    pub(crate) next_reset: Option<Action>,
    /// Compression bytes by page, where there are any.
    pub(crate) compression: Option<BTreeMap<u64, u64>>,
}

impl MemoryBus {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn put(&mut self, addr: u64, bytes: &[u8]) {
        for (at, byte) in (addr..).zip(bytes) {
            self.pages.entry(at >> 12).or_insert_with(|| Box::new([0; 4096]))[(at & 0xFFF) as usize] = *byte;
        }
    }

    pub(crate) fn put32(&mut self, addr: u64, dwords: &[u32]) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.put(addr, &bytes);
    }

    pub(crate) fn put64(&mut self, addr: u64, qwords: &[u64]) {
        let bytes: Vec<u8> = qwords.iter().flat_map(|qword| qword.to_le_bytes()).collect();
        self.put(addr, &bytes);
    }

    pub(crate) fn get32(&self, addr: u64) -> u32 {
        let page = &self.pages[&(addr >> 12)];
        u32::from_le_bytes(page[(addr & 0xFFF) as usize..][..4].try_into().unwrap())
    }
}

impl Bus for MemoryBus {
    fn dma_read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), BusError> {
        for (at, byte) in (addr..).zip(into) {
            let page = self.pages.get(&(at >> 12)).ok_or(BusError { addr: at })?;
            *byte = page[(at & 0xFFF) as usize];
        }
        Ok(())
    }

    fn dma_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BusError> {
        if !self.pages.contains_key(&(addr >> 12)) {
            return Err(BusError { addr });
        }
        self.put(addr, from);
        Ok(())
    }

    fn ggtt_entry(&mut self, page: u32) -> Option<u64> {
        (page < 1 << 20).then(|| self.ggtt.get(&page).copied().unwrap_or(0))
    }

    fn set_ggtt_entry(&mut self, page: u32, entry: u64) -> bool {
        if page < 1 << 20 {
            self.ggtt.insert(page, entry);
        }
        page < 1 << 20
    }

    fn mmio_read(&mut self, offset: u32) -> u32 {
        self.registers.get(&offset).copied().unwrap_or(0)
    }

    fn mmio_write(&mut self, offset: u32, value: u32) {
        // The one self-clearing kind that context batches wait for.
        let auxiliary = matches!(offset, 0x4208 | 0x4218 | 0x4238);
        self.registers.insert(offset, if auxiliary { 0 } else { value });
    }

    fn submission_goes_wrong(&mut self, _engine: (EngineClass, u8)) -> Option<Action> {
        self.next_load.take()
    }

    fn reset_goes_wrong(&mut self, _engine: (EngineClass, u8)) -> Option<Action> {
        self.next_reset.take()
    }

    fn now_ns(&mut self) -> u64 {
        1_000_000 + self.elapsed_ns
    }

    fn tracing(&self) -> bool {
        true
    }

    fn trace_at(&mut self, _after_ns: u64, event: Event) {
        self.events.push(event);
    }

    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    fn latch_fault(&mut self, _class: EngineClass, va: u64, ggtt: bool) {
        self.faults.push((va, ggtt));
    }

    fn compression(&mut self, page: u64) -> Option<u64> {
        self.compression.as_ref().map(|pages| pages.get(&page).copied().unwrap_or(0))
    }

    fn set_compression(&mut self, page: u64, bytes: u64) {
        if let Some(pages) = &mut self.compression {
            pages.insert(page, bytes);
        }
    }
}
