use super::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that the test can look at.
#[derive(Clone, Debug)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Bytes {
    fn new(len: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![0; len])))
    }

    fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Backing for Bytes {
    fn read(&self, at_bytes: u64, into: &mut [u8]) -> bool {
        let at = at_bytes as usize;
        self.all().get(at..at + into.len()).map(|bytes| into.copy_from_slice(bytes)).is_some()
    }

    fn write(&self, at_bytes: u64, from: &[u8]) -> bool {
        let at = at_bytes as usize;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(at..at + from.len()).map(|bytes| bytes.copy_from_slice(from)).is_some()
    }
}

fn range(addr: u64, bytes: &Bytes, writable: bool) -> Mapping {
    let len_bytes = bytes.all().len() as u64;
    Mapping { addr, len_bytes, readable: true, writable, backing: Some(Box::new(bytes.clone())) }
}

#[test]
fn an_access_may_straddle_two_ranges_and_moves_nothing_if_one_refuses() {
    let (first, second, third) = (Bytes::new(8), Bytes::new(8), Bytes::new(8));
    let mut mapped = Mapped::default();
    for (addr, bytes, writable) in [(0x1000, &first, true), (0x1008, &second, true), (0x1010, &third, false)] {
        mapped.map(range(addr, bytes, writable)).unwrap();
    }
    mapped.write(0x1006, &[1, 2, 3, 4]).unwrap();
    assert_eq!((&first.all()[6..], &second.all()[..2]), (&[1, 2][..], &[3, 4][..]));
    let mut back = [0; 4];
    mapped.read(0x1006, &mut back).unwrap();
    assert_eq!(back, [1, 2, 3, 4]);
    // Into the read-only range, and past the last one.
    assert_eq!(mapped.write(0x100E, &[9; 4]), Err(BusError { addr: 0x1010 }));
    assert_eq!(second.all()[6..], [0, 0]);
    assert_eq!(mapped.read(0x1016, &mut back), Err(BusError { addr: 0x1018 }));
    assert!(mapped.read(0x100E, &mut back).is_ok());
    assert_eq!(mapped.refusal(0x1010, true), "which the device may not write");
    assert_eq!(mapped.refusal(0x1018, true), "where nothing is mapped");
}

#[test]
fn mappings_do_not_overlap_and_go_whole() {
    let bytes = Bytes::new(0x1000);
    let mut mapped = Mapped::default();
    let empty = Mapping { addr: 0, len_bytes: 0, readable: true, writable: true, backing: None };
    assert_eq!(mapped.map(empty), Err(MapError::Range));
    mapped.map(range(0x2000, &bytes, true)).unwrap();
    for addr in [0x1001, 0x2000, 0x2FFF] {
        assert_eq!(mapped.map(range(addr, &bytes, true)), Err(MapError::Overlap), "{addr:#x}");
    }
    mapped.map(range(0x1000, &bytes, true)).unwrap();
    mapped.map(range(0x3000, &bytes, true)).unwrap();
    assert_eq!(mapped.unmap(0x2000, 0x800), Err(MapError::Cut));
    assert_eq!(mapped.unmap(0x2800, 0x1800), Err(MapError::Cut));
    assert_eq!(mapped.unmap(0x5000, 0x1000), Err(MapError::Nothing));
    assert_eq!(mapped.unmap(1, u64::MAX), Err(MapError::Range));
    mapped.unmap(0x1000, 0x2000).unwrap();
    assert!(mapped.read(0x2000, &mut [0; 4]).is_err() && mapped.read(0x3000, &mut [0; 4]).is_ok());
    mapped.unmap_all();
    assert!(mapped.read(0x3000, &mut [0; 4]).is_err());
}

#[test]
fn what_has_no_memory_is_there_and_cannot_be_reached() {
    let mut mapped = Mapped::default();
    mapped.map(Mapping { addr: 0xF_0000, len_bytes: 0x1_0000, readable: true, writable: true, backing: None }).unwrap();
    assert_eq!(mapped.read(0xF_0010, &mut [0; 4]), Err(BusError { addr: 0xF_0010 }));
    assert_eq!(mapped.refusal(0xF_0010, false), "which is mapped without memory");
    let read_only = range(0x20_0000, &Bytes::new(0x1000), false);
    mapped.map(Mapping { readable: false, ..read_only }).unwrap();
    assert_eq!(mapped.refusal(0x20_0000, false), "which the device may not read");
}

#[test]
fn memory_that_its_owner_takes_away_is_refused() {
    let bytes = Bytes::new(0x2000);
    let mut mapped = Mapped::default();
    mapped.map(range(0x1000, &bytes, true)).unwrap();
    mapped.write(0x2FFC, &[1; 4]).unwrap();
    bytes.0.lock().unwrap().truncate(0x1000);
    assert_eq!(mapped.read(0x2FFC, &mut [0; 4]), Err(BusError { addr: 0x2FFC }));
    assert_eq!(mapped.write(0x2FFC, &[1; 4]), Err(BusError { addr: 0x2FFC }));
    assert_eq!(mapped.refusal(0x2FFC, true), "whose memory its owner has taken away");
    assert_eq!(mapped.write(0x1000, &[1; 4]), Ok(()));
}
