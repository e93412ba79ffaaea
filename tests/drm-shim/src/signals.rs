//! Signals held back while the device is held, and let in while a call sleeps.

use barexe_drm::Patience;
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};
use core::time::Duration;
use std::os::fd::{AsRawFd, BorrowedFd};

/// While this lives the thread takes no signals.
pub(crate) struct Blocked {
    before: libc::sigset_t,
}

fn all() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is there to be filled.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: it was filled.
    unsafe { set.assume_init() }
}

impl Blocked {
    pub(crate) fn new() -> Self {
        let (wanted, mut before) = (all(), all());
        // SAFETY: both sets are valid.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const wanted, &raw mut before) };
        Self { before }
    }

    /// Sleeps with signals let in, as they were before; whether one came. It may never return: a handler can leave it.
    pub(crate) fn nap(&self, longest: Duration) -> bool {
        let time = timespec(longest);
        // SAFETY: no descriptors, and valid time and set.
        let woken = unsafe { libc::ppoll(null_mut(), 0, &raw const time, &raw const self.before) };
        woken < 0
    }
}

impl Patience for &Blocked {
    fn nap(&mut self, longest: Duration) -> bool {
        Blocked::nap(self, longest)
    }

    fn until_readable(&mut self, descriptor: BorrowedFd<'_>) -> bool {
        let mut entry = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, and a valid set.
        let woken = unsafe { libc::ppoll(&raw mut entry, 1, null(), &raw const self.before) };
        woken < 0
    }
}

fn timespec(length: Duration) -> libc::timespec {
    let seconds = libc::time_t::try_from(length.as_secs()).unwrap_or(libc::time_t::MAX);
    libc::timespec { tv_sec: seconds, tv_nsec: libc::c_long::from(length.subsec_nanos().cast_signed()) }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was given by the same call.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, null_mut()) };
    }
}
