//! Which paths are the device's, and where its generated files are.

use crate::node::node;
use crate::real;
use crate::signals::Blocked;
use crate::tree::{self, Facts, PREFIXES};
use core::ffi::{CStr, c_char, c_int};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Once, OnceLock};

/// Nodes by name: whether it is the primary one.
const NODES: [(&[u8], bool); 2] = [(b"card0", true), (b"renderD128", false)];
const NODE_FOLDER: &[u8] = b"/dev/dri/";
const LINK_FOLDER: &[u8] = b"/dev/dri/by-path/";

/// The generated tree, without a slash at the end; empty if there is none.
fn tree() -> &'static [u8] {
    static TREE: OnceLock<Vec<u8>> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = std::env::var_os("BAREXE_TREE").unwrap_or_default();
        let tree = tree.as_bytes();
        tree.strip_suffix(b"/").unwrap_or(tree).to_vec()
    })
}

/// The bytes of a C string; none for a null pointer.
///
/// # Safety
/// A pointer that is not null leads to a C string that stays for as long as the result is used.
pub(crate) const unsafe fn bytes<'p>(path: *const c_char) -> &'p [u8] {
    if path.is_null() {
        return b"";
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// Makes the tree when a path in it is used first; why that failed is told once, and the paths are then not there.
fn ready() -> &'static [u8] {
    static MADE: Once = Once::new();
    let tree = tree();
    if !tree.is_empty() {
        MADE.call_once(|| {
            let _blocked = Blocked::new();
            let Some(sketch) = node().and_then(|device| device.sketch().ok()) else { return };
            let facts = Facts::of(&sketch);
            if let Err(error) = tree::write(Path::new(OsStr::from_bytes(tree)), &facts) {
                eprintln!("barexe: {}: {error}", OsStr::from_bytes(tree).display());
            }
        });
    }
    tree
}

fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    prefix.ends_with(b":") || rest.is_empty() || rest.starts_with(b"/")
}

/// Where a path is in the generated tree, if it is there.
pub(crate) fn rewritten(path: &[u8]) -> Option<CString> {
    let ours = PREFIXES.iter().any(|prefix| is_below(path, prefix.as_bytes()));
    let tree = if ours { ready() } else { b"" };
    if tree.is_empty() {
        return None;
    }
    CString::new([tree, path].concat()).ok()
}

/// The path that a path in the tree stands for.
pub(crate) fn original(path: &[u8]) -> Option<&[u8]> {
    let tree = tree();
    let path = path.strip_prefix(tree).filter(|_| !tree.is_empty())?;
    path.starts_with(b"/").then_some(path)
}

fn node_named(name: &[u8]) -> Option<bool> {
    NODES.iter().find(|(node, _)| *node == name).map(|(_, primary)| *primary)
}

/// The name of a node.
pub(crate) const fn node_path(primary: bool) -> &'static [u8] {
    if primary { b"/dev/dri/card0" } else { b"/dev/dri/renderD128" }
}

/// Whether a path is one of the device's nodes; true for the primary one.
pub(crate) fn node_of(path: &[u8]) -> Option<bool> {
    if let Some(link) = path.strip_prefix(LINK_FOLDER).and_then(|_| rewritten(path)) {
        let target = std::fs::read_link(OsStr::from_bytes(link.to_bytes())).ok()?;
        return node_named(target.file_name()?.as_bytes());
    }
    node_named(path.strip_prefix(NODE_FOLDER)?)
}

/// The same for a path that is relative to an open folder.
pub(crate) fn node_at(dir: c_int, path: &[u8]) -> Option<bool> {
    let name = path.strip_prefix(b"./").unwrap_or(path);
    if dir == libc::AT_FDCWD || path.starts_with(b"/") {
        return node_of(path);
    }
    let primary = node_named(name)?;
    (original(&path_of(dir)) == Some(b"/dev/dri".as_slice())).then_some(primary)
}

/// The path that a descriptor leads to, as the system has it; none for what has no path, or a longer one than any.
pub(crate) fn path_of(fd: c_int) -> Vec<u8> {
    let mut path = vec![0; libc::PATH_MAX as usize];
    let Ok(link) = CString::new(format!("/proc/self/fd/{fd}")) else { return Vec::new() };
    // SAFETY: a C string, and room for so many bytes.
    let len = unsafe { real::readlinkat(libc::AT_FDCWD, link.as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(len).unwrap_or(0));
    path
}

/// The descriptor that a path of the process's own folder of descriptors names.
pub(crate) fn descriptor_of(path: &[u8]) -> Option<c_int> {
    let own = format!("/proc/{}/fd/", std::process::id());
    let folders: [&[u8]; 4] = [b"/proc/self/fd/", b"/dev/fd/", b"/proc/thread-self/fd/", own.as_bytes()];
    let name = folders.iter().find_map(|folder| path.strip_prefix(*folder))?;
    core::str::from_utf8(name).ok()?.parse().ok()
}
