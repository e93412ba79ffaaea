//! The HAL over the protocol: a driver's core runs on the server as it would in a virtual machine.

use crate::ram::{BLOCK_BYTES, Ram};
use crate::server::{BAR0, CONFIG, Server, read32, write32};
use barexe_core::gt::IrqFlag;
use barexe_hal::{
    Clock, ConfigSpace, DmaBuffer, DmaMemory, DmaRequest, HalError, HalErrorKind, InterruptLine, Interrupted, Mmio,
    Nanos, RegOffset, UserPages,
};
use core::ops::Range;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Instant;
use vfio_bindings::bindings::vfio::{VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE};
use vfio_user::Client;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory as _};

const MSI: u32 = 1;
/// Where the MSI capability's control is, and its enable bit in that dword.
const MSI_CONTROL: u64 = 0xAC;
const MSI_ENABLE: u32 = 1 << 16;

/// How much slower the driver's clock goes than the wall's: on a machine with much other work the two processes get
/// their turns late, and the driver's limits of time are not what is tested here.
const SLOWNESS: u64 = 4;

/// A peer's end of the protocol, with memory, a clock and an interrupt.
pub(crate) struct VfioHal {
    pub(crate) client: Client,
    pub(crate) ram: Ram,
    /// The part of BAR 0 that may be mapped: its first byte, and the mapping.
    ggtt: Option<(u64, MmapRegion)>,
    irq: File,
    /// Where interrupts leave their mark.
    pub(crate) mark: Option<Arc<IrqFlag>>,
    pub(crate) interrupts: u64,
    start: Instant,
}

impl VfioHal {
    pub(crate) fn new(server: &Server) -> Self {
        let mut client = server.client();
        let ram = Ram::new();
        ram.map(&mut client);
        let ggtt = mapped_part(&client);
        let irq = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
        let start = Instant::now();
        Self { client, ram, ggtt, irq: File::from(irq), mark: None, interrupts: 0, start }
    }

    pub(crate) const fn maps_ggtt(&self) -> bool {
        self.ggtt.is_some()
    }

    /// Takes what messages there are.
    fn hear(&mut self) {
        let mut count = [0; 8];
        if self.irq.read_exact(&mut count).is_ok() {
            self.interrupts += u64::from_ne_bytes(count);
            if let Some(mark) = &self.mark {
                mark.handle().record();
            }
        }
    }

    /// Bytes of entries from an offset in BAR 0 on, as many as lie in the block.
    fn entry_bytes(reg: RegOffset, count: usize) -> usize {
        count.min(((16 << 20) - reg.get() as usize) / 8) * 8
    }
}

fn mapped_part(client: &Client) -> Option<(u64, MmapRegion)> {
    let region = client.region(BAR0)?;
    let (file, area) = (region.file_offset.as_ref()?, region.sparse_areas.first()?);
    let file = FileOffset::new(file.file().try_clone().unwrap(), file.start() + area.offset);
    Some((area.offset, MmapRegion::from_file(file, area.size as usize).unwrap()))
}

