//! The simulated GPU in wall time: its clock is the machine's.
#![expect(unsafe_code, reason = "the machine's clocks are asked")]

use barexe_hal::{
    Clock, ClockKind, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, InterruptLine, Interrupted, Mmio, Nanos,
    PinRequest, PinnedRun, RegOffset, UserPages,
};
use barexe_sim::{Sim, SimHal};
use core::ops::Range;
use core::time::Duration;

/// What a clock of the machine says.
fn clock(which: libc::clockid_t) -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is there to be written.
    unsafe { libc::clock_gettime(which, &raw mut time) };
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    Nanos::new(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// The monotonic clock, by which clients give their deadlines.
#[must_use]
pub fn now() -> Nanos {
    clock(libc::CLOCK_MONOTONIC)
}

/// Commands that the engines execute at most while somebody waits in the driver.
const COMMANDS: u64 = 1000;
/// Longest sleep of such a wait.
const NAP: Duration = Duration::from_micros(20);

/// A handle of the simulated device, whose clock follows the machine's.
#[derive(Clone, Debug)]
pub struct WallHal {
    sim: Sim,
    hal: SimHal,
}

impl WallHal {
    /// The device as a driver has it.
    #[must_use]
    pub fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), hal: sim.hal() }
    }
}

impl Clock for WallHal {
    fn now(&mut self) -> Nanos {
        let now = now();
        self.sim.advance_to(now);
        now
    }

    fn now_by(&mut self, kind: ClockKind) -> Nanos {
        match kind {
            ClockKind::Monotonic => self.now(),
            ClockKind::MonotonicRaw => clock(libc::CLOCK_MONOTONIC_RAW),
            ClockKind::BootTime => clock(libc::CLOCK_BOOTTIME),
            ClockKind::Realtime => clock(libc::CLOCK_REALTIME),
            ClockKind::Tai => clock(libc::CLOCK_TAI),
        }
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        let now = self.now();
        if self.sim.run(COMMANDS).idle {
            std::thread::sleep(NAP.min(Duration::from_nanos(until.saturating_sub(now).get())));
        }
        Ok(())
    }
}

impl Mmio for WallHal {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.hal.read32(reg)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        self.hal.write32(reg, value);
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.hal.read64_run(reg, out);
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.hal.write64_steps(reg, first, step, count);
    }
}

impl DmaMemory for WallHal {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.hal.alloc(request)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.hal.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        self.hal.max_block_bytes()
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.hal.publish(buffer, range);
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.hal.observe(buffer, range);
    }
}

impl ConfigSpace for WallHal {
    fn is_simulated(&self) -> bool {
        true
    }

    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        self.hal.config_read32(offset_bytes)
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        self.hal.config_write32(offset_bytes, value)
    }
}

impl InterruptLine for WallHal {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        self.hal.irq_enable()
    }

    fn irq_disable(&mut self) {
        self.hal.irq_disable();
    }
}

impl UserPages for WallHal {
    fn has_user_pages(&self) -> bool {
        self.hal.has_user_pages()
    }

    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        self.hal.pin(request)
    }

    fn unpin(&mut self, run: PinnedRun) {
        self.hal.unpin(run);
    }
}
