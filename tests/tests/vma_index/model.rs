//! A naive model: a map from first addresses to mappings.

use barexe_core::mem::tree::Sizes;
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::vm_bo::VmBoId;
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model(BTreeMap<u64, Vma>);

/// The part of a mapping, made from its fields rather than by the code under test.
fn part(old: &Vma, range: VaRange, user_fence: u32) -> Vma {
    let backing = match old.backing() {
        VmaBacking::Bo { object, offset_bytes } => {
            VmaBacking::Bo { object, offset_bytes: offset_bytes + (range.start - old.range().start) }
        }
        VmaBacking::User { object, addr } => {
            VmaBacking::User { object, addr: addr + (range.start - old.range().start) }
        }
        VmaBacking::Null => VmaBacking::Null,
    };
    Vma::new(range, backing, old.pat(), old.flags()).with_sizes(old.sizes()).with_user_fence(user_fence)
}

/// Whether the same bytes lie at the same addresses.
fn keeps(old: &Vma, new: Option<&Vma>) -> bool {
    let lead = |vma: &Vma| match vma.backing() {
        VmaBacking::Bo { object, offset_bytes } => {
            Some((object, i128::from(offset_bytes) - i128::from(vma.range().start)))
        }
        VmaBacking::User { object, addr } => Some((object, i128::from(addr) - i128::from(vma.range().start))),
        VmaBacking::Null => None,
    };
    new.is_some_and(|new| lead(new).is_some() && lead(new) == lead(old))
}

impl Model {
    pub(crate) fn all(&self) -> Vec<Vma> {
        self.0.values().copied().collect()
    }

    pub(crate) fn at(&self, addr: u64) -> Option<Vma> {
        let found = self.0.range(..=addr).next_back().map(|(_, vma)| *vma);
        found.filter(|vma| addr < vma.range().end)
    }

    pub(crate) fn overlapping(&self, range: VaRange) -> Vec<Vma> {
        let overlaps = |vma: &&Vma| vma.range().start < range.end && range.start < vma.range().end;
        self.0.values().filter(overlaps).copied().collect()
    }

    /// What a request comes to, done.
    pub(crate) fn ask(&mut self, request: &Request, user_fence: u32) -> Vec<SubOp> {
        let (range, new) = (request.range(), request.new_vma());
        let mut ops = Vec::new();
        for old in self.overlapping(range) {
            self.0.remove(&old.range().start);
            let keep = keeps(&old, new);
            let VaRange { start, end } = old.range();
            let prev = (start < range.start).then(|| part(&old, VaRange { start, end: range.start }, user_fence));
            let next = (range.end < end).then(|| part(&old, VaRange { start: range.end, end }, user_fence));
            for left in [prev, next].into_iter().flatten() {
                self.0.insert(left.range().start, left);
            }
            let whole = prev.is_none() && next.is_none();
            ops.push(if whole { SubOp::Unmap { old, keep } } else { SubOp::Remap { old, prev, next, keep } });
        }
        if let Some(new) = new {
            self.0.insert(new.range().start, *new);
            ops.push(SubOp::Map { new: *new });
        }
        ops
    }
}

impl Model {
    /// Unmaps everything of an object.
    pub(crate) fn unmap_all(&mut self, object: VmBoId) -> Vec<SubOp> {
        let gone: Vec<Vma> = self.of_object(object);
        for vma in &gone {
            self.0.remove(&vma.range().start);
        }
        gone.into_iter().map(|old| SubOp::Unmap { old, keep: false }).collect()
    }

    /// The mappings of an object, ascending.
    pub(crate) fn of_object(&self, object: VmBoId) -> Vec<Vma> {
        self.0.values().filter(|vma| vma.object() == Some(object)).copied().collect()
    }

    /// Notes the sizes of a mapping that is there.
    pub(crate) fn note_sizes(&mut self, start: u64, sizes: Sizes) {
        if let Some(vma) = self.0.get_mut(&start) {
            *vma = vma.with_sizes(sizes);
        }
    }
}
