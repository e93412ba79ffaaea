//! A server as a process, and clients of it as processes.

use super::library;
use barexe_drm::{Node, NodeState, Remote, Server, Settings};
use barexe_sim::{Action, Fault, Occasion, Rule};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Says what this process is in the test that started it.
const ROLE: &str = "BAREXE_TEST_ROLE";
const SOCKET: &str = "BAREXE_SOCKET";

/// Longest time that anything may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// HAL calls of the driver from the start of a client's first call on: each fails in a row of its own.
pub(crate) const FAILED_CALLS: u64 = 24;

/// What goes wrong, counted from when the node is there. The first rows are the kinds; then come refused calls of the HAL.
pub(crate) fn fault_rows() -> Vec<Vec<Fault>> {
    let rule = |occasion, skip, times, action| vec![Fault::On(Rule { after: None, occasion, skip, times, action })];
    let (submission, msi) = (Occasion::Submission(None), Occasion::Msi);
    let hung = rule(submission, 1, u64::MAX, Action::Hang);
    let reset_fails = Fault::On(Rule {
        after: None,
        occasion: Occasion::Reset(None),
        skip: 0,
        times: u64::MAX,
        action: Action::Drop,
    });
    let kinds = [
        rule(msi, 0, u64::MAX, Action::Drop),
        rule(submission, 1, 1, Action::Gone),
        rule(msi, 1, 1, Action::Gone),
        rule(submission, 1, 1, Action::Drop),
        hung.clone(),
        [hung, vec![reset_fails]].concat(),
        vec![Fault::GoneFromAccess(40)],
        vec![Fault::GoneFromAccess(0)],
    ];
    let refused = (0..FAILED_CALLS).map(|number| vec![Fault::FailCall(number)]);
    kinds.into_iter().chain(refused).collect()
}

/// What this process is; nothing in the test itself. A server does not come back.
pub(crate) fn role() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    if role == "server" {
        serve(Path::new(&std::env::var_os(SOCKET).unwrap()));
    }
    Some(role)
}

/// What can go wrong below a server, by the number that its process is told.
const FAULTS: &str = "BAREXE_TEST_FAULTS";

/// Serves until whoever started this process is gone.
fn serve(path: &Path) -> ! {
    let faults = std::env::var(FAULTS).map(|row| fault_rows()[row.parse::<usize>().unwrap()].clone());
    let settings = Settings::parse("tgl", ["on", "on"]).unwrap();
    let node = Node::open(&Settings { faults: faults.unwrap_or_default(), ..settings }).unwrap();
    let (server, listener) = (Server::start(node).unwrap(), UnixListener::bind(path).unwrap());
    std::thread::spawn(move || server.serve(&listener));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0)
}

/// A server, for as long as this lives.
pub(crate) struct Served {
    test: &'static str,
    child: Child,
    socket: PathBuf,
    remote: Remote,
    /// What is in use when nobody has done anything yet.
    pub(crate) fresh: NodeState,
}

impl Served {
    /// Starts one for a test of this name.
    pub(crate) fn start(test: &'static str) -> Self {
        Self::start_with(test, None)
    }

    /// Starts one below which a row of [`fault_rows`] goes wrong.
    pub(crate) fn start_with(test: &'static str, faults: Option<usize>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("barexe-drm-{}-{number}", std::process::id()));
        let child = spawn(test, ("server", faults), &socket);
        let began = Instant::now();
        let remote = loop {
            match Remote::connect(&socket) {
                Ok(remote) => break remote,
                Err(error) if began.elapsed() > PATIENCE => panic!("the server does not begin: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let fresh = remote.state().unwrap();
        Self { test, child, socket, remote, fresh }
    }

    /// Starts a client: the test again, with the library before it.
    pub(crate) fn client(&self, role: &str) -> Running {
        Running(Some(spawn(self.test, (role, None), &self.socket)))
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn state(&self) -> NodeState {
        self.remote.state().unwrap()
    }

    /// What is in use when all work is over.
    pub(crate) fn settled(&self) -> NodeState {
        let began = Instant::now();
        loop {
            let state = self.state();
            if state.quiet && state.clients == 0 && state.buffers == 0 || began.elapsed() > PATIENCE {
                return state;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn spawn(test: &str, (role, faults): (&str, Option<usize>), socket: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(ROLE, role).env(SOCKET, socket);
    if role != "server" {
        command.env("LD_PRELOAD", library());
    }
    command.envs(faults.map(|row| (FAULTS, row.to_string())));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// A client that runs.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Waits for its end, which must be a good one: what it printed.
    pub(crate) fn end(mut self) -> String {
        let mut child = self.0.take().unwrap();
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{:?} {said}", output.status);
        said
    }

    /// The pipe that is its standard input is kept open as long as this lives.
    pub(crate) fn wait(mut self) -> String {
        let mut child = self.0.take().unwrap();
        let held = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(held);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{:?} {said}", output.status);
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// In a client: whoever started it closed the pipe.
pub(crate) fn is_told_to_end() -> bool {
    let mut entry = libc::pollfd { fd: 0, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    unsafe { libc::poll(&raw mut entry, 1, 0) > 0 }
}
