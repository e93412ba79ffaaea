//! Objects in a client's address space, and user pages that change.

use crate::node::{FileId, Idle, Lent, Node, Refusal};
use crate::process::Process;
use barexe_core::device::wait::Lend;
use barexe_core::device::{InvalidationTicket, TicketState};
use barexe_hal::{ClientAddr, Nanos};

/// A piece of a mapped object: where in the arena its bytes are. Pieces follow each other in the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the arena.
    pub offset: u64,
    /// Length in bytes.
    pub len_bytes: u64,
}

/// Names a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub u64);

/// A mapped object: it keeps its memory until the mapping is taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Names the mapping.
    pub id: MapId,
    /// Its memory.
    pub pieces: Vec<Piece>,
}

/// Longest time between two looks at pages that are to be let go.
const LOOK_EVERY: Nanos = Nanos::from_micros(100);

impl Node {
    /// Maps the first bytes of the object that a file finds at an offset.
    ///
    /// # Errors
    /// EINVAL where there is none or it is shorter; ENOMEM.
    pub fn map(&self, file: FileId, offset: u64, len_bytes: u64) -> Result<Mapped, Refusal> {
        let mut state = self.lock();
        let client = state.files.get(&file).ok_or(Refusal::BAD_FILE)?.client;
        let id = state.device.bo_map(client, offset, len_bytes)?;
        let mut pieces: Vec<Piece> = Vec::new();
        let shown = state.device.mapping_memory(client, id, |buffer, at, _, len_bytes| {
            let start = buffer.cpu_addr().as_ptr().wrapping_add(at);
            let offset = self.arena.offset_of(start).unwrap_or(u64::MAX);
            match pieces.last_mut().filter(|last| last.offset.saturating_add(last.len_bytes) == offset) {
                Some(last) => last.len_bytes = last.len_bytes.saturating_add(len_bytes),
                None => pieces.push(Piece { offset, len_bytes }),
            }
            Ok(())
        });
        if let Err(error) = shown {
            let _ = state.device.bo_unmap(client, id);
            return Err(error.into());
        }
        state.last_mapping = state.last_mapping.saturating_add(1);
        let name = MapId(state.last_mapping);
        state.mappings.insert(name, (client, id));
        Ok(Mapped { id: name, pieces })
    }

    /// Takes a mapping away.
    pub fn unmap(&self, id: MapId) {
        let mut state = self.lock();
        if let Some((client, mapping)) = state.mappings.remove(&id) {
            let _ = state.device.bo_unmap(client, mapping);
        }
    }

    /// Whether a change of a process's memory may matter to the device.
    #[must_use]
    pub fn minds_changes(&self) -> bool {
        self.processes.ever_pinned()
    }

    /// Pages of a process are going to change: returns when the device has let them go. Whatever it is that lets them go
    /// late, a job or its time limit, is waited for. The ticket is to be given to [`pages_changed`](Self::pages_changed).
    pub fn pages_change(
        &self,
        process: Process,
        addr: u64,
        len_bytes: u64,
        idle: Idle<'_>,
    ) -> Option<InvalidationTicket> {
        let addr = ClientAddr::new(addr)?;
        let ticket = self.lock().device.user_invalidate(process.space(), addr, len_bytes);
        let mut caller = Lent { node: self, by: None, idle };
        loop {
            let (state, now) = caller.with(|device| (device.invalidation_state(ticket), device.now()));
            if state != TicketState::Pending {
                return Some(ticket);
            }
            // It cannot be given up: the pages would be gone while jobs reach for them.
            let _ = caller.idle(now.saturating_add(LOOK_EVERY));
        }
    }

    /// They have changed.
    pub fn pages_changed(&self, ticket: InvalidationTicket) {
        self.lock().device.user_changed(ticket);
        self.doorbell.ring();
    }
}
