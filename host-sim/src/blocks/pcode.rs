//! The mailbox of the power controller (engines sheet §13.3): a command and two dwords of data.

use crate::blocks::self_clearing::{Deferred, put_off};
use crate::gpu::Gpu;

/// Command in bits 7:0, where the answer's code comes; bit 31 asks, and is one until it is answered.
const MAILBOX: u32 = 0x13_8124;
const DATA0: u32 = 0x13_8128;
const DATA1: u32 = 0x13_812C;
const ASKED: u32 = 1 << 31;
const COMMAND: u32 = 0xFF;
/// Time an answer takes, in nanoseconds.
const ANSWER_NS: u64 = 5_000;

/// A line of the table of lowest frequencies: ratio of the GT in bits 7:0, of the ring in bits 31:16.
const WRITE_LOWEST: u32 = 0x08;
/// Whether the part is set up: 1 in data.
const INIT_STATUS: u32 = 0x7E;

/// Codes of answers.
mod code {
    pub(crate) const DONE: u32 = 0;
    pub(crate) const UNKNOWN: u32 = 1;
}

/// Whether a register is one of these.
pub(crate) const fn is_register(offset: u32) -> bool {
    matches!(offset, MAILBOX | DATA0 | DATA1)
}

/// Looks at a write that has reached storage.
pub(crate) fn written(gpu: &mut Gpu, offset: u32, value: u32) {
    if offset != MAILBOX || value & ASKED == 0 {
        return;
    }
    let registers = &mut gpu.shared.tiles.one_mut().registers;
    let answer = match value & COMMAND {
        WRITE_LOWEST => code::DONE,
        INIT_STATUS => {
            registers.put(DATA0, 1);
            code::DONE
        }
        _ => code::UNKNOWN,
    };
    registers.put(MAILBOX, value & !COMMAND | answer);
    put_off(gpu, ANSWER_NS, Deferred::Clear { offset, bits: ASKED });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Platform, SimConfig};

    #[test]
    fn commands_are_answered_after_a_while() {
        let mut gpu = Gpu::new(&SimConfig::new(Platform::tgl())).unwrap();
        gpu.config_write(4, 6);
        for (command, answer) in [(WRITE_LOWEST, 0), (INIT_STATUS, 0), (0x55, 1)] {
            gpu.write32(MAILBOX, ASKED | command);
            assert_eq!(gpu.read32(MAILBOX) & ASKED, ASKED);
            gpu.pass_to(gpu.shared.time_ns + ANSWER_NS);
            assert_eq!(gpu.read32(MAILBOX), answer, "{command:#x}");
        }
        assert_eq!(gpu.read32(DATA0), 1, "it is set up");
    }
}
