//! What clients hold, by keys that nobody can guess.

use super::MOST_FILES;
use super::leashes::{Identity, Leash};
use crate::mapping::MapId;
use crate::node::FileId;
use crate::process::Process;
use crate::shared::{SharedKind, Token};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::{BTreeSet, HashMap};
use std::io;

/// Names a thing to clients. Whoever has it was given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

impl Key {
    /// A new one; never 0, which stands for nothing.
    ///
    /// # Errors
    /// The system's.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 8];
        // So few bytes are given whole.
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self(u64::from_ne_bytes(bytes).max(1)))
    }
}

/// An open file.
#[derive(Debug)]
struct File {
    id: FileId,
    process: Process,
    primary: bool,
    /// `None`: no descriptor leads to it any more, only mappings.
    leash: Option<Leash>,
    mappings: u32,
}

/// Something that left the device.
#[derive(Debug)]
struct Out {
    token: Token,
    kind: SharedKind,
    leash: Leash,
    /// Its descriptor was made readable.
    told: bool,
}

/// What a process has mapped.
#[derive(Debug)]
struct Session {
    _leash: Leash,
    mappings: BTreeSet<Key>,
}

#[derive(Debug)]
struct Mapping {
    id: MapId,
    file: Option<Key>,
    /// Sessions that have it: a child of fork has its parent's.
    holders: u32,
}

/// What nobody holds any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// A file.
    File(FileId),
    /// Something shared.
    Shared(Token),
    /// A mapping.
    Mapping(MapId),
}

/// What a descriptor of a client leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A file, opened at the primary node or not.
    File(bool),
    /// Something shared.
    Shared(SharedKind),
}

/// The books.
#[derive(Debug, Default)]
pub struct Books {
    files: HashMap<Key, File>,
    out: HashMap<Key, Out>,
    sessions: HashMap<Key, Session>,
    mappings: HashMap<Key, Mapping>,
    /// Connections of each process.
    connections: HashMap<libc::pid_t, u32>,
    /// Who got what is on a leash, and how many such things each process got.
    holders: HashMap<Key, libc::pid_t>,
    held: HashMap<libc::pid_t, usize>,
}

impl Books {
    /// A process connects, if it and all together may have one connection more.
    pub(super) fn arrives(&mut self, process: Process, most: usize, most_of_one: u32) -> bool {
        let all = self.connections.values().fold(0usize, |sum, one| sum.saturating_add(*one as usize));
        let own = self.connections.get(&process.0).copied().unwrap_or(0);
        let fits = all < most && own < most_of_one;
        if fits {
            self.connections.insert(process.0, own.saturating_add(1));
        }
        fits
    }

