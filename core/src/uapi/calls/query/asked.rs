//! Queries whose buffer says what is asked: it is read, filled in, and written back (bind-and-exec sheet §2.5, §3.13).

use super::{Reply, check_size};
use crate::Error;
use crate::device::Device;
use crate::device::request::EngineRef;
use crate::gt::{EngineClass, FirmwareLevels};
use crate::uapi::wire::client::SharedMemory;
use crate::uapi::wire::{Field, Zero, check_zero, read, write};
use crate::uapi::{Answer, DONE};
use barexe_hal::{ClientMemory, ClockKind, Hal};

/// Layout of `query_engine_cycles`.
mod cycles {
    use super::Field;

    pub(super) const LEN: usize = 40;
    pub(super) const CLASS: Field<u16> = Field::at(0);
    pub(super) const INSTANCE: Field<u16> = Field::at(2);
    pub(super) const GT_ID: Field<u16> = Field::at(4);
    pub(super) const CLOCK_ID: Field<u32> = Field::at(8);
    pub(super) const WIDTH: Field<u32> = Field::at(12);
    pub(super) const ENGINE_CYCLES: Field<u64> = Field::at(16);
    pub(super) const CPU_TIMESTAMP: Field<u64> = Field::at(24);
    pub(super) const CPU_DELTA: Field<u64> = Field::at(32);
}

/// Clock ids, as operating systems number them.
const CLOCKS: [(u32, ClockKind); 5] = [
    (0, ClockKind::Realtime),
    (1, ClockKind::Monotonic),
    (4, ClockKind::MonotonicRaw),
    (7, ClockKind::BootTime),
    (11, ClockKind::Tai),
];

/// Query 6. The device is the real one, never a part that a hypervisor has made up.
pub(super) fn engine_cycles<H: Hal>(
    device: &mut Device<'_, H>,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let Reply::To(data) = check_size(arg, cycles::LEN)? else { return DONE };
    let mut record: [u8; cycles::LEN] = SharedMemory::new(memory).read(Some(data.get()))?;
    let clock = clock(read(&record, cycles::CLOCK_ID))?;
    let (class, gt) = (read(&record, cycles::CLASS), read(&record, cycles::GT_ID));
    let class = EngineClass::from_client_code(class).ok_or(Error::invalid("engine class", u64::from(class)))?;
    let engine = EngineRef { class, instance: read(&record, cycles::INSTANCE), gt };
    let seen = device.engine_cycles(&engine, clock)?;
    write(&mut record, cycles::WIDTH, seen.width_bits);
    write(&mut record, cycles::ENGINE_CYCLES, seen.cycles);
    write(&mut record, cycles::CPU_TIMESTAMP, seen.cpu.get());
    write(&mut record, cycles::CPU_DELTA, seen.cpu_delta.get());
    memory.copy_out(data, &record)?;
    DONE
}

fn clock(id: u32) -> Result<ClockKind, Error> {
    let found = CLOCKS.iter().find(|(known, _)| *known == id);
    found.map(|(_, clock)| *clock).ok_or(Error::invalid("clock id", u64::from(id)))
}

/// Layout of `query_uc_fw_version`.
mod firmware {
    use super::{Field, Zero};

    pub(super) const LEN: usize = 32;
    pub(super) const TYPE: Field<u16> = Field::at(0);
    pub(super) const BRANCH: Field<u32> = Field::at(4);
    pub(super) const MAJOR: Field<u32> = Field::at(8);
    pub(super) const MINOR: Field<u32> = Field::at(12);
    pub(super) const PATCH: Field<u32> = Field::at(16);
    pub(super) const MUST_BE_ZERO: [Zero; 3] = [Zero::pad(2, 2), Zero::pad(20, 4), Zero::pad(24, 8)];

    pub(super) const SUBMISSION: u16 = 0;
    /// The one for media, HuC.
    pub(super) const MEDIA: u16 = 1;
}

/// Query 7: the levels of the interfaces that clients are offered. This core loads no firmware.
pub(super) fn firmware_version(
    offered: &FirmwareLevels,
    arg: &mut [u8],
    memory: &mut dyn ClientMemory,
) -> Result<Answer, Error> {
    let Reply::To(data) = check_size(arg, firmware::LEN)? else { return DONE };
    let mut record: [u8; firmware::LEN] = SharedMemory::new(memory).read(Some(data.get()))?;
    check_zero(&record, &firmware::MUST_BE_ZERO)?;
    let level = match read(&record, firmware::TYPE) {
        firmware::SUBMISSION => Some(offered.submission),
        firmware::MEDIA => offered.media,
        unknown => return Err(Error::invalid("firmware type", u64::from(unknown))),
    };
    let level = level.ok_or(Error::NoFacility { what: "firmware of that type" })?;
    write(&mut record, firmware::BRANCH, 0u32);
    write(&mut record, firmware::MAJOR, level.major);
    write(&mut record, firmware::MINOR, level.minor);
    write(&mut record, firmware::PATCH, level.patch);
    memory.copy_out(data, &record)?;
    DONE
}
