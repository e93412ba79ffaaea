//! The file: one line for each event, written as it happens.
//!
//! What the header says of the whole run is known at its end only, so there is room behind it, and it is written again
//! then. A file of a process that was killed has its events and no `end` line.

use barexe_recording::{Body, Call, Event, Header};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes behind the header for what is added to it.
const HEADER_ROOM: usize = 512;
/// Stands for the number of the process in the name of a file.
const PROCESS: &str = "%p";

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    header: Header,
    header_bytes: usize,
    /// Number of the line that comes next.
    next: usize,
    /// Lines of calls, by what they say.
    calls: BTreeMap<String, usize>,
    made: u64,
    cpu_writes: u64,
    gpu_results: u64,
    tags: BTreeSet<&'static str>,
    /// Where its last line begins, once it has one.
    end: Option<u64>,
    /// It could not be written any further.
    over: bool,
}

/// Opens the file for this process. What another process is writing is left alone: the number of this one is put behind
/// the name then.
fn open(path: &str) -> io::Result<File> {
    let process = std::process::id().to_string();
    let path = path.replace(PROCESS, &process);
    let file = claim(Path::new(&path))?;
    let file = match file {
        Some(file) => file,
        None => {
            let taken = || io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it");
            claim(&PathBuf::from(format!("{path}.{process}")))?.ok_or_else(taken)?
        }
    };
    file.set_len(0)?;
    Ok(file)
}

/// A file, unless somebody else is writing it.
#[expect(unsafe_code, reason = "the system's lock of a file")]
fn claim(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    // SAFETY: only numbers are passed.
    let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
    if !locked && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
        return Ok(None);
    }
    // Where there are no locks, nobody else has one either.
    Ok(Some(file))
}

impl Output {
    /// Begins a recording.
    pub(super) fn create(path: &str, header: Header) -> io::Result<Self> {
        let mut file = open(path)?;
        let mut line = header_line(&header)?;
        line.extend(core::iter::repeat_n(b' ', HEADER_ROOM));
        let header_bytes = line.len();
        line.push(b'\n');
        file.write_all(&line)?;
        let (calls, tags) = (BTreeMap::new(), BTreeSet::new());
        let (made, cpu_writes, gpu_results) = (0, 0, 0);
        Ok(Self {
            file,
            header,
            header_bytes,
            next: 1,
            calls,
            made,
            cpu_writes,
            gpu_results,
            tags,
            end: None,
            over: false,
        })
    }

    /// The file exercises this.
    pub(super) fn tag(&mut self, tag: &'static str) {
        self.tags.insert(tag);
    }

    /// Writes an event.
    pub(super) fn event(&mut self, body: Body) {
        if matches!(body, Body::CpuWrite { .. }) {
            self.cpu_writes = self.cpu_writes.saturating_add(1);
        }
        if matches!(body, Body::GpuResult { .. }) {
            self.gpu_results = self.gpu_results.saturating_add(1);
            self.tag("gpu_writes");
        }
        self.line(body);
    }

    fn line(&mut self, body: Body) {
        if self.over {
            return;
        }
        let ended = self.end.is_some();
        let written = self.reopen().and_then(|()| self.append(body));
        let written = if ended { written.and_then(|()| self.close()) } else { written };
        if let Err(error) = written {
            self.over = true;
            eprintln!("barexe: the recording ends here: {error} (BAREXE_RECORD)");
        }
    }

    fn append(&mut self, body: Body) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Event { n: self.next, body })?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Takes the last line away again: something has come after it.
    fn reopen(&mut self) -> io::Result<()> {
        if let Some(at) = self.end.take() {
            self.file.set_len(at)?;
            self.file.seek(SeekFrom::Start(at))?;
            self.next = self.next.saturating_sub(1);
        }
        Ok(())
    }

    /// Writes the last line, and the header once more.
    fn close(&mut self) -> io::Result<()> {
        let (calls, cpu_writes, gpu_results) = (self.made, self.cpu_writes, self.gpu_results);
        let at = self.file.stream_position();
        self.append(Body::End { calls, cpu_writes, gpu_results })?;
        self.header.tags = self.tags.iter().copied().map(String::from).collect();
        let mut line = header_line(&self.header)?;
        // What cannot be written twice, as a pipe, keeps its first header and is over.
        match at {
            Ok(at) if line.len() <= self.header_bytes => {
                line.resize(self.header_bytes, b' ');
                self.end = Some(at);
                self.file.write_all_at(&line, 0)
            }
            _ => {
                self.over = true;
                Ok(())
            }
        }
    }

    /// Writes a call, or that an earlier one was made again.
    pub(super) fn call(&mut self, call: Call) {
        self.made = self.made.saturating_add(1);
        let numbered = call.bo.is_some();
        let said = serde_json::to_string(&call).unwrap_or_default();
        match self.calls.get(&said).copied().filter(|_| !numbered) {
            Some(of) => self.line(Body::Repeat { of }),
            None => {
                self.calls.insert(said, self.next);
                self.line(Body::Call(Box::new(call)));
            }
        }
    }

    /// The process is about to end: the file is whole. Libraries that are ended later than this one may still make calls:
    /// those come before the last line, then.
    pub(super) fn finish(&mut self) {
        if self.over || self.end.is_some() {
            return;
        }
        if let Err(error) = self.close() {
            self.over = true;
            eprintln!("barexe: the recording has no end: {error} (BAREXE_RECORD)");
        }
    }
}

fn header_line(header: &Header) -> io::Result<Vec<u8>> {
    let mut value = serde_json::to_value(header)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("type".into(), "header".into());
    }
    Ok(serde_json::to_vec(&value)?)
}
