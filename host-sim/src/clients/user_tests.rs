use super::*;
use barexe_hal::{ClientAddr, UserSpace};

fn request(space: u64, addr: u64, len_bytes: u64, access: UserAccess) -> PinRequest {
    let last_addr = BusAddr::new((1 << 39) - 1).unwrap();
    PinRequest { space: UserSpace(space), addr: ClientAddr::new(addr).unwrap(), len_bytes, access, last_addr }
}

fn writes(space: u64, addr: u64, len_bytes: u64) -> PinRequest {
    request(space, addr, len_bytes, UserAccess::ReadWrite)
}

#[test]
fn pieces_are_aligned_and_never_continue_each_other() {
    let mut user = UserMemory::default();
    user.map(1, &(0x1_0000..0x2_0000), 0x4000, true);
    let runs: Vec<PinnedRun> =
        (0..4).map(|n| user.pin(&writes(1, 0x1_0000 + n * 0x4000, 0x1_0000 - n * 0x4000)).unwrap()).collect();
    for (run, after) in runs.iter().zip(&runs[1..]) {
        assert_eq!((run.len_bytes, run.bus.get() % 0x4000), (0x4000, 0));
        assert!(run.bus.get() + 0x4000 < after.bus.get());
    }
    assert_eq!(user.pin(&writes(1, 0x2_0000, 0x1000)).unwrap_err().kind(), HalErrorKind::ClientFault);
    assert_eq!(user.pin(&writes(2, 0x1_0000, 0x1000)).unwrap_err().kind(), HalErrorKind::ClientFault);
    assert_eq!(user.pin(&writes(1, 0x1_0000, 0)).unwrap_err().kind(), HalErrorKind::BadRequest);
    assert_eq!(user.pinned(), 16);
    assert!(runs.iter().all(|run| user.unpin(run).is_ok()));
    assert_eq!(user.pinned(), 0);
    assert!(user.unpin(&runs[0]).is_err(), "once too often");
}

#[test]
fn a_pinned_page_outlives_its_mapping_and_the_device_sees_only_what_is_pinned() {
    let mut user = UserMemory::default();
    user.map(1, &(0x1000..0x2000), 4096, true);
    let run = user.pin(&writes(1, 0x1000, 0x1000)).unwrap();
    let at = run.bus.get();
    assert!(user.write(1, 0x1008, &[5]));
    user.map(1, &(0x1000..0x2000), 4096, true);
    let mut byte = [9];
    assert!(user.read(1, 0x1008, &mut byte) && byte == [0], "a fresh page");
    user.device_read(at + 8, &mut byte).unwrap();
    assert_eq!(byte, [5], "the device still sees the old one");
    user.unpin(&run).unwrap();
    assert_eq!(user.device_read(at + 8, &mut byte), Err(BusError { addr: at + 8 }));
    assert_eq!(user.frames.len(), 1, "it is gone");
    user.unmap(1, &(0..0x9000));
    assert!(user.frames.is_empty() && !user.read(1, 0x1008, &mut byte) && !user.write(1, 0x1008, &byte));
}

#[test]
fn pages_pinned_for_reading_are_not_written() {
    let mut user = UserMemory::default();
    user.map(1, &(0x1000..0x2000), 4096, false);
    assert_eq!(user.pin(&writes(1, 0x1000, 0x1000)).unwrap_err().kind(), HalErrorKind::ClientFault);
    let run = user.pin(&request(1, 0x1000, 0x1000, UserAccess::Read)).unwrap();
    assert!(user.device_read(run.bus.get(), &mut [0]).is_ok());
    assert!(user.device_write(run.bus.get(), &[1]).is_err());
    user.unpin(&run).unwrap();
}
