//! `barexe drm`: how a server begins and ends, what it says, and what strangers can do to it.
//!
//! Real processes and sockets; clients are this test's own, without a library between.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use barexe_drm::remote::Deaf;
use barexe_drm::server::Key;
use barexe_drm::wire::{Kind, MOST_ASKED, Message, VERSION};
use barexe_drm::{FileId, NodeState, Refusal, Remote};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A path that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("barexe-cli-drm-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn command(socket: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barexe"));
    command.arg("drm").arg("--socket").arg(socket).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command with what it cannot use: what it says.
fn refused(socket: &Path, args: &[&str]) -> String {
    let output = command(socket, args).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{err}");
    err
}

struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    socket: Scratch,
}

impl Server {
    fn start_at(socket: Scratch, args: &[&str]) -> Self {
        let mut child = command(&socket.0, args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("listening on {}\n", socket.0.display()));
        Self { child, out, socket }
    }

    fn start(args: &[&str]) -> Self {
        Self::start_at(Scratch::new(), args)
    }

    fn path(&self) -> &Path {
        &self.socket.0
    }

    fn client(&self) -> Remote {
        Remote::connect(self.path()).unwrap()
    }

    fn state(&self) -> NodeState {
        let output = command(self.path(), &["--state"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ends it with a signal: what it prints, and says.
    fn end(mut self, signal: Signal) -> (String, String) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{err}");
        assert!(!self.path().exists(), "the socket is left over");
        (out, err)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a VM on a file; its id.
fn vm_create(client: &Remote, file: FileId) -> Result<u8, Refusal> {
    let mut arg = [0; 32];
    client.call(file, 0xC020_6443, &mut arg, Key(0), &mut Deaf).map(|_| *arg.get(12).unwrap())
}

/// Creates a buffer of a page.
fn page(client: &Remote, file: FileId) {
    let mut arg = [0; 56];
    for (at, value) in [(9, 0x10), (16, 1), (32, 1)] {
        *arg.get_mut(at).unwrap() = value;
    }
    client.call(file, 0xC038_6441, &mut arg, Key(0), &mut Deaf).unwrap();
}

#[test]
fn what_cannot_be_used_is_named() {
    let socket = Scratch::new();
    let rows: [(&[&str], &str); 4] = [
        (&["--platform", "hsw"], "possible values: tgl, lnl"),
        (&["--state", "--platform", "lnl"], "cannot be used with"),
        (&["--state"], "no server there"),
        (&["more"], "unexpected argument 'more'"),
    ];
    for (args, part) in rows {
        let err = refused(&socket.0, args);
        assert!(err.contains(part), "{args:?}: {err}");
        assert!(!socket.0.exists(), "{args:?}");
    }
    let file = Scratch::new();
    std::fs::write(&file.0, "text").unwrap();
    assert!(refused(&file.0, &[]).contains("it exists and is no socket"));
    assert!(refused(Path::new("/no/such/folder/socket"), &[]).contains("no socket can be made there"));
}

#[test]
fn a_server_that_lives_keeps_its_path_and_one_that_died_does_not() {
    let left_over = Scratch::new();
    drop(UnixListener::bind(&left_over.0).unwrap());
    let server = Server::start_at(left_over, &["--platform", "lnl"]);
    assert!(refused(server.path(), &[]).contains("another server listens there"));
    assert_eq!(server.client().sketch().unwrap().device_id, 0x64A0);
    let (out, err) = server.end(Signal::INT);
    assert!(out.starts_with("left: 0 clients, 0 buffers, 0 bytes in buffers, "), "{out}");
    assert_eq!(err, "barexe: ended by a signal\n");
}

#[test]
fn what_is_in_use_is_said_while_it_serves_and_at_its_end() {
    let server = Server::start(&[]);
    let fresh = server.state();
    assert_eq!((fresh.clients, fresh.buffers, fresh.buffer_bytes), (0, 0, 0));
    let client = server.client();
    let files = [client.open_file(false).unwrap(), client.open_file(true).unwrap()];
    for file in &files {
        let id = FileId(file.key.0);
        vm_create(&client, id).unwrap();
        page(&client, id);
    }
    let state = server.state();
    assert_eq!((state.clients, state.buffers, state.buffer_bytes), (2, 2, 8192));
    let [first, second] = files;
    drop(first.descriptor);
    client.settle();
    assert_eq!((server.state().clients, server.state().buffers), (1, 1));
    let (out, _) = server.end(Signal::TERM);
    assert!(out.starts_with("left: 1 clients, 1 buffers, 4096 bytes in buffers, "), "{out}");
    drop(second);
}

#[test]
fn one_client_does_not_reach_what_is_anothers() {
    let server = Server::start(&[]);
    let (mine, other) = (server.client(), server.client());
    let file = mine.open_file(false).unwrap();
    vm_create(&mine, FileId(file.key.0)).unwrap();
    for key in [0, 1, 2, file.key.0 ^ 1] {
        assert_eq!(vm_create(&other, FileId(key)), Err(Refusal::BAD_FILE));
        assert_eq!(other.map(FileId(key), 0, 4096), Err(Refusal::BAD_FILE));
        assert_eq!(other.map_shared(Key(key), 4096), Err(Refusal::BAD_FILE));
        other.unmap(barexe_drm::MapId(key));
    }
    // A pointer that leads nowhere is the client's own fault.
    let mut query = [0; 40];
    for place in query.get_mut(12..24).unwrap() {
        *place = 0x7F;
    }
    let faulty = mine.call(FileId(file.key.0), 0xC028_6440, &mut query, Key(0), &mut Deaf);
    assert!(matches!(faulty, Err(Refusal(errno)) if errno > 0), "{faulty:?}");
}

#[test]
fn a_process_has_no_more_files_than_leave_some_for_others() {
    let server = Server::start(&[]);
    let client = server.client();
    let files: Vec<_> = core::iter::from_fn(|| client.open_file(false).ok()).take(1000).collect();
    assert_eq!(files.len(), barexe_drm::server::MOST_FILES);
    assert_eq!(client.open_file(false).map(|_| ()), Err(Refusal(24)));
    drop(files);
    assert!(client.open_file(false).is_ok(), "what was closed makes room at once");
}

/// A client that said hello.
fn greeted(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).unwrap();
    Message::new(Kind::Hello, &[VERSION, 0]).send(&socket).unwrap();
    assert_eq!(Message::receive(&socket, 0).unwrap().unwrap().kind, Kind::Done);
    socket
}

#[test]
fn who_talks_nonsense_is_hung_up_on_and_nobody_else_notices() {
    let server = Server::start(&[]);
    let client = server.client();
    let file = client.open_file(false).unwrap();
    let head = |kind: u32, size: u32| {
        let mut head = [kind.to_le_bytes(), size.to_le_bytes()].concat();
        head.resize(48, 0xFF);
        head
    };
    let raw = [head(0, 0), head(0x7777, 0), head(3, u32::MAX), vec![0xAA; 4096], b"GET / HTTP/1.1\r\n\r\n".repeat(9)];
    for bytes in raw {
        for mut socket in [UnixStream::connect(server.path()).unwrap(), greeted(server.path())] {
            socket.write_all(&bytes).unwrap();
            assert!(Message::receive(&socket, MOST_ASKED).is_ok_and(|end| end.is_none()));
        }
    }
    let messages = [
        Message::new(Kind::Hello, &[VERSION, 0]),
        Message::new(Kind::Done, &[]),
        Message::new(Kind::Call, &[file.key.0, u64::MAX]),
        Message::new(Kind::Call, &[file.key.0, 0xC020_6443]).with_bytes(vec![0; 31]),
    ];
    for message in messages {
        let socket = greeted(server.path());
        message.send(&socket).unwrap();
        assert!(Message::receive(&socket, MOST_ASKED).is_ok_and(|end| end.is_none()), "{message:?}");
    }
    let unborn = UnixStream::connect(server.path()).unwrap();
    Message::new(Kind::Hello, &[VERSION + 1, 0]).send(&unborn).unwrap();
    assert!(Message::receive(&unborn, 0).is_ok_and(|end| end.is_none()), "another version");
    // Those who stop in the middle, and those who do not listen, keep nobody.
    let mut slow: Vec<_> = (0..50).map(|_| greeted(server.path())).collect();
    for socket in &mut slow {
        socket.write_all(&head(3, 8)).unwrap();
    }
    let mut deaf = greeted(server.path());
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let question = [head(12, 0).split_at(8).0.to_vec(), vec![0; 40]].concat();
    while deaf.write_all(&question).is_ok() {}
    vm_create(&client, FileId(file.key.0)).unwrap();
    drop(server.end(Signal::TERM));
}
