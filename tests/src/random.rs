//! Random numbers that repeat from a seed, and a seed that says so when a test ends badly.

/// A generator that repeats from its seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One generator for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `limit`, which is not 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        match self.next().checked_rem(limit) {
            Some(number) => number,
            None => 0,
        }
    }

    /// True once in `n`.
    pub const fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Names the seed when a test ends badly.
#[derive(Debug)]
pub struct Seed(pub u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: replay with BAREXE_SEED={}", self.0, self.0);
        }
    }
}

/// Seeds from 1 to `count`, or the one that `BAREXE_SEED` names.
///
/// # Panics
/// If that is no number.
#[must_use]
#[expect(clippy::panic, reason = "a helper of tests ends the test that it cannot help")]
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("BAREXE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap_or_else(|_| panic!("BAREXE_SEED={seed}"))],
        Err(_) => (1..=count).collect(),
    }
}
