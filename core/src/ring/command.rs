//! The commands the driver writes, each a function from typed fields to its dwords.
//!
//! The length of a command is the length of the array it returns, so a wrong length field is a visible mismatch on
//! one line. Headers and fields: commands sheet §1.2 to §1.4. Registers are byte offsets from the engine's base
//! where a name says so.

use crate::gt::EngineClass;
use crate::num::{high32, low32};
use barexe_hal::{GgttAddr, GpuVa};

/// Free-running time of the running context, in ticks; offset from the engine base (commands sheet §1.9).
pub const CTX_TIMESTAMP: u32 = 0x3A8;
/// Identity of the engine; offset from the engine base.
pub const ENGINE_ID: u32 = 0x8C;
/// Command-streamer debug mode 2; offset from the engine base.
pub const CS_DEBUG_MODE2: u32 = 0xD8;
/// Watchdog control; offset from the engine base.
pub const WATCHDOG_CONTROL: u32 = 0x178;
/// Watchdog threshold; offset from the engine base.
pub const WATCHDOG_THRESHOLD: u32 = 0x17C;
/// COMMON_SLICE_CHICKEN3; absolute (commands sheet §2.2).
pub const COMMON_SLICE_CHICKEN3: u32 = 0x7304;

/// Address of a batch, with the address space it is executed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAddr {
    /// In the VM of the queue.
    Ppgtt(GpuVa),
    /// In the global GTT: the driver's own batches on queues without a VM.
    Ggtt(GgttAddr),
    /// In the global GTT, by a number from outside that is passed on unchecked (commands sheet §2.9 rule 5).
    GgttAsGiven(u64),
}

/// Registers that start an invalidation of the auxiliary compression table, by engine class (engines sheet §6.6).
///
/// Absolute offsets; which instance is meant follows from the remap bit of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuxRegisters {
    /// Render and compute.
    pub render: u32,
    /// Video decode.
    pub video_decode: u32,
    /// Video enhance.
    pub video_enhance: u32,
}

impl AuxRegisters {
    /// The register of a class; copy and GSC engines have no auxiliary table.
    #[inline]
    #[must_use]
    pub const fn of(&self, class: EngineClass) -> Option<u32> {
        match class {
            EngineClass::Render | EngineClass::Compute => Some(self.render),
            EngineClass::VideoDecode => Some(self.video_decode),
            EngineClass::VideoEnhance => Some(self.video_enhance),
            EngineClass::Copy | EngineClass::Gsc => None,
        }
    }
}

bitflags::bitflags! {
    /// What an MI_FLUSH_DW flushes beyond the writes of its engine.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FlushScope: u32 {
        /// The compression-control surface.
        const CCS = 1 << 16;
        /// Address translations.
        const TLB = 1 << 18;
    }
}

/// MI_USER_INTERRUPT: raises bit 0 of the engine's interrupt vector.
#[must_use]
pub const fn user_interrupt() -> [u32; 1] {
    [0x0100_0000]
}

/// MI_ARB_CHECK: a point where the context may be preempted.
#[must_use]
pub const fn arbitration_point() -> [u32; 1] {
    [0x0280_0000]
}

/// MI_ARB_CHECK that turns the instruction pre-parser on or off.
#[must_use]
pub const fn pre_parser(on: bool) -> [u32; 1] {
    [if on { 0x0280_0100 } else { 0x0280_0101 }]
}

/// MI_ARB_ON_OFF: allows or forbids preemption.
#[must_use]
pub const fn arbitration(on: bool) -> [u32; 1] {
    [if on { 0x0400_0001 } else { 0x0400_0000 }]
}

/// MI_BATCH_BUFFER_END: returns from a batch.
#[must_use]
pub const fn batch_end() -> [u32; 1] {
    [0x0500_0000]
}

/// MI_BATCH_BUFFER_START from a ring: a call.
#[must_use]
pub const fn batch_start(batch: BatchAddr) -> [u32; 3] {
    let (space, addr) = match batch {
        BatchAddr::Ppgtt(va) => (1 << 8, va.get()),
        BatchAddr::Ggtt(addr) => (0, addr.get() as u64),
        BatchAddr::GgttAsGiven(addr) => (0, addr),
    };
    [0x1880_0001 | space, low32(addr), high32(addr)]
}

/// MI_STORE_DATA_IMM of a dword to the GGTT.
#[must_use]
pub const fn store_dword(to: GgttAddr, value: u32) -> [u32; 4] {
    [0x1040_0002, to.get(), 0, value]
}

