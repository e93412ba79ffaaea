//! readlink and realpath: answers name the paths that the program knows.

use crate::paths::{bytes, descriptor_of, node_of, node_path, original, rewritten};
use crate::real::{self, fail};
use crate::status::node_of_descriptor;
use core::ffi::{c_char, c_int};

/// Puts a text without an end mark into a buffer; how much of it there was room for.
///
/// # Safety
/// There is room for so many bytes.
unsafe fn tell(text: &[u8], into: *mut c_char, room: usize) -> isize {
    let len = text.len().min(room);
    // SAFETY: the caller's promise; a text and a caller's buffer are apart, or the text is moved to its front.
    unsafe { core::ptr::copy(text.as_ptr(), into.cast::<u8>(), len) };
    isize::try_from(len).unwrap_or(isize::MAX)
}

/// # Safety
/// A C string, and room for so many bytes.
unsafe fn link_any(dir: c_int, path: *const c_char, into: *mut c_char, room: usize) -> isize {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    if let Some(primary) = descriptor_of(name).and_then(node_of_descriptor) {
        // SAFETY: the caller's promise.
        return unsafe { tell(node_path(primary), into, room) };
    }
    let other = rewritten(name);
    let path = other.as_ref().map_or(path, |other| other.as_ptr());
    // SAFETY: the caller's promise.
    let len = unsafe { real::readlinkat(dir, path, into, room) };
    let Ok(filled) = usize::try_from(len) else { return len };
    // SAFETY: so many bytes were just written there.
    let found = unsafe { core::slice::from_raw_parts(into.cast::<u8>(), filled) }.to_vec();
    match original(&found) {
        // SAFETY: it is shorter than what was there.
        Some(known) => unsafe { tell(known, into, room) },
        None => len,
    }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn readlink(path: *const c_char, into: *mut c_char, room: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { link_any(libc::AT_FDCWD, path, into, room) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __readlink_chk(path: *const c_char, into: *mut c_char, room: usize, _: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { link_any(libc::AT_FDCWD, path, into, room) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn readlinkat(dir: c_int, path: *const c_char, into: *mut c_char, room: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { link_any(dir, path, into, room) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __readlinkat_chk(
    dir: c_int,
    path: *const c_char,
    into: *mut c_char,
    room: usize,
    _: usize,
) -> isize {
    // SAFETY: the caller's promise.
    unsafe { link_any(dir, path, into, room) }
}

/// Copies a text with an end mark to where the caller wants it; to new memory if that is nowhere.
///
/// # Safety
/// `into` is null or has room for a path.
unsafe fn give(text: &[u8], into: *mut c_char) -> *mut c_char {
    let place = if into.is_null() {
        // SAFETY: only a number.
        unsafe { libc::malloc(libc::PATH_MAX as usize) }.cast::<c_char>()
    } else {
        into
    };
    let room = (libc::PATH_MAX as usize).saturating_sub(1);
    if !place.is_null() {
        // SAFETY: there is room for a path.
        let len = unsafe { tell(text, place, room) };
        // SAFETY: behind what was written, and inside the room.
        unsafe { place.wrapping_offset(len).write(0) };
    }
    place
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    if let Some(primary) = node_of(name) {
        // SAFETY: the caller's promise.
        return unsafe { give(node_path(primary), into) };
    }
    let Some(other) = rewritten(name) else {
        // SAFETY: the caller's promise.
        return unsafe { real::realpath(path, into) };
    };
    // SAFETY: a C string, and new memory for the answer.
    let found = unsafe { real::realpath(other.as_ptr(), core::ptr::null_mut()) };
    if found.is_null() {
        fail(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOENT));
        return found;
    }
    // SAFETY: the answer is a C string.
    let text = unsafe { bytes(found) }.to_vec();
    // SAFETY: it was allocated for this caller.
    unsafe { libc::free(found.cast()) };
    // SAFETY: the caller's promise.
    unsafe { give(original(&text).unwrap_or(&text), into) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn __realpath_chk(path: *const c_char, into: *mut c_char, _: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { realpath(path, into) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { realpath(path, core::ptr::null_mut()) }
}
