//! Where an attack is tried: the device, the neighbour, the hostile client, and what has to hold in the end.

use crate::neighbour::Neighbour;
use barexe_core::device::request::{EngineRef, QueueProperties, QueueRequest, VmFlags};
use barexe_core::device::{ClientId, Config, TableWriter, Ticket, TicketState};
use barexe_core::gt::{Engine, EngineClass};
use barexe_core::{Capacities, Errno, Shares};
use barexe_hal::{Nanos, UserSpace};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{Mapped, Rig, on_lent, platforms};

/// Limits of the device that is attacked.
pub(crate) const JOB_TIMEOUT: Nanos = Nanos::from_millis(20);
pub(crate) const PREEMPT_TIMEOUT: Nanos = Nanos::from_millis(5);

/// How often the embedder polls.
const STEP: Nanos = Nanos::from_micros(20);

/// Where the hostile client maps [`BO_BYTES`] of its own: batches from the first page on, [`RESULT`] behind them.
pub(crate) const VA: u64 = 0x1A_0000;
pub(crate) const BO_BYTES: u64 = 0x2_0000;
pub(crate) const RESULT: u64 = 0x1_8000;
/// An address where it maps nothing.
pub(crate) const NOWHERE: u64 = 0x7000_0012_3000;

/// What becomes of an attack's job.
pub(crate) const FAULTED: Option<Errno> = Some(Errno::EIO);
pub(crate) const TOO_LONG: Option<Errno> = Some(Errno::ETIME);
pub(crate) const CANCELED: Option<Errno> = Some(Errno::ECANCELED);

/// An attack on its way.
#[derive(Debug)]
pub(crate) struct Stage<'r, 'a> {
    /// The device; its client is the hostile one.
    pub(crate) rig: &'r mut Rig<'a>,
    pub(crate) neighbour: Neighbour,
    /// The engine both share.
    pub(crate) engine: Engine,
    pub(crate) vm: u32,
    pub(crate) bo: Mapped,
}

/// An attack: its name in the table, the engine it is made on, and the longest time the neighbour may wait for a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) class: EngineClass,
    pub(crate) bound: Nanos,
}

/// An attack on the copy engine.
pub(crate) const fn attack(name: &'static str, bound: Nanos) -> Attack {
    Attack { name, class: EngineClass::Copy, bound }
}

impl Attack {
    /// Tries it on every platform; on those that exist with both ways to write page tables.
    pub(crate) fn tried(self, try_it: impl Fn(&mut Stage<'_, '_>)) {
        self.tried_in(|_| (Capacities::DEFAULT, Shares::NONE), try_it);
    }

    /// As [`tried`](Self::tried), in storage that is made for each part, and of which clients are promised shares.
    pub(crate) fn tried_in(
        self,
        lent: impl Fn(&SimConfig) -> (Capacities, Shares),
        try_it: impl Fn(&mut Stage<'_, '_>),
    ) {
        let ways = [TableWriter::Cpu, TableWriter::Engine].map(|tables| platforms().map(|platform| (platform, tables)));
        let for_tests = Platform::for_tests().map(|platform| (platform, TableWriter::Auto));
        for (platform, tables) in ways.into_iter().flatten().chain(for_tests) {
            let part = SimConfig::new(platform);
            let (capacities, shares) = lent(&part);
            let (job_timeout, preempt_timeout) = (JOB_TIMEOUT, PREEMPT_TIMEOUT);
            let config = Config { tables, job_timeout, preempt_timeout, shares, ..Config::default() };
            on_lent(&part, config, &capacities, |rig| self.on(rig, tables, &try_it));
        }
    }

