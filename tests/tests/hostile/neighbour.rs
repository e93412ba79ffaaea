//! The client that wants nothing but its own: a stream of work whose every result is looked at.

use barexe_core::Error;
use barexe_core::device::request::VmFlags;
use barexe_core::device::{ClientId, Ticket, TicketState};
use barexe_core::gt::Engine;
use barexe_hal::{Nanos, UserSpace};
use barexe_tests::rig::{Mapped, Rig, binary, store_batch};

/// Where it maps its batches and results.
const VA: u64 = 0x40_0000;
/// Where it maps an object for one round.
const FLEETING: u64 = 0x80_0000;
const RESULT: u64 = 0x800;
/// Every so many rounds it binds as well.
const BINDS_EACH: u32 = 4;

/// A round of work that is going on.
#[derive(Clone, Copy, Debug)]
struct Round {
    ticket: Ticket,
    began: Nanos,
    to: Mapped,
}

/// The neighbour, and how it fared.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) client: ClientId,
    pub(crate) vm: u32,
    pub(crate) queue: u32,
    pub(crate) bind_queue: u32,
    pub(crate) syncobj: u32,
    pub(crate) bo: Mapped,
    fleeting: Mapped,
    ran: u32,
    round: Option<Round>,
    /// Rounds that are over, each with its result.
    pub(crate) rounds: u32,
    /// Longest time from the first call of a round to the look that found it over.
    pub(crate) worst: Nanos,
}

impl Neighbour {
    /// Opens a client without privileges, with all it needs on this engine.
    pub(crate) fn open(rig: &mut Rig<'_>, engine: Engine) -> Self {
        rig.client = rig.device.client_open_in(false, UserSpace(7)).unwrap();
        let vm = rig.device.vm_create(rig.client, VmFlags::empty()).unwrap();
        let (bo, fleeting) = (rig.bo(0x1000), rig.bo(0x1000));
        rig.bind_now(vm, &[rig.map_op(bo, VA)]);
        Self {
            client: rig.client,
            vm,
            queue: rig.queue(vm, engine),
            bind_queue: rig.device.bind_queue_create(rig.client, vm).unwrap(),
            syncobj: rig.syncobj(),
            bo,
            fleeting,
            ran: 0,
            round: None,
            rounds: 0,
            worst: Nanos::ZERO,
        }
    }

    /// Looks at the round that is going on, and begins the next one.
    pub(crate) fn step(&mut self, rig: &mut Rig<'_>) {
        let before = core::mem::replace(&mut rig.client, self.client);
        self.look(rig);
        if self.round.is_none() {
            self.begin(rig);
        }
        rig.client = before;
    }

    /// Whether a round is over; its result is then checked.
    pub(crate) fn look(&mut self, rig: &mut Rig<'_>) {
        let Some(round) = self.round.filter(|round| rig.is_over(round.ticket)) else { return };
        let (name, now) = (rig.name(), rig.device.now());
        assert_eq!(
            rig.device.ticket_state(round.ticket),
            Ok(TicketState::Done),
            "{name}: neighbour's round {}",
            self.ran
        );
        assert_eq!(read(rig, self.client, round.to), self.ran, "{name}: neighbour's result");
        self.worst = self.worst.max(Nanos::new(now.get() - round.began.get()));
        (self.rounds, self.round) = (self.rounds + 1, None);
    }

    fn begin(&mut self, rig: &mut Rig<'_>) {
        self.ran += 1;
        let (began, binds) = (rig.device.now(), self.ran.is_multiple_of(BINDS_EACH));
        let (va, to) = if binds { (FLEETING, self.fleeting) } else { (VA, self.bo) };
        rig.write(self.bo, 0, &store_batch(va + RESULT, self.ran));
        let ticket = if binds { self.bind_run_unbind(rig) } else { rig.exec(self.queue, VA, &[]) };
        let ticket = ticket.unwrap_or_else(|error| panic!("{}: a call of the neighbour's: {error}", rig.name()));
        self.round = Some(Round { ticket, began, to });
    }

    /// Three calls, each of which waits for the one before.
    fn bind_run_unbind(&self, rig: &mut Rig<'_>) -> Result<Ticket, Error> {
        let (after, then) = (binary(self.syncobj, false), binary(self.syncobj, true));
        rig.bind(self.vm, self.bind_queue, &[rig.map_op(self.fleeting, FLEETING)], &[then])?;
        rig.exec(self.queue, VA, &[after, then])?;
        rig.bind(self.vm, self.bind_queue, &[rig.unmap_op(FLEETING, 0x1000)], &[after])
    }
}

fn read(rig: &Rig<'_>, client: ClientId, from: Mapped) -> u32 {
    let mut bytes = [0; 4];
    rig.device.mapping_read(client, from.mapping, RESULT, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}
