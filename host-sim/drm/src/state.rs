//! What is in use at a node.

use crate::node::Node;
use barexe_core::Capacity;
use core::fmt;
use rustix::fs::fstat;
use serde::{Deserialize, Serialize};

/// Numbers of what is in use, of all clients together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Open files.
    pub clients: u64,
    /// Buffer objects.
    pub buffers: u64,
    /// Their bytes.
    pub buffer_bytes: u64,
    /// Bytes of memory that the driver and its clients fill: pages that nobody ever wrote take none.
    pub arena_bytes: u64,
    /// Everything that was accepted is over, and everything destroyed is freed.
    pub quiet: bool,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, buffers, buffer_bytes, arena_bytes, .. } = self;
        write!(f, "{clients} clients, {buffers} buffers, {buffer_bytes} bytes in buffers, {arena_bytes} bytes in use")
    }
}

impl Node {
    /// What is in use now.
    #[must_use]
    pub fn state(&self) -> NodeState {
        let state = self.lock();
        let of_bos = state.device.places_in_use().find(|places| places.capacity == Capacity::Bos);
        // The unit of the count is the system's, whatever its file systems have.
        let blocks = fstat(self.arena()).map_or(0, |file| u64::try_from(file.st_blocks).unwrap_or(0));
        NodeState {
            // One file is the node's own.
            clients: (state.files.len() as u64).saturating_sub(1),
            buffers: of_bos.map_or(0, |places| u64::from(places.in_use)),
            buffer_bytes: state.device.bo_bytes(),
            arena_bytes: blocks.saturating_mul(512),
            quiet: state.device.is_quiet(),
        }
    }
}
