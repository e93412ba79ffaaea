//! A machine's memory, as QEMU has it: a file that is handed to the device, and an allocator on top.

#![expect(unsafe_code, reason = "buffers are handed to the driver as raw mappings")]

use barexe_hal::{BusAddr, DmaBuffer, DmaRequest, HalError, HalErrorKind};
use core::ptr::NonNull;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use vfio_user::Client;
use vm_memory::{FileOffset, MmapRegion};

const PAGE: u64 = 4096;
/// Length in bytes. Pages that nobody touches cost nothing.
const BYTES: u64 = 256 << 20;
/// Bus address of its first byte.
pub(crate) const BASE: u64 = 0x1_0000_0000;
/// Longest buffer in one piece.
pub(crate) const BLOCK_BYTES: u64 = 4 << 20;

pub(crate) struct Ram {
    file: File,
    memory: MmapRegion,
    /// Free ranges, as offsets: start and end.
    free: BTreeMap<u64, u64>,
    pub(crate) given: u64,
    pub(crate) returned: u64,
}

impl Ram {
    pub(crate) fn new() -> Self {
        let file = File::from(memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
        ftruncate(&file, BYTES).unwrap();
        let memory = MmapRegion::from_file(FileOffset::new(file.try_clone().unwrap(), 0), BYTES as usize).unwrap();
        Self { file, memory, free: BTreeMap::from([(0, BYTES)]), given: 0, returned: 0 }
    }

    /// Sees to it that nobody makes it shorter.
    pub(crate) fn seal(&self) {
        fcntl_add_seals(&self.file, SealFlags::SHRINK).unwrap();
    }

    /// Takes it away, also where it is mapped. Nobody may touch it any more.
    pub(crate) fn cut(&self) {
        ftruncate(&self.file, 0).unwrap();
    }

    /// Hands it to the device, in pieces that do not end where buffers do: accesses straddle them.
    pub(crate) fn map(&self, client: &mut Client) {
        let mut at = 0;
        while at < BYTES {
            let len = (BYTES / 4 + PAGE).min(BYTES - at);
            client.dma_map(at, BASE + at, len, self.file.as_raw_fd()).unwrap();
            at += len;
        }
    }

    /// Hands a part of it to the device, somewhere.
    pub(crate) fn map_part(&self, client: &mut Client, at: u64, bus: u64, len: u64) {
        client.dma_map(at, bus, len, self.file.as_raw_fd()).unwrap();
    }

    fn cpu(&self, at: u64) -> NonNull<u64> {
        NonNull::new(self.memory.as_ptr().wrapping_add(at as usize).cast()).unwrap()
    }

    pub(crate) fn alloc(&mut self, request: &DmaRequest) -> Result<DmaBuffer, HalError> {
        let DmaRequest { len_bytes, align_bytes, last_addr, .. } = *request;
        let aligned = align_bytes.is_power_of_two() && align_bytes >= PAGE;
        if len_bytes == 0 || !len_bytes.is_multiple_of(PAGE) || !aligned || len_bytes > BLOCK_BYTES {
            return Err(HalErrorKind::BadRequest.into());
        }
        let fits = |(start, end): (&u64, &u64)| {
            let at = (BASE + start).next_multiple_of(align_bytes) - BASE;
            let ok = at + len_bytes <= *end && BASE + at + len_bytes - 1 <= last_addr.get();
            ok.then_some((*start, *end, at))
        };
        let (start, end, at) = self.free.iter().find_map(fits).ok_or(HalErrorKind::NoMemory)?;
        self.free.remove(&start);
        for (start, end) in [(start, at), (at + len_bytes, end)] {
            if start < end {
                self.free.insert(start, end);
            }
        }
        self.given += 1;
        // SAFETY: the mapping lives as long as this value; the range was free, so no other buffer has it. All other
        // accesses to it are the device's, in another process.
        let buffer = unsafe { DmaBuffer::from_raw_parts(self.cpu(at), len_bytes as usize, bus(at)) };
        buffer.fill_steps(0, 0, 0, len_bytes as usize / 8).unwrap();
        Ok(buffer)
    }

    pub(crate) fn free(&mut self, buffer: DmaBuffer) {
        let (_, len, bus) = buffer.into_raw_parts();
        let (mut start, mut end) = (bus.get() - BASE, bus.get() - BASE + len as u64);
        let before = self.free.range(..start).next_back().map(|(at, to)| (*at, *to));
        if let Some((at, _)) = before.filter(|(_, to)| *to == start) {
            self.free.remove(&at);
            start = at;
        }
        if let Some(to) = self.free.remove(&end) {
            end = to;
        }
        self.free.insert(start, end);
        self.returned += 1;
    }
}

const fn bus(at: u64) -> BusAddr {
    BusAddr::new(BASE + at).unwrap()
}
