//! The scenarios of bind-and-exec sheet §7, a chapter a file; how they are played is in `barexe_tests::trial`.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

#[cfg(test)]
mod atomicity;
#[cfg(test)]
mod order;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod vmas;
#[cfg(test)]
mod zero_ops;

#[cfg(test)]
use barexe_tests::trial::Scenario;

/// Every chapter.
#[cfg(test)]
const CHAPTERS: &[&[Scenario]] = &[zero_ops::ALL, vmas::ALL, atomicity::ALL, order::ALL, tiles::ALL];
