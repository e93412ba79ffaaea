//! The guest's root: a shell, the driver's modules, the plan, a firmware container, and test programs with their libraries.

use crate::cpio::Archive;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// First process of the guest.
const INIT: &[u8] = include_bytes!("../init");
/// Where Debian has IGT's programs.
pub(crate) const PROGRAMS: &str = "usr/libexec/igt-gpu-tools";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";

/// The folder that `fetch` made.
#[derive(Clone, Debug)]
pub(crate) struct Linux {
    /// Its path.
    pub(crate) place: PathBuf,
}

/// What one guest gets.
#[derive(Clone, Debug)]
pub(crate) struct Contents<'c> {
    /// Parameters of the driver's module.
    pub(crate) parameters: String,
    /// What is to be done, a line for each step.
    pub(crate) plan: Vec<String>,
    /// Path of the firmware below the folder of firmware, and the container.
    pub(crate) firmware: Option<(&'c str, Vec<u8>)>,
    /// IGT programs that it needs.
    pub(crate) programs: BTreeSet<&'c str>,
}

fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::other(format!("{}: {error}", path.display()))
}

impl Linux {
    /// A file of the folder.
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = self.place.join(path);
        fs::read(&path).map_err(named(&path))
    }

    /// The kernel's image.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.place.join("kernel")
    }

    /// A program of the root, started by the loader it was built with.
    fn loaded(&self) -> Command {
        let libraries = self.place.join("root").join(LIBRARIES);
        let mut command = Command::new(libraries.join(LOADER));
        command.arg("--library-path").arg(&libraries);
        command
    }

    /// A test program's subtests, in its own order; one without a name if it has none.
    pub(crate) fn subtests(&self, program: &str) -> io::Result<Vec<String>> {
        /// IGT's answer of a program that has none.
        const NONE: i32 = 79;
        let path = self.place.join("root").join(PROGRAMS).join(program);
        if !path.is_file() {
            return Err(io::Error::other(format!("IGT has no program {program}")));
        }
        let output = self.loaded().arg(&path).arg("--list-subtests").output()?;
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect()),
            Some(NONE) => Ok(vec![String::new()]),
            _ => Err(io::Error::other(format!("{program} --list-subtests: {}", output.status))),
        }
    }

    /// Names of the libraries that a program needs.
    fn libraries(&self, program: &str) -> io::Result<Vec<String>> {
        let path = self.place.join("root").join(PROGRAMS).join(program);
        let output = self.loaded().arg("--list").arg(&path).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let name = |line: &str| line.trim().split(' ').next().map(String::from);
        Ok(text
            .lines()
            .filter_map(name)
            .filter(|name| name.contains(".so") && !name.starts_with('/') && !name.starts_with("linux-vdso"))
            .collect())
    }

    /// The archive that the kernel unpacks.
    pub(crate) fn initramfs(&self, contents: &Contents<'_>) -> io::Result<Vec<u8>> {
        let mut archive = Archive::default();
        for folder in ["proc", "sys", "dev", "tmp", "run"] {
            archive.folder(folder);
        }
        // Before anything is mounted the kernel wants a console for its first process.
        archive.device("dev/console", (5, 1));
        archive.file("init", true, INIT);
        archive.file("bin/busybox", true, &self.read("root/usr/bin/busybox")?);
        let modules = self.read("modules")?;
        for module in String::from_utf8_lossy(&modules).lines() {
            archive.file(&format!("barexe/{module}"), false, &self.read(module)?);
        }
        archive.file("barexe/modules", false, &modules);
        archive.file("barexe/parameters", false, contents.parameters.as_bytes());
        archive.file("barexe/plan", false, (contents.plan.join("\n") + "\n").as_bytes());
        if let Some((path, container)) = &contents.firmware {
            archive.file(&format!("lib/firmware/{path}"), false, container);
        }
        self.add_programs(&contents.programs, &mut archive)?;
        Ok(archive.finish())
    }

    fn add_programs(&self, programs: &BTreeSet<&str>, archive: &mut Archive) -> io::Result<()> {
        let mut libraries = BTreeSet::new();
        for program in programs {
            archive.file(&format!("{PROGRAMS}/{program}"), true, &self.read(&format!("root/{PROGRAMS}/{program}"))?);
            libraries.extend(self.libraries(program)?);
        }
        if programs.is_empty() {
            return Ok(());
        }
        archive.link("lib64", "usr/lib/x86_64-linux-gnu");
        archive.file(&format!("{LIBRARIES}/{LOADER}"), true, &self.read(&format!("root/{LIBRARIES}/{LOADER}"))?);
        for library in libraries {
            archive.file(&format!("{LIBRARIES}/{library}"), true, &self.read(&format!("root/{LIBRARIES}/{library}"))?);
        }
        Ok(())
    }
}
