//! Every engine the architecture knows (engines sheet §4.1), from the simulator's own table.

/// Hardware engine class, by its hardware code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineClass {
    /// RCS, code 0.
    Render,
    /// VCS, code 1.
    VideoDecode,
    /// VECS, code 2.
    VideoEnhance,
    /// BCS, code 3.
    Copy,
    /// GSCCS, code 4.
    Other,
    /// CCS, code 5.
    Compute,
}

impl EngineClass {
    /// The hardware's code.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Render => 0,
            Self::VideoDecode => 1,
            Self::VideoEnhance => 2,
            Self::Copy => 3,
            Self::Other => 4,
            Self::Compute => 5,
        }
    }

    /// The hardware's short name.
    #[must_use]
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Render => "rcs",
            Self::VideoDecode => "vcs",
            Self::VideoEnhance => "vecs",
            Self::Copy => "bcs",
            Self::Other => "gsccs",
            Self::Compute => "ccs",
        }
    }

    /// Whether its engines belong to the media GT, where there is one.
    #[must_use]
    pub const fn is_media(self) -> bool {
        matches!(self, Self::VideoDecode | Self::VideoEnhance | Self::Other)
    }
}

/// A power domain that forcewake holds (engines sheet §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// The common part of the main GT.
    Gt,
    /// The common part of the media GT.
    MediaGt,
    /// Render and compute engines.
    Render,
    /// A video decoder.
    Vdbox(u8),
    /// A video enhancer.
    Vebox(u8),
    /// The GSC engine.
    Gsc,
}

/// One engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSpec {
    /// Class.
    pub class: EngineClass,
    /// Instance within the class.
    pub instance: u8,
    /// First register of its window.
    pub base: u32,
    /// Bank and bit of its interrupt.
    pub irq: (u8, u8),
    /// The domain its registers need.
    pub domain: Domain,
}

impl EngineSpec {
    /// Bytes of its registers: video decoders have more behind the window of the command streamer.
    #[must_use]
    pub const fn register_bytes(&self) -> u32 {
        if matches!(self.class, EngineClass::VideoDecode) { 0x4000 } else { 0x1000 }
    }

    /// Whether the device looks at what is stored at an offset in an engine's window (engines sheet §4.3): what the command
    /// streamer answers for itself never comes to storage.
    #[must_use]
    pub(crate) const fn is_looked_at(inside: u32) -> bool {
        const STATUS_PAGE: u32 = 0x080;
        const ERROR_MASK: u32 = 0x0B4;
        // What the engine answers, and nobody can write: where it is, what time it is, what its ports hold.
        let answered = matches!(inside, 0x05C | 0x068 | 0x074 | 0x094 | 0x140 | 0x168 | 0x234 | 0x238 | 0x358 | 0x35C);
        // Lists of open registers, the submit queue.
        answered || matches!(inside, STATUS_PAGE | ERROR_MASK | 0x4D0..0x500 | 0x510..0x550)
    }

    /// Offset of a register from the engine's base, if it is one of the engine's.
    #[must_use]
    pub fn inside(&self, offset: u32) -> Option<u32> {
        offset.checked_sub(self.base).filter(|inside| *inside < self.register_bytes())
    }
}

const fn engine(class: EngineClass, instance: u8, base: u32, irq: (u8, u8), domain: Domain) -> EngineSpec {
    EngineSpec { class, instance, base, irq, domain }
}

/// The engines, by class and instance.
pub(crate) const ENGINES: [EngineSpec; 27] = {
    use Domain::{Gsc, Gt, Render as RenderDomain, Vdbox, Vebox};
    use EngineClass::{Compute, Copy, Other, Render, VideoDecode, VideoEnhance};
    [
        engine(Render, 0, 0x2000, (0, 0), RenderDomain),
        engine(Copy, 0, 0x2_2000, (0, 15), Gt),
        engine(Copy, 1, 0x3E_0000, (0, 14), Gt),
        engine(Copy, 2, 0x3E_2000, (0, 13), Gt),
        engine(Copy, 3, 0x3E_4000, (0, 12), Gt),
        engine(Copy, 4, 0x3E_6000, (0, 11), Gt),
        engine(Copy, 5, 0x3E_8000, (0, 10), Gt),
        engine(Copy, 6, 0x3E_A000, (0, 9), Gt),
        engine(Copy, 7, 0x3E_C000, (0, 8), Gt),
        engine(Copy, 8, 0x3E_E000, (0, 23), Gt),
        engine(VideoDecode, 0, 0x1C_0000, (1, 0), Vdbox(0)),
        engine(VideoDecode, 1, 0x1C_4000, (1, 1), Vdbox(1)),
        engine(VideoDecode, 2, 0x1D_0000, (1, 2), Vdbox(2)),
        engine(VideoDecode, 3, 0x1D_4000, (1, 3), Vdbox(3)),
        engine(VideoDecode, 4, 0x1E_0000, (1, 4), Vdbox(4)),
        engine(VideoDecode, 5, 0x1E_4000, (1, 5), Vdbox(5)),
        engine(VideoDecode, 6, 0x1F_0000, (1, 6), Vdbox(6)),
        engine(VideoDecode, 7, 0x1F_4000, (1, 7), Vdbox(7)),
        engine(VideoEnhance, 0, 0x1C_8000, (1, 31), Vebox(0)),
        engine(VideoEnhance, 1, 0x1D_8000, (1, 30), Vebox(1)),
        engine(VideoEnhance, 2, 0x1E_8000, (1, 29), Vebox(2)),
        engine(VideoEnhance, 3, 0x1F_8000, (1, 28), Vebox(3)),
        engine(Compute, 0, 0x1_A000, (0, 4), RenderDomain),
        engine(Compute, 1, 0x1_C000, (0, 5), RenderDomain),
        engine(Compute, 2, 0x1_E000, (0, 6), RenderDomain),
        engine(Compute, 3, 0x2_6000, (0, 7), RenderDomain),
        engine(Other, 6, 0x11_A000, (0, 31), Gsc),
    ]
};

/// The engines of a list of classes and instances, in the list's order.
#[must_use]
pub(crate) fn pick(list: &[(EngineClass, u8)]) -> Vec<EngineSpec> {
    let find = |(class, instance): &(EngineClass, u8)| {
        ENGINES.into_iter().find(|engine| engine.class == *class && engine.instance == *instance)
    };
    list.iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_interrupt_bits_are_distinct() {
        for engine in &ENGINES {
            let same_bit = ENGINES.iter().filter(|other| other.irq == engine.irq).count();
            let owners = ENGINES.iter().filter(|other| other.inside(engine.base).is_some()).count();
            assert_eq!((same_bit, owners), (1, 1), "{engine:?}");
        }
    }

    #[test]
    fn a_list_names_engines_in_its_order() {
        use EngineClass::{Copy, Other};
        let bases: Vec<u32> = pick(&[(Other, 6), (Copy, 8), (Copy, 9)]).iter().map(|engine| engine.base).collect();
        assert_eq!(bases, [0x11_A000, 0x3E_E000]);
    }
}
