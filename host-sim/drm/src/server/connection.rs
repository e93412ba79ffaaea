//! One connection: one thread of a client at a time asks, and gets its answer.

use super::answers::{self, Answer};
use super::leashes::readable;
use super::{Key, Server};
use crate::node::{FileId, Refusal};
use crate::process::Process;
use crate::wire::{Kind, MOST_ASKED, Message};
use barexe_core::device::InvalidationTicket;
use core::any::Any;
use core::fmt;
use core::time::Duration;
use rustix::event::Timespec;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Files that a child of fork has from the process that the device lives in: they have no keys, but the node's numbers.
#[derive(Clone, Default)]
pub struct Inherited {
    /// Which.
    pub files: Vec<FileId>,
    /// Keeps them open as long as the child is there.
    pub kept: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inherited").field(&self.files).finish()
    }
}

/// One of the connections that a process may have. It has it until the socket is closed, which takes as long as whatever
/// lies in that unread.
#[derive(Debug)]
pub(super) struct Place {
    server: &'static Server,
    process: Process,
}

impl Place {
    /// One for a process, if it may have one more.
    pub(super) fn of(server: &'static Server, process: Process) -> Option<Self> {
        server.arrives(process).then_some(Self { server, process })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.leaves(self.process);
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: &'static Server,
    socket: UnixStream,
    /// Of the process whose it is: whoever made it, until somebody says hello on it; that process then, and no other.
    place: Place,
    /// The session of its process, once it said so.
    pub(super) session: Option<Key>,
    /// Files of the server's own process that a child of it has.
    pub(super) inherited: Inherited,
    /// Pages of the process that are changing.
    pub(super) changing: Option<InvalidationTicket>,
    /// The client was told that its call waits.
    told: bool,
    /// The client is gone, or might as well be.
    lost: bool,
}

impl Connection {
    pub(super) const fn new(server: &'static Server, socket: UnixStream, place: Place, inherited: Inherited) -> Self {
        Self { server, socket, place, inherited, session: None, changing: None, told: false, lost: false }
    }

    /// Whose it is.
    pub(super) const fn process(&self) -> Process {
        self.place.process
    }

    /// The file that the client names.
    pub(super) fn file(&self, key: Key) -> Option<FileId> {
        let inherited = self.inherited.files.iter().find(|file| file.0 == key.0);
        inherited.copied().or_else(|| self.server.books().file(key))
    }

    /// Answers until the client leaves, or sends what is no message.
    pub(super) fn run(mut self) {
        while !self.lost {
            match self.one() {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
    }

    /// One question; false: the client left.
    fn one(&mut self) -> io::Result<bool> {
        let Some(asked) = Message::receive(&self.socket, MOST_ASKED)? else { return Ok(false) };
        if asked.kind == Kind::Interrupt {
            // It came too late: the call was over.
            return Ok(true);
        }
        if !self.is_from_its_process(&asked) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.told = false;
        let mut answer = match answers::answer(self, asked)? {
            Answer::Done(message) => message,
            Answer::Refused(refusal, bytes) => refused(refusal).with_bytes(bytes),
        };
        if let Some(last) = answer.words.last_mut() {
            *last = u64::from(self.server.node.processes.ever_pinned_of(self.process()));
        }
        if !self.lost {
            answer.send(&self.socket)?;
        }
        Ok(true)
    }

    /// Whether a message is from the process that the connection is of. A child of fork has its parent's descriptors: what it
    /// asks there would be about its parent's memory.
    fn is_from_its_process(&self, asked: &Message) -> bool {
        let sender = asked.sender.map(|sender| sender.process);
        sender.is_some() && (self.session.is_none() || sender == Some(self.process()))
    }

    /// The connection is of this process from now on, if that one may have one more.
    pub(super) fn becomes(&mut self, process: Process) -> bool {
        process == self.process() || Place::of(self.server, process).map(|place| self.place = place).is_some()
    }

    /// Lets time pass for a call that waits; whether the client wants it back.
    pub(super) fn idle(&mut self, longest: Duration) -> bool {
        if self.lost {
            // What cannot be given up goes on without its client.
            std::thread::sleep(longest);
            return true;
        }
        if !self.told {
            self.told = true;
            self.lost = Message::new(Kind::Waiting, &[]).send(&self.socket).is_err();
        }
        let longest = Timespec::try_from(longest).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        if !readable(self.socket.as_fd(), Some(&longest)) {
            return false;
        }
        match Message::receive(&self.socket, 0) {
            Ok(Some(message)) if message.kind == Kind::Interrupt => {}
            _ => self.lost = true,
        }
        true
    }
}

fn refused(refusal: Refusal) -> Message {
    Message::new(Kind::Refused, &[u64::from(refusal.0.unsigned_abs())])
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(ticket) = self.changing.take() {
            self.server.node.pages_changed(ticket);
        }
    }
}
