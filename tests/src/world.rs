//! A device on a simulated part in the middle of a scenario.

mod make;

use crate::client::ClientPage;
use crate::found::{core_state, settled};
use crate::rig::{BATCH_END, SPACE, binary, point, rows, store};
use crate::scenario::{Check, End, Op, Step, Sync, USER, USER_BYTES};
use barexe_core::device::request::{BindCall, BindFlags, BindKind, BindOp, ExecCall, SyncEntry, SyncTarget};
use barexe_core::device::{Config, Device, DeviceState, OpenError, SyncobjLook, TicketState};
use barexe_core::gt::IrqFlag;
use barexe_core::{Error, Storage};
use barexe_hal::{ClientAddr, GpuVa, Hal, Nanos};
use barexe_sim::{DeviceSnapshot, Platform, Sim, SimConfig, SimHal};
use core::fmt::Debug;
use make::Made;
use std::sync::Arc;

/// A device in the middle of a scenario.
#[derive(Debug)]
pub struct World<'s> {
    /// The part.
    pub sim: Sim,
    /// The driver.
    pub device: Device<'s, SimHal>,
    /// The client's memory.
    pub memory: ClientPage,
    made: Made,
    buffers_at_open: u64,
}

/// A part as the scenarios want it: objects of more than 2 MiB come in pieces.
///
/// # Panics
/// For a platform that is not simulated.
#[must_use]
#[expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]
pub fn sim(platform: &Platform) -> Sim {
    let config = SimConfig { max_block_bytes: 2 << 20, ..SimConfig::new(platform.clone()) };
    Sim::new(&config).unwrap_or_else(|| panic!("{} is not simulated", platform.name))
}

/// Everything that a refused call must leave as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    device: DeviceSnapshot,
    core: String,
}

impl State {
    /// That of a part and the driver on it.
    #[must_use]
    pub fn of<H: Hal + Debug>(sim: &Sim, device: &Device<'_, H>) -> Self {
        Self { core: core_state(device), device: settled(sim) }
    }

    /// What differs, in short; none if nothing does.
    #[must_use]
    pub fn difference(&self, after: &Self) -> Option<String> {
        if self.device != after.device {
            return Some(format!("device: {:?}\nbecame {:?}", self.device, after.device));
        }
        let same = self.core.bytes().zip(after.core.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| text.chars().skip(same.saturating_sub(200)).take(400).collect::<String>();
        (self.core != after.core).then(|| format!("core: {}\nbecame {}", around(&self.core), around(&after.core)))
    }
}

fn live_buffers(sim: &Sim) -> u64 {
    let (given, taken) = sim.buffers();
    given.wrapping_sub(taken)
}

/// Pools of which nothing is left when all clients are gone.
const CLIENT_POOLS: [&str; 19] = [
    "clients",
    "vms",
    "vmas",
    "steps",
    "bos",
    "bo_blocks",
    "bo_mappings",
    "bo_imports",
    "queues",
    "timelines",
    "jobs",
    "dependencies",
    "out_syncs",
    "syncobjs",
    "sync_points",
    "sleepers",
    "user_fences",
    "user_ranges",
    "user_pins",
];

impl<'s> World<'s> {
    /// Opens the driver on a part, with its interrupt entry connected.
    ///
    /// # Errors
    /// As [`Device::open`].
    #[expect(clippy::result_large_err, reason = "gives back all that was lent, as the driver does")]
    pub fn open(sim: &Sim, storage: Storage<'s>, irq: &'s Arc<IrqFlag>) -> Result<Self, OpenError<'s, SimHal>> {
        let entry = Arc::clone(irq);
        sim.on_msi(move || entry.handle().record());
        let config = Config { platforms: rows(&sim.platform()), ..Config::default() };
        let device = Device::open(sim.hal(), storage, config, Some(irq))?;
        let buffers_at_open = live_buffers(sim);
        sim.user_map(SPACE, USER..USER.saturating_add(USER_BYTES), 0x3000);
        let sim = sim.clone();
        Ok(Self { sim, device, memory: ClientPage::default(), made: Made::default(), buffers_at_open })
    }

