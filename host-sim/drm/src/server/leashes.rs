//! Leashes: pairs of sockets, one end with whoever holds a thing. It hangs up when nobody does any more.

use super::Key;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown, socketpair};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// What tells a socket from all others: its device and number in the system's table of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// Of a descriptor.
    ///
    /// # Errors
    /// The system's.
    pub fn of(descriptor: impl AsFd) -> io::Result<Self> {
        let found = fstat(descriptor)?;
        Ok(Self(found.st_dev, found.st_ino))
    }
}

/// The server's end of a leash.
#[derive(Debug)]
pub struct Leash {
    ours: OwnedFd,
    /// The other end.
    pub theirs: Identity,
}

impl Leash {
    /// Makes the other end readable.
    pub fn pull(&self) {
        // Whoever does not read what is there already needs no more of it.
        let _ = send(&self.ours, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

/// A leash, and its other end. Nothing goes up a leash: a descriptor that a client sent there would be closed together with
/// it, by whoever drops it, and closing can take as long as the client likes.
///
/// # Errors
/// The system's: too many descriptors.
pub fn pair() -> io::Result<(Leash, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    shutdown(&ours, Shutdown::Read)?;
    Ok((Leash { ours, theirs: Identity::of(&theirs)? }, theirs))
}

/// All leashes, watched.
#[derive(Debug)]
pub struct Leashes {
    all: OwnedFd,
    /// Held by whoever acts on what hung up.
    sweeping: Mutex<()>,
}

/// Events that are taken at a time.
const AT_A_TIME: usize = 64;

impl Leashes {
    /// None yet.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self { all: epoll::create(CreateFlags::CLOEXEC)?, sweeping: Mutex::new(()) })
    }

    /// Watches a leash, for as long as it lives.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, leash: &Leash, key: Key) -> io::Result<()> {
        // That the other end hung up is always told; nothing else matters.
        Ok(epoll::add(&self.all, &leash.ours, EventData::new_u64(key.0), EventFlags::empty())?)
    }

    /// Acts on every leash that hung up until now. The act drops it.
    pub fn sweep(&self, mut act: impl FnMut(Key)) {
        let _one = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::with_capacity(AT_A_TIME);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            match epoll::wait(&self.all, spare_capacity(&mut events), Some(&at_once)) {
                Err(Errno::INTR) => {}
                Err(_) | Ok(0) => return,
                Ok(_) => events.drain(..).for_each(|event| act(Key(event.data.u64()))),
            }
        }
    }

    /// Acts on leashes as they hang up, for good.
    pub fn watch(&self, mut act: impl FnMut(Key)) {
        loop {
            if readable(self.all.as_fd(), None) {
                self.sweep(&mut act);
            }
        }
    }
}

/// Waits until there is something to read, or the other side is gone, or the time is over; whether it was one of the first.
pub(crate) fn readable(fd: BorrowedFd<'_>, longest: Option<&Timespec>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, longest).is_ok_and(|ready| ready > 0)
}
