//! A node behind a socket: several processes share one GPU.
//!
//! | module | holds |
//! |---|---|
//! | [`books`] | what clients hold, by keys that nobody can guess |
//! | [`leashes`] | how the server learns that nobody holds a thing any more |
//! | `connection` | one connection: asks and answers |
//! | `answers`, `told` | the answers, and how they are told |
//!
//! # Leashes
//!
//! A file that a client opens is one end of a pair of sockets; the server has the other. The system counts who has the
//! client's end, through dup and fork, as an argument of exec and as a message, and however a process dies: when the last one is
//! closed the server's end hangs up, and the file is closed. The same holds for sync files, shared buffers and shared
//! sync objects; and for the mappings of a process, which go with its session.
//!
//! # Trust
//!
//! A client names things by keys of 64 random bits, and can have only those that it was given. Who sends a message the
//! system says with it: a connection is of one process, in whose memory all that it points to is read and written, and a call
//! may what its sender may at that moment. Privileged is root that says that it has `CAP_SYS_NICE`; nobody else is believed.
//! It can send what it likes: what is no message ends
//! its connection, each connection has a thread of its own, and no lock is held while one waits for a client.
//! All clients have the whole arena: who maps what is not its own is not stopped.

mod answers;
pub mod books;
mod connection;
pub mod leashes;
pub(crate) mod told;

use crate::node::{FileId, Node};
use crate::process::Process;
use crate::shared::{SharedKind, Token};
use crate::state::NodeState;
pub use books::Key;
use books::{Books, Gone};
use connection::Connection;
pub use connection::Inherited;
use leashes::Leashes;
use rustix::net::sockopt::set_socket_passcred;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Most connections of all clients together.
const MOST_CONNECTIONS: usize = 4096;
/// Most connections of one process: each waiting thread of it has one.
const MOST_OF_ONE: u32 = 1024;
/// Most open files of one process: half of those that there can be.
pub const MOST_FILES: usize = 128;
/// Room for the calls of a connection's thread.
const STACK_BYTES: usize = 1 << 20;

/// A node that serves.
#[derive(Debug)]
pub struct Server {
    pub(crate) node: &'static Node,
    books: Mutex<Books>,
    leashes: Leashes,
}

impl Server {
    /// A server for a node.
    ///
    /// # Errors
    /// The system's.
    pub fn start(node: &'static Node) -> io::Result<&'static Self> {
        let (books, leashes) = (Mutex::default(), Leashes::new()?);
        let server: &'static Self = Box::leak(Box::new(Self { node, books, leashes }));
        thread::Builder::new().name("barexe-leashes".into()).spawn(|| server.leashes.watch(|key| server.slack(key)))?;
        Ok(server)
    }

    /// Serves whoever connects, for good.
    ///
    /// # Errors
    /// The system's, if nobody can connect any more.
    pub fn serve(&'static self, listener: &UnixListener) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((socket, _)) => self.admit(socket, Inherited::default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Too many descriptors: some will be closed, and who waits to connect waits on.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
                    thread::sleep(core::time::Duration::from_millis(10));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a process may have one more connection; then it has.
    pub(crate) fn arrives(&self, process: Process) -> bool {
        self.books().arrives(process, MOST_CONNECTIONS, MOST_OF_ONE)
    }

    /// Gives a connection a thread; one too many, and one of a process that cannot be seen, is closed.
    ///
    /// `inherited`: files of this process, which the client is a child of.
    pub fn admit(&'static self, socket: UnixStream, inherited: Inherited) {
        let Some(process) = Process::at_other_end(&socket) else { return };
        // Without it nobody says who sends.
        if set_socket_passcred(&socket, true).is_err() || !self.arrives(process) {
            return;
        }
        let connection = Connection::new(self, socket, process, inherited);
        let thread = thread::Builder::new().name("barexe-client".into()).stack_size(STACK_BYTES);
        // Without a thread the closure is dropped, and the connection with it.
        drop(thread.spawn(move || connection.run()));
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is over.
    pub(crate) fn leaves(&self, process: Process) {
        let last = self.books().leaves(process);
        if last {
            self.node.processes.forget(process);
        }
    }

    /// A file for a process, on a leash.
    pub(crate) fn hold_file(&self, id: FileId, process: Process, primary: bool) -> io::Result<(Key, OwnedFd)> {
        let held = self.hold(|books, key, leash| books.insert_file(key, leash, (id, process, primary)));
        held.inspect_err(|_| self.node.close_file(id))
    }

    /// Something shared, on a leash.
    pub(crate) fn hold_shared(&self, token: Token, kind: SharedKind) -> io::Result<(Key, OwnedFd)> {
        let held = self.hold(|books, key, leash| books.insert_shared(key, leash, (token, kind)));
        held.inspect_err(|_| self.node.close_shared(token))
    }

    /// A session, on a leash, with the mappings of another one or none.
    pub(crate) fn hold_session(&self, like: Option<Key>) -> io::Result<(Key, OwnedFd)> {
        self.hold(|books, key, leash| books.insert_session(key, leash, like))
    }

    fn hold(&self, insert: impl FnOnce(&mut Books, Key, leashes::Leash)) -> io::Result<(Key, OwnedFd)> {
        let key = Key::random()?;
        let (leash, theirs) = leashes::pair()?;
        let mut books = self.books();
        // In the books first: its other end may be gone already.
        let watched = self.leashes.add(&leash, key);
        if watched.is_ok() {
            insert(&mut books, key, leash);
        }
        watched.map(|()| (key, theirs))
    }

    /// Notices what was closed until now.
    pub fn settle(&self) {
        self.leashes.sweep(|key| self.slack(key));
    }

    /// Nobody has the other end of a leash any more.
    fn slack(&self, key: Key) {
        let gone = self.books().slack(key);
        self.let_go(gone);
    }

    pub(crate) fn let_go(&self, gone: Vec<Gone>) {
        for one in gone {
            match one {
                Gone::File(id) => self.node.close_file(id),
                Gone::Shared(token) => self.node.close_shared(token),
                Gone::Mapping(id) => self.node.unmap(id),
            }
        }
    }

    /// What is in use.
    #[must_use]
    pub fn state(&self) -> NodeState {
        self.settle();
        self.node.state()
    }
}
