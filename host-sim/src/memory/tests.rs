//! Rules of memory that both sides share.

use super::*;
use crate::Platform;
use barexe_hal::DmaCaching;

fn request(len_bytes: u64, owner: DmaOwner) -> DmaRequest {
    let last_addr = BusAddr::new((1 << 39) - 1).unwrap();
    DmaRequest { len_bytes, align_bytes: PAGE, last_addr, caching: DmaCaching::WriteBack, owner }
}

fn memory() -> Memory {
    let config = SimConfig { max_block_bytes: 1 << 20, memory_bytes: 1 << 20, ..SimConfig::new(Platform::tgl()) };
    Memory::new(&config)
}

#[test]
fn a_forgotten_publish_shows_and_a_client_needs_none() {
    let mut memory = memory();
    let mut seen = [0; 4];
    let driver = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    driver.write_u32(8, 7).unwrap();
    memory.device_read(driver.bus().get() + 8, &mut seen).unwrap();
    assert_eq!(u32::from_le_bytes(seen), 0);
    memory.publish(&driver, 8..12).unwrap();
    memory.device_read(driver.bus().get() + 8, &mut seen).unwrap();
    assert_eq!(u32::from_le_bytes(seen), 7);
    memory.device_write(driver.bus().get() + 8, &[9, 0, 0, 0]).unwrap();
    assert_eq!(driver.read_u32(8), Ok(7));
    memory.observe(&driver, 8..12).unwrap();
    assert_eq!(driver.read_u32(8), Ok(9));
    let client = memory.alloc(&request(PAGE, DmaOwner::Client)).unwrap();
    client.write_u32(0, 5).unwrap();
    memory.device_read(client.bus().get(), &mut seen).unwrap();
    assert_eq!(u32::from_le_bytes(seen), 5);
    memory.free(driver).unwrap();
    memory.free(client).unwrap();
    assert_eq!((memory.allocated, memory.freed), (2, 2));
}

#[test]
fn freed_memory_is_gone_and_not_given_out_again_at_once() {
    let mut memory = memory();
    let first = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    let addr = first.bus().get();
    memory.free(first).unwrap();
    assert_eq!(memory.device_read(addr, &mut [0]), Err(BusError { addr }));
    let second = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    assert_ne!(second.bus().get(), addr);
    memory.free(second).unwrap();
}

#[test]
fn foreign_buffers_long_ranges_and_bad_requests_are_refused() {
    let (mut memory, mut other) = (memory(), memory());
    let foreign = other.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    assert!(memory.publish(&own, 0..4097).is_err());
    assert!(memory.free(foreign).is_err());
    assert!(memory.alloc(&request(100, DmaOwner::Driver)).is_err());
    let too_much = memory.alloc(&request(1 << 20, DmaOwner::Driver)).unwrap_err();
    assert_eq!(too_much.kind(), HalErrorKind::NoMemory);
    memory.free(own).unwrap();
}

#[test]
fn a_buffer_that_is_given_back_twice_is_refused_and_named() {
    let mut memory = memory();
    let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    let (cpu, len, bus) = own.into_raw_parts();
    // SAFETY: neither is accessed.
    let [first, second] = [0, 1].map(|_| unsafe { DmaBuffer::from_raw_parts(cpu, len, bus) });
    memory.free(first).unwrap();
    assert!(memory.free(second).unwrap_err().contains("was freed before"));
    assert_eq!((memory.allocated, memory.freed), (1, 1));
}

#[test]
fn a_store_through_a_mapping_that_was_kept_too_long_is_found() {
    let mut memory = memory();
    let own = memory.alloc(&request(PAGE, DmaOwner::Client)).unwrap();
    let mapping = own.cpu_ptr().as_ptr();
    memory.free(own).unwrap();
    assert!(memory.disturbed().is_empty());
    // SAFETY: the quarantine keeps the page.
    unsafe { mapping.write_volatile(0) };
    assert!(memory.disturbed()[0].contains("after it was freed"));
}

#[test]
fn bus_addresses_that_are_used_again_are_no_longer_freed() {
    let mut memory = memory();
    let low = BusAddr::new(FIRST_ADDR + 2 * PAGE - 1).unwrap();
    let request = DmaRequest { last_addr: low, ..request(PAGE, DmaOwner::Driver) };
    let first = memory.alloc(&request).unwrap();
    let addr = first.bus().get();
    memory.free(first).unwrap();
    assert!(memory.was_freed(addr));
    let others: Vec<DmaBuffer> = (0..3).map(|_| memory.alloc(&request).unwrap()).collect();
    for buffer in others {
        assert!(!memory.was_freed(buffer.bus().get()));
        memory.free(buffer).unwrap();
    }
}

#[test]
fn an_access_across_the_end_of_a_buffer_is_refused() {
    let mut memory = memory();
    let own = memory.alloc(&request(PAGE, DmaOwner::Driver)).unwrap();
    let end = own.bus().get() + PAGE;
    assert!(memory.device_write(end - 2, &[0; 4]).is_err());
    assert!(memory.device_write(end - 4, &[0; 4]).is_ok());
    memory.free(own).unwrap();
}
