//! open and its kin.

use crate::acting;
use crate::node::node;
use crate::paths::{bytes, descriptor_of, node_at, rewritten};
use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::table::{self, Kind, Object};
use barexe_drm::access::New;
use core::ffi::{c_char, c_int, c_uint};
use std::os::fd::{IntoRawFd, OwnedFd};

/// A descriptor that leads nowhere yet; its number is what counts.
pub(crate) fn empty_descriptor(flags: c_int) -> c_int {
    let keep = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: a C string and numbers.
    unsafe { real::open(c"/dev/null".as_ptr(), libc::O_RDWR | flags & keep, 0) }
}

/// A descriptor that came from a server, with the flags that the caller wants.
pub(crate) fn with_flags(descriptor: OwnedFd, flags: c_int) -> c_int {
    let fd = descriptor.into_raw_fd();
    if flags & libc::O_CLOEXEC == 0 {
        // SAFETY: only numbers.
        unsafe { real::fcntl(fd, libc::F_SETFD, 0) };
    }
    if flags & libc::O_NONBLOCK != 0 {
        // SAFETY: only numbers.
        unsafe { real::fcntl(fd, libc::F_SETFL, libc::c_long::from(libc::O_NONBLOCK)) };
    }
    fd
}

/// Opens a node of the device.
fn open_node(primary: bool, flags: c_int) -> c_int {
    let _blocked = Blocked::new();
    let Some(device) = node() else { return fail(libc::ENODEV) };
    let New { what: id, descriptor } = match device.open_file(primary) {
        Ok(new) => new,
        Err(refusal) => return fail(refusal.0),
    };
    let object = Object::new(device, Kind::File { id, primary });
    let fd = descriptor.map_or_else(|| empty_descriptor(flags), |descriptor| with_flags(descriptor, flags));
    if fd >= 0 && !table::insert(fd, object) {
        // SAFETY: the descriptor is new and nobody else's.
        unsafe { real::close(fd) };
        return fail(libc::EMFILE);
    }
    fd
}

/// Opens what a path names, if that is the device's.
fn opened(dir: c_int, path: &[u8], flags: c_int) -> Option<c_int> {
    if let Some(primary) = node_at(dir, path) {
        return Some(open_node(primary, flags));
    }
    // Whoever opens a descriptor's name opens the node anew.
    let object = {
        let fd = descriptor_of(path)?;
        let _blocked = Blocked::new();
        table::get(fd)?
    };
    match object.kind {
        Kind::File { primary, .. } => Some(open_node(primary, flags)),
        Kind::Shared(..) => Some(fail(libc::ENXIO)),
        Kind::Acts(file) => Some(acting::open(file, flags)),
    }
}

/// # Safety
/// `path` is a C string.
unsafe fn open_any(dir: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    if let Some(fd) = opened(dir, name, flags) {
        return fd;
    }
    let other = rewritten(name);
    let path = other.as_ref().map_or(path, |other| other.as_ptr());
    // SAFETY: a C string, and what the caller gave.
    let fd = unsafe { real::openat(dir, path, flags, mode) };
    if other.is_some() || acting::may_be_one(name) { acting::stand_in(fd, flags) } else { fd }
}

macro_rules! opens {
    ($($name:ident($($arg:ident: $ty:ty),*) = ($dir:expr, $path:expr, $flags:expr, $mode:expr);)+) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As there.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($($arg: $ty),*) -> c_int {
                // SAFETY: the caller's promise. Arguments that were not passed are not looked at by the system.
                unsafe { open_any($dir, $path, $flags, $mode) }
            }
        )+
    };
}

const CREATE: c_int = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

opens! {
    open(path: *const c_char, flags: c_int, mode: c_uint) = (libc::AT_FDCWD, path, flags, mode);
    open64(path: *const c_char, flags: c_int, mode: c_uint) = (libc::AT_FDCWD, path, flags, mode);
    __open_2(path: *const c_char, flags: c_int) = (libc::AT_FDCWD, path, flags, 0);
    __open64_2(path: *const c_char, flags: c_int) = (libc::AT_FDCWD, path, flags, 0);
    openat(dir: c_int, path: *const c_char, flags: c_int, mode: c_uint) = (dir, path, flags, mode);
    openat64(dir: c_int, path: *const c_char, flags: c_int, mode: c_uint) = (dir, path, flags, mode);
    __openat_2(dir: c_int, path: *const c_char, flags: c_int) = (dir, path, flags, 0);
    __openat64_2(dir: c_int, path: *const c_char, flags: c_int) = (dir, path, flags, 0);
    creat(path: *const c_char, mode: c_uint) = (libc::AT_FDCWD, path, CREATE, mode);
    creat64(path: *const c_char, mode: c_uint) = (libc::AT_FDCWD, path, CREATE, mode);
}
