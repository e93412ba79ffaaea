use super::*;
use crate::node::FileId;
use crate::process::{Caller, Process};
use crate::settings::Settings;

const ENGINES: &str = "/sys/devices/pci0000:00/0000:00:02.0/tile0/gt0/engines";
const GT: &str = "/sys/kernel/debug/dri/0000:00:02.0/gt0";

fn node() -> &'static Node {
    Node::open(&Settings::parse("tgl", ["on", "on"]).unwrap()).unwrap()
}

fn file(name: &str) -> Attribute {
    Attribute::of(&format!("{ENGINES}/{name}")).unwrap()
}

#[test]
fn a_path_says_which_file_it_is() {
    let [property, class] = [Property::Timeslice, Property::JobTimeout].map(|property| (property, Field::Value));
    let number =
        |(property, field), start| Attribute::Scheduling { gt: 0, class: EngineClass::Copy, property, field, start };
    assert_eq!(Attribute::of(&format!("{ENGINES}/bcs/timeslice_duration_us")), Some(number(property, false)));
    assert_eq!(Attribute::of(&format!("{ENGINES}/bcs/.defaults/job_timeout_ms")), Some(number(class, true)));
    let lower = number((Property::JobTimeout, Field::Lower), false);
    assert_eq!(Attribute::of(&format!("{ENGINES}/bcs/job_timeout_min")), Some(lower));
    assert_eq!(Attribute::of(&format!("{GT}/force_reset")), Some(Attribute::Reset { gt: 0, wait: false }));
    assert_eq!(Attribute::of("/d/gt17/force_reset_sync"), Some(Attribute::Reset { gt: 17, wait: true }));
    for other in ["", "/", "/gt/force_reset", "/sys/class/drm/card0/uevent", "/gt0/engines/xcs/job_timeout_ms"] {
        assert_eq!(Attribute::of(other), None, "{other}");
    }
    assert_eq!(Attribute::of(&format!("{ENGINES}/bcs/name")), None);
}

#[test]
fn a_number_stands_for_a_file_and_others_for_none() {
    for path in ["bcs/job_timeout_min", "rcs/.defaults/preempt_timeout_us", "ccs/timeslice_duration_max"] {
        assert_eq!(Attribute::of_code(file(path).code()), Some(file(path)), "{path}");
    }
    let reset = Attribute::Reset { gt: 1, wait: true };
    assert_eq!(Attribute::of_code(reset.code()), Some(reset));
    for other in [0x0500_0000, 0xFF_0000, 2, 0x2_0001, u64::MAX] {
        assert_eq!(Attribute::of_code(other), None, "{other:#x}");
    }
}

#[test]
fn what_is_written_reaches_the_device_and_is_read_again() {
    let node = node();
    for (name, start) in
        [("job_timeout_ms", "5000\n"), ("timeslice_duration_us", "1000\n"), ("preempt_timeout_us", "640000\n")]
    {
        let path = format!("bcs/{name}");
        assert_eq!(node.show(file(&path)).unwrap(), start);
        node.store(file(&path), b"77\n").unwrap();
        assert_eq!(node.show(file(&path)).unwrap(), "77\n");
        assert_eq!(node.show(file(&format!("rcs/{name}"))).unwrap(), start, "another class has its own");
        assert_eq!(node.show(file(&format!("bcs/.defaults/{name}"))).unwrap(), start);
    }
    let scheduling = node.lock().device.scheduling(0, EngineClass::Copy).unwrap();
    assert_eq!((scheduling.job_timeout.get(), scheduling.timeslice_us), (77_000_000, 77));
    assert_eq!(scheduling.preempt_timeout.get(), 77_000);
}

