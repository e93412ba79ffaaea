//! The naive model of an address space: a map from address to backing.

use std::collections::{BTreeMap, BTreeSet};

/// A part of the address space in which the model maps, in units of its own.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) base: u64,
    pub(crate) unit: u64,
    pub(crate) units: u64,
    /// Only null mappings: its units are no pages.
    pub(crate) null_only: bool,
}

impl Zone {
    pub(crate) const fn end(&self) -> u64 {
        self.base + self.unit * self.units
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = u64> {
        (self.base..self.end()).step_by(self.unit as usize)
    }
}

const MIB_2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

/// Tables of every level meet in one of them; the last two lie in other blocks of 512 GiB than the first two.
pub(crate) const ZONES: [Zone; 4] = [
    Zone { base: MIB_2, unit: 4096, units: 4 * 512, null_only: false },
    Zone { base: GIB - MIB_2, unit: 4096, units: 2 * 512, null_only: false },
    Zone { base: 512 * GIB - MIB_2, unit: 4096, units: 2 * 512, null_only: false },
    Zone { base: 1024 * GIB, unit: MIB_2, units: 3 * 512, null_only: true },
];

pub(crate) fn zone_of(va: u64) -> &'static Zone {
    ZONES.iter().find(|zone| (zone.base..zone.end()).contains(&va)).unwrap()
}

/// What is mapped at a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Which operation mapped it: neighbours of one number are one mapping.
    pub(crate) serial: u64,
    /// Object and page of it; none of a null mapping.
    pub(crate) memory: Option<(usize, u64)>,
    pub(crate) pat: u8,
    pub(crate) read_only: bool,
}

/// What an operation asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Object, its first page, and where it goes.
    Map {
        bo: usize,
        page: u64,
        at: Target,
    },
    Null {
        at: Target,
    },
    Unmap {
        va: u64,
        bytes: u64,
    },
    UnmapAll {
        bo: usize,
    },
    /// Changes nothing that is there already, and keeps its place in its queue.
    Prefetch {
        va: u64,
        bytes: u64,
    },
}

/// Where something is mapped, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) va: u64,
    pub(crate) bytes: u64,
    pub(crate) pat: u8,
    pub(crate) read_only: bool,
}

/// What a call does to the map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effect {
    /// The values that units get, one after another.
    pub(crate) values: BTreeMap<u64, Vec<Option<Cell>>>,
    /// Units that keep their value, and may be written again.
    pub(crate) shaken: BTreeSet<u64>,
}

impl Effect {
    /// Every unit it has to do with.
    pub(crate) fn touched(&self) -> impl Iterator<Item = u64> {
        self.values.keys().chain(&self.shaken).copied()
    }

    pub(crate) fn touches(&self, va: u64) -> bool {
        self.values.contains_key(&va) || self.shaken.contains(&va)
    }

    /// The blocks of 512 GiB from the first to the last unit.
    pub(crate) fn blocks(&self) -> Option<(u64, u64)> {
        Some((self.touched().min()? >> 39, self.touched().max()? >> 39))
    }

    fn set(&mut self, va: u64, value: Option<Cell>) {
        self.values.entry(va).or_default().push(value);
    }
}

/// A map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Space {
    pub(crate) cells: BTreeMap<u64, Cell>,
}

impl Space {
    pub(crate) fn get(&self, va: u64) -> Option<Cell> {
        self.cells.get(&va).copied()
    }

    /// Carries an operation out.
    pub(crate) fn apply(&mut self, op: &Op, serial: u64, effect: &mut Effect) {
        match *op {
            Op::Map { bo, page, at } => self.fill(at, serial, effect, |index| Some((bo, page + index))),
            Op::Null { at } => self.fill(at, serial, effect, |_| None),
            Op::Unmap { va, bytes } => self.clear(va, bytes, effect),
            Op::Prefetch { .. } => {}
            Op::UnmapAll { bo } => {
                let of_bo = |cell: &Cell| cell.memory.is_some_and(|(of, _)| of == bo);
                let gone: Vec<u64> = self.cells.iter().filter(|(_, cell)| of_bo(cell)).map(|(va, _)| *va).collect();
                for va in gone {
                    self.cells.remove(&va);
                    effect.set(va, None);
                }
            }
        }
    }

    fn fill(&mut self, at: Target, serial: u64, effect: &mut Effect, memory: impl Fn(u64) -> Option<(usize, u64)>) {
        self.clear(at.va, at.bytes, effect);
        let unit = zone_of(at.va).unit;
        for (index, va) in (0..).zip((at.va..at.va + at.bytes).step_by(unit as usize)) {
            let cell = Cell { serial, memory: memory(index), pat: at.pat, read_only: at.read_only };
            self.cells.insert(va, cell);
            effect.set(va, Some(cell));
        }
    }

    /// Empties a range. What is left of mappings that reach over its edges may be written again.
    fn clear(&mut self, va: u64, bytes: u64, effect: &mut Effect) {
        let (unit, end) = (zone_of(va).unit, va + bytes);
        let below = self.get(va).filter(|first| self.get(va - unit).is_some_and(|cell| cell.serial == first.serial));
        let above = self.get(end - unit).filter(|last| self.get(end).is_some_and(|cell| cell.serial == last.serial));
        let same = |cells: &BTreeMap<u64, Cell>, at: u64, of: &Cell| {
            cells.get(&at).is_some_and(|cell| cell.serial == of.serial)
        };
        if let Some(first) = below {
            effect.shaken.extend((1..).map(|n| va - n * unit).take_while(|at| same(&self.cells, *at, &first)));
        }
        if let Some(last) = above {
            effect.shaken.extend((0..).map(|n| end + n * unit).take_while(|at| same(&self.cells, *at, &last)));
        }
        let gone: Vec<u64> = self.cells.range(va..end).map(|(va, _)| *va).collect();
        for va in gone {
            self.cells.remove(&va);
            effect.set(va, None);
        }
    }

    /// What a call left, once it is over.
    pub(crate) fn settle(&mut self, effect: &Effect) {
        for (va, values) in &effect.values {
            match values.last().copied().flatten() {
                Some(cell) => drop(self.cells.insert(*va, cell)),
                None => drop(self.cells.remove(va)),
            }
        }
    }
}
