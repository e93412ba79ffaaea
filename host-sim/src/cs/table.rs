//! Which commands exist on which engine of which part, how long they are, and what becomes of them here.
//!
//! A header that is in no row stops the engine, as does a row's command on an engine or part without it, or with a
//! length it cannot have (engines sheet §7.7). Rows are from the commands sheet, §1.2 to §1.8.

use super::decode::{self, Family};
use super::spec::CsSpec;
use crate::spec::EngineClass;

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It is executed.
    Executed,
    /// It orders what happens in order here anyway, or sets up units that this device does not have.
    NoEffect,
    /// It gives work to units that are not simulated: its results will be missing.
    Missing,
    /// It cannot be left out, and what it does is not simulated: the engine stops.
    Refused,
}

/// Lengths a command can have, in dwords with the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dwords {
    /// Whatever its length field says.
    Any,
    /// One length.
    Only(u32),
    /// Two forms.
    Either(u32, u32),
    /// So many and any number of steps more.
    Steps(u32, u32),
}

impl Dwords {
    const fn allow(self, dwords: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => dwords == only,
            Self::Either(short, long) => dwords == short || dwords == long,
            Self::Steps(least, step) => dwords >= least && (dwords - least).is_multiple_of(step),
        }
    }
}

/// One command, or a range of commands that are treated alike.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    first: u16,
    last: u16,
    /// Name.
    pub name: &'static str,
    engines: u8,
    parts: u8,
    dwords: Dwords,
    /// What becomes of it.
    pub handling: Handling,
}

const fn bit(class: EngineClass) -> u8 {
    1 << class.code()
}

const RENDER: u8 = bit(EngineClass::Render);
const PIPE: u8 = RENDER | bit(EngineClass::Compute);
const VIDEO: u8 = bit(EngineClass::VideoDecode) | bit(EngineClass::VideoEnhance);
const COPY: u8 = bit(EngineClass::Copy);
const ALL: u8 = 0x3F;

const GEN12: u8 = 1;
const XE2: u8 = 2;
const BOTH: u8 = GEN12 | XE2;

use Dwords::{Any, Either, Only, Steps};
use Handling::{Executed, Missing, NoEffect, Refused};

const fn row(code: u16, name: &'static str, dwords: Dwords, handling: Handling) -> Row {
    Row { first: code, last: code, name, engines: ALL, parts: BOTH, dwords, handling }
}

impl Row {
    const fn to(self, last: u16) -> Self {
        Self { last, ..self }
    }

    const fn on(self, engines: u8) -> Self {
        Self { engines, ..self }
    }

    const fn of(self, parts: u8) -> Self {
        Self { parts, ..self }
    }
}

/// MI commands, by opcode (bits 28:23).
const MI: &[Row] = &[
    row(0x00, "MI_NOOP", Only(1), Executed),
    row(0x01, "MI_SET_PREDICATE", Only(1), Executed),
    row(0x02, "MI_USER_INTERRUPT", Only(1), Executed),
    row(0x03, "MI_WAIT_FOR_EVENT", Only(1), NoEffect),
    row(0x05, "MI_ARB_CHECK", Only(1), Executed),
    row(0x06, "MI_RS_CONTROL", Only(1), NoEffect),
    row(0x07, "MI_REPORT_HEAD", Only(1), Refused),
    row(0x08, "MI_ARB_ON_OFF", Only(1), Executed),
    row(0x09, "MI_MEM_FENCE", Only(1), NoEffect).of(XE2),
    row(0x0A, "MI_BATCH_BUFFER_END", Only(1), Executed),
    row(0x0B, "MI_SUSPEND_FLUSH", Only(1), NoEffect),
    row(0x0C, "MI_PREDICATE", Only(1), Executed),
    row(0x0D, "MI_TOPOLOGY_FILTER", Only(1), NoEffect),
    row(0x0E, "MI_SET_APPID", Only(1), NoEffect),
    row(0x0F, "MI_RS_CONTEXT", Only(1), NoEffect),
    row(0x12, "MI_LOAD_SCAN_LINES_INCL", Any, NoEffect),
    row(0x13, "MI_LOAD_SCAN_LINES_EXCL", Any, NoEffect),
    row(0x14, "MI_DISPLAY_FLIP", Any, NoEffect),
    row(0x1A, "MI_MATH", Steps(2, 1), Executed),
    row(0x1B, "MI_SEMAPHORE_SIGNAL", Only(2), Refused),
    row(0x1C, "MI_SEMAPHORE_WAIT", Either(4, 5), Executed),
    row(0x1D, "MI_FORCE_WAKEUP", Only(2), NoEffect),
    row(0x20, "MI_STORE_DATA_IMM", Steps(4, 1), Executed),
    row(0x21, "MI_STORE_DATA_INDEX", Either(3, 4), Executed),
    row(0x22, "MI_LOAD_REGISTER_IMM", Steps(3, 2), Executed),
    row(0x23, "MI_UPDATE_GTT", Steps(4, 2), Executed),
    row(0x24, "MI_STORE_REGISTER_MEM", Only(4), Executed),
    row(0x26, "MI_FLUSH_DW", Either(4, 5), Executed),
    row(0x27, "MI_CLFLUSH", Any, NoEffect),
    row(0x28, "MI_REPORT_PERF_COUNT", Only(4), Executed),
    row(0x29, "MI_LOAD_REGISTER_MEM", Only(4), Executed),
    row(0x2A, "MI_LOAD_REGISTER_REG", Only(3), Executed),
    row(0x2E, "MI_COPY_MEM_MEM", Only(5), Executed),
    row(0x2F, "MI_ATOMIC", Either(3, 11), Executed),
    row(0x31, "MI_BATCH_BUFFER_START", Only(3), Executed),
    row(0x36, "MI_CONDITIONAL_BATCH_BUFFER_END", Only(4), Executed),
    // Length and fields are not determined (commands sheet §8).
    row(0x39, "MI_PRT_BATCH_BUFFER_START", Any, Refused),
];

