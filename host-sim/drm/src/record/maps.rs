//! Mappings, and memory of the client that changes.

use super::Recorder;
use super::book::user;
use crate::mapping::{Mapped, Piece};
use crate::node::{FileId, Node, Refusal};
use barexe_recording::{Addr, Body, MapCall, describe};
use core::ops::Range;

/// How a client has an object in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where it begins.
    pub addr: u64,
    /// Length in bytes.
    pub len_bytes: u64,
    /// What may be done there, in the system's numbers.
    pub prot: i32,
    /// Flags of the mapping, in the system's numbers.
    pub flags: i32,
}

/// What becomes of memory of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is gone.
    Gone,
    /// Other memory is in its place.
    Replaced,
    /// Its contents are dropped: memory of the client's own reads as zero.
    Dropped,
}

impl Node {
    /// A client mapped the object that a file finds at an offset, or was refused.
    pub fn note_mapped(&self, file: FileId, offset: u64, shown: Shown, result: Result<&Mapped, Refusal>) {
        let Some(recorder) = &self.recorder else { return };
        let _turn = recorder.turns.take();
        if let Some(mut book) = recorder.book() {
            // What stands for nothing has no event.
            let Some(bo) = book.objects.at_offset(file.0, offset) else { return };
            let may = |bit, letter| if shown.prot & bit != 0 { letter } else { "" };
            let prot = [may(libc::PROT_READ, "r"), may(libc::PROT_WRITE, "w")].concat();
            let (ret, errno) = match result {
                Ok(_) => (0, None),
                Err(refusal) => (refusal.returned(), Some(describe::errno_name(refusal.0))),
            };
            let addr = result.is_ok().then_some(Addr(shown.addr));
            let (length, flags, bo_offset) = (shown.len_bytes, shown.flags, 0);
            let map =
                MapCall { file: file.0, offset: Addr(offset), length, prot, flags, ret, errno, addr, bo, bo_offset };
            book.out.event(Body::Mmap(map));
            if let Ok(mapped) = result {
                let at = shown.addr..shown.addr.saturating_add(shown.len_bytes);
                let pieces: &[Piece] = &mapped.pieces;
                book.objects.show(bo, at, pieces, shown.prot & libc::PROT_WRITE != 0);
            }
        }
    }

    /// Memory of a client is about to change: what it wrote there is told. Whether the change is to be told, too.
    #[must_use]
    pub fn note_change(&self, range: &Range<u64>) -> bool {
        let Some(recorder) = &self.recorder else { return false };
        let _turn = recorder.turns.take();
        let _state = self.lock();
        let Some(mut book) = recorder.book() else { return false };
        let matters = !book.objects.shown_in(range).is_empty() || !book.ranges.inside(range).is_empty();
        if matters {
            book.catch_up(&recorder.arena);
        }
        matters
    }

    /// It has changed.
    pub fn note_changed(&self, range: &Range<u64>, change: Change) {
        if let Some(recorder) = &self.recorder {
            let _turn = recorder.turns.take();
            let _state = self.lock();
            recorder.changed(range, change);
        }
    }

    /// The process ends: the recording gets its last line.
    pub fn end_recording(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.finish();
        }
    }
}

impl Recorder {
    fn changed(&self, range: &Range<u64>, change: Change) {
        let Some(mut book) = self.book() else { return };
        let memory = book.ranges.inside(range);
        let objects = if change == Change::Dropped { Vec::new() } else { book.objects.shown_in(range) };
        if change == Change::Gone {
            let (addr, length) = user(range);
            book.out.event(Body::Munmap { addr, length });
            book.ranges.remove(range);
            memory.into_iter().for_each(|part| book.client.forget(part));
        } else {
            for part in objects {
                let (addr, length) = user(&part);
                book.out.event(Body::Munmap { addr, length });
            }
            for part in memory {
                let (addr, length) = user(&part);
                book.out.event(Body::Remap { addr, length });
                book.client.forget(part);
            }
        }
        if change != Change::Dropped {
            book.objects.hide(range);
        }
    }
}
