//! Messages between clients and the server: a head of fixed length, then bytes; descriptors may come with them.
//!
//! ```text
//!   0      4      8                        48
//!   | kind | size | five words of 64 bits  | size bytes
//! ```
//!
//! Numbers are little-endian. What the words of a message mean is said at its [`Kind`]; the others are zero. A client asks
//! and gets one answer; [`Kind::Waiting`] may come before it, [`Kind::Interrupt`] may go behind what was asked. A message
//! that is none ends the connection.

use crate::process::Process;
use core::mem::MaybeUninit;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, UCred, recvmsg, sendmsg,
};
use rustix::process::{getegid, geteuid, getpid};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Version of these messages: both sides have the same, or do not talk.
pub const VERSION: u64 = 2;
/// Most bytes behind the head of what a client asks: the largest argument struct that a request code can name.
pub const MOST_ASKED: usize = 1 << 14;
/// Most bytes behind the head of an answer.
pub const MOST_ANSWERED: usize = 1 << 22;
/// Most descriptors with one message.
const MOST_DESCRIPTORS: usize = 2;

const WORDS: usize = 5;
const HEAD: usize = 8 + 8 * WORDS;

/// Who sent a message, as the system vouches for it: whoever sends says who that is, and may not lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The process.
    pub process: Process,
    /// Its effective user, or one that it can be at once.
    pub user: u32,
}

impl Sender {
    fn own() -> UCred {
        UCred { pid: getpid(), uid: geteuid(), gid: getegid() }
    }

