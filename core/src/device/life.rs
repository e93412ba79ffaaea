//! Opening and closing a device.

use super::inject::Injection;
use super::jobs::gang::Turn;
use super::pools::GtSlices;
use super::{Config, Device, DeviceState, Pools, Scheduling};
use crate::chain::Chain;
use crate::exec::lrc::{Lrc, LrcRequest, free_ggtt_memory, ggtt_memory};
use crate::exec::migration::{Migration, Migrations};
use crate::gt::{self, DeviceInfo, IrqFlag, Registers};
use crate::mem::ggtt::Ggtt;
use crate::mem::pages::PtMemory;
use crate::mem::tlb::{EngineTlb, TlbInvalidator};
use crate::num::{u64_of, usize_of};
use crate::pool::MAX_SLOTS;
use crate::shares::{Accounts, Owner, Shares};
use crate::storage::Storage;
use crate::submit::{Execlist, Holder, Port, Ports, Submission};
use crate::sync::seqno::Seqno;
use crate::trace::note;
use crate::{Capacities, Capacity, Error};
use barexe_hal::{DmaCaching, Hal, Nanos};

/// A device that could not be opened: why, and everything that was lent.
#[derive(Debug)]
pub struct OpenError<'a, H> {
    /// Why.
    pub error: Error,
    /// The HAL.
    pub hal: H,
    /// The storage.
    pub storage: Storage<'a>,
}

/// Where mmap offsets begin; below lies what no object may have.
const FIRST_MMAP_OFFSET: u64 = 0x1000_0000;
/// How long closing waits for batches to end before it resets the GTs under them.
const DRAIN_LIMIT: Nanos = Nanos::from_millis(100);
/// How long closing sleeps between two looks.
const DRAIN_STEP: Nanos = Nanos::from_micros(50);

