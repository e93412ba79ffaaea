//! Connections of a process to its server: a thread has one for as long as it asks.
//!
//! Whoever waits may never come back: a signal handler can leave the wait by a jump. So what waits owns nothing. The list owns
//! all connections, a [`Lease`] is the number of one in it, and the next call of a thread that waited closes what that
//! wait used. If the thread is still in the handler, its wait finds no connection of its number when it comes back.
#![expect(unsafe_code, reason = "a descriptor is waited for by whoever does not own it")]

use crate::locked::Locked;
use crate::node::Refusal;
use crate::remote::Patience;
use crate::wire::{Kind, MOST_ANSWERED, Message};
use core::sync::atomic::{AtomicU64, Ordering};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{Shutdown, shutdown};
use rustix::thread::{Pid, gettid};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A connection, and who has it.
#[derive(Debug)]
struct Line {
    id: u64,
    socket: Arc<OwnedFd>,
    busy: bool,
    /// The thread that waits on it with signals let in: it may never come back.
    waits: Option<Pid>,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Lines {
    all: Locked<Vec<Line>>,
    last: AtomicU64,
}

/// Connections have high numbers, so that the program's own descriptors are what they would be without.
const FIRST_NUMBER: i32 = 700;

/// The same descriptor with a high number, if there can be such.
pub(super) fn high(socket: OwnedFd) -> OwnedFd {
    fcntl_dupfd_cloexec(&socket, FIRST_NUMBER).unwrap_or(socket)
}

impl Lines {
    pub(super) const fn new() -> Self {
        Self { all: Locked::new(Vec::new()), last: AtomicU64::new(0) }
    }

    /// A connection that nobody uses; a new one if there is none.
    pub(super) fn lease(&self, connect: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Lease<'_>> {
        self.drop_abandoned();
        if let Some(line) = self.all.lock().iter_mut().find(|line| !line.busy) {
            line.busy = true;
            return Ok(Lease { lines: self, id: line.id });
        }
        let socket = Arc::new(high(connect()?));
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        self.all.lock().push(Line { id, socket, busy: true, waits: None });
        Ok(Lease { lines: self, id })
    }

    /// Hangs up and closes where this thread waited and left by a jump out of a signal handler. If it is still in that
    /// handler, its wait ends when it comes back, as one that was interrupted.
    fn drop_abandoned(&self) {
        let own = gettid();
        let mut all = self.all.lock();
        let (abandoned, kept) = core::mem::take(&mut *all).into_iter().partition(|line| line.waits == Some(own));
        *all = kept;
        drop(all);
        let abandoned: Vec<Line> = abandoned;
        abandoned.iter().for_each(|line| hang_up(&line.socket));
    }

    /// Does something with the connection of this number, if it is there.
    fn with<T>(&self, id: u64, work: impl FnOnce(&mut Line) -> T) -> Option<T> {
        let mut all = self.all.lock();
        all.iter_mut().find(|line| line.id == id).map(work)
    }

    /// Takes it out of the list, if it is there.
    fn remove(&self, id: u64) -> Option<Line> {
        let mut all = self.all.lock();
        let at = all.iter().position(|line| line.id == id)?;
        Some(all.swap_remove(at))
    }

    pub(super) fn before_fork(&self) {
        self.all.take();
    }

    pub(super) fn after_fork(&self) {
        self.all.release();
    }

    /// In a child: they are its parent's. Those that other threads used stay open, unused.
    pub(super) fn forget(&self) {
        let all = core::mem::take(&mut *self.all.lock());
        drop(all);
    }
}

fn hang_up(socket: &OwnedFd) {
    // Whatever copies of it there are, in a child of fork: all of them.
    let _ = shutdown(socket, Shutdown::Both);
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Lease<'l> {
    lines: &'l Lines,
    id: u64,
}

impl Lease<'_> {
    /// Asks, and waits for the answer: whatever it is.
    ///
    /// # Errors
    /// ENODEV: the server is gone. EINTR: the connection was needed in a signal handler.
    pub(super) fn ask(&self, question: &Message, patience: &mut dyn Patience) -> Result<Message, Refusal> {
        match self.exchange(question, patience) {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.lines.remove(self.id).map_or(Refusal::INTERRUPTED, |line| {
                hang_up(&line.socket);
                Refusal::NO_DEVICE
            })),
        }
    }

    /// The connection, for as long as no signal can come.
    fn socket(&self) -> io::Result<Arc<OwnedFd>> {
        self.lines.with(self.id, |line| Arc::clone(&line.socket)).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn exchange(&self, question: &Message, patience: &mut dyn Patience) -> io::Result<Message> {
        question.send(self.socket()?)?;
        loop {
            let answer = Message::receive(self.socket()?, MOST_ANSWERED)?;
            let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
            if matches!(answer.kind, Kind::Done | Kind::Refused) {
                return Ok(answer);
            }
            if answer.kind != Kind::Waiting {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.wait(patience)?;
        }
    }

    /// Waits for the answer with signals let in; the server is told of the first. What cannot be given up goes on.
    fn wait(&self, patience: &mut dyn Patience) -> io::Result<()> {
        let waits = Some(gettid());
        let mut told = false;
        loop {
            let begun = self.lines.with(self.id, |line| {
                line.waits = waits;
                line.socket.as_raw_fd()
            });
            let descriptor = begun.ok_or(io::ErrorKind::NotConnected)?;
            // SAFETY: the list keeps it open until another call of this thread begins, in a handler that interrupts the wait
            // or after a jump out of one. Then it is not looked at any more: the list is asked first.
            let interrupted = patience.until_readable(unsafe { BorrowedFd::borrow_raw(descriptor) });
            self.lines.with(self.id, |line| line.waits = None).ok_or(io::ErrorKind::NotConnected)?;
            if !interrupted {
                return Ok(());
            }
            if !told {
                told = true;
                Message::new(Kind::Interrupt, &[]).send(self.socket()?)?;
            }
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.lines.with(self.id, |line| line.busy = false);
    }
}