    /// A process that the receiver cannot see is nobody.
    fn of(sender: UCred) -> Option<Self> {
        let process = Process(sender.pid.as_raw_pid());
        (process.0 > 0).then_some(Self { process, user: sender.uid.as_raw() })
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)+) => {
        /// What a message is. Things are named by numbers that nobody can guess ([`Key`](crate::server::Key)).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name = $code,)+
        }

        impl Kind {
            const fn of(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// The first: version, and the process's session or 0 for a new one. Answered by the session; of a new one its leash
    /// comes with it, and the arena.
    Hello = 1;
    /// Open a file: at the primary node. Answered by the file; its leash comes with it.
    Open = 2;
    /// A call: file, request, what its descriptor leads to or 0, whether the thread has `CAP_SYS_NICE`; the argument struct. Answered, or refused, by return
    /// value or error number, and if something left the device, that, its kind and size; the struct. Its leash comes with it.
    Call = 3;
    /// A signal came: whoever made the call wants it back. Not answered.
    Interrupt = 4;
    /// Map an object: file, offset, bytes. Answered by the mapping; a list of offsets and lengths in the arena.
    Map = 5;
    /// Map what a descriptor leads to: that, bytes. Answered alike.
    MapShared = 6;
    /// Take a mapping away: that.
    Unmap = 7;
    /// Pages of the client are going to change: address, bytes. Answered when nothing uses them.
    Change = 8;
    /// They have changed.
    Changed = 9;
    /// Is this sync file signalled? Answered by 1 or 0.
    Signaled = 10;
    /// Merge two sync files. Answered by a third; its leash comes with it.
    Merge = 11;
    /// What is the device like? Answered by JSON.
    Sketch = 12;
    /// What is in use? Answered by JSON.
    State = 13;
    /// The process is about to fork. Answered by a session for the child; its leash comes with it.
    Fork = 14;
    /// Closed descriptors are to be noticed before the answer.
    Settle = 15;
    /// A descriptor comes with this: what is it? Answered by what it leads to, its kind and size.
    Adopt = 16;
    /// What is read in a file that acts? Its number ([`code`](crate::Attribute::code)). Answered by text.
    Show = 17;
    /// Write to a file that acts: its number; what is written.
    Store = 18;
    /// What does the client of a file use? The file. Answered by text.
    Usage = 19;
    /// Put a fence on a buffer: that, what it is about, a sync file.
    AddFence = 20;
    /// What is to be waited for before a buffer is used: that, what for. Answered by a sync file; its leash comes with it.
    FenceOf = 21;
    /// A line comes with this: a connection, for a child of fork, which need not be able to reach the path of the socket.
    /// Answered when it is one.
    Line = 22;
    /// An answer; word 4 says whether the device ever used pages of the process.
    Done = 0x80;
    /// An answer: no, with an error number.
    Refused = 0x81;
    /// The answer is not there yet, and signals may come.
    Waiting = 0x82;
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its numbers.
    pub words: [u64; WORDS],
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What came with it, or goes.
    pub descriptors: Vec<OwnedFd>,
    /// Who sent it, where the receiver wants to know: nobody if it was not one process alone.
    pub sender: Option<Sender>,
}

impl Message {
    /// A message with its first words.
    #[must_use]
    pub fn new(kind: Kind, first: &[u64]) -> Self {
        let mut words = [0; WORDS];
        for (word, value) in words.iter_mut().zip(first) {
            *word = *value;
        }
        Self { kind, words, bytes: Vec::new(), descriptors: Vec::new(), sender: None }
    }

    /// With bytes.
    #[must_use]
    pub fn with_bytes(self, bytes: Vec<u8>) -> Self {
        Self { bytes, ..self }
    }

    /// With descriptors.
    #[must_use]
    pub fn with(self, descriptors: Vec<OwnedFd>) -> Self {
        Self { descriptors, ..self }
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let size = u32::try_from(self.bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut all = Vec::with_capacity(HEAD.saturating_add(self.bytes.len()));
        all.extend((self.kind as u32).to_le_bytes());
        all.extend(size.to_le_bytes());
        self.words.iter().for_each(|word| all.extend(word.to_le_bytes()));
        all.extend(&self.bytes);
        Ok(all)
    }

    /// Sends it.
    ///
    /// # Errors
    /// The system's; the other side may be gone.
    pub fn send(&self, socket: impl AsFd) -> io::Result<()> {
        let all = self.encode()?;
        let lent: Vec<BorrowedFd<'_>> = self.descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS), ScmCredentials(1))];
        let own = Sender::own();
        let mut sent = 0;
        while let Some(rest) = all.get(sent..).filter(|rest| !rest.is_empty()) {
            let mut control = SendAncillaryBuffer::new(&mut space);
            // They go with the first byte.
            if sent == 0 && !lent.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&lent)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if !control.push(SendAncillaryMessage::ScmCredentials(own)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            match sendmsg(&socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
                Ok(more) => sent = sent.saturating_add(more),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for a message of at most so many bytes; `None`: the other side is gone.
    ///
    /// # Errors
    /// The system's; `InvalidData` for what is no message.
    pub fn receive(socket: impl AsFd, most_bytes: usize) -> io::Result<Option<Self>> {
        let (mut head, mut came) = ([0; HEAD], Came::default());
        if !fill(&socket, &mut head, &mut came)? {
            return Ok(None);
        }
        let (numbers, words) = head.split_at(8);
        let [kind, size] =
            [0, 4].map(|at| numbers.get(at..).and_then(<[u8]>::first_chunk).map(|b| u32::from_le_bytes(*b)));
        let kind = kind.and_then(Kind::of).ok_or(io::ErrorKind::InvalidData)?;
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= most_bytes);
        let mut message = Self::new(kind, &[]);
        for (word, bytes) in message.words.iter_mut().zip(words.chunks_exact(8)) {
            *word = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        }
        message.bytes.resize(size.ok_or(io::ErrorKind::InvalidData)?, 0);
        if !fill(&socket, &mut message.bytes, &mut came)? {
            return Ok(None);
        }
        message.sender = came.sender();
        Ok(Some(message.with(came.descriptors)))
    }
}

/// What comes beside the bytes of a message.
#[derive(Debug, Default)]
struct Came {
    descriptors: Vec<OwnedFd>,
    /// Who sent each piece.
    senders: Vec<Option<Sender>>,
}

impl Came {
    /// Whoever sent all of it. A process that begins a message which another one ends is no sender of it.
    fn sender(&self) -> Option<Sender> {
        let first = self.senders.first().copied().flatten();
        first.filter(|_| self.senders.iter().all(|sender| *sender == first))
    }

    /// Takes what came with one piece.
    fn take(&mut self, control: &mut RecvAncillaryBuffer<'_>) {
        let mut sender = None;
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(came) => self.descriptors.extend(came),
                RecvAncillaryMessage::ScmCredentials(own) => sender = Sender::of(own),
                _ => {}
            }
        }
        self.senders.push(sender);
    }
}

/// Reads so many bytes and what comes with them; false: the other side is gone, and not all was there.
fn fill(socket: &impl AsFd, into: &mut [u8], came: &mut Came) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        match recvmsg(socket, &mut [IoSliceMut::new(rest)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(more) if more.bytes == 0 => return Ok(false),
            Ok(more) => {
                filled = filled.saturating_add(more.bytes);
                came.take(&mut control);
                if more.flags.contains(ReturnFlags::CTRUNC) || came.descriptors.len() > MOST_DESCRIPTORS {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_message_arrives_as_it_was_sent_with_its_descriptors() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut message = Message::new(Kind::Call, &[1, 2, u64::MAX]).with_bytes(vec![7; 5000]);
        message.descriptors = vec![OwnedFd::from(here.try_clone().unwrap())];
        message.send(&here).unwrap();
        let found = Message::receive(&there, 5000).unwrap().unwrap();
        assert_eq!((found.kind, found.words, found.bytes), (Kind::Call, [1, 2, u64::MAX, 0, 0], vec![7; 5000]));
        assert_eq!(found.descriptors.len(), 1);
        drop((here, message, found.descriptors));
        assert!(Message::receive(&there, 1).unwrap().is_none(), "the other side is gone");
    }

    #[test]
    fn what_is_no_message_is_an_error_and_takes_no_memory() {
        let mut head = [0; HEAD];
        let rows: [(u32, u32); 3] = [(0, 0), (0x7777, 4), (3, u32::MAX)];
        for (kind, size) in rows {
            let (mut here, there) = UnixStream::pair().unwrap();
            head[..4].copy_from_slice(&kind.to_le_bytes());
            head[4..8].copy_from_slice(&size.to_le_bytes());
            here.write_all(&head).unwrap();
            let error = Message::receive(&there, MOST_ASKED).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{kind:#x} {size:#x}");
        }
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&head[..HEAD - 1]).unwrap();
        drop(here);
        assert!(Message::receive(&there, MOST_ASKED).unwrap().is_none(), "it died in the middle");
    }
}
