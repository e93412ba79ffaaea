//! Registers whose bits ask for something and clear when it is done: resets and TLB invalidation.
//!
//! The registers of 12.x are documented (engines sheet §10.2, §13.8). Whether 20.04 has the same is not determined:
//! this is the simulator's one place for that assumption, as the driver has its own.

use crate::blocks::function_reset;
use crate::gpu::Gpu;
use crate::spec::{EngineClass, EngineSpec, MEDIA_SHIFT};

/// Time an invalidation takes, in nanoseconds.
const INVALIDATION_NS: u64 = 40_000;
/// Time a reset takes.
const RESET_NS: u64 = 100_000;
const GDRST: u32 = 0x941C;
/// Its bit of the microcontroller.
const GUC_RESET: u32 = 1 << 3;
/// Invalidation of the global table's translations, which are not cached here: done after a moment.
const GGTT_INVALIDATE: [u32; 2] = [0xCEE8, 0xCF7C];
/// Observation unit, after the engines (2207587034).
const OA_INVALIDATE: u32 = 0xCEEC;

/// Invalidation registers of the primary GT, or of the only one: register, class it serves, whether the upper half
/// enables bits.
const TLB: [(u32, EngineClass, bool); 5] = [
    (0xCED8, EngineClass::Render, false),
    (0xCEDC, EngineClass::VideoDecode, true),
    (0xCEE0, EngineClass::VideoEnhance, true),
    (0xCEE4, EngineClass::Copy, false),
    (0xCF04, EngineClass::Compute, true),
];
/// Those of a media GT. The GSC engine, instance 6, has bit 1.
const MEDIA_TLB: [(u32, EngineClass, bool); 3] = [
    (0xCEDC, EngineClass::VideoDecode, true),
    (0xCEE0, EngineClass::VideoEnhance, true),
    (0xCF04, EngineClass::Other, true),
];

/// Something that finishes later.
#[derive(Clone, Debug)]
pub(crate) enum Deferred {
    /// Bits of a register clear.
    Clear {
        /// Register.
        offset: u32,
        /// Bits.
        bits: u32,
    },
    /// Engines of a class forget their translations, then the bits clear.
    Invalidate {
        /// Register.
        offset: u32,
        /// Class.
        class: EngineClass,
        /// Instances, one bit each.
        instances: u32,
    },
    /// An engine takes a load that was delayed.
    Load {
        /// Position of the engine.
        index: usize,
        /// First context.
        first: u64,
        /// The one after it.
        second: Option<u64>,
    },
    /// A message leaves that was delayed.
    Message,
    /// The driver's reset of the whole function is done.
    FunctionReset,
}

/// Whether a register of a GT is one of these, by its offset in the main GT.
pub(crate) fn is_register(relative: u32) -> bool {
    matches!(relative, GDRST | OA_INVALIDATE)
        || GGTT_INVALIDATE.contains(&relative)
        || TLB.iter().chain(&MEDIA_TLB).any(|(register, ..)| *register == relative)
}

/// Looks at a write that has reached storage.
pub(crate) fn written(gpu: &mut Gpu, offset: u32, value: u32) {
    let (relative, media) = match offset.checked_sub(MEDIA_SHIFT) {
        Some(relative) if gpu.shared.platform.media_gt => (relative, true),
        _ => (offset, false),
    };
    if relative == GDRST {
        reset(gpu, value, media);
        // The request itself is seen until it is done.
        gpu.shared.tiles.one_mut().registers.put(offset, value);
        put_off(gpu, RESET_NS, Deferred::Clear { offset, bits: value });
    } else if relative == OA_INVALIDATE || GGTT_INVALIDATE.contains(&relative) {
        put_off(gpu, INVALIDATION_NS, Deferred::Clear { offset, bits: 1 });
    } else if let Some((_, class, masked)) = invalidation(gpu, relative, media) {
        let instances = if masked { value & value >> 16 } else { value } & 0xFFFF;
        gpu.shared.tiles.one_mut().registers.put(offset, instances);
        put_off(gpu, INVALIDATION_NS, Deferred::Invalidate { offset, class, instances });
    }
}

/// The row of an invalidation register; none where the GT has no engine of its class.
fn invalidation(gpu: &Gpu, relative: u32, media: bool) -> Option<(u32, EngineClass, bool)> {
    let table: &[_] = if media { &MEDIA_TLB } else { &TLB };
    let elsewhere = |class: EngineClass| gpu.shared.platform.media_gt && class.is_media() != media;
    table.iter().copied().find(|(register, class, _)| *register == relative && !elsewhere(*class))
}

pub(crate) fn put_off(gpu: &mut Gpu, after_ns: u64, deferred: Deferred) {
    let at = gpu.shared.time_ns.saturating_add(after_ns);
    let tile = gpu.shared.tiles.selected();
    gpu.shared.deferred.push((at, tile, deferred));
}

/// Does what was put off.
pub(crate) fn finish(gpu: &mut Gpu, deferred: &Deferred) {
    let (offset, bits) = match *deferred {
        Deferred::Clear { offset, bits } => (offset, bits),
        Deferred::Load { index, first, second } => return gpu.take_over(index, first, second),
        Deferred::FunctionReset => return function_reset::finish(gpu),
        Deferred::Message => {
            gpu.shared.late_messages += 1;
            return;
        }
        Deferred::Invalidate { offset, class, instances } => {
            for engine in gpu.engines_here() {
                let (own, instance) = engine.engine();
                let bit = if class == EngineClass::Other { 1 } else { instance & 15 };
                if own == class && instances >> bit & 1 != 0 {
                    engine.invalidate_tlb();
                }
            }
            (offset, instances)
        }
    };
    let left = gpu.shared.tiles.one().registers.peek(offset) & !bits;
    gpu.shared.tiles.one_mut().registers.put(offset, left);
}

/// The reset bit of an engine (engines sheet §10.2).
const fn reset_bit(engine: &EngineSpec) -> u32 {
    match engine.class {
        EngineClass::Render | EngineClass::Compute => 1 << 1,
        EngineClass::Copy if engine.instance == 0 => 1 << 2,
        EngineClass::Copy => 1 << (23 + engine.instance as u32),
        EngineClass::VideoDecode => 1 << (5 + engine.instance as u32),
        EngineClass::VideoEnhance => 1 << (13 + engine.instance as u32),
        EngineClass::Other => 1 << 21,
    }
}

fn reset(gpu: &mut Gpu, bits: u32, media: bool) {
    let here = |engine: &EngineSpec| !gpu.shared.platform.media_gt || engine.class.is_media() == media;
    let full = bits & 1 != 0;
    let hit = |engine: &&EngineSpec| here(engine) && (full || bits & reset_bit(engine) != 0);
    let chosen: Vec<EngineSpec> = gpu.shared.platform.engines.iter().filter(hit).copied().collect();
    for streamer in gpu.engines_here() {
        let (class, instance) = streamer.engine();
        if chosen.iter().any(|engine| (engine.class, engine.instance) == (class, instance)) {
            streamer.reset();
        }
    }
    if full || bits & GUC_RESET != 0 {
        gpu.reset_guc(media);
    }
    let registers = &mut gpu.shared.tiles.one_mut().registers;
    registers.forget_engines(&chosen);
    if full {
        registers.forget_gt(media);
        gpu.shared.tiles.one_mut().forcewake.reset(media);
    }
}
