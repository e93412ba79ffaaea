//! What the protocol's crate says to its log: errors for people, and the version that a peer speaks.
//!
//! The crate answers every version with its own, 0.0, and tells nobody but the log what it was asked for. A peer of
//! another major version is sent away here, before it is answered.

use super::closing::Closing;
use core::sync::atomic::{AtomicBool, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::{Write as _, stderr};
use std::sync::Arc;

/// Major version of the protocol that is spoken.
const MAJOR: u32 = 0;
/// How the crate begins what it says about a peer's version.
const VERSION: &str = "Received client version: major = ";

/// Listens to the protocol's crate.
#[derive(Debug)]
pub struct ProtocolLog {
    closing: Arc<Closing>,
    greeted: Arc<AtomicBool>,
}

impl ProtocolLog {
    /// Listens from now on, once in a process. The flag is set when a peer has told its version.
    pub fn listen(closing: Arc<Closing>, greeted: Arc<AtomicBool>) {
        // In a process that has a log of its own nobody listens here, and nothing else changes.
        if log::set_boxed_logger(Box::new(Self { closing, greeted })).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    }
}

/// The major version in a message of the crate, if it is about that.
fn major(message: &str) -> Option<u32> {
    message.strip_prefix(VERSION)?.split_whitespace().next()?.parse().ok()
}

impl Log for ProtocolLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("vfio_user")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        if let Some(version) = major(&message) {
            self.greeted.store(true, Ordering::Release);
            if version != MAJOR {
                let why = format!("the peer speaks version {version} of vfio-user, this server version {MAJOR}");
                self.closing.end(&why, 1);
            }
        }
        if record.level() <= Level::Warn {
            let _ = writeln!(stderr(), "barexe: vfio-user: {message}");
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_the_crate_says() {
        assert_eq!(major("Received client version: major = 3 minor = 1 capabilities = x"), Some(3));
        assert_eq!(major("Connection closed"), None);
    }
}