impl Mmio for VfioHal {
    fn read32(&mut self, reg: RegOffset) -> u32 {
        let mut bytes = [0xFF; 4];
        // A server that is gone is a device that is gone.
        let _ = self.client.region_read(BAR0, reg.get().into(), &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn write32(&mut self, reg: RegOffset, value: u32) {
        let _ = self.client.region_write(BAR0, reg.get().into(), &value.to_le_bytes());
    }

    fn read64_run(&mut self, reg: RegOffset, out: &mut [u64]) {
        let len = Self::entry_bytes(reg, out.len());
        let mut bytes = vec![0xFF; len];
        match &self.ggtt {
            Some((first, memory)) => {
                let at = (u64::from(reg.get()) - first) as usize;
                memory.get_slice(at, len).unwrap().copy_to(&mut bytes[..]);
            }
            None => drop(self.client.region_read(BAR0, reg.get().into(), &mut bytes)),
        }
        out.fill(u64::MAX);
        for (word, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }

    fn write64_steps(&mut self, reg: RegOffset, first: u64, step: u64, count: u32) {
        let len = Self::entry_bytes(reg, count as usize);
        let entries = (0u64..).map(|number| first.wrapping_add(step.wrapping_mul(number)).to_le_bytes());
        let bytes: Vec<u8> = entries.take(len / 8).flatten().collect();
        match &self.ggtt {
            Some((offset, memory)) => {
                let at = (u64::from(reg.get()) - offset) as usize;
                memory.get_slice(at, len).unwrap().copy_from(&bytes[..]);
            }
            // The protocol moves at most a megabyte at once.
            None => {
                for (at, piece) in (u64::from(reg.get())..).step_by(1 << 19).zip(bytes.chunks(1 << 19)) {
                    let _ = self.client.region_write(BAR0, at, piece);
                }
            }
        }
    }
}

impl DmaMemory for VfioHal {
    fn alloc(&mut self, request: DmaRequest) -> Result<DmaBuffer, HalError> {
        self.ram.alloc(&request)
    }

    fn free(&mut self, buffer: DmaBuffer) {
        self.ram.free(buffer);
    }

    fn max_block_bytes(&self) -> u64 {
        BLOCK_BYTES
    }

    // One memory, one cache hierarchy: the peers are processes of one machine.
    fn publish(&mut self, _: &DmaBuffer, _: Range<usize>) {}

    fn observe(&mut self, _: &DmaBuffer, _: Range<usize>) {}
}

impl ConfigSpace for VfioHal {
    fn config_read32(&mut self, offset_bytes: u16) -> Result<u32, HalError> {
        if !offset_bytes.is_multiple_of(4) || offset_bytes >= 4096 {
            return Err(HalErrorKind::BadRequest.into());
        }
        let mut bytes = [0; 4];
        let read = self.client.region_read(CONFIG, offset_bytes.into(), &mut bytes);
        read.map(|()| u32::from_le_bytes(bytes)).map_err(|_| HalErrorKind::DeviceGone.into())
    }

    fn config_write32(&mut self, offset_bytes: u16, value: u32) -> Result<(), HalError> {
        if !offset_bytes.is_multiple_of(4) || offset_bytes >= 4096 {
            return Err(HalErrorKind::BadRequest.into());
        }
        let written = self.client.region_write(CONFIG, offset_bytes.into(), &value.to_le_bytes());
        written.map_err(|_| HalErrorKind::DeviceGone.into())
    }
}

impl Clock for VfioHal {
    fn now(&mut self) -> Nanos {
        Nanos::new(self.start.elapsed().as_nanos() as u64 / SLOWNESS)
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        let left = until.saturating_sub(self.now()).get().min(1_000_000) * SLOWNESS;
        let limit = Timespec { tv_sec: 0, tv_nsec: left as _ };
        poll(&mut [PollFd::new(&self.irq, PollFlags::IN)], Some(&limit)).unwrap();
        self.hear();
        Ok(())
    }
}

impl InterruptLine for VfioHal {
    fn irq_enable(&mut self) -> Result<(), HalError> {
        let control = read32(&mut self.client, CONFIG, MSI_CONTROL);
        write32(&mut self.client, CONFIG, MSI_CONTROL, control | MSI_ENABLE);
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        let set = self.client.set_irqs(MSI, flags, 0, 1, &[self.irq.as_raw_fd()]);
        set.map_err(|_| HalErrorKind::DeviceGone.into())
    }

    fn irq_disable(&mut self) {
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        let _ = self.client.set_irqs(MSI, flags, 0, 0, &[]);
        let mut control = [0; 4];
        if self.client.region_read(CONFIG, MSI_CONTROL, &mut control).is_ok() {
            let control = u32::from_le_bytes(control) & !MSI_ENABLE;
            let _ = self.client.region_write(CONFIG, MSI_CONTROL, &control.to_le_bytes());
        }
        self.hear();
    }
}

impl UserPages for VfioHal {}
