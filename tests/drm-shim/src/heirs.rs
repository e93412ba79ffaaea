//! Children of fork whose parent has the device in its own process: calls on files that they have from it go to it.
//!
//! Before each fork the parent begins to serve the child to come, on a connection that only that child will have. The
//! files that are open then stay open as long as the child is there. A file that a child opens itself is of a device of its
//! own; what left the device by a call (sync files, shared buffers) stayed with the parent.

use crate::node::generation;
use crate::table;
use barexe_drm::locked::Locked;
use barexe_drm::server::Inherited;
use barexe_drm::{Access, Node, Remote, Server};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

/// What the child to come has, and before which fork.
static NEXT: Locked<Option<(u32, Box<Remote>)>> = Locked::new(None);
/// Devices of ancestors, by how many forks they are away from the first.
static ANCESTORS: Locked<BTreeMap<u32, &'static Remote>> = Locked::new(BTreeMap::new());

/// The device of the ancestor that opened a file, if it is there.
pub(crate) fn of(generation: u32) -> Option<Access> {
    ANCESTORS.lock().get(&generation).copied().map(Access::There)
}

fn ancestors() -> Vec<&'static Remote> {
    ANCESTORS.lock().values().copied().collect()
}

/// What the server serves; it is begun with the first child.
fn server(node: &'static Node) -> io::Result<&'static Server> {
    static SERVER: OnceLock<&'static Server> = OnceLock::new();
    if let Some(server) = SERVER.get() {
        return Ok(server);
    }
    // Forks of a process come one after the other.
    let server = Server::start(node)?;
    Ok(SERVER.get_or_init(|| server))
}

/// What a child has, if there is something to have.
fn heir(node: &'static Node) -> io::Result<Option<Box<Remote>>> {
    let kept = table::all_of(generation());
    let files: Vec<_> = kept.iter().filter_map(|object| object.file()).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let (ours, theirs) = UnixStream::pair()?;
    let remote = Box::new(Remote::of_parent(node, theirs)?);
    server(node)?.admit(ours, Inherited { files, kept: Some(Arc::new(kept)) });
    Ok(Some(remote))
}

pub(crate) fn before_fork(device: Option<Access>, has_pieces: bool) {
    ancestors().into_iter().for_each(|remote| remote.before_fork(has_pieces));
    if let Some(Access::Here(node)) = device {
        // Without it, as when there is no descriptor left, the child is told that there is no device.
        let next = heir(node).ok().flatten();
        *NEXT.lock() = next.map(|remote| (generation(), remote));
    }
    NEXT.take();
    ANCESTORS.take();
}

fn after_fork() {
    ANCESTORS.release();
    NEXT.release();
}

pub(crate) fn in_parent() {
    after_fork();
    ancestors().into_iter().for_each(Remote::in_parent);
    // Its end of the connection is the child's alone from here on.
    drop(NEXT.lock().take());
}

pub(crate) fn in_child() {
    after_fork();
    ancestors().into_iter().for_each(Remote::in_child);
    if let Some((generation, remote)) = NEXT.lock().take() {
        ANCESTORS.lock().insert(generation, Box::leak(remote));
    }
}