#[test]
fn limits_hold_and_can_be_narrowed() {
    let node = node();
    let store = |name: &str, text: &str| node.store(file(name), text.as_bytes()).map_err(|refusal| refusal.0);
    let refused = [
        ("bcs/job_timeout_ms", "0", libc::EINVAL),
        ("bcs/job_timeout_ms", "10001", libc::EINVAL),
        ("bcs/timeslice_duration_max", "10000001", libc::EINVAL),
        ("bcs/preempt_timeout_min", "0", libc::EINVAL),
        ("bcs/preempt_timeout_us", "4294967296", libc::ERANGE),
        ("bcs/timeslice_duration_us", "garbage", libc::EINVAL),
        ("bcs/.defaults/job_timeout_ms", "5000", libc::EACCES),
        ("ccs/job_timeout_ms", "1", libc::ENOENT),
    ];
    for (name, text, errno) in refused {
        assert_eq!(store(name, text), Err(errno), "{text} to {name}");
    }
    store("bcs/job_timeout_max", "5100").unwrap();
    assert_eq!(store("bcs/job_timeout_ms", "5101"), Err(libc::EINVAL));
    store("bcs/job_timeout_min", "200").unwrap();
    assert_eq!(store("bcs/job_timeout_max", "199"), Err(libc::EINVAL));
    assert_eq!(store("bcs/job_timeout_min", "5101"), Err(libc::EINVAL));
    assert_eq!(store("bcs/job_timeout_ms", "199"), Err(libc::EINVAL));
    store("bcs/job_timeout_ms", "200").unwrap();
    assert_eq!(node.show(file("bcs/.defaults/job_timeout_max")).unwrap(), "10000\n");
}

#[test]
fn a_reset_is_carried_out() {
    let node = node();
    let resets = || node.lock().device.is_resetting();
    let file = |name: &str| Attribute::of(&format!("{GT}/{name}")).unwrap();
    assert_eq!(node.store(file("force_reset"), b"perhaps"), Err(Refusal::INVALID));
    node.store(file("force_reset_sync"), b"0").unwrap();
    node.store(file("force_reset_sync"), b"1").unwrap();
    assert!(!resets());
    assert_eq!(node.show(file("force_reset_sync")).unwrap(), "");
    let other = Attribute::Reset { gt: 9, wait: true };
    assert_eq!(node.store(other, b"1"), Err(Refusal::INVALID));
}

/// A queue on the copy engine whose time slice is asked for by a chain, or not.
fn queue(node: &Node, (file, vm): (FileId, u32), privileged: bool, timeslice_us: Option<u64>) -> Result<u32, i32> {
    let chain = [0, 0, 1, timeslice_us.unwrap_or(0), 0, 0];
    let engine = [1u64];
    let chain_at = timeslice_us.map_or(0, |_| chain.as_ptr().addr() as u64);
    let words = [chain_at, 0x1_0001 | u64::from(vm) << 32, 0, engine.as_ptr().addr() as u64, 0, 0];
    let mut arg: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let caller = Caller { privileged, ..Caller::own() };
    node.call((file, caller), 0xC030_6446, &mut arg, &mut |_| false).map_err(|refusal| refusal.0)
}

#[test]
fn who_may_do_nothing_special_asks_for_time_slices_within_the_limits_of_the_class() {
    let node = node();
    let client = node.open_file(Process::own(), false).unwrap();
    let mut create = [0; 32];
    node.call((client, Caller::own()), 0xC020_6443, &mut create, &mut |_| false).unwrap();
    let vm = u32::from_le_bytes(create[12..16].try_into().unwrap());
    let ask = |privileged, slice| queue(node, (client, vm), privileged, slice);
    assert_eq!(
        [ask(false, Some(1)), ask(false, Some(10_000_000)), ask(false, Some(0))],
        [Ok(0), Ok(0), Err(libc::EINVAL)]
    );
    node.store(file("bcs/timeslice_duration_min"), b"2000").unwrap();
    node.store(file("bcs/timeslice_duration_max"), b"3000").unwrap();
    for (slice, fits) in [(1999, false), (2000, true), (3000, true), (3001, false), (1 << 32 | 2500, false)] {
        assert_eq!(ask(false, Some(slice)).is_ok(), fits, "{slice}");
        assert_eq!(ask(true, Some(slice)).is_ok(), slice < 1 << 32, "{slice}, privileged");
    }
    assert_eq!(ask(false, None), Ok(0), "who asks for none gets that of the class, whatever the limits are");
    assert_eq!(node.show(file("bcs/timeslice_duration_us")).unwrap(), "1000\n");
    node.close_file(client);
}
