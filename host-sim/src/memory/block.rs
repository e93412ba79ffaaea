//! The bytes of one buffer, and buffers that were given back.

use super::BufferSource;
use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the CPU's side of a freed buffer is filled with.
const POISON: u64 = 0xDEAD_F1EE_DEAD_F1EE;
/// Bytes of freed buffers that are kept to be looked at.
const QUARANTINE: usize = 16 << 20;
const WORD: usize = size_of::<u64>();

/// Memory that the CPU reaches through a raw mapping. Its length is a multiple of 8.
#[derive(Debug)]
pub(super) struct CpuSide {
    start: NonNull<u64>,
    layout: Layout,
    /// Where it came from, if not from the heap.
    source: Option<Arc<dyn BufferSource>>,
}

// SAFETY: it is plain memory, reached only under the simulation's lock, or by the driver's own volatile accesses.
unsafe impl Send for CpuSide {}

impl CpuSide {
    /// Zeroed memory; none if there is not enough. The length is not 0.
    pub(super) fn new(layout: Layout) -> Option<Self> {
        // SAFETY: the layout is not empty, by the contract of this function.
        let raw = unsafe { alloc_zeroed(layout) };
        NonNull::new(raw.cast::<u64>()).map(|start| Self { start, layout, source: None })
    }

    /// Zeroed memory of somebody else's; none if there is not enough. The length is not 0.
    pub(super) fn from_source(source: &Arc<dyn BufferSource>, layout: Layout) -> Option<Self> {
        let start = source.alloc(layout)?;
        Some(Self { start, layout, source: Some(Arc::clone(source)) })
    }

    /// Whether it is the simulation's own: nobody else minds what is written to it once it was freed.
    pub(super) const fn is_own(&self) -> bool {
        self.source.is_none()
    }

    pub(super) const fn start(&self) -> NonNull<u64> {
        self.start
    }

    pub(super) const fn len(&self) -> usize {
        self.layout.size()
    }

    /// Pointer to a word whose byte offset was checked.
    const fn word(&self, at: usize) -> *mut u64 {
        self.start.as_ptr().cast::<u8>().wrapping_add(at).cast()
    }

    /// The whole word that byte `at` lies in.
    fn load(&self, at: usize) -> u64 {
        let at = at & !(WORD - 1);
        if at >= self.len() {
            return 0;
        }
        // SAFETY: aligned and below the length, which is a multiple of a word; the memory lives as long as `self`.
        unsafe { self.word(at).read_volatile() }
    }

    fn store_byte(&self, at: usize, byte: u8) {
        if at < self.len() {
            // SAFETY: below the length; the memory lives as long as `self`.
            unsafe { self.start.as_ptr().cast::<u8>().wrapping_add(at).write_volatile(byte) }
        }
    }

    /// Stores an aligned word.
    fn store_word(&self, at: usize, value: u64) {
        if at < self.len() {
            // SAFETY: aligned and below the length, which is a multiple of a word; the memory lives as long as `self`.
            unsafe { self.word(at).write_volatile(value) }
        }
    }

    /// Reads bytes, word by word. What lies beyond the end reads as zero.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) {
        let head = (at.wrapping_neg() & (WORD - 1)).min(into.len());
        let (first, rest) = into.split_at_mut(head);
        let cut = |word: u64, at: usize| word.to_le_bytes().into_iter().skip(at & (WORD - 1));
        for (byte, value) in first.iter_mut().zip(cut(self.load(at), at)) {
            *byte = value;
        }
        let mut at = at + head;
        let (words, last) = rest.as_chunks_mut::<WORD>();
        for word in words {
            *word = self.load(at).to_le_bytes();
            at += WORD;
        }
        for (byte, value) in last.iter_mut().zip(cut(self.load(at), at)) {
            *byte = value;
        }
    }

    /// Writes bytes, whole words at once. What lies beyond the end is dropped.
    pub(super) fn write(&self, at: usize, from: &[u8]) {
        let head = (at.wrapping_neg() & (WORD - 1)).min(from.len());
        let (first, rest) = from.split_at(head);
        for (at, byte) in (at..).zip(first) {
            self.store_byte(at, *byte);
        }
        let mut at = at + head;
        let (words, last) = rest.as_chunks::<WORD>();
        for word in words {
            self.store_word(at, u64::from_le_bytes(*word));
            at += WORD;
        }
        for (at, byte) in (at..).zip(last) {
            self.store_byte(at, *byte);
        }
    }

    /// All of it, word by word.
    pub(super) fn values(&self) -> impl Iterator<Item = u64> {
        self.words().map(|at| self.load(at))
    }

    fn words(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).step_by(WORD)
    }
}

