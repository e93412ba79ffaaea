//! Workarounds and tunings as rows: id, rule, change, source.
//!
//! The rows of a family stand in `family/`; this file says what a row means and which rows a target gets.

use crate::gt::EngineClass;
use crate::gt::platform::ip::{IpVersion, Stepping};
use crate::gt::platform::units::Unit;
use barexe_hal::RegOffset;

/// Versions a rule covers, both ends included, as [`IpVersion::verx100`] numbers.
///
/// On devices with a media GT a graphics range covers the primary GT only and a media range the media GT only; on
/// others both cover the single GT (engines sheet §0).
#[derive(Clone, Copy, Debug)]
pub enum Versions {
    /// Of the graphics IP.
    Graphics(u32, u32),
    /// Of the media IP.
    Media(u32, u32),
}

/// What a row is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The GT, once.
    Gt,
    /// The GT, once for each engine of a class.
    GtPerEngine(EngineClass),
    /// The GT, once for each engine of a class with an even instance.
    GtPerEvenEngine(EngineClass),
    /// Each engine.
    EveryEngine,
    /// Engines of a class.
    Class(EngineClass),
    /// Engines of all other classes.
    AllBut(EngineClass),
    /// The render or compute engine with the lowest id on its GT.
    FirstRenderOrCompute,
}

/// What else must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// The part is older than this stepping.
    Before(Stepping),
    /// Flat CCS is present.
    FlatCcs,
    /// An empty DSS group lies between live ones.
    DssGroupGap,
}

/// Which targets a row is for.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// IP versions.
    pub versions: Versions,
    /// Engines or GT.
    pub scope: Scope,
    /// Further condition.
    pub condition: Condition,
}

/// Where a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this offset of the GT's view, in bytes.
    Gt(u32),
    /// This far from the engine's base, in bytes.
    Engine(u32),
}

/// A change to one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The register.
    pub place: Place,
    /// It is replicated: read one copy, write all.
    pub steered: bool,
    /// It takes masked writes: no read needed.
    pub masked: bool,
    /// Bits that are cleared first.
    pub clear: u32,
    /// Bits that are set then.
    pub set: u32,
}

impl Change {
    /// Sets `bits` of a plain register.
    #[must_use]
    pub const fn set(place: Place, bits: u32) -> Self {
        Self::field(place, bits, bits)
    }

    /// Clears `bits` of a plain register.
    #[must_use]
    pub const fn clear(place: Place, bits: u32) -> Self {
        Self::field(place, bits, 0)
    }

    /// Makes the field `mask` of a plain register `value`.
    #[must_use]
    pub const fn field(place: Place, mask: u32, value: u32) -> Self {
        Self { place, steered: false, masked: false, clear: mask, set: value }
    }

    /// The same change to a replicated register.
    #[must_use]
    pub const fn steered(self) -> Self {
        Self { steered: true, ..self }
    }

    /// The same change to a masked register; only bits 15:0 exist.
    #[must_use]
    pub const fn masked(self) -> Self {
        Self { masked: true, ..self }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Tweak {
    /// Number of the workaround, or `tuning`.
    pub id: &'static str,
    /// When it applies.
    pub rule: Rule,
    /// What it does.
    pub change: Change,
    /// Where the row comes from.
    pub source: &'static str,
}

/// What batches may do with a whitelisted register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read.
    Read,
}

/// A register that batches may touch (engines sheet §4.4).
#[derive(Clone, Copy, Debug)]
pub struct Whitelisted {
    /// When it applies.
    pub rule: Rule,
    /// The register.
    pub place: Place,
    /// What batches may do.
    pub access: Access,
    /// Length code: 0, 1, 2, 3 for 1, 4, 16, 64 dwords.
    pub range: u8,
}

impl Whitelisted {
    /// The slot's word: access 29:28, register 25:2, length code 1:0 (engines sheet §4.3).
    #[must_use]
    pub const fn word(&self, unit: &Unit) -> u32 {
        let access = match self.access {
            Access::ReadWrite => 0,
            Access::Read => 1 << 28,
        };
        access | (self.place.register(Some(unit)).get() & 0x03FF_FFFC) | (self.range & 3) as u32
    }
}

impl Place {
    /// The offset in the GT's view; an engine's register without an engine is offset 0 plus the distance.
    #[must_use]
    pub const fn register(self, unit: Option<&Unit>) -> RegOffset {
        match (self, unit) {
            (Self::Gt(offset) | Self::Engine(offset), None) | (Self::Gt(offset), Some(_)) => RegOffset::at(offset),
            (Self::Engine(offset), Some(unit)) => unit.base.offset(offset),
        }
    }
}

/// What a GT is, for the rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleContext {
    /// The GT is the media GT of a device that has one.
    pub is_media_gt: bool,
    /// The device has a media GT by architecture, even when it is fused off.
    pub has_media_gt: bool,
    /// Graphics version.
    pub graphics: IpVersion,
    /// Media version.
    pub media: Option<IpVersion>,
    /// Id of the first render or compute engine of the GT.
    pub first_render_or_compute: Option<u8>,
    /// Flat CCS is present.
    pub flat_ccs: bool,
    /// An empty DSS group lies between live ones.
    pub dss_group_gap: bool,
}

impl RuleContext {
    /// The version a range is compared with, if the range is for this GT at all.
    fn version(&self, versions: Versions) -> Option<(IpVersion, u32, u32)> {
        match versions {
            Versions::Graphics(low, high) if !self.is_media_gt => Some((self.graphics, low, high)),
            Versions::Media(low, high) if self.is_media_gt || !self.has_media_gt => {
                self.media.map(|media| (media, low, high))
            }
            Versions::Graphics(..) | Versions::Media(..) => None,
        }
    }

    /// Whether version and condition of a rule hold on this GT; the scope is the caller's.
    #[must_use]
    pub fn holds(&self, rule: &Rule) -> bool {
        let Some((version, low, high)) = self.version(rule.versions) else { return false };
        let condition = match rule.condition {
            Condition::Always => true,
            Condition::Before(step) => version.step < step,
            Condition::FlatCcs => self.flat_ccs,
            Condition::DssGroupGap => self.dss_group_gap,
        };
        condition && (low..=high).contains(&version.verx100())
    }

    /// Whether an engine-level rule is for `unit`.
    #[must_use]
    pub fn holds_for_engine(&self, rule: &Rule, unit: &Unit) -> bool {
        let scope = match rule.scope {
            Scope::EveryEngine => true,
            Scope::Class(class) => unit.class == class,
            Scope::AllBut(class) => unit.class != class,
            Scope::FirstRenderOrCompute => self.first_render_or_compute == Some(unit.id),
            Scope::Gt | Scope::GtPerEngine(_) | Scope::GtPerEvenEngine(_) => false,
        };
        scope && self.holds(rule)
    }

    /// Whether a GT-level rule is for `unit`, or for the GT itself (`None`).
    #[must_use]
    pub fn holds_for_gt(&self, rule: &Rule, unit: Option<&Unit>) -> bool {
        let scope = match (rule.scope, unit) {
            (Scope::Gt, None) => true,
            (Scope::GtPerEngine(class), Some(unit)) => unit.class == class,
            (Scope::GtPerEvenEngine(class), Some(unit)) => unit.class == class && unit.instance & 1 == 0,
            _ => false,
        };
        scope && self.holds(rule)
    }
}
