//! The model beside the tree, and the steps that change both.

use super::super::range;
use super::check::{Dropped, reachable, scratch_tables};
use super::memory::{Memory, random_memory, random_range};
use barexe_core::mem::pages::{Need, TableId};
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tlb::Stale;
use barexe_core::mem::tree::{Attributes, CpuSink, Mapping, Sink, Sizes, Stage, VaRange, need};
use barexe_tests::random::Random;
use barexe_tests::tables::{CommandSink, Rig};
use std::collections::{BTreeMap, BTreeSet};

/// A mapping of the model.
#[derive(Clone, Debug)]
pub(super) struct Vma {
    pub(super) range: VaRange,
    pub(super) memory: Memory,
    pub(super) attributes: Attributes,
    pub(super) sizes: Sizes,
    /// Taken from the device for a while.
    pub(super) zapped: bool,
}

impl Vma {
    fn part(&self, start: u64, end: u64) -> Self {
        let memory = self.memory.part(start - self.range.start, end - start);
        Self { range: range(start, end), memory, ..self.clone() }
    }
}

/// One change of the tree.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Bind { vma: u64, rebind: bool },
    Unbind(VaRange),
    Zap(VaRange),
}

pub(super) struct World<'w, 'a> {
    pub(super) rig: &'w mut Rig<'a>,
    random: Random,
    pub(super) scratch: bool,
    /// By first address.
    pub(super) vmas: BTreeMap<u64, Vma>,
    pub(super) scratch_tables: BTreeSet<u64>,
    /// Receipts of the last steps, with what the tables they hold looked like.
    pub(super) dropped: Vec<(Stale, Dropped)>,
}

impl<'w, 'a> World<'w, 'a> {
    pub(super) fn new(rig: &'w mut Rig<'a>, random: Random, scratch: bool) -> Self {
        let scratch_tables = if scratch { scratch_tables(rig) } else { BTreeSet::new() };
        Self { rig, random, scratch, vmas: BTreeMap::new(), scratch_tables, dropped: Vec::new() }
    }

    pub(super) fn step(&mut self) {
        let changes = match self.random.below(10) {
            0..5 => self.map(),
            5..7 => {
                let span = random_range(&mut self.random);
                self.clear(span)
            }
            7 => self.rebind(),
            8 => self.zap(),
            _ => self.unmap_one(),
        };
        self.apply(&changes);
        while self.dropped.len() > 3 {
            self.release_oldest();
        }
    }

    /// Unmaps and releases everything.
    pub(super) fn end(&mut self) {
        let changes = self.clear(range(0, 1 << 48));
        self.apply(&changes);
        self.check();
        while !self.dropped.is_empty() {
            self.release_oldest();
        }
        self.check();
        assert_eq!(reachable(self.rig).len(), 1, "only the root is left");
    }

    fn map(&mut self) -> Vec<Change> {
        let span = random_range(&mut self.random);
        let mut changes = self.clear(span);
        let pats: &[u8] = if self.rig.format.compact_tables { &[0, 2, 5, 12, 20, 31] } else { &[0, 1, 2, 3] };
        let pat = pats[self.random.below(pats.len() as u64) as usize];
        let attributes = Attributes { pat: PatIndex::new(pat).unwrap(), read_only: self.random.one_in(3) };
        let memory = random_memory(&mut self.random, span);
        self.insert(Vma { range: span, memory, attributes, sizes: Sizes::empty(), zapped: false });
        changes.push(Change::Bind { vma: span.start, rebind: false });
        changes
    }

    fn insert(&mut self, vma: Vma) {
        assert!(self.vmas.insert(vma.range.start, vma).is_none());
    }

    /// Removes what lies in `span`. What reaches out of it keeps its entries if the cut allows it (page-tables sheet
    /// §1.5), else it is bound again.
    fn clear(&mut self, span: VaRange) -> Vec<Change> {
        let over = |vma: &Vma| vma.range.start < span.end && span.start < vma.range.end;
        let olds: Vec<Vma> = self.vmas.values().filter(|vma| over(vma)).cloned().collect();
        let mut changes = Vec::new();
        for old in olds {
            self.vmas.remove(&old.range.start);
            let mut gone = old.range;
            let mut again = Vec::new();
            for (keeps, edge, part) in [
                (old.range.start < span.start, span.start, (old.range.start, span.start)),
                (old.range.end > span.end, span.end, (span.end, old.range.end)),
            ] {
                if !keeps {
                    continue;
                }
                let mut remnant = old.part(part.0, part.1);
                if edge % old.sizes.cut_bytes() == 0 && !old.zapped {
                    if part.0 == old.range.start { gone.start = edge } else { gone.end = edge }
                } else {
                    remnant.zapped = false;
                    again.push(Change::Bind { vma: part.0, rebind: false });
                }
                self.insert(remnant);
            }
            changes.push(Change::Unbind(gone));
            changes.append(&mut again);
        }
        changes
    }