/// Blitter commands, by opcode (bits 28:22).
const BLIT: &[Row] = &[
    row(0x41, "XY_BLOCK_COPY_BLT", Only(12), Executed).on(COPY).of(GEN12),
    row(0x41, "XY_BLOCK_COPY_BLT", Only(22), Executed).on(COPY).of(XE2),
    row(0x42, "XY_FAST_COPY_BLT", Only(10), Executed).on(COPY),
    row(0x44, "XY_FAST_COLOR_BLT", Only(11), Executed).on(COPY).of(GEN12),
    row(0x48, "XY_CTRL_SURF_COPY_BLT", Only(5), Executed).on(COPY).of(XE2),
    row(0x53, "XY_SRC_COPY_BLT", Only(10), Executed).on(COPY).of(GEN12),
    row(0x5A, "MEM_COPY", Only(10), Executed).on(COPY).of(XE2),
    row(0x5B, "MEM_SET", Only(7), Executed).on(COPY).of(XE2),
];

/// The same bits on the GSC engine: messages to a firmware that is not here.
const GSC: &[Row] = &[row(0x00, "GSC heci packet", Only(8), Refused), row(0x01, "GSC firmware load", Only(4), Refused)];

/// Render, compute and video commands, by bits 31:16.
const PIPELINE: &[Row] = &[
    row(0x6101, "STATE_BASE_ADDRESS", Any, NoEffect).on(PIPE),
    row(0x6102, "STATE_SIP", Only(3), NoEffect).on(PIPE),
    row(0x6105, "STATE_COMPUTE_MODE", Only(2), NoEffect).on(PIPE).of(GEN12),
    row(0x6105, "STATE_COMPUTE_MODE", Only(3), NoEffect).on(PIPE).of(XE2),
    row(0x6109, "STATE_SYSTEM_MEM_FENCE_ADDRESS", Only(3), NoEffect).on(PIPE),
    row(0x610B, "STATE_CONTEXT_DATA_BASE_ADDRESS", Any, NoEffect).on(PIPE).of(XE2),
    row(0x6800, "MFX_WAIT", Only(1), NoEffect).on(VIDEO),
    row(0x680B, "3DSTATE_VF_STATISTICS", Only(1), NoEffect).on(RENDER),
    row(0x6904, "PIPELINE_SELECT", Only(1), NoEffect).on(PIPE),
    row(0x7000, "MEDIA_VFE_STATE", Any, NoEffect).on(RENDER).of(GEN12),
    row(0x7001, "MEDIA_CURBE_LOAD", Any, NoEffect).on(RENDER).of(GEN12),
    row(0x7002, "MEDIA_INTERFACE_DESCRIPTOR_LOAD", Any, NoEffect).on(RENDER).of(GEN12),
    row(0x7004, "MEDIA_STATE_FLUSH", Any, NoEffect).on(RENDER).of(GEN12),
    row(0x7100, "MEDIA_OBJECT", Any, Missing).on(RENDER).of(GEN12).to(0x71FF),
    row(0x7200, "CFE_STATE", Any, NoEffect).on(PIPE).of(XE2),
    row(0x7202, "COMPUTE_WALKER", Any, Missing).on(PIPE).of(XE2),
    row(0x7917, "3DSTATE_SO_DECL_LIST", Any, NoEffect).on(RENDER),
    row(0x7919, "3DSTATE_BINDING_TABLE_POOL_ALLOC", Any, NoEffect).on(PIPE),
    row(0x7800, "3DSTATE", Any, NoEffect).on(RENDER).to(0x79FF),
    row(0x7A00, "PIPE_CONTROL", Either(2, 6), Executed).on(PIPE),
    row(0x7B00, "3DPRIMITIVE", Any, Missing).on(RENDER),
    row(0x7580, "HUC_PIPE_MODE_SELECT", Only(3), NoEffect).on(VIDEO),
    row(0x7581, "HUC_IMEM_STATE", Only(5), NoEffect).on(VIDEO),
    row(0x7584, "HUC_VIRTUAL_ADDR_STATE", Only(49), NoEffect).on(VIDEO),
    row(0x75A1, "HUC_START", Only(2), Missing).on(VIDEO),
    row(0x7609, "CRYPTO_KEY_EXCHANGE", Any, Missing).on(VIDEO),
    row(0x7000, "video command", Any, Missing).on(VIDEO).to(0x77FF),
];

