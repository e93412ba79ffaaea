//! One event after the other.

use super::calling::refusal;
use super::calls::IdKind;
use super::client_memory::{Memory, Objects as _};
use super::ids::Ids;
use super::objects::Objects;
use super::report::Report;
use super::user_pages::SPACE;
use crate::machine::SimDevice;
use crate::recording::{Body, Event, MapCall, Place, Recording, Runs};
use barexe_core::device::{ClientId, MappingId};
use barexe_sim::Sim;
use std::collections::BTreeMap;

/// A mapping, for the device: whose, and which.
pub(super) type Mapping = (ClientId, MappingId);

/// One open file.
pub(super) struct File {
    pub(super) client: ClientId,
    pub(super) ids: Ids,
}

/// The client and what it has, on both sides.
pub(super) struct Player<'p, 'd> {
    pub(super) recording: &'p Recording,
    pub(super) sim: Sim,
    pub(super) device: &'p mut SimDevice<'d>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) objects: Objects<ClientId>,
    pub(super) memory: Memory<Mapping>,
    pub(super) report: Report,
}

/// A VM of the client at a moment of the recording.
#[derive(Clone, Copy, Debug)]
pub struct LiveVm {
    /// The client, for the device.
    pub client: ClientId,
    /// Its id on the device.
    pub own: u32,
    /// Its id in the recording.
    pub recorded: u32,
}

/// Looks at the device behind each event: its number, and the client's VMs.
pub type Look<'l> = &'l mut dyn FnMut(usize, &SimDevice<'_>, &[LiveVm]);

/// Plays the whole recording.
pub(super) fn play(recording: &Recording, sim: &Sim, device: &mut SimDevice<'_>, look: Look<'_>) -> Report {
    let report = Report {
        client: recording.header.client_name(),
        platform: recording.header.platform.clone(),
        ..Report::default()
    };
    let (files, objects) = (BTreeMap::new(), Objects::default());
    let (sim, memory) = (sim.clone(), Memory::default());
    let mut player = Player { recording, sim, device, files, objects, memory, report };
    for event in &recording.events {
        player.event(event);
        look(event.n, player.device, &player.vms());
    }
    let open: Vec<u64> = player.files.keys().copied().collect();
    for file in open {
        player.close(recording.events.len(), file);
    }
    player.report
}

/// How the memory of mapped objects is reached.
impl super::client_memory::Objects<Mapping> for SimDevice<'_> {
    fn read(&mut self, (client, mapping): Mapping, offset: u64, into: &mut [u8]) -> bool {
        self.mapping_read(client, mapping, offset, into).is_ok()
    }

    fn write(&mut self, (client, mapping): Mapping, offset: u64, from: &[u8]) -> bool {
        self.mapping_write(client, mapping, offset, from).is_ok()
    }
}

impl Player<'_, '_> {
    /// The client's VMs, of all its files.
    fn vms(&self) -> Vec<LiveVm> {
        let of = |file: &File| {
            let client = file.client;
            file.ids.all(IdKind::Vm).map(move |(recorded, own)| LiveVm { client, own, recorded }).collect::<Vec<_>>()
        };
        self.files.values().flat_map(of).collect()
    }

    fn event(&mut self, event: &Event) {
        let n = event.n;
        match &event.body {
            Body::Open { file, .. } => self.open(n, *file),
            Body::Close { file } => self.close(n, *file),
            Body::Call(_) | Body::Repeat { .. } => {
                if let Some(call) = self.recording.call_of(event) {
                    self.call(n, call);
                }
            }
            Body::Mmap(map) => self.mmap(n, map),
            Body::Munmap { addr, length } => {
                self.take_pages(n, addr.0..addr.0.saturating_add(*length));
                for (client, mapping) in self.memory.unmap(addr.0, *length) {
                    let unmapped = self.device.bo_unmap(client, mapping);
                    if let Err(error) = unmapped {
                        self.report.differs(n, "munmap", 0, error);
                    }
                }
            }
            Body::Remap { addr, length } => self.remap(n, addr.0, *length),
            Body::UserRange { addr, length } => self.user_range(addr.0, *length),
            Body::UserRangeEnd { addr, length } => self.user_range_end(n, addr.0, *length),
            Body::CpuWrite { place, runs } => self.cpu_write(n, *place, runs),
            Body::GpuResult { place, runs } => self.gpu_result(n, *place, runs),
            Body::End { .. } => {}
        }
    }

