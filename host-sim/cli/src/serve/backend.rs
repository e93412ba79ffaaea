//! What the protocol asks of the device.

use super::guest_memory::{Protection, SharedFile, is_sealed};
use super::line::MessageLine;
use super::pace::WallClock;
use super::regions::{BAR0, CONFIG, MSI};
use barexe_hal::Nanos;
use barexe_sim::{Backing, Mapping, PciFunction, Reaction};
use core::time::Duration;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::{self, Thread};
use vfio_bindings::bindings::vfio::{VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend};

/// What a peer did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads of regions.
    pub reads: u64,
    /// Writes to regions.
    pub writes: u64,
    /// Resets of the device.
    pub resets: u64,
    /// Ranges of memory mapped.
    pub mappings: u64,
}

/// The device, as a peer of the protocol reaches it.
#[derive(Debug)]
pub struct Backend {
    function: PciFunction,
    clock: WallClock,
    line: Arc<MessageLine>,
    engines: Option<Thread>,
    counts: Counts,
    /// Only memory that the peer cannot shrink is taken.
    sealed: bool,
}

impl Backend {
    /// The device `function`, whose engines execute in the thread `engines`.
    #[must_use]
    pub const fn new(function: PciFunction, clock: WallClock, line: Arc<MessageLine>, engines: Option<Thread>) -> Self {
        let counts = Counts { reads: 0, writes: 0, resets: 0, mappings: 0 };
        Self { function, clock, line, engines, counts, sealed: false }
    }

    /// The same, which takes only memory that the peer cannot shrink, if `sealed`.
    #[must_use]
    pub const fn with_sealed(mut self, sealed: bool) -> Self {
        self.sealed = sealed;
        self
    }

    /// What the peer did so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Forgets the peer: its memory, its interrupts, and what it did to the device.
    pub fn part(&mut self) {
        self.line.connect(None);
        self.function.unmap_all();
        let _ = self.function.reset(self.clock.now());
        self.counts = Counts::default();
    }

    fn react(&self, reaction: Reaction) {
        self.line.send(reaction.messages);
        if reaction.stirred
            && let Some(engines) = &self.engines
        {
            engines.unpark();
        }
        if reaction.late > Nanos::ZERO {
            thread::sleep(Duration::from_nanos(reaction.late.get()));
        }
    }

    fn map_file(
        &self,
        protection: Protection,
        offset_bytes: u64,
        len_bytes: u64,
        file: File,
    ) -> io::Result<Box<dyn Backing>> {
        let len = usize::try_from(len_bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        if self.sealed && !is_sealed(&file) {
            let text = "memory that the peer can shrink: it needs a memfd with F_SEAL_SHRINK";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let mapped = SharedFile::new(file, offset_bytes, len, protection)?;
        Ok(Box::new(mapped))
    }
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.counts.reads += 1;
        let now = self.clock.now();
        match region {
            BAR0 => self.react(self.function.bar_read(now, offset, data)),
            CONFIG => self.react(self.function.config_read(now, offset, data)),
            // A ROM, and whatever else is not there.
            _ => data.fill(0),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        self.counts.writes += 1;
        let now = self.clock.now();
        match region {
            BAR0 => self.react(self.function.bar_write(now, offset, data)),
            CONFIG => self.react(self.function.config_write(now, offset, data)),
            _ => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let protection =
            Protection { read: flags.contains(DmaMapFlags::READ), write: flags.contains(DmaMapFlags::WRITE) };
        // Without a file the protocol would move the bytes in messages, which this device cannot ask for.
        let backing = fd.map(|file| self.map_file(protection, offset, size, file)).transpose()?;
        let Protection { read: readable, write: writable } = protection;
        let mapping = Mapping { addr: address, len_bytes: size, readable, writable, backing };
        self.counts.mappings += 1;
        self.function.map(self.clock.now(), mapping).map_err(io::Error::other)
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
            self.function.unmap_all();
            return Ok(());
        }
        self.function.unmap(self.clock.now(), address, size).map_err(io::Error::other)
    }

    fn reset(&mut self) -> io::Result<()> {
        self.counts.resets += 1;
        self.react(self.function.reset(self.clock.now()));
        Ok(())
    }

    fn set_irqs(&mut self, index: u32, flags: u32, start: u32, count: u32, fds: Vec<File>) -> io::Result<()> {
        if index != MSI || flags & VFIO_IRQ_SET_ACTION_TRIGGER == 0 || start != 0 || count > 1 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if flags & VFIO_IRQ_SET_DATA_NONE != 0 && count == 1 {
            // The peer rings by itself.
            self.line.send(1);
        } else if flags & (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_DATA_NONE) != 0 {
            self.line.connect(fds.into_iter().next());
        }
        Ok(())
    }
}
