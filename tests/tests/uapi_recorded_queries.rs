//! What a device says about itself, in bytes, against what real clients were told.

use barexe_core::Errno;
use barexe_core::device::Config;
use barexe_core::uapi::{self, Answer, Call, request};
use barexe_hal::client::NoClientMemory;
use barexe_sim::{Platform, SimConfig};
use barexe_tests::recording::{self, Recording};
use barexe_tests::rig::{Rig, on_each_platform, on_opened};
use barexe_tests::wire::{Bytes, Ram};
use core::ops::Range;

const RECORDINGS: [&str; 4] = [
    "tgl-xe_exec_basic-once-basic",
    "tgl-xe_vm-bind-once",
    "tgl-xe_exec_store-basic-store",
    "lnl-xe_exec_store-cachelines",
];

/// Offsets in `drm_xe_device_query` (bind-and-exec sheet §2.5).
const QUERY: usize = 8;
const SIZE: usize = 12;
const DATA: usize = 16;

const MEM_REGIONS: u32 = 1;
const HWCONFIG: u32 = 4;
const OA_UNITS: u32 = 8;

/// Runs `test` on a device set up like the one the recording was made on.
fn on_its_device(recording: &'static Recording, test: impl Fn(&mut Rig<'_>)) {
    let platform = Platform::by_name(&recording.header.platform).unwrap();
    assert!(recording.header.privileged, "the rig's client is");
    let config = Config { system_memory_bytes: recording.header.system_memory };
    on_opened(&SimConfig::new(platform), config, |rig| {
        rig.device.set_hwconfig(hwconfig(recording));
        test(rig);
    });
}

/// Reads a recording for the rest of the test's life: a device may be lent parts of it.
fn load(name: &str) -> &'static Recording {
    Box::leak(Box::new(Recording::load(name)))
}

/// The configuration table of the recorded device, empty if it had none. It comes with the part's firmware, so a device
/// set up like that one has it from outside.
fn hwconfig(recording: &'static Recording) -> &'static [u8] {
    let is_table = |call: &&recording::Call| query_of(&call.before.0) == HWCONFIG && !call.out_payloads.is_empty();
    let found = recording.calls_of("XE_DEVICE_QUERY").find(is_table);
    found.map_or(&[], |call| &call.out_payloads[0].data.as_ref().unwrap().0)
}

fn query_of(arg: &[u8]) -> u32 {
    Bytes(arg.to_vec()).get_u32(QUERY)
}

/// Bytes of an answer that are the unit's or the moment's own (README of the recordings, section 3).
fn may_differ(query: u32) -> &'static [Range<usize>] {
    match query {
        // Counters of used memory.
        MEM_REGIONS => &[24..32, 40..48],
        // What the unit is capable of: this driver opens no observation streams.
        OA_UNITS => &[32..40],
        _ => &[],
    }
}

/// Makes a recorded query and compares everything it gives; the number of bytes compared.
fn compare(rig: &mut Rig<'_>, call: &recording::Call) -> usize {
    let query = query_of(&call.before.0);
    let data = Bytes(call.before.0.clone()).get_u64(DATA);
    let given = Bytes(call.before.0.clone()).get_u32(SIZE) as usize;
    let mut memory = Ram::new().with(data, &vec![0xEE; given]);
    let mut arg = call.before.0.clone();
    let code = u32::try_from(call.request.0).unwrap();
    let ret = match uapi::ioctl(&mut rig.device, rig.client, code, &mut arg, &mut memory) {
        Ok(Answer::Done(ret)) => i64::from(ret),
        Ok(Answer::Wait { until }) => panic!("line {}: a query waits until {until:?}", call.n),
        Err(error) => -i64::from(error.errno().code()),
    };
    assert_eq!(ret, call.ret, "line {}: query {query}", call.n);
    assert_eq!(arg, call.after(), "line {}: struct of query {query}", call.n);
    let Some(payload) = call.out_payloads.first() else { return arg.len() };
    let (found, recorded) = (memory.at(data), &payload.data.as_ref().unwrap().0);
    assert_eq!(found.len(), recorded.len());
    let compared = |at: &usize| !may_differ(query).iter().any(|range| range.contains(at));
    for at in (0..found.len()).filter(compared) {
        assert_eq!(found[at], recorded[at], "line {}: byte {at} of query {query}", call.n);
    }
    arg.len() + (0..found.len()).filter(compared).count()
}

#[test]
fn every_query_of_the_recordings_is_answered_as_recorded() {
    for name in RECORDINGS {
        let recording = load(name);
        on_its_device(recording, |rig| {
            let queries: Vec<_> = recording.calls_of("XE_DEVICE_QUERY").collect();
            // CONFIG, GT_LIST, ENGINES, MEM_REGIONS, OA_UNITS twice each, HWCONFIG, EU_STALL, at least.
            assert!(queries.len() >= 12, "{name}");
            let bytes: usize = queries.into_iter().map(|call| compare(rig, call)).sum();
            assert!(bytes > 12 * 40, "{name}: {bytes}");
        });
    }
}

