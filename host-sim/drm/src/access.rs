//! The device as a client's side has it: in the same process, or with a server.

use crate::arena::Arena;
use crate::attributes::Attribute;
use crate::carry::NOTHING;
use crate::mapping::{MapId, Mapped};
use crate::node::{FileId, Node, Refusal};
use crate::process::{Caller, Process};
use crate::remote::{Changing, Found, Leashed, Left, Patience, Remote};
use crate::server::Key;
use crate::shared::{SharedKind, Token};
use crate::sketch::Sketch;
use barexe_core::device::InvalidationTicket;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A device.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// In this process. It does not live on in a child of fork.
    Here(&'static Node),
    /// With a server.
    There(&'static Remote),
}

/// Names something that left the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedId(pub u64);

/// Something new. With a server it comes with the descriptor that leads to it.
#[derive(Debug)]
pub struct New<T> {
    /// What it is.
    pub what: T,
    /// The descriptor, if it is not for the client's side to make one.
    pub descriptor: Option<OwnedFd>,
}

/// Pages that are changing.
#[derive(Debug)]
pub enum PagesChanging {
    /// In this process.
    Here(&'static Node, InvalidationTicket),
    /// With a server.
    There(Changing<'static>),
}

impl SharedId {
    /// The token it is to a node in this process.
    #[must_use]
    pub fn token(self) -> Token {
        i32::try_from(self.0).map_or(NOTHING, Token)
    }
}

const fn of_token(token: Token) -> SharedId {
    SharedId(token.0.unsigned_abs() as u64)
}

/// Names what left the device by a call, and what kind of thing it is.
pub type Shared = (SharedId, SharedKind);

fn of_left(left: Left) -> New<Shared> {
    let Leashed { key, descriptor } = left.leashed;
    New { what: (SharedId(key.0), left.kind), descriptor: Some(descriptor) }
}

impl Access {
    /// Opens a file for this process, at the primary or at the render node.
    ///
    /// # Errors
    /// There is no room for more.
    pub fn open_file(self, primary: bool) -> Result<New<FileId>, Refusal> {
        match self {
            Self::Here(node) => {
                let what = node.open_file(Process::own(), primary)?;
                Ok(New { what, descriptor: None })
            }
            Self::There(remote) => {
                let Leashed { key, descriptor } = remote.open_file(primary)?;
                Ok(New { what: FileId(key.0), descriptor: Some(descriptor) })
            }
        }
    }

    /// One call on a file; `arg` is its argument struct, as long as the request says, which lies at an address. `given`: what the descriptor in it
    /// leads to. Its return value, and what left the device by it.
    ///
    /// # Errors
    /// The code of the interface.
    pub fn call(
        self,
        file: FileId,
        request: u32,
        (arg, addr): (&mut [u8], u64),
        given: Option<SharedId>,
        patience: &mut dyn Patience,
    ) -> Result<(u32, Option<New<Shared>>), Refusal> {
        match self {
            Self::Here(node) => {
                let given = given.map_or(NOTHING, SharedId::token);
                let mut idle = |longest| patience.nap(longest);
                let (value, left) = node.call_with(
                    (file, Caller { back: Some(addr), ..Caller::own() }),
                    request,
                    arg,
                    given,
                    &mut idle,
                )?;
                Ok((value, left.map(|(token, kind)| New { what: (of_token(token), kind), descriptor: None })))
            }
            Self::There(remote) => {
                let given = Key(given.map_or(0, |given| given.0));
                let (value, left) = remote.call(file, request, arg, given, patience)?;
                Ok((value, left.map(of_left)))
            }
        }
    }

    /// Maps the first bytes of the object that a file finds at an offset.
    ///
    /// # Errors
    /// EINVAL where there is none or it is shorter; ENOMEM.
    pub fn map(self, file: FileId, offset: u64, len_bytes: u64) -> Result<Mapped, Refusal> {
        match self {
            Self::Here(node) => node.map(file, offset, len_bytes),
            Self::There(remote) => remote.map(file, offset, len_bytes),
        }
    }

    /// Maps the first bytes of a shared object.
    ///
    /// # Errors
    /// EINVAL if it is none or shorter; ENOMEM.
    pub fn map_shared(self, shared: SharedId, len_bytes: u64) -> Result<Mapped, Refusal> {
        match self {
            Self::Here(node) => node.map_shared(shared.token(), len_bytes),
            Self::There(remote) => remote.map_shared(Key(shared.0), len_bytes),
        }
    }

    /// Takes a mapping away.
    pub fn unmap(self, id: MapId) {
        match self {
            Self::Here(node) => node.unmap(id),
            Self::There(remote) => remote.unmap(id),
        }
    }

    /// Whether a change of this process's memory may matter to the device.
    #[must_use]
    pub fn minds_changes(self) -> bool {
        match self {
            Self::Here(node) => node.minds_changes(),
            Self::There(remote) => remote.minds_changes(),
        }
    }

    /// Pages of this process are going to change: returns when the device has let them go, whatever that takes.
    pub fn pages_change(self, addr: u64, len_bytes: u64, patience: &mut dyn Patience) -> Option<PagesChanging> {
        match self {
            Self::Here(node) => {
                let mut idle = |longest| patience.nap(longest);
                let ticket = node.pages_change(Process::own(), addr, len_bytes, &mut idle)?;
                Some(PagesChanging::Here(node, ticket))
            }
            Self::There(remote) => remote.pages_change(addr, len_bytes).map(PagesChanging::There),
        }
    }

    /// Whether the fence of a sync file is signalled, well or not; of anything else, and of what is gone, yes. With a server
    /// its descriptor is then readable.
    #[must_use]
    pub fn is_signaled(self, id: SharedId) -> bool {
        match self {
            Self::Here(node) => node.is_signaled(id.token()),
            Self::There(remote) => remote.is_signaled(Key(id.0)),
        }
    }

    /// A sync file that is signalled when both are.
    ///
    /// # Errors
    /// EINVAL if one is no sync file; no room.
    pub fn merge(self, one: SharedId, other: SharedId) -> Result<New<Shared>, Refusal> {
        match self {
            Self::Here(node) => {
                let token = node.merge(one.token(), other.token())?;
                Ok(New { what: (of_token(token), SharedKind::SyncFile), descriptor: None })
            }
            Self::There(remote) => remote.merge(Key(one.0), Key(other.0)).map(of_left),
        }
    }

    /// What a descriptor leads to that this process did not get by a call, but from another process.
    #[must_use]
    pub fn adopt(self, descriptor: BorrowedFd<'_>) -> Option<Found> {
        match self {
            Self::Here(_) => None,
            Self::There(remote) => remote.adopt(descriptor),
        }
    }

    /// The memory that all buffers lie in.
    #[must_use]
    pub fn arena(self) -> RawFd {
        match self {
            Self::Here(node) => Arena::fd(node.arena()),
            Self::There(remote) => remote.arena().as_raw_fd(),
        }
    }

    /// What is read in a file that acts.
    ///
    /// # Errors
    /// Those of [`Node::show`]; the server is gone.
    pub fn show(self, file: Attribute) -> Result<String, Refusal> {
        match self {
            Self::Here(node) => node.show(file),
            Self::There(remote) => remote.show(file),
        }
    }

    /// Writes to a file that acts.
    ///
    /// # Errors
    /// Those of [`Node::store`]; the server is gone.
    pub fn store(self, file: Attribute, text: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Here(node) => node.store(file, text),
            Self::There(remote) => remote.store(file, text),
        }
    }

    /// What the client of a file uses, as text.
    ///
    /// # Errors
    /// Those of [`Node::usage`]; the server is gone.
    pub fn usage(self, file: FileId) -> Result<String, Refusal> {
        match self {
            Self::Here(node) => node.usage(file),
            Self::There(remote) => remote.usage(file),
        }
    }

    /// Puts the fence of a sync file on a shared buffer.
    ///
    /// # Errors
    /// Those of [`Node::add_fence`]; the server is gone.
    pub fn add_fence(self, buffer: SharedId, about: u32, file: SharedId) -> Result<(), Refusal> {
        match self {
            Self::Here(node) => node.add_fence(buffer.token(), about, file.token()),
            Self::There(remote) => remote.add_fence(Key(buffer.0), about, Key(file.0)),
        }
    }

    /// A sync file of what has to be waited for before a shared buffer is used.
    ///
    /// # Errors
    /// Those of [`Node::fence_of`]; the server is gone.
    pub fn fence_of(self, buffer: SharedId, wants: u32) -> Result<New<Shared>, Refusal> {
        match self {
            Self::Here(node) => {
                let token = node.fence_of(buffer.token(), wants)?;
                Ok(New { what: (of_token(token), SharedKind::SyncFile), descriptor: None })
            }
            Self::There(remote) => remote.fence_of(Key(buffer.0), wants).map(of_left),
        }
    }

    /// What is shown of the device.
    ///
    /// # Errors
    /// The server is gone.
    pub fn sketch(self) -> Result<Sketch, Refusal> {
        match self {
            Self::Here(node) => Ok(node.with_info(Sketch::of)),
            Self::There(remote) => remote.sketch(),
        }
    }
}

impl PagesChanging {
    /// They have changed.
    pub fn changed(self) {
        match self {
            Self::Here(node, ticket) => node.pages_changed(ticket),
            Self::There(changing) => changing.changed(),
        }
    }
}
