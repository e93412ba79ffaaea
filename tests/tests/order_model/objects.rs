//! Sync objects as the rules have them: names for sets of fences.

use super::trace::Node;
use std::collections::BTreeSet;

pub(crate) type Fences = BTreeSet<Node>;

/// What an object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Content {
    #[default]
    Nothing,
    Binary(Fences),
    /// Points in ascending order.
    Timeline(Vec<(u64, Fences)>),
}

/// How far an object is at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Absent,
    Pending,
    Signalled,
}

impl Content {
    /// What somebody waits for who waits for a point; 0 is all of it. None where nothing was submitted.
    pub(crate) fn at(&self, point: u64) -> Option<Fences> {
        match self {
            Self::Binary(fences) if point == 0 => Some(fences.clone()),
            Self::Nothing | Self::Binary(_) => None,
            Self::Timeline(points) => {
                let last =
                    if point == 0 { points.len() } else { 1 + points.iter().position(|(at, _)| *at >= point)? };
                Some(points[..last].iter().flat_map(|(_, fences)| fences).copied().collect())
            }
        }
    }

    pub(crate) fn newest(&self) -> u64 {
        if let Self::Timeline(points) = self { points.last().map_or(0, |(at, _)| *at) } else { 0 }
    }

    pub(crate) fn add(&mut self, point: u64, fences: Fences) {
        match self {
            Self::Timeline(points) => points.push((point, fences)),
            Self::Nothing => *self = Self::Timeline(vec![(point, fences)]),
            Self::Binary(before) => *self = Self::Timeline(vec![(point, &fences | before)]),
        }
    }

    /// Gives it fences at a point; 0 makes it binary.
    pub(crate) fn give(&mut self, point: u64, fences: Fences) {
        if point == 0 { *self = Self::Binary(fences) } else { self.add(point, fences) }
    }

    pub(crate) fn progress(&self, point: u64, is_signalled: impl Fn(&Node) -> bool) -> Progress {
        match self.at(point) {
            None => Progress::Absent,
            Some(fences) if fences.iter().all(is_signalled) => Progress::Signalled,
            Some(_) => Progress::Pending,
        }
    }

    /// The newest point up to which all have signalled.
    pub(crate) fn value(&self, is_signalled: impl Fn(&Node) -> bool) -> u64 {
        let Self::Timeline(points) = self else { return 0 };
        let done = points.iter().take_while(|(_, fences)| fences.iter().all(&is_signalled));
        done.last().map_or(0, |(at, _)| *at)
    }
}

/// An object, and the handles that the clients have to it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) content: Content,
    /// The keeper's.
    pub(crate) kept: u32,
}
