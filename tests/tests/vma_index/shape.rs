//! The shape of the tree: how high it grows, how full its nodes stay, and that it shrinks back to nothing.

use crate::pages;
use crate::space::{PLENTY, Room, Space, in_space};
use barexe_core::vm::index::Census;
use barexe_core::vm::plan::Request;
use barexe_tests::random::{Random, Seed, seeds};

const HUGE: Room = Room { nodes: 40_000, cells: 64, steps: 4 };
/// Mappings of a leaf, children of a branch.
const LEAF: u32 = 60;
const BRANCH: u32 = 240;

/// Looks at everything.
fn census(space: &Space<'_>) -> Census {
    let census = space.index.check(&space.store).unwrap();
    assert_eq!((census.nodes, census.mappings), (space.store.nodes_live(), space.index.len()));
    census
}

fn assert_empty(space: &Space<'_>) {
    assert_eq!((census(space), space.index.levels()), (Census::default(), 0));
}

fn slot(at: u64) -> barexe_core::vm::vma::VaRange {
    pages(2 * at, 2 * at + 1)
}

fn map(space: &mut Space<'_>, at: u64) {
    space.map(Space::null(slot(at)));
}

/// Numbers below `count` in random order.
fn shuffled(count: u64, random: &mut Random) -> Vec<u64> {
    let mut order: Vec<u64> = (0..count).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

#[test]
fn a_tree_is_as_high_as_its_mappings_ask_for() {
    in_space(HUGE, |space| {
        assert_empty(space);
        for at in 0..=u64::from(LEAF) {
            map(space, at);
            let levels = if at < u64::from(LEAF) { 1 } else { 2 };
            let nodes = if levels == 1 { 1 } else { 3 };
            assert_eq!((census(space), space.index.levels()), (Census { nodes, mappings: at as u32 + 1 }, levels));
        }
        // Two levels hold 240 leaves that were filled ascending, of 53 mappings each or more.
        for at in u64::from(LEAF) + 1..12_720 {
            map(space, at);
        }
        assert_eq!(space.index.levels(), 2);
        for at in 12_720..14_500 {
            map(space, at);
        }
        assert_eq!(space.index.levels(), 3);
        space.end();
    });
}

#[test]
fn four_levels_grow_and_shrink_back_to_nothing() {
    in_space(HUGE, |space| {
        const END: u64 = 1 << 21;
        let slots = |first: u64, last: u64| pages(2 * first, 2 * last);
        // Cut from its end down, one great mapping becomes two more with every request. Descending order leaves nodes no
        // fuller than they must be.
        space.map(Space::null(slots(0, END)));
        let mut low = END;
        while levels(space, low) < 4 {
            low -= 1;
            ask(space, low % 61, Request::map(Space::null(pages(2 * low, 2 * low + 1))));
        }
        let count = space.index.len();
        assert_eq!(u64::from(count), 2 * (END - low) + 1);
        assert!(count > LEAF / 2 * BRANCH / 2 * BRANCH / 2, "{count}");
        space.unmap(slots(0, low));
        let (mut high, mut seen, mut turn) = (END, vec![4], 0u64);
        while low < high {
            // From both ends: few at once below, more than a leaf has above, but for every eighth time. The last ones go a
            // few at a time.
            ask(space, turn % 7, Request::unmap(slots(low, low + 1)));
            low += 1;
            let wide = if high - low > 1000 && turn % 8 > 0 { 33 } else { 1 };
            let from = low.max(high - wide);
            ask(space, (turn % 8) * (turn % 7), Request::unmap(slots(from, high)));
            (high, turn) = (from, turn + 1);
            let now = levels(space, low);
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        assert_empty(space);
        assert_eq!(seen, [4, 3, 2, 1, 0]);
        space.end();
    });
}

/// One request; what is done is compared with what was planned now and then, when `turn` is 0, and for the last few
/// mappings.
fn ask(space: &mut Space<'_>, turn: u64, request: Request) {
    if turn == 0 || space.index.len() < 200 {
        space.ask(request).unwrap();
    } else {
        space.ask_only(request);
    }
}

/// Levels; everything is looked at now and then, the last few mappings one by one.
fn levels(space: &Space<'_>, at: u64) -> u32 {
    if at.is_multiple_of(1 << 16) || space.index.len() < 200 {
        census(space);
    }
    space.index.levels()
}

#[test]
fn ascending_ranges_fill_their_nodes() {
    in_space(HUGE, |space| {
        for at in 0..20_000 {
            map(space, at);
        }
        let census = census(space);
        let leaves = 20_000u32.div_ceil(53);
        assert!(census.nodes <= leaves + leaves.div_ceil(210) + 2, "{census:?}");
        space.end();
    });
}

#[test]
fn nodes_stay_well_filled_in_any_order() {
    for seed in seeds(5) {
        let _seed = Seed(seed);
        let mut random = Random::new(seed);
        in_space(HUGE, |space| {
            let order = shuffled(20_000, &mut random);
            for at in &order {
                map(space, *at);
            }
            // Two thirds full on average; branches beside.
            let full = census(space);
            assert!(full.nodes * LEAF * 2 / 3 <= full.mappings * 102 / 100, "{full:?}");
            // Nine of ten go: what is left still fills its nodes by seven sixteenths.
            for at in &order[..18_000] {
                space.unmap(slot(*at));
            }
            let rest = census(space);
            assert_eq!(rest.mappings, 2000);
            assert!(rest.nodes * (LEAF * 7 / 16) <= rest.mappings + 3 * LEAF, "{rest:?}");
            space.end();
        });
    }
}

#[test]
fn wide_unmaps_take_whole_nodes_out() {
    for seed in seeds(8) {
        let _seed = Seed(seed);
        let mut random = Random::new(seed);
        in_space(HUGE, |space| {
            for at in 0..15_000 {
                map(space, at);
            }
            let mut left: Vec<u64> = (0..15_000).collect();
            while !left.is_empty() {
                let (start, len) = (random.below(15_000), 1 + random.below(6000));
                let gone = space.unmap(pages(2 * start, 2 * (start + len)));
                let before = left.len();
                left.retain(|at| !(start..start + len).contains(at));
                assert_eq!(gone.len(), before - left.len());
                let census = census(space);
                assert_eq!(census.mappings as usize, left.len());
                assert!(census.nodes * (LEAF * 7 / 16) <= census.mappings + 6 * LEAF, "{census:?}");
            }
            assert_eq!(space.store.nodes_live(), 0);
        });
    }
}

#[test]
fn one_unmap_of_everything_leaves_an_empty_tree() {
    for count in [1, 60, 61, 500, 8000] {
        in_space(HUGE, |space| {
            for at in 0..count {
                map(space, at);
            }
            assert_eq!(space.unmap(pages(0, 1 << 45)).len() as u64, count);
            assert_empty(space);
        });
    }
}

#[test]
fn trees_of_one_pool_do_not_meet() {
    in_space(PLENTY, |space| {
        let mut indexes = [space.index; 3];
        for at in 0..1000 {
            for (turn, index) in (0..).zip(&mut indexes) {
                space.index = *index;
                space.map(space.bo(turn, at, slot(at + 7 * turn as u64)));
                *index = space.index;
            }
        }
        let nodes: u32 = indexes.iter().map(|index| index.check(&space.store).unwrap().nodes).sum();
        assert_eq!(nodes, space.store.nodes_live());
        for (turn, index) in (0..).zip(indexes) {
            space.index = index;
            assert!(space.all().iter().all(|vma| vma.object() == Some(space.objects[turn])));
            assert_eq!(space.unmap(pages(0, 1 << 45)).len(), 1000);
        }
        space.end();
    });
}

#[test]
fn an_unmap_over_leaves_that_cuts_only_its_first_mapping_leaves_what_follows_where_it_was() {
    for end in 61..400 {
        in_space(HUGE, |space| {
            for at in 0..200 {
                space.map(Space::null(pages(4 * at, 4 * at + 2)));
            }
            // From the middle of the fourth mapping to a gap.
            space.unmap(pages(13, 4 * end - 1));
            census(space);
            let left: Vec<u64> = space.all().iter().map(|vma| vma.range().start / 4096).collect();
            let want: Vec<u64> = (0..4).chain(end..200).map(|at| 4 * at).collect();
            assert_eq!(left, want);
        });
    }
}
