//! The numbers by which an engine class is scheduled, and between what they may be set.

use crate::node::{NodeDevice, Refusal};
use barexe_core::device::Scheduling;
use barexe_core::gt::EngineClass;
use barexe_hal::Nanos;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// How long a job may run, in milliseconds.
    JobTimeout,
    /// Time slice of a queue that asks for none, in microseconds.
    Timeslice,
    /// How long a context may take to leave its engine, in microseconds.
    PreemptTimeout,
}

/// Each has three files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The number itself.
    Value,
    /// What it may be at least.
    Lower,
    /// What it may be at most.
    Upper,
}

/// The numbers: names of the three files, and what it may be at least and at most, whatever limits are set.
pub const PROPERTIES: [(Property, [&str; 3], [u32; 2]); 3] = [
    (Property::JobTimeout, ["job_timeout_ms", "job_timeout_min", "job_timeout_max"], [1, 10_000]),
    (
        Property::Timeslice,
        ["timeslice_duration_us", "timeslice_duration_min", "timeslice_duration_max"],
        [1, 10_000_000],
    ),
    (Property::PreemptTimeout, ["preempt_timeout_us", "preempt_timeout_min", "preempt_timeout_max"], [1, 10_000_000]),
];
/// In the order of the names.
pub(super) const FIELDS: [Field; 3] = [Field::Value, Field::Lower, Field::Upper];

impl Property {
    /// The number, and which of its files, that has this name.
    pub(super) fn named(name: &str) -> Option<(Self, Field)> {
        PROPERTIES.iter().find_map(|(property, names, _)| {
            let (_, field) = names.iter().zip(FIELDS).find(|(known, _)| **known == name)?;
            Some((*property, field))
        })
    }

    /// What it may ever be.
    fn widest(self) -> [u32; 2] {
        PROPERTIES.iter().find(|(property, ..)| *property == self).map_or([0; 2], |(.., limits)| *limits)
    }

    fn of(self, scheduling: Scheduling) -> u64 {
        match self {
            Self::JobTimeout => scheduling.job_timeout.get() / 1_000_000,
            Self::Timeslice => scheduling.timeslice_us.into(),
            Self::PreemptTimeout => scheduling.preempt_timeout.get() / 1_000,
        }
    }

    const fn change(self, scheduling: Scheduling, value: u32) -> Scheduling {
        match self {
            Self::JobTimeout => Scheduling { job_timeout: Nanos::from_millis(value as u64), ..scheduling },
            Self::Timeslice => Scheduling { timeslice_us: value, ..scheduling },
            Self::PreemptTimeout => Scheduling { preempt_timeout: Nanos::from_micros(value as u64), ..scheduling },
        }
    }
}

/// An engine class of a GT.
#[derive(Debug)]
struct Class {
    place: (u8, EngineClass),
    /// As it was at the start.
    start: Scheduling,
    /// Between what each number may be set.
    limits: Vec<(Property, [u32; 2])>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Classes(Vec<Class>);

impl Classes {
    /// Those of a device, as it starts.
    pub(crate) fn of(device: &NodeDevice) -> Self {
        let mut all: Vec<Class> = Vec::new();
        for engine in device.info().client_engines() {
            let place = (engine.gt, engine.class);
            let Ok(start) = device.scheduling(engine.gt.into(), engine.class) else { continue };
            if all.iter().all(|known| known.place != place) {
                let limits = PROPERTIES.iter().map(|(property, _, widest)| (*property, *widest)).collect();
                all.push(Class { place, start, limits });
            }
        }
        Self(all)
    }

    pub(super) fn show(
        &self,
        device: &NodeDevice,
        place: (u8, EngineClass),
        (property, field): (Property, Field),
        start: bool,
    ) -> Option<u64> {
        let class = self.0.iter().find(|class| class.place == place)?;
        let limits = if start { property.widest() } else { class.limits(property) };
        match (field, limits) {
            (Field::Value, _) if start => Some(property.of(class.start)),
            (Field::Value, _) => device.scheduling(place.0.into(), place.1).ok().map(|now| property.of(now)),
            (Field::Lower, [lower, _]) => Some(lower.into()),
            (Field::Upper, [_, upper]) => Some(upper.into()),
        }
    }

    pub(super) fn store(
        &mut self,
        device: &mut NodeDevice,
        place: (u8, EngineClass),
        (property, field): (Property, Field),
        value: u32,
    ) -> Result<(), Refusal> {
        let class = self.0.iter_mut().find(|class| class.place == place).ok_or(Refusal(libc::ENOENT))?;
        let ([lower, upper], [least, most]) = (class.limits(property), property.widest());
        let fits = match field {
            Field::Value => (lower..=upper).contains(&value),
            Field::Lower => (least..=upper.min(most)).contains(&value),
            Field::Upper => (lower.max(least)..=most).contains(&value),
        };
        if !fits {
            return Err(Refusal::INVALID);
        }
        let gt = place.0.into();
        let now = device.scheduling(gt, place.1)?;
        let limits = match field {
            Field::Value => return Ok(device.set_scheduling(gt, place.1, property.change(now, value))?),
            Field::Lower => [value, upper],
            Field::Upper => [lower, value],
        };
        // The others hold for these files only.
        if property == Property::Timeslice {
            device.set_scheduling(gt, place.1, Scheduling { timeslice_limits_us: limits, ..now })?;
        }
        class.set_limits(property, limits);
        Ok(())
    }
}

impl Class {
    fn limits(&self, property: Property) -> [u32; 2] {
        let found = self.limits.iter().find(|(known, _)| *known == property);
        found.map_or_else(|| property.widest(), |(_, limits)| *limits)
    }

    fn set_limits(&mut self, property: Property, to: [u32; 2]) {
        if let Some((_, limits)) = self.limits.iter_mut().find(|(known, _)| *known == property) {
            *limits = to;
        }
    }
}
