//! The folder of files that clients find where a kernel would show them the device: `/dev/dri`, `/sys`, debugfs.
//!
//! Everything that never changes is an ordinary file below one root, laid out as under `/`: the front only has to put the
//! root before a path, and reads need no code. Files that act ([`Attribute`](barexe_drm::Attribute)) are here as well, empty,
//! so that they are found and listed; what reading and writing them means is the device's.

mod device;
mod entry;
mod facts;
mod gt;
mod pat;

pub use entry::Entry;
pub use gt::{Frequencies, GtFacts};
pub use pat::PatFacts;

use std::io;
use std::path::Path;

/// What the files say about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// PCI device id; the vendor is Intel.
    pub device: u16,
    /// PCI revision.
    pub revision: u8,
    /// PCI configuration space from its first byte on. Ids and class are put in by [`entries`].
    pub config: Vec<u8>,
    /// Its GTs.
    pub gts: Vec<GtFacts>,
    /// Page attributes, the same on each of them.
    pub pat: PatFacts,
}

pub use barexe_drm::usage::SLOT;
/// Minor number of the primary node; the major number is 226.
pub const CARD_MINOR: u32 = 0;
/// Minor number of the render node.
pub const RENDER_MINOR: u32 = 128;
/// Major number of both.
pub const DRM_MAJOR: u32 = 226;

/// The paths that lead into the tree. Others are the system's own.
pub const PREFIXES: [&str; 7] = [
    "/dev/dri",
    "/sys/class/drm",
    "/sys/bus/pci",
    "/sys/dev/char/226:",
    "/sys/devices/pci0000:00",
    "/sys/kernel/debug/dri",
    "/sys/module/xe",
];

/// Everything in the tree, folders that only hold others left out.
#[must_use]
pub fn entries(facts: &Facts) -> Vec<Entry> {
    let mut all = device::nodes();
    all.extend(device::bus(facts));
    all.extend(device::debug());
    for gt in &facts.gts {
        all.extend(gt::entries(gt));
        all.push(gt::page_attributes(gt, &facts.pat));
    }
    all
}

/// Writes the tree below `root`, which is made if it is not there. Files that are there already are written anew.
///
/// # Errors
/// What the file system says.
pub fn write(root: &Path, facts: &Facts) -> io::Result<()> {
    entries(facts).iter().try_for_each(|entry| entry.write(root))
}

#[cfg(test)]
mod tests;
