//! The device as a bus sees it, before any driver: what QEMU asks, and what firmware does.

use crate::ram::{BASE, Ram};
use crate::server::{BAR0, CONFIG, ROM, Scratch, Server, read32, write32};
use core::time::Duration;
use std::time::Instant;
use vfio_user::Client;

/// Interrupts, by PCI's numbers.
const MSI: u32 = 1;

#[test]
fn the_tables_are_those_of_a_display_controller() {
    for (platform, id, revision) in [("tgl", 0x9A49_8086, 1), ("lnl", 0x64A0_8086, 4)] {
        let server = Server::start(&["--platform", platform]);
        let mut client = server.client();
        let sizes: Vec<u64> = (0..9).map(|index| client.region(index).unwrap().size).collect();
        assert_eq!(sizes, [16 << 20, 0, 0, 0, 0, 0, 0, 4096, 0]);
        let counts: Vec<u32> = (0..5).map(|index| client.get_irq_info(index).unwrap().count).collect();
        assert_eq!(counts[..], [0, 1, 0, 0, 0][..], "messages, and nothing else");
        // The whole space at once, as QEMU reads it.
        let mut space = vec![0; 4096];
        client.region_read(CONFIG, 0, &mut space).unwrap();
        let dword = |at: usize| u32::from_le_bytes(space[at..at + 4].try_into().unwrap());
        assert_eq!((dword(0), dword(8)), (id, 0x0300_0000 | revision), "{platform}");
        assert_eq!((dword(4) >> 20 & 1, space[0x34], dword(0xAC) & 0xFFFF), (1, 0xAC, 5));
        assert_eq!(dword(0x100), 0, "no extended capability");
        drop(client);
        assert_eq!(server.end().status, Some(0));
    }
}

#[test]
fn a_bar_is_sized_and_a_rom_is_not_there() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (offset, sized) in
        [(0x10, 0xFF00_0004), (0x14, u32::MAX), (0x18, 0), (0x1C, 0), (0x20, 0), (0x24, 0), (0x30, 0)]
    {
        write32(&mut client, CONFIG, offset, u32::MAX);
        assert_eq!(read32(&mut client, CONFIG, offset), sized, "{offset:#x}");
    }
    write32(&mut client, ROM, 0, 0xAA55);
    assert_eq!(read32(&mut client, ROM, 0), 0);
}

/// Memory decode, bus mastering.
fn command(client: &mut Client, value: u32) {
    write32(client, CONFIG, 4, value);
}

#[test]
fn registers_answer_while_memory_decode_is_on_and_a_reset_is_power_on() {
    let server = Server::start(&[]);
    let mut client = server.client();
    assert!(!client.resettable() || client.region(CONFIG).is_some());
    assert_eq!(read32(&mut client, BAR0, 0x19_0090), u32::MAX);
    command(&mut client, 2);
    write32(&mut client, BAR0, 0x19_0090, 0x1234_5678);
    let mut two = [0; 2];
    client.region_read(BAR0, 0x19_0091, &mut two).unwrap();
    assert_eq!((read32(&mut client, BAR0, 0x19_0090), two), (0x1234_5678, [0x56, 0x34]));
    client.region_write(BAR0, 0x80_0000, &0x1_2345_6001u64.to_le_bytes()).unwrap();
    assert_eq!(read32(&mut client, BAR0, 0x80_0000), 0x2345_6001);
    client.reset().unwrap();
    assert_eq!((read32(&mut client, CONFIG, 4) & 7, read32(&mut client, BAR0, 0x19_0090)), (0, u32::MAX));
    command(&mut client, 2);
    assert_eq!((read32(&mut client, BAR0, 0x19_0090), read32(&mut client, BAR0, 0x80_0000)), (0, 0));
}

#[test]
fn memory_comes_and_goes_as_a_bios_does_it() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let ram = Ram::new();
    // Pieces of one file at other addresses than in the file, taken away one by one and all at once.
    for (at, bus, len) in [(0, 0, 0xC_0000), (0xC_0000, 0xC_0000, 0x4000), (0x10_0000, 0x10_0000, 0x80_0000)] {
        ram.map_part(&mut client, at, bus, len);
    }
    client.dma_unmap(0xC_0000, 0x4000).unwrap();
    ram.map_part(&mut client, 0x90_0000, 0xC_0000, 0x8000);
    client.dma_unmap(0, 0x90_0000).unwrap();
    ram.map(&mut client);
    drop(client);
    let ended = server.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.starts_with("the peer left: "), "{}", ended.out);
}

