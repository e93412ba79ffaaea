//! Batches of scenarios (commands-and-fences sheet §1).

use super::make::Bo;
use super::stage::Trial;
use crate::rig::{BATCH_END, store};

/// A batch in an object that waits until the test lets it end.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    bo: Bo,
    gate: u64,
}

/// Polls memory until it equals the value: `MI_SEMAPHORE_WAIT`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
pub const fn wait_equal(va: u64, value: u32) -> [u32; 4] {
    [0x0E00_C002, value, va as u32, (va >> 32) as u32]
}

/// Copies one dword from one PPGTT address to another: `MI_COPY_MEM_MEM`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
pub const fn copy_dword(to: u64, from: u64) -> [u32; 5] {
    [0x1700_0003, to as u32, (to >> 32) as u32, from as u32, (from >> 32) as u32]
}

impl Trial<'_> {
    /// Puts a batch into an object: these commands, and the end.
    ///
    /// # Panics
    /// Outside the object.
    pub fn write_batch(&mut self, bo: Bo, offset: u64, commands: &[&[u32]]) {
        let mut dwords = commands.concat();
        dwords.extend([BATCH_END, 0]);
        self.write(bo, offset, &dwords);
    }

    /// A batch that stores one dword.
    ///
    /// # Panics
    /// Outside the object.
    pub fn write_store(&mut self, bo: Bo, offset: u64, va: u64, value: u32) {
        self.write_batch(bo, offset, &[&store(va, value)]);
    }

    /// Puts a batch into an object that is mapped at `va`, which runs until [`release`](Self::release), then the given
    /// commands. Its last dwords are the gate.
    ///
    /// # Panics
    /// Outside the object.
    pub fn write_spin(&mut self, bo: Bo, va: u64, then: &[u32]) -> Spin {
        let gate = bo.bytes.wrapping_sub(8);
        self.write(bo, gate, &[0, 0]);
        self.write_batch(bo, 0, &[&wait_equal(va.wrapping_add(gate), 1), then]);
        Spin { bo, gate }
    }

    /// Lets a spinning batch go on.
    ///
    /// # Panics
    /// Never for an object of this client.
    pub fn release(&mut self, spin: Spin) {
        self.write(spin.bo, spin.gate, &[1]);
    }
}
