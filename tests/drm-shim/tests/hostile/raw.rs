//! A client that says what it likes on the socket of a server.

use super::BOUND;
use barexe_drm::server::Key;
use barexe_drm::wire::{Kind, MOST_ANSWERED, Message, VERSION};
use core::mem::MaybeUninit;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, IoSlice};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection. Whoever does not answer within [`BOUND`] hangs.
pub(crate) struct Raw(pub(crate) UnixStream);

/// What a new client has: a connection, its session, and that one's leash.
pub(crate) struct Session {
    pub(crate) raw: Raw,
    pub(crate) key: Key,
    pub(crate) leash: OwnedFd,
}

impl Raw {
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(BOUND))?;
        Ok(Self(socket))
    }

    /// Asks; the answer. Nobody who is alive and answers takes longer than [`BOUND`].
    pub(crate) fn ask(&self, question: &Message) -> io::Result<Message> {
        question.send(&self.0)?;
        let answer = Message::receive(&self.0, MOST_ANSWERED)?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub(crate) fn hello(self) -> io::Result<Session> {
        let answer = self.ask(&Message::new(Kind::Hello, &[VERSION, 0]))?;
        let [leash, _arena]: [OwnedFd; 2] =
            answer.descriptors.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Session { raw: self, key: Key(answer.words[0]), leash })
    }
}

impl Session {
    pub(crate) fn new(path: &Path) -> Self {
        Raw::connect(path).unwrap().hello().unwrap()
    }

    /// Something that comes on a leash; the error number if it does not.
    pub(crate) fn leashed(&self, question: &Message) -> Result<(Key, OwnedFd), u64> {
        let mut answer = self.raw.ask(question).unwrap();
        match answer.descriptors.pop() {
            Some(leash) => Ok((Key(answer.words[0]), leash)),
            None => Err(answer.words[0]),
        }
    }

    pub(crate) fn open(&self) -> Result<(Key, OwnedFd), u64> {
        self.leashed(&Message::new(Kind::Open, &[0]))
    }

    /// A call on a file, with this argument struct.
    pub(crate) fn call(&self, file: Key, request: u32, arg: Vec<u8>) -> Message {
        self.raw.ask(&Message::new(Kind::Call, &[file.0, request.into(), 0, 0]).with_bytes(arg)).unwrap()
    }
}

/// Most descriptors that go with one message here.
pub(crate) const MOST: usize = 8;

/// Sends bytes and descriptors as they are, without waiting; whether all of it went.
pub(crate) fn throw(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags) == Ok(bytes.len())
}

/// As many descriptors as the system lets this process have.
pub(crate) fn more_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A socket that takes ten minutes to close as long as its other end, which comes with it, neither reads nor closes.
pub(crate) fn lingering() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    while io::Write::write(&mut &socket, &[0; 1 << 16]).is_ok() {}
    let linger = libc::linger { l_onoff: 1, l_linger: 600 };
    let len = size_of::<libc::linger>() as libc::socklen_t;
    let (fd, at) = (socket.as_raw_fd(), (&raw const linger).cast());
    // SAFETY: the struct is there to be read.
    assert_eq!(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, at, len) }, 0);
    // SAFETY: only numbers. Who closes it waits only if the socket itself may be waited for.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, 0) }, 0);
    (socket.into(), other)
}
