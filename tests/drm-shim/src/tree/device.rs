//! Nodes, bus, module and debug folder of the device.

use super::{CARD_MINOR, DRM_MAJOR, Entry, Facts, RENDER_MINOR, SLOT};
use barexe_drm::usage::DRIVER;

/// The device's own folder.
pub(super) const FOLDER: &str = "sys/devices/pci0000:00/0000:00:02.0";
/// Vendor, and vendor of the subsystem.
const INTEL: u16 = 0x8086;
/// Display controller, VGA compatible.
const CLASS: u32 = 0x03_0000;

/// The folder below debugfs; the other names lead to it.
pub(super) fn debug_folder() -> String {
    format!("sys/kernel/debug/dri/{SLOT}")
}

/// What the nodes are called, with their minor numbers, and the end of their names by path.
const NODES: [(&str, u32, &str); 2] = [("card0", CARD_MINOR, "card"), ("renderD128", RENDER_MINOR, "render")];

/// Both nodes: by name, by path, by number, as members of their class.
pub(super) fn nodes() -> Vec<Entry> {
    let class = [Entry::line("sys/class/drm/version", "drm 1.1.0 20060810")];
    class.into_iter().chain(NODES.into_iter().flat_map(node)).collect()
}

fn node((name, minor, by_path): (&str, u32, &str)) -> [Entry; 8] {
    let folder = format!("{FOLDER}/drm/{name}");
    let uevent = format!("MAJOR={DRM_MAJOR}\nMINOR={minor}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor\n");
    [
        Entry::File(format!("dev/dri/{name}"), Vec::new()),
        Entry::link(format!("dev/dri/by-path/pci-{SLOT}-{by_path}"), &format!("dev/dri/{name}")),
        Entry::link(format!("sys/class/drm/{name}"), &folder),
        Entry::link(format!("sys/dev/char/{DRM_MAJOR}:{minor}"), &folder),
        Entry::link(format!("{folder}/device"), FOLDER),
        Entry::link(format!("{folder}/subsystem"), "sys/class/drm"),
        Entry::line(format!("{folder}/dev"), format_args!("{DRM_MAJOR}:{minor}")),
        Entry::File(format!("{folder}/uevent"), uevent.into_bytes()),
    ]
}

/// The device on its bus, and the driver that has it.
pub(super) fn bus(facts: &Facts) -> Vec<Entry> {
    let driver = format!("sys/bus/pci/drivers/{DRIVER}");
    let module = format!("sys/module/{DRIVER}");
    let links = [
        Entry::link(format!("sys/bus/pci/devices/{SLOT}"), FOLDER),
        Entry::link(format!("{driver}/{SLOT}"), FOLDER),
        Entry::link(format!("{driver}/module"), &module),
        Entry::link(format!("{module}/drivers/pci:{DRIVER}"), &driver),
        Entry::link(format!("{FOLDER}/driver"), &driver),
        Entry::link(format!("{FOLDER}/subsystem"), "sys/bus/pci"),
        Entry::Folder(format!("{module}/parameters")),
        Entry::line(format!("{module}/refcnt"), 1),
        Entry::line(format!("{module}/initstate"), "live"),
    ];
    links.into_iter().chain(ids(facts)).chain(power()).collect()
}

/// The files that say what it is.
fn ids(facts: &Facts) -> Vec<Entry> {
    let file = |name: &str, text: String| Entry::line(format!("{FOLDER}/{name}"), text);
    let device = facts.device;
    let uevent = format!(
        "DRIVER={DRIVER}\nPCI_CLASS={CLASS:X}\nPCI_ID={INTEL:04X}:{device:04X}\nPCI_SUBSYS_ID={INTEL:04X}:0000\n\
         PCI_SLOT_NAME={SLOT}\nMODALIAS=pci:v{:08X}d{:08X}sv{:08X}sd00000000bc03sc00i00",
        INTEL, device, INTEL,
    );
    vec![
        file("vendor", format!("{INTEL:#06x}")),
        file("device", format!("{device:#06x}")),
        file("subsystem_vendor", format!("{INTEL:#06x}")),
        file("subsystem_device", "0x0000".into()),
        file("revision", format!("{:#04x}", facts.revision)),
        file("class", format!("{CLASS:#08x}")),
        file("uevent", uevent),
        file("irq", "0".into()),
        file("enable", "1".into()),
        file("boot_vga", "1".into()),
        file("numa_node", "-1".into()),
        file("local_cpulist", "0".into()),
        file("resource", resource()),
        Entry::File(format!("{FOLDER}/config"), config(facts)),
    ]
}

/// No memory of the device can be reached by its bus address: seven ranges, all empty.
fn resource() -> String {
    let none = "0x0000000000000000 0x0000000000000000 0x0000000000000000";
    [none; 7].join("\n")
}

/// It is awake, and stays so.
fn power() -> [Entry; 3] {
    [("control", "on"), ("runtime_status", "active"), ("runtime_suspended_time", "0")]
        .map(|(name, text)| Entry::line(format!("{FOLDER}/power/{name}"), text))
}

/// Configuration space with the ids and the class in their places.
fn config(facts: &Facts) -> Vec<u8> {
    let mut bytes = facts.config.clone();
    bytes.resize(facts.config.len().max(256), 0);
    let [class, subclass, interface] = [(CLASS >> 16) & 0xFF, (CLASS >> 8) & 0xFF, CLASS & 0xFF].map(low_byte);
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    };
    put(0x00, &INTEL.to_le_bytes());
    put(0x02, &facts.device.to_le_bytes());
    put(0x08, &[facts.revision, interface, subclass, class]);
    put(0x2C, &INTEL.to_le_bytes());
    bytes
}

const fn low_byte(value: u32) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}

/// The debug folder, under its three names.
pub(super) fn debug() -> Vec<Entry> {
    let folder = debug_folder();
    let name = format!("{DRIVER} dev={SLOT} unique={SLOT}");
    let minors = NODES.map(|(_, minor, _)| Entry::link(format!("sys/kernel/debug/dri/{minor}"), &folder));
    let files = [
        Entry::line(format!("{folder}/name"), name),
        Entry::File(format!("{folder}/clients"), Vec::new()),
        Entry::File(format!("{folder}/forcewake_all"), Vec::new()),
    ];
    minors.into_iter().chain(files).collect()
}
