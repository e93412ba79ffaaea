//! Making a recorded call again, and judging what came of it.

use super::calls::{CallKind, IdKind, Output, Rule, is_drm_layer, kind_of, nr};
use super::engine::Player;
use super::ids::{dword, qword};
use super::objects::Object;
use super::outputs::Made;
use crate::machine::Patience;
use crate::recording::Call;
use barexe_core::Error;
use barexe_core::device::{ClientId, Ticket, TicketState};
use barexe_core::uapi::{self, Again, Answer};
use barexe_hal::Nanos;

/// How a call ended.
enum End {
    Done(u32),
    Refused(Error),
    /// It still waited when patience was at its end.
    Stuck,
}

impl Player<'_, '_> {
    /// Makes the call of line `n`.
    pub(super) fn call(&mut self, n: usize, call: &Call) {
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
        self.judge_return(n, call, &end);
        if matches!(end, End::Done(_)) {
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

    fn judge_return(&mut self, n: usize, call: &Call, end: &End) {
        let returned = match end {
            // Here every struct can be copied back.
            End::Done(_) | End::Refused(_) if call.unwritable => Some(call.ret),
            End::Done(value) => Some(i64::from(*value)),
            End::Refused(error) => Some(-i64::from(error.errno().code())),
            End::Stuck => None,
        };
        if returned != Some(call.ret) {
            self.report.differs(n, format!("{} return value", call.name), recorded_return(call), shown(end));
        }
    }

    /// Makes a call until it does not want to wait any more.
    fn make(&mut self, client: ClientId, call: &Call, arg: &mut [u8]) -> End {
        let mut patience = Patience::new(self.device);
        let (request, began) = (call.request_code(), self.device.now());
        let mut again = None;
        loop {
            self.deliver();
            let answer = match again {
                None => uapi::ioctl(self.device, client, request, arg, &mut self.memory),
                Some(again) => uapi::ioctl_again(self.device, client, request, arg, &mut self.memory, again),
            };
            let first = answer == Err(Error::Again);
            again = if first { again } else { Some(Again { began, interrupted: false }) };
            self.memory.store(self.device);
            self.give_user();
            match answer {
                Ok(Answer::Done(value)) => return End::Done(value),
                Ok(Answer::Accepted(accepted)) => return self.wait_for_work(accepted.ticket, &mut patience),
                // The client's device worked meanwhile: there was room.
                Err(Error::Again) if call.ret >= 0 && patience.wait(self.device, None) => {}
                Err(error) => return End::Refused(error),
                Ok(Answer::Wait { until }) => {
                    if !patience.wait(self.device, until) {
                        return End::Stuck;
                    }
                }
            }
        }
    }

    /// Waits for the work of a call that was accepted and says how it ended.
    fn wait_for_work(&mut self, ticket: Ticket, patience: &mut Patience) -> End {
        loop {
            match self.device.ticket_state(ticket) {
                Ok(TicketState::Done) => return End::Done(0),
                Ok(TicketState::Failed(error)) | Err(error) => return End::Refused(error),
                Ok(TicketState::Pending) if patience.wait(self.device, None) => {}
                Ok(TicketState::Pending) => return End::Stuck,
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
        self.note_destroyed(made, client);
        let Some(output) = made.kind.output else { return };
        match output.rule {
            Rule::FreshId(kind) => self.note_created(made, client, &output, kind),
            Rule::MmapOffset => {
                let handle = dword(made.given, 8).unwrap_or(0);
                let offset = qword(made.got, output.offset).unwrap_or(0);
                self.objects.judge_offset(made.event, (client, handle), offset, &mut self.report);
            }
            Rule::Equal | Rule::EqualUnless { .. } | Rule::QuerySize | Rule::TimeLeft => {}
        }
    }

    fn note_destroyed(&mut self, made: &Made<'_>, client: ClientId) {
        let (Some(gone), Some(file)) = (made.kind.destroys, self.files.get_mut(&made.call.file)) else { return };
        let recorded = dword(&made.call.input.0, gone.offset).unwrap_or(0);
        file.ids.remove(gone.kind, recorded);
        if gone.kind == IdKind::Gem {
            self.objects.closed(client, dword(made.given, gone.offset).unwrap_or(0));
        }
    }

    fn note_created(&mut self, made: &Made<'_>, client: ClientId, output: &Output, kind: IdKind) {
        let Some(file) = self.files.get_mut(&made.call.file) else { return };
        let own = dword(made.got, output.offset).unwrap_or(0);
        if own == 0 || file.ids.is_live(kind, own) {
            let object = format!("{} {}", made.call.name, output.field);
            self.report.differs(made.event, object, format!("a fresh {}", kind.name()), own);
        }
        if made.call.ret >= 0 {
            file.ids.insert(kind, dword(made.call.output(), output.offset).unwrap_or(0), own);
        }
        if let (IdKind::Gem, Some(bo)) = (kind, made.call.bo) {
            let size = qword(made.given, 8).unwrap_or(0);
            self.objects.add(Object { bo, client, handle: Some(own), size, mmap_offset: None });
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

/// An error as clients and people name it.
pub(super) fn refusal(error: Error) -> String {
    let errno = error.errno();
    format!("-{} {} ({error})", errno.code(), errno.name())
}

fn recorded_return(call: &Call) -> String {
    let name = call.errno.as_ref().filter(|_| call.ret < 0);
    name.map_or_else(|| call.ret.to_string(), |name| format!("{} {name}", call.ret))
}

fn shown(end: &End) -> String {
    match end {
        End::Done(value) => value.to_string(),
        End::Refused(error) => refusal(*error),
        End::Stuck => String::from("no end: the wait did not finish"),
    }
}
