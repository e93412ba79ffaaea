//! Files that are not what the system has there: those that act, and what the system says of the device's descriptors.
//!
//! Whoever opens one gets a descriptor with the text that stood there at that moment, so that reads need no help, by
//! whatever function. Writes go to the device, those of streams as well (`cookie`). What reaches the descriptor by another
//! way, as by `dprintf`, is refused by the system (EPERM) and not lost in silence.

use crate::node::node;
use crate::paths::{original, path_of};
use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::table::{self, Kind, Object};
use barexe_drm::{Access, Attribute, Refusal};
use core::ffi::{c_int, c_void};

/// What one write may hold; the rest is cut off, as sysfs does.
const MOST_WRITTEN: usize = 4096;

/// What a path may lead to, looked at before anything is opened: most do not.
pub(crate) fn may_be_one(path: &[u8]) -> bool {
    !path.starts_with(b"/") || path.starts_with(b"/proc/")
}

/// A descriptor that was just opened, or the one that stands in for it. `flags`: as it was opened.
pub(crate) fn stand_in(fd: c_int, flags: c_int) -> c_int {
    if fd < 0 || flags & (libc::O_PATH | libc::O_DIRECTORY) != 0 {
        return fd;
    }
    let path = path_of(fd);
    if let Some(of) = device_file_of(&path) {
        return with_usage(fd, of, flags);
    }
    if let Some(known) = original(&path).and_then(|path| core::str::from_utf8(path).ok())
        && let Some(file) = Attribute::of(known)
    {
        return instead_of(fd, open(file, flags));
    }
    fd
}

/// The descriptor that a path tells of, if that is one of the device's files, opened by this process.
fn device_file_of(path: &[u8]) -> Option<c_int> {
    let own = format!("/proc/{}/", std::process::id());
    let (_, number) = core::str::from_utf8(path.strip_prefix(own.as_bytes())?).ok()?.rsplit_once("fdinfo/")?;
    number.parse().ok().filter(|fd| table::is_ours(*fd))
}

/// What the system says of a descriptor, and behind it what the device does.
fn with_usage(fd: c_int, of: c_int, flags: c_int) -> c_int {
    let _blocked = Blocked::new();
    let usage = table::get(of).and_then(|object| match object.kind {
        Kind::File { id, .. } => object.device()?.usage(id).ok(),
        Kind::Shared(..) | Kind::Acts(_) => None,
    });
    let Some(usage) = usage else { return fd };
    let mut text = vec![0; MOST_WRITTEN];
    // SAFETY: room for so many bytes.
    let len = unsafe { real::read(fd, text.as_mut_ptr().cast(), text.len()) };
    text.truncate(usize::try_from(len).unwrap_or(0));
    text.extend(usage.into_bytes());
    instead_of(fd, with_text(&text, flags))
}

/// The second, which has another number than the first; the first is closed.
fn instead_of(fd: c_int, other: c_int) -> c_int {
    let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { real::close(fd) };
    if other < 0 { fail(error) } else { other }
}

/// Opens a file that acts.
pub(crate) fn open(file: Attribute, flags: c_int) -> c_int {
    let reads = flags & libc::O_ACCMODE == libc::O_RDONLY;
    if !reads && file.is_read_only() {
        return fail(libc::EACCES);
    }
    let _blocked = Blocked::new();
    let Some(device) = node() else { return fail(libc::ENODEV) };
    let resets = matches!(file, Attribute::Reset { .. });
    // Opening one of those is no reset yet.
    let text = if resets { Ok(String::new()) } else { device.show(file) };
    let fd = match text {
        Ok(text) => with_text(text.as_bytes(), flags),
        Err(refusal) => return fail(refusal.0),
    };
    // A stream may close those that are only read, behind this library's back: nobody needs to know of them.
    if fd >= 0 && (resets || !reads) && !table::insert(fd, Object::new(device, Kind::Acts(file))) {
        // SAFETY: the descriptor is new and nobody else's.
        unsafe { real::close(fd) };
        return fail(libc::EMFILE);
    }
    fd
}

