//! What stops an engine, and where it was (engines sheet §10.3, §11).

use crate::Error;
use crate::gt::info::Engine;
use crate::gt::registers::access::{ALL_ONES, Registers};
use crate::gt::regs;
use barexe_hal::{Mmio, RegOffset};
use core::fmt;

/// Registers that keep the first fault of a GT (engines sheet §11.2).
#[derive(Clone, Copy, Debug)]
pub struct FaultRegisters {
    /// Valid bit, type, source, address space, engine.
    pub fault: RegOffset,
    /// Address bits 43:12.
    pub low: RegOffset,
    /// Address bits 47:44, and whether it is one of the GGTT.
    pub high: RegOffset,
}

/// An access that met no page, or a page that does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MemoryFault {
    /// Address of the page, in bytes.
    pub page: u64,
    /// Whether it is a GGTT address, not one of the VM.
    pub ggtt: bool,
    /// Type of the access, as the register has it: what its two bits mean is not determined.
    pub access: u8,
    /// Unit the access came from.
    pub source: u8,
}

/// Why work was taken off an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EngineErrorKind {
    /// The job ran longer than it may.
    TimedOut,
    /// The engine did not give its context up in time.
    Stuck,
    /// An instruction that is none.
    Instruction,
    /// A memory access that stopped the engine; the address is not available on every platform.
    Memory(Option<MemoryFault>),
}

/// What became of a job that did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EngineError {
    /// Id of the engine, see [`units`](crate::gt::platform::units).
    pub engine: u8,
    /// Why.
    pub kind: EngineErrorKind,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "engine {}: ", self.engine)?;
        match self.kind {
            EngineErrorKind::TimedOut => f.write_str("the job ran too long"),
            EngineErrorKind::Stuck => f.write_str("the job could not be preempted"),
            EngineErrorKind::Instruction => f.write_str("invalid instruction"),
            EngineErrorKind::Memory(None) => f.write_str("memory fault, address not available"),
            EngineErrorKind::Memory(Some(fault)) => {
                let space = if fault.ggtt { "GGTT" } else { "PPGTT" };
                write!(f, "memory fault at {space} {:#x}, access type {}", fault.page, fault.access)
            }
        }
    }
}

/// Where an engine was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineState {
    /// Ring head, in bytes.
    pub head: u32,
    /// Ring tail, in bytes.
    pub tail: u32,
    /// Address of the command that runs or would be next.
    pub active_head: u64,
    /// First dword of the last instruction that was parsed.
    pub instruction: u32,
    /// GGTT address of the context.
    pub context: u32,
    /// Error identity.
    pub errors: u32,
}

impl EngineState {
    /// Reads it.
    pub fn read<H: Mmio>(regs: &mut Registers<'_, H>, engine: &Engine) -> Self {
        let mut at = |offset: u32| regs.read(engine.base.offset(offset));
        Self {
            head: at(regs::RING_HEAD_OFFSET),
            tail: at(regs::RING_TAIL_OFFSET),
            active_head: u64::from(at(regs::ACTHD_UDW_OFFSET)) << 32 | u64::from(at(regs::ACTHD_OFFSET)),
            instruction: at(regs::IPEHR_OFFSET),
            context: at(regs::CURRENT_LRCA_OFFSET),
            errors: at(regs::EIR_OFFSET),
        }
    }
}

/// Whether the engine has stopped because of an error, and which.
///
/// A memory fault is taken out of the GT's registers, so that the next one can be kept there.
///
/// # Errors
/// [`Error::DeviceGone`].
pub fn engine_error<H: Mmio>(regs: &mut Registers<'_, H>, engine: &Engine) -> Result<Option<EngineErrorKind>, Error> {
    let control = regs.read(engine.base.offset(regs::RESET_CTL_OFFSET));
    if control == ALL_ONES {
        return Err(Error::DeviceGone);
    }
    if control & CATASTROPHIC != 0 {
        return Ok(Some(EngineErrorKind::Memory(take_fault(regs, engine))));
    }
    let errors = regs.read(engine.base.offset(regs::EIR_OFFSET));
    Ok((errors & INSTRUCTION_ERROR != 0).then_some(EngineErrorKind::Instruction))
}

/// `RESET_CTL`: the engine met an error that only a reset ends.
const CATASTROPHIC: u32 = 1 << 2;
/// `EIR`: the parser has stopped at an instruction.
const INSTRUCTION_ERROR: u32 = 1 << 0;
/// A fault is kept.
const VALID: u32 = 1 << 0;

fn take_fault<H: Mmio>(regs: &mut Registers<'_, H>, engine: &Engine) -> Option<MemoryFault> {
    let place = regs.format().fault.filter(|_| engine.gt_index == 0)?;
    let word = regs.read(place.fault);
    if word & VALID == 0 {
        return None;
    }
    let (low, high) = (regs.read(place.low), regs.read(place.high));
    regs.write(place.fault, word & !VALID);
    // The write must arrive before the next fault does.
    let _ = regs.read(place.fault);
    Some(MemoryFault {
        page: u64::from(high & 0xF) << 44 | u64::from(low) << 12,
        ggtt: high & 1 << 4 != 0,
        access: (word >> 1 & 3) as u8,
        source: (word >> 3 & 0xFF) as u8,
    })
}
