//! stat and its kin.

use crate::paths::{bytes, node_at, original, path_of, rewritten};
use crate::real;
use crate::signals::Blocked;
use crate::table::{self, Kind};
use core::ffi::{c_char, c_int, c_uint};

/// Major number of DRM devices.
const DRM_MAJOR: u32 = 226;
/// What the system says of sysfs and of debugfs.
const SYSFS_MAGIC: i64 = 0x6265_6572;
const DEBUGFS_MAGIC: i64 = 0x6462_6720;

/// A character device that everybody may read and write, as the newer call has it.
const NODE_MODE: u16 = 0o020_666;

/// Minor number of a node.
const fn minor(primary: bool) -> u32 {
    if primary { 0 } else { 128 }
}

/// The node a descriptor of the device was opened at; true for the primary one.
pub(crate) fn node_of_descriptor(fd: c_int) -> Option<bool> {
    if !table::is_ours(fd) {
        return None;
    }
    let _blocked = Blocked::new();
    match table::get(fd)?.kind {
        Kind::File { primary, .. } => Some(primary),
        Kind::Shared(..) | Kind::Acts(_) => None,
    }
}

/// The node that a path, or a descriptor with an empty path, stands for.
fn node_named(dir: c_int, path: &[u8], flags: c_int) -> Option<bool> {
    if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
        return node_of_descriptor(dir);
    }
    node_at(dir, path)
}

/// What stat says of a node.
///
/// # Safety
/// `into` can be written.
unsafe fn fill(primary: bool, into: *mut libc::stat) -> c_int {
    // SAFETY: a C string, and what the caller promises.
    let done = unsafe { real::stat(c"/dev/null".as_ptr(), into) };
    // SAFETY: it was just filled.
    if let (0, Some(into)) = (done, unsafe { into.as_mut() }) {
        into.st_mode = libc::S_IFCHR | 0o666;
        into.st_rdev = libc::makedev(DRM_MAJOR, minor(primary));
        into.st_ino = 0x1000 + u64::from(minor(primary));
    }
    done
}

/// # Safety
/// A C string, and room for an answer.
unsafe fn stat_any(dir: c_int, path: *const c_char, into: *mut libc::stat, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    if let Some(primary) = node_named(dir, name, flags) {
        // SAFETY: the caller's promise.
        return unsafe { fill(primary, into) };
    }
    let other = rewritten(name);
    let path = other.as_ref().map_or(path, |other| other.as_ptr());
    // SAFETY: the caller's promise.
    unsafe { real::fstatat(dir, path, into, flags) }
}

macro_rules! stats {
    ($($name:ident($($arg:ident: $ty:ty),*) = ($dir:expr, $path:expr, $flags:expr);)+) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As there.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($($arg: $ty,)* into: *mut libc::stat) -> c_int {
                // SAFETY: the caller's promise.
                unsafe { stat_any($dir, $path, into, $flags) }
            }
        )+
    };
}

const HERE: c_int = libc::AT_FDCWD;
const LINK: c_int = libc::AT_SYMLINK_NOFOLLOW;
const EMPTY: *const c_char = c"".as_ptr();

stats! {
    stat(path: *const c_char) = (HERE, path, 0);
    stat64(path: *const c_char) = (HERE, path, 0);
    lstat(path: *const c_char) = (HERE, path, LINK);
    lstat64(path: *const c_char) = (HERE, path, LINK);
    fstat(fd: c_int) = (fd, EMPTY, libc::AT_EMPTY_PATH);
    fstat64(fd: c_int) = (fd, EMPTY, libc::AT_EMPTY_PATH);
    __xstat(_version: c_int, path: *const c_char) = (HERE, path, 0);
    __xstat64(_version: c_int, path: *const c_char) = (HERE, path, 0);
    __lxstat(_version: c_int, path: *const c_char) = (HERE, path, LINK);
    __lxstat64(_version: c_int, path: *const c_char) = (HERE, path, LINK);
    __fxstat(_version: c_int, fd: c_int) = (fd, EMPTY, libc::AT_EMPTY_PATH);
    __fxstat64(_version: c_int, fd: c_int) = (fd, EMPTY, libc::AT_EMPTY_PATH);
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fstatat(dir: c_int, path: *const c_char, into: *mut libc::stat, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { stat_any(dir, path, into, flags) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fstatat64(
    dir: c_int,
    path: *const c_char,
    into: *mut libc::stat,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { stat_any(dir, path, into, flags) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn statx(
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    into: *mut libc::statx,
) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    let node = node_named(dir, name, flags);
    let other = if node.is_some() { Some(c"/dev/null".to_owned()) } else { rewritten(name) };
    let path = other.as_ref().map_or(path, |other| other.as_ptr());
    // SAFETY: the caller's promise.
    let done = unsafe { real::statx(dir, path, flags, mask, into) };
    // SAFETY: it was just filled.
    if let (Some(primary), 0, Some(into)) = (node, done, unsafe { into.as_mut() }) {
        into.stx_mode = NODE_MODE;
        (into.stx_rdev_major, into.stx_rdev_minor) = (DRM_MAJOR, minor(primary));
    }
    done
}

/// The file system that a path of the tree would be on.
///
/// # Safety
/// `into` was filled, or is null.
unsafe fn name_system(path: &[u8], into: *mut libc::statfs) {
    let magic = match () {
        () if path.starts_with(b"/sys/kernel/debug") => DEBUGFS_MAGIC,
        () if path.starts_with(b"/sys") => SYSFS_MAGIC,
        () => return,
    };
    // SAFETY: the caller's promise.
    if let Some(into) = unsafe { into.as_mut() } {
        into.f_type = magic;
    }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn statfs(path: *const c_char, into: *mut libc::statfs) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { bytes(path) };
    let Some(other) = rewritten(name) else {
        // SAFETY: the caller's promise.
        return unsafe { real::statfs(path, into) };
    };
    // SAFETY: the caller's promise.
    let done = unsafe { real::statfs(other.as_ptr(), into) };
    if done == 0 {
        // SAFETY: it was just filled.
        unsafe { name_system(name, into) };
    }
    done
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn statfs64(path: *const c_char, into: *mut libc::statfs) -> c_int {
    // SAFETY: the caller's promise; both structs are the same where addresses have 64 bits.
    unsafe { statfs(path, into) }
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fstatfs(fd: c_int, into: *mut libc::statfs) -> c_int {
    // SAFETY: the caller's promise.
    let done = unsafe { real::fstatfs(fd, into) };
    if done == 0
        && let Some(path) = original(&path_of(fd))
    {
        // SAFETY: it was just filled.
        unsafe { name_system(path, into) };
    }
    done
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fstatfs64(fd: c_int, into: *mut libc::statfs) -> c_int {
    // SAFETY: as for statfs64.
    unsafe { fstatfs(fd, into) }
}