    /// It leaves; whether that was its last connection.
    pub(super) fn leaves(&mut self, process: Process) -> bool {
        let left = self.connections.remove(&process.0).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            self.connections.insert(process.0, left);
        }
        left == 0
    }

    /// Whether a process may open one file more.
    pub(super) fn may_open(&self, process: Process) -> bool {
        self.files.values().filter(|file| file.process == process).count() < MOST_FILES
    }

    /// Whether a process may get one thing more on a leash.
    pub(super) fn may_hold(&self, process: Process, most: usize) -> bool {
        self.held.get(&process.0).is_none_or(|held| *held < most)
    }

    /// It got one.
    pub(super) fn holds(&mut self, key: Key, process: Process) {
        self.holders.insert(key, process.0);
        let held = self.held.entry(process.0).or_default();
        *held = held.saturating_add(1);
    }

    /// The leash is gone.
    fn holds_no_more(&mut self, key: Key) {
        let Some(process) = self.holders.remove(&key) else { return };
        let left = self.held.remove(&process).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            self.held.insert(process, left);
        }
    }

    /// False, and nothing has changed, if the process has as many as it may have.
    pub(super) fn insert_file(
        &mut self,
        key: Key,
        leash: Leash,
        (id, process, primary): (FileId, Process, bool),
    ) -> bool {
        let fits = self.may_open(process);
        if fits {
            self.files.insert(key, File { id, process, primary, leash: Some(leash), mappings: 0 });
        }
        fits
    }

    pub(super) fn insert_shared(&mut self, key: Key, leash: Leash, (token, kind): (Token, SharedKind)) -> bool {
        self.out.insert(key, Out { token, kind, leash, told: false });
        true
    }

    pub(super) fn insert_session(&mut self, key: Key, leash: Leash, like: Option<Key>) {
        let mappings = like.and_then(|like| self.sessions.get(&like)).map(|like| like.mappings.clone());
        let mappings = mappings.unwrap_or_default();
        for mapping in &mappings {
            if let Some(mapping) = self.mappings.get_mut(mapping) {
                mapping.holders = mapping.holders.saturating_add(1);
            }
        }
        self.sessions.insert(key, Session { _leash: leash, mappings });
    }

    /// The file of a key.
    #[must_use]
    pub fn file(&self, key: Key) -> Option<FileId> {
        self.files.get(&key).map(|file| file.id)
    }

    /// What left the device, of a key.
    #[must_use]
    pub fn shared(&self, key: Key) -> Option<(Token, SharedKind)> {
        self.out.get(&key).map(|out| (out.token, out.kind))
    }

    /// Whether there is such a session.
    #[must_use]
    pub fn has_session(&self, key: Key) -> bool {
        self.sessions.contains_key(&key)
    }

    /// What a descriptor leads to, if it is the other end of a leash.
    #[must_use]
    pub fn known(&self, descriptor: Identity) -> Option<(Key, Known)> {
        let file =
            self.files.iter().find(|(_, file)| file.leash.as_ref().is_some_and(|leash| leash.theirs == descriptor));
        let out = self.out.iter().find(|(_, out)| out.leash.theirs == descriptor);
        match (file, out) {
            (Some((key, file)), _) => Some((*key, Known::File(file.primary))),
            (None, Some((key, out))) => Some((*key, Known::Shared(out.kind))),
            (None, None) => None,
        }
    }

    /// A sync file is signalled: its descriptor becomes readable.
    pub(super) fn tell(&mut self, key: Key) {
        if let Some(out) = self.out.get_mut(&key).filter(|out| !out.told) {
            out.leash.pull();
            out.told = true;
        }
    }

    /// A session has a mapping; false, and it does not, if there is no such session, or no such file any more.
    pub(super) fn insert_mapping(&mut self, session: Key, key: Key, id: MapId, file: Option<Key>) -> bool {
        let Some(session) = self.sessions.get_mut(&session) else { return false };
        if let Some(file) = file {
            let Some(file) = self.files.get_mut(&file) else { return false };
            file.mappings = file.mappings.saturating_add(1);
        }
        session.mappings.insert(key);
        self.mappings.insert(key, Mapping { id, file, holders: 1 });
        true
    }

    /// A session gives up a mapping.
    pub(super) fn unmap(&mut self, session: Key, key: Key) -> Vec<Gone> {
        let had = self.sessions.get_mut(&session).is_some_and(|session| session.mappings.remove(&key));
        if had { self.drop_mapping(key) } else { Vec::new() }
    }

    fn drop_mapping(&mut self, key: Key) -> Vec<Gone> {
        let Some(mapping) = self.mappings.get_mut(&key) else { return Vec::new() };
        mapping.holders = mapping.holders.saturating_sub(1);
        if mapping.holders > 0 {
            return Vec::new();
        }
        let (id, of) = (mapping.id, mapping.file);
        self.mappings.remove(&key);
        let mut gone = vec![Gone::Mapping(id)];
        if let Some(of) = of
            && let Some(file) = self.files.get_mut(&of)
        {
            file.mappings = file.mappings.saturating_sub(1);
            gone.extend(self.close_if_unused(of));
        }
        gone
    }

    fn close_if_unused(&mut self, key: Key) -> Option<Gone> {
        let file = self.files.get(&key).filter(|file| file.leash.is_none() && file.mappings == 0)?;
        let gone = Gone::File(file.id);
        self.files.remove(&key);
        Some(gone)
    }

    /// The leash of a thing hung up: it is dropped.
    pub(super) fn slack(&mut self, key: Key) -> Vec<Gone> {
        self.holds_no_more(key);
        if let Some(file) = self.files.get_mut(&key) {
            file.leash = None;
            return self.close_if_unused(key).into_iter().collect();
        }
        if let Some(out) = self.out.remove(&key) {
            return vec![Gone::Shared(out.token)];
        }
        let session = self.sessions.remove(&key);
        let mappings = session.map(|session| session.mappings).unwrap_or_default();
        mappings.into_iter().flat_map(|mapping| self.drop_mapping(mapping)).collect()
    }
}
