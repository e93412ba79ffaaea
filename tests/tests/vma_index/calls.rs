//! Random calls: several requests each, and the kinds of traffic they are.

use crate::PAGE;
use crate::model::Model;
use crate::space::{OBJECTS, Space};
use barexe_core::Error;
use barexe_core::device::request::BindFlags;
use barexe_core::mem::pages::Need;
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tree::Sizes;
use barexe_core::vm::change::Change;
use barexe_core::vm::plan::{Request, SubOp};
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use barexe_tests::random::Random;

/// The kind of traffic a run has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Pages of the address space, and where it begins.
    pub(crate) pages: u64,
    pub(crate) base: u64,
    /// Longest range in pages.
    pub(crate) longest: u64,
    /// Calls.
    pub(crate) calls: usize,
    /// Calls between two looks at everything.
    pub(crate) look_every: usize,
}

/// Few pages, so that everything meets everything.
pub(crate) const DENSE: Traffic = Traffic { pages: 200, base: 0, longest: 40, calls: 600, look_every: 1 };
/// Far apart, at the end of the address space.
pub(crate) const SPARSE: Traffic =
    Traffic { pages: 1 << 30, base: (1 << 57) - (1 << 42), longest: 1 << 20, calls: 500, look_every: 5 };
/// Thousands of mappings, three levels.
pub(crate) const LARGE: Traffic = Traffic { pages: 60_000, base: 1 << 40, longest: 12, calls: 12_000, look_every: 400 };

/// What a call asks for, operation by operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A request with the number of a user fence.
    Ask(Request, u32),
    /// All mappings of an object go.
    UnmapAll(usize),
}

impl Traffic {
    pub(crate) fn range(&self, random: &mut Random) -> VaRange {
        let longest = if random.one_in(300) { self.pages / 3 } else { self.longest };
        let len = 1 + random.below(longest);
        let start = self.base + random.below(self.pages - len + 1) * PAGE;
        VaRange { start, end: start + len * PAGE }
    }

    fn op(&self, space: &Space<'_>, random: &mut Random, user_fence: u32) -> Op {
        let range = self.range(random);
        let request = match random.below(40) {
            0 if self.pages < 1000 || random.one_in(200) => return Op::UnmapAll(random.below(OBJECTS as u64) as usize),
            0..8 => Request::unmap(range),
            8..16 => Request::map(attributes(range, VmaBacking::Null, random)),
            _ => {
                let object = space.objects[random.below(OBJECTS as u64) as usize];
                // Often the same bytes at the same address, so that entries could be kept.
                let at = if random.one_in(2) { range.start - self.base } else { random.below(1 << 20) * PAGE };
                Request::map(attributes(range, VmaBacking::Bo { object, offset_bytes: at }, random))
            }
        };
        Op::Ask(request.with_user_fence(user_fence), user_fence)
    }

    /// A call of one or a few operations.
    pub(crate) fn call(&self, space: &Space<'_>, random: &mut Random) -> Vec<Op> {
        let user_fence = if random.one_in(3) { random.below(0xFF_FFFF) as u32 + 1 } else { 0 };
        let several = if random.one_in(3) { 1 + random.below(6) } else { 1 };
        (0..several).map(|_| self.op(space, random, user_fence)).collect()
    }
}

fn attributes(range: VaRange, backing: VmaBacking, random: &mut Random) -> Vma {
    let pat = PatIndex::new(random.below(32) as u8).unwrap();
    let flags = BindFlags::from_bits_retain(random.below(256) as u32);
    Vma::new(range, backing, pat, flags).with_sizes(Sizes::from_bits_retain(random.below(32) as u8))
}

impl Space<'_> {
    /// All operations of a call as a change, or back to before.
    pub(crate) fn plan_ops(
        &mut self,
        ops: &[Op],
        check: impl Fn(&SubOp) -> Result<(), Error>,
    ) -> Result<Change, Error> {
        let mut change = Change::default();
        for op in ops {
            let added = match op {
                Op::Ask(request, _) => change.add(&mut self.mappings(), *request, &check, |_, _, _| Need::default()),
                Op::UnmapAll(object) => self.plan_unmap_all(&mut change, *object, &check),
            };
            if let Err(error) = added {
                change.refuse(&mut self.mappings());
                return Err(error);
            }
        }
        Ok(change)
    }
}

impl Model {
    /// What each operation of a call comes to, done. An object's mappings go in no particular order: here ascending.
    pub(crate) fn call(&mut self, space: &Space<'_>, ops: &[Op]) -> Vec<Vec<SubOp>> {
        let ask = |op: &Op| match op {
            Op::Ask(request, user_fence) => self.ask(request, *user_fence),
            Op::UnmapAll(object) => self.unmap_all(space.objects[*object]),
        };
        ops.iter().map(ask).collect()
    }
}

/// Whether what was done is what each operation comes to.
pub(crate) fn assert_done(ops: &[Op], done: &[SubOp], expected: &[Vec<SubOp>]) {
    let mut rest = done;
    for (op, expected) in ops.iter().zip(expected) {
        assert!(rest.len() >= expected.len(), "{op:?}: {rest:?} where {expected:?}");
        let (these, after) = rest.split_at(expected.len());
        let mut these = these.to_vec();
        if matches!(op, Op::UnmapAll(_)) {
            these.sort_by_key(|op| match op {
                SubOp::Unmap { old, .. } | SubOp::Remap { old, .. } | SubOp::Map { new: old } => old.range().start,
            });
        }
        assert_eq!(these, *expected, "{op:?}");
        rest = after;
    }
    assert_eq!(rest, []);
}
