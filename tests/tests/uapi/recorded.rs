//! What a device says about itself, in bytes, against what real clients were told.

use barexe_cli::recording::{Call as Recorded, Recording};
use barexe_cli::replay::calls::is_drm_layer;
use barexe_core::device::Config;
use barexe_core::uapi::{self, Answer, Call, request};
use barexe_hal::client::NoClientMemory;
use barexe_sim::{Platform, SimConfig};
use barexe_tests::clients::{CLEAN, all, load};
use barexe_tests::rig::{Rig, on_each_platform, on_opened};
use barexe_tests::wire::{Bytes, Ram};

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
    let config = Config { system_memory_bytes: recording.header.system_memory, ..Config::default() };
    on_opened(&SimConfig::new(platform), config, |rig| {
        rig.device.set_hwconfig(recording.hwconfig().unwrap_or_default());
        test(rig);
    });
}

/// Every call of a recording, repetitions included, and the line it stands in.
fn calls(recording: &'static Recording) -> impl Iterator<Item = (usize, &'static Recorded)> {
    recording.events.iter().filter_map(|event| Some((event.n, recording.call_of(event)?)))
}

/// Its device queries.
fn queries(recording: &'static Recording) -> impl Iterator<Item = (usize, &'static Recorded)> {
    calls(recording).filter(|(_, call)| call.name == "XE_DEVICE_QUERY")
}

fn query_of(arg: &[u8]) -> u32 {
    Bytes(arg.to_vec()).get_u32(QUERY)
}

/// Whether a byte of an answer is the unit's or the moment's own (README of the recordings, section 3).
fn may_differ(query: u32, at: usize) -> bool {
    match query {
        // Counters of used memory.
        MEM_REGIONS => (24..32).contains(&at) || (40..48).contains(&at),
        // What the unit is capable of: this driver opens no observation streams.
        OA_UNITS => (32..40).contains(&at),
        _ => false,
    }
}

/// Makes a recorded query and compares everything it gives; the number of bytes compared.
fn compare(rig: &mut Rig<'_>, line: usize, call: &Recorded) -> usize {
    let query = query_of(&call.input.0);
    let given = Bytes(call.input.0.clone());
    let (data, len) = (given.get_u64(DATA), given.get_u32(SIZE) as usize);
    let (mut arg, mut memory) = (given.0, Ram::new().with(data, &vec![0xEE; len]));
    let ret = match uapi::ioctl(&mut rig.device, rig.client, call.request_code(), &mut arg, &mut memory) {
        Ok(Answer::Done(ret)) => i64::from(ret),
        Ok(waits) => panic!("line {line}: a query waits: {waits:?}"),
        Err(error) => -i64::from(error.errno().code()),
    };
    assert_eq!(ret, call.ret, "line {line}: query {query}");
    assert_eq!(arg, call.output(), "line {line}: struct of query {query}");
    let Some(payload) = call.out_payloads.first() else { return arg.len() };
    let (found, recorded) = (memory.at(data), &payload.data.as_ref().unwrap().0);
    assert_eq!(found.len(), recorded.len());
    let compared = |at: &usize| !may_differ(query, *at);
    for at in (0..found.len()).filter(compared) {
        assert_eq!(found[at], recorded[at], "line {line}: byte {at} of query {query}");
    }
    arg.len() + (0..found.len()).filter(compared).count()
}

#[test]
fn every_query_of_the_recordings_is_answered_as_recorded() {
    for name in CLEAN {
        let recording = load(name);
        on_its_device(recording, |rig| {
            // CONFIG, GT_LIST, ENGINES, MEM_REGIONS, OA_UNITS twice each, HWCONFIG, EU_STALL, at least.
            assert!(queries(recording).count() >= 12, "{name}");
            let bytes: usize = queries(recording).map(|(line, call)| compare(rig, line, call)).sum();
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
const CODES: [(&str, u32); 17] = [
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
    ("XE_EXEC_QUEUE_GET_PROPERTY", request::XE_EXEC_QUEUE_GET_PROPERTY),
    ("XE_WAIT_USER_FENCE", request::XE_WAIT_USER_FENCE),
    ("SYNCOBJ_TIMELINE_WAIT", request::SYNCOBJ_TIMELINE_WAIT),
    ("SYNCOBJ_CREATE", request::SYNCOBJ_CREATE),
    ("SYNCOBJ_DESTROY", request::SYNCOBJ_DESTROY),
    ("SYNCOBJ_WAIT", request::SYNCOBJ_WAIT),
    ("SYNCOBJ_RESET", request::SYNCOBJ_RESET),
];

#[test]
fn every_call_of_the_recordings_is_known_by_its_code_and_size() {
    let mut seen = std::collections::BTreeSet::new();
    for name in all() {
        for (line, call) in calls(load(&name)) {
            let code = call.request_code();
            let Some((known, expected)) = CODES.iter().find(|(name, _)| *name == call.name) else {
                assert!(is_drm_layer(&call.name), "{name}, line {line}: {}", call.name);
                assert_eq!(
                    Call::of(code).unwrap().size_bytes(),
                    call.input.0.len(),
                    "{name}, line {line}: {}",
                    call.name
                );
                continue;
            };
            assert_eq!(code, *expected, "{name}, line {line}");
            assert_eq!(Call::of(code).unwrap().size_bytes(), call.input.0.len(), "{name}, line {line}");
            seen.insert(*known);
        }
    }
    assert_eq!(seen.len(), CODES.len(), "{seen:?}");
}