/// By opcode (bits 28:26).
const STATE: &[Row] = &[row(0, "GFX_STATE", Any, NoEffect).on(RENDER)];
/// By opcode (bits 28:26).
const BARRIER: &[Row] = &[row(3, "RESOURCE_BARRIER", Only(5), NoEffect).on(PIPE).of(XE2)];

fn rows(class: EngineClass, family: Family) -> &'static [Row] {
    match family {
        Family::Mi => MI,
        Family::Blit if class == EngineClass::Other => GSC,
        Family::Blit => BLIT,
        Family::Pipe => PIPELINE,
        Family::State => STATE,
        Family::Barrier => BARRIER,
    }
}

const fn code(family: Family, header: u32) -> u16 {
    match family {
        Family::Mi => decode::mi_opcode(header) as u16,
        Family::Blit => decode::blit_opcode(header) as u16,
        Family::Pipe => (header >> 16) as u16,
        Family::State | Family::Barrier => (header >> 26 & 7) as u16,
    }
}

/// Positions in [`MI`] by opcode, 255 where there is none: the table that is looked into for nearly every command.
const MI_POSITIONS: [u8; 64] = {
    let mut positions = [u8::MAX; 64];
    let mut rest = MI;
    let mut position = 0;
    while let [row, tail @ ..] = rest {
        let (_, after) = positions.split_at_mut(row.first as usize);
        if let [slot, ..] = after {
            *slot = position;
        }
        position += 1;
        rest = tail;
    }
    positions
};

/// The row of an MI opcode.
fn mi(header: u32) -> Option<&'static Row> {
    let position = MI_POSITIONS.get(usize::from(decode::mi_opcode(header)))?;
    MI.get(usize::from(*position))
}

/// Rows that carry this code, whatever engine and part they are for.
fn with_code(class: EngineClass, family: Family, header: u32) -> impl Iterator<Item = &'static Row> {
    let code = code(family, header);
    rows(class, family).iter().filter(move |row| row.first <= code && code <= row.last)
}

/// A command's name as the tables have it, if they do.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static str> {
    let all = [MI, BLIT, GSC, PIPELINE, STATE, BARRIER];
    all.into_iter().flatten().map(|row| row.name).find(|known| *known == name)
}

/// The command's name.
#[must_use]
pub fn name(class: EngineClass, header: u32) -> &'static str {
    let Some(family) = decode::family(header) else { return "unknown family" };
    let own = |row: &&Row| row.engines & bit(class) != 0;
    let found = with_code(class, family, header).find(own).or_else(|| with_code(class, family, header).next());
    found.map_or(decode::unknown(family), |row| row.name)
}

/// The command of a header, with its length in dwords.
///
/// # Errors
/// A sentence, for a command that this engine of this part does not have or that is not simulated, and for a length
/// that the command cannot have.
pub fn find(spec: &CsSpec, class: EngineClass, header: u32) -> Result<(&'static Row, u32), String> {
    let Some(family) = decode::family(header) else { return Err(String::from("no such command family")) };
    let part = if spec.version >= 2000 { XE2 } else { GEN12 };
    let fits = |row: &&Row| row.engines & bit(class) != 0 && row.parts & part != 0;
    let found =
        if family == Family::Mi { mi(header).filter(fits) } else { with_code(class, family, header).find(fits) };
    let Some(row) = found else {
        return Err(match with_code(class, family, header).next() {
            None => format!("{}: no such command", decode::unknown(family)),
            Some(row) if row.parts & part == 0 => format!("{} does not exist on this part", row.name),
            Some(row) => format!("{} does not exist on {} engines", row.name, class.short_name()),
        });
    };
    let dwords = decode::length(class, header).unwrap_or(1);
    if !row.dwords.allow(dwords) {
        return Err(format!("{} cannot have {dwords} dwords", row.name));
    }
    if row.handling == Refused {
        return Err(format!("{} is not simulated", row.name));
    }
    Ok((row, dwords))
}

