//! The index of mappings beside maps of ranges that a user would pick instead, in one run.
//!
//! Ours carries what the driver needs: object, offset, PAT index, flags, sizes, user fence, and the lists by object. The
//! others carry a `u64`. All of them hold the same ranges and get the same operations, a short batch each in turn, and
//! what is reported is the median of the batches' ratios: noise that lasts longer than a round falls out.
//!
//! `cargo bench -p barexe-core --bench vma_index` prints Criterion's own figures and then the ratios. With
//! `BAREXE_RATIOS_ONLY` set it prints the ratios alone; `BAREXE_ONLY` picks rows by a part of their names.
//!
//! Ratio to the best of the others, measured in one run on a busy machine of two cores:
//!
//! | ranges | overwrite | lookup | unmap | fill, random | fill, ascending | bytes per range |
//! |---|---|---|---|---|---|---|
//! | 10^3 | 2.36 | 3.10 | 1.89 | 1.53 | 1.49 | 117 |
//! | 10^4 | 2.11 | 2.29 | 1.98 | 1.78 | 1.63 | 64 |
//! | 10^5 | 2.22 | 2.31 | 1.95 | 1.59 | 1.47 | 63 |
//! | 10^6 | 1.85 | 2.67 | 1.69 | 1.79 | 1.63 | 65 |
//!
//! At 10^6 overwrite is to be 2.0 and is not: 680 ns against nodit's 1216 in that run. Ratios of further runs went from
//! 1.72 to 2.22, higher where more programs shared the processors, so a single one says little. Without lists by object
//! it was 2.58 once, beside 1.92. Samples of the time show two waits: for the page of the leaf, which the processor's
//! translation caches do not have, and for the leaf's lines.
//!
//! Tried and dropped; single runs in turns with what is here, on a machine with five to ten programs for its two
//! processors. In brackets, what is here in the run after it or before:
//!
//! | instead | overwrite at 10^6, ratio | ns |
//! |---|---|---|
//! | a leaf's keys move, the other three words of a mapping stay; 10 lines asked for ahead, not 32 | 1.62, 1.73 (2.02, 2.17) | 914, 1029 (798, 807) |
//! | keys and ends move, two words stay; 16 lines ahead | 1.74 (1.88) | 765 (778) |
//! | the same, the whole leaf asked for ahead | 1.83 (2.11) | 755 (914) |
//! | the same, no branch asked for ahead | 1.66 (2.00) | 949 (759) |
//! | the same, the page of the leaf not asked for before its lines | 1.84 (2.22) | 809 (820) |
//!
//! The first is slower: with it a sixth of the samples in a put showed a wait for the words that had stayed, known only once the keys
//! are there. The second and third differ by less than the noise. At 10^4 the first had 1.88 and 1.89 (2.08, 2.10).
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
    if std::env::var_os("BAREXE_RATIOS_ONLY").is_none() {
        criterion();
    }
    report::report();
}