#[test]
fn a_device_without_a_configuration_table_says_that_it_has_none() {
    on_each_platform(|rig| {
        let mut arg = Bytes::new(40).u32(QUERY, HWCONFIG);
        let answer =
            uapi::ioctl(&mut rig.device, rig.client, request::XE_DEVICE_QUERY, &mut arg.0, &mut NoClientMemory);
        assert_eq!((answer, arg.get_u32(SIZE)), (Ok(Answer::Done(0)), 0));
    });
}

#[test]
fn memory_in_use_is_told_to_privileged_clients_alone() {
    on_each_platform(|rig| {
        rig.bo(0x5000);
        let stranger = rig.device.client_open(false).unwrap();
        let mut used = |client| {
            let mut memory = Ram::new().with(0x1000, &[0; 96]);
            let mut arg = Bytes::new(40).u32(QUERY, MEM_REGIONS).u32(SIZE, 96).u64(DATA, 0x1000);
            let answer = uapi::ioctl(&mut rig.device, client, request::XE_DEVICE_QUERY, &mut arg.0, &mut memory);
            assert_eq!(answer, Ok(Answer::Done(0)));
            Bytes(memory.at(0x1000).to_vec()).get_u64(24)
        };
        assert_eq!((used(rig.client), used(stranger)), (0x5000, 0));
    });
}

#[test]
fn topology_is_what_the_fuses_say() {
    // tgl-clinfo-list and tgl-vulkaninfo-summary: 80 bytes of six DSS, eight L3 banks, 16 EUs.
    on_opened(&SimConfig::new(Platform::tgl()), Config::default(), |rig| {
        let expected = Bytes::new(80)
            .u32(0, 0x0001_0000)
            .u32(4, 16)
            .u32(8, 0x3F)
            .u32(24, 0x0002_0000)
            .u32(28, 16)
            .u32(48, 0x0003_0000)
            .u32(52, 8)
            .u32(56, 0xFF)
            .u32(64, 0x0004_0000)
            .u32(68, 8)
            .u32(72, 0xFFFF);
        let mut memory = Ram::new().with(0x1000, &[0; 80]);
        let mut arg = Bytes::new(40).u32(QUERY, 5).u32(SIZE, 80).u64(DATA, 0x1000);
        let answer = uapi::ioctl(&mut rig.device, rig.client, request::XE_DEVICE_QUERY, &mut arg.0, &mut memory);
        assert_eq!(answer, Ok(Answer::Done(0)));
        assert_eq!(memory.at(0x1000), expected.0);
    });
}

/// Calls of the recordings, by name, and the codes this driver knows them by.
const CODES: [(&str, u32); 14] = [
    ("GEM_CLOSE", request::GEM_CLOSE),
    ("XE_DEVICE_QUERY", request::XE_DEVICE_QUERY),
    ("XE_GEM_CREATE", request::XE_GEM_CREATE),
    ("XE_GEM_MMAP_OFFSET", request::XE_GEM_MMAP_OFFSET),
    ("XE_VM_CREATE", request::XE_VM_CREATE),
    ("XE_VM_DESTROY", request::XE_VM_DESTROY),
    ("XE_VM_BIND", request::XE_VM_BIND),
    ("XE_EXEC_QUEUE_CREATE", request::XE_EXEC_QUEUE_CREATE),
    ("XE_EXEC_QUEUE_DESTROY", request::XE_EXEC_QUEUE_DESTROY),
    ("XE_EXEC", request::XE_EXEC),
    ("SYNCOBJ_CREATE", request::SYNCOBJ_CREATE),
    ("SYNCOBJ_DESTROY", request::SYNCOBJ_DESTROY),
    ("SYNCOBJ_WAIT", request::SYNCOBJ_WAIT),
    ("SYNCOBJ_RESET", request::SYNCOBJ_RESET),
];

#[test]
fn every_call_of_the_recordings_is_known_by_its_code_and_size() {
    let mut seen = std::collections::BTreeSet::new();
    for name in RECORDINGS {
        for call in Recording::load(name).calls {
            let code = u32::try_from(call.request.0).unwrap();
            let Some((known, expected)) = CODES.iter().find(|(name, _)| *name == call.name) else {
                assert_eq!(call.name, "VERSION", "{name}, line {}", call.n);
                assert_eq!(Call::of(code).unwrap_err().errno(), Errno::EINVAL, "the layer around a driver answers it");
                continue;
            };
            assert_eq!(code, *expected, "{name}, line {}", call.n);
            assert_eq!(Call::of(code).unwrap().size_bytes(), call.before.0.len(), "{name}, line {}", call.n);
            seen.insert(*known);
        }
    }
    assert_eq!(seen.len(), CODES.len(), "{seen:?}");
}
