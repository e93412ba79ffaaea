//! A peer's memory, mapped from the file that it handed over.
//!
//! Its other side is another process, which reads and writes whenever it likes. Words are therefore moved as atomics,
//! and no reference to the bytes exists.

use barexe_sim::Backing;
use core::sync::atomic::Ordering;
use rustix::fs::{SealFlags, fcntl_get_seals};
use std::fs::File;
use std::io;
use vm_memory::{Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

/// Whether nobody can make a file shorter. Memory beyond the end of a file is none: whoever touches it is killed.
#[must_use]
pub fn is_sealed(file: &File) -> bool {
    // No memfd: no seals.
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
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
        let file = FileOffset::new(file, offset_bytes);
        let region = MmapRegion::build(Some(file), len_bytes, read | write, flags).map_err(io::Error::other)?;
        Ok(Self { region })
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
    fn read(&self, at_bytes: u64, into: &mut [u8]) {
        let mut at = usize::try_from(at_bytes).unwrap_or(usize::MAX);
        let mut rest = into;
        while !rest.is_empty() {
            let bytes = piece(at, rest.len());
            let (now, later) = rest.split_at_mut(bytes);
            self.load(at, now);
            at = at.saturating_add(bytes);
            rest = later;
        }
    }

    fn write(&self, at_bytes: u64, from: &[u8]) {
        let mut at = usize::try_from(at_bytes).unwrap_or(usize::MAX);
        let mut rest = from;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(piece(at, rest.len()));
            self.store(at, now);
            at = at.saturating_add(now.len());
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    fn file(len: u64) -> File {
        let file = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, len).unwrap();
        File::from(file)
    }

    #[test]
    fn a_file_that_cannot_shrink_is_told_from_one_that_can() {
        let sealed = File::from(memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
        assert!(!is_sealed(&sealed));
        rustix::fs::fcntl_add_seals(&sealed, SealFlags::SHRINK).unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&file(4096)));
        assert!(!is_sealed(&File::open(std::env::current_exe().unwrap()).unwrap()), "it is no memfd");
    }

    const BOTH: Protection = Protection { read: true, write: true };

    #[test]
    fn bytes_are_moved_at_every_alignment_and_length() {
        let memory = SharedFile::new(file(8192), 4096, 4096, BOTH).unwrap();
        let mut model = [0u8; 64];
        let mut value = 0u8;
        for at in 0..40 {
            for len in 0..24 {
                let bytes: Vec<u8> = (0..len).map(|n| value.wrapping_add(n)).collect();
                value = value.wrapping_add(31);
                memory.write(at as u64, &bytes);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
                let mut all = [0; 64];
                memory.read(0, &mut all);
                assert_eq!(all, model, "{at} {len}");
            }
        }
    }

    /// Somebody writes all ones and all zeros in turns: a read that is cut into bytes sees both.
    #[test]
    fn a_word_is_read_and_written_at_once() {
        let file = file(4096);
        let other = SharedFile::new(file.try_clone().unwrap(), 0, 4096, BOTH).unwrap();
        let memory = SharedFile::new(file, 0, 4096, BOTH).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut turns = 0u32;
                while !over.load(Ordering::Relaxed) {
                    let byte = if turns.is_multiple_of(2) { 0xFF } else { 0 };
                    other.write(64, &[byte; 12]);
                    turns = turns.wrapping_add(1);
                }
                turns
            });
            let (mut changes, mut last, mut torn) = (0, 0, None);
            while changes < 1000 && torn.is_none() {
                let (mut wide, mut word) = ([0; 8], [0; 4]);
                memory.read(64, &mut wide);
                memory.read(72, &mut word);
                torn = (wide != [wide[0]; 8] || word != [word[0]; 4]).then_some((wide, word));
                changes += u32::from(wide[0] != last);
                last = wide[0];
            }
            over.store(true, Ordering::Relaxed);
            assert!(writer.join().unwrap() > 1);
            assert_eq!(torn, None);
        });
    }

    #[test]
    fn two_mappings_of_a_file_are_the_same_memory() {
        let file = file(4096);
        let other = SharedFile::new(file.try_clone().unwrap(), 0, 4096, BOTH).unwrap();
        let memory = SharedFile::new(file, 0, 4096, Protection { write: false, ..BOTH }).unwrap();
        other.write(100, &[1, 2, 3]);
        let mut bytes = [0; 3];
        memory.read(100, &mut bytes);
        assert_eq!(bytes, [1, 2, 3]);
    }

    #[test]
    fn a_range_outside_of_the_file_is_refused() {
        assert!(SharedFile::new(file(4096), 4096, 4096, BOTH).is_err());
        assert!(SharedFile::new(file(4096), 0, 8192, BOTH).is_err());
    }
}
