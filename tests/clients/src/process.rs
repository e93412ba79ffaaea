//! One program as a process: with the preloaded library, in a group of its own, with an end to its time.

use barexe_clients::outcome::End;
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Instant;

/// What all programs of a run are given.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The preloaded library.
    pub(crate) library: PathBuf,
    /// Name of the platform.
    pub(crate) platform: &'static str,
    /// Socket of the server whose GPU they share.
    pub(crate) socket: Option<PathBuf>,
    /// Engines execute.
    pub(crate) execution: bool,
    /// Folder that holds the files that show the device: one below it for each process at a time.
    pub(crate) trees: PathBuf,
    /// Longest time of one process.
    pub(crate) longest: Duration,
    /// Where what programs print is kept.
    pub(crate) logs: PathBuf,
    /// Where what programs do is recorded, if it is.
    pub(crate) recordings: Option<PathBuf>,
}

/// The variable by which the loader is told of a library to load first.
const PRELOAD: &str = "LD_PRELOAD";
/// How often to look whether a process has ended.
const LOOK: Duration = Duration::from_millis(4);

impl Setting {
    /// Runs a command to its end, and gives what it printed. `place`: number of the worker. `log`: where that is kept.
    pub(crate) fn run(&self, command: &[String], place: usize, log: &Path) -> io::Result<(End, String)> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(log)?;
        let mut process = Command::new(program);
        process.args(arguments).env_clear().envs(self.environment(place));
        process.envs(self.recording(log).map(|file| ("BAREXE_RECORD", file)));
        process.stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = process.spawn().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let end = wait(child, self.longest)?;
        Ok((end, String::from_utf8_lossy(&fs::read(log)?).into_owned()))
    }

    /// What a command prints on its standard output, without the library: it asks nothing of the device.
    pub(crate) fn ask(&self, command: &[String]) -> io::Result<(End, String)> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let others = self.environment(0).into_iter().filter(|(name, _)| *name != PRELOAD);
        let output = Command::new(program).args(arguments).env_clear().envs(others).output();
        let output = output.map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        Ok((end(output.status), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The file of a process that keeps this log: named after the platform, the program, and which of its tests.
    fn recording(&self, log: &Path) -> Option<PathBuf> {
        let name = log.file_stem()?.to_string_lossy().replace('@', "-");
        Some(self.recordings.as_ref()?.join(format!("{}-{name}.jsonl", self.platform)))
    }

    fn environment(&self, place: usize) -> Vec<(&'static str, String)> {
        let tree = self.trees.join(format!("{}-{place}", self.platform));
        let mut all = vec![
            ("PATH", "/usr/sbin:/usr/bin".into()),
            ("HOME", "/root".into()),
            ("LC_ALL", "C.UTF-8".into()),
            // Test data is the same each time.
            ("IGT_SRANDOM", "1".into()),
            (PRELOAD, self.library.display().to_string()),
            ("BAREXE_PLATFORM", self.platform.into()),
            ("BAREXE_COMPLAIN", "on".into()),
            ("BAREXE_TREE", tree.display().to_string()),
        ];
        if let Some(socket) = &self.socket {
            all.push(("BAREXE_SOCKET", socket.display().to_string()));
        }
        if !self.execution {
            all.push(("BAREXE_EXECUTION", "off".into()));
        }
        all
    }
}

/// Waits, and ends the process and all its children if that takes too long.
fn wait(mut child: Child, longest: Duration) -> io::Result<End> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let began = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if began.elapsed() >= longest => break None,
            None => thread::sleep(LOOK),
        }
    };
    // Children that outlived their parent, too; that there is none is the usual case.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    if status.is_none() {
        child.wait()?;
    }
    Ok(status.map_or(End::Late, end))
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Status(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, longest: Duration) -> (End, String) {
        let folder = std::env::temp_dir().join(format!("barexe-clients-{}-{}", std::process::id(), script.len()));
        let setting = Setting {
            library: PathBuf::new(),
            platform: "tgl",
            socket: None,
            execution: false,
            trees: PathBuf::from("/trees"),
            longest,
            logs: folder.clone(),
            recordings: Some(PathBuf::from("/recordings")),
        };
        let command = ["/bin/sh", "-c", script].map(String::from);
        let result = setting.run(&command, 1, &folder.join("sub/log")).unwrap();
        fs::remove_dir_all(folder).unwrap();
        result
    }

    #[test]
    fn a_process_is_told_its_setting_and_nothing_else() {
        let (end, output) = run(
            "echo $BAREXE_TREE $BAREXE_EXECUTION $BAREXE_RECORD >&2; echo [$CARGO]; exit 3",
            Duration::from_secs(20),
        );
        assert_eq!((end, output.as_str()), (End::Status(3), "/trees/tgl-1 off /recordings/tgl-log.jsonl\n[]\n"));
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_its_children() {
        let began = Instant::now();
        let (end, _) = run("sleep 30 & sleep 30; wait", Duration::from_millis(100));
        assert_eq!(end, End::Late);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(run("kill -9 $$", Duration::from_secs(20)).0, End::Signal(9));
    }
}