/// MI_STORE_DATA_IMM of a qword to the queue's VM; the address is a multiple of 8.
#[must_use]
pub const fn store_qword(to: GpuVa, value: u64) -> [u32; 5] {
    [0x1020_0003, low32(to.get()), high32(to.get()), low32(value), high32(value)]
}

/// MI_LOAD_REGISTER_IMM of one register at an absolute offset.
#[must_use]
pub const fn load_register(reg: u32, value: u32) -> [u32; 3] {
    [0x1100_0001, reg, value]
}

/// MI_LOAD_REGISTER_IMM of one register, relative to the base of the engine that executes it.
#[must_use]
pub const fn load_engine_register(reg: u32, value: u32) -> [u32; 3] {
    [0x1108_0001, reg, value]
}

/// MI_LOAD_REGISTER_IMM of two registers, relative to the base of the engine that executes it.
#[must_use]
pub const fn load_two_engine_registers(first: (u32, u32), second: (u32, u32)) -> [u32; 5] {
    [0x1108_0003, first.0, first.1, second.0, second.1]
}

/// MI_LOAD_REGISTER_IMM of one register whose offset is remapped to the executing engine's copy.
#[must_use]
pub const fn load_remapped_register(reg: u32, value: u32) -> [u32; 3] {
    [0x1102_0001, reg, value]
}

/// MI_LOAD_REGISTER_MEM of an engine register from the GGTT; `ahead` lets the following commands start before it is
/// done.
#[must_use]
pub const fn load_engine_register_from(reg: u32, from: GgttAddr, ahead: bool) -> [u32; 4] {
    [if ahead { 0x14E8_0002 } else { 0x14C8_0002 }, reg, from.get(), 0]
}

/// MI_STORE_REGISTER_MEM of an engine register to the GGTT.
#[must_use]
pub const fn store_engine_register(reg: u32, to: GgttAddr) -> [u32; 4] {
    [0x1248_0002, reg, to.get(), 0]
}

/// MI_SEMAPHORE_WAIT that polls a register until it equals `value`.
#[must_use]
pub const fn wait_register_equals(reg: u32, value: u32) -> [u32; 5] {
    [0x0E01_C003, value, reg, 0, 0]
}

/// MI_SEMAPHORE_WAIT that polls a dword of the GGTT until it equals `value`.
#[must_use]
pub const fn wait_dword_equals(addr: GgttAddr, value: u32) -> [u32; 5] {
    [0x0E40_C003, value, addr.get(), 0, 0]
}

/// MI_SEMAPHORE_WAIT that polls a dword of the GGTT until it is another than `value`.
#[must_use]
pub const fn wait_dword_differs(addr: GgttAddr, value: u32) -> [u32; 5] {
    [0x0E40_D003, value, addr.get(), 0, 0]
}

/// MI_FLUSH_DW without a write: everything earlier on this engine is done before what follows.
#[must_use]
pub const fn flush() -> [u32; 4] {
    [0x1300_0002, 0, 0, 0]
}

/// MI_FLUSH_DW that stores a dword to the GGTT, at a multiple of 8, after flushing.
///
/// Unlike in other commands the GGTT flag is bit 2 of the address dword.
#[must_use]
pub const fn flush_then_store(to: GgttAddr, value: u32, scope: FlushScope) -> [u32; 4] {
    [0x1300_4002 | scope.bits(), to.get() | 1 << 2, 0, value]
}

