//! A VM with batches that do not end.

use barexe_core::device::request::{BindFlags, VmFlags};
use barexe_core::device::{Config, InvalidationTicket, TableWriter, Ticket, TicketState};
use barexe_hal::{ClientAddr, Nanos};
use barexe_sim::{Platform, SimConfig};
use barexe_tests::rig::{ARB_CHECK, ARB_OFF, BATCH_END, JUMP, Mapped, Rig, SPACE, on_opened, platforms, store_batch};

pub(crate) const PAGE: u64 = 0x1000;
/// Where the client's memory is.
pub(crate) const USER: u64 = 0x7000_0000;
/// Where batches and results are mapped in a VM without client memory, and client memory in one that has it.
pub(crate) const VA: u64 = 0x40_0000;
/// Where batches and results are mapped.
const CODE: u64 = 0x1A_0000;
const RESULTS: u64 = 0x8000;
/// What a result is set to by hand: one that keeps it has not been written since.
pub(crate) const POKED: u32 = 0xDEAD;
pub(crate) const PREEMPT_TIMEOUT: Nanos = Nanos::from_millis(5);
/// `MI_ATOMIC` on a dword: one more.
const INCREMENT: u32 = 0x1780_0501;
/// `MI_COPY_MEM_MEM`.
const COPY: u32 = 0x1700_0003;
/// Byte of a watching batch at which it jumps back.
const JUMP_AT: u64 = 36;

pub(crate) fn config(tables: TableWriter) -> Config {
    let job_timeout = Nanos::from_millis(60);
    Config { tables, job_timeout, preempt_timeout: PREEMPT_TIMEOUT, ..Config::default() }
}

