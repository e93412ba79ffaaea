//! The C library's own functions: what a program would have called.

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// Finds a function behind this library's own; remembers it.
fn find(known: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let found = known.load(Ordering::Acquire);
    if !found.is_null() {
        return found;
    }
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    known.store(found, Ordering::Release);
    found
}

macro_rules! real {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty, else $missing:expr;)+) => {
        $(
            /// The C library's.
            ///
            /// # Safety
            /// As there.
            pub(crate) unsafe fn $name($($arg: $ty),*) -> $ret {
                static KNOWN: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
                const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"",
                };
                let found = find(&KNOWN, NAME);
                if found.is_null() {
                    return $missing;
                }
                // SAFETY: the function of this name has this signature.
                let function: unsafe extern "C" fn($($ty),*) -> $ret = unsafe { core::mem::transmute(found) };
                // SAFETY: the caller's promise.
                unsafe { function($($arg),*) }
            }
        )+
    };
}

/// The answer of a function that is not there.
pub(crate) fn missing() -> c_int {
    fail(libc::ENOSYS)
}

/// Sets the error number; the answer that goes with it.
pub(crate) fn fail(errno: c_int) -> c_int {
    // SAFETY: only the thread's own place for it is asked for.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: that place can be written.
    unsafe { place.write(errno) };
    -1
}

type Path = *const c_char;

real! {
    open(path: Path, flags: c_int, mode: c_uint) -> c_int, else missing();
    openat(dir: c_int, path: Path, flags: c_int, mode: c_uint) -> c_int, else missing();
    close(fd: c_int) -> c_int, else missing();
    close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int, else missing();
    lseek(fd: c_int, offset: i64, from: c_int) -> i64, else i64::from(missing());
    read(fd: c_int, into: *mut c_void, len: usize) -> isize, else -1;
    write(fd: c_int, from: *const c_void, len: usize) -> isize, else -1;
    pwrite64(fd: c_int, from: *const c_void, len: usize, offset: i64) -> isize, else -1;
    writev(fd: c_int, pieces: *const libc::iovec, count: c_int) -> isize, else -1;
    dup(fd: c_int) -> c_int, else missing();
    dup2(fd: c_int, to: c_int) -> c_int, else missing();
    dup3(fd: c_int, to: c_int, flags: c_int) -> c_int, else missing();
    fcntl(fd: c_int, what: c_int, arg: c_long) -> c_int, else missing();
    fcntl64(fd: c_int, what: c_int, arg: c_long) -> c_int, else missing();
    ioctl(fd: c_int, request: libc::c_ulong, arg: *mut c_void) -> c_int, else missing();
    poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int, else missing();
    mmap(addr: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void,
        else libc::MAP_FAILED;
    munmap(addr: *mut c_void, len: usize) -> c_int, else missing();
    mremap(addr: *mut c_void, old: usize, new: usize, flags: c_int, to: *mut c_void) -> *mut c_void,
        else libc::MAP_FAILED;
    madvise(addr: *mut c_void, len: usize, advice: c_int) -> c_int, else missing();
    stat(path: Path, into: *mut libc::stat) -> c_int, else missing();
    fstatat(dir: c_int, path: Path, into: *mut libc::stat, flags: c_int) -> c_int, else missing();
    statx(dir: c_int, path: Path, flags: c_int, mask: c_uint, into: *mut libc::statx) -> c_int, else missing();
    statfs(path: Path, into: *mut libc::statfs) -> c_int, else missing();
    fstatfs(fd: c_int, into: *mut libc::statfs) -> c_int, else missing();
    readlinkat(dir: c_int, path: Path, into: *mut c_char, room: usize) -> isize, else -1;
    realpath(path: Path, into: *mut c_char) -> *mut c_char, else core::ptr::null_mut();
    access(path: Path, how: c_int) -> c_int, else missing();
    faccessat(dir: c_int, path: Path, how: c_int, flags: c_int) -> c_int, else missing();
    opendir(path: Path) -> *mut c_void, else core::ptr::null_mut();
    scandir(path: Path, list: *mut c_void, filter: *mut c_void, order: *mut c_void) -> c_int, else missing();
    fopen(path: Path, mode: Path) -> *mut c_void, else core::ptr::null_mut();
    fdopen(fd: c_int, mode: Path) -> *mut c_void, else core::ptr::null_mut();
    fclose(stream: *mut c_void) -> c_int, else missing();
}
