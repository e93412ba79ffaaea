//! A client of a node in another process (see [`server`](crate::server)).
//!
//! Signals are held back by the caller, and let in while it waits through a [`Patience`]: a handler may leave a waiting
//! call by `longjmp`. The call's connection is then closed at the next call of the thread, and the server gives the wait up.

mod beside;
mod lines;

use crate::carry::Carried;
use crate::locked::Locked;
use crate::mapping::{MapId, Mapped};
use crate::node::{FileId, Node, Refusal};
use crate::process::{Caller, Process};
use crate::server::Key;
use crate::server::told::{pieces, shared_kind};
use crate::shared::SharedKind;
use crate::sketch::Sketch;
use crate::state::NodeState;
use crate::wire::{Kind, Message, VERSION};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use lines::{Lease, Lines, high};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How a caller waits.
pub trait Patience {
    /// Lets time pass; whether a signal came.
    fn nap(&mut self, longest: Duration) -> bool;

    /// Waits until there is something to read, or a signal came; whether it was a signal.
    fn until_readable(&mut self, descriptor: BorrowedFd<'_>) -> bool;
}

/// Waits through signals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Patience for Deaf {
    fn nap(&mut self, longest: Duration) -> bool {
        std::thread::sleep(longest);
        false
    }

    fn until_readable(&mut self, descriptor: BorrowedFd<'_>) -> bool {
        let _ = crate::server::leashes::readable(descriptor, None);
        false
    }
}

/// Something of the client's, with the descriptor that leads to it.
#[derive(Debug)]
pub struct Leashed {
    /// Its key.
    pub key: Key,
    /// Closed when nobody needs it any more.
    pub descriptor: OwnedFd,
}

/// Something that left the device.
#[derive(Debug)]
pub struct Left {
    /// Key and descriptor.
    pub leashed: Leashed,
    /// What it is.
    pub kind: SharedKind,
}

/// What a descriptor leads to that came from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file, opened at the primary node or not.
    File(Key, bool),
    /// Something that left the device.
    Shared(Key, SharedKind),
}

/// What the process is to the server; ends when its leash is closed.
#[derive(Debug)]
struct Session {
    key: Key,
    _leash: OwnedFd,
}

/// What a child of fork begins with.
#[derive(Debug, Default)]
struct Child {
    /// That of the child, if it has its parent's mappings.
    session: Option<Session>,
    /// A connection that nobody used yet. The child may have given up the rights that it takes to make one.
    line: Option<OwnedFd>,
}

/// A node that a server has.
#[derive(Debug)]
pub struct Remote {
    path: PathBuf,
    /// The server's process.
    server: Option<Process>,
    arena: OwnedFd,
    lines: Lines,
    session: Locked<Option<Session>>,
    /// The child to come.
    child: Locked<Child>,
    /// A connection that this process, a child, got from its parent.
    spare: Locked<Option<OwnedFd>>,
    /// The device has used pages of this process.
    pinned: AtomicBool,
}

/// Pages that are changing.
#[derive(Debug)]
pub struct Changing<'r>(Lease<'r>);