/// Registers of the copy engine, and what it needs to look at memory: its context is at GGTT page 1, whose entry leads
/// to the first page of memory.
fn submit(client: &mut Client) {
    const BCS: u64 = 0x2_2000;
    let entry = BASE | 1;
    client.region_write(BAR0, 0x80_0008, &entry.to_le_bytes()).unwrap();
    write32(client, BAR0, 0xA188, 0x0001_0001);
    std::thread::sleep(Duration::from_millis(1));
    for (inside, value) in [(0x29C, 0x0008_0008), (0x80, 0x1000), (0x510, 0x1119), (0x514, 0x6000_0040), (0x550, 1)] {
        write32(client, BAR0, BCS + inside, value);
    }
    // It answers while it works, and afterwards.
    let began = Instant::now();
    while read32(client, BAR0, BCS + 0xD0) & 4 == 0 && began.elapsed() < Duration::from_secs(5) {}
    assert_eq!(read32(client, BAR0, BCS + 0xD0) & 4, 4, "the engine has not stopped");
}

#[test]
fn the_device_reaches_no_memory_without_leave() {
    let cases = [
        (2, true, "writes bus address 0x100000040, while bus mastering is off"),
        (6, false, "writes bus address 0x100000040, where nothing is mapped"),
    ];
    for (bits, mapped, why) in cases {
        let trace = Scratch::new("trace.json");
        let server = Server::start(&["--trace", trace.text()]);
        let mut client = server.client();
        let ram = Ram::new();
        if mapped {
            ram.map(&mut client);
        }
        command(&mut client, bits);
        submit(&mut client);
        drop(client);
        let ended = server.end();
        assert_eq!(ended.status, Some(0), "it is no failure of the server");
        assert!(std::fs::read_to_string(trace.path()).unwrap().contains(why), "{why}");
        // Taking the bus away is how drivers stop engines; reaching for memory that is not there is wrong.
        assert_eq!(ended.broken_rules().iter().any(|rule| rule.contains(why)), !mapped, "{why}");
        assert!(ended.out.contains("engine stopped: bcs0: "), "{}", ended.out);
    }
}

/// The device meets what it would meet if nothing were mapped there, and the server lives.
#[test]
fn a_peer_that_cuts_its_memory_short_is_told_so_and_no_file_of_the_server_can_be_cut() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let ram = Ram::new();
    ram.map(&mut client);
    let ggtt = client.region(BAR0).unwrap().file_offset.as_ref().unwrap().file();
    assert_eq!(ggtt.set_len(0).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    command(&mut client, 6);
    ram.cut();
    submit(&mut client);
    assert_eq!(read32(&mut client, CONFIG, 0), 0x9A49_8086, "the server lives");
    drop(client);
    let ended = server.end();
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let why = "address 0x100000040, whose memory its owner has taken away";
    assert!(ended.broken_rules().iter().any(|rule| rule.contains(why)), "{:?}", ended.broken_rules());
}

#[test]
fn a_server_may_want_memory_that_does_not_shrink() {
    for (sealed, complaints) in [(false, 1), (true, 0)] {
        let server = Server::start(&["--sealed"]);
        let mut client = server.client();
        let ram = Ram::new();
        if sealed {
            ram.seal();
        }
        ram.map_part(&mut client, 0, BASE, 1 << 20);
        drop(client);
        let ended = server.end();
        assert_eq!((ended.status, ended.err.matches("F_SEAL_SHRINK").count()), (Some(0), complaints), "{}", ended.err);
        assert!(ended.out.contains(if sealed { "1 memory maps" } else { "0 memory maps" }), "{}", ended.out);
    }
}

#[test]
fn a_strict_server_fails_where_a_driver_is_wrong() {
    let server = Server::start(&["--strict"]);
    let mut client = server.client();
    command(&mut client, 2);
    submit(&mut client);
    drop(client);
    let ended = server.end();
    assert_eq!(ended.status, Some(1));
    assert!(ended.err.contains("rules of the hardware were broken"), "{}", ended.err);
}

#[test]
fn a_message_that_nobody_asked_for_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // Interrupt lines are not there, neither are masks: an error is the answer, and the server lives on.
    client.set_irqs(0, 1 | 1 << 5, 0, 1, &[]).unwrap();
    client.set_irqs(MSI, 1 | 1 << 3, 0, 1, &[]).unwrap();
    assert_eq!(read32(&mut client, CONFIG, 0), 0x9A49_8086);
    drop(client);
    let ended = server.end();
    assert_eq!((ended.status, ended.err.lines().count()), (Some(0), 2), "{}", ended.err);
}
