//! What a client asks, and the answers.

use super::books::Known;
use super::connection::Connection;
use super::leashes::Identity;
use super::told::{number, piece_bytes};
use super::{Key, Server};
use crate::attributes::Attribute;
use crate::carry::NOTHING;
use crate::mapping::Mapped;
use crate::node::Refusal;
use crate::process::Caller;
use crate::shared::{SharedKind, Token};
use crate::sketch::Sketch;
use crate::wire::{Kind, MOST_ANSWERED, Message, Sender, VERSION};
use barexe_core::uapi::request;
use rustix::process::geteuid;
use serde::Serialize;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The user that may everything.
const ROOT: u32 = 0;

/// An answer.
#[derive(Debug)]
pub(super) enum Answer {
    Done(Message),
    /// With what the caller's argument struct becomes.
    Refused(Refusal, Vec<u8>),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, Vec::new())
    }
}

impl From<Result<Message, Refusal>> for Answer {
    fn from(answer: Result<Message, Refusal>) -> Self {
        answer.map_or_else(Self::from, Self::Done)
    }
}

fn is_root(sender: Option<Sender>) -> bool {
    sender.is_some_and(|sender| sender.user == ROOT)
}

/// Whoever may say how engines are shared: root, and the user whose device it is.
fn is_administrator(sender: Option<Sender>) -> bool {
    is_root(sender) || sender.is_some_and(|sender| sender.user == geteuid().as_raw())
}

/// What no client of ours sends.
fn nonsense<T>() -> io::Result<T> {
    Err(io::ErrorKind::InvalidData.into())
}

/// The system has no room: the error number of it.
fn full(error: &io::Error) -> Refusal {
    Refusal(error.raw_os_error().unwrap_or(libc::EMFILE))
}

fn done(words: &[u64]) -> Message {
    Message::new(Kind::Done, words)
}

/// The answer to a question.
///
/// # Errors
/// It makes no sense.
pub(super) fn answer(connection: &mut Connection, asked: Message) -> io::Result<Answer> {
    let [a, b, c, d, ..] = asked.words;
    if asked.kind == Kind::Hello {
        return hello(connection, (a, Key(b)), asked.sender);
    }
    let Some(session) = connection.session else { return nonsense() };
    let server = connection.server;
    Ok(match asked.kind {
        Kind::Open => open(connection, a != 0).into(),
        Kind::Call => {
            let privileged = d != 0 && is_root(asked.sender);
            return call(connection, privileged, (Key(a), b, Key(c)), asked.bytes);
        }
        Kind::Map => map(connection, session, Key(a), (b, c)).into(),
        Kind::MapShared => map_shared(server, session, Key(a), b).into(),
        Kind::Unmap => {
            let gone = server.books().unmap(session, Key(a));
            server.let_go(gone);
            Answer::Done(done(&[]))
        }
        Kind::Change => return change(connection, a, b),
        Kind::Changed => return changed(connection),
        Kind::Signaled => signaled(server, Key(a)).into(),
        Kind::Merge => merge(connection, Key(a), Key(b)).into(),
        Kind::Sketch => return json(&server.node.with_info(Sketch::of)),
        Kind::State => return json(&server.state()),
        Kind::Fork => held(server.hold_session(connection.process(), Some(session)), &[]).into(),
        Kind::Settle => {
            server.settle();
            Answer::Done(done(&[]))
        }
        Kind::Adopt => adopt(server, asked).into(),
        // Some act when they are read.
        Kind::Show if acts(a) && !is_administrator(asked.sender) => Refusal::NO_ACCESS.into(),
        Kind::Show => show(server, a).into(),
        Kind::Store if !is_administrator(asked.sender) => Refusal::NO_ACCESS.into(),
        Kind::Store => store(server, a, &asked.bytes).into(),
        Kind::Usage => usage(server, Key(a)).into(),
        Kind::AddFence => add_fence(server, Key(a), b, Key(c)).into(),
        Kind::FenceOf => fence_of(connection, Key(a), b).into(),
        Kind::Line => {
            let [line]: [OwnedFd; 1] = asked.descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
            server.admit_line(UnixStream::from(line), connection.process(), connection.inherited.clone());
            Answer::Done(done(&[]))
        }
        Kind::Hello | Kind::Interrupt | Kind::Done | Kind::Refused | Kind::Waiting => return nonsense(),
    })
}

