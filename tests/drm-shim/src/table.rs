//! Which descriptors are the device's.

use crate::{heirs, node};
use barexe_drm::locked::Locked;
use barexe_drm::{Access, Attribute, FileId, SharedId, SharedKind};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a descriptor leads to.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A file of the device: opened at the primary node, or at the render node.
    File {
        /// Which.
        id: FileId,
        /// At the primary node.
        primary: bool,
    },
    /// Something that left the device by a call.
    Shared(SharedId, SharedKind),
    /// A file that acts when it is written.
    Acts(Attribute),
}

/// What several descriptors may lead to. The last one that goes closes it.
pub(crate) struct Object {
    device: Access,
    generation: u32,
    pub(crate) kind: Kind,
}

impl Object {
    pub(crate) fn new(device: Access, kind: Kind) -> Arc<Self> {
        Arc::new(Self { device, generation: node::generation(), kind })
    }

    /// Its device, unless that stayed with another process.
    pub(crate) fn device(&self) -> Option<Access> {
        match self.device {
            Access::There(_) => Some(self.device),
            Access::Here(_) if self.generation == node::generation() => Some(self.device),
            // A parent serves its files to its children.
            Access::Here(_) => self.file().and_then(|_| heirs::of(self.generation)),
        }
    }

    /// The file, if it is one.
    pub(crate) const fn file(&self) -> Option<FileId> {
        match self.kind {
            Kind::File { id, .. } => Some(id),
            Kind::Shared(..) | Kind::Acts(_) => None,
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // With a server the descriptor itself is what holds it.
        let Some(Access::Here(node)) = self.device() else { return };
        match self.kind {
            Kind::File { id, .. } => node.close_file(id),
            Kind::Shared(id, _) => node.close_shared(id.token()),
            Kind::Acts(_) => {}
        }
    }
}

/// Descriptors that can be the device's.
const MOST: usize = 1 << 16;
/// Those that are, to be asked without a lock: most of a program's are not.
static OURS: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];
static TABLE: Locked<BTreeMap<c_int, Arc<Object>>> = Locked::new(BTreeMap::new());

fn mark(fd: c_int) -> Option<&'static AtomicBool> {
    OURS.get(usize::try_from(fd).ok()?)
}

/// Whether a descriptor is the device's.
pub(crate) fn is_ours(fd: c_int) -> bool {
    mark(fd).is_some_and(|mark| mark.load(Ordering::Acquire))
}

/// What it leads to. Signals are held back by the caller, here and below.
pub(crate) fn get(fd: c_int) -> Option<Arc<Object>> {
    if is_ours(fd) { TABLE.lock().get(&fd).cloned() } else { None }
}

/// A descriptor leads there from now on; what it led to before. False if there can be no descriptor of that number.
pub(crate) fn insert(fd: c_int, object: Arc<Object>) -> bool {
    let Some(mark) = mark(fd) else { return false };
    let before = TABLE.lock().insert(fd, object);
    mark.store(true, Ordering::Release);
    drop(before);
    true
}

/// A descriptor of the device was closed: a server has noticed when this returns.
pub(crate) fn settle() {
    if let Some(Access::There(remote)) = node::current() {
        remote.settle();
    }
}

/// The descriptor is closed, or about to be.
pub(crate) fn remove(fd: c_int) {
    if let Some(mark) = mark(fd).filter(|mark| mark.load(Ordering::Acquire)) {
        mark.store(false, Ordering::Release);
        let gone = TABLE.lock().remove(&fd);
        drop(gone);
    }
}

/// What this process has of the device in it, which began so many forks away from the first.
pub(crate) fn all_of(generation: u32) -> Vec<Arc<Object>> {
    let table = TABLE.lock();
    let own =
        table.values().filter(|object| object.generation == generation && matches!(object.device, Access::Here(_)));
    own.map(Arc::clone).collect()
}

/// Those of a range.
pub(crate) fn within(first: c_int, last: c_int) -> Vec<c_int> {
    TABLE.lock().range(first..=last).map(|(fd, _)| *fd).collect()
}

pub(crate) fn before_fork() {
    TABLE.take();
}

pub(crate) fn after_fork() {
    TABLE.release();
}
