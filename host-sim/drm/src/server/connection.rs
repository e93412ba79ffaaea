//! One connection: one thread of a client at a time asks, and gets its answer.

use super::answers::{self, Answer};
use super::leashes::readable;
use super::{Key, Server};
use crate::node::Refusal;
use crate::process::Process;
use crate::wire::{Kind, MOST_ASKED, Message};
use barexe_core::device::InvalidationTicket;
use core::time::Duration;
use rustix::event::Timespec;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: &'static Server,
    socket: UnixStream,
    pub(super) process: Process,
    /// The session of its process, once it said so.
    pub(super) session: Option<Key>,
    /// Pages of the process that are changing.
    pub(super) changing: Option<InvalidationTicket>,
    /// The client was told that its call waits.
    told: bool,
    /// The client is gone, or might as well be.
    lost: bool,
}

impl Connection {
    pub(super) const fn new(server: &'static Server, socket: UnixStream, process: Process) -> Self {
        Self { server, socket, process, session: None, changing: None, told: false, lost: false }
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
        self.told = false;
        let mut answer = match answers::answer(self, asked)? {
            Answer::Done(message) => message,
            Answer::Refused(refusal, bytes) => refused(refusal).with_bytes(bytes),
        };
        if let Some(last) = answer.words.last_mut() {
            *last = u64::from(self.server.node.processes.ever_pinned_of(self.process));
        }
        if !self.lost {
            answer.send(&self.socket)?;
        }
        Ok(true)
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
        self.server.leaves(self.process);
    }
}
