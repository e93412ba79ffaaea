//! Connections of a process to its server: a thread has one for as long as it asks.

use crate::locked::Locked;
use crate::node::Refusal;
use crate::remote::Patience;
use crate::wire::{Kind, MOST_ANSWERED, Message};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{Shutdown, shutdown};
use rustix::thread::{Pid, gettid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A connection, and who has it.
#[derive(Debug)]
struct Line {
    socket: Arc<OwnedFd>,
    busy: bool,
    /// The thread that waits on it with signals let in: it may never come back.
    waits: Option<Pid>,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Lines {
    all: Locked<Vec<Line>>,
}

/// Connections have high numbers, so that the program's own descriptors are what they would be without.
const FIRST_NUMBER: i32 = 700;

/// The same descriptor with a high number, if there can be such.
pub(super) fn high(socket: OwnedFd) -> OwnedFd {
    fcntl_dupfd_cloexec(&socket, FIRST_NUMBER).unwrap_or(socket)
}

impl Lines {
    pub(super) const fn new() -> Self {
        Self { all: Locked::new(Vec::new()) }
    }

    /// A connection that nobody uses; a new one if there is none.
    pub(super) fn lease(&self, connect: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Lease<'_>> {
        self.drop_abandoned();
        if let Some(line) = self.all.lock().iter_mut().find(|line| !line.busy) {
            line.busy = true;
            return Ok(Lease { lines: self, socket: Arc::clone(&line.socket) });
        }
        let socket = Arc::new(high(connect()?));
        self.all.lock().push(Line { socket: Arc::clone(&socket), busy: true, waits: None });
        Ok(Lease { lines: self, socket })
    }

    /// Hangs up where this thread waited and left by a jump out of a signal handler. If it is still in that handler, its
    /// wait ends when it comes back, as one that was interrupted.
    fn drop_abandoned(&self) {
        let own = gettid();
        let mut all = self.all.lock();
        let (abandoned, kept) = core::mem::take(&mut *all).into_iter().partition(|line| line.waits == Some(own));
        *all = kept;
        drop(all);
        let abandoned: Vec<Line> = abandoned;
        abandoned.iter().for_each(|line| hang_up(&line.socket));
    }

    fn with(&self, socket: &Arc<OwnedFd>, change: impl FnOnce(&mut Line)) -> bool {
        let mut all = self.all.lock();
        let found = all.iter_mut().find(|line| Arc::ptr_eq(&line.socket, socket));
        found.map(change).is_some()
    }

    /// Takes it out of the list; false if it is not there any more.
    fn remove(&self, socket: &Arc<OwnedFd>) -> bool {
        let mut all = self.all.lock();
        let at = all.iter().position(|line| Arc::ptr_eq(&line.socket, socket));
        let gone = at.map(|at| all.swap_remove(at));
        drop(all);
        gone.is_some()
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
    socket: Arc<OwnedFd>,
}

impl Lease<'_> {
    /// Asks, and waits for the answer: whatever it is.
    ///
    /// # Errors
    /// ENODEV: the server is gone. EINTR: the connection was needed in a signal handler.
    pub(super) fn ask(&self, question: &Message, patience: &mut dyn Patience) -> Result<Message, Refusal> {
        match self.exchange(question, patience) {
            Ok(answer) => Ok(answer),
            Err(_) if self.lines.remove(&self.socket) => {
                hang_up(&self.socket);
                Err(Refusal::NO_DEVICE)
            }
            Err(_) => Err(Refusal::INTERRUPTED),
        }
    }

    fn exchange(&self, question: &Message, patience: &mut dyn Patience) -> io::Result<Message> {
        question.send(&self.socket)?;
        loop {
            let answer = Message::receive(&self.socket, MOST_ANSWERED)?;
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
            self.lines.with(&self.socket, |line| line.waits = waits);
            let interrupted = patience.until_readable(self.socket.as_fd());
            self.lines.with(&self.socket, |line| line.waits = None);
            if !interrupted {
                return Ok(());
            }
            if !told {
                told = true;
                Message::new(Kind::Interrupt, &[]).send(&self.socket)?;
            }
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.lines.with(&self.socket, |line| line.busy = false);
    }
}
