//! The simulated GPU behind a PCI bus: a vfio-user server.
//!
//! | file | concept |
//! |---|---|
//! | `backend` | what the protocol asks of the device |
//! | `regions` | its tables: regions, interrupts |
//! | [`faults`] | the plan of what goes wrong |
//! | `guest_memory` | memory of the peer, mapped from its files |
//! | `pace` | device time beside wall time; the thread of the engines |
//! | `line` | interrupt messages |
//! | `socket`, `closing`, `protocol_log` | the path, the end, what the protocol's crate has to say |
//!
//! # One peer
//!
//! The server ends with its first peer, with status 0 if the peer just left. With `--keep` it resets the device and
//! waits for the next one. Somebody who connects and says nothing is no peer: so another server looks whether this one
//! is alive.
//!
//! # Where the GGTT is
//!
//! A driver reads and writes a million entries when it opens a device, and writes them again when it closes. Over the
//! socket that takes minutes. By default the peer may therefore map the half of BAR 0 that has the GGTT; the device
//! reads entries where the peer left them. What this costs: QEMU then waits for every write to a register.

pub mod args;
pub mod backend;
pub mod closing;
pub mod faults;
pub mod guest_memory;
pub mod line;
pub mod pace;
pub mod protocol_log;
pub mod regions;
pub mod socket;

use backend::{Backend, Counts};
use barexe_sim::{Fault, MsiWidth, Platform, Sim, SimConfig};
use closing::Closing;
use core::sync::atomic::{AtomicBool, Ordering};
use guest_memory::{Protection, SharedFile};
use line::MessageLine;
use pace::{Engines, WallClock};
use protocol_log::ProtocolLog;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use vfio_user::{Error, Server};

/// What to serve, and where.
#[derive(Debug)]
pub struct Options {
    /// Path of the socket.
    pub socket: PathBuf,
    /// The part.
    pub platform: Platform,
    /// Width of the MSI capability.
    pub msi: MsiWidth,
    /// The peer may map the GGTT.
    pub map_ggtt: bool,
    /// Idle GTs sleep after power-on.
    pub c6: bool,
    /// Cached translations outlive the restore of a context.
    pub tlb_outlives_restore: bool,
    /// Serve one peer after the other.
    pub keep: bool,
    /// Only memory that the peer cannot shrink is taken.
    pub sealed: bool,
    /// Rules that a peer's driver broke make the server fail.
    pub strict: bool,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Where the trace goes, and how many events it keeps.
    pub trace: Option<(PathBuf, usize)>,
}

/// Why a server did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// It could not begin: bad usage, or a file that cannot be used.
    Unusable(String),
    /// It began and went wrong.
    Failed(String),
}

/// Serves until the peer leaves.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    let sim = simulated(options)?;
    let memory = if options.map_ggtt { Some(shared_ggtt(&sim).map_err(cannot("memory for the GGTT"))?) } else { None };
    let trace = options.trace.as_ref().map(|(path, _)| match File::create(path) {
        Ok(file) => Ok((path.clone(), file)),
        Err(error) => Err(Failure::Unusable(format!("{}: {error}", path.display()))),
    });
    let trace = trace.transpose()?;
    let listener = socket::listen(&options.socket).map_err(|error| Failure::Unusable(error.to_string()))?;
    let closing = Arc::new(Closing::new(sim.clone(), options.socket.clone(), trace));
    let greeted = Arc::new(AtomicBool::new(false));
    ProtocolLog::listen(Arc::clone(&closing), Arc::clone(&greeted));
    blame_the_peer(Arc::clone(&closing));
    end_on_signals(Arc::clone(&closing)).map_err(cannot("signal handlers"))?;
    let regions = regions::regions(&options.platform, memory.as_ref().map(File::as_raw_fd));
    let server = Server::from_owned_fd(OwnedFd::from(listener), true, regions::interrupts(), regions);
    let mut served = Served::new(&sim, options.sealed);
    // Whoever waits for this line may connect now.
    let _ = writeln!(out, "listening on {}", options.socket.display()).and_then(|()| out.flush());
    let result = loop {
        match served.one_peer(&server, &greeted, out) {
            Ok(()) if options.keep => {}
            Ok(()) => break Ok(()),
            Err(error) => break Err(Failure::Failed(format!("vfio-user: {error}"))),
        }
    };
    drop(served);
    let closed = closing.close().map_err(|(path, error)| Failure::Failed(format!("{}: {error}", path.display())));
    if options.trace.is_some() {
        show_unknown(&sim, out);
    }
    result.and(closed).and_then(|()| rules_kept(&sim, options.strict, out))
}

/// For the error of something that cannot be had.
fn cannot<E: core::fmt::Display>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::Failed(format!("{what}: {error}"))
}

