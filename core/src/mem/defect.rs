//! What can go wrong in a change of page tables after the call that asked for it was accepted.

use crate::mem::format::Level;
use crate::mem::migrate::BatchError;
use core::fmt;

/// A promise that another part of the driver broke. No client and no device can bring one about.
///
/// The tree is whole afterwards, but part of the change may have been carried out: the VM is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Defect {
    /// Fewer tables were reserved than the change took; the level of the one that was missing.
    Reservation(Level),
    /// The backing ended before the range it stands behind.
    Backing {
        /// First address without backing.
        va: u64,
    },
    /// A leaf or a compact table reaches over an edge of the range.
    Edge {
        /// The edge.
        va: u64,
    },
    /// The change does not fit a page-table job.
    Job(BatchError),
    /// A table is not where its notes say.
    Table {
        /// Its position in page-table memory.
        position: u32,
    },
    /// The VM has no page tables on a tile.
    Tile {
        /// The tile.
        tile: u8,
    },
    /// A failure that a test asked for.
    #[cfg(feature = "inject")]
    Injected,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reservation(level) => write!(f, "no table of {level:?} is left of the reservation"),
            Self::Backing { va } => write!(f, "nothing backs address {va:#x}"),
            Self::Edge { va } => write!(f, "an entry reaches over the edge at {va:#x}"),
            Self::Job(cause) => write!(f, "{cause}"),
            Self::Tile { tile } => write!(f, "there are no page tables on tile {tile}"),
            Self::Table { position } => write!(f, "page table {position} is not there"),
            #[cfg(feature = "inject")]
            Self::Injected => f.write_str("a failure that was asked for"),
        }
    }
}

impl core::error::Error for Defect {}

impl From<BatchError> for Defect {
    fn from(cause: BatchError) -> Self {
        Self::Job(cause)
    }
}
