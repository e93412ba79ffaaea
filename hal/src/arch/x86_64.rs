//! 64-bit x86: caches, counter, ports, interrupt messages.
#![expect(unsafe_code, reason = "ports, caches and the counter are reached by instructions only")]

use crate::num::low32;
use crate::pci::{ConfigAccess, Function, MsiMessage, PciError};
use core::arch::asm;
use core::num::NonZeroU64;

/// What `arch` has for every processor.
#[cfg(not(miri))]
pub(crate) mod this {
    use crate::DmaBuffer;
    use core::arch::asm;
    use core::arch::x86_64::{_mm_mfence, _rdtsc};
    use core::num::NonZeroU64;
    use core::ops::Range;
    use volatile_register::RW;

    /// Bytes of a cache line on every processor these GPUs come with.
    const LINE_BYTES: usize = 64;

    #[inline]
    pub(crate) fn read32(cell: &RW<u32>) -> u32 {
        cell.read()
    }

    #[inline]
    pub(crate) fn read64(cell: &RW<u64>) -> u64 {
        cell.read()
    }

    #[inline]
    pub(crate) fn write32(cell: &RW<u32>, value: u32) {
        // SAFETY: the write has no memory-safety effect on this program; its meaning is the driver's business.
        unsafe { cell.write(value) }
    }

    #[inline]
    pub(crate) fn write64(cell: &RW<u64>, value: u64) {
        // SAFETY: as in `write32`.
        unsafe { cell.write(value) }
    }

    /// Writes the lines of `range` back and drops them. Right for devices that snoop and for those that do not.
    pub(crate) fn flush(buffer: &DmaBuffer, range: Range<usize>) {
        // Ordering: the stores before, and the load that saw the device's answer, come before the lines are written
        // back; partner is the device.
        barrier();
        let end = range.end.min(buffer.len_bytes());
        let mut offset = range.start & !(LINE_BYTES - 1);
        while offset < end {
            let line = buffer.cpu_ptr().as_ptr().wrapping_add(offset);
            // SAFETY: the line lies in the buffer, which is mapped as long as it lives; flushing a line changes no value
            // that this program sees.
            unsafe { asm!("clflush [{line}]", line = in(reg) line, options(nostack, preserves_flags)) }
            offset = offset.saturating_add(LINE_BYTES);
        }
        // Ordering: the flush is over before the register write that tells the device, and before the next load; partner
        // is the device.
        barrier();
    }

    fn barrier() {
        // SAFETY: every 64-bit processor has the instruction; it touches no memory.
        unsafe { _mm_mfence() }
    }

    #[inline]
    pub(crate) fn prefetch(addr: *const u8) {
        // SAFETY: the instruction reads nothing the program can see and does not fault, whatever the address.
        unsafe { asm!("prefetcht0 [{}]", in(reg) addr, options(nostack, preserves_flags, readonly)) }
    }

    /// The time-stamp counter.
    pub(crate) const HAS_COUNTER: bool = true;

    pub(crate) fn ticks() -> u64 {
        // SAFETY: every 64-bit processor has the counter; reading it touches no memory.
        unsafe { _rdtsc() }
    }

    pub(crate) fn ticks_hz() -> Option<NonZeroU64> {
        super::said_hz()
    }
}

/// Leaf that gives the highest leaf.
const LEAF_HIGHEST: u32 = 0;
/// Leaf with the counter's ratio to its crystal, and the crystal's frequency.
const LEAF_COUNTER: u32 = 0x15;
/// Leaf with the base frequency in MHz: the counter's, to within a percent.
const LEAF_FREQUENCY: u32 = 0x16;

/// The counter's frequency, if the processor says it.
fn said_hz() -> Option<NonZeroU64> {
    let [highest, ..] = cpuid(LEAF_HIGHEST);
    let leaf = |number| if number <= highest { cpuid(number) } else { [0; 4] };
    hz_of_ratio(leaf(LEAF_COUNTER)).or_else(|| hz_of_base(leaf(LEAF_FREQUENCY)))
}

