//! The reset of the whole function that a driver asks for (engines sheet §1.5).

use crate::blocks::self_clearing::{Deferred, put_off};
use crate::gpu::Gpu;

/// Bit 31 asks for the reset, and reads as one until it is done.
const CONTROL: u32 = 0x10_1010;
/// Bit 31 says that one was done, until a one is written to it.
const STATUS: u32 = 0x10_1018;
const RESET: u32 = 1 << 31;
/// Time a reset takes, in nanoseconds.
const RESET_NS: u64 = 1_000_000;

/// Whether a register is one of these.
pub(crate) const fn is_register(offset: u32) -> bool {
    matches!(offset, CONTROL | STATUS)
}

/// Looks at a write that has reached storage.
pub(crate) fn written(gpu: &mut Gpu, offset: u32, value: u32) {
    if offset == CONTROL && value & RESET != 0 {
        put_off(gpu, RESET_NS, Deferred::FunctionReset);
    }
}

/// The reset is done: all state of registers and memory of the device is lost.
pub(crate) fn finish(gpu: &mut Gpu) {
    gpu.reset_function();
    gpu.shared.tiles.one_mut().registers.put(STATUS, RESET);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Platform, SimConfig};

    const OTHER: u32 = 0x19_0030;

    #[test]
    fn a_reset_is_done_after_a_while_and_leaves_a_mark_and_nothing_else() {
        let mut gpu = Gpu::new(&SimConfig::new(Platform::tgl())).unwrap();
        gpu.config_write(4, 6);
        gpu.write32(OTHER, 7);
        gpu.write32(CONTROL, RESET);
        assert_eq!((gpu.read32(CONTROL), gpu.read32(STATUS), gpu.read32(OTHER)), (RESET, 0, 7));
        gpu.pass_to(2 * RESET_NS);
        assert_eq!((gpu.read32(CONTROL), gpu.read32(STATUS), gpu.read32(OTHER)), (0, RESET, 0));
        gpu.write32(STATUS, 1);
        assert_eq!(gpu.read32(STATUS), RESET, "only a one clears it");
        gpu.write32(STATUS, RESET);
        assert_eq!(gpu.read32(STATUS), 0);
        assert!(gpu.shared.violations.is_empty(), "{:?}", gpu.shared.violations);
    }
}
