//! One event after the other.

use super::calls::{CallKind, IdKind, Rule, is_drm_layer, kind_of, nr};
use super::client_memory::{Memory, Objects as _};
use super::ids::{Ids, dword, qword};
use super::objects::{Object, Objects};
use super::outputs::Made;
use super::report::Report;
use crate::machine::{Patience, SimDevice};
use crate::recording::{Body, Call, Event, MapCall, Place, Recording, Runs};
use barexe_core::device::{ClientId, MappingId};
use barexe_core::uapi::{self, Answer};
use barexe_core::{Errno, Error};
use barexe_hal::Nanos;
use std::collections::BTreeMap;

/// A mapping, for the device: whose, and which.
type Mapping = (ClientId, MappingId);

/// One open file.
struct File {
    client: ClientId,
    ids: Ids,
}

/// The client and what it has, on both sides.
struct Player<'p, 'd> {
    recording: &'p Recording,
    device: &'p mut SimDevice<'d>,
    files: BTreeMap<u64, File>,
    objects: Objects,
    memory: Memory<Mapping>,
    report: Report,
}

/// How a call ended.
enum End {
    Done(u32),
    Refused(Error),
    /// It still waited when patience was at its end.
    Stuck,
}

/// Plays the whole recording.
pub(super) fn play(recording: &Recording, device: &mut SimDevice<'_>) -> Report {
    let report = Report {
        client: recording.header.client_name(),
        platform: recording.header.platform.clone(),
        ..Report::default()
    };
    let (files, objects) = (BTreeMap::new(), Objects::default());
    let mut player = Player { recording, device, files, objects, memory: Memory::default(), report };
    for event in &recording.events {
        player.event(event);
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
    fn event(&mut self, event: &Event) {
        let n = event.n;
        match &event.body {
            Body::Open { file } => self.open(n, *file),
            Body::Close { file } => self.close(n, *file),
            Body::Call(_) | Body::Repeat { .. } => {
                if let Some(call) = self.recording.call_of(event) {
                    self.call(n, call);
                }
            }
            Body::Mmap(map) => self.mmap(n, map),
            Body::Munmap { addr, length } => {
                for (client, mapping) in self.memory.unmap(addr.0, *length) {
                    let unmapped = self.device.bo_unmap(client, mapping);
                    if let Err(error) = unmapped {
                        self.report.differs(n, "munmap", 0, error);
                    }
                }
            }
            Body::Remap { addr, length } => self.memory.refresh(addr.0, *length),
            Body::UserRange { addr, length } => self.memory.track(addr.0, *length),
            Body::UserRangeEnd { addr, length } => self.memory.untrack(addr.0, *length),
            Body::CpuWrite { place, runs } => self.cpu_write(n, *place, runs),
            Body::GpuResult { place, runs } => self.gpu_result(n, *place, runs),
            Body::End { .. } => {}
        }
    }

    fn open(&mut self, n: usize, file: u64) {
        match self.device.client_open(self.recording.header.privileged) {
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
                Place::User(addr) => self.memory.write_user(addr.0.saturating_add(*offset), &bytes.0),
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
    fn deliver(&mut self) {
        self.device.poll();
        self.memory.load(self.device);
        for file in self.files.values() {
            self.device.deliver_user_fences(file.client, &mut self.memory);
        }
        self.memory.store(self.device);
    }
}

/// Calls.
impl Player<'_, '_> {
    fn call(&mut self, n: usize, call: &Call) {
        self.report.calls += 1;
        if is_drm_layer(&call.name) {
            self.report.passed_over += 1;
            return;
        }
        let Some(file) = self.files.get(&call.file) else {
            return self.report.differs(n, &call.name, "an open file", format!("file {} is not open", call.file));
        };
        let (kind, client) = (kind_of(call.request_code()), file.client);
        let (mut given, payloads) = file.ids.translate(&kind, call);
        self.move_deadline(&kind, call, &mut given);
        self.memory.begin(&given, with_room_for_outputs(payloads, call));
        let mut got = given.clone();
        let end = self.make(client, call, &mut got);
        let memory = self.memory.end();
        let returned = match &end {
            End::Done(value) => i64::from(*value),
            End::Refused(error) => -i64::from(error.errno().code()),
            End::Stuck => i64::MIN,
        };
        if returned != call.ret {
            let object = format!("{} return value", call.name);
            self.report.differs(n, object, recorded_return(call), shown(&end));
        }
        if returned >= 0 {
            let made = Made { event: n, call, kind, given: &given, got: &got };
            if call.ret >= 0 {
                made.judge_struct(&mut self.report);
                made.judge_payloads(&memory, &mut self.report);
            }
            self.note_objects(&made, client);
        }
        if kind.nr == nr::EXEC && self.recording.header.has_tag("spinning_batch") {
            // The client saw the batch running before it went on.
            let now = self.device.now();
            let _ = self.device.relax(now.saturating_add(Nanos::from_micros(10)));
        }
    }

    /// Makes a call until it does not want to wait any more.
    fn make(&mut self, client: ClientId, call: &Call, arg: &mut [u8]) -> End {
        let mut patience = Patience::new(self.device);
        loop {
            self.deliver();
            let answer = uapi::ioctl(self.device, client, call.request_code(), arg, &mut self.memory);
            self.memory.store(self.device);
            match answer {
                Ok(Answer::Done(value)) => return End::Done(value),
                Err(error) => return End::Refused(error),
                Ok(Answer::Wait { until }) => {
                    if !patience.wait(self.device, until) {
                        return End::Stuck;
                    }
                }
            }
        }
    }

    /// Deadlines on the client's clock become deadlines on the device's.
    fn move_deadline(&mut self, kind: &CallKind, call: &Call, arg: &mut [u8]) {
        let (Some(deadline), Some(then)) = (kind.deadline, call.now_ns) else { return };
        let absolute = deadline
            .if_flag
            .is_none_or(|(offset, bit)| dword(arg, offset).is_some_and(|flags| flags & u32::from(bit) != 0));
        let at = qword(arg, deadline.offset).unwrap_or(0);
        if !absolute || at == 0 || at >= i64::MAX as u64 {
            return;
        }
        let moved = self.device.now().get().saturating_add(at.saturating_sub(then));
        if let Some(place) = arg.get_mut(deadline.offset..).and_then(<[u8]>::first_chunk_mut) {
            *place = moved.to_le_bytes();
        }
    }

    /// Notes what the call created and destroyed.
    fn note_objects(&mut self, made: &Made<'_>, client: ClientId) {
        let Some(file) = self.files.get_mut(&made.call.file) else { return };
        if let Some(gone) = made.kind.destroys {
            let ids = (dword(&made.call.input.0, gone.offset), dword(made.given, gone.offset));
            if let (Some(recorded), Some(own)) = ids {
                file.ids.remove(gone.kind, recorded);
                if gone.kind == IdKind::Gem {
                    self.objects.closed(client, own);
                }
            }
        }
        let Some(output) = made.kind.output else { return };
        match output.rule {
            Rule::FreshId(kind) => {
                let (recorded, own) = (dword(made.call.output(), output.offset), dword(made.got, output.offset));
                let (recorded, own) = (recorded.unwrap_or(0), own.unwrap_or(0));
                if own == 0 || file.ids.is_live(kind, own) {
                    let object = format!("{} {}", made.call.name, output.field);
                    self.report.differs(made.event, object, format!("a fresh {}", kind.name()), own);
                }
                if made.call.ret >= 0 {
                    file.ids.insert(kind, recorded, own);
                }
                if let (IdKind::Gem, Some(bo)) = (kind, made.call.bo) {
                    let size = qword(made.given, 8).unwrap_or(0);
                    self.objects.add(Object { bo, client, handle: Some(own), size, mmap_offset: None });
                }
            }
            Rule::MmapOffset => {
                let handle = dword(made.given, 8).unwrap_or(0);
                let offset = qword(made.got, output.offset).unwrap_or(0);
                self.objects.judge_offset(made.event, (client, handle), offset, &mut self.report);
            }
            Rule::Equal | Rule::EqualUnless { .. } | Rule::QuerySize | Rule::TimeLeft => {}
        }
    }
}

/// Client memory of a call: what it reads, and room for what it is known to write.
fn with_room_for_outputs(mut payloads: Vec<(u64, Vec<u8>)>, call: &Call) -> Vec<(u64, Vec<u8>)> {
    for output in &call.out_payloads {
        let len = output.data.as_ref().map_or(0, |data| data.0.len());
        match payloads.iter_mut().find(|(addr, _)| *addr == output.addr.0) {
            Some((_, bytes)) if bytes.len() < len => bytes.resize(len, 0),
            Some(_) => {}
            None => payloads.push((output.addr.0, vec![0; len])),
        }
    }
    payloads
}

fn name_of(place: Place) -> String {
    match place {
        Place::Bo(bo) => format!("BO {bo}"),
        Place::User(addr) => format!("user {addr}"),
    }
}

fn refusal(error: Error) -> String {
    let errno = error.errno();
    format!("{} ({error})", with_name(errno))
}

fn with_name(errno: Errno) -> String {
    format!("-{} {}", errno.code(), errno.name())
}

fn recorded_return(call: &Call) -> String {
    call.errno.as_ref().map_or_else(|| call.ret.to_string(), |name| format!("{} {name}", call.ret))
}

fn shown(end: &End) -> String {
    match end {
        End::Done(value) => value.to_string(),
        End::Refused(error) => refusal(*error),
        End::Stuck => String::from("no end: the wait did not finish"),
    }
}
