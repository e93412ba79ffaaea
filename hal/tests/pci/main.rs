//! The backend for real hardware, on a bus in memory whose functions are as they should be, or as they must not be.
#![expect(clippy::arithmetic_side_effects, reason = "tests: an overflow is a failed test")]

#[cfg(test)]
mod bars;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod capabilities;
#[cfg(test)]
mod device;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod msi;
#[cfg(test)]
mod saved;
#[cfg(test)]
mod scan;