impl Remote {
    /// Connects to the server that listens at a path.
    ///
    /// # Errors
    /// The system's: nobody listens there. `InvalidData`: whoever does is no such server.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        let server = Process::at_other_end(&socket);
        let socket = OwnedFd::from(socket);
        let (session, arena) = first(&socket, server)?;
        let remote = Self {
            path: path.to_path_buf(),
            server,
            arena: high(arena),
            lines: Lines::new(),
            session: Locked::new(Some(session)),
            child: Locked::new(Child { session: None, line: None }),
            spare: Locked::new(None),
            pinned: AtomicBool::new(false),
        };
        drop(remote.lines.lease(|| Ok(socket))?);
        Ok(remote)
    }

    /// The node of a process whose child will have `line`, one that the process [admits](crate::Server::admit). The child
    /// says hello when it first asks; one of its threads at a time can.
    ///
    /// # Errors
    /// The system's.
    pub fn of_parent(node: &Node, line: UnixStream) -> io::Result<Self> {
        Ok(Self {
            path: PathBuf::new(),
            server: Some(Process::own()),
            arena: high(node.arena().as_fd().try_clone_to_owned()?),
            lines: Lines::new(),
            session: Locked::new(None),
            child: Locked::new(Child { session: None, line: None }),
            spare: Locked::new(Some(high(line.into()))),
            pinned: AtomicBool::new(false),
        })
    }

    /// One more connection, of the process's session; the first of a process makes one.
    fn another(&self) -> io::Result<OwnedFd> {
        let spare = self.spare.lock().take();
        let socket = spare.map_or_else(|| UnixStream::connect(&self.path).map(OwnedFd::from), Ok)?;
        let known = self.session.lock().as_ref().map(|session| session.key);
        let Some(key) = known else {
            let (session, _) = first(&socket, self.server)?;
            *self.session.lock() = Some(session);
            return Ok(socket);
        };
        hello(&socket, key)?;
        Ok(socket)
    }

    fn lease(&self) -> Result<Lease<'_>, Refusal> {
        self.lines.lease(|| self.another()).map_err(|_| Refusal::NO_DEVICE)
    }

    /// Asks; the answer, whatever it is.
    fn exchange(&self, question: &Message, patience: &mut dyn Patience) -> Result<Message, Refusal> {
        let answer = self.lease()?.ask(question, patience)?;
        if answer.words.last().is_some_and(|pinned| *pinned != 0) {
            self.pinned.store(true, Ordering::Release);
        }
        Ok(answer)
    }

    /// Asks; the answer, if it is not a refusal.
    fn ask(&self, kind: Kind, words: &[u64]) -> Result<Message, Refusal> {
        accepted(self.exchange(&Message::new(kind, words), &mut Deaf)?)
    }

    /// The memory that all buffers lie in.
    #[must_use]
    pub fn arena(&self) -> BorrowedFd<'_> {
        self.arena.as_fd()
    }

    /// Opens a file, at the primary or at the render node. It is closed when its descriptor is, in all processes, and
    /// its mappings are gone.
    ///
    /// # Errors
    /// There is no room for more; the server is gone.
    pub fn open_file(&self, primary: bool) -> Result<Leashed, Refusal> {
        leashed(self.ask(Kind::Open, &[u64::from(primary)])?)
    }

    /// One call on a file; `arg` is its argument struct, as long as the request says. `given`: what the descriptor in it
    /// leads to. Its return value, and what left the device by it.
    ///
    /// # Errors
    /// The code of the interface.
    pub fn call(
        &self,
        file: FileId,
        request: u32,
        arg: &mut [u8],
        given: Key,
        patience: &mut dyn Patience,
    ) -> Result<(u32, Option<Left>), Refusal> {
        let privileged = u64::from(Caller::own().privileged);
        let words = [file.0, u64::from(request), given.0, privileged];
        let question = Message::new(Kind::Call, &words).with_bytes(arg.to_vec());
        let answer = self.exchange(&question, patience)?;
        for (place, byte) in arg.iter_mut().zip(&answer.bytes) {
            *place = *byte;
        }
        let mut answer = accepted(answer)?;
        let [value, key, kind, size, _] = answer.words;
        let value = u32::try_from(value).map_err(|_| Refusal::NO_DEVICE)?;
        let leaves = Carried::of(request).is_some_and(|carried| carried.comes_out);
        match (answer.descriptors.pop(), shared_kind(kind, size)) {
            (Some(descriptor), Some(kind)) if leaves => {
                Ok((value, Some(Left { leashed: Leashed { key: Key(key), descriptor }, kind })))
            }
            _ => Ok((value, None)),
        }
    }

    /// Maps the first bytes of the object that a file finds at an offset.
    ///
    /// # Errors
    /// EINVAL where there is none or it is shorter; ENOMEM.
    pub fn map(&self, file: FileId, offset: u64, len_bytes: u64) -> Result<Mapped, Refusal> {
        self.ask(Kind::Map, &[file.0, offset, len_bytes]).map(mapped)
    }

    /// Maps the first bytes of a shared object.
    ///
    /// # Errors
    /// EINVAL if it is none or shorter; ENOMEM.
    pub fn map_shared(&self, shared: Key, len_bytes: u64) -> Result<Mapped, Refusal> {
        self.ask(Kind::MapShared, &[shared.0, len_bytes]).map(mapped)
    }

    /// Takes a mapping away.
    pub fn unmap(&self, id: MapId) {
        // Without a server there is none.
        let _ = self.ask(Kind::Unmap, &[id.0]);
    }

    /// Whether a change of this process's memory may matter to the device.
    #[must_use]
    pub fn minds_changes(&self) -> bool {
        self.pinned.load(Ordering::Acquire)
    }

    /// Pages of this process are going to change: returns when the device has let them go.
    pub fn pages_change(&self, addr: u64, len_bytes: u64) -> Option<Changing<'_>> {
        let lease = self.lease().ok()?;
        lease.ask(&Message::new(Kind::Change, &[addr, len_bytes]), &mut Deaf).ok()?;
        Some(Changing(lease))
    }

    /// Whether the fence of a sync file is signalled; then its descriptor is readable. Of what is gone, yes.
    #[must_use]
    pub fn is_signaled(&self, key: Key) -> bool {
        self.ask(Kind::Signaled, &[key.0]).map_or(true, |answer| answer.words.first() == Some(&1))
    }

    /// A sync file that is signalled when both are.
    ///
    /// # Errors
    /// EINVAL if one is no sync file; no room.
    pub fn merge(&self, one: Key, other: Key) -> Result<Left, Refusal> {
        let leashed = leashed(self.ask(Kind::Merge, &[one.0, other.0])?)?;
        Ok(Left { leashed, kind: SharedKind::SyncFile })
    }

    /// What a descriptor leads to that this process did not get from the server itself.
    #[must_use]
    pub fn adopt(&self, descriptor: BorrowedFd<'_>) -> Option<Found> {
        let descriptor = descriptor.try_clone_to_owned().ok()?;
        let question = Message::new(Kind::Adopt, &[]).with(vec![descriptor]);
        let [key, kind, size, ..] = accepted(self.exchange(&question, &mut Deaf).ok()?).ok()?.words;
        match kind {
            1 | 2 => Some(Found::File(Key(key), kind == 2)),
            _ => Some(Found::Shared(Key(key), shared_kind(kind, size)?)),
        }
    }

    /// Returns when the server has noticed what was closed before.
    pub fn settle(&self) {
        let _ = self.ask(Kind::Settle, &[]);
    }

    /// What is shown of the device.
    ///
    /// # Errors
    /// The server is gone.
    pub fn sketch(&self) -> Result<Sketch, Refusal> {
        parsed(&self.ask(Kind::Sketch, &[])?)
    }

    /// What is in use at the node.
    ///
    /// # Errors
    /// The server is gone.
    pub fn state(&self) -> Result<NodeState, Refusal> {
        parsed(&self.ask(Kind::State, &[])?)
    }

    /// The process is about to fork. `maps`: it has mappings, which the child will have as well.
    pub fn before_fork(&self, maps: bool) {
        let session = if maps { self.ask(Kind::Fork, &[]).and_then(leashed).ok() } else { None };
        let session = session.map(|session| Session { key: session.key, _leash: session.descriptor });
        *self.child.lock() = Child { session, line: self.line_for_another().ok() };
        self.lines.before_fork();
        self.session.take();
        self.spare.take();
        self.child.take();
    }

    /// A connection that another process will say hello on.
    fn line_for_another(&self) -> Result<OwnedFd, Refusal> {
        let (ours, theirs) = UnixStream::pair().map_err(|_| Refusal::NO_DEVICE)?;
        let question = Message::new(Kind::Line, &[]).with(vec![theirs.into()]);
        accepted(self.exchange(&question, &mut Deaf)?)?;
        Ok(high(ours.into()))
    }

    /// It has forked; this is the parent.
    pub fn in_parent(&self) {
        self.after_fork();
        drop(core::mem::take(&mut *self.child.lock()));
    }

    /// It has forked; this is the child.
    pub fn in_child(&self) {
        self.after_fork();
        self.lines.forget();
        self.pinned.store(false, Ordering::Release);
        let Child { session, line } = core::mem::take(&mut *self.child.lock());
        drop(core::mem::replace(&mut *self.session.lock(), session));
        drop(core::mem::replace(&mut *self.spare.lock(), line));
        if let Some(server) = self.server {
            server.trust();
        }
    }

    fn after_fork(&self) {
        self.child.release();
        self.spare.release();
        self.session.release();
        self.lines.after_fork();
    }
}