#[cfg(test)]
mod tests {
    use super::*;
    use EngineClass::{Compute, Copy, Other, Render, VideoDecode, VideoEnhance};

    const CLASSES: [EngineClass; 6] = [Render, Compute, Copy, VideoDecode, VideoEnhance, Other];

    fn tgl(class: EngineClass, header: u32) -> Result<(&'static str, u32), String> {
        find(&CsSpec::for_version(1200).unwrap(), class, header).map(|(row, dwords)| (row.name, dwords))
    }

    fn lnl(class: EngineClass, header: u32) -> Result<(&'static str, u32), String> {
        find(&CsSpec::for_version(2004).unwrap(), class, header).map(|(row, dwords)| (row.name, dwords))
    }

    #[test]
    fn commands_that_nobody_knows_are_refused_on_every_engine() {
        // MI opcodes between the known ones, a blitter and a pipeline code, families 1, 6, 7.
        for header in [0x0200_0000, 0x0800_0000, 0x1A00_0000, 0x1F80_0000, 0x4480_0000, 0x7FFF_0000, 0x2000_0000] {
            for class in CLASSES {
                assert!(tgl(class, header).is_err() && lnl(class, header).is_err(), "{class:?} {header:#010x}");
            }
        }
    }

    #[test]
    fn commands_belong_to_engines_and_parts() {
        assert_eq!(tgl(Render, 0x7A00_0004), Ok(("PIPE_CONTROL", 6)));
        for class in [Copy, VideoDecode, VideoEnhance, Other] {
            assert!(lnl(class, 0x7A00_0004).unwrap_err().contains("PIPE_CONTROL"), "{class:?}");
        }
        assert!(tgl(Copy, 0x5680_0008).unwrap_err().contains("MEM_COPY does not exist on this part"));
        assert_eq!(lnl(Copy, 0x5680_0008), Ok(("MEM_COPY", 10)));
        assert!(lnl(Copy, 0x54F0_0008).is_err() && tgl(Copy, 0x54F0_0008).is_ok());
        assert!(tgl(Copy, 0x0480_0000).is_err(), "MI_MEM_FENCE");
        assert!(lnl(Render, 0x5680_0008).unwrap_err().contains("rcs"));
        assert!(lnl(Compute, 0x784C_0000).is_err(), "3DSTATE on a compute engine");
    }

    #[test]
    fn lengths_that_a_command_cannot_have_are_refused() {
        assert!(tgl(Copy, 0x1880_0100).is_err() && tgl(Copy, 0x1880_0102).is_err());
        assert_eq!(tgl(Copy, 0x1880_0101), Ok(("MI_BATCH_BUFFER_START", 3)));
        for header in [0x1100_0002, 0x1780_0002, 0x1300_4001, 0x1000_0001, 0x1180_0003, 0x5080_0007] {
            assert!(tgl(Copy, header).unwrap_err().contains("dwords"), "{header:#010x}");
        }
    }

    #[test]
    fn what_the_known_clients_use_is_known() {
        // The batches of the recordings: stores, counted loops, spinners, an initialisation batch of a graphics API.
        for header in [0x1000_0002, 0x1780_0501, 0x1B20_5002, 0x1B20_0002, 0x1880_0001, 0x0280_0000, 0x0500_0000] {
            assert!(CLASSES.iter().all(|class| tgl(*class, header).is_ok() && lnl(*class, header).is_ok()));
        }
        for header in [0x6904_0000, 0x790A_0000, 0x7900_0002, 0x784C_0000, 0x791C_0007, 0x6101_0014, 0x7919_0002] {
            assert!(tgl(Render, header).is_ok(), "{header:#010x}");
        }
    }

    #[test]
    fn every_mi_command_is_found_by_its_opcode() {
        for opcode in 0..64u16 {
            let want = MI.iter().find(|row| row.first == opcode).map(|row| row.name);
            assert_eq!(mi(u32::from(opcode) << 23).map(|row| row.name), want);
        }
    }

    #[test]
    fn no_code_has_two_rows_for_one_engine_and_part_but_ranges_after_their_exceptions() {
        for table in [MI, BLIT, GSC, STATE, BARRIER] {
            for (index, row) in table.iter().enumerate() {
                let twin = |other: &Row| other.first == row.first && other.parts & row.parts != 0;
                assert!(!table[..index].iter().any(twin), "{}", row.name);
            }
        }
    }
}
