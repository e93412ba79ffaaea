//! fopen, fdopen and fclose.

use crate::acting::{may_be_one, stand_in};
use crate::cookie;
use crate::folders::Found;
use crate::paths::bytes;
use crate::real;
use crate::signals::Blocked;
use crate::table;
use core::ffi::{c_char, c_int, c_void};

/// How a stream of this mode opens its file.
fn flags_of(mode: &[u8]) -> c_int {
    let access = match (mode.first(), mode.contains(&b'+')) {
        (_, true) => libc::O_RDWR,
        (Some(b'r'), false) => libc::O_RDONLY,
        (_, false) => libc::O_WRONLY,
    };
    access | if mode.contains(&b'e') { libc::O_CLOEXEC } else { 0 }
}

/// # Safety
/// Two C strings.
unsafe fn open_stream(path: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    let found = unsafe { Found::new(libc::AT_FDCWD, path) };
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    if !found.is_other() && !may_be_one(name) {
        // SAFETY: what the caller gave.
        return unsafe { real::fopen(path, mode) };
    }
    // SAFETY: what the caller gave, and a C string.
    let stream = unsafe { real::fopen(found.as_ptr(), mode) };
    if stream.is_null() {
        return stream;
    }
    // SAFETY: an open stream.
    let fd = unsafe { libc::fileno(stream.cast()) };
    // SAFETY: only numbers.
    let copy = unsafe { real::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: the caller's promise.
    let other = stand_in(copy, flags_of(unsafe { bytes(mode) }));
    if other == copy {
        // SAFETY: the descriptor is new and nobody else's.
        unsafe { real::close(copy) };
        return stream;
    }
    if other < 0 {
        let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        // SAFETY: an open stream, used no more.
        unsafe { real::fclose(stream) };
        real::fail(error);
        return core::ptr::null_mut();
    }
    if cookie::is_wanted(other) {
        // SAFETY: an open stream, used no more.
        unsafe { real::fclose(stream) };
        // SAFETY: the caller's promise.
        let acts = unsafe { cookie::stream(other, mode) };
        if acts.is_null() {
            let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM);
            table::remove(other);
            // SAFETY: the descriptor is new and nobody else's.
            unsafe { real::close(other) };
            real::fail(error);
        }
        return acts;
    }
    // SAFETY: the caller's promise.
    exchange(other, fd, flags_of(unsafe { bytes(mode) }) & libc::O_CLOEXEC);
    stream
}

/// What a descriptor leads to from now on is what another does, which is closed.
fn exchange(other: c_int, fd: c_int, keep: c_int) {
    let _blocked = Blocked::new();
    // SAFETY: both are this process's.
    unsafe { real::dup3(other, fd, keep) };
    if let Some(object) = table::get(other).filter(|_| table::is_ours(other)) {
        table::insert(fd, object);
    }
    table::remove(other);
    // SAFETY: the descriptor is this function's.
    unsafe { real::close(other) };
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { open_stream(path, mode) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { open_stream(path, mode) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fdopen(fd: c_int, mode: *const c_char) -> *mut c_void {
    if cookie::is_wanted(fd) {
        // SAFETY: the caller's promise.
        return unsafe { cookie::stream(fd, mode) };
    }
    // SAFETY: what the caller gave.
    unsafe { real::fdopen(fd, mode) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fclose(stream: *mut c_void) -> c_int {
    let fd = if stream.is_null() {
        -1
    } else {
        // SAFETY: the caller's stream is open.
        unsafe { libc::fileno(stream.cast()) }
    };
    if !table::is_ours(fd) {
        // SAFETY: what the caller gave.
        return unsafe { real::fclose(stream) };
    }
    let _blocked = Blocked::new();
    table::remove(fd);
    // SAFETY: what the caller gave.
    let done = unsafe { real::fclose(stream) };
    table::settle();
    done
}
