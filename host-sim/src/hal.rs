//! The driver's handle: every HAL trait, on the simulated device.

use crate::gpu::Gpu;
use crate::sim::{Inner, locked};
use barexe_hal::{
    Clock, ClockKind, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind, InterruptLine,
    Interrupted, Mmio, Nanos, PinRequest, PinnedRun, RegOffset, UserPages,
};
use core::ops::Range;
use std::sync::Arc;

/// Code that failures on demand carry.
pub const INJECTED: u32 = 0xFA17;
/// What the clock advances with each look, so that no polling loop stands still.
const LOOK_NS: u64 = 20;

/// When the simulated machine was started: the first second of 2026, by a calendar that knows no leap seconds.
const DAY_OF_START: Nanos = Nanos::new(1_767_225_600_000_000_000);

/// One handle of a simulated device. Cheap to clone; all clones are the same device.
#[derive(Clone, Debug)]
pub struct SimHal {
    inner: Arc<Inner>,
}

impl SimHal {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Does a call that can fail, unless it was chosen to.
    fn fallible<R>(
        &self,
        kind: HalErrorKind,
        work: impl FnOnce(&mut Gpu) -> Result<R, HalError>,
    ) -> Result<R, HalError> {
        self.inner.with(|gpu| {
            if let Some(kind) = gpu.shared.plan.call_failure(kind) {
                return Err(HalError::new(kind, INJECTED));
            }
            work(gpu)
        })
    }
}

impl Mmio for SimHal {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        self.inner.with(|gpu| {
            if reg.on_tile(0) >= RegOffset::GGTT_BASE {
                gpu.shared.violation(format!("32-bit read of GGTT entry at {:#x}", reg.get()));
            }
            gpu.read32(reg.get())
        })
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        self.inner.with(|gpu| {
            if reg.on_tile(0) >= RegOffset::GGTT_BASE {
                gpu.shared.violation(format!("32-bit write of GGTT entry at {:#x}", reg.get()));
                return;
            }
            gpu.write32(reg.get(), value);
        });
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        self.inner.with(|gpu| gpu.read64_run(reg.get(), out));
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        self.inner.with(|gpu| gpu.write64_steps(reg.get(), first, step, count));
    }
}

impl DmaMemory for SimHal {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.fallible(HalErrorKind::NoMemory, |gpu| gpu.shared.memory.alloc(&request))
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.inner.with(|gpu| {
            if let Err(text) = gpu.shared.memory.free(buffer) {
                gpu.shared.violation(text);
            }
        });
    }

    fn max_block_bytes(&self) -> u64 {
        self.inner.with(|gpu| gpu.shared.memory.max_block_bytes())
    }

    fn publish(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.inner.with(|gpu| {
            gpu.shared.trace_publish(buffer.bus().get().saturating_add(range.start as u64), range.len() as u64);
            if let Err(text) = gpu.shared.memory.publish(buffer, range) {
                gpu.shared.violation(text);
            }
        });
    }

    fn observe(&mut self, buffer: &DmaBuffer, range: Range<usize>) {
        self.inner.with(|gpu| {
            if let Err(text) = gpu.shared.memory.observe(buffer, range) {
                gpu.shared.violation(text);
            }
        });
    }
}

impl ConfigSpace for SimHal {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        self.fallible(HalErrorKind::DeviceGone, |gpu| {
            gpu.shared.plan.config_read(offset_bytes).map_or_else(|| gpu.shared.config.read(offset_bytes), Ok)
        })
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        self.fallible(HalErrorKind::DeviceGone, |gpu| gpu.shared.config.write(offset_bytes, value))
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

impl Clock for SimHal {
    fn now(&mut self) -> Nanos {
        self.inner.with(|gpu| {
            gpu.shared.time_ns = gpu.shared.time_ns.saturating_add(LOOK_NS);
            gpu.settle();
            Nanos::new(gpu.shared.time_ns)
        })
    }

    fn now_by(&mut self, clock: ClockKind) -> Nanos {
        match clock {
            ClockKind::Monotonic | ClockKind::MonotonicRaw | ClockKind::BootTime => self.now(),
            ClockKind::Realtime | ClockKind::Tai => self.now().saturating_add(DAY_OF_START),
        }
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        {
            let mut left = locked(&self.inner.interrupt_relax);
            if *left > 0 {
                *left -= 1;
                return Err(Interrupted);
            }
        }
        let commands = self.inner.relax_commands;
        self.inner.with(|gpu| {
            if gpu.shared.plan.call_failure(HalErrorKind::Interrupted).is_some() {
                return Err(Interrupted);
            }
            gpu.relax(until.get(), commands);
            Ok(())
        })
    }
}

impl UserPages for SimHal {
    fn has_user_pages(&self) -> bool {
        true
    }

    fn pin(&mut self, request: PinRequest) -> Result<PinnedRun, HalError> {
        self.fallible(HalErrorKind::NoMemory, |gpu| gpu.shared.user.pin(&request))
    }

    fn unpin(&mut self, run: PinnedRun) {
        self.inner.with(|gpu| {
            if let Err(text) = gpu.shared.user.unpin(&run) {
                gpu.shared.violation(text);
            }
        });
    }
}

impl InterruptLine for SimHal {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        self.fallible(HalErrorKind::Unsupported, |gpu| {
            gpu.shared.irq_line = true;
            Ok(())
        })
    }

    fn irq_disable(&mut self) {
        self.inner.with(|gpu| gpu.shared.irq_line = false);
    }
}