impl<'a, H: Hal> Device<'a, H> {
    /// Probes and initialises the device behind `hal`.
    ///
    /// `irq` is where the embedder's interrupt entry leaves its mark; without it, [`poll`](Self::poll) alone finds
    /// out. Firmware's own GGTT entries are kept. It takes about 34 KB of stack, the deepest of all calls: the device is
    /// returned by value.
    ///
    /// # Errors
    /// Whatever the probe met, with the HAL and the storage; the hardware is as it was found.
    /// [`Error::Overpromised`] if the storage has less than [`Config::shares`] promise to its clients.
    #[expect(clippy::result_large_err, reason = "gives back all that was lent, and there is no heap to box it in")]
    pub fn open(
        mut hal: H,
        mut storage: Storage<'a>,
        config: Config,
        irq: Option<&'a IrqFlag>,
    ) -> Result<Self, OpenError<'a, H>> {
        if let Err(error) = check_shares(&config.shares, &storage, hal.max_block_bytes()) {
            return Err(OpenError { error, hal, storage });
        }
        let slices = (core::mem::take(&mut storage.ggtt_nodes), core::mem::take(&mut storage.ports));
        let ranges = promised(&config.shares, &storage);
        match bring_up(&mut hal, &config, slices, ranges) {
            Ok(brought) => {
                say_found(&brought.0);
                Ok(Self::assemble(hal, storage, config, irq, brought))
            }
            Err((error, slices)) => {
                note!(error, "not opened: {}", error);
                (storage.ggtt_nodes, storage.ports) = slices;
                Err(OpenError { error, hal, storage })
            }
        }
    }

    fn assemble(
        hal: H,
        mut storage: Storage<'a>,
        config: Config,
        irq: Option<&'a IrqFlag>,
        (info, ggtt, ports, migrations): Brought<'a>,
    ) -> Self {
        let clients = storage.clients.len().min(MAX_SLOTS);
        let (block, last) = (hal.max_block_bytes(), info.dma_last);
        let (blocks, notes) = (core::mem::take(&mut storage.pt_blocks), core::mem::take(&mut storage.pt_notes));
        let directories = core::mem::take(&mut storage.pt_directories);
        let ledger = |accounts: &Accounts<'a>, capacity| accounts.ledger(capacity, clients, &config.shares);
        let accounts = &storage.accounts;
        accounts.clear();
        let pages = PtMemory::new(blocks, notes, directories, block, last, caching_of_tables(&info))
            .counted(ledger(accounts, Capacity::PtNodes), ledger(accounts, Capacity::PtDirectories));
        let ggtt = ggtt.counted(ledger(accounts, Capacity::GgttNodes));
        let tlb = TlbInvalidator::new(EngineTlb::new(&info));
        let pools = Pools::lent(storage, config.tag, &config.shares);
        Self {
            hal,
            config,
            state: DeviceState::Live,
            pools,
            pages,
            ggtt,
            tlb,
            ports,
            owns_copy_engine: owns_copy_engines(&info),
            scheduling: Scheduling::of_engines(&info, &config),
            migrations,
            irq,
            invalidations: 0,
            next_asid: 1,
            next_mmap_offset: FIRST_MMAP_OFFSET,
            hwconfig: &[],
            user_fences_due: Chain::new(),
            last_user_fence: 0,
            next_look: Nanos::ZERO,
            clients_closing: false,
            turn: Turn::default(),
            now: Nanos::ZERO,
            modes: super::jobs::modes::Modes::default(),
            resting: false,
            reset: None,
            first_hang: None,
            injection: Injection::NONE,
            info,
        }
    }

    /// Gives the device up: closes every client, waits a bounded time for batches to end and resets the GTs if they do
    /// not, turns bus mastering off, gives every buffer back, restores the GGTT, and turns interrupts off.
    #[must_use = "the HAL and the storage can be used again"]
    pub fn close(mut self) -> (H, Storage<'a>) {
        self.wake_to_close();
        for position in 0..self.pools.clients.positions() {
            if let Some(client) = self.pools.clients.handle_at(position) {
                let _ = self.client_close(client);
            }
        }
        self.drain();
        if !self.is_idle() {
            note!(warn, "not idle after {} ns: GTs are reset", DRAIN_LIMIT.get());
            gt::reset::full(&mut self.hal, &self.info);
        }
        // Before any memory goes: an engine may have outlived even the reset.
        gt::stop_dma(&mut self.hal, &self.info);
        self.free_everything();
        self.into_parts()
    }

    /// Polls until nothing is left to do, the limit is reached, or the device fails.
    fn drain(&mut self) {
        let limit = self.hal.now().saturating_add(DRAIN_LIMIT);
        while self.state == DeviceState::Live && !self.is_idle() {
            let now = self.hal.now();
            if now >= limit {
                return;
            }
            self.poll();
            // An interruption only shortens this wait: giving up is not an answer to it here.
            let _ = self.hal.relax(now.saturating_add(DRAIN_STEP));
        }
    }

    /// Whether nothing of any client is left and every engine has saved its idle context.
    fn is_idle(&mut self) -> bool {
        let vacant = self.pools.queues.live() == 0 && self.pools.vms.live() == 0;
        let mut regs = Registers::new(&mut self.hal, self.info.format());
        let mut saved =
            |port: &Port| port.is_vacant() && port.execlist.is_ready(&mut regs.of_tile(port.tile)) == Ok(true);
        vacant && self.ports.iter().all(&mut saved)
    }

    /// Frees what drains left over: only on a device that no longer runs anything.
    fn free_everything(&mut self) {
        for position in 0..self.pools.queues.positions() {
            if let Some(queue) = self.pools.queues.handle_at(position) {
                self.free_queue(queue);
            }
        }
        for position in 0..self.pools.vms.positions() {
            if let Some(vm) = self.pools.vms.handle_at(position) {
                self.free_vm(vm);
            }
        }
        self.drop_user_ranges();
        for position in 0..self.pools.bos.positions() {
            let bo = self.pools.bos.handle_at(position).and_then(|bo| self.pools.bos.remove(bo));
            if let Some(bo) = bo {
                bo.free(&mut self.pools.bo_blocks, &mut self.hal);
            }
        }
        free_ports(&mut self.ports, &mut self.ggtt, &mut self.hal);
        Migration::free_all(core::mem::take(&mut self.migrations), &mut self.ggtt, &mut self.hal);
    }

    fn into_parts(mut self) -> (H, Storage<'a>) {
        self.pools.end_all_timelines();
        let ggtt_nodes = self.ggtt.close(&mut self.hal);
        // Last of all that reaches the device: it takes memory decode away, through which GGTT entries are written.
        gt::quiesce(&mut self.hal, &self.info);
        let pt = self.pages.close(&mut self.hal);
        let storage = self.pools.into_storage(pt, (ggtt_nodes, self.ports.into_places()));
        note!(info, "closed");
        (self.hal, storage)
    }
}

/// How the CPU maps page tables.
const fn caching_of_tables(info: &DeviceInfo) -> DmaCaching {
    if info.platform.family.pt.cached_tables { DmaCaching::WriteBack } else { DmaCaching::WriteCombining }
}

/// Says what the probe found.
fn say_found(info: &DeviceInfo) {
    let (platform, id, revision, graphics) = (info.platform.name, info.device_id, info.revision, info.graphics);
    let (engines, entries) = (info.engines.len(), info.ggtt_entries);
    note!(info, "{}: device {:#06x} revision {}, graphics {}", platform, id, revision, graphics);
    match info.media {
        Some(media) => note!(info, "{} engines, media {}, {} GGTT entries", engines, media, entries),
        None => note!(info, "{} engines, no media, {} GGTT entries", engines, entries),
    }
}

/// The GTs and everything made on them before the pools.
type Brought<'a> = (DeviceInfo, Ggtt<'a>, Ports<'a>, Migrations);

