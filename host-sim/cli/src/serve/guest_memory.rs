//! A peer's memory, mapped from the file that it handed over.
//!
//! Its other side is another process, which reads and writes whenever it likes. Words are therefore moved as atomics,
//! and no reference to the bytes exists.
//!
//! That process can also take the memory away: it cuts the file short, or the file's system finds no room for a page.
//! Whoever touches such memory is killed. Only a memfd that is sealed against shrinking cannot do that; other files are
//! mapped as well, but their bytes are moved by the system, which says so instead (see [`is_sealed`]).

use barexe_drm::Process;
use barexe_sim::Backing;
use core::ops::Range;
use core::sync::atomic::Ordering;
use rustix::fs::{SealFlags, fcntl_get_seals, fstatfs};
use std::fs::File;
use std::io;
use vm_memory::{Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

const PAGE: usize = 4096;
/// Accesses from here on are moved as they come, not word by word, where the system moves them.
const LONG: usize = 64;
/// The file system of memory that is no file's and has pages of the usual size: what huge ones there are can be used up.
const TMPFS: i64 = 0x0102_1994;

/// Whether a file's memory stays where it is: nobody can make the file shorter, and nothing but the machine's own memory is
/// needed for a page of it.
#[must_use]
pub fn is_sealed(file: &File) -> bool {
    // No memfd: no seals.
    let sealed = fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
    sealed && fstatfs(file).is_ok_and(|system| system.f_type == TMPFS)
}

/// What may be done with a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
}

/// A mapped range of a file.
#[derive(Debug)]
pub struct SharedFile {
    region: MmapRegion,
    /// It cannot go away: it is moved without asking the system.
    stays: bool,
}

impl SharedFile {
    /// Maps `len_bytes` of a file from `offset_bytes` on, both multiples of a page.
    ///
    /// # Errors
    /// What the operating system met, or a range that leaves the file.
    pub fn new(file: File, offset_bytes: u64, len_bytes: usize, protection: Protection) -> io::Result<Self> {
        // Mapping more would succeed, and whoever touches it is killed.
        let end = offset_bytes.checked_add(len_bytes as u64);
        let file_bytes = file.metadata()?.len();
        if end.is_none_or(|end| end > file_bytes) {
            let text = format!("{len_bytes:#x} bytes at {offset_bytes:#x} of a file of {file_bytes:#x}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let read = if protection.read { libc::PROT_READ } else { 0 };
        let write = if protection.write { libc::PROT_WRITE } else { 0 };
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        let stays = is_sealed(&file);
        let file = FileOffset::new(file, offset_bytes);
        let region = MmapRegion::build(Some(file), len_bytes, read | write, flags).map_err(io::Error::other)?;
        let own = PAGE as u64;
        if !stays && !Process::own().read((&raw const own).addr() as u64, &mut [0; 8]) {
            let text = "memory that can go away, and the system does not let this process copy its own";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(Self { region, stays })
    }

    /// Cuts an access into pieces and moves each by `through`, where the system moves them.
    fn each_guarded(&self, at_bytes: u64, len: usize, mut through: impl FnMut(u64, Range<usize>) -> bool) -> bool {
        let (mut at, mut done) = (usize::try_from(at_bytes).unwrap_or(usize::MAX), 0);
        while done < len {
            let left = len.saturating_sub(done);
            let of_page = left.min(PAGE.saturating_sub(at % PAGE));
            let bytes = if of_page >= LONG && at.is_multiple_of(8) { of_page & !7 } else { piece(at, left) };
            let end = done.saturating_add(bytes);
            let inside = at.checked_add(bytes).is_some_and(|end| end <= self.region.size());
            let address = self.region.as_ptr().addr().saturating_add(at);
            if !inside || !through(address as u64, done..end) {
                return false;
            }
            (at, done) = (at.saturating_add(bytes), end);
        }
        true
    }

    fn load(&self, at: usize, into: &mut [u8]) {
        let slice = self.region.as_volatile_slice();
        // What lies outside stays as it is: the device's memory map has checked the range.
        match into {
            [_, _, _, _, _, _, _, _] => {
                let _ = slice.load::<u64>(at, Ordering::Acquire).map(|word| into.copy_from_slice(&word.to_ne_bytes()));
            }
            [_, _, _, _] => {
                let _ = slice.load::<u32>(at, Ordering::Acquire).map(|word| into.copy_from_slice(&word.to_ne_bytes()));
            }
            _ => {
                let _ = slice.read_slice(into, at);
            }
        }
    }

    fn store(&self, at: usize, from: &[u8]) {
        let slice = self.region.as_volatile_slice();
        if let Ok(word) = from.try_into().map(u64::from_ne_bytes) {
            let _ = slice.store(word, at, Ordering::Release);
        } else if let Ok(word) = from.try_into().map(u32::from_ne_bytes) {
            let _ = slice.store(word, at, Ordering::Release);
        } else {
            let _ = slice.write_slice(from, at);
        }
    }
}

/// The next piece of an access: a word where one fits, else what leads up to one.
const fn piece(at: usize, left: usize) -> usize {
    if at.is_multiple_of(8) && left >= 8 {
        8
    } else if at.is_multiple_of(4) && left >= 4 {
        4
    } else {
        1
    }
}

impl Backing for SharedFile {
    fn read(&self, at_bytes: u64, into: &mut [u8]) -> bool {
        if !self.stays {
            return self.each_guarded(at_bytes, into.len(), |address, part| {
                Process::own().read(address, into.get_mut(part).unwrap_or_default())
            });
        }
        let mut at = usize::try_from(at_bytes).unwrap_or(usize::MAX);
        let mut rest = into;
        while !rest.is_empty() {
            let bytes = piece(at, rest.len());
            let (now, later) = rest.split_at_mut(bytes);
            self.load(at, now);
            at = at.saturating_add(bytes);
            rest = later;
        }
        true
    }

    fn write(&self, at_bytes: u64, from: &[u8]) -> bool {
        if !self.stays {
            // No piece leaves its page.
            return self.each_guarded(at_bytes, from.len(), |address, part| {
                Process::own().write(address, from.get(part).unwrap_or_default())
            });
        }
        let mut at = usize::try_from(at_bytes).unwrap_or(usize::MAX);
        let mut rest = from;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(piece(at, rest.len()));
            self.store(at, now);
            at = at.saturating_add(now.len());
            rest = later;
        }
        true
    }
}

#[cfg(test)]
#[path = "guest_memory_tests.rs"]
mod tests;
