//! Children that do not outlive the process that started them, however that ends.

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};

/// A child process. It is killed when this is dropped, and sent a signal when the thread that started it has ended
/// without that: the process was interrupted or killed, and nothing of its own could run any more.
#[derive(Debug)]
pub struct Bound(Child);

impl Bound {
    /// Starts it. `farewell`: the signal.
    ///
    /// # Errors
    /// What starting it met.
    pub fn start(command: &mut Command, farewell: Signal) -> io::Result<Self> {
        let parent = getpid();
        let bind = move || bind(parent, farewell);
        #[expect(unsafe_code, reason = "no safe way to do something in a child before its program begins")]
        // SAFETY: between fork and exec only what may be called from a signal handler is allowed: two system calls are made,
        // nothing is allocated, no lock is taken. An error that is returned is a number.
        unsafe {
            command.pre_exec(bind)
        };
        Ok(Self(command.spawn()?))
    }

    /// How it ended; none if it still runs.
    ///
    /// # Errors
    /// What the operating system met.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

/// In the child: asks for the signal. A parent that has ended before it was asked for sends none.
fn bind(parent: Pid, farewell: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(farewell))?;
    if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use rustix::process::kill_process;
    use std::fs;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;
    use std::thread;
    use std::time::Instant;

    const ROLE: &str = "BAREXE_TEST_IS_THE_PARENT";
    const NAME: &str = "bound::tests::a_child_ends_with_a_parent_that_a_signal_ended";
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Whether a process is there and has not ended.
    fn runs(pid: &str) -> bool {
        // Behind the name, which is in parentheses.
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        state.and_then(|text| Some(text.rsplit_once(')')?.1.trim_start().starts_with('Z'))) == Some(false)
    }

    fn ends(pid: &str) -> bool {
        let began = Instant::now();
        while runs(pid) && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        !runs(pid)
    }

    fn sleeper() -> Bound {
        Bound::start(Command::new("sleep").arg("60"), Signal::TERM).unwrap()
    }

    /// The parent is this very test, in another process.
    #[test]
    fn a_child_ends_with_a_parent_that_a_signal_ended() {
        if std::env::var_os(ROLE).is_some() {
            let child = sleeper();
            writeln!(io::stdout(), "child {}", child.0.id()).unwrap();
            thread::sleep(PATIENCE);
            return;
        }
        for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
            let mut parent = Command::new(std::env::current_exe().unwrap());
            parent.args(["--exact", NAME, "--nocapture"]).env(ROLE, "yes").stdout(Stdio::piped());
            let mut parent = parent.spawn().unwrap();
            let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
            let child = lines.find_map(|line| line.strip_prefix("child ").map(String::from)).unwrap();
            assert!(runs(&child));
            kill_process(Pid::from_child(&parent), signal).unwrap();
            assert!(!parent.wait().unwrap().success());
            assert!(ends(&child), "{signal:?}");
        }
    }

    #[test]
    fn a_child_ends_with_its_owner() {
        let mut child = sleeper();
        let pid = child.0.id().to_string();
        assert!(runs(&pid) && child.ended().unwrap().is_none());
        drop(child);
        assert!(!runs(&pid));
    }
}
