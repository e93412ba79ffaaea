//! An archive that the kernel unpacks as its first root: the "newc" format, written in memory.

use std::collections::BTreeSet;

const MAGIC: &str = "070701";
const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const DEVICE: u32 = 0o020_600;
const TRAILER: &str = "TRAILER!!!";
/// Bytes that everything in the archive is aligned to.
const ALIGNMENT: usize = 4;

/// An archive in the making.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file, and the folders it lies in. `path` without a slash at its beginning.
    pub(crate) fn file(&mut self, path: &str, executable: bool, contents: &[u8]) {
        self.folders_of(path);
        self.entry(path, if executable { 0o100_755 } else { 0o100_644 }, (0, 0), contents);
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.folders_of(path);
        self.entry(path, LINK, (0, 0), to.as_bytes());
    }

    /// Adds a node of a character device.
    pub(crate) fn device(&mut self, path: &str, number: (u32, u32)) {
        self.folders_of(path);
        self.entry(path, DEVICE, number, &[]);
    }

    /// Adds an empty folder, and those it lies in.
    pub(crate) fn folder(&mut self, path: &str) {
        self.folders_of(&format!("{path}/"));
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, (0, 0), &[]);
        self.bytes
    }

    fn folders_of(&mut self, path: &str) {
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for folder in ends.into_iter().filter_map(|end| path.get(..end)) {
            if self.folders.insert(folder.into()) {
                self.entry(folder, FOLDER, (0, 0), &[]);
            }
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.entries = self.entries.saturating_add(1);
        let (links, size, name) = (1, contents.len(), path.len().saturating_add(1));
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            u32::try_from(size).unwrap_or(u32::MAX),
            0,
            0,
            device.0,
            device.1,
            u32::try_from(name).unwrap_or(u32::MAX),
            0,
        ];
        self.bytes.extend(MAGIC.bytes());
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_headers_names_and_contents() {
        let mut archive = Archive::default();
        archive.file("a/b", true, b"hello");
        archive.link("a/c", "b");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("07070100000001000041ED"), "the folder comes first: {text}");
        assert_eq!(text.matches(MAGIC).count(), 4, "a folder, a file, a link, the end");
        assert!(text.contains("a/b\0\0\0hello\0\0\0") && text.contains("TRAILER!!!"));
        assert_eq!(bytes.len() % ALIGNMENT, 0);
    }
}