    fn open(&mut self, n: usize, file: u64) {
        match self.device.client_open_in(self.recording.header.privileged, SPACE) {
            Ok(client) => drop(self.files.insert(file, File { client, ids: Ids::default() })),
            Err(error) => self.report.differs(n, format!("open of file {file}"), "a client", error),
        }
    }

    fn close(&mut self, n: usize, file: u64) {
        let Some(File { client, .. }) = self.files.remove(&file) else { return };
        if let Err(error) = self.device.client_close(client) {
            self.report.differs(n, format!("close of file {file}"), 0, error);
        }
    }

    fn mmap(&mut self, n: usize, map: &MapCall) {
        let client = self.files.get(&map.file).map(|file| file.client);
        let offset = self.objects.by_number(map.bo).and_then(|object| object.mmap_offset);
        let object = format!("mmap of BO {}", map.bo);
        let (Some(client), Some(offset)) = (client, offset) else {
            return self.report.differs(n, object, map.ret, "no such object, or no offset for it");
        };
        let whole = map.bo_offset.saturating_add(map.length);
        match (self.device.bo_map(client, offset, whole), map.addr) {
            (Ok(mapping), Some(addr)) if map.ret == 0 => {
                self.memory.objects.add(addr.0, map.length, map.bo, map.bo_offset, (client, mapping));
            }
            (Ok(mapping), _) => {
                let _ = self.device.bo_unmap(client, mapping);
                self.report.differs(n, object, map.ret, 0);
            }
            (Err(error), _) if i64::from(-error.errno().code()) != map.ret => {
                self.report.differs(n, object, map.ret, refusal(error));
            }
            (Err(_), _) => {}
        }
    }

    fn cpu_write(&mut self, n: usize, place: Place, runs: &Runs) {
        for (offset, bytes) in runs {
            let done = match place {
                Place::User(addr) => {
                    let at = addr.0.saturating_add(*offset);
                    self.memory.write_user(at, &bytes.0) && self.sim.user_write(SPACE, at, &bytes.0)
                }
                Place::Bo(bo) => {
                    let mut mappings = self.memory.objects.of(bo, *offset);
                    mappings.any(|mapping| self.device.write(mapping, *offset, &bytes.0))
                }
            };
            if !done {
                self.report.differs(n, name_of(place), "memory the client can write", format!("none at {offset}"));
            }
        }
    }

    fn gpu_result(&mut self, n: usize, place: Place, runs: &Runs) {
        self.deliver();
        for (offset, bytes) in runs {
            let found = match place {
                Place::User(addr) => {
                    let found = self.memory.user(addr.0.saturating_add(*offset), bytes.0.len());
                    found.map(<[u8]>::to_vec).unwrap_or_default()
                }
                Place::Bo(bo) => self.read_object(bo, *offset, bytes.0.len()),
            };
            self.report.compare(n, &name_of(place), *offset, (&bytes.0, &found), |_| true);
        }
    }

    /// Bytes of an object through a mapping of the client; none if it has none.
    fn read_object(&mut self, bo: u64, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut mappings = self.memory.objects.of(bo, offset);
        let read = mappings.any(|mapping| self.device.read(mapping, offset, &mut bytes));
        if read { bytes } else { Vec::new() }
    }

    /// Stores user fences of binds that are over.
    pub(super) fn deliver(&mut self) {
        self.device.poll();
        self.memory.load(self.device);
        self.fetch_user();
        for file in self.files.values() {
            self.device.deliver_user_fences(file.client, &mut self.memory);
        }
        self.memory.store(self.device);
        self.give_user();
    }
}

fn name_of(place: Place) -> String {
    match place {
        Place::Bo(bo) => format!("BO {bo}"),
        Place::User(addr) => format!("user {addr}"),
    }
}
