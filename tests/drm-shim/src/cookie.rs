//! Streams of files that act: what a program has put there goes to the device when the stream is flushed, in one write.
//!
//! The C library's own streams write by functions that nobody can stand in for. These are of the kind that calls functions
//! of the program instead. They have no number that `fileno` could tell.

use crate::acting;
use crate::real;
use crate::signals::Blocked;
use crate::table::{self, Kind};
use core::ffi::{c_char, c_int, c_void};

/// What such a stream calls.
#[repr(C)]
struct Functions {
    read: unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize,
    write: unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize,
    seek: unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int,
    close: unsafe extern "C" fn(*mut c_void) -> c_int,
}

unsafe extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut c_void;
}

/// Whether a descriptor leads to a file that acts.
pub(crate) fn is_wanted(fd: c_int) -> bool {
    if !table::is_ours(fd) {
        return false;
    }
    let _blocked = Blocked::new();
    table::get(fd).is_some_and(|object| matches!(object.kind, Kind::Acts(_)))
}

/// The stream of such a descriptor, which is the stream's from here on; null, and the error number is set: there is none, and
/// the descriptor is as it was.
///
/// # Safety
/// `mode` is a C string.
pub(crate) unsafe fn stream(fd: c_int, mode: *const c_char) -> *mut c_void {
    let cookie = core::ptr::without_provenance_mut(usize::try_from(fd).unwrap_or(0));
    // SAFETY: the caller's promise; the functions are those that the library asks for.
    unsafe { fopencookie(cookie, mode, Functions { read, write, seek, close }) }
}

fn descriptor(cookie: *mut c_void) -> c_int {
    c_int::try_from(cookie.addr()).unwrap_or(-1)
}

unsafe extern "C" fn read(cookie: *mut c_void, into: *mut c_char, len: usize) -> isize {
    // SAFETY: the library's promise: room for so many bytes.
    unsafe { acting::read(descriptor(cookie), into.cast(), len) }
}

unsafe extern "C" fn write(cookie: *mut c_void, from: *const c_char, len: usize) -> isize {
    // SAFETY: the library's promise: so many bytes.
    let written = unsafe { acting::write(descriptor(cookie), from.cast(), len) };
    // So the library wants an error to be told.
    written.max(0)
}

unsafe extern "C" fn seek(cookie: *mut c_void, offset: *mut i64, from: c_int) -> c_int {
    // SAFETY: the library's promise: a number is there.
    let wanted = unsafe { offset.read() };
    // SAFETY: only numbers.
    let at = unsafe { real::lseek(descriptor(cookie), wanted, from) };
    // SAFETY: as above.
    unsafe { offset.write(at) };
    if at < 0 { -1 } else { 0 }
}

unsafe extern "C" fn close(cookie: *mut c_void) -> c_int {
    let fd = descriptor(cookie);
    let _blocked = Blocked::new();
    table::remove(fd);
    // SAFETY: the descriptor is the stream's.
    let done = unsafe { real::close(fd) };
    table::settle();
    done
}
