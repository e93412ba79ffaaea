//! What the probe found, for people.

use barexe_core::gt::{DeviceInfo, Engine, EngineClass};
use std::io::{self, Write};

/// Bytes of one GGTT page.
const PAGE_BYTES: u64 = 4096;

/// Prints the summary.
///
/// # Errors
/// What printing met.
pub fn print(info: &DeviceInfo, out: &mut dyn Write) -> io::Result<()> {
    let graphics = format!("{}.{:02}", info.graphics.major, info.graphics.minor);
    let media = info.media.map_or_else(|| String::from("none"), |ip| format!("{}.{:02}", ip.major, ip.minor));
    writeln!(out, "Probe")?;
    row(
        out,
        "device",
        &format!("8086:{:04x} revision {}, platform {}", info.device_id, info.revision, info.platform.name),
    )?;
    row(out, "versions", &format!("graphics {graphics}, media {media}"))?;
    for gt in 0..info.gt_count {
        let engines: Vec<_> = info.engines.iter().filter(|engine| engine.gt == gt).map(name).collect();
        let clock = hertz(info.timestamp_hz(gt));
        row(out, &format!("GT {gt}"), &format!("{}; timestamps at {clock}", engines.join(" ")))?;
    }
    let ggtt_bytes = u64::from(info.ggtt_entries) * PAGE_BYTES;
    row(out, "GGTT", &format!("{} MiB in {} entries", ggtt_bytes >> 20, info.ggtt_entries))?;
    let levels = info.family().pt.root_level.number() + 1;
    let (va, dma) = (info.platform.va_bits, info.platform.dma_bits);
    row(out, "addresses", &format!("{va}-bit GPU addresses, {levels}-level page tables, {dma}-bit bus"))
}

fn row(out: &mut dyn Write, what: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {what:<10} {value}")
}

/// The name hardware people use, and whether clients are not offered it.
fn name(engine: &Engine) -> String {
    let class = match engine.class {
        EngineClass::Render => "rcs",
        EngineClass::Copy => "bcs",
        EngineClass::VideoDecode => "vcs",
        EngineClass::VideoEnhance => "vecs",
        EngineClass::Compute => "ccs",
        EngineClass::Gsc => "gsccs",
    };
    let kept = if engine.reserved { " (reserved)" } else { "" };
    format!("{class}{}{kept}", engine.instance)
}

fn hertz(hz: u32) -> String {
    format!("{}.{} MHz", hz / 1_000_000, hz / 100_000 % 10)
}
