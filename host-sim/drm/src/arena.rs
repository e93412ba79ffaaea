//! One sparse file of memory in which all buffers lie: the simulated GPU's memory, and what clients map.
#![expect(unsafe_code, reason = "the file is mapped, and pieces of the mapping are handed out as raw memory")]

use barexe_sim::BufferSource;
use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::io::{self, Error};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file, mapped as a whole for as long as this value lives.
#[derive(Debug)]
pub struct Arena {
    file: OwnedFd,
    base: NonNull<u8>,
    len_bytes: usize,
    /// Free ranges: start and length, in bytes.
    free: Mutex<BTreeMap<usize, usize>>,
}

// SAFETY: the mapping belongs to no thread; what is handed out of it is guarded by the lock.
unsafe impl Send for Arena {}
// SAFETY: as above: all that changes is behind the lock.
unsafe impl Sync for Arena {}

impl Arena {
    /// A file of so many bytes, a multiple of 4096. It takes memory only where something was written.
    ///
    /// # Errors
    /// The system's.
    pub fn new(len_bytes: usize) -> io::Result<Self> {
        // SAFETY: the name is a C string; nothing else is passed.
        let fd = unsafe { libc::memfd_create(c"barexe-arena".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        let len = libc::off_t::try_from(len_bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: only numbers are passed.
        if unsafe { libc::ftruncate(fd, len) } != 0 {
            return Err(Error::last_os_error());
        }
        let base = map_shared(fd, len_bytes)?;
        Ok(Self { file, base, len_bytes, free: Mutex::new(BTreeMap::from([(0, len_bytes)])) })
    }

    /// The file, to be mapped elsewhere.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Where in the file a piece of memory lies, if it is one of this arena's.
    #[must_use]
    pub fn offset_of(&self, memory: *const u8) -> Option<u64> {
        let offset = memory.addr().checked_sub(self.base.addr().get()).filter(|offset| *offset < self.len_bytes)?;
        u64::try_from(offset).ok()
    }

    /// A lock whose holder failed is still a lock.
    fn free_ranges(&self) -> MutexGuard<'_, BTreeMap<usize, usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first free range that fits out of the list; its start.
    fn take(&self, layout: Layout) -> Option<usize> {
        let mut free = self.free_ranges();
        let aligned = |start: usize| start.checked_next_multiple_of(layout.align());
        let (start, len, at) = free.iter().find_map(|(start, len)| {
            let at = aligned(*start)?;
            let end = at.checked_add(layout.size())?;
            (end <= start.checked_add(*len)?).then_some((*start, *len, at))
        })?;
        free.remove(&start);
        let (end, taken) = (start.saturating_add(len), at.saturating_add(layout.size()));
        if at > start {
            free.insert(start, at.saturating_sub(start));
        }
        if end > taken {
            free.insert(taken, end.saturating_sub(taken));
        }
        Some(at)
    }

    /// Puts a range back; neighbours become one.
    fn put(&self, start: usize, len: usize) {
        let mut free = self.free_ranges();
        let (mut start, mut len) = (start, len);
        if let Some((before, before_len)) = free.range(..start).next_back().map(|(at, len)| (*at, *len))
            && before.saturating_add(before_len) == start
        {
            free.remove(&before);
            (start, len) = (before, len.saturating_add(before_len));
        }
        if let Some(after) = free.remove(&start.saturating_add(len)) {
            len = len.saturating_add(after);
        }
        free.insert(start, len);
    }
}

impl AsFd for Arena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn map_shared(fd: RawFd, len_bytes: usize) -> io::Result<NonNull<u8>> {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
    // SAFETY: a new mapping, at a place of the system's choice.
    let base = unsafe { libc::mmap(core::ptr::null_mut(), len_bytes, prot, flags, fd, 0) };
    if base == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    NonNull::new(base.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

// SAFETY: pieces come out of the list of free ranges, so none overlaps another; the mapping is for reading and writing,
// and a range goes back only after its pages were given back to the system, so that it reads as zero.
unsafe impl BufferSource for Arena {
    fn alloc(&self, layout: Layout) -> Option<NonNull<u64>> {
        let at = self.take(layout)?;
        // SAFETY: the offset is inside the mapping.
        Some(unsafe { self.base.add(at) }.cast())
    }

    fn free(&self, start: NonNull<u64>, layout: Layout) {
        let at = start.addr().get().saturating_sub(self.base.addr().get());
        let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let (Ok(from), Ok(len)) = (libc::off_t::try_from(at), libc::off_t::try_from(layout.size())) else { return };
        // SAFETY: only numbers are passed.
        if unsafe { libc::fallocate(self.fd(), hole, from, len) } != 0 {
            // It would not read as zero: better lost than given again.
            return;
        }
        self.put(at, layout.size());
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; everything handed out was to be given back before.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(pages: usize) -> Layout {
        Layout::from_size_align(pages << 12, 4096).unwrap()
    }

    #[test]
    fn pieces_are_apart_zeroed_and_become_one_again() {
        let arena = Arena::new(16 * 4096).unwrap();
        let pieces: Vec<_> = core::iter::from_fn(|| arena.alloc(layout(4))).collect();
        assert_eq!(
            pieces.iter().filter_map(|piece| arena.offset_of(piece.as_ptr().cast())).collect::<Vec<_>>(),
            [0, 0x4000, 0x8000, 0xC000]
        );
        // SAFETY: the piece is mapped and nobody else's.
        unsafe { pieces[1].write(7) };
        for piece in [pieces[0], pieces[2], pieces[1]] {
            arena.free(piece, layout(4));
        }
        assert_eq!(*arena.free_ranges(), BTreeMap::from([(0, 0xC000)]));
        let again = arena.alloc(layout(8)).unwrap();
        // SAFETY: as above.
        let found = unsafe { again.as_ptr().wrapping_byte_add(0x4000).read() };
        assert_eq!((again, found), (pieces[0], 0));
        assert!(arena.alloc(layout(5)).is_none() && arena.alloc(layout(4)).is_some());
    }

    #[test]
    fn memory_elsewhere_has_no_offset() {
        let arena = Arena::new(4096).unwrap();
        assert_eq!(arena.offset_of(core::ptr::from_ref(&arena).cast()), None);
    }
}
