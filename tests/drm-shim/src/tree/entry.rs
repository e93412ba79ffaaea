//! One file, link or folder.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// One thing in the tree. Paths are below its root and do not begin with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file and what is in it.
    File(String, Vec<u8>),
    /// A symbolic link and where it leads: always relative, so that it stays in the tree.
    Link(String, String),
    /// A folder that may be empty.
    Folder(String),
}

impl Entry {
    /// A file with one line of text.
    pub(super) fn line(path: impl Into<String>, text: impl core::fmt::Display) -> Self {
        Self::File(path.into(), format!("{text}\n").into_bytes())
    }

    /// A link from `path` to `target`, both below the root.
    pub(super) fn link(path: impl Into<String>, target: &str) -> Self {
        let path = path.into();
        let up = "../".repeat(path.matches('/').count());
        Self::Link(path, format!("{up}{target}"))
    }

    /// Its path below the root.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::File(path, _) | Self::Link(path, _) | Self::Folder(path) => path,
        }
    }

    /// Makes it, and the folders above it.
    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        let place = root.join(self.path());
        if let Some(above) = place.parent() {
            fs::create_dir_all(above)?;
        }
        match self {
            Self::File(_, bytes) => fs::write(place, bytes),
            Self::Link(_, target) => make_link(target, &place),
            Self::Folder(_) => fs::create_dir_all(place),
        }
    }
}

fn make_link(target: &str, place: &Path) -> io::Result<()> {
    match symlink(target, place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
