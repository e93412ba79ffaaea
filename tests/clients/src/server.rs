//! One server for all programs of a platform: `barexe drm` as a child process.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    socket: PathBuf,
}

/// What a server said at its end: what was in use.
#[derive(Debug)]
pub(crate) struct Left {
    /// Its line.
    pub(crate) text: String,
}

/// How its line begins if no client left anything.
const NOTHING: &str = "left: 0 clients, 0 buffers, 0 bytes in buffers";

impl Server {
    /// Starts one, and waits until it listens. What it complains of is in a file beside the programs' own.
    pub(crate) fn start(command: &Path, platform: &str, execution: bool, logs: &Path) -> io::Result<Self> {
        let socket = std::env::temp_dir().join(format!("barexe-{platform}-{}", std::process::id()));
        fs::create_dir_all(logs)?;
        let complaints = File::create(logs.join(format!("server-{platform}.log")))?;
        let mut server = Command::new(command);
        server.args(["drm", "--complain", "--platform", platform, "--socket"]).arg(&socket);
        if !execution {
            server.arg("--no-execution");
        }
        let mut child = server.stdout(Stdio::piped()).stderr(complaints).spawn()?;
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut server = Self { child, out: BufReader::new(out), socket };
        let mut line = String::new();
        server.out.read_line(&mut line)?;
        if line.starts_with("listening on ") { Ok(server) } else { Err(io::Error::other("the server does not begin")) }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> io::Result<Left> {
        if let Some(server) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(server, Signal::TERM)?;
        }
        let mut text = String::new();
        self.out.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("the server ended with {status}")));
        }
        Ok(Left { text: text.trim().into() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Left {
    /// What is wrong with it.
    pub(crate) fn objection(&self, platform: &str) -> Option<String> {
        let clean = self.text.starts_with(NOTHING);
        (!clean).then(|| format!("{platform} something of clients that ended is left: {}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_leave_is_an_objection() {
        let left = |text: &str| Left { text: text.into() }.objection("tgl");
        assert_eq!(left("left: 0 clients, 0 buffers, 0 bytes in buffers, 442368 bytes in use"), None);
        assert!(left("left: 0 clients, 1 buffers, 4096 bytes in buffers, 9 bytes in use").is_some());
        assert!(left("").is_some());
    }
}