/// A descriptor with a text in it that the system lets nobody change.
fn with_text(text: &[u8], flags: c_int) -> c_int {
    let keep = if flags & libc::O_CLOEXEC == 0 { 0 } else { libc::MFD_CLOEXEC };
    // SAFETY: a C string and numbers.
    let fd = unsafe { libc::memfd_create(c"text".as_ptr(), libc::MFD_ALLOW_SEALING | keep) };
    if fd < 0 {
        return fd;
    }
    // SAFETY: so many bytes lie there; the place it is read from does not move.
    let put = unsafe { libc::pwrite(fd, text.as_ptr().cast(), text.len(), 0) };
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;
    // SAFETY: only numbers.
    let sealed = unsafe { real::fcntl(fd, libc::F_ADD_SEALS, libc::c_long::from(seals)) };
    if usize::try_from(put) == Ok(text.len()) && sealed == 0 {
        return fd;
    }
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { real::close(fd) };
    fail(libc::ENOMEM)
}

/// The file that acts behind a descriptor, and its device.
fn behind(fd: c_int) -> Option<Result<(Attribute, Access), Refusal>> {
    if !table::is_ours(fd) {
        return None;
    }
    let object = table::get(fd)?;
    let Kind::Acts(file) = object.kind else { return None };
    Some(object.device().map(|device| (file, device)).ok_or(Refusal::NO_DEVICE))
}

/// Writes to a file that acts; `None`: the descriptor leads to none.
fn store(fd: c_int, text: &[u8]) -> Option<isize> {
    let _blocked = Blocked::new();
    let text = text.get(..MOST_WRITTEN).unwrap_or(text);
    let stored = behind(fd)?.and_then(|(file, device)| device.store(file, text));
    Some(match stored {
        Ok(()) => isize::try_from(text.len()).unwrap_or(isize::MAX),
        Err(refusal) => fail(refusal.0) as isize,
    })
}

/// Reads a file whose reading acts; `None`: the descriptor leads to none.
fn show(fd: c_int) -> Option<isize> {
    let _blocked = Blocked::new();
    let shown = match behind(fd)? {
        Ok((Attribute::Scheduling { .. }, _)) => return None,
        Ok((file, device)) => device.show(file),
        Err(refusal) => Err(refusal),
    };
    Some(shown.map_or_else(|refusal| fail(refusal.0) as isize, |_| 0))
}

/// # Safety
/// So many bytes lie there, or the pointer is null.
const unsafe fn text<'t>(from: *const c_void, len: usize) -> &'t [u8] {
    if from.is_null() {
        return b"";
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(from.cast(), len) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, from: *const c_void, len: usize) -> isize {
    if table::is_ours(fd)
        // SAFETY: the caller's promise.
        && let Some(answer) = store(fd, unsafe { text(from, len) })
    {
        return answer;
    }
    // SAFETY: what the caller gave.
    unsafe { real::write(fd, from, len) }
}

macro_rules! pwrites {
    ($($name:ident)+) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As there.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name(fd: c_int, from: *const c_void, len: usize, offset: i64) -> isize {
                if table::is_ours(fd)
                    // SAFETY: the caller's promise.
                    && let Some(answer) = store(fd, unsafe { text(from, len) })
                {
                    return answer;
                }
                // SAFETY: what the caller gave.
                unsafe { real::pwrite64(fd, from, len, offset) }
            }
        )+
    };
}

pwrites! { pwrite pwrite64 }

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(fd: c_int, pieces: *const libc::iovec, count: c_int) -> isize {
    if table::is_ours(fd) && !pieces.is_null() {
        // SAFETY: the caller's promise: so many entries lie there.
        let pieces = unsafe { core::slice::from_raw_parts(pieces, usize::try_from(count).unwrap_or(0)) };
        // SAFETY: the caller's promise, for each of them.
        let all: Vec<u8> =
            pieces.iter().flat_map(|piece| unsafe { text(piece.iov_base, piece.iov_len) }).copied().collect();
        if let Some(answer) = store(fd, &all) {
            return answer;
        }
    }
    // SAFETY: what the caller gave.
    unsafe { real::writev(fd, pieces, count) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn read(fd: c_int, into: *mut c_void, len: usize) -> isize {
    if table::is_ours(fd)
        && let Some(answer) = show(fd)
    {
        return answer;
    }
    // SAFETY: what the caller gave.
    unsafe { real::read(fd, into, len) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __read_chk(fd: c_int, into: *mut c_void, len: usize, _room: usize) -> isize {
    // SAFETY: what the caller gave.
    unsafe { read(fd, into, len) }
}
