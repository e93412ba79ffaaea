//! The first line: who the client was and on what it ran.

use super::event::Addr;
use serde::{Deserialize, Serialize};

/// Who was recorded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Client {
    /// Package or tool.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Program of it that ran.
    pub program: String,
    /// The driver above the interface, for GPU APIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// The PCI function it ran on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct DeviceId {
    /// PCI vendor id.
    pub vendor_id: Addr,
    /// PCI device id.
    pub device_id: Addr,
    /// PCI revision.
    pub revision: u8,
}

/// The first line.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Header {
    /// `xe-client-recording`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Who was recorded.
    pub client: Client,
    /// Which of its tests, if one.
    pub subtest: Option<String>,
    /// Platform name.
    pub platform: String,
    /// PCI function.
    pub device: DeviceId,
    /// Bytes of a page.
    #[serde(default)]
    pub page_size: u64,
    /// Bits of a GPU virtual address.
    #[serde(default)]
    pub va_bits: u8,
    /// Dialect of the interface.
    pub dialect: String,
    /// Byte order of structs.
    pub byte_order: String,
    /// The client had every privilege.
    pub privileged: bool,
    /// Bytes of system memory clients were told of.
    pub system_memory: u64,
    /// GTs there were.
    #[serde(default)]
    pub gts: u8,
    /// Engines that clients could use: class, instance, GT.
    #[serde(default)]
    pub engines: Vec<[u16; 3]>,
    /// The client's own verdict, as far as the recorder knows it.
    #[serde(default)]
    pub client_result: String,
    /// What the file exercises.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What the header says a recording is.
pub const FORMAT: &str = "xe-client-recording";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Intel.
pub const VENDOR: u64 = 0x8086;

impl Header {
    /// Whether the recording is one of those this program replays.
    ///
    /// # Errors
    /// What is foreign about it.
    pub fn check(&self) -> Result<(), String> {
        let rows = [
            (self.format == FORMAT, format!("format is `{}`", self.format)),
            (self.version == VERSION, format!("version is {}", self.version)),
            (self.dialect == "U", format!("dialect is `{}`", self.dialect)),
            (self.byte_order == "little", format!("byte order is `{}`", self.byte_order)),
            (self.device.vendor_id.0 == VENDOR, format!("PCI vendor is {}", self.device.vendor_id)),
        ];
        let foreign = rows.into_iter().find(|(fits, _)| !fits);
        foreign.map_or(Ok(()), |(_, what)| {
            Err(format!("{what}; this program replays xe-client-recording 1, dialect U, of little-endian Intel parts"))
        })
    }

    /// Program and subtest, in one word.
    #[must_use]
    pub fn client_name(&self) -> String {
        let program = &self.client.program;
        let name = self.subtest.as_ref().map_or_else(|| program.clone(), |subtest| format!("{program}/{subtest}"));
        name.split_whitespace().collect::<Vec<_>>().join("_")
    }

    /// Whether the file has this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|found| found == tag)
    }
}
