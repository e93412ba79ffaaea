//! One engine's side of submission.

use super::Execlist;
use crate::exec::Queue;
use crate::exec::lrc::Lrc;
use crate::mem::ggtt::GgttRange;
use crate::pool::Handle;
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, Nanos};
use core::fmt;

/// Whose context an engine was given last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody's since the device was opened.
    Nobody,
    /// The engine's own idle context.
    Idle,
    /// The driver's own, which writes page tables.
    Migration,
    /// A queue's.
    Queue(Handle<Queue>),
}

/// One engine, as the scheduler sees it.
#[derive(Debug)]
pub struct Port {
    /// The tile it is on.
    pub tile: u8,
    /// How it is given contexts.
    pub execlist: Execlist,
    /// The engine's own status page.
    pub status_page: (DmaBuffer, GgttRange),
    /// A context without VM that takes the place of the last queue's, so that its memory can be let go.
    pub idle: Lrc,
    /// Whose context it was given last.
    pub holder: Holder,
    /// Whose context it had before, until the new one has proven to run: it may still be being saved.
    pub leaving: Option<Holder>,
    /// The first number that the holder's context writes when it runs.
    pub proof: Seqno,
    /// Whether the job with that number had not been started when the holder was given the engine: its start then
    /// proves that the engine took the context over.
    pub fresh: bool,
    /// Whether the holder was given the engine again, to go on with more jobs.
    pub told: bool,
    /// When the holder was given the engine.
    pub since: Nanos,
    /// When the engine counts as stuck, while something is wanted of it that it does not do.
    pub stuck_at: Option<Nanos>,
    /// Software id of the newest context (engines sheet §7.2).
    pub context_id: u32,
}

/// The ports of all engines, in the order of [`DeviceInfo::engines`](crate::gt::DeviceInfo), in lent storage.
pub struct Ports<'a> {
    /// Filled from the front.
    places: &'a mut [Option<Port>],
    len: usize,
}

impl fmt::Debug for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Ports<'a> {
    /// None yet, with room for as many as there are places.
    #[must_use]
    pub fn none(places: &'a mut [Option<Port>]) -> Self {
        places.fill_with(|| None);
        Self { places, len: 0 }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The port of the engine at this position.
    #[must_use]
    pub fn get(&self, engine: usize) -> Option<&Port> {
        self.places.get(engine)?.as_ref()
    }

    /// The port of the engine at this position.
    pub fn get_mut(&mut self, engine: usize) -> Option<&mut Port> {
        self.places.get_mut(engine)?.as_mut()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Port> {
        self.places.iter().flatten()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Port> {
        self.places.iter_mut().flatten()
    }

    /// Adds one.
    ///
    /// # Errors
    /// The port, if there is no room.
    #[expect(clippy::result_large_err, reason = "what does not fit is the caller's to free")]
    pub fn push(&mut self, port: Port) -> Result<(), Port> {
        let Some(place) = self.places.get_mut(self.len) else { return Err(port) };
        *place = Some(port);
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Takes the last one.
    pub fn pop(&mut self) -> Option<Port> {
        self.len = self.len.saturating_sub(1);
        self.places.get_mut(self.len)?.take()
    }

    /// The storage.
    #[must_use]
    pub const fn into_places(self) -> &'a mut [Option<Port>] {
        self.places
    }
}

impl Port {
    /// Whether the engine may still touch the context of `queue`.
    #[must_use]
    pub fn holds(&self, queue: Handle<Queue>) -> bool {
        let context = Holder::Queue(queue);
        self.holder == context || self.leaving == Some(context)
    }

    /// Whose work the engine is about: that of the context that is asked to leave, or else of the one it was given.
    #[must_use]
    pub const fn about(&self) -> Holder {
        match (self.holder, self.leaving) {
            (Holder::Idle, Some(leaving)) => leaving,
            (holder, _) => holder,
        }
    }

    /// Nothing is on the engine: it was reset.
    pub const fn forget(&mut self) {
        (self.holder, self.leaving, self.stuck_at) = (Holder::Nobody, None, None);
    }

    /// Whether no context but the idle one is on the engine or on its way out.
    #[must_use]
    pub const fn is_vacant(&self) -> bool {
        self.leaving.is_none() && matches!(self.holder, Holder::Nobody | Holder::Idle)
    }
}
