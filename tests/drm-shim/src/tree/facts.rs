//! What the driver found out about the device, in the words of the files.

use super::{Facts, Frequencies, GtFacts, PatFacts};
use barexe_core::gt::{DeviceInfo, EngineClass, Gt};

/// The simulated clock does not change with what these files say: any plausible numbers do.
const FREQUENCIES: Frequencies = Frequencies { rp0: 1300, rpe: 400, rpn: 100 };

impl Facts {
    /// The facts of a device that the driver has brought up.
    #[must_use]
    pub fn of(info: &DeviceInfo) -> Self {
        let gts = info.gts().map(|gt| of_gt(info, gt)).collect();
        Self { device: info.device_id, revision: info.revision, config: Vec::new(), gts, pat: page_attributes(info) }
    }
}

fn page_attributes(info: &DeviceInfo) -> PatFacts {
    let table = info.family().pat;
    let uses = [
        ("NONE", Some(table.uc)),
        ("WT", Some(table.wt)),
        ("WB", Some(table.wb)),
        ("NONE_COMPRESSION", table.uc_compressed),
    ];
    PatFacts {
        rows: table.entries.iter().map(|row| (row.register, row.valid)).collect(),
        uses: uses.into_iter().filter_map(|(name, row)| Some((name, row?.get()))).collect(),
    }
}

fn of_gt(info: &DeviceInfo, gt: Gt) -> GtFacts {
    let mut classes = Vec::new();
    for engine in info.client_engines().filter(|engine| engine.gt == gt.id) {
        if let Some(name) = short_name(engine.class).filter(|name| !classes.contains(name)) {
            classes.push(name);
        }
    }
    GtFacts { id: gt.id, tile: gt.tile, media: gt.index > 0, classes, frequencies: FREQUENCIES }
}

/// What clients call a class; nothing, if they never see it.
const fn short_name(class: EngineClass) -> Option<&'static str> {
    match class {
        EngineClass::Render => Some("rcs"),
        EngineClass::Copy => Some("bcs"),
        EngineClass::VideoDecode => Some("vcs"),
        EngineClass::VideoEnhance => Some("vecs"),
        EngineClass::Compute => Some("ccs"),
        EngineClass::Gsc => None,
    }
}
