//! Command lengths and names: the simulator's own tables (commands sheet §1).

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

const MI_NAMES: &[(u8, &str)] = &[
    (0x00, "MI_NOOP"),
    (0x01, "MI_SET_PREDICATE"),
    (0x02, "MI_USER_INTERRUPT"),
    (0x03, "MI_WAIT_FOR_EVENT"),
    (0x05, "MI_ARB_CHECK"),
    (0x06, "MI_RS_CONTROL"),
    (0x07, "MI_REPORT_HEAD"),
    (0x08, "MI_ARB_ON_OFF"),
    (0x09, "MI_MEM_FENCE"),
    (0x0A, "MI_BATCH_BUFFER_END"),
    (0x0B, "MI_SUSPEND_FLUSH"),
    (0x0C, "MI_PREDICATE"),
    (0x0D, "MI_TOPOLOGY_FILTER"),
    (0x0E, "MI_SET_APPID"),
    (0x0F, "MI_RS_CONTEXT"),
    (0x12, "MI_LOAD_SCAN_LINES_INCL"),
    (0x13, "MI_LOAD_SCAN_LINES_EXCL"),
    (0x14, "MI_DISPLAY_FLIP"),
    (0x1A, "MI_MATH"),
    (0x1B, "MI_SEMAPHORE_SIGNAL"),
    (0x1C, "MI_SEMAPHORE_WAIT"),
    (0x1D, "MI_FORCE_WAKEUP"),
    (0x20, "MI_STORE_DATA_IMM"),
    (0x21, "MI_STORE_DATA_INDEX"),
    (0x22, "MI_LOAD_REGISTER_IMM"),
    (0x23, "MI_UPDATE_GTT"),
    (0x24, "MI_STORE_REGISTER_MEM"),
    (0x26, "MI_FLUSH_DW"),
    (0x27, "MI_CLFLUSH"),
    (0x28, "MI_REPORT_PERF_COUNT"),
    (0x29, "MI_LOAD_REGISTER_MEM"),
    (0x2A, "MI_LOAD_REGISTER_REG"),
    (0x2E, "MI_COPY_MEM_MEM"),
    (0x2F, "MI_ATOMIC"),
    (0x31, "MI_BATCH_BUFFER_START"),
    (0x36, "MI_CONDITIONAL_BATCH_BUFFER_END"),
    (0x39, "MI_PRT_BATCH_BUFFER_START"),
];

const BLIT_NAMES: &[(u8, &str)] = &[
    (0x41, "XY_BLOCK_COPY_BLT"),
    (0x42, "XY_FAST_COPY_BLT"),
    (0x44, "XY_FAST_COLOR_BLT"),
    (0x48, "XY_CTRL_SURF_COPY_BLT"),
    (0x53, "XY_SRC_COPY_BLT"),
    (0x5A, "MEM_COPY"),
    (0x5B, "MEM_SET"),
];

const PIPE_NAMES: &[(u16, &str)] = &[
    (0x7A00, "PIPE_CONTROL"),
    (0x6101, "STATE_BASE_ADDRESS"),
    (0x6102, "STATE_SIP"),
    (0x6105, "STATE_COMPUTE_MODE"),
    (0x6109, "STATE_SYSTEM_MEM_FENCE_ADDRESS"),
    (0x6904, "PIPELINE_SELECT"),
    (0x6800, "MFX_WAIT"),
    (0x7200, "CFE_STATE"),
    (0x7202, "COMPUTE_WALKER"),
    (0x7917, "3DSTATE_SO_DECL_LIST"),
    (0x7581, "HUC_IMEM_STATE"),
    (0x7580, "HUC_PIPE_MODE_SELECT"),
    (0x7584, "HUC_VIRTUAL_ADDR_STATE"),
    (0x75A1, "HUC_START"),
    (0x7609, "CRYPTO_KEY_EXCHANGE"),
];