impl Changing<'_> {
    /// They have changed.
    pub fn changed(self) {
        // A server that is gone reaches no pages.
        let _ = self.0.ask(&Message::new(Kind::Changed, &[]), &mut Deaf);
    }
}

/// The first connection of a process: with a session and the arena.
fn first(socket: &OwnedFd, server: Option<Process>) -> io::Result<(Session, OwnedFd)> {
    if let Some(server) = server {
        server.trust();
    }
    let answer = hello(socket, Key(0))?;
    let [key, ..] = answer.words;
    let [leash, arena]: [OwnedFd; 2] = answer.descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok((Session { key: Key(key), _leash: high(leash) }, arena))
}

fn hello(socket: &OwnedFd, session: Key) -> io::Result<Message> {
    Message::new(Kind::Hello, &[VERSION, session.0]).send(socket)?;
    let answer = Message::receive(socket, 0)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if answer.kind == Kind::Done { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn accepted(answer: Message) -> Result<Message, Refusal> {
    match (answer.kind, answer.words.first()) {
        (Kind::Done, _) => Ok(answer),
        (_, Some(errno)) => Err(Refusal(i32::try_from(*errno).unwrap_or(libc::EIO))),
        (_, None) => Err(Refusal::NO_DEVICE),
    }
}

fn leashed(mut answer: Message) -> Result<Leashed, Refusal> {
    let [key, ..] = answer.words;
    let descriptor = answer.descriptors.pop().ok_or(Refusal(libc::EMFILE))?;
    Ok(Leashed { key: Key(key), descriptor })
}

fn mapped(answer: Message) -> Mapped {
    let [id, ..] = answer.words;
    Mapped { id: MapId(id), pieces: pieces(&answer.bytes) }
}

fn parsed<T: serde::de::DeserializeOwned>(answer: &Message) -> Result<T, Refusal> {
    serde_json::from_slice(&answer.bytes).map_err(|_| Refusal::NO_DEVICE)
}
