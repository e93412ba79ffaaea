//! Looking at memory as it is now: of the arena only what was ever written, of the client only what is there.
#![expect(unsafe_code, reason = "the arena's file is read, and asked where it has anything")]

use super::present::present;
use crate::arena::Arena;
use crate::process::Process;
use core::ops::Range;

/// Bytes that are looked at in one go.
const CHUNK: u64 = 64 << 10;

/// The pieces of a range that are looked at in one go.
fn chunks(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    core::iter::from_fn(move || {
        let end = (at & !(CHUNK - 1)).saturating_add(CHUNK).min(range.end);
        let chunk = at..end;
        at = end;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The first place from `at` on where the arena has something, or has nothing.
fn seek(arena: &Arena, at: u64, what: libc::c_int) -> Option<u64> {
    // SAFETY: only numbers are passed; nobody else moves the position of this descriptor.
    let found = unsafe { libc::lseek(arena.fd(), libc::off_t::try_from(at).ok()?, what) };
    u64::try_from(found).ok()
}

/// Shows what a range of the arena holds, where it holds anything.
pub(super) fn arena(arena: &Arena, range: Range<u64>, mut show: impl FnMut(u64, &[u8])) {
    let mut at = range.start;
    while at < range.end {
        let Some(data) = seek(arena, at, libc::SEEK_DATA).filter(|data| *data < range.end) else { return };
        let hole = seek(arena, data, libc::SEEK_HOLE).unwrap_or(range.end).min(range.end);
        for chunk in chunks(data..hole) {
            let mut bytes = vec![0u8; usize::try_from(chunk.end.saturating_sub(chunk.start)).unwrap_or(0)];
            let from = libc::off_t::try_from(chunk.start).unwrap_or(0);
            // SAFETY: the buffer is as long as is said.
            let read = unsafe { libc::pread(arena.fd(), bytes.as_mut_ptr().cast(), bytes.len(), from) };
            if usize::try_from(read) == Ok(bytes.len()) {
                show(chunk.start, &bytes);
            }
        }
        at = hole.max(at.saturating_add(1));
    }
}

/// Shows what a range of a client's memory holds, as far as it can be read and was ever written.
pub(super) fn client(process: Process, range: Range<u64>, mut show: impl FnMut(u64, &[u8])) {
    const PAGE: u64 = 4096;
    for chunk in present(process, &range).into_iter().flat_map(chunks) {
        let mut bytes = vec![0u8; usize::try_from(chunk.end.saturating_sub(chunk.start)).unwrap_or(0)];
        if process.read(chunk.start, &mut bytes) {
            show(chunk.start, &bytes);
            continue;
        }
        let mut at = chunk.start;
        while at < chunk.end {
            let end = (at & !(PAGE - 1)).saturating_add(PAGE).min(chunk.end);
            let mut bytes = vec![0u8; usize::try_from(end.saturating_sub(at)).unwrap_or(0)];
            if process.read(at, &mut bytes) {
                show(at, &bytes);
            }
            at = end;
        }
    }
}
