//! From reset to running: the copy into protected memory, the boot ROM's checks, the start (engines sheet §12.3).

use super::ads::{self, Tables};
use super::memory::Memory;
use super::messages::{firmware, registers};
use crate::shared::Shared;
use crate::spec::MEDIA_SHIFT;

/// Time from the copy to the first word of the firmware.
const START_NS: u64 = 2_000_000;
/// Dwords of a signature that fits the registers.
pub(super) const SIGNATURE_DWORDS: u32 = 64;
/// Bytes behind the code that the stack needs (engines sheet §12.3: size at least firmware and 24 KiB).
const STACK_BYTES: u32 = 24 << 10;

/// What the core does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Boot {
    /// Held.
    Reset,
    /// Starts with what the host prepared; runs from an instant on.
    Starting { ready_ns: u64, tables: Tables },
    /// Runs.
    Running,
    /// Stopped: words of boot ROM and firmware.
    Failed { boot_rom: u32, firmware: u32 },
}

/// Why the core stops: words of boot ROM and firmware.
type Failure = (u32, u32);

impl Boot {
    /// The status register.
    pub(super) const fn status(&self) -> u32 {
        const GOOD: u32 = registers::STATUS_AUTHENTICATION.put(2) | registers::STATUS_CORE.put(1);
        let passed = registers::STATUS_BOOT_ROM.put(firmware::boot_rom::JUMP_PASSED);
        match self {
            Self::Reset => registers::STATUS_IN_RESET.put(1),
            Self::Starting { .. } => GOOD | passed | registers::STATUS_FIRMWARE.put(firmware::state::DEFAULT),
            Self::Running => GOOD | passed | registers::STATUS_FIRMWARE.put(firmware::state::READY),
            Self::Failed { boot_rom, firmware } => {
                let good = *boot_rom == firmware::boot_rom::JUMP_PASSED;
                let word = registers::STATUS_AUTHENTICATION.put(if good { 2 } else { 1 });
                word | registers::STATUS_BOOT_ROM.put(*boot_rom) | registers::STATUS_FIRMWARE.put(*firmware)
            }
        }
    }

    /// The instant at which a start is over.
    pub(super) const fn ready_ns(&self) -> Option<u64> {
        match self {
            Self::Starting { ready_ns, .. } => Some(*ready_ns),
            Self::Reset | Self::Running | Self::Failed { .. } => None,
        }
    }

    /// A copy was started: the firmware starts, if it can.
    pub(super) fn copy(&mut self, shared: &mut Shared, media: bool) {
        if *self != Self::Reset {
            shared.violation(String::from("firmware is copied to a GuC that was not reset"));
            return;
        }
        let ready_ns = shared.time_ns.saturating_add(START_NS);
        *self = match start(shared, media) {
            Ok(tables) => Self::Starting { ready_ns, tables },
            Err((boot_rom, firmware)) => Self::Failed { boot_rom, firmware },
        };
    }
}

/// The boot ROM's checks, and the firmware's of what the host prepared.
fn start(shared: &mut Shared, media: bool) -> Result<Tables, Failure> {
    let code_bytes = check_copy(shared, media)?;
    check_signature(shared, media, code_bytes)?;
    let invalid = (firmware::boot_rom::JUMP_PASSED, firmware::state::INIT_DATA_INVALID);
    let page = firmware::ADS_PAGE.of(parameter(shared, media, firmware::parameter::ADS));
    ads::read(&mut Memory::new(shared, media), page << 12).map_err(|_| invalid)
}

fn register(shared: &Shared, media: bool, offset: u32) -> u32 {
    shared.tiles.one().registers.peek(offset + if media { MEDIA_SHIFT } else { 0 })
}

/// A parameter of the start.
fn parameter(shared: &Shared, media: bool, number: usize) -> u32 {
    register(shared, media, registers::SOFT_SCRATCH + 4 + 4 * number as u32)
}

/// Whether the copy goes to the right place; bytes of code.
fn check_copy(shared: &mut Shared, media: bool) -> Result<u32, Failure> {
    let stored = |offset: u32| register(shared, media, offset);
    let (size, base) = (stored(registers::WOPCM_SIZE), stored(registers::WOPCM_OFFSET));
    let bytes = stored(registers::DMA_BYTES);
    let room = size & registers::WOPCM_SIZE_MASK.mask();
    let set_up = registers::WOPCM_SIZE_LOCKED.of(size) != 0 && registers::WOPCM_OFFSET_VALID.of(base) != 0;
    if !set_up || bytes.saturating_add(STACK_BYTES) > room {
        return Err((firmware::boot_rom::WOPCM_FAILED, 0));
    }
    let (from, to) = (stored(registers::DMA_SOURCE_HIGH), stored(registers::DMA_TARGET_HIGH));
    let spaces = (registers::DMA_SPACE.of(from), registers::DMA_SPACE.of(to));
    let right = spaces == (registers::DMA_SPACE_GGTT, registers::DMA_SPACE_WOPCM);
    if !right || stored(registers::DMA_TARGET_LOW) != firmware::LOAD_OFFSET || bytes <= firmware::HEADER_BYTES {
        return Err((firmware::boot_rom::LOCATION_FAILED, 0));
    }
    let source = stored(registers::DMA_SOURCE_LOW);
    let header: [u32; 10] =
        Memory::new(shared, media).dwords(source).map_err(|_| (firmware::boot_rom::LOCATION_FAILED, 0))?;
    // Engines sheet §12.3: lengths in dwords; what is not code is the header of 128 bytes and the parts of a key.
    let [total, whole, key, modulus, exponent] = lengths(&header);
    let parts = key.checked_add(modulus).and_then(|sum| sum.checked_add(exponent));
    let plain = parts.and_then(|parts| whole.checked_sub(parts));
    let code = total.checked_sub(whole).and_then(|code| code.checked_mul(4));
    let fits = plain == Some(firmware::HEADER_BYTES / 4) && code == Some(bytes - firmware::HEADER_BYTES);
    if fits { Ok(bytes - firmware::HEADER_BYTES) } else { Err((firmware::boot_rom::SIGNATURE_FAILED, 0)) }
}

fn lengths(header: &[u32; 10]) -> [u32; 5] {
    use firmware::header;
    let at = [
        header::TOTAL_LENGTH,
        header::HEADER_LENGTH,
        header::KEY_LENGTH,
        header::MODULUS_LENGTH,
        header::EXPONENT_LENGTH,
    ];
    at.map(|at| header.get(at).copied().unwrap_or(0))
}

/// The signature lies behind the code; the registers hold it, or its address. What it is worth is not looked at.
fn check_signature(shared: &mut Shared, media: bool, code_bytes: u32) -> Result<(), Failure> {
    let failed = (firmware::boot_rom::SIGNATURE_FAILED, 0);
    let source = register(shared, media, registers::DMA_SOURCE_LOW);
    let behind = source.checked_add(firmware::HEADER_BYTES).and_then(|code| code.checked_add(code_bytes));
    let behind = behind.ok_or(failed)?;
    let given: Vec<u32> =
        (0..SIGNATURE_DWORDS).map(|number| register(shared, media, registers::SIGNATURE + 4 * number)).collect();
    if given.first() == Some(&behind) {
        return Ok(());
    }
    let kept = Memory::new(shared, media).read_dwords(behind, SIGNATURE_DWORDS as usize).map_err(|_| failed)?;
    if kept == given { Ok(()) } else { Err(failed) }
}