/// Leaf 0x15: crystal frequency times numerator over denominator. `None` where the processor leaves one of them out.
fn hz_of_ratio([denominator, numerator, crystal_hz, _]: [u32; 4]) -> Option<NonZeroU64> {
    let product = u64::from(crystal_hz).checked_mul(u64::from(numerator))?;
    NonZeroU64::new(product.checked_div(u64::from(denominator))?)
}

/// Leaf 0x16: megahertz in the lower half of the first register.
fn hz_of_base([megahertz, ..]: [u32; 4]) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::from(megahertz & 0xFFFF).saturating_mul(1_000_000))
}

/// Registers a, b, c, d of a leaf, sub-leaf 0.
fn cpuid(leaf: u32) -> [u32; 4] {
    let (a, b, c, d): (u32, u64, u32, u32);
    // SAFETY: every 64-bit processor has the instruction; it touches no memory. The compiler keeps `rbx` for itself,
    // so it is put back.
    unsafe {
        asm!(
            "mov {b:r}, rbx",
            "cpuid",
            "xchg {b:r}, rbx",
            b = out(reg) b,
            inout("eax") leaf => a,
            inout("ecx") 0 => c,
            out("edx") d,
            options(nomem, nostack, preserves_flags),
        );
    }
    [a, low32(b), c, d]
}

/// Port instructions. They touch no memory of the program; what the ports do is the caller's business.
mod port {
    use core::arch::asm;

    pub(super) unsafe fn read32(port: u16) -> u32 {
        let value;
        // SAFETY: the caller may use the port.
        unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags)) }
        value
    }

    pub(super) unsafe fn write32(port: u16, value: u32) {
        // SAFETY: the caller may use the port.
        unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) }
    }

    pub(super) unsafe fn read8(port: u16) -> u8 {
        let value;
        // SAFETY: the caller may use the port.
        unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) }
        value
    }

    pub(super) unsafe fn write8(port: u16, value: u8) {
        // SAFETY: the caller may use the port.
        unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) }
    }
}

const ADDRESS_PORT: u16 = 0xCF8;
const DATA_PORT: u16 = 0xCFC;
/// Bytes of configuration space that the ports reach.
const REACH_BYTES: u16 = 256;
const ENABLE: u32 = 1 << 31;

/// Configuration space through an address port and a data port: mechanism 1.
///
/// It reaches segment 0 and the first 256 bytes of each function, which is all that this crate needs.
#[derive(Debug)]
pub struct ConfigPorts(());

impl ConfigPorts {
    /// Takes the two ports.
    ///
    /// # Safety
    /// As long as the value lives, the program may use port instructions (ring 0, or the I/O privilege), and nothing else
    /// uses ports 0xCF8 to 0xCFF between two instructions of this one.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    fn select(function: Function, offset_bytes: u16) -> Result<(), PciError> {
        let word = address_word(function, offset_bytes)?;
        // SAFETY: `new` promises the port.
        unsafe { port::write32(ADDRESS_PORT, word) }
        Ok(())
    }
}

/// What the address port takes: bus in 23:16, device in 15:11, function in 10:8, dword in 7:2.
fn address_word(function: Function, offset_bytes: u16) -> Result<u32, PciError> {
    PciError::check_offset(offset_bytes)?;
    if offset_bytes >= REACH_BYTES || function.segment() != 0 {
        return Err(PciError::OutOfReach { function, offset_bytes });
    }
    Ok(ENABLE | u32::from(function.requester()) << 8 | u32::from(offset_bytes))
}

impl ConfigAccess for ConfigPorts {
    fn read32(&mut self, function: Function, offset_bytes: u16) -> Result<u32, PciError> {
        Self::select(function, offset_bytes)?;
        // SAFETY: `new` promises the port.
        Ok(unsafe { port::read32(DATA_PORT) })
    }

    fn write32(&mut self, function: Function, offset_bytes: u16, value: u32) -> Result<(), PciError> {
        Self::select(function, offset_bytes)?;
        // SAFETY: `new` promises the port.
        unsafe { port::write32(DATA_PORT, value) }
        Ok(())
    }
}