fn simulated(options: &Options) -> Result<Sim, Failure> {
    let mut config = SimConfig::new(options.platform.clone());
    config.msi = options.msi;
    config.c6 = options.c6;
    config.tlb_outlives_restore = options.tlb_outlives_restore;
    config.timeline_events = options.trace.as_ref().map_or(0, |(_, events)| *events);
    config.trace_accesses = options.trace.is_some();
    let unusable = || Failure::Unusable(format!("platform {} is not simulated", options.platform.name));
    let sim = Sim::new(&config).ok_or_else(unusable)?;
    sim.set_faults(&options.faults);
    Ok(sim)
}

/// Puts the GGTT of every tile in a file that a peer can map, and cannot cut short: one as long as BAR 0, with holes where
/// registers are.
fn shared_ggtt(sim: &Sim) -> io::Result<File> {
    let platform = sim.platform();
    let file = File::from(memfd_create("barexe-ggtt", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    ftruncate(&file, u64::from(platform.bar0_bytes()))?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    for tile in 0..platform.tiles.max(1) {
        let len = usize::try_from(regions::BLOCK_BYTES - regions::GGTT).map_err(io::Error::other)?;
        let at = u64::from(tile) * regions::BLOCK_BYTES + regions::GGTT;
        let both = Protection { read: true, write: true };
        let mapped = SharedFile::new(file.try_clone()?, at, len, both)?;
        sim.function().keep_ggtt_in(usize::from(tile), Box::new(mapped), 0);
    }
    Ok(file)
}

/// A panic in the protocol's crate is its way to say that a message made no sense; any other is a defect here.
fn blame_the_peer(closing: Arc<Closing>) {
    std::panic::set_hook(Box::new(move |panic| {
        let of_protocol = panic.location().is_some_and(|location| location.file().contains("vfio_user"));
        if of_protocol {
            closing.end(&format!("serve: the peer sent a message that makes no sense: {panic}"), 1);
        }
        closing.abandon(&format!("serve: a defect: {panic}"));
    }));
}

/// Ends the process in an orderly way when it is told to.
fn end_on_signals(closing: Arc<Closing>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            closing.end("ended by a signal", 0);
        }
    });
    Ok(())
}

/// Says which registers were used that mean nothing to the device.
fn show_unknown(sim: &Sim, out: &mut dyn Write) {
    for register in sim.unknown_registers() {
        let _ = writeln!(out, "unknown register {register}");
    }
}

/// Says which rules were broken.
fn rules_kept(sim: &Sim, strict: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let broken = sim.violations();
    for text in &broken {
        let _ = writeln!(out, "rule broken: {text}");
    }
    if strict && !broken.is_empty() {
        return Err(Failure::Failed(format!("{} rules of the hardware were broken", broken.len())));
    }
    Ok(())
}

/// A device and the thread of its engines.
struct Served {
    sim: Sim,
    backend: Backend,
    line: Arc<MessageLine>,
    _engines: Engines,
}

impl Served {
    fn new(sim: &Sim, sealed: bool) -> Self {
        let (function, clock, line) = (sim.function(), WallClock::new(), Arc::new(MessageLine::default()));
        let engines = Engines::start(function.clone(), clock, Arc::clone(&line));
        let backend = Backend::new(function, clock, Arc::clone(&line), engines.sleeper()).with_sealed(sealed);
        Self { sim: sim.clone(), backend, line, _engines: engines }
    }

    /// Serves the next peer until it leaves.
    fn one_peer(&mut self, server: &Server, greeted: &AtomicBool, out: &mut dyn Write) -> Result<(), Error> {
        let result = loop {
            let result = server.run(&mut self.backend);
            let said_nothing = !greeted.swap(false, Ordering::AcqRel) && self.backend.counts() == Counts::default();
            if !said_nothing || !left(&result) {
                break result;
            }
        };
        if left(&result) {
            let Counts { reads, writes, resets, mappings } = self.backend.counts();
            let (delivered, unheard) = self.line.counts();
            let unknown = self.sim.unknown_registers();
            let uses: u64 = unknown.iter().map(|register| register.reads.saturating_add(register.writes)).sum();
            let _ = writeln!(
                out,
                "the peer left: {reads} reads, {writes} writes, {mappings} memory maps, {resets} resets, \
                 {delivered} interrupts, {unheard} while it did not listen; {uses} uses of {} unknown registers",
                unknown.len()
            );
        }
        for (engine, why) in self.sim.halted() {
            let _ = writeln!(out, "engine stopped: {engine}: {why}");
        }
        self.backend.part();
        if left(&result) { Ok(()) } else { result }
    }
}

/// Whether a peer just left, between two messages or in the middle of one.
fn left(result: &Result<(), Error>) -> bool {
    let gone = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
    };
    match result {
        Ok(()) => true,
        Err(Error::StreamRead(error) | Error::StreamWrite(error)) => gone(error),
        Err(Error::ReceiveWithFd(error) | Error::SendWithFd(error)) => gone(&io::Error::from(*error)),
        Err(_) => false,
    }
}
