//! Recording what a client does (`BAREXE_RECORD`), so that `barexe replay` can do it again.
//!
//! A recorder stands beside the node and is told of everything that passes between it and its client: files that are
//! opened, calls with their answers, mappings. What a client writes to memory is no call: before each event its memory is
//! compared with a copy. Stores of the device and of the driver go into that copy as they are made, under the lock of the
//! device, so what differs is the client's.
//!
//! What the device stored is told when a wait proves that whoever stored it is over, which is when the client may read it.
//!
//! | module | holds |
//! |---|---|
//! | `node` | the node's side: calls that are recorded |
//! | `maps` | mappings, and memory of the client that changes |
//! | `access` | the same for a client's side: a server's device records nothing |
//! | `book` | what is known, and how what happened to memory is told |
//! | `calls` | what calls do to what is known |
//! | `known` | the copy of memory, and who stored what was not told yet |
//! | `jobs` | which work a wait proves to be over |
//! | `objects`, `ranges` | buffer objects, mappings, VMs; other memory that matters |
//! | `look`, `present` | memory as it is now; which pages of it hold anything |
//! | `watch` | stores of device and driver |
//! | `out` | the file |
//! | `turn` | one event after the other |
//!
//! # What is left out
//!
//! Calls that a signal interrupted: the client makes them again. Mappings of nothing. Writes to files of sysfs and debugfs.
//! What goes through descriptors of shared objects is recorded as calls, and not followed any further.

mod access;
mod book;
mod calls;
mod jobs;
mod known;
mod look;
mod maps;
mod node;
mod objects;
mod out;
mod present;
mod ranges;
mod turn;
mod watch;

pub use maps::{Change, Shown};
pub(crate) use watch::{Noted, Watched};

use crate::arena::Arena;
use crate::process::{Caller, Process};
use crate::settings::Settings;
use barexe_core::gt::DeviceInfo;
use barexe_recording::{Addr, Client, DeviceId, FORMAT, Header, VENDOR, VERSION};
use book::Book;
use out::Output;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use turn::Turns;

/// Records one process.
#[derive(Debug)]
pub struct Recorder {
    arena: Arc<Arena>,
    turns: Turns,
    book: OnceLock<Mutex<Book>>,
}

impl Recorder {
    /// A recorder that begins when the device is there.
    pub(crate) fn new(arena: Arc<Arena>) -> Self {
        Self { arena, turns: Turns::default(), book: OnceLock::new() }
    }

    /// Begins to record what this process does; if that is not possible, says why on standard error: the client is to
    /// run as it would.
    pub(crate) fn begins(&self, settings: &Settings, info: &DeviceInfo, memory: u64) -> bool {
        let Some(path) = &settings.record else { return false };
        let begun = self.begin(path, settings, info, memory);
        if let Err(error) = &begun {
            eprintln!("barexe: nothing is recorded: {path}: {error} (BAREXE_RECORD)");
        }
        begun.is_ok()
    }

    fn begin(&self, path: &str, settings: &Settings, info: &DeviceInfo, memory: u64) -> io::Result<()> {
        let out = Output::create(path, header(settings, info, memory))?;
        let book = Book {
            out,
            process: Process::own(),
            objects: Default::default(),
            jobs: Default::default(),
            ranges: Default::default(),
            arena: Default::default(),
            client: Default::default(),
            threads: Vec::new(),
        };
        let _ = self.book.set(Mutex::new(book));
        Ok(())
    }

    /// What is known, once it has begun. Whoever has this does not wait for the device.
    fn book(&self) -> Option<MutexGuard<'_, Book>> {
        Some(self.book.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The process ends: the recording gets its last line.
    pub(crate) fn finish(&self) {
        let _turn = self.turns.take_soon();
        if let Some(mut book) = self.book() {
            book.out.finish();
        }
    }
}

/// The option by which programs of IGT are told which of their tests to run.
const SUBTEST: &str = "--run-subtest";

/// Who the client is, by how it was started: name, arguments, and which of its tests.
fn client() -> (Client, Option<String>) {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let path = arguments.next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let (mut program, mut subtest) = (name.clone(), None);
    while let Some(argument) = arguments.next() {
        if argument == SUBTEST {
            subtest = arguments.next();
        } else if let Some(named) = argument.strip_prefix(SUBTEST).and_then(|rest| rest.strip_prefix('=')) {
            subtest = Some(named.to_owned());
        } else {
            program.push(' ');
            program.push_str(&argument);
        }
    }
    (Client { name, version: "unknown".into(), program, driver: None }, subtest)
}

fn header(settings: &Settings, info: &DeviceInfo, memory: u64) -> Header {
    let (client, subtest) = client();
    let of_engine = |engine: &barexe_core::gt::Engine| {
        let class = engine.class.client_code()?;
        Some([class, u16::from(engine.logical), u16::from(engine.gt)])
    };
    let gts = usize::from(info.gt_count).saturating_mul(info.tiles.len());
    Header {
        format: FORMAT.into(),
        version: VERSION,
        client,
        subtest,
        platform: settings.platform.name.into(),
        device: DeviceId { vendor_id: Addr(VENDOR), device_id: Addr(info.device_id.into()), revision: info.revision },
        page_size: 4096,
        va_bits: 48,
        dialect: "U".into(),
        byte_order: "little".into(),
        privileged: Caller::own().privileged,
        system_memory: memory,
        gts: u8::try_from(gts).unwrap_or(u8::MAX),
        engines: info.client_engines().filter_map(of_engine).collect(),
        client_result: "unknown".into(),
        tags: Vec::new(),
    }
}
