use super::*;
use barexe_drm::Attribute;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn facts() -> Facts {
    let frequencies = Frequencies { rp0: 1300, rpe: 400, rpn: 100 };
    let gt = |id, media, classes| GtFacts { id, tile: 0, media, classes, frequencies };
    Facts {
        device: 0x64A0,
        revision: 4,
        config: vec![0; 64],
        pat: PatFacts { rows: vec![(0xC, true), (0, false)], uses: vec![("WB", 2)] },
        gts: vec![gt(0, false, vec!["rcs", "ccs"]), gt(1, true, vec!["vcs"])],
    }
}

/// A folder of its own, gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("barexe-tree-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn clients_find_the_device_by_number_by_class_by_bus_and_by_path() {
    let scratch = Scratch::new("ways");
    write(&scratch.0, &facts()).unwrap();
    write(&scratch.0, &facts()).unwrap();
    let ways = [
        "sys/dev/char/226:0/device",
        "sys/dev/char/226:128/device",
        "sys/class/drm/card0/device",
        "sys/bus/pci/devices/0000:00:02.0",
    ];
    for way in ways {
        assert_eq!(scratch.read(&format!("{way}/device")), "0x64a0\n", "{way}");
    }
    assert_eq!(scratch.read("sys/dev/char/226:128/dev"), "226:128\n");
    assert_eq!(
        fs::read_link(scratch.0.join("dev/dri/by-path/pci-0000:00:02.0-render")).unwrap(),
        PathBuf::from("../../../dev/dri/renderD128")
    );
    assert!(scratch.0.join("dev/dri/by-path/pci-0000:00:02.0-card").exists());
    let driver = fs::canonicalize(scratch.0.join("sys/dev/char/226:0/device/driver")).unwrap();
    assert!(driver.ends_with("sys/bus/pci/drivers/xe"), "{}", driver.display());
    assert!(scratch.read("sys/dev/char/226:0/device/uevent").contains("PCI_ID=8086:64A0\n"));
}

#[test]
fn no_link_leaves_the_tree_or_leads_nowhere() {
    let scratch = Scratch::new("links");
    write(&scratch.0, &facts()).unwrap();
    let root = fs::canonicalize(&scratch.0).unwrap();
    let mut links = 0;
    for entry in entries(&facts()) {
        if let Entry::Link(path, _) = entry {
            let end = fs::canonicalize(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(end.starts_with(&root), "{path} leads to {}", end.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links} links");
}

#[test]
fn everything_lies_below_a_prefix_that_clients_are_led_by_and_nothing_is_there_twice() {
    let all = entries(&facts());
    for entry in &all {
        let path = format!("/{}", entry.path());
        assert!(PREFIXES.iter().any(|prefix| path.starts_with(prefix)), "{path}");
    }
    let paths: BTreeSet<_> = all.iter().map(Entry::path).collect();
    assert_eq!(paths.len(), all.len());
}

#[test]
fn configuration_space_says_what_the_files_say() {
    let scratch = Scratch::new("config");
    write(&scratch.0, &facts()).unwrap();
    let config = fs::read(scratch.0.join("sys/bus/pci/devices/0000:00:02.0/config")).unwrap();
    assert_eq!(config.len(), 256);
    assert_eq!(config.get(..12).unwrap(), [0x86, 0x80, 0xA0, 0x64, 0, 0, 0, 0, 4, 0, 0, 3]);
}

#[test]
fn each_gt_shows_its_classes() {
    let scratch = Scratch::new("gts");
    write(&scratch.0, &facts()).unwrap();
    let device = "sys/dev/char/226:0/device/tile0";
    for path in ["gt0/engines/ccs/.defaults/preempt_timeout_us", "gt1/engines/vcs/job_timeout_max"] {
        assert!(scratch.0.join(device).join(path).exists(), "{path}");
    }
    assert!(!scratch.0.join(device).join("gt1/engines/rcs").exists());
    assert_eq!(scratch.read(&format!("{device}/gt1/gtidle/name")), "gt1-mc\n");
    assert_eq!(scratch.read(&format!("{device}/gt0/gtidle/idle_status")), "gt-c6\n");
    assert!(scratch.0.join("sys/kernel/debug/dri/128/gt1/force_reset_sync").exists());
    let attributes = scratch.read("sys/kernel/debug/dri/0/gt1/pat_sw_config");
    assert_eq!(attributes, "PAT table:\nPAT[ 0] = (0xc)\nPAT[ 1] = (0x0) *\nIDX[XE_CACHE_WB] = 2\n");
}

#[test]
fn files_that_act_are_there_under_the_paths_that_say_so() {
    let all = entries(&facts());
    let acting = all.iter().filter_map(|entry| Attribute::of(&format!("/{}", entry.path())));
    // Three classes with nine files each, twice; two GTs with two.
    assert_eq!(acting.count(), 3 * 9 * 2 + 4);
}
