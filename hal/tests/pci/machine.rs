//! A machine around the bus: registers in memory, DMA memory, time.
#![expect(unsafe_code, reason = "stands in for what an embedder promises")]

use crate::bus::{Bus, GPU, gpu};
use barexe_hal::arena::{Arena, Page};
use barexe_hal::pci::{Interrupts, MapPhysical, MsiMessage, OpenError, Parts, PciDevice, PciError};
use barexe_hal::{BusAddr, Clock, Interrupted, Nanos};
use core::ptr::NonNull;

/// Maps each piece that is asked for to memory of its own, and wants it back.
#[derive(Debug, Default)]
pub(crate) struct Mapper {
    pub(crate) refuses: bool,
    pub(crate) live: Vec<(u64, NonNull<[u64]>)>,
    pub(crate) given: usize,
}

// SAFETY: each mapping is an allocation of its own, page-aligned enough for registers (8 bytes), that lives until it is
// unmapped or the mapper is gone.
unsafe impl MapPhysical for Mapper {
    fn map(&mut self, address: u64, len_bytes: u64) -> Result<NonNull<u8>, PciError> {
        if self.refuses {
            return Err(PciError::NotMapped { address, len_bytes });
        }
        let words = vec![0u64; usize::try_from(len_bytes / 8).unwrap()].into_boxed_slice();
        let memory = NonNull::from(Box::leak(words));
        self.live.push((address, memory));
        self.given += 1;
        Ok(memory.cast())
    }

    fn unmap(&mut self, at: NonNull<u8>, len_bytes: u64) {
        let found = self.live.iter().position(|(_, memory)| memory.cast() == at).expect("mapped");
        let (_, memory) = self.live.swap_remove(found);
        assert_eq!(u64::try_from(memory.len() * 8).unwrap(), len_bytes);
        // SAFETY: `map` leaked exactly this allocation, and it is taken back once.
        drop(unsafe { Box::from_raw(memory.as_ptr()) });
    }
}

impl Drop for Mapper {
    fn drop(&mut self) {
        assert!(self.live.is_empty() || std::thread::panicking(), "still mapped");
    }
}

/// A clock that moves when it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Stepping(u64);

impl Clock for Stepping {
    fn now(&mut self) -> Nanos {
        self.0 += 50;
        Nanos::new(self.0)
    }

    fn relax(&mut self, until: Nanos) -> Result<(), Interrupted> {
        self.0 = self.0.max(until.get());
        Ok(())
    }
}

pub(crate) type TestParts = Parts<Bus, Mapper, Arena<2>, Stepping>;
pub(crate) type Device = PciDevice<Bus, Mapper, Arena<2>, Stepping>;

pub(crate) const MESSAGE: Interrupts = Interrupts::Message(MsiMessage { address: 0xFEE0_0000, data: 0x40 });

pub(crate) fn parts(bus: Bus) -> TestParts {
    let pages = Box::leak(Box::new([Page::ZERO; 128]));
    let memory = Arena::new(pages, BusAddr::new(0x10_0000).unwrap());
    Parts { access: bus, map: Mapper::default(), memory, clock: Stepping::default() }
}

#[expect(clippy::result_large_err, reason = "gives back what the test looks at")]
pub(crate) fn open(bus: Bus, interrupts: Interrupts) -> Result<Device, OpenError<Bus, Mapper, Arena<2>, Stepping>> {
    PciDevice::open(parts(bus), GPU, interrupts)
}

/// The GPU as firmware leaves it, taken over.
pub(crate) fn opened(interrupts: Interrupts) -> Device {
    open(Bus::with(gpu()), interrupts).map_err(|refused| refused.error).unwrap()
}
