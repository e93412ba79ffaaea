//! Random calls of several requests against the model, accepted and refused.
//!
//! A failure prints its seed; `BAREXE_SEED` runs one seed alone.

use crate::PAGE;
use crate::model::Model;
use crate::space::{OBJECTS, PLENTY, Room, Space, in_space};
use barexe_core::device::request::BindFlags;
use barexe_core::mem::pat::PatIndex;
use barexe_core::mem::tree::Sizes;
use barexe_core::vm::plan::Request;
use barexe_core::vm::vma::{VaRange, Vma, VmaBacking};
use barexe_core::{Capacity, Error};
use barexe_tests::random::{Random, Seed, seeds};
use std::cell::Cell;

/// The kind of traffic a run has.
#[derive(Clone, Copy)]
struct Traffic {
    /// Pages of the address space, and where it begins.
    pages: u64,
    base: u64,
    /// Longest range in pages.
    longest: u64,
    /// Calls.
    calls: usize,
    /// Calls between two looks at everything.
    look_every: usize,
}

const DENSE: Traffic = Traffic { pages: 200, base: 0, longest: 40, calls: 600, look_every: 1 };
const SPARSE: Traffic = Traffic { pages: 1 << 30, base: 1 << 56, longest: 1 << 20, calls: 500, look_every: 5 };
/// Thousands of mappings, three levels.
const LARGE: Traffic = Traffic { pages: 60_000, base: 1 << 40, longest: 12, calls: 12_000, look_every: 400 };

impl Traffic {
    fn range(&self, random: &mut Random) -> VaRange {
        let longest = if random.one_in(300) { self.pages / 3 } else { self.longest };
        let len = 1 + random.below(longest);
        let start = self.base + random.below(self.pages - len) * PAGE;
        VaRange { start, end: start + len * PAGE }
    }

    fn request(&self, space: &Space<'_>, random: &mut Random, user_fence: u32) -> Request {
        let range = self.range(random);
        let request = match random.below(5) {
            0 => Request::unmap(range),
            1 => Request::map(attributes(range, VmaBacking::Null, random)),
            _ => {
                let object = space.objects[random.below(OBJECTS as u64) as usize];
                // Often the same bytes at the same address, so that entries could be kept.
                let at = if random.one_in(2) { range.start - self.base } else { random.below(1 << 20) * PAGE };
                Request::map(attributes(range, VmaBacking::Bo { object, offset_bytes: at }, random))
            }
        };
        request.with_user_fence(user_fence)
    }
}

fn attributes(range: VaRange, backing: VmaBacking, random: &mut Random) -> Vma {
    let pat = PatIndex::new(random.below(32) as u8).unwrap();
    let flags = BindFlags::from_bits_retain(random.below(256) as u32);
    Vma::new(range, backing, pat, flags).with_sizes(Sizes::from_bits_retain(random.below(32) as u8))
}

fn compare(space: &Space<'_>, model: &Model, traffic: &Traffic, random: &mut Random) {
    space.check();
    assert_eq!(space.all(), model.all());
    for (object, id) in space.objects.iter().enumerate() {
        let of_object = model.all().into_iter().filter(|vma| vma.object() == Some(*id)).collect::<Vec<_>>();
        assert_eq!(space.of_object(object), of_object);
    }
    for _ in 0..20 {
        let range = traffic.range(random);
        assert_eq!(space.index.find(&space.store, range.start), model.at(range.start));
        let overlapping = model.overlapping(range);
        assert_eq!(space.index.first_overlap(&space.store, range), overlapping.first().copied());
        assert_eq!(space.index.range(&space.store, range).collect::<Vec<_>>(), overlapping);
    }
}

/// What became of the calls of a run.
#[derive(Debug, Default)]
struct Counts {
    accepted: u32,
    refused: u32,
    given_up: u32,
    exhausted: u32,
}

fn run(seed: u64, traffic: Traffic, room: Room) -> Counts {
    let _seed = Seed(seed);
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    in_space(room, |space| {
        let mut model = Model::default();
        for call in 0..traffic.calls {
            let user_fence = if random.one_in(3) { random.below(0xFF_FFFF) as u32 + 1 } else { 0 };
            let several = if random.one_in(3) { 1 + random.below(6) } else { 1 };
            let requests: Vec<Request> = (0..several).map(|_| traffic.request(space, &mut random, user_fence)).collect();
            // Now and then something refuses a sub-operation in the middle of the call.
            let until_refusal = Cell::new(if random.one_in(4) { random.below(8) } else { u64::MAX });
            let before = (call % traffic.look_every == 0).then(|| space.snapshot());
            let mut after = model.clone();
            let expected: Vec<_> = requests.iter().flat_map(|request| after.ask(request, user_fence)).collect();
            let planned = space.plan_call(&requests, |_| {
                until_refusal.set(until_refusal.get().wrapping_sub(1));
                if until_refusal.get() == u64::MAX - 1 && false { Err(Error::Again) } else { Ok(()) }
            });
            let _ = &before;
            match planned {
                Ok(change) if random.one_in(4) => {
                    change.refuse(&mut space.mappings());
                    counts.given_up += 1;
                    before.iter().for_each(|before| assert_eq!(space.snapshot(), *before));
                }
                Ok(change) => {
                    assert_eq!(space.accept(change), expected);
                    model = after;
                    counts.accepted += 1;
                }
                Err(error) => {
                    let exhausted = matches!(error, Error::Exhausted(Capacity::VmaNodes | Capacity::VmBos | Capacity::BindSteps));
                    assert!(exhausted || error == Error::Again, "{error}");
                    counts.exhausted += u32::from(exhausted);
                    counts.refused += u32::from(!exhausted);
                    before.iter().for_each(|before| assert_eq!(space.snapshot(), *before, "{error}"));
                }
            }
            if call % traffic.look_every == 0 {
                compare(space, &model, &traffic, &mut random);
            }
        }
        compare(space, &model, &traffic, &mut random);
        space.end();
    });
    counts
}