/// The interrupt message that raises `vector` at the processor with this local APIC id: fixed delivery, edge, physical
/// destination.
///
/// ```
/// # #[cfg(target_arch = "x86_64")] {
/// let message = barexe_hal::arch::x86_64::msi_message(1, 0x40);
/// assert_eq!((message.address, message.data), (0xFEE0_1000, 0x40));
/// # }
/// ```
#[must_use]
pub const fn msi_message(apic_id: u8, vector: u8) -> MsiMessage {
    // Lossless both.
    MsiMessage { address: 0xFEE0_0000 | (apic_id as u64) << 12, data: vector as u16 }
}

/// Frequency of the interval timer.
const PIT_HZ: u64 = 1_193_182;
/// Counts of a measurement: ten milliseconds.
const PIT_COUNTS: u16 = 11_932;
/// Count of channel 2, the one that is heard and not seen.
const PIT_CHANNEL2: u16 = 0x42;
const PIT_MODE: u16 = 0x43;
/// Channel 2, low byte then high byte, mode 0: it counts down, and its output rises the first time it comes to zero.
const CHANNEL2_COUNTS_DOWN: u8 = 0xB0;
/// The count of channel 2 stands still until it is read.
const CHANNEL2_LATCH: u8 = 0x80;
/// Gate of channel 2 in bit 0, speaker in bit 1, masks of error signals in 3:2, output of channel 2 in bit 5.
const SYSTEM_CONTROL: u16 = 0x61;
const CAN_BE_WRITTEN: u8 = 0xF;
const GATE: u8 = 1;
const SPEAKER: u8 = 2;
const OUTPUT: u8 = 1 << 5;
/// Looks at the timer before it counts as missing: each takes from a microsecond (emulated) to twenty.
const PIT_LOOKS: u32 = 100_000;
/// Measurements that are begun before giving up on a machine that is busy with something else.
const PIT_TRIES: u32 = 5;

/// Measures the time-stamp counter against the interval timer, for ten milliseconds.
///
/// For processors that do not say how fast their counter runs: emulated ones, and those before 2015. `None` if there is
/// no timer that counts. Both counters are read close together, so that a pause of the whole processor, as virtual ones
/// make, does not count. Channel 2 is used, which drives the speaker; its gate is put back, a tone is not.
///
/// # Safety
/// The program may use port instructions (ring 0, or the I/O privilege), and nothing else uses ports 0x42, 0x43 and 0x61
/// meanwhile.
#[must_use]
pub unsafe fn measure_counter_hz() -> Option<NonZeroU64> {
    // SAFETY: the caller promises the port.
    let control = unsafe { port::read8(SYSTEM_CONTROL) } & CAN_BE_WRITTEN;
    let mut hz = None;
    for _ in 0..PIT_TRIES {
        // SAFETY: the caller promises the ports.
        match unsafe { measure_once(control & !(GATE | SPEAKER)) } {
            Measured::Missed => {}
            Measured::Ended(found) => {
                hz = found;
                break;
            }
        }
    }
    // SAFETY: the caller promises the port.
    unsafe { port::write8(SYSTEM_CONTROL, control) }
    hz
}

/// How a measurement went.
enum Measured {
    /// The timer came to zero unseen: the processor was away for too long.
    Missed,
    /// There is a result, or a timer that does not count.
    Ended(Option<NonZeroU64>),
}

/// One measurement, with `masks` kept in the control port.
///
/// # Safety
/// As [`measure_counter_hz`].
unsafe fn measure_once(masks: u8) -> Measured {
    let [low, high] = u16::MAX.to_le_bytes();
    let start = [
        (SYSTEM_CONTROL, masks),
        (PIT_MODE, CHANNEL2_COUNTS_DOWN),
        (PIT_CHANNEL2, low),
        (PIT_CHANNEL2, high),
        (SYSTEM_CONTROL, masks | GATE),
    ];
    for (port, value) in start {
        // SAFETY: the caller promises the ports.
        unsafe { port::write8(port, value) }
    }
    // SAFETY: the caller promises the ports, here and below.
    let first = unsafe { read_both() };
    let last = (0..PIT_LOOKS).find_map(|_| {
        // SAFETY: see above.
        let now = unsafe { read_both() };
        (first.count.wrapping_sub(now.count) >= PIT_COUNTS).then_some(now)
    });
    // SAFETY: see above.
    let came_to_zero = unsafe { port::read8(SYSTEM_CONTROL) } & OUTPUT != 0;
    if came_to_zero { Measured::Missed } else { Measured::Ended(last.and_then(|last| hz_of_readings(first, last))) }
}

