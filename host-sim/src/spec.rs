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
