//! What is behind file descriptors: sync objects, sync files, buffer objects.
//!
//! The node has no descriptors. It gives each such thing a token, which stands where the interface has a descriptor;
//! whoever has the client's descriptors puts one in its place.

use crate::mapping::Mapped;
use crate::node::{FileId, Node, Refusal, State};
use crate::reservation::BufferFence;
use barexe_core::Error;
use barexe_core::device::{ExportedBo, TicketState};
use barexe_core::uapi::{Descriptors, Shared};
use core::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stands for something shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i32);

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedKind {
    /// A sync object.
    Syncobj,
    /// A fence.
    SyncFile,
    /// A buffer object, with its size in bytes.
    Bo(u64),
}

/// Everything that is shared.
#[derive(Debug, Default)]
pub(crate) struct Table {
    all: BTreeMap<Token, Arc<Shared>>,
    /// Fences on buffers, by what tells those apart.
    pub(crate) fences: BTreeMap<u32, Vec<BufferFence>>,
    last: i32,
}

impl Table {
    pub(crate) fn insert(&mut self, shared: Shared) -> Token {
        // There are far fewer things than numbers: none is used twice.
        self.last = self.last.saturating_add(1);
        let token = Token(self.last);
        self.all.insert(token, Arc::new(shared));
        token
    }

    /// Whether there is such a thing.
    pub(crate) fn has(&self, token: Token) -> bool {
        self.all.contains_key(&token)
    }

    /// How many things there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The buffers.
    pub(crate) fn buffers(&self) -> Vec<Arc<Shared>> {
        self.all.values().filter(|shared| matches!(&***shared, Shared::Bo(_))).cloned().collect()
    }
}

/// The tokens as one call sees them.
#[derive(Debug)]
pub(crate) struct Tokens<'n> {
    node: &'n Node,
    /// What the call asked for.
    found: OnceCell<Arc<Shared>>,
}

impl<'n> Tokens<'n> {
    pub(crate) const fn new(node: &'n Node) -> Self {
        Self { node, found: OnceCell::new() }
    }
}

impl Descriptors for Tokens<'_> {
    fn insert(&mut self, shared: Shared) -> Result<i32, (Error, Shared)> {
        Ok(self.node.shared().insert(shared).0)
    }

    fn get(&self, fd: i32) -> Option<&Shared> {
        let found = self.node.shared().all.get(&Token(fd)).cloned()?;
        Some(self.found.get_or_init(|| found))
    }
}

impl Drop for Tokens<'_> {
    fn drop(&mut self) {
        // It may have been given back during the call.
        if let Some(found) = self.found.take() {
            self.node.let_go(found);
        }
    }
}

impl Node {
    /// What a token stands for, kept until it is [let go](Self::let_go).
    pub(crate) fn kept(&self, token: Token) -> Option<Arc<Shared>> {
        self.shared().all.get(&token).cloned()
    }

    /// Gives a thing back once nobody has it any more.
    pub(crate) fn let_go(&self, shared: Arc<Shared>) {
        if let Some(shared) = Arc::into_inner(shared) {
            let _ = shared.close(&mut self.lock().device);
        }
    }

    /// The last descriptor of a thing is closed.
    pub fn close_shared(&self, token: Token) {
        let gone = self.shared().all.remove(&token);
        if let Some(gone) = gone {
            self.left(&gone);
            self.let_go(gone);
        }
    }

    /// What a token stands for.
    #[must_use]
    pub fn shared_kind(&self, token: Token) -> Option<SharedKind> {
        let found = self.shared().all.get(&token).cloned()?;
        let kind = match &*found {
            Shared::Syncobj(_) => SharedKind::Syncobj,
            Shared::SyncFile(_) => SharedKind::SyncFile,
            Shared::Bo(exported) => SharedKind::Bo(self.lock().device.bo_export_size(exported)),
        };
        self.let_go(found);
        Some(kind)
    }

    /// Whether the fence of a sync file is signalled, well or not; of anything else, and of what is gone, yes.
    #[must_use]
    pub fn is_signaled(&self, token: Token) -> bool {
        let Some(found) = self.shared().all.get(&token).cloned() else { return true };
        let over = match &*found {
            Shared::SyncFile(file) => {
                let mut state = self.lock();
                state.device.poll();
                state.device.sync_file_state(file) != Ok(TicketState::Pending)
            }
            Shared::Syncobj(_) | Shared::Bo(_) => true,
        };
        self.let_go(found);
        over
    }

    /// A sync file that is signalled when both are.
    ///
    /// # Errors
    /// EINVAL if one is no sync file; no room.
    pub fn merge(&self, one: Token, other: Token) -> Result<Token, Refusal> {
        let find = |token| self.shared().all.get(&token).cloned();
        let (one, other) = (find(one), find(other));
        let merged = match (one.as_deref(), other.as_deref()) {
            (Some(Shared::SyncFile(one)), Some(Shared::SyncFile(other))) => {
                self.lock().device.sync_file_merge(one, other).map_err(Refusal::from)
            }
            _ => Err(Refusal::INVALID),
        };
        one.into_iter().chain(other).for_each(|found| self.let_go(found));
        Ok(self.shared().insert(Shared::SyncFile(merged?)))
    }

    /// Maps the first bytes of a shared object.
    ///
    /// # Errors
    /// EINVAL if it is none or shorter; ENOMEM.
    pub fn map_shared(&self, token: Token, len_bytes: u64) -> Result<Mapped, Refusal> {
        let found = self.shared().all.get(&token).cloned().ok_or(Refusal::BAD_FILE)?;
        let offset = match &*found {
            Shared::Bo(exported) => self.lock().import(exported).map_err(Refusal::from),
            Shared::Syncobj(_) | Shared::SyncFile(_) => Err(Refusal::INVALID),
        };
        self.let_go(found);
        let (handle, offset) = offset?;
        let mapped = self.map(FileId::NODE, offset, len_bytes);
        // The mapping keeps the object.
        let mut state = self.lock();
        if let Some(node) = state.files.get(&FileId::NODE).copied() {
            let _ = state.device.bo_close(node.client, handle);
        }
        mapped
    }
}

impl State {
    /// A handle of the node's own to an object, and the offset it is mapped by.
    fn import(&mut self, exported: &ExportedBo) -> Result<(u32, u64), Error> {
        let node = *self.files.get(&FileId::NODE).ok_or(Error::Canceled)?;
        let handle = self.device.bo_import(node.client, exported)?;
        Ok((handle, self.device.bo_mmap_offset(node.client, handle)?))
    }
}
