//! Batches that go round until they are told to end, and gates made of them: what holds other work up.

use super::{BATCH_END, JUMP, Mapped, NOOP, Rig, binary};
use barexe_core::device::Ticket;
use barexe_core::gt::EngineClass;

/// A batch that goes round until it is told to end.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    /// The page that it is in; what is behind its first four dwords is free.
    pub page: Mapped,
}

impl Spinner {
    /// Puts one into a VM at `va`. Each time round it begins with `first`, one dword: [`ARB_CHECK`](super::ARB_CHECK) lets
    /// the engine switch there, and [`NOOP`] does not.
    pub fn new(rig: &mut Rig<'_>, vm: u32, va: u64, first: u32) -> Self {
        let page = rig.bo(0x1000);
        rig.bind_now(vm, &[rig.map_op(page, va)]);
        let [low, high] = [va, va >> 32].map(|half| u32::try_from(half & 0xFFFF_FFFF).unwrap_or_default());
        rig.write(page, 0, &[first, JUMP, low, high]);
        Self { page }
    }

    /// Lets it end when it comes round.
    pub fn end(&self, rig: &mut Rig<'_>) {
        rig.write(self.page, 4, &[BATCH_END]);
    }
}

/// A job that does not end before it is told to, and the sync object that it signals then: whatever waits for that is held up.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Its batch, at [`VA`](Self::VA).
    pub spinner: Spinner,
    /// Binary sync object, signalled once the gate is open.
    pub syncobj: u32,
    /// The job.
    pub ticket: Ticket,
}

impl Gate {
    /// Where the batch is.
    pub const VA: u64 = 0x9_0000;

    /// Starts one on the first engine of a class.
    ///
    /// # Panics
    /// If the device refuses any of it.
    pub fn shut(rig: &mut Rig<'_>, vm: u32, class: EngineClass) -> Self {
        let (spinner, syncobj) = (Spinner::new(rig, vm, Self::VA, NOOP), rig.syncobj());
        let queue = rig.queue(vm, rig.engine(class));
        let ticket = rig.exec(queue, Self::VA, &[binary(syncobj, true)]);
        Self { spinner, syncobj, ticket: ticket.unwrap_or_else(|error| panic!("gate: {error}")) }
    }

    /// Lets the job end.
    pub fn open(&self, rig: &mut Rig<'_>) {
        self.spinner.end(rig);
    }
}
