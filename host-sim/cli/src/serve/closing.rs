//! The end of a server: the trace is written and the path given back, once, whoever ends it.

use barexe_sim::Sim;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// What is left to do at the end.
#[derive(Debug)]
struct Left {
    sim: Sim,
    socket: PathBuf,
    trace: Option<(PathBuf, File)>,
}

/// Does what is left to do, once.
#[derive(Debug)]
pub struct Closing {
    left: Mutex<Option<Left>>,
}

impl Closing {
    /// At the end `socket` goes away and what happened in the device is written to the trace.
    #[must_use]
    pub const fn new(sim: Sim, socket: PathBuf, trace: Option<(PathBuf, File)>) -> Self {
        Self { left: Mutex::new(Some(Left { sim, socket, trace })) }
    }

    /// Does it.
    ///
    /// # Errors
    /// What writing the trace met, with its path.
    pub fn close(&self) -> Result<(), (PathBuf, io::Error)> {
        let Some(left) = self.left.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        // It may be gone already: nobody needs it any more.
        let _ = std::fs::remove_file(&left.socket);
        let Some((path, file)) = left.trace else { return Ok(()) };
        let mut file = BufWriter::new(file);
        let written =
            left.sim.timeline().write_perfetto(&left.sim.unknown_registers(), &mut file).and_then(|()| file.flush());
        written.map_err(|error| (path, error))
    }

    /// Says why and ends the process at once: for a thread that may hold the device, without which there is no trace.
    pub fn abandon(&self, message: &str) -> ! {
        let _ = writeln!(io::stderr(), "barexe: {message}");
        if let Ok(left) = self.left.try_lock()
            && let Some(left) = left.as_ref()
        {
            let _ = std::fs::remove_file(&left.socket);
        }
        std::process::exit(1)
    }

    /// Says why, closes, and ends the process.
    pub fn end(&self, message: &str, status: i32) -> ! {
        let mut err = io::stderr();
        let _ = writeln!(err, "barexe: {message}");
        let status = match self.close() {
            Ok(()) => status,
            Err((path, error)) => {
                let _ = writeln!(err, "barexe: {}: {error}", path.display());
                1
            }
        };
        std::process::exit(status)
    }
}
