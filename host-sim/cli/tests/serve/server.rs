//! The command as a child process, and a peer of it.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;
use vfio_user::Client;

/// Regions, by PCI's numbers.
pub(crate) const BAR0: u32 = 0;
pub(crate) const ROM: u32 = 6;
pub(crate) const CONFIG: u32 = 7;

/// Longest time that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A path in the temporary folder that goes away with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("barexe-serve-{}-{number}-{name}", std::process::id())))
    }

    pub(crate) fn with(name: &str, text: &str) -> Self {
        let scratch = Self::new(name);
        std::fs::write(&scratch.0, text).unwrap();
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server that listens.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) socket: Scratch,
}

/// How a server ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Rules that the server says were broken.
    pub(crate) fn broken_rules(&self) -> Vec<String> {
        self.out.lines().filter_map(|line| line.strip_prefix("rule broken: ")).map(String::from).collect()
    }
}

/// Starts the command; it may or may not come to listen.
pub(crate) fn spawn(socket: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barexe"));
    command.arg("serve").arg("--socket").arg(socket).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a process.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the server does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Server {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at(Scratch::new("socket"), args)
    }

    pub(crate) fn start_at(socket: Scratch, args: &[&str]) -> Self {
        let mut child = spawn(socket.path(), args);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("listening on {}\n", socket.text()));
        Self { child, out, socket }
    }

    /// Connects a peer.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket.path()).unwrap()
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let status = wait(&mut self.child);
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(!self.socket.path().exists(), "the socket is left over");
        Ended { status, out, err }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a dword of a region.
pub(crate) fn read32(client: &mut Client, region: u32, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    client.region_read(region, offset, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Writes a dword of a region.
pub(crate) fn write32(client: &mut Client, region: u32, offset: u64, value: u32) {
    client.region_write(region, offset, &value.to_le_bytes()).unwrap();
}
