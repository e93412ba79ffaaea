//! The engines, and who is on them.

use crate::cs::Streamer;
use crate::guc::machine::Machine;
use crate::spec::EngineClass;

/// Bits of a descriptor of 12.00 that name the engine and the context (engines sheet §7.2).
const CLASS_SHIFT: u32 = 61;
const INSTANCE_SHIFT: u32 = 48;
const INSTANCE: u64 = 0x3F << INSTANCE_SHIFT;
const CONTEXT_SHIFT: u32 = 37;
const CONTEXT: u64 = 0x7FF << CONTEXT_SHIFT;
/// Indices of contexts that hardware is given; the last of the field means "none".
const HARDWARE_INDICES: u64 = 0x7FF;

/// An engine of the GT.
#[derive(Debug)]
pub(super) struct Seat {
    /// Position among the tile's engines.
    pub(super) engine: usize,
    pub(super) class: EngineClass,
    pub(super) instance: u8,
    /// Number among the engines of its class that exist.
    pub(super) number: u32,
    /// Index of the context that has it.
    pub(super) holder: Option<u32>,
    /// Descriptor that was loaded last.
    pub(super) descriptor: u64,
    /// A load that was delayed comes at this instant.
    pub(super) late_ns: Option<u64>,
    /// Turns that the engine had had when its context came, or was asked to leave.
    pub(super) turns: u64,
    /// The host knows that the context met a fault.
    pub(super) told: bool,
}

impl Seat {
    pub(super) const fn name(&self) -> (EngineClass, u8) {
        (self.class, self.instance)
    }

    pub(super) const fn forget(&mut self) {
        (self.holder, self.late_ns, self.told) = (None, None, false);
    }

    /// The descriptor with which a context is loaded here.
    pub(super) const fn descriptor_of(&self, image: u64, context: u32, names_engine: bool) -> u64 {
        if !names_engine {
            return image;
        }
        let bare = image & !(7 << CLASS_SHIFT) & !INSTANCE & !CONTEXT;
        let context = (context as u64 % HARDWARE_INDICES) << CONTEXT_SHIFT;
        bare | self.class.code() << CLASS_SHIFT | (self.instance as u64) << INSTANCE_SHIFT | context
    }
}

/// Seats for the engines of a GT, by class and instance.
pub(super) fn of(machine: &mut Machine<'_>) -> Vec<Seat> {
    let split = machine.split();
    let (engines, _) = machine.parts();
    among(engines, |class| split.is_none_or(|media| class.is_media() == media))
}

/// Seats for those of a tile's engines whose class is `own`.
pub(super) fn among(engines: &[Streamer], own: impl Fn(EngineClass) -> bool) -> Vec<Seat> {
    let seat = |(engine, streamer): (usize, &Streamer)| {
        let (class, instance) = streamer.engine();
        let free = Seat {
            engine,
            class,
            instance,
            number: 0,
            holder: None,
            descriptor: 0,
            late_ns: None,
            turns: 0,
            told: false,
        };
        own(class).then_some(free)
    };
    let mut seats: Vec<Seat> = engines.iter().enumerate().filter_map(seat).collect();
    seats.sort_by_key(|seat| (seat.class, seat.instance));
    let mut before = None;
    for seat in &mut seats {
        seat.number = match before {
            Some((class, number)) if class == seat.class => number + 1,
            _ => 0,
        };
        before = Some((seat.class, seat.number));
    }
    seats
}