impl Drop for CpuSide {
    fn drop(&mut self) {
        match &self.source {
            Some(source) => source.free(self.start, self.layout),
            // SAFETY: allocated with this layout in `new`, and dropped once.
            None => unsafe { dealloc(self.start.as_ptr().cast(), self.layout) },
        }
    }
}

/// Freed buffers: poisoned, and kept for a while to see whether anybody writes to them.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    kept: VecDeque<(u64, CpuSide)>,
    bytes: usize,
}

impl Quarantine {
    /// Takes a buffer of a bus address; what became of those that it pushes out.
    pub(super) fn take(&mut self, bus: u64, cpu: CpuSide) -> Vec<String> {
        for at in cpu.words() {
            cpu.store_word(at, POISON);
        }
        self.bytes += cpu.len();
        self.kept.push_back((bus, cpu));
        let mut found = Vec::new();
        while self.bytes > QUARANTINE
            && let Some((bus, cpu)) = self.kept.pop_front()
        {
            self.bytes -= cpu.len();
            found.extend(disturbed(bus, &cpu));
        }
        found
    }

    /// What became of the buffers; those that were written to are reported once.
    pub(super) fn look(&mut self) -> Vec<String> {
        let found: Vec<String> = self.kept.iter().filter_map(|(bus, cpu)| disturbed(*bus, cpu)).collect();
        if !found.is_empty() {
            self.kept.retain(|(bus, cpu)| disturbed(*bus, cpu).is_none());
            self.bytes = self.kept.iter().map(|(_, cpu)| cpu.len()).sum();
        }
        found
    }
}

fn disturbed(bus: u64, cpu: &CpuSide) -> Option<String> {
    let at = cpu.words().find(|at| cpu.load(*at) != POISON)?;
    Some(format!("the CPU wrote to offset {at:#x} of the buffer at bus address {bus:#x} after it was freed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_and_written_at_every_alignment_and_length() {
        let cpu = CpuSide::new(Layout::from_size_align(64, 4096).unwrap()).unwrap();
        let mut model = [0u8; 64];
        let mut value = 0u8;
        for at in 0..40 {
            for len in 0..24 {
                let bytes: Vec<u8> = (0..len).map(|n| value.wrapping_add(n)).collect();
                value = value.wrapping_add(31);
                cpu.write(at, &bytes);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
                let mut back = vec![0; bytes.len()];
                cpu.read(at, &mut back);
                assert_eq!(back, bytes, "{at} {len}");
            }
        }
        let mut all = [0; 64];
        cpu.read(0, &mut all);
        assert_eq!(all, model);
    }

    #[test]
    fn a_store_to_a_freed_buffer_is_found_once() {
        let layout = Layout::from_size_align(4096, 4096).unwrap();
        let mut quarantine = Quarantine::default();
        let cpu = CpuSide::new(layout).unwrap();
        let stale = cpu.start().as_ptr().wrapping_add(3);
        assert!(quarantine.take(0x1_0000, cpu).is_empty());
        assert!(quarantine.look().is_empty());
        // SAFETY: the quarantine keeps the memory.
        unsafe { stale.write_volatile(1) };
        let found = quarantine.look();
        assert!(found[0].contains("offset 0x18") && found[0].contains("0x10000"), "{found:?}");
        assert!(quarantine.look().is_empty());
    }

    #[test]
    fn the_oldest_leave_when_there_is_no_room() {
        let layout = Layout::from_size_align(QUARANTINE / 2, 4096).unwrap();
        let mut quarantine = Quarantine::default();
        for bus in 1..=3 {
            quarantine.take(bus << 32, CpuSide::new(layout).unwrap());
        }
        assert_eq!((quarantine.kept.len(), quarantine.bytes), (2, QUARANTINE));
    }
}
