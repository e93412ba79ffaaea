//! What the client has: buffer objects by their numbers, where they are mapped, and what its VMs map.

use super::jobs::{Key, Spot};
use crate::mapping::Piece;
use core::ops::Range;
use rangemap::{RangeMap, RangeSet};
use std::collections::BTreeMap;

/// A piece of an object: offset in it, offset in the arena, length.
#[derive(Clone, Copy, Debug)]
struct Part {
    offset: u64,
    arena: u64,
    len_bytes: u64,
}

/// An object in the client's memory.
#[derive(Clone, Debug)]
struct Shown {
    at: Range<u64>,
    bo: u64,
    /// Offset in the object of the first byte.
    offset: u64,
    writable: bool,
}

/// What a VM maps at an address: the place is the address plus this, in wrapping arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backing {
    /// An object, by number.
    Bo(u64, u64),
    /// Memory of the client.
    Client(u64),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Objects {
    bos: u64,
    handles: BTreeMap<Key, u64>,
    offsets: BTreeMap<(u64, u64), u64>,
    parts: BTreeMap<u64, Vec<Part>>,
    shown: Vec<Shown>,
    vms: BTreeMap<Key, RangeMap<u64, Backing>>,
    /// The VM of each queue.
    queues: BTreeMap<Key, u32>,
}

/// What is left of a range without another.
fn without(range: &Range<u64>, gone: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let parts = [range.start..range.end.min(gone.start), range.start.max(gone.end)..range.end];
    parts.into_iter().filter(|part| !part.is_empty())
}

impl Objects {
    /// An object was created; its number.
    pub(super) fn create(&mut self, handle: Key) -> u64 {
        self.bos = self.bos.saturating_add(1);
        self.handles.insert(handle, self.bos);
        self.bos
    }

    pub(super) fn close_handle(&mut self, handle: Key) {
        self.handles.remove(&handle);
    }

    /// The number of an object.
    pub(super) fn bo(&self, handle: Key) -> Option<u64> {
        self.handles.get(&handle).copied()
    }

    /// The offset that stands for an object.
    pub(super) fn has_offset(&mut self, handle: Key, offset: u64) {
        if let Some(bo) = self.bo(handle) {
            self.offsets.insert((handle.0, offset), bo);
        }
    }

    /// The object that an offset stands for.
    pub(super) fn at_offset(&self, file: u64, offset: u64) -> Option<u64> {
        self.offsets.get(&(file, offset)).copied()
    }

