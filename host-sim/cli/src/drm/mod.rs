//! The driver core on a simulated GPU as a device node behind a socket: several processes share it.
//!
//! Clients are programs with the library of `barexe-drm-shim` loaded before others and `BAREXE_SOCKET` set to the path.

pub mod args;

use crate::serve::{Failure, socket};
use barexe_drm::{Node, NodeState, Remote, Server, Settings};
use core::time::Duration;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// What to serve, and where.
#[derive(Debug)]
pub struct Options {
    /// Path of the socket.
    pub socket: PathBuf,
    /// What the node is like.
    pub settings: Settings,
    /// Only ask the server that is there what is in use.
    pub ask: bool,
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    if options.ask {
        return ask(options, out);
    }
    let listener = socket::listen(&options.socket).map_err(|error| Failure::Unusable(error.to_string()))?;
    let served = serve(options, listener, out);
    // It may be gone already: nobody needs it any more.
    let _ = std::fs::remove_file(&options.socket);
    served
}

fn ask(options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    let path = options.socket.display();
    let remote = Remote::connect(&options.socket)
        .map_err(|error| Failure::Unusable(format!("{path}: no server there: {error}")))?;
    let state = remote.state().map_err(|_| Failure::Failed(format!("{path}: the server went away")))?;
    let line = serde_json::to_string(&state).map_err(|error| Failure::Failed(error.to_string()))?;
    // A reader that has seen enough changes nothing about how it went.
    let _ = writeln!(out, "{line}");
    Ok(())
}

/// What ends a server.
enum End {
    Signal,
    Broken(io::Error),
}

fn serve(options: &Options, listener: UnixListener, out: &mut dyn Write) -> Result<(), Failure> {
    more_descriptors();
    let (ends, end) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| failed("signal handlers", &error))?;
    let on_signal = ends.clone();
    thread::spawn(move || signals.forever().next().map(|_| on_signal.send(End::Signal)));
    let node = Node::open(&options.settings).map_err(Failure::Failed)?;
    let server = Server::start(node).map_err(|error| failed("the server", &error))?;
    thread::spawn(move || server.serve(&listener).map_err(|error| ends.send(End::Broken(error))));
    // Whoever waits for this line may connect now.
    let _ = writeln!(out, "listening on {}", options.socket.display()).and_then(|()| out.flush());
    let end = end.recv();
    let _ = writeln!(out, "left: {}", settled(server));
    match end {
        Ok(End::Broken(error)) => Err(failed("nobody can connect", &error)),
        Ok(End::Signal) | Err(mpsc::RecvError) => {
            let _ = writeln!(io::stderr(), "barexe: ended by a signal");
            Ok(())
        }
    }
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::Failed(format!("{what}: {error}"))
}

/// Longest time for work of clients that left just before the end.
const SETTLING: Duration = Duration::from_millis(500);

/// What is in use, when nobody is there any more and work is over, or soon.
fn settled(server: &Server) -> NodeState {
    let began = Instant::now();
    loop {
        let state = server.state();
        if state.clients > 0 || (state.quiet && state.buffers == 0) || began.elapsed() > SETTLING {
            return state;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Each thing of a client takes a descriptor here: as many as the system allows.
fn more_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it fewer clients fit, who are told so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
