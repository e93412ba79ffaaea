//! What a client's side tells the recorder. A recorder stands beside the device of one process: with a server there is none,
//! and nothing is told.

use super::{Change, Shown};
use crate::access::Access;
use crate::mapping::Mapped;
use crate::node::{FileId, Refusal};
use core::ops::Range;

impl Access {
    /// This process mapped the object that a file finds at an offset, or was refused.
    pub fn note_mapped(self, file: FileId, offset: u64, shown: Shown, result: Result<&Mapped, Refusal>) {
        if let Self::Here(node) = self {
            node.note_mapped(file, offset, shown, result);
        }
    }

    /// Memory of this process is about to change: what was written there is told. Whether the change is to be told, too.
    #[must_use]
    pub fn note_change(self, range: &Range<u64>) -> bool {
        match self {
            Self::Here(node) => node.note_change(range),
            Self::There(_) => false,
        }
    }

    /// It has changed.
    pub fn note_changed(self, range: &Range<u64>, change: Change) {
        if let Self::Here(node) = self {
            node.note_changed(range, change);
        }
    }

    /// This process ends: its recording gets its last line.
    pub fn end_recording(self) {
        if let Self::Here(node) = self {
            node.end_recording();
        }
    }
}
