//! What the driver found out about the device, in the words of the files.

use super::{Facts, Frequencies, GtFacts, PatFacts};
use barexe_drm::attributes::CLASSES;
use barexe_drm::sketch::{GtSketch, Sketch};

/// The simulated clock does not change with what these files say: any plausible numbers do.
const FREQUENCIES: Frequencies = Frequencies { rp0: 1300, rpe: 400, rpn: 100 };

/// What the driver uses rows of page attributes for, in the order of the sketch.
const USES: [&str; 4] = ["NONE", "WT", "WB", "NONE_COMPRESSION"];

impl Facts {
    /// The facts of a device.
    #[must_use]
    pub fn of(sketch: &Sketch) -> Self {
        let uses = USES.into_iter().zip(sketch.pat_uses);
        let pat =
            PatFacts { rows: sketch.pat.clone(), uses: uses.filter_map(|(name, row)| Some((name, row?))).collect() };
        let gts = sketch.gts.iter().map(of_gt).collect();
        Self { device: sketch.device_id, revision: sketch.revision, config: Vec::new(), gts, pat }
    }
}

fn of_gt(gt: &GtSketch) -> GtFacts {
    let known = |name: &String| CLASSES.into_iter().map(|(_, class)| class).find(|class| class == name);
    let classes = gt.classes.iter().filter_map(known).collect();
    GtFacts { id: gt.id, tile: gt.tile, media: gt.media, classes, frequencies: FREQUENCIES }
}
