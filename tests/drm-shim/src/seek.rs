//! lseek: the end of a shared buffer is its size, and nothing else of it can be sought.

use crate::real::{self, fail};
use crate::signals::Blocked;
use crate::table::{self, Kind};
use barexe_drm::SharedKind;
use core::ffi::c_int;

fn is_buffer(fd: c_int) -> bool {
    let _blocked = Blocked::new();
    table::get(fd).is_some_and(|object| matches!(object.kind, Kind::Shared(_, SharedKind::Bo(_))))
}

macro_rules! seeks {
    ($($name:ident),+) => {
        $(
            /// The C library's function of this name.
            ///
            /// # Safety
            /// As there.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name(fd: c_int, offset: i64, from: c_int) -> i64 {
                let ends = offset == 0 && (from == libc::SEEK_SET || from == libc::SEEK_END);
                if !ends && table::is_ours(fd) && is_buffer(fd) {
                    return fail(libc::EINVAL).into();
                }
                // SAFETY: only numbers.
                unsafe { real::lseek(fd, offset, from) }
            }
        )+
    };
}

seeks!(lseek, lseek64);
