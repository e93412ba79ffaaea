//! close, dup, fcntl: descriptors that come and go.

use crate::real;
use crate::signals::Blocked;
use crate::table;
use core::ffi::{c_int, c_long, c_uint};

/// A new descriptor leads where another does.
fn follows(from: c_int, to: c_int) {
    if to >= 0 && from != to {
        let _blocked = Blocked::new();
        // It may have been one that was replaced.
        table::remove(to);
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
    if table::is_ours(fd) {
        let _blocked = Blocked::new();
        table::remove(fd);
    }
    // SAFETY: the caller's descriptor.
    unsafe { real::close(fd) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    if flags.cast_unsigned() & libc::CLOSE_RANGE_CLOEXEC == 0 {
        let [from, to] = [first, last].map(|fd| c_int::try_from(fd).unwrap_or(c_int::MAX));
        let _blocked = Blocked::new();
        for fd in if from <= to { table::within(from, to) } else { Vec::new() } {
            table::remove(fd);
        }
    }
    // SAFETY: the caller's descriptors.
    unsafe { real::close_range(first, last, flags) }
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
