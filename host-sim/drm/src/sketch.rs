//! What is shown of a device beside its node: ids, GTs, page attributes. Plain data, so that it can be sent.

use crate::attributes::CLASSES;
use barexe_core::gt::{DeviceInfo, EngineClass, Gt};
use serde::{Deserialize, Serialize};

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// PCI device id; the vendor is Intel.
    pub device_id: u16,
    /// PCI revision.
    pub revision: u8,
    /// Its GTs.
    pub gts: Vec<GtSketch>,
    /// Rows of the table of page attributes: value, and whether mappings may use it.
    pub pat: Vec<(u32, bool)>,
    /// The rows that the driver itself uses: uncached, write-through, write-back, uncached and compressed.
    pub pat_uses: [Option<u8>; 4],
}

/// A GT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GtSketch {
    /// Its id, as clients name it.
    pub id: u8,
    /// The tile it is on.
    pub tile: u8,
    /// It has the media engines only.
    pub media: bool,
    /// Engine classes that clients may use, by their short names.
    pub classes: Vec<String>,
}

impl Sketch {
    /// A device that the driver has brought up.
    #[must_use]
    pub fn of(info: &DeviceInfo) -> Self {
        let table = info.family().pat;
        Self {
            device_id: info.device_id,
            revision: info.revision,
            gts: info.gts().map(|gt| GtSketch::of(info, gt)).collect(),
            pat: table.entries.iter().map(|row| (row.register, row.valid)).collect(),
            pat_uses: [Some(table.uc), Some(table.wt), Some(table.wb), table.uc_compressed]
                .map(|row| row.map(|row| row.get())),
        }
    }
}

impl GtSketch {
    fn of(info: &DeviceInfo, gt: Gt) -> Self {
        let mut classes: Vec<String> = Vec::new();
        for engine in info.client_engines().filter(|engine| engine.gt == gt.id) {
            if let Some(name) = short_name(engine.class).filter(|name| classes.iter().all(|known| known != name)) {
                classes.push(name.into());
            }
        }
        Self { id: gt.id, tile: gt.tile, media: gt.index > 0, classes }
    }
}

/// What clients call a class; nothing, if they never see it.
fn short_name(class: EngineClass) -> Option<&'static str> {
    CLASSES.into_iter().find(|(known, _)| *known == class).map(|(_, name)| name)
}
