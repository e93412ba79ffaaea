//! The conformance suite, tested: it passes what is right and names what is wrong.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

#[cfg(test)]
mod memory;
#[cfg(test)]
mod suite;