    /// Closes it; the storage comes back.
    #[must_use]
    pub fn close(self) -> Storage<'s> {
        self.device.close().1
    }

    /// Everything that a refused call must leave as it was.
    #[must_use]
    pub fn state(&self) -> State {
        State::of(&self.sim, &self.device)
    }

    /// The driver's part of it.
    #[must_use]
    pub fn core_state(&self) -> String {
        core_state(&self.device)
    }

    /// What became of each call that gave a ticket.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Result<TicketState, Error>> {
        self.made.tickets.iter().map(|ticket| self.device.ticket_state(*ticket)).collect()
    }

    /// Takes one step.
    ///
    /// # Errors
    /// That of the call it makes; the step may then be repeated.
    ///
    /// # Panics
    /// If a check does not hold.
    pub fn step(&mut self, step: &Step) -> Result<(), Error> {
        match *step {
            Step::Make(make) => self.made.make(&mut self.device, make),
            Step::Batch(bo, offset, stores) => self.write_batch(bo, offset, stores),
            Step::Bind(vm, queue, ops, syncs) => self.bind(vm, queue, ops, syncs),
            Step::Exec(queue, batch, syncs) => self.exec(queue, batch, syncs),
            Step::Change(addr, len) => self.change(addr, len),
            Step::Wait => self.wait(),
            Step::Check(check) => self.check(check),
            Step::End(end) => self.end(end),
        }
    }

    fn write_batch(&mut self, bo: usize, offset: u64, stores: &[(u64, u32)]) -> Result<(), Error> {
        let mut dwords: Vec<u32> = stores.iter().flat_map(|(va, value)| store(*va, *value)).collect();
        dwords.extend([BATCH_END, 0]);
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.device.mapping_write(self.made.client()?, self.made.mapping(bo)?, offset, &bytes)
    }

    fn sync_entries(&self, syncs: &[Sync]) -> Vec<SyncEntry> {
        let made = &self.made;
        let entry = |sync: &Sync| match *sync {
            Sync::In(s) => binary(made.syncobj(s), false),
            Sync::Out(s) => binary(made.syncobj(s), true),
            Sync::InPoint(s, value) => point(made.syncobj(s), value, false),
            Sync::OutPoint(s, value) => point(made.syncobj(s), value, true),
            Sync::UserFence(addr, value) => SyncEntry { target: SyncTarget::UserFence { addr, value }, signal: true },
        };
        syncs.iter().map(entry).collect()
    }

    fn bind_op(&self, op: &Op) -> BindOp {
        let (kind, va, range_bytes) = match *op {
            Op::Map(bo, offset_bytes, va, len) => (BindKind::Map { bo: self.made.bo(bo), offset_bytes }, va, len),
            Op::Null(va, len) => (BindKind::MapNull, va, len),
            Op::Unmap(va, len) => (BindKind::Unmap, va, len),
            Op::User(addr, va, len) => (BindKind::MapUserptr { addr }, va, len),
            Op::Prefetch(va, len) => (BindKind::Prefetch { region: 0 }, va, len),
        };
        // Write-back and coherent, on either platform.
        let pat_index = if self.device.info().family().name == "Gen12" { 0 } else { 1 };
        BindOp { kind, va, range_bytes, pat_index, flags: BindFlags::empty() }
    }

    fn bind(&mut self, vm: usize, queue: Option<usize>, ops: &[Op], syncs: &[Sync]) -> Result<(), Error> {
        let ops: Vec<BindOp> = ops.iter().map(|op| self.bind_op(op)).collect();
        let syncs = self.sync_entries(syncs);
        let queue = queue.map_or(0, |queue| self.made.queue(queue));
        let (call, client) = (BindCall { vm: self.made.vm(vm), queue }, self.made.client()?);
        let ticket = self.device.vm_bind(client, &call, &mut &ops[..], &mut &syncs[..], &mut self.memory)?;
        self.made.tickets.push(ticket);
        Ok(())
    }

    fn exec(&mut self, queue: usize, batch: Option<u64>, syncs: &[Sync]) -> Result<(), Error> {
        let batches: Vec<GpuVa> = batch.and_then(GpuVa::new).into_iter().collect();
        let syncs = self.sync_entries(syncs);
        let call = ExecCall { queue: self.made.queue(queue), batches: &batches };
        let ticket = self.device.exec(self.made.client()?, &call, &mut &syncs[..])?;
        self.made.tickets.push(ticket);
        Ok(())
    }

    /// Pages are replaced once the driver has let them go, or can no more.
    fn change(&mut self, addr: u64, len: u64) -> Result<(), Error> {
        let at = ClientAddr::new(addr).ok_or(Error::invalid("client address", addr))?;
        let ticket = self.device.user_invalidate(SPACE, at, len);
        self.wait_until(|world| world.device.invalidation_state(ticket) != TicketState::Pending)?;
        self.sim.user_map(SPACE, addr..addr.saturating_add(len), 0x1000);
        self.device.user_changed(ticket);
        Ok(())
    }

    /// Ends early on a device that does not work any more.
    fn wait(&mut self) -> Result<(), Error> {
        self.wait_until(|world| world.device.is_quiet())
    }

    fn wait_until(&mut self, over: impl Fn(&Self) -> bool) -> Result<(), Error> {
        for _ in 0..1000 {
            self.device.poll();
            if let Ok(client) = self.made.client() {
                self.device.deliver_user_fences(client, &mut self.memory);
            }
            if over(self) || self.device.state() != DeviceState::Live {
                return Ok(());
            }
            let now = self.device.now();
            self.device.relax(now.saturating_add(Nanos::from_micros(50)))?;
        }
        Err(Error::TimedOut)
    }

    fn check(&mut self, check: Check) -> Result<(), Error> {
        match check {
            Check::Holds(bo, offset, want) => {
                let mut bytes = [0; 4];
                self.device.mapping_read(self.made.client()?, self.made.mapping(bo)?, offset, &mut bytes)?;
                assert_eq!(u32::from_le_bytes(bytes), want, "object {bo} at {offset:#x}");
            }
            Check::ClientHolds(addr, want) => assert_eq!(self.memory.word(addr), Some(want), "client at {addr:#x}"),
            Check::UserHolds(addr, want) => {
                let found = self.sim.user_read(SPACE, addr, 4);
                assert_eq!(found.as_deref(), Some(&want.to_le_bytes()[..]), "client memory at {addr:#x}");
            }
            Check::Signalled(s) => {
                let look = SyncobjLook { all: true, for_submit: false };
                let seen = self.device.syncobj_look(self.made.client()?, &mut &[self.made.syncobj(s)][..], look)?;
                assert_eq!(seen, Some(0), "sync object {s}");
            }
            Check::NothingLeft => self.check_nothing_left(),
        }
        Ok(())
    }

    fn check_nothing_left(&self) {
        let core = self.state().core;
        for pool in CLIENT_POOLS {
            assert!(core.contains(&format!(" {pool}: {{}}")), "{pool}: something is left in {core:.2000}");
        }
        assert!(core.contains("reserved: Need { leaf_tables: 0, directories: 0 }"), "promised tables are left");
        // Blocks of page-table memory stay for the next VM.
        let blocks = self.sim.snapshot().buffers.iter().filter(|buffer| buffer.len_bytes == 32 * 4096).count();
        let rest = live_buffers(&self.sim).wrapping_sub(u64::try_from(blocks).unwrap_or(u64::MAX));
        assert_eq!(rest, self.buffers_at_open, "buffers are left");
        assert_eq!(self.sim.user_pinned(), 0, "client pages are pinned");
    }

    fn end(&mut self, end: End) -> Result<(), Error> {
        let client = self.made.client()?;
        let (made, device) = (&self.made, &mut self.device);
        match end {
            End::SyncobjContent(s) => device.syncobj_reset(client, &mut &[made.syncobj(s)][..]),
            End::Syncobj(s) => device.syncobj_destroy(client, made.syncobj(s)),
            End::Queue(queue) => device.queue_destroy(client, made.queue(queue)),
            End::Mapping(bo) => device.bo_unmap(client, made.mapping(bo)?),
            End::Bo(bo) => device.bo_close(client, made.bo(bo)),
            End::Vm(vm) => device.vm_destroy(client, made.vm(vm)),
            End::OtherClient => device.client_close(made.other()?),
            End::Client => device.client_close(client),
        }
    }
}
