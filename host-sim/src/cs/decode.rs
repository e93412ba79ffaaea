//! Families and lengths of commands: the simulator's own rules (commands sheet §1.1).

use crate::spec::EngineClass;

/// Family of a command, by bits 31:29.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// MI: every engine.
    Mi,
    /// Blitter on copy engines, packets on the GSC engine.
    Blit,
    /// Render, compute, video.
    Pipe,
    /// `GFX_STATE`.
    State,
    /// `RESOURCE_BARRIER`.
    Barrier,
}

/// The family of a header; `None` stops the parser.
#[must_use]
pub const fn family(header: u32) -> Option<Family> {
    match header >> 29 {
        0 => Some(Family::Mi),
        2 => Some(Family::Blit),
        3 => Some(Family::Pipe),
        4 => Some(Family::State),
        5 => Some(Family::Barrier),
        _ => None,
    }
}

/// MI opcode, bits 28:23.
#[must_use]
pub const fn mi_opcode(header: u32) -> u8 {
    (header >> 23 & 0x3F) as u8
}

/// Blitter opcode, bits 28:22.
#[must_use]
pub const fn blit_opcode(header: u32) -> u8 {
    (header >> 22 & 0x7F) as u8
}

/// Dwords of a command, header included; `None` for a family that does not exist.
#[must_use]
pub const fn length(class: EngineClass, header: u32) -> Option<u32> {
    let Some(family) = family(header) else { return None };
    let mask = match family {
        Family::Mi => return Some(mi_length(header)),
        Family::Pipe => return Some(pipe_length(class, header)),
        Family::Blit | Family::State | Family::Barrier => 0xFF,
    };
    Some((header & mask) + 2)
}

const fn mi_length(header: u32) -> u32 {
    match mi_opcode(header) {
        0..0x10 => 1,
        0x20 | 0x23 | 0x27 => (header & 0x3FF) + 2,
        0x26 | 0x28 => (header & 0x3F) + 2,
        _ => (header & 0xFF) + 2,
    }
}

const fn pipe_length(class: EngineClass, header: u32) -> u32 {
    let (pipeline, opcode) = (header >> 27 & 3, header >> 24 & 7);
    let video = matches!(class, EngineClass::VideoDecode | EngineClass::VideoEnhance);
    match (pipeline, opcode) {
        (1, _) => 1,
        _ if header >> 16 == 0x7917 => (header & 0x1FF) + 2,
        (2, 6) if video => (header & 0xFFFF) + 2,
        (2, _) if video => (header & 0xFFF) + 2,
        _ => (header & 0xFF) + 2,
    }
}

/// What a header of the family is called when no table names it.
#[must_use]
pub const fn unknown(family: Family) -> &'static str {
    match family {
        Family::Mi => "MI unknown",
        Family::Blit => "blitter unknown",
        Family::Pipe => "pipeline unknown",
        Family::State => "GFX_STATE unknown",
        Family::Barrier => "barrier unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::name;
    use super::*;
    use EngineClass::{Copy, Other, Render, VideoDecode};

    /// Commands sheet, checks 1: header, name, dwords.
    const ROWS: &[(EngineClass, u32, &str, u32)] = &[
        (Copy, 0x0000_0000, "MI_NOOP", 1),
        (Copy, 0x0280_0101, "MI_ARB_CHECK", 1),
        (Copy, 0x0500_0000, "MI_BATCH_BUFFER_END", 1),
        (Copy, 0x0D00_0003, "MI_MATH", 5),
        (Copy, 0x0E01_C003, "MI_SEMAPHORE_WAIT", 5),
        (Copy, 0x0E00_C002, "MI_SEMAPHORE_WAIT", 4),
        (Copy, 0x0E80_0000, "MI_FORCE_WAKEUP", 2),
        (Copy, 0x1000_0002, "MI_STORE_DATA_IMM", 4),
        (Copy, 0x1020_0003, "MI_STORE_DATA_IMM", 5),
        (Copy, 0x1020_03FD, "MI_STORE_DATA_IMM", 1023),
        (Copy, 0x1102_0001, "MI_LOAD_REGISTER_IMM", 3),
        (Copy, 0x1180_0004, "MI_UPDATE_GTT", 6),
        (Copy, 0x1248_0002, "MI_STORE_REGISTER_MEM", 4),
        (Copy, 0x1304_4002, "MI_FLUSH_DW", 4),
        (Copy, 0x1300_4082, "MI_FLUSH_DW", 4),
        (Copy, 0x1300_4003, "MI_FLUSH_DW", 5),
        (Copy, 0x1400_0002, "MI_REPORT_PERF_COUNT", 4),
        (Copy, 0x14E8_0002, "MI_LOAD_REGISTER_MEM", 4),
        (Copy, 0x150C_0001, "MI_LOAD_REGISTER_REG", 3),
        (Copy, 0x1700_0003, "MI_COPY_MEM_MEM", 5),
        (Copy, 0x1780_0501, "MI_ATOMIC", 3),
        (Copy, 0x1784_0709, "MI_ATOMIC", 11),
        (Copy, 0x1880_0101, "MI_BATCH_BUFFER_START", 3),
        (Copy, 0x1B20_0002, "MI_CONDITIONAL_BATCH_BUFFER_END", 4),
        (Other, 0x4000_0006, "GSC heci packet", 8),
        (Other, 0x4040_0002, "GSC firmware load", 4),
        (Copy, 0x5080_0008, "XY_FAST_COPY_BLT", 10),
        (Copy, 0x5050_000A, "XY_BLOCK_COPY_BLT", 12),
        (Copy, 0x5050_0014, "XY_BLOCK_COPY_BLT", 22),
        (Copy, 0x5110_0009, "XY_FAST_COLOR_BLT", 11),
        (Copy, 0x5110_000E, "XY_FAST_COLOR_BLT", 16),
        (Copy, 0x5220_0F03, "XY_CTRL_SURF_COPY_BLT", 5),
        (Copy, 0x5688_0008, "MEM_COPY", 10),
        (Copy, 0x56C2_0005, "MEM_SET", 7),
        (Copy, 0x54F0_0008, "XY_SRC_COPY_BLT", 10),
        (Render, 0x6101_0014, "STATE_BASE_ADDRESS", 22),
        (VideoDecode, 0x6800_0100, "MFX_WAIT", 1),
        (Render, 0x6904_0000, "PIPELINE_SELECT", 1),
        (Render, 0x7202_0025, "COMPUTE_WALKER", 39),
        (Render, 0x7917_0105, "3DSTATE_SO_DECL_LIST", 263),
        (Render, 0x7A00_0404, "PIPE_CONTROL", 6),
        (Render, 0x7A00_0000, "PIPE_CONTROL", 2),
        (Render, 0xAC00_0003, "RESOURCE_BARRIER", 5),
        (VideoDecode, 0x7581_0003, "HUC_IMEM_STATE", 5),
        (VideoDecode, 0x7584_002F, "HUC_VIRTUAL_ADDR_STATE", 49),
        (VideoDecode, 0x7609_0000, "CRYPTO_KEY_EXCHANGE", 2),
    ];

    #[test]
    fn names_and_lengths_are_those_of_the_sheet() {
        for &(class, header, want, dwords) in ROWS {
            assert_eq!((name(class, header), length(class, header)), (want, Some(dwords)), "{header:08x}");
        }
        for header in [0x2000_0000, 0xC000_0000, 0xE000_0000] {
            assert_eq!(length(Copy, header), None);
        }
    }
}
