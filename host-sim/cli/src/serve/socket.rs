//! The path of the socket: taken if it is free or left over, and given back.

use core::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why a path cannot be listened on.
#[derive(Debug)]
pub enum Unusable {
    /// A server is listening there.
    Taken(PathBuf),
    /// What lies there is no socket.
    NoSocket(PathBuf),
    /// The operating system refuses.
    Refused(PathBuf, io::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(path) => write!(f, "{}: another server listens there", path.display()),
            Self::NoSocket(path) => write!(f, "{}: it exists and is no socket", path.display()),
            Self::Refused(path, error) => write!(f, "{}: no socket can be made there: {error}", path.display()),
        }
    }
}

/// Listens on a path. A socket that nobody listens on any more makes room.
///
/// # Errors
/// [`Unusable`].
pub fn listen(path: &Path) -> Result<UnixListener, Unusable> {
    let refused = |error| Unusable::Refused(path.to_path_buf(), error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(Unusable::NoSocket(path.to_path_buf())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(refused)?,
            Err(error) => return Err(refused(error)),
            Ok(_) => return Err(Unusable::Taken(path.to_path_buf())),
        },
    }
    UnixListener::bind(path).map_err(refused)
}
