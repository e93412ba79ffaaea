//! A server with the simulated GPU, and a QEMU with the guest.

use barexe_clients::bound::Bound;
use core::time::Duration;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// What a machine is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The program `barexe`.
    pub(crate) server: PathBuf,
    /// Arguments of `barexe serve`, but for the socket.
    pub(crate) serve: Vec<String>,
    /// The program QEMU.
    pub(crate) qemu: PathBuf,
    /// The kernel's image.
    pub(crate) kernel: PathBuf,
    /// More of the kernel's command line.
    pub(crate) append: String,
    /// Where everything that was said is kept.
    pub(crate) logs: PathBuf,
    /// Longest time in which the guest may say nothing.
    pub(crate) silence: Duration,
}

/// Files in the folder of logs.
pub(crate) const REPORT: &str = "report";
/// What the kernel wrote to its console.
pub(crate) const CONSOLE: &str = "kernel.log";
/// What the server said.
pub(crate) const SERVER: &str = "server.log";
const INITRD: &str = "initramfs";
/// Memory of the guest: `xe_vm` makes a buffer of two GiB, and of what there is the driver gives a half to buffers.
const MEMORY: &str = "5G";
/// How often to look.
const LOOK: Duration = Duration::from_millis(50);
/// Longest time until the server listens, and until it ends when its peer has left.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages of the kernel to the console: all but those for debugging. Nothing that costs time and shows nothing.
const COMMAND_LINE: &str = "console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check \
    random.trust_cpu=on hung_task_panic=0";

/// Whether a process still runs.
fn runs(process: &mut Bound) -> io::Result<bool> {
    Ok(process.ended()?.is_none())
}

/// Waits for the end of a process; whether it came in time.
fn ends_within(process: &mut Bound, time: Duration) -> io::Result<bool> {
    let began = Instant::now();
    while runs(process)? {
        if began.elapsed() > time {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}

impl Setting {
    /// Boots a guest with this root, and waits until it has ended, or has been silent too long.
    pub(crate) fn boot(&self, initramfs: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.logs)?;
        fs::write(self.logs.join(INITRD), initramfs)?;
        // Short: a socket's path has at most 108 bytes.
        let socket = std::env::temp_dir().join(format!("barexe-linux-{}", std::process::id()));
        let mut server = self.start_server(&socket)?;
        let mut guest = self.start_guest(&socket)?;
        self.watch(&mut guest, &mut server)?;
        drop(guest);
        if !ends_within(&mut server, PATIENCE)? {
            return Err(io::Error::other("the server did not end with its peer"));
        }
        fs::remove_file(self.logs.join(INITRD))
    }

    fn file(&self, name: &str) -> io::Result<File> {
        File::create(self.logs.join(name))
    }

    fn start_server(&self, socket: &Path) -> io::Result<Bound> {
        let said = self.file(SERVER)?;
        let mut command = Command::new(&self.server);
        command.arg("serve").arg("--socket").arg(socket).args(&self.serve);
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        // The signal with which it gives its path back.
        let mut server = Bound::start(&mut command, Signal::TERM)?;
        let began = Instant::now();
        while !socket.exists() {
            if !runs(&mut server)? || began.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the server does not listen: see {SERVER}")));
            }
            thread::sleep(LOOK);
        }
        Ok(server)
    }

    fn start_guest(&self, socket: &Path) -> io::Result<Bound> {
        let said = self.file("qemu.log")?;
        let path = |name: &str| format!("file:{}", self.logs.join(name).display());
        let device = format!(
            r#"{{"driver":"vfio-user-pci","socket":{{"type":"unix","path":"{}"}},"addr":"2.0","x-msg-timeout":60000}}"#,
            socket.display()
        );
        let mut command = Command::new(&self.qemu);
        command
            .args(["-machine", "q35,memory-backend=ram", "-cpu", "max", "-m", MEMORY])
            .args(["-object", &format!("memory-backend-memfd,id=ram,size={MEMORY},share=on")])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-serial", &path(CONSOLE), "-serial", &path(REPORT)])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(self.logs.join(INITRD))
            .args(["-append", &format!("{COMMAND_LINE} {}", self.append)])
            .args(["-device", &device])
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        Bound::start(&mut command, Signal::KILL)
    }

    /// Until the guest has ended. One that has said nothing for too long is ended, as is one whose device has gone.
    fn watch(&self, guest: &mut Bound, server: &mut Bound) -> io::Result<()> {
        let said = || [REPORT, CONSOLE].map(|name| fs::metadata(self.logs.join(name)).map_or(0, |file| file.len()));
        let (mut last, mut since) = (said(), Instant::now());
        while runs(guest)? {
            thread::sleep(LOOK);
            let now = said();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > self.silence || !runs(server)? && since.elapsed() > PATIENCE {
                break;
            }
        }
        Ok(())
    }
}