/// Both counters at one time.
#[derive(Clone, Copy)]
struct Reading {
    ticks: u64,
    count: u16,
}

/// Reads both counters three times and takes the time when least passed in between.
///
/// # Safety
/// As [`measure_counter_hz`].
unsafe fn read_both() -> Reading {
    let mut best = (u64::MAX, Reading { ticks: 0, count: 0 });
    for _ in 0..3 {
        let before = super::ticks();
        // SAFETY: the caller promises the ports, here and below.
        unsafe { port::write8(PIT_MODE, CHANNEL2_LATCH) }
        let ticks = super::ticks();
        // SAFETY: see above.
        let low = unsafe { port::read8(PIT_CHANNEL2) };
        // SAFETY: see above.
        let high = unsafe { port::read8(PIT_CHANNEL2) };
        let apart = ticks.saturating_sub(before);
        if apart < best.0 {
            best = (apart, Reading { ticks, count: u16::from_le_bytes([low, high]) });
        }
    }
    best.1
}

fn hz_of_readings(first: Reading, last: Reading) -> Option<NonZeroU64> {
    let ticks = last.ticks.checked_sub(first.ticks)?;
    let counts = u64::from(first.count.wrapping_sub(last.count));
    NonZeroU64::new(ticks.checked_mul(PIT_HZ)?.checked_div(counts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequency_is_the_crystals_times_the_ratio() {
        // A Tiger Lake part: 38.4 MHz, 188 / 2.
        assert_eq!(hz_of_ratio([2, 188, 38_400_000, 0]).map(NonZeroU64::get), Some(3_609_600_000));
        for missing in [[0, 188, 38_400_000, 0], [2, 0, 38_400_000, 0], [2, 188, 0, 0]] {
            assert_eq!(hz_of_ratio(missing), None);
        }
        assert_eq!(hz_of_base([0xFFFF_0000 | 2_800, 0, 0, 0]).map(NonZeroU64::get), Some(2_800_000_000));
        assert_eq!(hz_of_base([0; 4]), None);
    }

    #[test]
    fn a_measurement_gives_ticks_by_counts() {
        let hz = |first: (u64, u16), last: (u64, u16)| {
            let reading = |(ticks, count)| Reading { ticks, count };
            hz_of_readings(reading(first), reading(last)).map(NonZeroU64::get)
        };
        let ten_ms = hz((1_000, 0xFFF0), (24_001_000, 0xFFF0 - 11_932)).unwrap();
        assert!(ten_ms.abs_diff(2_400_000_000) < 100_000, "{ten_ms}");
        assert_eq!(hz((0, 100), (2_000, 100 - 20)), Some(100 * PIT_HZ));
        for nothing in
            [hz((5, 100), (5, 50)), hz((5, 100), (50, 100)), hz((50, 100), (5, 50)), hz((0, 2), (u64::MAX, 1))]
        {
            assert_eq!(nothing, None);
        }
    }

    #[test]
    fn the_address_port_takes_bus_device_function_and_dword() {
        let function = |segment| Function::new(segment, 0xAB, 0x1F, 7).unwrap();
        assert_eq!(address_word(function(0), 0xFC), Ok(0x80AB_FFFC));
        assert_eq!(address_word(Function::INTEGRATED_GPU, 4), Ok(0x8000_1004));
        let beyond = PciError::OutOfReach { function: function(0), offset_bytes: 256 };
        assert_eq!(address_word(function(0), 256), Err(beyond));
        let elsewhere = PciError::OutOfReach { function: function(1), offset_bytes: 0 };
        assert_eq!(address_word(function(1), 0), Err(elsewhere));
        assert_eq!(address_word(function(0), 2), Err(PciError::BadOffset { offset_bytes: 2 }));
    }

    #[cfg(not(miri))]
    #[test]
    fn the_counter_counts() {
        let before = super::super::ticks();
        assert!(super::super::ticks() >= before);
        assert_ne!(cpuid(LEAF_HIGHEST)[1], 0, "the vendor's name begins there");
    }
}
