//! What a client uses, as text: the lines that a kernel adds to what it says of a process's descriptors.

use crate::attributes::CLASSES;
use crate::node::{FileId, Node, NodeDevice, Refusal};
use barexe_core::device::request::EngineRef;
use barexe_core::device::{ClientId, MemoryUse};
use barexe_hal::ClockKind;
use core::fmt::Write;

/// Where the device sits on its bus.
pub const SLOT: &str = "0000:00:02.0";
/// The driver whose interface clients meet.
pub const DRIVER: &str = "xe";

impl Node {
    /// What the client with this file uses: memory by region, time by engine class.
    ///
    /// # Errors
    /// EBADF: there is no such file; the device's.
    pub fn usage(&self, id: FileId) -> Result<String, Refusal> {
        let mut state = self.lock();
        let client = state.files.get(&id).ok_or(Refusal::BAD_FILE)?.client;
        let mut text = format!("drm-driver:\t{DRIVER}\ndrm-client-id:\t{}\ndrm-pdev:\t{SLOT}\n", id.0);
        // Memory that the device reaches through its own tables is where everything lies; nothing was ever moved out of it.
        put_memory(&mut text, "system", MemoryUse::default(), true);
        put_memory(&mut text, "gtt", state.device.client_memory(client)?, false);
        put_engines(&mut text, &mut state.device, client)?;
        Ok(text)
    }
}

/// Memory of a region; `purgeable`: it says what could be taken away.
fn put_memory(text: &mut String, region: &str, used: MemoryUse, purgeable: bool) {
    let MemoryUse { total, shared, active } = used;
    let mut all = vec![("total", total), ("shared", shared), ("active", active), ("resident", total)];
    if purgeable {
        all.push(("purgeable", total));
    }
    for (what, bytes) in all {
        let _ = writeln!(text, "drm-{what}-{region}:\t{}", size(bytes));
    }
}

/// A number of bytes, in the largest unit up to MiB that it is a multiple of.
fn size(bytes: u64) -> String {
    let whole = |unit: u64| bytes > 0 && bytes.is_multiple_of(unit);
    match bytes {
        _ if whole(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if whole(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// For each class: how long its engines have worked for the client, how long they could have, how many they are.
fn put_engines(text: &mut String, device: &mut NodeDevice, client: ClientId) -> Result<(), Refusal> {
    let engines: Vec<_> = device.info().client_engines().copied().collect();
    let Some(first) = engines.first() else { return Ok(()) };
    let any = EngineRef { class: first.class, instance: first.logical.into(), gt: first.gt.into() };
    let ticks = device.client_ticks(client)?;
    let now = device.engine_cycles(&any, ClockKind::Monotonic)?.cycles;
    for (class, name) in CLASSES {
        let count = engines.iter().filter(|engine| engine.class == class).count();
        if count > 0 {
            let _ = writeln!(text, "drm-cycles-{name}:\t{}\ndrm-total-cycles-{name}:\t{now}", ticks.of(class));
        }
        if count > 1 {
            let _ = writeln!(text, "drm-engine-capacity-{name}:\t{count}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;
    use crate::settings::Settings;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        let rows = [(0, "0"), (1, "1"), (1536, "1536"), (4096, "4 KiB"), (1 << 20, "1 MiB"), (3 << 30, "3072 MiB")];
        for (bytes, text) in rows {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_client_that_has_nothing_uses_nothing() {
        let node = Node::open(&Settings::parse("tgl", ["on", "on"]).unwrap()).unwrap();
        let file = node.open_file(Process::own(), true).unwrap();
        let text = node.usage(file).unwrap();
        let start = format!("drm-driver:\txe\ndrm-client-id:\t{}\ndrm-pdev:\t0000:00:02.0\n", file.0);
        assert!(text.starts_with(&start), "{text}");
        for line in ["drm-total-gtt:\t0", "drm-resident-gtt:\t0", "drm-purgeable-system:\t0", "drm-cycles-rcs:\t0"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.contains("drm-engine-capacity-vcs:\t2\n") && !text.contains("capacity-rcs"), "{text}");
        node.close_file(file);
        assert_eq!(node.usage(file), Err(Refusal::BAD_FILE));
    }
}
