//! close, dup, fcntl: descriptors that come and go; lseek, which tells the size of shared buffers.

use crate::real;
use crate::signals::Blocked;
use crate::table::{self, Kind};
use barexe_drm::SharedKind;
use core::ffi::{c_int, c_long, c_uint};

/// A new descriptor leads where another does.
fn follows(from: c_int, to: c_int) {
    if to >= 0 && from != to {
        let _blocked = Blocked::new();
        // It may have been one that was replaced.
        if table::is_ours(to) {
            table::remove(to);
            table::settle();
        }
        if let Some(object) = table::get(from) {
            table::insert(to, object);
        }
    }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(fd: c_int) -> c_int {
    if !table::is_ours(fd) {
        // SAFETY: the caller's descriptor.
        return unsafe { real::close(fd) };
    }
    let _blocked = Blocked::new();
    table::remove(fd);
    // SAFETY: the caller's descriptor.
    let done = unsafe { real::close(fd) };
    table::settle();
    done
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    let closes = flags.cast_unsigned() & libc::CLOSE_RANGE_CLOEXEC == 0;
    let [from, to] = [first, last].map(|fd| c_int::try_from(fd).unwrap_or(c_int::MAX));
    let _blocked = Blocked::new();
    let ours = if closes && from <= to { table::within(from, to) } else { Vec::new() };
    ours.iter().for_each(|fd| table::remove(*fd));
    // SAFETY: the caller's descriptors.
    let done = unsafe { real::close_range(first, last, flags) };
    if !ours.is_empty() {
        table::settle();
    }
    done
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the caller's descriptor.
    let to = unsafe { real::dup(fd) };
    follows(fd, to);
    to
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    // SAFETY: the caller's descriptors.
    let to = unsafe { real::dup2(fd, to) };
    follows(fd, to);
    to
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    // SAFETY: the caller's descriptors.
    let to = unsafe { real::dup3(fd, to, flags) };
    follows(fd, to);
    to
}

fn controlled(fd: c_int, what: c_int, answer: c_int) -> c_int {
    if matches!(what, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) && table::is_ours(fd) {
        follows(fd, answer);
    }
    answer
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl(fd: c_int, what: c_int, arg: c_long) -> c_int {
    // SAFETY: what the caller gave; an argument that was not passed is not looked at.
    controlled(fd, what, unsafe { real::fcntl(fd, what, arg) })
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl64(fd: c_int, what: c_int, arg: c_long) -> c_int {
    // SAFETY: as above.
    controlled(fd, what, unsafe { real::fcntl64(fd, what, arg) })
}

/// Size of the shared buffer behind a descriptor, if it is one.
fn buffer_bytes(fd: c_int) -> Option<i64> {
    if !table::is_ours(fd) {
        return None;
    }
    let _blocked = Blocked::new();
    match table::get(fd)?.kind {
        Kind::Shared(_, SharedKind::Bo(size)) => i64::try_from(size).ok(),
        Kind::Shared(..) | Kind::File { .. } | Kind::Acts(_) => None,
    }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lseek(fd: c_int, offset: i64, from: c_int) -> i64 {
    match (buffer_bytes(fd), from, offset) {
        (Some(size), libc::SEEK_END, 0) => size,
        (Some(_), libc::SEEK_SET, 0) => 0,
        (Some(_), ..) => i64::from(real::fail(libc::EINVAL)),
        // SAFETY: what the caller gave.
        (None, ..) => unsafe { real::lseek(fd, offset, from) },
    }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn lseek64(fd: c_int, offset: i64, from: c_int) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { lseek(fd, offset, from) }
}
