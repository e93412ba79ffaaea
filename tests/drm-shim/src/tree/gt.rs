//! What is shown for each GT: frequencies, idleness, engine classes, resets.

use super::{Entry, PatFacts};
use barexe_drm::attributes::{PROPERTIES, RESETS, START};

/// A GT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtFacts {
    /// Its id, as clients name it.
    pub id: u8,
    /// The tile it is on.
    pub tile: u8,
    /// It has the media engines only.
    pub media: bool,
    /// Engine classes that clients may use, by their short names: `rcs`, `bcs`, `vcs`, `vecs`, `ccs`.
    pub classes: Vec<&'static str>,
    /// How fast it may run.
    pub frequencies: Frequencies,
}

/// Frequencies in MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequencies {
    /// Highest.
    pub rp0: u32,
    /// Most efficient.
    pub rpe: u32,
    /// Lowest.
    pub rpn: u32,
}

impl Frequencies {
    /// The files and their values, for a GT at rest.
    const fn files(&self) -> [(&'static str, u32); 8] {
        [
            ("act_freq", 0),
            ("cur_freq", self.rpn),
            ("max_freq", self.rp0),
            ("min_freq", self.rpn),
            ("rp0_freq", self.rp0),
            ("rpa_freq", self.rpe),
            ("rpe_freq", self.rpe),
            ("rpn_freq", self.rpn),
        ]
    }
}

/// Why a GT may have to run slower. Nothing slows a simulated one.
const THROTTLE: [&str; 9] = [
    "status",
    "reason_pl1",
    "reason_pl2",
    "reason_pl4",
    "reason_prochot",
    "reason_ratl",
    "reason_thermal",
    "reason_vr_tdc",
    "reason_vr_thermalert",
];

/// Everything of one GT.
pub(super) fn entries(gt: &GtFacts) -> Vec<Entry> {
    let folder = format!("{}/tile{}/gt{}", super::device::FOLDER, gt.tile, gt.id);
    let mut all = speed(&folder, gt.frequencies);
    all.extend(idleness(&folder, gt));
    for class in &gt.classes {
        all.extend(scheduling(&format!("{folder}/engines/{class}")));
    }
    let debug = super::device::debug_folder();
    all.extend(RESETS.map(|(name, _)| Entry::File(format!("{debug}/gt{}/{name}", gt.id), Vec::new())));
    all
}

/// The numbers of one engine class below `folder`, their limits, and what they were at the start.
fn scheduling(folder: &str) -> impl Iterator<Item = Entry> + '_ {
    let names = PROPERTIES.into_iter().flat_map(|(_, names, _)| names);
    names.flat_map(move |name| {
        [format!("{folder}/{name}"), format!("{folder}/{START}/{name}")].map(|path| Entry::File(path, Vec::new()))
    })
}

/// The table of page attributes, beside the files of the GT's resets.
pub(super) fn page_attributes(gt: &GtFacts, pat: &PatFacts) -> Entry {
    Entry::File(format!("{}/gt{}/pat_sw_config", super::device::debug_folder(), gt.id), pat.text().into_bytes())
}

fn speed(folder: &str, frequencies: Frequencies) -> Vec<Entry> {
    let files = frequencies.files().map(|(name, mhz)| Entry::line(format!("{folder}/freq0/{name}"), mhz));
    let throttle = THROTTLE.map(|name| Entry::line(format!("{folder}/freq0/throttle/{name}"), 0));
    files.into_iter().chain(throttle).collect()
}

fn idleness(folder: &str, gt: &GtFacts) -> [Entry; 3] {
    let name = if gt.media { "mc" } else { "rc" };
    [
        Entry::line(format!("{folder}/gtidle/name"), format_args!("gt{}-{name}", gt.id)),
        Entry::line(format!("{folder}/gtidle/idle_status"), format_args!("gt-{}6", name.get(1..).unwrap_or(name))),
        Entry::line(format!("{folder}/gtidle/idle_residency_ms"), 0),
    ]
}
