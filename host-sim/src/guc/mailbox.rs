//! Short messages: four registers and a doorbell (engines sheet §12.4). The answer takes the place of the question.

use super::firmware::Guc;
use super::machine::Machine;
use super::memory::Memory;
use super::messages::{actions, ctb, hxg, klv, status};
use super::requests::{Payload, Refusal};
use super::schedule::Scheduler;
use crate::blocks::hwconfig;

impl Guc {
    /// Answers what lies in the registers, if it is a question.
    pub(super) fn answer_mailbox(&mut self, machine: &mut Machine<'_>) {
        let [header, payload @ ..] = self.mailbox;
        if header == 0 || hxg::ORIGIN.of(header) != 0 {
            return;
        }
        let answer = if hxg::Kind::of(header) == Some(hxg::Kind::Request) {
            self.short_action(hxg::ACTION.of(header) as u16, Payload(&payload), machine)
        } else {
            Err(status::PROTOCOL)
        };
        self.mailbox = [answer.map_or_else(|reason| hxg::failure(reason, 0), hxg::success), 0, 0, 0];
    }

    /// Does what a short message asks for; the number in the answer.
    fn short_action(&mut self, action: u16, payload: Payload<'_>, machine: &mut Machine<'_>) -> Result<u32, Refusal> {
        use actions::short;
        match action {
            short::SELF_CONFIG => self.self_config(payload),
            short::CONTROL_CTB => {
                let on = match payload.dword(0)? {
                    ctb::CONTROL_ENABLE => true,
                    ctb::CONTROL_DISABLE => false,
                    _ => return Err(status::INVALID_PARAMS),
                };
                self.rings.control(on).map(|()| 0)
            }
            short::GET_HWCONFIG => self.hwconfig(payload, machine),
            short::CLIENT_SOFT_RESET => {
                self.scheduler = Scheduler::default();
                self.rings = super::ctb::Rings::default();
                Ok(0)
            }
            _ => Err(self.unknown_action(action)),
        }
    }

    /// A setting; 1 if it is known.
    fn self_config(&mut self, payload: Payload<'_>) -> Result<u32, Refusal> {
        use klv::self_config as key;
        let head = payload.dword(0)?;
        let (name, length) = (klv::KEY.of(head) as u16, klv::LENGTH.of(head));
        let expected = match name {
            key::TO_GUC_SIZE | key::TO_HOST_SIZE => 1,
            key::TO_GUC_ADDRESS | key::TO_GUC_DESCRIPTOR | key::TO_HOST_ADDRESS | key::TO_HOST_DESCRIPTOR => 2,
            _ => return Ok(0),
        };
        if length != expected {
            return Err(status::MALFORMED_KLV);
        }
        let value = if length == 2 { payload.ggtt(1)? } else { payload.dword(1)? };
        Ok(u32::from(self.rings.set(name, value)))
    }

    /// The table of hardware facts: its size, or its bytes.
    fn hwconfig(&self, payload: Payload<'_>, machine: &mut Machine<'_>) -> Result<u32, Refusal> {
        let table = hwconfig::table(&machine.shared.platform.hwconfig);
        if table.is_empty() {
            return Err(status::NO_ATTRIBUTE_TABLE);
        }
        let bytes = table.len() as u32;
        match payload.dword(2)? {
            0 => Ok(bytes),
            room if room < bytes => Err(status::INVALID_SIZE),
            _ => {
                let written = Memory::new(machine.shared, self.media).write(payload.ggtt(0)?, &table);
                written.map(|()| bytes).map_err(|_| status::INVALID_GGTT_ADDRESS)
            }
        }
    }

    /// Notes an action that nobody knows.
    pub(super) fn unknown_action(&mut self, action: u16) -> Refusal {
        let count = self.unknown.entry(action).or_default();
        *count = count.saturating_add(1);
        status::UNKNOWN_ACTION
    }
}
