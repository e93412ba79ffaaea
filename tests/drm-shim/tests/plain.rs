//! A program that knows nothing but ioctls, with the library loaded before it: VM, buffer, bind, batch, wait.
//!
//! The test starts itself again with the library preloaded. What runs there speaks the interface with numbers of its own.
#![expect(
    unsafe_code,
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test that speaks to a system by raw calls, in words cut on purpose; what fails there fails the test"
)]

mod common;

use common::children::in_child;
use common::{Client, TIME_IS_UP, call, client, is_a_client, is_client, open, store};
use std::os::fd::AsRawFd;

fn batch_stores(place: impl FnOnce(&Client) -> *mut u32) {
    let client = Client::new();
    let (handle, batch) = client.page();
    client.bind((0, handle, 0), 0x10_0000);
    let found = place(&client);
    store(batch, 0x20_0008, 0xC0FFEE);
    client.exec(client.queue(), 0x10_0000).unwrap();
    client.wait(5000).unwrap();
    // SAFETY: inside of a page of the client.
    assert_eq!(unsafe { found.add(2).read_volatile() }, 0xC0FFEE);
}

#[test]
fn a_batch_stores_into_a_buffer() {
    for platform in ["tgl", "lnl"] {
        if is_client("a_batch_stores_into_a_buffer", &[("BAREXE_PLATFORM", platform)]) {
            return batch_stores(|client| {
                let (handle, page) = client.page();
                client.bind((0, handle, 0), 0x20_0000);
                page
            });
        }
    }
}

#[test]
fn a_batch_stores_into_memory_of_the_client() {
    if is_client("a_batch_stores_into_memory_of_the_client", &[]) {
        batch_stores(|client| {
            let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping, at a place of the system's choice.
            let page = unsafe { libc::mmap(core::ptr::null_mut(), 4096, prot, flags, -1, 0) };
            client.bind((2, 0, page.addr() as u64), 0x20_0000);
            page.cast()
        });
    }
}

#[test]
fn with_execution_off_nothing_runs_and_nothing_is_stored() {
    if is_client("with_execution_off_nothing_runs_and_nothing_is_stored", &[("BAREXE_EXECUTION", "off")]) {
        let client = Client::new();
        let (handle, batch) = client.page();
        client.bind((0, handle, 0), 0x10_0000);
        store(batch, 0x10_0100, 1);
        client.exec(client.queue(), 0x10_0000).unwrap();
        assert_eq!(client.wait(200), Err(TIME_IS_UP));
        // SAFETY: inside of a mapped page.
        assert_eq!(unsafe { batch.add(0x40).read_volatile() }, 0);
    }
}

#[test]
fn what_is_wrong_is_refused_as_a_kernel_does() {
    if is_client("what_is_wrong_is_refused_as_a_kernel_does", &[]) {
        let (render, card) = (open("/dev/dri/renderD128"), open("/dev/dri/card0"));
        let fd = render.as_raw_fd();
        // SAFETY: the address leads nowhere; that is the test.
        let answer = unsafe { libc::ioctl(fd, 0xC020_6443, 8) };
        assert_eq!((answer, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EFAULT)));
        assert_eq!(call(fd, 0xC028_6450, &mut [0; 5]), Err(libc::EINVAL), "a call of a newer kernel");
        assert_eq!(call(fd, 0x5401, &mut [0; 8]), Err(libc::ENOTTY), "a call of terminals");
        assert_eq!(call(fd, 0xC040_64A0, &mut [0; 8]), Err(libc::EACCES), "displays, at a render node");
        let mut resources = [0, 0, 0, 0, 7, 7, 0, 0];
        assert_eq!(call(card.as_raw_fd(), 0xC040_64A0, &mut resources), Ok(0));
        assert_eq!(resources, [0; 8], "no display");
    }
}

#[test]
fn a_file_lives_until_its_last_descriptor_and_mapping_are_gone() {
    if is_client("a_file_lives_until_its_last_descriptor_and_mapping_are_gone", &[]) {
        let client = Client::new();
        let (_, page) = client.page();
        // SAFETY: the test's own descriptor.
        let copy = unsafe { libc::dup(client.fd()) };
        let (vm, mut query) = (client.vm, [0; 5]);
        drop(client);
        assert_eq!(call(copy, 0xC028_6440, &mut query), Ok(0));
        assert_eq!(call(copy, 0x4018_6444, &mut [u64::from(vm), 0, 0]), Ok(0), "its objects are there");
        // SAFETY: as above.
        assert_eq!(unsafe { libc::close(copy) }, 0);
        assert_eq!(call(copy, 0xC028_6440, &mut query), Err(libc::EBADF));
        // SAFETY: the page is mapped.
        unsafe { page.write_volatile(5) };
        // SAFETY: as above.
        assert_eq!(unsafe { page.read_volatile() }, 5);
        // SAFETY: as above, for the last time.
        assert_eq!(unsafe { libc::munmap(page.cast(), 4096) }, 0);
    }
}

#[test]
fn a_child_uses_its_parents_files_and_opens_some_of_its_own() {
    if is_client("a_child_uses_its_parents_files_and_opens_some_of_its_own", &[]) {
        let client = Client::new();
        let status = in_child(|| {
            assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0));
            Client::new();
        });
        assert_eq!(status, 0);
        assert_eq!(call(client.fd(), 0xC020_6443, &mut [0; 4]), Ok(0), "the parent goes on");
    }
}

#[test]
fn a_device_that_cannot_be_opened_is_refused_with_a_line() {
    const TEST: &str = "a_device_that_cannot_be_opened_is_refused_with_a_line";
    let rows = [
        ("BAREXE_PLATFORM", "vax", "barexe: no platform `vax` is simulated"),
        ("BAREXE_EXECUTION", "maybe", "barexe: `maybe` is neither on nor off"),
        ("BAREXE_SOCKET", "/no/such/socket", "barexe: /no/such/socket: no server there"),
    ];
    if is_a_client() {
        // SAFETY: only a number: one that waits for good does not wait for long.
        unsafe { libc::alarm(30) };
        for node in ["/dev/dri/renderD128", "/dev/dri/card0"] {
            let refused = std::fs::File::open(node).map_err(|error| error.raw_os_error());
            assert_eq!(refused.err(), Some(Some(libc::ENODEV)));
        }
        return;
    }
    for (name, value, line) in rows {
        let (fine, said) = client(TEST, &[(name, value)]);
        assert!(fine && said.contains(line), "{name}: {said}");
    }
}