/// The command's name.
#[must_use]
pub fn name(class: EngineClass, header: u32) -> &'static str {
    let find8 = |table: &[(u8, &'static str)], code| table.iter().find(|(c, _)| *c == code).map(|(_, name)| *name);
    match family(header) {
        None => "unknown family",
        Some(Family::Mi) => find8(MI_NAMES, mi_opcode(header)).unwrap_or("MI unknown"),
        Some(Family::Blit) if class == EngineClass::Other => "GSC packet",
        Some(Family::Blit) => find8(BLIT_NAMES, blit_opcode(header)).unwrap_or("blitter unknown"),
        Some(Family::State) => "GFX_STATE",
        Some(Family::Barrier) => "RESOURCE_BARRIER",
        Some(Family::Pipe) => {
            let code = (header >> 16) as u16;
            let found = PIPE_NAMES.iter().find(|(c, _)| *c == code).map(|(_, name)| *name);
            found.unwrap_or(if header >> 24 == 0x78 || header >> 24 == 0x79 { "3DSTATE" } else { "pipe command" })
        }
    }
}

/// One command as text: name and operands that say something.
#[must_use]
pub fn disassemble(class: EngineClass, dwords: &[u32]) -> String {
    let Some(&header) = dwords.first() else { return String::from("(nothing)") };
    let at = |index: usize| dwords.get(index).copied().unwrap_or(0);
    let address = |index: usize| u64::from(at(index)) | u64::from(at(index + 1)) << 32;
    let name = name(class, header);
    let operands = match (family(header), mi_opcode(header)) {
        (Some(Family::Mi), 0x05) if header & 0x100 != 0 => {
            String::from(if header & 1 != 0 { "pre-parser off" } else { "pre-parser on" })
        }
        (Some(Family::Mi), 0x08) => String::from(if header & 1 != 0 { "on" } else { "off" }),
        (Some(Family::Mi), 0x20) if header >> 21 & 1 != 0 => format!("{:#x} <- {:#x}", address(1), address(3)),
        (Some(Family::Mi), 0x20) => format!("{:#x} <- {:#x}", address(1), at(3)),
        (Some(Family::Mi), 0x22) => format!("[{:#x}] <- {:#x}", at(1), at(2)),
        (Some(Family::Mi), 0x24) => format!("{:#x} <- [{:#x}]", address(2), at(1)),
        (Some(Family::Mi), 0x29) => format!("[{:#x}] <- {:#x}", at(1), address(2)),
        (Some(Family::Mi), 0x26) if header >> 14 & 3 != 0 => format!("{:#x} <- {:#x}", address(1) & !7, at(3)),
        (Some(Family::Mi), 0x2E) => format!("{:#x} <- {:#x}", address(1), address(3)),
        (Some(Family::Mi), 0x2F) => format!("op {:#x} at {:#x}", header >> 8 & 0xFF, address(1)),
        (Some(Family::Mi), 0x31) => format!("{:#x}", address(1)),
        (Some(Family::Mi), 0x1C) => format!("{:#x} against {:#x}", address(2), at(1)),
        (Some(Family::Mi), 0x36) => format!("{:#x} against {:#x}", address(2), at(1)),
        (Some(Family::Pipe), _) if header >> 16 == 0x7A00 && at(1) >> 14 & 3 != 0 => {
            format!("flags {:#x}, {:#x} <- {:#x}", at(1), address(2), at(4))
        }
        (Some(Family::Pipe), _) if header >> 16 == 0x7A00 => format!("flags {:#x}", at(1)),
        (Some(Family::Blit), _) if blit_opcode(header) == 0x5A => format!("{:#x} <- {:#x}", address(7), address(5)),
        (Some(Family::Blit), _) if blit_opcode(header) == 0x42 => format!("{:#x} <- {:#x}", address(4), address(8)),
        _ => String::new(),
    };
    if operands.is_empty() { String::from(name) } else { format!("{name} {operands}") }
}

#[cfg(test)]
mod tests {
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
        (Other, 0x4000_0006, "GSC packet", 8),
        (Other, 0x4040_0002, "GSC packet", 4),
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

    #[test]
    fn disassembly_of_a_cut_off_command_does_not_fail() {
        for header in (0..=u32::MAX).step_by(0x0013_5711) {
            for class in [Copy, Render, VideoDecode, Other] {
                assert!(!disassemble(class, &[header]).is_empty());
            }
        }
        assert_eq!(
            disassemble(Copy, &[0x1000_0002, 0x0010_0048, 0, 0xC0_FFEE]),
            "MI_STORE_DATA_IMM 0x100048 <- 0xc0ffee"
        );
        assert_eq!(
            disassemble(Copy, &[0x1020_0003, 0x0010_0048, 0, 0xC0_FFEE, 1]),
            "MI_STORE_DATA_IMM 0x100048 <- 0x100c0ffee"
        );
    }
}
