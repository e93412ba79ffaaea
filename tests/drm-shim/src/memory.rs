//! mmap and its kin: objects in the client's address space, and pages that the device may be using.

use crate::real;
use crate::signals::Blocked;
use crate::table::{self, Kind, Object};
use barexe_drm::locked::Locked;
use barexe_drm::remote::Deaf;
use barexe_drm::{Access, Change, MapId, Mapped, Shown};
use core::ffi::{c_int, c_void};
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

const PAGE: usize = 4096;

/// A mapped object, or a part of it that is left.
struct Piece {
    at: Range<usize>,
    id: MapId,
    /// Keeps the file open.
    object: Arc<Object>,
}

static PIECES: Locked<Vec<Piece>> = Locked::new(Vec::new());
/// How many there are, to be asked without a lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn before_fork() {
    PIECES.take();
}

pub(crate) fn after_fork() {
    PIECES.release();
}

/// Whether anything of the device's is mapped.
pub(crate) fn has_pieces() -> bool {
    COUNT.load(Ordering::Acquire) > 0
}

fn pages(addr: *mut c_void, len: usize) -> Range<usize> {
    let start = addr.addr();
    start..start.saturating_add(len).saturating_add(PAGE - 1) & !(PAGE - 1)
}

/// Nothing of the range is an object any more; what keeps nothing is taken away. Signals are held back by the caller.
fn forget(gone: &Range<usize>) {
    if COUNT.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut pieces = PIECES.lock();
    let (touched, mut kept): (Vec<_>, Vec<_>) = core::mem::take(&mut *pieces)
        .into_iter()
        .partition(|piece| piece.at.start < gone.end && gone.start < piece.at.end);
    for piece in &touched {
        let parts = [piece.at.start..piece.at.end.min(gone.start), piece.at.start.max(gone.end)..piece.at.end];
        let left = parts.into_iter().filter(|part| !part.is_empty());
        kept.extend(left.map(|at| Piece { at, id: piece.id, object: Arc::clone(&piece.object) }));
    }
    let ended: Vec<_> = touched.iter().filter(|piece| kept.iter().all(|other| other.id != piece.id)).collect();
    for piece in ended {
        if let Some(device) = piece.object.device() {
            device.unmap(piece.id);
        }
    }
    COUNT.store(kept.len(), Ordering::Release);
    *pieces = kept;
    drop(pieces);
    // Files whose last mapping this was are closed here.
    drop(touched);
}

