//! What a simulated platform is made of. The simulator's own tables: nothing here comes from the driver.

/// Hardware engine class, by its hardware code (engines sheet §4.1).
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
}