/// On every platform, with page tables written by the CPU and by the copy engine.
pub(crate) fn on_each(test: impl Fn(&mut Rig<'_>)) {
    on_each_with(0, test);
}

/// As [`on_each`], with a timeline of this length.
pub(crate) fn on_each_with(timeline_events: usize, test: impl Fn(&mut Rig<'_>)) {
    for tables in [TableWriter::Cpu, TableWriter::Engine] {
        for platform in platforms() {
            on_opened(&SimConfig { timeline_events, ..SimConfig::new(platform) }, config(tables), &test);
        }
    }
}

/// On the platform that can fault.
pub(crate) fn on_faulting(test: impl Fn(&mut Rig<'_>)) {
    for tables in [TableWriter::Cpu, TableWriter::Engine] {
        on_opened(&SimConfig::new(Platform::lnl_with_faults()), config(tables), &test);
    }
}

/// A VM with one object for batches and results, and two pages of client memory.
pub(crate) struct Space {
    pub(crate) vm: u32,
    pub(crate) bo: Mapped,
    code: u64,
}

impl Space {
    pub(crate) fn new(rig: &mut Rig<'_>, flags: VmFlags) -> Self {
        let space = Self::at(rig, flags, CODE);
        give_pages(rig, USER, 2 * PAGE, 100);
        rig.bind_now(space.vm, &[rig.user_op(USER, VA, 2 * PAGE)]);
        space
    }

    pub(crate) fn without_user(rig: &mut Rig<'_>, flags: VmFlags) -> Self {
        Self::at(rig, flags, VA)
    }

    fn at(rig: &mut Rig<'_>, flags: VmFlags, code: u64) -> Self {
        let vm = rig.device.vm_create(rig.client, flags).unwrap();
        let bo = rig.bo(0x1_0000);
        let mut op = rig.map_op(bo, code);
        if flags.contains(VmFlags::FAULT_MODE) {
            op.flags |= BindFlags::IMMEDIATE;
        }
        rig.bind_now(vm, &[op]);
        Self { vm, bo, code }
    }

    /// Where what the batch of a page writes lies in the object.
    pub(crate) const fn result(page: u64) -> u64 {
        RESULTS + page * 0x100
    }

    const fn starts_at(page: u64) -> u64 {
        Self::result(page) + 0x40
    }

    /// Address of a word in the object that nothing of the device writes.
    pub(crate) const fn word(&self) -> u64 {
        self.code + 0xF000
    }

    /// Puts a batch there that notes its start, and then copies a word into its result until it is told to
    /// end; its address.
    pub(crate) fn watching(&self, rig: &mut Rig<'_>, page: u64, from: u64) -> u64 {
        let back = half(self.code + page * PAGE + 12);
        let (starts, to, from) =
            (half(self.code + Self::starts_at(page)), half(self.code + Self::result(page)), half(from));
        let batch =
            [INCREMENT, starts[0], starts[1], ARB_CHECK, COPY, to[0], to[1], from[0], from[1], JUMP, back[0], back[1]];
        rig.write(self.bo, page * PAGE, &batch);
        self.code + page * PAGE
    }

    /// Runs a batch of [`watching`](Self::watching).
    pub(crate) fn watch(&self, rig: &mut Rig<'_>, queue: u32, page: u64, from: u64) -> Ticket {
        let batch = self.watching(rig, page, from);
        rig.exec(queue, batch, &[]).unwrap()
    }

    /// Runs a batch that notes its start and stores its result.
    pub(crate) fn store(&self, rig: &mut Rig<'_>, queue: u32, page: u64, value: u32) -> Ticket {
        let starts = half(self.code + Self::starts_at(page));
        let mut batch = vec![INCREMENT, starts[0], starts[1]];
        batch.extend(store_batch(self.code + Self::result(page), value));
        self.run(rig, queue, page, &batch)
    }

    /// Runs a batch that does nothing, does not end, and lets no other context have its engine.
    pub(crate) fn block(&self, rig: &mut Rig<'_>, queue: u32, page: u64) -> Ticket {
        let at = half(self.code + page * PAGE);
        self.run(rig, queue, page, &[ARB_OFF, 0, JUMP, at[0], at[1]])
    }

    fn run(&self, rig: &mut Rig<'_>, queue: u32, page: u64, batch: &[u32]) -> Ticket {
        rig.write(self.bo, page * PAGE, batch);
        rig.exec(queue, self.code + page * PAGE, &[]).unwrap()
    }

    /// Lets a watching batch end.
    pub(crate) fn end(&self, rig: &mut Rig<'_>, page: u64) {
        rig.write(self.bo, page * PAGE + JUMP_AT, &[BATCH_END]);
    }

    /// What the batch of a page has seen last.
    pub(crate) fn seen(&self, rig: &Rig<'_>, page: u64) -> u32 {
        rig.read(self.bo, Self::result(page))
    }

    /// How often the batch of a page has begun.
    pub(crate) fn starts(&self, rig: &Rig<'_>, page: u64) -> u32 {
        rig.read(self.bo, Self::starts_at(page))
    }

    /// Overwrites what the batch of a page has seen.
    pub(crate) fn poke(&self, rig: &mut Rig<'_>, page: u64) -> (Mapped, u64) {
        rig.write(self.bo, Self::result(page), &[POKED]);
        (self.bo, Self::result(page))
    }
}

const fn half(va: u64) -> [u32; 2] {
    [va as u32, (va >> 32) as u32]
}

/// Gives the client pages, each with its number.
pub(crate) fn give_pages(rig: &Rig<'_>, addr: u64, bytes: u64, first: u32) {
    rig.sim.user_map(SPACE, addr..addr + bytes, PAGE);
    for (number, at) in (first..).zip((addr..addr + bytes).step_by(PAGE as usize)) {
        assert!(rig.sim.user_write(SPACE, at, &number.to_le_bytes()));
    }
}

/// Polls and lets the part run for so long.
/// Overwrites a result, and says whether it is still so after a while.
pub(crate) fn still_after(rig: &mut Rig<'_>, time: Nanos, poke: impl Fn(&mut Rig<'_>) -> (Mapped, u64)) -> bool {
    let (bo, at) = poke(rig);
    rig.pass(time);
    rig.read(bo, at) == POKED
}

/// Waits until an invalidation is over: for no longer than it takes to reset an engine.
pub(crate) fn till_done(rig: &mut Rig<'_>, ticket: InvalidationTicket) {
    let limit = rig.device.now().saturating_add(PREEMPT_TIMEOUT).saturating_add(PREEMPT_TIMEOUT);
    while rig.device.invalidation_state(ticket) != TicketState::Done {
        assert!(rig.device.now() < limit, "{}: {:?}", rig.name(), rig.device.invalidation_state(ticket));
        rig.pass(Nanos::from_micros(20));
    }
}

/// Says that pages change, and waits until they may.
pub(crate) fn invalidated(rig: &mut Rig<'_>, addr: u64, bytes: u64) -> InvalidationTicket {
    let ticket = rig.device.user_invalidate(SPACE, ClientAddr::new(addr).unwrap(), bytes);
    till_done(rig, ticket);
    ticket
}
