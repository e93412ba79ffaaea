//! The conformance suite, tested: it passes what is right and names what is wrong.
//!
//! Under Miri it is left out: thirty implementations, each with a table of a million entries, would take hours there. What
//! is unsafe in it is this test's own; the suite itself runs under Miri on the PCI backend.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]
#![cfg(not(miri))]

#[cfg(test)]
mod memory;
#[cfg(test)]
mod suite;
