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
pub use connection::Inherited;
use connection::{Connection, Place};
use leashes::{Leash, Leashes};
use rustix::net::sockopt::set_socket_passcred;
use rustix::process::{Resource, getrlimit};
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
/// Most things of one process on leashes: files, what left the device, sessions of it and of its children. At most a quarter
/// of the descriptors that there are.
const MOST_HELD: usize = 8192;
/// Room for the calls of a connection's thread.
const STACK_BYTES: usize = 1 << 20;

/// A node that serves.
#[derive(Debug)]
pub struct Server {
    pub(crate) node: &'static Node,
    books: Mutex<Books>,
    leashes: Leashes,
    /// Most things that one process holds.
    most_of_one: usize,
}

impl Server {
    /// A server for a node.
    ///
    /// # Errors
    /// The system's.
    pub fn start(node: &'static Node) -> io::Result<&'static Self> {
        let (books, leashes) = (Mutex::default(), Leashes::new()?);
        let descriptors = getrlimit(Resource::Nofile)
            .current
            .map_or(MOST_HELD, |most| usize::try_from(most / 4).unwrap_or(MOST_HELD));
        let server: &'static Self =
            Box::leak(Box::new(Self { node, books, leashes, most_of_one: descriptors.min(MOST_HELD) }));
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
                Ok((socket, _)) => self.begin(socket, None, Inherited::default()),
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

    /// Gives a connection a thread, which closes one too many, and one of a process that cannot be seen: what lies in it
    /// unread can keep whoever closes it.
    ///
    /// `of`: whose it is; nothing: of whoever made it.
    fn begin(&'static self, socket: UnixStream, of: Option<Process>, inherited: Inherited) {
        let thread = thread::Builder::new().name("barexe-client".into()).stack_size(STACK_BYTES);
        let serve = move || {
            let process = of.or_else(|| Process::at_other_end(&socket));
            let place = process.and_then(|process| Place::of(self, process));
            // Without it nobody says who sends.
            if let Some(place) = place.filter(|_| set_socket_passcred(&socket, true).is_ok()) {
                Connection::new(self, socket, place, inherited).run();
            }
        };
        // Without a thread the closure is dropped, and the connection with it.
        drop(thread.spawn(serve));
    }

    /// Serves a child of this process, which has `inherited` from it.
    pub fn admit(&'static self, socket: UnixStream, inherited: Inherited) {
        self.begin(socket, None, inherited);
    }

    /// Serves a connection that a client made for somebody else: it is one of its own until that one says hello.
    pub(crate) fn admit_line(&'static self, socket: UnixStream, of: Process, inherited: Inherited) {
        self.begin(socket, Some(of), inherited);
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

    /// A file for a process, on a leash, if it may have one more.
    pub(crate) fn hold_file(&self, id: FileId, process: Process, primary: bool) -> io::Result<(Key, OwnedFd)> {
        let held = self.hold(process, |books, key, leash| books.insert_file(key, leash, (id, process, primary)));
        held.inspect_err(|_| self.node.close_file(id))
    }

    /// Something shared, on a leash.
    pub(crate) fn hold_shared(
        &self,
        process: Process,
        (token, kind): (Token, SharedKind),
    ) -> io::Result<(Key, OwnedFd)> {
        let held = self.hold(process, |books, key, leash| books.insert_shared(key, leash, (token, kind)));
        held.inspect_err(|_| self.node.close_shared(token))
    }

    /// A session, on a leash, with the mappings of another one or none.
    pub(crate) fn hold_session(&self, process: Process, like: Option<Key>) -> io::Result<(Key, OwnedFd)> {
        self.hold(process, |books, key, leash| {
            books.insert_session(key, leash, like);
            true
        })
    }

    /// `insert`: false if the process may not have it after all.
    fn hold(
        &self,
        process: Process,
        insert: impl FnOnce(&mut Books, Key, Leash) -> bool,
    ) -> io::Result<(Key, OwnedFd)> {
        let full = || io::Error::from_raw_os_error(libc::EMFILE);
        if !self.books().may_hold(process, self.most_of_one) {
            // What was just closed may be in the way.
            self.settle();
        }
        let key = Key::random()?;
        let (leash, theirs) = leashes::pair()?;
        let mut books = self.books();
        if !books.may_hold(process, self.most_of_one) {
            return Err(full());
        }
        // In the books first: its other end may be gone already.
        self.leashes.add(&leash, key)?;
        if !insert(&mut books, key, leash) {
            return Err(full());
        }
        books.holds(key, process);
        Ok((key, theirs))
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
