//! What is asked of firmware: pages, time, words of the command line, and whether its display still answers.
#![expect(unsafe_code, reason = "calls firmware")]

use super::console::Console;
use barexe_core::num::{low8, usize_capped};
use barexe_firmware::machine::stack::PAINT;
use core::arch::naked_asm;
use core::ffi::c_void;
use core::ops::Range;
use uefi_raw::protocol::console::{GraphicsOutputBltOperation, GraphicsOutputBltPixel, GraphicsOutputProtocol};
use uefi_raw::protocol::loaded_image::LoadedImageProtocol;
use uefi_raw::table::boot::{AllocateType, BootServices, MemoryType};
use uefi_raw::table::system::SystemTable;
use uefi_raw::{Char16, Guid, Handle, Status};

/// Bytes of firmware's pages.
const PAGE_BYTES: usize = 4096;
/// Side of the square of the display that is looked at, in pixels.
const SIDE: usize = 8;

/// Firmware's services, until the application returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Services {
    image: Handle,
    table: *mut SystemTable,
    boot: *mut BootServices,
}

impl Services {
    /// None once firmware has handed the machine over.
    ///
    /// # Safety
    /// Both are what firmware gave the application.
    pub(crate) unsafe fn new(image: Handle, table: *mut SystemTable) -> Option<Self> {
        // SAFETY: the caller's promise.
        let boot = unsafe { (*table).boot_services };
        (!boot.is_null()).then_some(Self { image, table, boot })
    }

    /// Firmware's console.
    pub(crate) fn console(&self) -> Console {
        // SAFETY: the table is firmware's.
        let out = unsafe { (*self.table).stdout };
        // SAFETY: the console is firmware's.
        unsafe { Console::new(out) }
    }

    fn boot(&self) -> &BootServices {
        // SAFETY: the services stay until the application ends them, which this one does not.
        unsafe { &*self.boot }
    }

    /// Pages that end at `last` or before; the address of the first.
    pub(crate) fn allocate(&self, pages: usize, last: u64) -> Option<u64> {
        let mut address = last;
        // SAFETY: the address is a live value.
        let status = unsafe {
            (self.boot().allocate_pages)(AllocateType::MAX_ADDRESS, MemoryType::LOADER_DATA, pages, &raw mut address)
        };
        (status == Status::SUCCESS && address != 0).then_some(address)
    }

    /// Gives pages back that [`allocate`](Self::allocate) gave; whether firmware took them.
    pub(crate) fn free(&self, address: u64, pages: usize) -> bool {
        // SAFETY: nothing refers to the pages any more.
        unsafe { (self.boot().free_pages)(address, pages) == Status::SUCCESS }
    }

    /// Waits.
    pub(crate) fn stall(&self, microseconds: usize) {
        // SAFETY: firmware's own wait touches nothing of the program.
        let _status = unsafe { (self.boot().stall)(microseconds) };
    }

    fn protocol<T>(&self, handle: Option<Handle>, guid: &Guid) -> Option<*mut T> {
        let mut found: *mut c_void = core::ptr::null_mut();
        let status = match handle {
            // SAFETY: handle, name and place are live.
            Some(handle) => unsafe { (self.boot().handle_protocol)(handle, guid, &raw mut found) },
            // SAFETY: as above.
            None => unsafe { (self.boot().locate_protocol)(guid, core::ptr::null(), &raw mut found) },
        };
        (status == Status::SUCCESS && !found.is_null()).then_some(found.cast())
    }

