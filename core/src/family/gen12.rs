//! Graphics 12.00: Tiger Lake and its siblings.

use super::Family;

/// The family's table.
pub static GEN12: Family = Family { name: "Gen12" };