/// Does something to pages of this process once no device uses them. `change` says when it is done.
fn change<R>(range: &Range<usize>, what: Change, change: impl FnOnce(&dyn Fn()) -> R) -> R {
    let _blocked = Blocked::new();
    let Some(device) = crate::node::current().filter(|_| !range.is_empty()) else { return change(&|| ()) };
    let pages = range.start as u64..range.end as u64;
    let noted = device.note_change(&pages);
    let done = || {
        if noted {
            device.note_changed(&pages, what);
        }
    };
    if !device.minds_changes() {
        return change(&done);
    }
    let len = range.end.saturating_sub(range.start) as u64;
    let changing = device.pages_change(range.start as u64, len, &mut Deaf);
    let result = change(&done);
    if let Some(changing) = changing {
        changing.changed();
    }
    result
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mmap(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    let fixed = flags & libc::MAP_FIXED != 0;
    let is_object = table::is_ours(fd) && flags & libc::MAP_ANONYMOUS == 0;
    let real = || {
        if is_object {
            return map_object((addr, len), (prot, flags), fd, offset);
        }
        // SAFETY: what the caller gave.
        unsafe { real::mmap(addr, len, prot, flags, fd, offset) }
    };
    if !fixed {
        return real();
    }
    let range = pages(addr, len);
    change(&range, Change::Replaced, |done| {
        if is_object {
            // What was there goes before what comes is noted.
            done();
            forget(&range);
            return real();
        }
        let place = real();
        if place != libc::MAP_FAILED {
            done();
        }
        forget(&range);
        place
    })
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mmap64(
    addr: *mut c_void,
    len: usize,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { mmap(addr, len, prot, flags, fd, offset) }
}

fn failed(errno: c_int) -> *mut c_void {
    real::fail(errno);
    libc::MAP_FAILED
}

/// Maps what a descriptor of the device leads to.
fn map_object((addr, len): (*mut c_void, usize), (prot, flags): (c_int, c_int), fd: c_int, offset: i64) -> *mut c_void {
    let _blocked = Blocked::new();
    let Some(object) = table::get(fd) else { return failed(libc::EBADF) };
    let Some(device) = object.device() else { return failed(libc::ENODEV) };
    let (len, offset) = (pages(null_mut(), len).end, u64::try_from(offset).unwrap_or(u64::MAX));
    let mapped = match object.kind {
        Kind::File { id, .. } => device.map(id, offset, len as u64),
        Kind::Shared(id, _) if offset == 0 => device.map_shared(id, len as u64),
        Kind::Shared(..) => return failed(libc::EINVAL),
        Kind::Acts(_) => return failed(libc::ENODEV),
    };
    let note = |start: *mut c_void, result| {
        if let Kind::File { id, .. } = object.kind {
            let shown = Shown { addr: start.addr() as u64, len_bytes: len as u64, prot, flags };
            device.note_mapped(id, offset, shown, result);
        }
    };
    let mapped = match mapped {
        Ok(mapped) => mapped,
        Err(refusal) => {
            note(null_mut(), Err(refusal));
            return failed(refusal.0);
        }
    };
    let start = place(device, &mapped, (addr, len), (prot, flags));
    if start == libc::MAP_FAILED {
        device.unmap(mapped.id);
        return start;
    }
    note(start, Ok(&mapped));
    let mut pieces = PIECES.lock();
    pieces.push(Piece { at: pages(start, len), id: mapped.id, object });
    COUNT.store(pieces.len(), Ordering::Release);
    start
}

/// Puts the pieces of an object one behind the other.
fn place(
    device: Access,
    mapped: &Mapped,
    (addr, len): (*mut c_void, usize),
    (prot, flags): (c_int, c_int),
) -> *mut c_void {
    let arena = device.arena();
    // What can be written can be read on this processor, and the driver's copies rest on it.
    let prot = if prot & libc::PROT_WRITE != 0 { prot | libc::PROT_READ } else { prot };
    if let [only] = mapped.pieces.as_slice() {
        let offset = i64::try_from(only.offset).unwrap_or(i64::MAX);
        // SAFETY: the caller's wish, with the file that the object lies in.
        return unsafe { real::mmap(addr, len, prot, flags, arena, offset) };
    }
    let empty = flags & !(libc::MAP_SHARED | libc::MAP_PRIVATE) | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a place for all of it, as the caller wishes.
    let start = unsafe { real::mmap(addr, len, libc::PROT_NONE, empty, -1, 0) };
    if start == libc::MAP_FAILED {
        return start;
    }
    let mut at = start;
    for piece in &mapped.pieces {
        let size = usize::try_from(piece.len_bytes).unwrap_or(usize::MAX);
        let offset = i64::try_from(piece.offset).unwrap_or(i64::MAX);
        // SAFETY: inside the place that was just made.
        let put = unsafe { real::mmap(at, size, prot, flags | libc::MAP_FIXED, arena, offset) };
        if put == libc::MAP_FAILED {
            // SAFETY: the place that was just made.
            unsafe { real::munmap(start, len) };
            return put;
        }
        at = at.wrapping_byte_add(size);
    }
    start
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn munmap(addr: *mut c_void, len: usize) -> c_int {
    let range = pages(addr, len);
    change(&range, Change::Gone, |done| {
        // SAFETY: what the caller gave.
        let answer = unsafe { real::munmap(addr, len) };
        if answer == 0 {
            done();
            forget(&range);
        }
        answer
    })
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mremap(
    addr: *mut c_void,
    old: usize,
    new: usize,
    flags: c_int,
    to: *mut c_void,
) -> *mut c_void {
    change(&pages(addr, old), Change::Gone, |done| {
        // SAFETY: what the caller gave.
        let place = unsafe { real::mremap(addr, old, new, flags, to) };
        if place != libc::MAP_FAILED && place != addr {
            done();
        }
        place
    })
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn madvise(addr: *mut c_void, len: usize, advice: c_int) -> c_int {
    let drops = matches!(advice, libc::MADV_DONTNEED | libc::MADV_REMOVE | libc::MADV_FREE);
    let range = if drops { pages(addr, len) } else { 0..0 };
    change(&range, Change::Dropped, |done| {
        // SAFETY: what the caller gave.
        let answer = unsafe { real::madvise(addr, len, advice) };
        if answer == 0 {
            done();
        }
        answer
    })
}
