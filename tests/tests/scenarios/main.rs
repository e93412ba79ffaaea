//! The scenarios of bind-and-exec sheet §7, a chapter a file; how they are played is in `barexe_tests::trial`.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

#[cfg(test)]
mod atomicity;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod client_memory;
#[cfg(test)]
mod cookies;
#[cfg(test)]
mod exec_checks;
#[cfg(test)]
mod exec_order;
#[cfg(test)]
mod gone_wrong;
#[cfg(test)]
mod objects_and_queries;
#[cfg(test)]
mod order;
#[cfg(test)]
mod parallel;
#[cfg(test)]
mod prefetch;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod refused_arrays;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod syncobjs;
#[cfg(test)]
mod syncs;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod user_fence_waits;
#[cfg(test)]
mod vmas;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod zero_batch;
#[cfg(test)]
mod zero_op_checks;
#[cfg(test)]
mod zero_ops;

#[cfg(test)]
use barexe_tests::trial::Scenario;

/// Every chapter.
#[cfg(test)]
#[rustfmt::skip]
const CHAPTERS: &[&[Scenario]] = &[
    atomicity::ALL,
    checks::ALL,
    client_memory::ALL,
    cookies::ALL,
    exec_checks::ALL,
    exec_order::ALL,
    gone_wrong::ALL,
    objects_and_queries::ALL,
    order::ALL,
    parallel::ALL,
    prefetch::ALL,
    queues::ALL,
    refused_arrays::ALL,
    syncobjs::ALL,
    syncs::ALL,
    tiles::ALL,
    user_fence_waits::ALL,
    vmas::ALL,
    waits::ALL,
    zero_batch::ALL,
    zero_op_checks::ALL,
    zero_ops::ALL,
];
