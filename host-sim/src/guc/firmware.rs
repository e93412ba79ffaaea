//! The firmware of one GT: what it holds, and its turns.

use super::ctb::Rings;
use super::load::Boot;
use super::machine::Machine;
use super::memory::Memory;
use super::messages::{actions, hxg, page_fault, registers};
use super::requests::{Event, PageFault, Request, class_number};
use super::schedule::Scheduler;
use super::slpc::Slpc;
use super::{ads, tlb};
use crate::spec::EngineClass;
use crate::tile::TileState;
use std::collections::BTreeMap;

/// Messages of the host that are read in one turn: a host that writes while its ring is read waits for the next.
const MOST_AT_ONCE: usize = 4096;

/// Time between two looks for room in the host's ring.
const ROOM_NS: u64 = 100_000;

/// A GuC. Held in reset it does nothing.
#[derive(Debug)]
pub(crate) struct Guc {
    /// It is that of the media GT.
    pub(super) media: bool,
    pub(super) boot: Boot,
    /// Registers of short messages.
    pub(super) mailbox: [u32; registers::MAILBOX_DWORDS as usize],
    pub(super) rings: Rings,
    pub(super) scheduler: Scheduler,
    pub(super) slpc: Slpc,
    /// Instant of the last turn.
    looked_ns: u64,
    /// The host wants to know the kind of memory errors.
    pub(super) memory_error_kinds: bool,
    /// Actions that nobody knows, and how often each was asked for.
    pub(super) unknown: BTreeMap<u16, u64>,
}

impl Guc {
    pub(crate) fn new(media: bool) -> Self {
        Self {
            media,
            boot: Boot::Reset,
            mailbox: [0; registers::MAILBOX_DWORDS as usize],
            rings: Rings::default(),
            scheduler: Scheduler::default(),
            slpc: Slpc::default(),
            looked_ns: 0,
            memory_error_kinds: false,
            unknown: BTreeMap::new(),
        }
    }

    /// Back to reset. What was asked for in vain stays noted.
    pub(crate) fn reset(&mut self) {
        let unknown = core::mem::take(&mut self.unknown);
        *self = Self { unknown, ..Self::new(self.media) };
    }

    /// Whether it does anything.
    pub(crate) fn is_awake(&self) -> bool {
        self.boot == Boot::Running
    }

    /// Actions that nobody knows, and how often each was asked for.
    pub(crate) const fn unknown(&self) -> &BTreeMap<u16, u64> {
        &self.unknown
    }

