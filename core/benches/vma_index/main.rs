//! The index of mappings beside maps of ranges that a user would pick instead, in one run.
//!
//! Ours carries what the driver needs: object, offset, PAT index, flags, sizes, user fence, and the lists by object. The
//! others carry a `u64`. All of them hold the same ranges and get the same operations, a short batch each in turn, and
//! what is reported is the median of the batches' ratios: noise that lasts longer than a round falls out.
//!
//! `cargo bench -p barexe-core --bench vma_index` prints Criterion's own figures and then the ratios. With
//! `BAREXE_RATIOS_ONLY` set it prints the ratios alone; `BAREXE_ONLY` picks rows by a part of their names. All memory of all
//! contenders lies on large pages, as it does where the driver runs; with `BAREXE_PAGES=4K` all of it lies on small ones.
//! What it did lie on is printed, too.
//!
//! Ratio to the best of the others, measured in one run of 2026-11-28, on a quiet machine of two cores:
//!
//! | ranges | overwrite | lookup | unmap | fill, random | fill, ascending | bytes per range |
//! |---|---|---|---|---|---|---|
//! | 10^3 | 2.30 | 3.13 | 1.85 | 1.53 | 1.57 | 124 |
//! | 10^4 | 2.15 | 2.29 | 1.96 | 1.79 | 1.70 | 66 |
//! | 10^5 | 2.41 | 2.26 | 2.09 | 1.62 | 1.52 | 64 |
//! | 10^6 | 2.27 | 2.96 | 2.09 | 1.85 | 1.69 | 65 |
//!
//! Overwrite at 10^6 is the hard one, wanted 2.0. On large pages it takes 473 and 481 ns, nodit 1063 and 1069; on small ones
//! three quiet runs gave 1.98, 2.00 and 1.94 (635, 650 and 630 ns, nodit 1229, 1267, 1198). Busy machines give more,
//! because nodit suffers more from company: 2.29 and 2.40 on small pages. Small changes are therefore measured in pairs: both indexes and nodit in one
//! process, a batch each in turn, the median of the batches' ratios. Since the hand of an object's cells stands in its first
//! cell, the index takes 0.95 of the time at 10^6 (232 rounds), 0.97 at 10^5, 0.98 at 10^4, 1.02 at 10^3.
//!
//! Where a put's time at 10^6 goes, found by cutting pieces out, in the same way:
//! * null mappings, so no lists by object at all, take 0.85;
//! * with all memory of all contenders on pages of 2 MiB a put takes 523 ns for 731, nodit 1137 for 1530: looking up pages is
//!   more than a quarter of the time, and two fifths of what a leaf costs;
//! * the size of a leaf hardly matters: bringing 512 bytes at random and moving half of them takes 380 ns, 2 KiB 420 ns.
//!
//! Tried and dropped on that day, time beside what was the newest then, pairs in one process on a busy machine:
//!
//! | instead | 10^6 | smaller sizes |
//! |---|---|---|
//! | lines of a leaf from a guessed place on, samples of the changed blocks only | 0.96 to 0.99 | 1.05 to 1.08 |
//! | the same for the upper part of a leaf or all of it, nothing between | 0.99 | 1.01 to 1.07 |
//! | the object's first cell keeps up to two places that have been left, so most are never emptied | 1.01 | 1.00 to 1.04 |
//! | a branch is asked for by quarters, after its search | 1.01 | 0.98 to 1.07 |
//! | eight mappings leave at a time, not four | 0.98, 1.00 | |
//! | the hand passes cells with fewer than four empty places, not three; 1.7 bytes more for a range | 0.98 to 1.02 | 0.99 to 1.01 |
//! | lines are asked for to be written | 0.99, 1.01 | |
//! | whole mappings are told from cut ones without a branch | 0.99 to 1.03 | 0.97 to 1.02 |
//!
//! The first two lose by loops and branches that cannot be foreseen; each costs about 10 ns.
//!
//! Tried and dropped before; single runs in turns with what was there, on a machine with five to ten programs for its two
//! processors. In brackets, what was there in the run after it or before:
//!
//! | instead | overwrite at 10^6, ratio | ns |
//! |---|---|---|
//! | a leaf's keys move, the other three words of a mapping stay; 10 lines asked for ahead, not 32 | 1.62, 1.73 (2.02, 2.17) | 914, 1029 (798, 807) |
//! | keys and ends move, two words stay; 16 lines ahead | 1.74 (1.88) | 765 (778) |
//! | the same, the whole leaf asked for ahead | 1.83 (2.11) | 755 (914) |
//! | the same, no branch asked for ahead | 1.66 (2.00) | 949 (759) |
//! | the same, the page of the leaf not asked for before its lines | 1.84 (2.22) | 809 (820) |
//!
//! The first is slower: with it a sixth of the samples in a put showed a wait for the words that had stayed, known only
//! once the keys are there. The second and third differ by less than the noise. At 10^4 the first had 1.88 and 1.89 (2.08, 2.10).
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "benchmarks: numbers are small, what goes wrong ends them, and ratios of times are reported"
)]

mod contender;
mod field;
mod others;
mod ours;
mod pages;
mod report;
mod traffic;

use criterion::{Criterion, Throughput};
use field::{Field, Measure};

/// Live ranges.
const SIZES: [u64; 4] = [1000, 10_000, 100_000, 1_000_000];

fn criterion() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for live in SIZES {
        let mut field = None;
        for measure in Measure::ALL {
            let mut group = criterion.benchmark_group(format!("{}/{live}", measure.name()));
            let batch = measure.batch(live);
            group.throughput(Throughput::Elements(batch as u64));
            for at in 0..field::CONTENDERS {
                let name = Field::NAMES[at];
                group.bench_function(name, |b| {
                    let field = field.get_or_insert_with(|| Field::new(live));
                    b.iter_custom(|n| (0..n).map(|_| field.round(measure)[at]).sum());
                });
            }
            group.finish();
        }
    }
    criterion.final_summary();
}

fn main() {
    pages::choose();
    if std::env::var_os("BAREXE_RATIOS_ONLY").is_none() {
        criterion();
    }
    report::report();
}
