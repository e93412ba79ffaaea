//! All contenders with the same ranges, and rounds in which each gets the same batch.

use super::contender::{Contender, Ranges};
use super::others::{Btree, Nodit, Rangemap};
use super::ours::Ours;
use super::traffic::{Put, Traffic};
use core::time::Duration;

pub(crate) const CONTENDERS: usize = 4;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Random ranges are put into a full space: every one replaces and splits others.
    Overwrite,
    /// Random addresses are looked up in a full space.
    Lookup,
    /// Random ranges are emptied in a full space.
    Unmap,
    /// An empty space is filled in random order.
    Fill,
    /// An empty space is filled in ascending order.
    Ascending,
}

impl Measure {
    pub(crate) const ALL: [Self; 5] = [Self::Overwrite, Self::Lookup, Self::Unmap, Self::Fill, Self::Ascending];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Lookup => "lookup",
            Self::Unmap => "unmap",
            Self::Fill => "fill, random order",
            Self::Ascending => "fill, ascending",
        }
    }

    /// Operations of a batch: so many that the contender before is out of the caches, so few that a space of which
    /// they empty some is full still.
    pub(crate) fn batch(self, live: u64) -> usize {
        match self {
            Self::Overwrite => 4096,
            Self::Lookup => 8192,
            Self::Unmap => (live as usize / 10).min(4096),
            Self::Fill | Self::Ascending => live as usize,
        }
    }
}

pub(crate) struct Field {
    contenders: [Box<dyn Contender>; CONTENDERS],
    traffic: Traffic,
    live: u64,
    /// Who is first in the next round.
    turn: usize,
}

fn make<R: Ranges + 'static>(live: u64) -> Box<dyn Contender> {
    Box::new(R::empty(live))
}

impl Field {
    pub(crate) const NAMES: [&'static str; CONTENDERS] = ["barexe", "nodit", "rangemap", "BTreeMap"];

    /// Everyone at steady state: filled, and then overwritten several times.
    pub(crate) fn new(live: u64) -> Self {
        let contenders = [make::<Ours>(live), make::<Nodit>(live), make::<Rangemap>(live), make::<Btree>(live)];
        let mut field = Self { contenders, traffic: Traffic::new(live), live, turn: 0 };
        let mut tiles = field.traffic.tiles();
        field.traffic.shuffle(&mut tiles);
        field.put_all(&tiles);
        for _ in 0..16 {
            let puts = field.traffic.puts(live as usize / 4);
            field.put_all(&puts);
        }
        field.assert_same();
        field
    }

    fn put_all(&mut self, puts: &[Put]) {
        for contender in &mut self.contenders {
            contender.puts(puts);
        }
    }

    /// Whoever does less has an easy game.
    pub(crate) fn assert_same(&self) {
        let lens = self.contenders.each_ref().map(|contender| contender.len());
        assert!(lens.iter().all(|len| *len == lens[0]), "{lens:?}");
    }

    /// Bytes of ours for each range.
    pub(crate) fn bytes_per_range(&self) -> f64 {
        let [ours, ..] = &self.contenders;
        ours.bytes().unwrap() as f64 / ours.len() as f64
    }

    pub(crate) fn len(&self) -> usize {
        self.contenders[0].len()
    }

    fn each(&mut self, batch: impl Fn(&mut dyn Contender) -> Duration) -> [Duration; CONTENDERS] {
        let mut times = [Duration::ZERO; CONTENDERS];
        for step in 0..CONTENDERS {
            let at = (self.turn + step) % CONTENDERS;
            times[at] = batch(self.contenders[at].as_mut());
        }
        self.turn += 1;
        times
    }

    /// A batch for everyone; how long each took.
    pub(crate) fn round(&mut self, measure: Measure) -> [Duration; CONTENDERS] {
        let count = measure.batch(self.live);
        match measure {
            Measure::Overwrite => {
                let puts = self.traffic.puts(count);
                self.each(|contender| contender.puts(&puts))
            }
            Measure::Lookup => {
                let addresses = self.traffic.addresses(count);
                self.each(|contender| contender.finds(&addresses))
            }
            Measure::Unmap => {
                let cuts = self.traffic.puts(count);
                let times = self.each(|contender| contender.cuts(&cuts));
                self.put_all(&cuts);
                times
            }
            Measure::Fill | Measure::Ascending => {
                let mut tiles = self.traffic.tiles();
                if measure == Measure::Fill {
                    self.traffic.shuffle(&mut tiles);
                }
                self.each(|contender| contender.fill(&tiles))
            }
        }
    }
}
