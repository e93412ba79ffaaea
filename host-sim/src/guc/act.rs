//! What is done for each message of the ring.

use super::ctb::Message;
use super::firmware::Guc;
use super::machine::Machine;
use super::memory::Memory;
use super::messages::{actions, hxg, klv, status};
use super::requests::{Payload, Refusal, Request};
use super::schedule::Feature;
use super::tlb;

/// Most dwords of keys that are read at once.
const MOST_KEYS: u32 = 1024;

impl Guc {
    /// A message came: it is done, and answered if that is wanted.
    pub(super) fn receive(&mut self, message: &Message, machine: &mut Machine<'_>) {
        let Some((header, payload)) = message.dwords.split_first() else { return };
        let kind = hxg::Kind::of(*header);
        let done = match kind {
            _ if hxg::ORIGIN.of(*header) != 0 => Err(status::PROTOCOL),
            Some(hxg::Kind::Request | hxg::Kind::FastRequest | hxg::Kind::Event) => {
                self.act(hxg::ACTION.of(*header) as u16, Payload(payload), machine)
            }
            _ => Err(status::PROTOCOL),
        };
        let answer = match (kind, done) {
            (Some(hxg::Kind::Request), Ok(())) => hxg::success(0),
            (Some(hxg::Kind::Event), _) | (_, Ok(())) => return,
            (_, Err(reason)) => {
                let text = format!("the GuC refuses {header:#x} with reason {reason:#x}: {:x?}", payload);
                machine.shared.trace(crate::trace::Event::Fault { text });
                hxg::failure(reason, 0)
            }
        };
        self.rings.post(&mut Memory::new(machine.shared, self.media), message.fence, &[answer]);
    }

    fn act(&mut self, action: u16, payload: Payload<'_>, machine: &mut Machine<'_>) -> Result<(), Refusal> {
        use actions::request;
        if let Some(request) = Request::decode(action, payload)? {
            return self.scheduler.request(request, machine);
        }
        match action {
            request::TLB_INVALIDATION => {
                self.invalidate(payload.dword(0)?, &tlb::What::decode(payload)?, machine);
                Ok(())
            }
            request::TLB_INVALIDATION_ALL => {
                self.invalidate(payload.dword(0)?, &tlb::What::All, machine);
                Ok(())
            }
            request::GLOBAL_POLICIES => self.read_policies(payload.dword(0)?, machine),
            request::SLPC => self.slpc.request(payload, machine.shared, self.media),
            request::DEVICE_ACTIVITY_BUFFER => {
                self.scheduler.tell_activity(payload.ggtt(0)?, payload.ggtt(2)?, machine);
                Ok(())
            }
            request::OPT_IN_FEATURES => self.opt_in(payload, machine),
            // Nothing here sleeps, no log is full, and nothing is shared between render and compute engines.
            request::IDLE_CONTROL | request::LOG_FLUSHED | request::SCHEDULING_POLICIES => Ok(()),
            _ => Err(self.unknown_action(action)),
        }
    }

    /// Features that the host asks for.
    fn opt_in(&mut self, payload: Payload<'_>, machine: &mut Machine<'_>) -> Result<(), Refusal> {
        let (addr, count) = (payload.ggtt(0)?, payload.dword(2)?);
        if count > MOST_KEYS {
            return Err(status::INVALID_SIZE);
        }
        let read = Memory::new(machine.shared, self.media).read_dwords(addr, count as usize);
        for head in read.map_err(|_| status::INVALID_GGTT_ADDRESS)? {
            match klv::KEY.of(head) as u16 {
                _ if klv::LENGTH.of(head) != 0 => return Err(status::MALFORMED_KLV),
                klv::opt_in::MEMORY_ERROR_KIND => self.memory_error_kinds = true,
                klv::opt_in::DYNAMIC_INHIBIT_SWITCH => self.scheduler.opt_in(Feature::YieldOnWait),
                _ => return Err(status::INVALID_KLV_KEY),
            }
        }
        Ok(())
    }
}