    fn on(self, rig: &mut Rig<'_>, tables: TableWriter, try_it: &impl Fn(&mut Stage<'_, '_>)) {
        let engine = rig.engine(self.class);
        let neighbour = Neighbour::open(rig, engine);
        let (client, vm, bo) = hostile_client(rig);
        let mut stage = Stage { rig, neighbour, engine, vm, bo };
        stage.pass(Nanos::from_micros(500));
        try_it(&mut stage);
        if stage.rig.device.client_is_privileged(client).is_ok() {
            stage.rig.device.client_close(client).unwrap();
        }
        stage.pass(Nanos::from_millis(10));
        let Stage { rig, neighbour, .. } = stage;
        let (name, worst, rounds) = (rig.name(), neighbour.worst, neighbour.rounds);
        println!(
            "{name:>22} {tables:?}\t{:<52} {:>9.3} ms of {:>3} ms, {rounds} rounds",
            self.name,
            millis(worst),
            self.bound.get() / 1_000_000
        );
        assert!(rounds > 20, "{name}: the neighbour got nowhere");
        assert!(worst <= self.bound, "{name} {tables:?}: {}: the neighbour waited {worst:?}", self.name);
    }
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "to be read by people")]
fn millis(time: Nanos) -> f64 {
    time.get() as f64 / 1e6
}

/// A client without privileges with a VM and an object in it.
pub(crate) fn hostile_client(rig: &mut Rig<'_>) -> (ClientId, u32, Mapped) {
    rig.client = rig.device.client_open_in(false, UserSpace(666)).unwrap();
    let vm = rig.device.vm_create(rig.client, VmFlags::empty()).unwrap();
    let bo = rig.bo(BO_BYTES);
    rig.bind_now(vm, &[rig.map_op(bo, VA)]);
    (rig.client, vm, bo)
}

impl Stage<'_, '_> {
    /// Lets time pass, in which the neighbour works.
    pub(crate) fn pass(&mut self, time: Nanos) {
        let until = self.rig.device.now().saturating_add(time);
        loop {
            self.rig.device.poll();
            self.neighbour.step(self.rig);
            let now = self.rig.device.now();
            if now >= until {
                return;
            }
            let _ = self.rig.device.relax(now.saturating_add(STEP));
        }
    }

    /// Lets time pass until the work is over, at most so long; what it ended with, `None` for well.
    pub(crate) fn outcome(&mut self, ticket: Ticket, limit: Nanos) -> Option<Errno> {
        let until = self.rig.device.now().saturating_add(limit);
        while !self.rig.is_over(ticket) && self.rig.device.now() < until {
            self.pass(STEP);
        }
        match self.rig.device.ticket_state(ticket).unwrap() {
            TicketState::Failed(error) => Some(error.errno()),
            TicketState::Done => None,
            TicketState::Pending => panic!("{}: the attack is not over", self.rig.name()),
        }
    }

    /// A queue of the hostile client on the shared engine.
    pub(crate) fn queue(&mut self) -> u32 {
        self.rig.queue(self.vm, self.engine)
    }

    /// A queue with other properties.
    pub(crate) fn queue_with(&mut self, properties: QueueProperties) -> Result<u32, Errno> {
        let Engine { class, logical, gt, .. } = self.engine;
        let place = EngineRef { class, instance: logical.into(), gt: gt.into() };
        let request = QueueRequest { vm: self.vm, placements: &[place], width: 1, properties };
        self.rig.device.exec_queue_create(self.rig.client, &request).map_err(|error| error.errno())
    }

    /// Runs `batch` from the page with this number.
    pub(crate) fn run(&mut self, queue: u32, page: u64, batch: &[u32]) -> Ticket {
        self.rig.write(self.bo, page << 12, batch);
        self.rig.exec(queue, VA + (page << 12), &[]).unwrap()
    }

    /// Runs `batch` on a queue of its own; what it ended with.
    pub(crate) fn end_of(&mut self, batch: &[u32]) -> Option<Errno> {
        let queue = self.queue();
        let job = self.run(queue, 0, batch);
        let end = self.outcome(job, Nanos::from_millis(60));
        let banned = self.rig.device.queue_is_banned(self.rig.client, queue).unwrap();
        assert_eq!(banned, end.is_some(), "{}: {batch:#x?}", self.rig.name());
        self.rig.device.queue_destroy(self.rig.client, queue).unwrap();
        end
    }
}

/// The two halves of an address, as commands have them.
pub(crate) const fn halves(va: u64) -> [u32; 2] {
    [va as u32, (va >> 32) as u32]
}
