//! Graphics 20.04: Lunar Lake.

use super::Family;

/// The family's table.
pub static XE2: Family = Family { name: "Xe2" };