/// Whether every client can have what it is promised, as far as that is known before the probe.
fn check_shares(shares: &Shares, storage: &Storage<'_>, max_block_bytes: u64) -> Result<(), Error> {
    let Capacities { clients, pt_blocks, pt_notes, .. } = storage.capacities();
    if let Some(capacity) = shares.misfit(&storage.capacities()) {
        return Err(Error::Overpromised(capacity));
    }
    if *shares != Shares::NONE && storage.accounts.len() < clients.min(MAX_SLOTS) {
        return Err(Error::Overpromised(Capacity::Clients));
    }
    // The HAL's blocks may be smaller than blocks of tables are at most.
    let tables = PtMemory::tables_in(pt_blocks, pt_notes, max_block_bytes);
    if usize_of(shares.pt_notes).saturating_mul(clients) > tables {
        return Err(Error::Overpromised(Capacity::PtNodes));
    }
    Ok(())
}

/// Ranges of the GGTT that clients are promised.
fn promised(shares: &Shares, storage: &Storage<'_>) -> u64 {
    u64::from(shares.ggtt_nodes).saturating_mul(u64_of(storage.clients.len()))
}

/// From a PCI function to engines with idle contexts, or back to where it began.
fn bring_up<'a, H: Hal>(
    hal: &mut H,
    config: &Config,
    (nodes, ports): GtSlices<'a>,
    promised: u64,
) -> Result<Brought<'a>, (Error, GtSlices<'a>)> {
    let info = match gt::bring_up_among(hal, config.platforms, config.allow_unverified) {
        Ok(info) => info,
        Err(error) => return Err((error, (nodes, ports))),
    };
    let mut ggtt = match Ggtt::set_up(hal, &info, nodes) {
        Ok(ggtt) => ggtt,
        Err((error, nodes)) => {
            gt::quiesce(hal, &info);
            return Err((error, (nodes, ports)));
        }
    };
    let mut ports = Ports::none(ports);
    let made = make_contexts(&info, &mut ports, &mut ggtt, hal).and_then(|migrations| {
        if u64::from(ggtt.room()) >= promised {
            return Ok(migrations);
        }
        Migration::free_all(migrations, &mut ggtt, hal);
        Err(Error::Overpromised(Capacity::GgttNodes))
    });
    match made {
        Ok(migrations) => Ok((info, ggtt, ports, migrations)),
        Err(error) => {
            free_ports(&mut ports, &mut ggtt, hal);
            let nodes = ggtt.close(hal);
            gt::quiesce(hal, &info);
            Err((error, (nodes, ports.into_places())))
        }
    }
}

/// Whether the driver's copy engines run nothing else.
fn owns_copy_engines(info: &DeviceInfo) -> bool {
    (0..info.tile_count()).all(|tile| info.driver_copy_engine(tile).is_some_and(|engine| engine.reserved))
}

/// The driver's own contexts: one for each engine to idle in, and one on each tile for page tables. Whatever happens, the
/// ports are the caller's to free.
fn make_contexts<H: Hal>(
    info: &DeviceInfo,
    ports: &mut Ports<'_>,
    ggtt: &mut Ggtt<'_>,
    hal: &mut H,
) -> Result<Migrations, Error> {
    for (index, engine) in (0u8..).zip(&info.engines) {
        let port = make_port(index, engine, info, ggtt, hal)?;
        if let Err(port) = ports.push(port) {
            free_port(port, ggtt, hal);
            return Err(Error::Exhausted(Capacity::Ports));
        }
    }
    Migration::on_all_tiles(info, ggtt, hal)
}

fn make_port<H: Hal>(
    index: u8,
    engine: &gt::Engine,
    info: &DeviceInfo,
    ggtt: &mut Ggtt<'_>,
    hal: &mut H,
) -> Result<Port, Error> {
    let status_page = ggtt_memory((Owner::NOBODY, engine.tile, 4096), info, ggtt, hal)?;
    match Lrc::new(&LrcRequest { engine: index, vm: None, owner: Owner::NOBODY }, info, ggtt, hal) {
        Ok(idle) => Ok(Port {
            tile: engine.tile,
            execlist: Execlist::new(engine.base),
            status_page,
            idle,
            holder: Holder::Nobody,
            leaving: None,
            proof: Seqno::initial_memory(),
            fresh: false,
            told: false,
            since: Nanos::ZERO,
            stuck_at: None,
            context_id: 1,
        }),
        Err(error) => {
            free_ggtt_memory(status_page, ggtt, hal);
            Err(error)
        }
    }
}

fn free_port<H: Hal>(port: Port, ggtt: &mut Ggtt<'_>, hal: &mut H) {
    port.idle.free(ggtt, hal);
    free_ggtt_memory(port.status_page, ggtt, hal);
}

fn free_ports<H: Hal>(ports: &mut Ports<'_>, ggtt: &mut Ggtt<'_>, hal: &mut H) {
    while let Some(port) = ports.pop() {
        free_port(port, ggtt, hal);
    }
}