/// Starts an invalidation of the auxiliary table and waits until the hardware has cleared the register again.
#[must_use]
pub const fn invalidate_aux_table(reg: u32) -> [u32; 8] {
    let [a, b, c] = load_remapped_register(reg, 1);
    let [d, e, f, g, h] = wait_register_equals(reg, 0);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDR: GgttAddr = match GgttAddr::new(0x00FE_0008) {
        Some(addr) => addr,
        None => GgttAddr::ZERO,
    };

    fn va(raw: u64) -> GpuVa {
        GpuVa::new(raw).unwrap()
    }

    /// Commands sheet §1.2 and §2.3.
    #[test]
    fn one_dword_commands_are_their_headers() {
        assert_eq!(user_interrupt(), [0x0100_0000]);
        assert_eq!(arbitration_point(), [0x0280_0000]);
        assert_eq!((pre_parser(false), pre_parser(true)), ([0x0280_0101], [0x0280_0100]));
        assert_eq!((arbitration(false), arbitration(true)), ([0x0400_0000], [0x0400_0001]));
        assert_eq!(batch_end(), [0x0500_0000]);
    }

    #[test]
    fn stores_name_their_address_space() {
        assert_eq!(store_dword(ADDR, 0xFFFF_FF81), [0x1040_0002, 0x00FE_0008, 0, 0xFFFF_FF81]);
        let qword = store_qword(va(0x1_001A_0218), 0xDEAD_BEEF_CAFE_F00D);
        assert_eq!(qword, [0x1020_0003, 0x001A_0218, 1, 0xCAFE_F00D, 0xDEAD_BEEF]);
    }

    #[test]
    fn register_commands_are_those_of_the_sheet() {
        assert_eq!(load_register(0x7304, 0x2000_2000), [0x1100_0001, 0x7304, 0x2000_2000]);
        assert_eq!(load_engine_register(0xD8, 0x0040_0040), [0x1108_0001, 0xD8, 0x0040_0040]);
        assert_eq!(load_two_engine_registers((0x17C, 2), (0x178, 0)), [0x1108_0003, 0x17C, 2, 0x178, 0]);
        assert_eq!(load_remapped_register(0x4208, 1), [0x1102_0001, 0x4208, 1]);
        assert_eq!(store_engine_register(CTX_TIMESTAMP, ADDR), [0x1248_0002, 0x3A8, 0x00FE_0008, 0]);
        assert_eq!(load_engine_register_from(CTX_TIMESTAMP, ADDR, true), [0x14E8_0002, 0x3A8, 0x00FE_0008, 0]);
        assert_eq!(load_engine_register_from(CTX_TIMESTAMP, ADDR, false), [0x14C8_0002, 0x3A8, 0x00FE_0008, 0]);
    }

    #[test]
    fn batch_start_sets_bit_8_for_the_vm_only() {
        assert_eq!(batch_start(BatchAddr::Ppgtt(va(0x1_001A_0000))), [0x1880_0101, 0x001A_0000, 1]);
        assert_eq!(batch_start(BatchAddr::Ggtt(ADDR)), [0x1880_0001, 0x00FE_0008, 0]);
        assert_eq!(batch_start(BatchAddr::GgttAsGiven(0x1_001A_0000)), [0x1880_0001, 0x001A_0000, 1]);
    }

    #[test]
    fn flushes_carry_the_ggtt_flag_in_the_address() {
        assert_eq!(flush(), [0x1300_0002, 0, 0, 0]);
        assert_eq!(flush_then_store(ADDR, 7, FlushScope::empty()), [0x1300_4002, 0x00FE_000C, 0, 7]);
        assert_eq!(flush_then_store(ADDR, 7, FlushScope::TLB), [0x1304_4002, 0x00FE_000C, 0, 7]);
        assert_eq!(flush_then_store(ADDR, 7, FlushScope::all()), [0x1305_4002, 0x00FE_000C, 0, 7]);
    }

    #[test]
    fn waits_poll_for_equality() {
        assert_eq!(wait_register_equals(0x4208, 0), [0x0E01_C003, 0, 0x4208, 0, 0]);
        assert_eq!(wait_dword_equals(ADDR, 0xDEAD), [0x0E40_C003, 0xDEAD, 0x00FE_0008, 0, 0]);
        assert_eq!(wait_dword_differs(ADDR, 0xDEAD), [0x0E40_D003, 0xDEAD, 0x00FE_0008, 0, 0]);
    }

    #[test]
    fn aux_invalidation_starts_and_then_polls_the_same_register() {
        let want = [0x1102_0001, 0x4218, 1, 0x0E01_C003, 0, 0x4218, 0, 0];
        assert_eq!(invalidate_aux_table(0x4218), want);
    }

    /// Commands sheet §1.1: how a decoder would measure each command.
    #[test]
    fn length_fields_agree_with_the_lengths() {
        let by_header = |dw0: u32| match dw0 >> 23 {
            0..0x10 => 1,
            0x20 => (dw0 & 0x3FF) + 2,
            0x26 => (dw0 & 0x3F) + 2,
            _ => (dw0 & 0xFF) + 2,
        };
        let commands: [&[u32]; 12] = [
            &batch_start(BatchAddr::Ggtt(ADDR)),
            &store_dword(ADDR, 0),
            &store_qword(GpuVa::ZERO, 0),
            &load_register(0, 0),
            &load_two_engine_registers((0, 0), (0, 0)),
            &load_engine_register_from(0, ADDR, true),
            &store_engine_register(0, ADDR),
            &wait_register_equals(0, 0),
            &wait_dword_equals(ADDR, 0),
            &wait_dword_differs(ADDR, 0),
            &flush_then_store(ADDR, 0, FlushScope::all()),
            &user_interrupt(),
        ];
        for command in commands {
            assert_eq!(by_header(command[0]) as usize, command.len(), "{:#010x}", command[0]);
        }
    }
}
