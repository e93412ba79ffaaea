//! Engine classes and their numbers.

/// Engine class. It has one number for clients and another for the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineClass {
    /// RCS: render.
    Render,
    /// BCS: copy (blitter).
    Copy,
    /// VCS: video decode.
    VideoDecode,
    /// VECS: video enhance.
    VideoEnhance,
    /// CCS: compute.
    Compute,
    /// GSCCS: talks to the GSC firmware; never offered to clients.
    Gsc,
}

impl EngineClass {
    /// Code in descriptors, interrupt identities and `ENGINE_ID` (engines sheet §4.1).
    #[must_use]
    pub const fn hardware_code(self) -> u8 {
        match self {
            Self::Render => 0,
            Self::VideoDecode => 1,
            Self::VideoEnhance => 2,
            Self::Copy => 3,
            Self::Gsc => 4,
            Self::Compute => 5,
        }
    }

    /// Number in the client interface, `None` for what clients never see (bind-and-exec sheet §2.6).
    #[must_use]
    pub const fn client_code(self) -> Option<u16> {
        match self {
            Self::Render => Some(0),
            Self::Copy => Some(1),
            Self::VideoDecode => Some(2),
            Self::VideoEnhance => Some(3),
            Self::Compute => Some(4),
            Self::Gsc => None,
        }
    }

    /// The class a client's number names; 5 is the bind queue, which is no engine.
    #[must_use]
    pub const fn from_client_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Render),
            1 => Some(Self::Copy),
            2 => Some(Self::VideoDecode),
            3 => Some(Self::VideoEnhance),
            4 => Some(Self::Compute),
            _ => None,
        }
    }
}
