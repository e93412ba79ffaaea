//! Functions that only need another path: opendir, scandir, access.

use crate::paths::{bytes, node_at, rewritten};
use crate::real;
use core::ffi::{c_char, c_int, c_void};
use std::ffi::CString;

/// The path that the system has.
pub(crate) struct Found {
    given: *const c_char,
    other: Option<CString>,
}

impl Found {
    /// # Safety
    /// A C string.
    pub(crate) unsafe fn new(dir: c_int, given: *const c_char) -> Self {
        // SAFETY: the caller's promise.
        let name = unsafe { bytes(given) };
        // Everybody may do with a node what can be done with this one.
        let node = node_at(dir, name).map(|_| c"/dev/null".to_owned());
        Self { given, other: node.or_else(|| rewritten(name)) }
    }

    /// It is another than the one that was given.
    pub(crate) const fn is_other(&self) -> bool {
        self.other.is_some()
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.other.as_ref().map_or(self.given, |other| other.as_ptr())
    }
}

macro_rules! with_path {
    ($($name:ident = $real:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)+) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As there.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name(path: *const c_char $(, $arg: $ty)*) -> $ret {
                // SAFETY: the caller's promise.
                let found = unsafe { Found::new(libc::AT_FDCWD, path) };
                // SAFETY: what the caller gave, and a C string.
                unsafe { real::$real(found.as_ptr() $(, $arg)*) }
            }
        )+
    };
}

with_path! {
    opendir = opendir() -> *mut c_void;
    scandir = scandir(list: *mut c_void, filter: *mut c_void, order: *mut c_void) -> c_int;
    scandir64 = scandir(list: *mut c_void, filter: *mut c_void, order: *mut c_void) -> c_int;
    access = access(how: c_int) -> c_int;
    euidaccess = access(how: c_int) -> c_int;
    eaccess = access(how: c_int) -> c_int;
}

/// The C library's function of this name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn faccessat(dir: c_int, path: *const c_char, how: c_int, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    let found = unsafe { Found::new(dir, path) };
    // SAFETY: what the caller gave, and a C string.
    unsafe { real::faccessat(dir, found.as_ptr(), how, flags) }
}
