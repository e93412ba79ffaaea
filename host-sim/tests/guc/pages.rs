//! Memory that a driver and the device have in common.

use barexe_sim::Backing;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Memory in dwords: the tests that use it have one thread.
#[derive(Clone, Debug)]
pub(crate) struct Pages(Arc<Vec<AtomicU32>>);

impl Pages {
    pub(crate) fn new(pages: u32) -> Self {
        Self(Arc::new((0..pages * 1024).map(|_| AtomicU32::new(0)).collect()))
    }

    pub(crate) fn get(&self, at: u64) -> u32 {
        self.0[(at / 4) as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn put(&self, at: u64, value: u32) {
        self.0[(at / 4) as usize].store(value, Ordering::Relaxed);
    }
}

impl Backing for Pages {
    fn read(&self, at_bytes: u64, into: &mut [u8]) -> bool {
        for (at, byte) in (at_bytes..).zip(into) {
            *byte = self.get(at & !3).to_le_bytes()[(at & 3) as usize];
        }
        true
    }

    fn write(&self, at_bytes: u64, from: &[u8]) -> bool {
        for (at, byte) in (at_bytes..).zip(from) {
            let mut word = self.get(at & !3).to_le_bytes();
            word[(at & 3) as usize] = *byte;
            self.put(at & !3, u32::from_le_bytes(word));
        }
        true
    }
}