    fn pick(&mut self) -> Option<u64> {
        let count = self.vmas.len() as u64;
        if count == 0 { None } else { self.vmas.keys().nth(self.random.below(count) as usize).copied() }
    }

    fn rebind(&mut self) -> Vec<Change> {
        let Some(vma) = self.pick() else { return Vec::new() };
        let memory = random_memory(&mut self.random, self.vmas[&vma].range);
        let found = self.vmas.get_mut(&vma).unwrap();
        (found.memory, found.zapped) = (memory, false);
        vec![Change::Bind { vma, rebind: true }]
    }

    fn zap(&mut self) -> Vec<Change> {
        let Some(vma) = self.pick() else { return Vec::new() };
        let found = self.vmas.get_mut(&vma).unwrap();
        found.zapped = true;
        vec![Change::Zap(found.range)]
    }

    fn unmap_one(&mut self) -> Vec<Change> {
        let Some(vma) = self.pick() else { return Vec::new() };
        let span = self.vmas.remove(&vma).unwrap().range;
        vec![Change::Unbind(span)]
    }

    /// Stages the changes as one list, by stores or by commands.
    fn apply(&mut self, changes: &[Change]) {
        let before = reachable(self.rig);
        let by_commands = self.random.one_in(3);
        let format = self.rig.format;
        let needed = |change: &Change| match change {
            Change::Bind { vma, .. } => {
                let vma = &self.vmas[vma];
                need(format, vma.range, vma.memory.segments().into_iter())
            }
            Change::Unbind(_) | Change::Zap(_) => Need::default(),
        };
        let need = changes.iter().map(needed).fold(Need::default(), Need::plus);
        let Rig { arena, pages, tree, .. } = &mut *self.rig;
        let mut reservation = pages.reserve(arena, need).unwrap();
        let stale = if by_commands {
            let mut sink = CommandSink::new(arena);
            let mut stage = Stage::new(pages, &mut reservation, format, &mut sink);
            run(tree, &mut stage, changes, &mut self.vmas);
            let stale = stage.finish();
            sink.run(pages);
            stale
        } else {
            let mut sink = CpuSink::new(arena);
            let mut stage = Stage::new(pages, &mut reservation, format, &mut sink);
            run(tree, &mut stage, changes, &mut self.vmas);
            stage.finish()
        };
        pages.unreserve(reservation);
        let after = reachable(self.rig);
        let kept: BTreeSet<u32> = after.values().map(|noted| noted.table.position()).collect();
        let before = before.into_values().map(|noted| noted.table);
        let gone: Vec<TableId> = before.filter(|table| !kept.contains(&table.position())).collect();
        let dropped = Dropped::new(&self.rig.pages, &gone);
        self.dropped.push((stale, dropped));
    }

    fn release_oldest(&mut self) {
        let (stale, dropped) = self.dropped.remove(0);
        dropped.assert_untouched(&self.rig.pages);
        self.rig.release(stale);
    }
}

/// Stages changes one after another.
fn run<S: Sink>(
    tree: &barexe_core::mem::tree::PageTree,
    stage: &mut Stage<'_, '_, S>,
    changes: &[Change],
    vmas: &mut BTreeMap<u64, Vma>,
) {
    for change in changes {
        match change {
            Change::Bind { vma, rebind } => {
                let vma = vmas.get_mut(vma).unwrap();
                let segments = vma.memory.segments();
                let (range, backing, attributes) = (vma.range, segments.iter().copied(), vma.attributes);
                let bound = tree.bind(stage, Mapping { range, backing, attributes, rebind: *rebind }).unwrap();
                assert!(bound.range.start <= range.start && bound.range.end >= range.end);
                vma.sizes = bound.sizes;
            }
            Change::Unbind(span) => {
                let widened = tree.unbind(stage, *span).unwrap();
                assert!(widened.start <= span.start && widened.end >= span.end);
            }
            Change::Zap(span) => drop(tree.zap(stage, *span).unwrap()),
        }
    }
}
