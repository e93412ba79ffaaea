//! The folder of files that clients find where a kernel would show them the device: `/dev/dri`, `/sys`, debugfs.
//!
//! Everything that never changes is an ordinary file below one root, laid out as under `/`: the front only has to put the
//! root before a path, and reads need no code. What clients write with effect has its file here as well, so that it is
//! found, listed and has permissions; what is written there is for the front to carry out ([`live`]).

mod device;
mod entry;
mod facts;
mod gt;
mod pat;
mod scheduling;

pub use entry::Entry;
pub use gt::{Frequencies, GtFacts};
pub use pat::PatFacts;
pub use scheduling::{Limits, SCHEDULING};

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

/// Where the device sits on the bus.
pub const SLOT: &str = "0000:00:02.0";
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

/// What a write to a file of the tree means, for the files where it means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live<'p> {
    /// A number that steers scheduling of an engine class on a GT.
    Scheduling {
        /// GT, as clients name it.
        gt: u8,
        /// Class: `rcs`, `bcs`...
        class: &'p str,
        /// Name of the attribute, one of [`SCHEDULING`]'s.
        attribute: &'p str,
    },
    /// What engines had at the start: every write is refused with `EACCES`.
    ReadOnly,
    /// A GT is reset; `wait`: the write returns when that is over.
    Reset {
        /// GT, as clients name it.
        gt: u8,
        /// Return only when it is over.
        wait: bool,
    },
}

/// What a write to this path means. `path` is absolute, as the client sees it or as it is below the root of the tree, but
/// with symbolic links resolved.
#[must_use]
pub fn live(path: &str) -> Option<Live<'_>> {
    let (folder, name) = path.rsplit_once('/')?;
    if name == "force_reset" || name == "force_reset_sync" {
        let gt = folder.rsplit_once("/gt")?.1.parse().ok()?;
        return Some(Live::Reset { gt, wait: name.ends_with("_sync") });
    }
    let (gt, class) = folder.split_once("/engines/")?;
    let gt = gt.rsplit_once("/gt")?.1.parse().ok()?;
    match class.strip_suffix("/.defaults") {
        Some(_) => Some(Live::ReadOnly),
        None => Some(Live::Scheduling { gt, class, attribute: name }),
    }
}

#[cfg(test)]
mod tests;