    /// The next instant at which something happens by itself.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let scheduler = self.is_awake().then(|| self.scheduler.next_look_ns()).flatten();
        let room = self.rings.is_waiting().then(|| self.looked_ns.saturating_add(ROOM_NS));
        self.boot.ready_ns().into_iter().chain(scheduler).chain(room).min()
    }

    /// The start is over, if it is time.
    pub(super) fn settle(&mut self, machine: &mut Machine<'_>) {
        let Boot::Starting { ready_ns, tables } = self.boot else { return };
        if machine.shared.time_ns < ready_ns {
            return;
        }
        self.boot = Boot::Running;
        if let Some(policies) = tables.policies {
            // Policies that cannot be read are as good as none.
            let _ = self.read_policies(policies, machine);
        }
    }

    /// Policies for all, out of memory.
    pub(super) fn read_policies(
        &mut self,
        addr: u32,
        machine: &mut Machine<'_>,
    ) -> Result<(), super::requests::Refusal> {
        use super::messages::status;
        let read = ads::resets_engines(&mut Memory::new(machine.shared, self.media), addr);
        match read.map_err(|_| status::INVALID_GGTT_ADDRESS)? {
            Some(resets_engines) => self.scheduler.request(Request::GlobalPolicies { resets_engines }, machine),
            None => Ok(()),
        }
    }

    /// The host rang: its messages are read.
    pub(crate) fn doorbell(&mut self, machine: &mut Machine<'_>) {
        self.settle(machine);
        if !self.is_awake() {
            return;
        }
        self.answer_mailbox(machine);
        for _ in 0..MOST_AT_ONCE {
            let message = self.rings.take(&mut Memory::new(machine.shared, self.media));
            let Some(message) = message else { break };
            self.receive(&message, machine);
        }
        self.look(machine);
    }

    /// A turn while engines run; whether something happened.
    pub(crate) fn look(&mut self, machine: &mut Machine<'_>) -> bool {
        self.settle(machine);
        if !self.is_awake() {
            return false;
        }
        self.looked_ns = machine.shared.time_ns;
        let moved = self.scheduler.look(machine);
        self.tell(machine) || moved
    }

    /// Tells the host what happened.
    pub(super) fn tell(&mut self, machine: &mut Machine<'_>) -> bool {
        while let Some(event) = self.scheduler.take_event() {
            let dwords = self.message(&event);
            if !dwords.is_empty() {
                self.rings.post(&mut Memory::new(machine.shared, self.media), 0, &dwords);
            }
        }
        let told = self.rings.flush(&mut Memory::new(machine.shared, self.media));
        if told {
            self.interrupt(machine);
        }
        told
    }

    fn interrupt(&self, machine: &mut Machine<'_>) {
        let TileState { registers, interrupts, .. } = machine.shared.tiles.one_mut();
        let unit = (EngineClass::Other, if self.media { MEDIA_UNIT } else { UNIT });
        interrupts.raise(unit, registers::TO_HOST.mask() as u16, |offset| registers.peek(offset));
    }

    /// An event as a message. Registers of a hang are not kept.
    fn message(&self, event: &Event) -> Vec<u32> {
        use actions::event as code;
        match *event {
            Event::ModeSet { context, enabled } => {
                vec![hxg::event(code::SCHED_CONTEXT_MODE_DONE), context, u32::from(enabled)]
            }
            Event::Deregistered(context) => vec![hxg::event(code::DEREGISTER_CONTEXT_DONE), context],
            Event::ContextReset(context) => vec![hxg::event(code::CONTEXT_RESET), context],
            Event::EngineFailure { engine: (class, instance), reason } => {
                vec![hxg::event(code::ENGINE_FAILURE), class_number(class), u32::from(instance), reason]
            }
            Event::MemoryError { context } => {
                let kind = self.memory_error_kinds.then_some(actions::MEMORY_ERROR_KIND_INVALID);
                let context = context.unwrap_or(actions::CONTEXT_UNKNOWN);
                [hxg::event(code::MEMORY_ERROR), context].into_iter().chain(kind).collect()
            }
            Event::PageFault(fault) => {
                core::iter::once(hxg::event(code::PAGE_FAULT)).chain(fault_dwords(&fault)).collect()
            }
            Event::Hang { .. } => Vec::new(),
        }
    }

    /// Translations are forgotten, and the host is told.
    pub(super) fn invalidate(&mut self, number: u32, what: &tlb::What, machine: &mut Machine<'_>) {
        what.forget(machine);
        let done = [hxg::event(actions::event::TLB_INVALIDATION_DONE), number];
        self.rings.post(&mut Memory::new(machine.shared, self.media), 0, &done);
    }
}

/// Instances of the interrupt class "other" (engines sheet §9.1).
const UNIT: u8 = 0;
const MEDIA_UNIT: u8 = 16;

/// Payload of a page fault.
fn fault_dwords(fault: &PageFault) -> [u32; page_fault::DWORDS] {
    let (class, instance) = fault.engine;
    [
        page_fault::LEVEL.put(fault.level)
            | page_fault::INSTANCE.put(u32::from(instance))
            | page_fault::CLASS.put(class.code() as u32),
        page_fault::SPACE.put(fault.space),
        page_fault::ACCESS.put(fault.access)
            | page_fault::KIND.put(fault.kind)
            | page_fault::ADDRESS_LOW.put((fault.va >> 12) as u32),
        (fault.va >> 32) as u32,
    ]
}
