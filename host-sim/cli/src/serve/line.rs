//! The interrupt message's way to the peer: an eventfd that it handed over.

use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// Where messages go.
#[derive(Debug, Default)]
pub struct MessageLine {
    to: Mutex<Option<File>>,
    delivered: AtomicU64,
    /// Messages while the peer listened to none.
    unheard: AtomicU64,
}

impl MessageLine {
    /// Sends messages to an eventfd from now on, or nowhere.
    pub fn connect(&self, to: Option<File>) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Sends so many messages. From any thread.
    pub fn send(&self, messages: u32) {
        for _ in 0..messages {
            let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = to.as_ref().is_some_and(|mut file| file.write_all(&1u64.to_ne_bytes()).is_ok());
            let counter = if sent { &self.delivered } else { &self.unheard };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages that were delivered, and messages that nobody listened to.
    pub fn counts(&self) -> (u64, u64) {
        (self.delivered.load(Ordering::Relaxed), self.unheard.load(Ordering::Relaxed))
    }
}