fn hello(connection: &mut Connection, (version, session): (u64, Key), sender: Option<Sender>) -> io::Result<Answer> {
    if version != VERSION
        || connection.session.is_some()
        || !sender.is_some_and(|sender| connection.becomes(sender.process))
    {
        return nonsense();
    }
    let server = connection.server;
    if session != Key(0) {
        connection.session = Some(session);
        let known = server.books().has_session(session);
        return if known { Ok(Answer::Done(done(&[session.0]))) } else { nonsense() };
    }
    let (key, leash) = server.hold_session(connection.process(), None)?;
    connection.session = Some(key);
    let arena = server.node.arena().as_fd().try_clone_to_owned()?;
    Ok(Answer::Done(done(&[key.0]).with(vec![leash, arena])))
}

/// An answer with a new thing and its leash.
fn held(held: io::Result<(Key, OwnedFd)>, more: &[u64]) -> Result<Message, Refusal> {
    let (key, leash) = held.map_err(|error| full(&error))?;
    let words: Vec<u64> = [key.0].into_iter().chain(more.iter().copied()).collect();
    Ok(done(&words).with(vec![leash]))
}

fn open(connection: &Connection, primary: bool) -> Result<Message, Refusal> {
    let (server, process) = (connection.server, connection.process());
    if !server.books().may_open(process) {
        // Files that were just closed may be in the way.
        server.settle();
        if !server.books().may_open(process) {
            return Err(Refusal(libc::EMFILE));
        }
    }
    let id = server.node.open_file(process, primary)?;
    held(server.hold_file(id, process, primary), &[])
}

fn call(
    connection: &mut Connection,
    privileged: bool,
    (file, code, given): (Key, u64, Key),
    mut arg: Vec<u8>,
) -> io::Result<Answer> {
    let Ok(code) = u32::try_from(code) else { return nonsense() };
    if arg.len() != request::size_bytes(code) {
        return nonsense();
    }
    let (server, caller) = (connection.server, Caller { process: connection.process(), privileged, back: None });
    let given = server.books().shared(given).map_or(NOTHING, |(token, _)| token);
    let Some(id) = connection.file(file) else { return Ok(Answer::Refused(Refusal::BAD_FILE, arg)) };
    let mut idle = |longest| connection.idle(longest);
    let answer = server.node.call_with((id, caller), code, &mut arg, given, &mut idle);
    let (value, left) = match answer {
        Ok(answer) => answer,
        Err(refusal) => return Ok(Answer::Refused(refusal, arg)),
    };
    let message = match left {
        None => done(&[u64::from(value)]),
        Some((token, kind)) => match leave(connection, (token, kind)) {
            // The value stands where the key does in other answers.
            Ok(message) => {
                let [key, kind, size, ..] = message.words;
                Message { words: [u64::from(value), key, kind, size, 0], ..message }
            }
            Err(refusal) => return Ok(Answer::Refused(refusal, arg)),
        },
    };
    Ok(Answer::Done(message.with_bytes(arg)))
}

/// Something leaves the device.
fn leave(connection: &Connection, (token, kind): (Token, SharedKind)) -> Result<Message, Refusal> {
    let (number, size) = number(kind);
    held(connection.server.hold_shared(connection.process(), (token, kind)), &[number, size])
}

fn map(connection: &Connection, session: Key, file: Key, (offset, len): (u64, u64)) -> Result<Message, Refusal> {
    let (server, id) = (connection.server, connection.file(file).ok_or(Refusal::BAD_FILE)?);
    // What was inherited stays open in any case.
    let kept = (id.0 != file.0).then_some(file);
    keep(server, session, server.node.map(id, offset, len)?, kept)
}

fn map_shared(server: &Server, session: Key, shared: Key, len: u64) -> Result<Message, Refusal> {
    let (token, _) = server.books().shared(shared).ok_or(Refusal::BAD_FILE)?;
    keep(server, session, server.node.map_shared(token, len)?, None)
}