    /// The words that the application was started with, as far as they fit; without its own name, which a shell puts
    /// first.
    pub(crate) fn words<'w>(&self, into: &'w mut [u8; 256]) -> &'w str {
        let Some(image) = self.protocol::<LoadedImageProtocol>(Some(self.image), &LoadedImageProtocol::GUID) else {
            return "";
        };
        // SAFETY: firmware's description of this image stays as long as the image.
        let image = unsafe { &*image };
        let (options, len_bytes) = (image.load_options.cast::<Char16>(), image.load_options_size);
        let count = usize_capped(u64::from(len_bytes / 2)).min(into.len());
        for (at, place) in into.iter_mut().enumerate().take(count) {
            // SAFETY: the options are that long.
            let character = unsafe { options.wrapping_add(at).read_unaligned() };
            // What is no letter of ours becomes a word that means nothing; a zero ends the words.
            *place = if character < 0x80 { low8(u64::from(character)) } else { b'?' };
        }
        let text = core::str::from_utf8(into).unwrap_or_default();
        let text = text.split('\0').next().unwrap_or_default();
        match text.split_once(' ') {
            Some((name, words)) if name.ends_with(".efi") => words,
            None if text.ends_with(".efi") => "",
            _ => text,
        }
    }

    /// What firmware's display does when a square of it is painted, read, and painted as it was; none if there is no
    /// display.
    pub(crate) fn display_works(&self) -> Option<&'static str> {
        let display = self.protocol::<GraphicsOutputProtocol>(None, &GraphicsOutputProtocol::GUID)?;
        let (mut was, mut is) = ([GraphicsOutputBltPixel::default(); SIDE * SIDE], [Default::default(); SIDE * SIDE]);
        let colour = GraphicsOutputBltPixel { blue: 0x40, green: 0xA0, red: 0xE0, reserved: 0 };
        let mut painted = [colour; SIDE * SIDE];
        let read = GraphicsOutputBltOperation::BLT_VIDEO_TO_BLT_BUFFER;
        let write = GraphicsOutputBltOperation::BLT_BUFFER_TO_VIDEO;
        let works = move_square(display, read, &mut was)
            && move_square(display, write, &mut painted)
            && move_square(display, read, &mut is)
            && is.iter().all(|pixel| (pixel.blue, pixel.green, pixel.red) == (0x40, 0xA0, 0xE0))
            && move_square(display, write, &mut was);
        Some(if works { "works" } else { "does not answer" })
    }
}

/// Moves the square in the upper left corner.
fn move_square(
    display: *mut GraphicsOutputProtocol,
    operation: GraphicsOutputBltOperation,
    pixels: &mut [GraphicsOutputBltPixel; SIDE * SIDE],
) -> bool {
    // SAFETY: the protocol is firmware's.
    let move_pixels = unsafe { (*display).blt };
    // SAFETY: the square fits its pixels, and every display.
    let status = unsafe { move_pixels(display, pixels.as_mut_ptr(), operation, 0, 0, 0, 0, SIDE, SIDE, 0) };
    status == Status::SUCCESS
}

/// A stack of the program's own.
#[derive(Debug)]
pub(crate) struct Stack {
    first: usize,
    pages: usize,
}

impl Stack {
    /// A painted stack, if firmware has the pages.
    pub(crate) fn new(services: &Services, pages: usize) -> Option<Self> {
        let first = usize::try_from(services.allocate(pages, u64::MAX)?).ok()?;
        let stack = Self { first, pages };
        for at in stack.range().step_by(4) {
            let dword: *mut u32 = core::ptr::with_exposed_provenance_mut(at);
            // SAFETY: firmware gave these pages just now.
            unsafe { dword.write_volatile(PAINT) }
        }
        Some(stack)
    }

    /// Its bytes.
    pub(crate) const fn range(&self) -> Range<usize> {
        self.first..self.first.saturating_add(self.pages.saturating_mul(PAGE_BYTES))
    }

    /// Gives the pages back; whether firmware took them.
    pub(crate) fn give_back(self, services: &Services) -> bool {
        services.free(barexe_core::num::u64_of(self.first), self.pages)
    }
}

/// Calls a function on a stack of its own.
///
/// # Safety
/// Nothing else uses the stack, and the function takes what it is given.
pub(crate) unsafe fn on_stack(stack: &Stack, call: extern "sysv64" fn(*mut u8), with: *mut u8) {
    // SAFETY: the caller's promise; a stack ends at a multiple of a page.
    unsafe { switch(stack.range().end, call, with) }
}

/// # Safety
/// As [`on_stack`]; `top` is a multiple of 16.
#[unsafe(naked)]
unsafe extern "sysv64" fn switch(top: usize, call: extern "sysv64" fn(*mut u8), with: *mut u8) {
    naked_asm!("push rbx", "mov rbx, rsp", "mov rsp, rdi", "mov rdi, rdx", "call rsi", "mov rsp, rbx", "pop rbx", "ret")
}