    /// An object was mapped from its first byte on.
    pub(super) fn show(&mut self, bo: u64, at: Range<u64>, pieces: &[Piece], writable: bool) {
        let mut offset = 0u64;
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(Part { offset, arena: piece.offset, len_bytes: piece.len_bytes });
            offset = offset.saturating_add(piece.len_bytes);
        }
        let known = self.parts.entry(bo).or_default();
        let length = |parts: &[Part]| parts.iter().map(|part| part.len_bytes).sum::<u64>();
        if length(known) < length(&parts) {
            *known = parts;
        }
        self.shown.push(Shown { at, bo, offset: 0, writable });
    }

    /// A range of the client's memory is gone.
    pub(super) fn hide(&mut self, gone: &Range<u64>) {
        let left = |shown: &Shown| {
            let shown = shown.clone();
            let parts = without(&shown.at, gone).collect::<Vec<_>>();
            parts.into_iter().map(move |at| {
                let offset = shown.offset.saturating_add(at.start.saturating_sub(shown.at.start));
                Shown { at, offset, ..shown }
            })
        };
        self.shown = self.shown.iter().flat_map(left).collect();
    }

    /// The pieces of objects that lie in a range of the client's memory.
    pub(super) fn shown_in(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let inside = self.shown.iter().map(|shown| shown.at.start.max(range.start)..shown.at.end.min(range.end));
        inside.filter(|part| !part.is_empty()).collect()
    }

    /// Numbers of the objects that the client has in its memory; those it can write only, if that is asked for.
    pub(super) fn shown(&self, writable: bool) -> Vec<u64> {
        let mut all: Vec<u64> =
            self.shown.iter().filter(|shown| shown.writable || !writable).map(|shown| shown.bo).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where an object lies in the arena, as far as that is known: offset in it, and range in the arena.
    pub(super) fn places(&self, bo: u64) -> Vec<(u64, Range<u64>)> {
        let place = |part: &Part| (part.offset, part.arena..part.arena.saturating_add(part.len_bytes));
        self.parts.get(&bo).map(|parts| parts.iter().map(place).collect()).unwrap_or_default()
    }

    fn in_arena(&self, bo: u64, offset: u64) -> Option<u64> {
        let parts = self.parts.get(&bo)?;
        let part =
            parts.iter().find(|part| offset.checked_sub(part.offset).is_some_and(|inside| inside < part.len_bytes))?;
        Some(part.arena.saturating_add(offset.saturating_sub(part.offset)))
    }

    /// Where an address of the client leads.
    pub(super) fn spot(&self, addr: u64) -> Spot {
        let shown = self.shown.iter().find(|shown| shown.at.contains(&addr));
        let offset = |shown: &Shown| shown.offset.saturating_add(addr.saturating_sub(shown.at.start));
        let arena = shown.and_then(|shown| self.in_arena(shown.bo, offset(shown)));
        arena.map_or(Spot::Client(addr), Spot::Arena)
    }

    /// Where an address of a VM leads.
    pub(super) fn spot_of_va(&self, vm: Key, va: u64) -> Option<Spot> {
        match *self.vms.get(&vm)?.get(&va)? {
            Backing::Bo(bo, delta) => self.in_arena(bo, va.wrapping_add(delta)).map(Spot::Arena),
            Backing::Client(delta) => Some(self.spot(va.wrapping_add(delta))),
        }
    }

    /// A range of a VM is mapped, or not any more.
    pub(super) fn bind(&mut self, vm: Key, range: Range<u64>, backing: Option<Backing>) {
        if range.is_empty() {
            return;
        }
        let map = self.vms.entry(vm).or_default();
        match backing {
            Some(backing) => map.insert(range, backing),
            None => map.remove(range),
        }
    }

    /// All mappings of an object in a VM are gone.
    pub(super) fn unbind_all(&mut self, vm: Key, bo: u64) {
        let Some(map) = self.vms.get_mut(&vm) else { return };
        let of = |backing: &Backing| matches!(backing, Backing::Bo(other, _) if *other == bo);
        let gone: Vec<_> = map.iter().filter(|(_, backing)| of(backing)).map(|(range, _)| range.clone()).collect();
        gone.into_iter().for_each(|range| map.remove(range));
    }

    pub(super) fn destroy_vm(&mut self, vm: Key) {
        self.vms.remove(&vm);
    }

    pub(super) fn queue_of(&mut self, queue: Key, vm: u32) {
        self.queues.insert(queue, vm);
    }

    /// The VM of a queue.
    pub(super) fn vm_of(&self, queue: Key) -> Option<Key> {
        self.queues.get(&queue).map(|vm| (queue.0, *vm))
    }

    /// Memory of the client that VMs map.
    pub(super) fn bound_memory(&self) -> RangeSet<u64> {
        let mut set = RangeSet::new();
        for (range, backing) in self.vms.values().flat_map(RangeMap::iter) {
            if let Backing::Client(delta) = backing {
                let start = range.start.wrapping_add(*delta);
                set.insert(start..start.saturating_add(range.end.saturating_sub(range.start)));
            }
        }
        set
    }

    /// A file is gone with all that it has.
    pub(super) fn close_file(&mut self, file: u64) {
        self.handles.retain(|(of, _), _| *of != file);
        self.vms.retain(|(of, _), _| *of != file);
        self.queues.retain(|(of, _), _| *of != file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_object() -> Objects {
        let mut objects = Objects::default();
        assert_eq!(objects.create((1, 7)), 1);
        objects.has_offset((1, 7), 0x5000);
        let pieces = [Piece { offset: 0x10_0000, len_bytes: 0x1000 }, Piece { offset: 0x40_0000, len_bytes: 0x3000 }];
        objects.show(1, 0x7000_0000..0x7000_4000, &pieces, true);
        objects
    }

    #[test]
    fn addresses_of_client_and_vm_lead_to_the_same_place() {
        let mut objects = with_object();
        assert_eq!((objects.at_offset(1, 0x5000), objects.at_offset(2, 0x5000)), (Some(1), None));
        objects.bind((1, 3), 0x20_0000..0x20_2000, Some(Backing::Bo(1, 0x1000u64.wrapping_sub(0x20_0000))));
        assert_eq!(objects.spot(0x7000_1008), Spot::Arena(0x40_0008));
        assert_eq!(objects.spot_of_va((1, 3), 0x20_0008), Some(Spot::Arena(0x40_0008)));
        assert_eq!(objects.spot_of_va((1, 3), 0x20_2000), None);
        assert_eq!(objects.spot(0x7000_4000), Spot::Client(0x7000_4000));
    }

    #[test]
    fn a_hole_leaves_both_sides_where_they_were() {
        let mut objects = with_object();
        objects.hide(&(0x7000_1000..0x7000_2000));
        assert_eq!(objects.spot(0x7000_2000), Spot::Arena(0x40_1000));
        assert_eq!(objects.spot(0x7000_1000), Spot::Client(0x7000_1000));
        assert_eq!(objects.shown_in(&(0..u64::MAX)), [0x7000_0000..0x7000_1000, 0x7000_2000..0x7000_4000]);
        objects.hide(&(0..u64::MAX));
        assert!(objects.shown(false).is_empty());
    }

    #[test]
    fn memory_is_bound_as_long_as_a_vm_maps_it() {
        let mut objects = Objects::default();
        let backing = Backing::Client(0x1000u64.wrapping_sub(0x20_0000));
        objects.bind((1, 1), 0x20_0000..0x20_3000, Some(backing));
        objects.bind((1, 1), 0x20_1000..0x20_2000, None);
        assert_eq!(objects.bound_memory().iter().cloned().collect::<Vec<_>>(), [0x1000..0x2000, 0x3000..0x4000]);
        objects.destroy_vm((1, 1));
        assert!(objects.bound_memory().is_empty());
    }
}