/// A session keeps a mapping, and is told where it is.
fn keep(server: &Server, session: Key, mapped: Mapped, file: Option<Key>) -> Result<Message, Refusal> {
    let bytes: Vec<u8> = mapped.pieces.iter().flat_map(piece_bytes).collect();
    let kept = Key::random()
        .ok()
        .filter(|key| bytes.len() <= MOST_ANSWERED && server.books().insert_mapping(session, *key, mapped.id, file));
    match kept {
        Some(key) => Ok(done(&[key.0]).with_bytes(bytes)),
        None => {
            server.node.unmap(mapped.id);
            Err(Refusal(libc::ENOMEM))
        }
    }
}

fn change(connection: &mut Connection, addr: u64, len: u64) -> io::Result<Answer> {
    if connection.changing.is_some() {
        return nonsense();
    }
    let (node, process) = (connection.server.node, connection.process());
    let ticket = node.pages_change(process, addr, len, &mut |longest| connection.idle(longest));
    connection.changing = ticket;
    Ok(Answer::Done(done(&[])))
}

fn changed(connection: &mut Connection) -> io::Result<Answer> {
    if let Some(ticket) = connection.changing.take() {
        connection.server.node.pages_changed(ticket);
    }
    Ok(Answer::Done(done(&[])))
}

fn signaled(server: &Server, key: Key) -> Result<Message, Refusal> {
    let (token, _) = server.books().shared(key).ok_or(Refusal::BAD_FILE)?;
    let signaled = server.node.is_signaled(token);
    if signaled {
        server.books().tell(key);
    }
    Ok(done(&[u64::from(signaled)]))
}

fn merge(connection: &Connection, one: Key, other: Key) -> Result<Message, Refusal> {
    let server = connection.server;
    let both = [one, other].map(|key| server.books().shared(key).map(|(token, _)| token));
    let [Some(one), Some(other)] = both else { return Err(Refusal(libc::ENOENT)) };
    leave(connection, (server.node.merge(one, other)?, SharedKind::SyncFile))
}

fn adopt(server: &Server, asked: Message) -> Result<Message, Refusal> {
    let descriptor = asked.descriptors.first().ok_or(Refusal::BAD_FILE)?;
    let identity = Identity::of(descriptor).map_err(|error| full(&error))?;
    let (key, known) = server.books().known(identity).ok_or(Refusal(libc::ENOTTY))?;
    let (kind, size) = match known {
        Known::File(primary) => (1u64.saturating_add(u64::from(primary)), 0),
        Known::Shared(kind) => number(kind),
    };
    Ok(done(&[key.0, kind, size]))
}

/// Whether a file of this number acts also when it is read.
fn acts(code: u64) -> bool {
    matches!(Attribute::of_code(code), Some(Attribute::Reset { .. }))
}

/// A file that acts; of a number that is none's: there is no such file.
fn attribute(code: u64) -> Result<Attribute, Refusal> {
    Attribute::of_code(code).ok_or(Refusal(libc::ENOENT))
}

fn show(server: &Server, code: u64) -> Result<Message, Refusal> {
    Ok(done(&[]).with_bytes(server.node.show(attribute(code)?)?.into_bytes()))
}

fn store(server: &Server, code: u64, text: &[u8]) -> Result<Message, Refusal> {
    server.node.store(attribute(code)?, text).map(|()| done(&[]))
}

fn usage(server: &Server, file: Key) -> Result<Message, Refusal> {
    let id = server.books().file(file).ok_or(Refusal::BAD_FILE)?;
    Ok(done(&[]).with_bytes(server.node.usage(id)?.into_bytes()))
}

fn add_fence(server: &Server, buffer: Key, about: u64, file: Key) -> Result<Message, Refusal> {
    let [buffer, file] = [buffer, file].map(|key| server.books().shared(key).map_or(NOTHING, |(token, _)| token));
    server.node.add_fence(buffer, u32::try_from(about).map_err(|_| Refusal::INVALID)?, file).map(|()| done(&[]))
}

fn fence_of(connection: &Connection, buffer: Key, wants: u64) -> Result<Message, Refusal> {
    let server = connection.server;
    let (buffer, _) = server.books().shared(buffer).ok_or(Refusal::BAD_FILE)?;
    let wants = u32::try_from(wants).map_err(|_| Refusal::INVALID)?;
    leave(connection, (server.node.fence_of(buffer, wants)?, SharedKind::SyncFile))
}

fn json(value: &impl Serialize) -> io::Result<Answer> {
    Ok(Answer::Done(done(&[]).with_bytes(serde_json::to_vec(value)?)))
}
