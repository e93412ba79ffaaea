//! Stores of device and driver, as they are made.
#![expect(unsafe_code, reason = "the memory of buffers is the arena's, and is handed on")]

use super::Recorder;
use crate::process::Process;
use barexe_hal::{ClientAddr, ClientFault, ClientMemory};
use barexe_sim::{Author, BufferSource, StoreWatch, Stored};
use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::Arc;

impl StoreWatch for Recorder {
    fn stored(&self, place: Stored, bytes: &[u8], author: Author) {
        let Some(mut book) = self.book() else { return };
        let book = &mut *book;
        let (known, at) = match place {
            Stored::Buffer(at) => match self.arena.offset_of(at.as_ptr()) {
                Some(at) => (&mut book.arena, at),
                None => return,
            },
            Stored::Client(space, at) if space == book.process.space() => (&mut book.client, at),
            Stored::Client(..) => return,
        };
        match book.jobs.authors(author) {
            Some(authors) => known.store(at, bytes, &authors),
            None => known.write(at, bytes),
        }
    }
}

/// The arena, of which the recorder hears when memory goes back to it.
#[derive(Debug)]
pub(crate) struct Noted(pub(crate) Arc<Recorder>);

// SAFETY: the arena's own promise; what is noted beside changes nothing of it.
unsafe impl BufferSource for Noted {
    fn alloc(&self, layout: Layout) -> Option<NonNull<u64>> {
        self.0.arena.alloc(layout)
    }

    fn free(&self, start: NonNull<u64>, layout: Layout) {
        let at = self.0.arena.offset_of(start.as_ptr().cast());
        if let (Some(mut book), Some(at)) = (self.0.book(), at) {
            book.arena.forget(at..at.saturating_add(layout.size() as u64));
        }
        self.0.arena.free(start, layout);
    }
}

/// Memory of a client's process, of which the recorder hears what the driver writes to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched<'r> {
    pub(crate) process: Process,
    pub(crate) recorder: Option<&'r Recorder>,
}

impl ClientMemory for Watched<'_> {
    fn copy_in(&mut self, addr: ClientAddr, into: &mut [u8]) -> Result<(), ClientFault> {
        self.process.copy_in(addr, into)
    }

    fn copy_out(&mut self, addr: ClientAddr, from: &[u8]) -> Result<(), ClientFault> {
        self.process.copy_out(addr, from)?;
        if let Some(mut book) = self.recorder.and_then(Recorder::book) {
            book.driver_wrote(addr.get(), from);
        }
        Ok(())
    }
}
