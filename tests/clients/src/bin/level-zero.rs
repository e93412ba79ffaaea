//! Lists the devices that Level Zero shows, one a line: `device VENDOR:DEVICE NAME`.
//!
//! Debian has no program that does this. The calls and layouts are those of the Level Zero interface 1.x, of which only
//! enumeration is used. Exit status: 0 if there is a device.
#![expect(unsafe_code, reason = "calls a C library that is loaded at run time")]

use core::error::Error;
use core::ffi::{CStr, c_char, c_void};
use libloading::{Library, Symbol};
use std::io::{self, Write};
use std::process::ExitCode;

/// The loader, which finds the drivers by itself.
const LOADER: &str = "libze_loader.so.1";
/// `ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES`.
const DEVICE_PROPERTIES: u32 = 3;

/// `ze_driver_handle_t` and `ze_device_handle_t`.
type Handle = *mut c_void;
/// `zeInit(flags)`.
type Init = unsafe extern "C" fn(u32) -> u32;
/// `zeDriverGet(count, handles)`.
type DriverGet = unsafe extern "C" fn(*mut u32, *mut Handle) -> u32;
/// `zeDeviceGet(driver, count, handles)`.
type DeviceGet = unsafe extern "C" fn(Handle, *mut u32, *mut Handle) -> u32;
/// `zeDeviceGetProperties(device, properties)`.
type DeviceGetProperties = unsafe extern "C" fn(Handle, *mut Properties) -> u32;

/// `ze_device_properties_t`. What is not shown is there for its size.
#[repr(C)]
struct Properties {
    kind: u32,
    _next: *mut c_void,
    _device_type: u32,
    vendor: u32,
    device: u32,
    _flags: u32,
    _subdevice: u32,
    _core_clock_mhz: u32,
    _max_alloc_bytes: u64,
    /// Hardware contexts, queue priority; threads, width, EUs, subslices, slices.
    _shape: [u32; 7],
    _timer_resolution: u64,
    _valid_timestamp_bits: [u32; 2],
    _uuid: [u8; 16],
    name: [c_char; 256],
}

fn main() -> ExitCode {
    let mut out = io::stdout();
    let listed = devices().and_then(|lines| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        Ok(lines.len())
    });
    match listed {
        Ok(0) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "level-zero: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn devices() -> Result<Vec<String>, Box<dyn Error>> {
    // SAFETY: the loader's start-up code asks nothing of the program that loads it.
    let library = unsafe { Library::new(LOADER) }?;
    // SAFETY: the type is the function's in every 1.x interface.
    let init: Symbol<'_, Init> = unsafe { library.get(b"zeInit\0") }?;
    // SAFETY: as above.
    let driver_get: Symbol<'_, DriverGet> = unsafe { library.get(b"zeDriverGet\0") }?;
    // SAFETY: as above.
    let device_get: Symbol<'_, DeviceGet> = unsafe { library.get(b"zeDeviceGet\0") }?;
    // SAFETY: as above.
    let properties_get: Symbol<'_, DeviceGetProperties> = unsafe { library.get(b"zeDeviceGetProperties\0") }?;

    // SAFETY: may be called at any time; zero stands for every kind of driver.
    worked("zeInit", unsafe { init(0) })?;
    // SAFETY: `list` passes a count, and room for as many handles or none.
    let drivers = list("zeDriverGet", |count, handles| unsafe { driver_get(count, handles) })?;
    let mut lines = Vec::new();
    for driver in drivers {
        // SAFETY: as above, and the driver's handle is a live one.
        let devices = list("zeDeviceGet", |count, handles| unsafe { device_get(driver, count, handles) })?;
        for device in devices {
            let mut properties = Properties::empty();
            // SAFETY: the handle is a live one, the structure is whole and says what it is.
            worked("zeDeviceGetProperties", unsafe { properties_get(device, &raw mut properties) })?;
            lines.push(properties.line());
        }
    }
    Ok(lines)
}

/// Asks how many there are, then for all of them.
fn list(name: &str, ask: impl Fn(*mut u32, *mut Handle) -> u32) -> Result<Vec<Handle>, Box<dyn Error>> {
    let mut count = 0;
    worked(name, ask(&raw mut count, core::ptr::null_mut()))?;
    let mut handles = vec![core::ptr::null_mut(); usize::try_from(count)?];
    worked(name, ask(&raw mut count, handles.as_mut_ptr()))?;
    Ok(handles)
}

fn worked(name: &str, result: u32) -> Result<(), Box<dyn Error>> {
    if result == 0 { Ok(()) } else { Err(format!("{name}: {result:#x}").into()) }
}

impl Properties {
    const fn empty() -> Self {
        // SAFETY: all fields are numbers, arrays of numbers or a pointer that may be null.
        let zero: Self = unsafe { core::mem::zeroed() };
        Self { kind: DEVICE_PROPERTIES, ..zero }
    }

    fn line(&self) -> String {
        // SAFETY: the call ends the name with a zero, and the array was zero before.
        let name = unsafe { CStr::from_ptr(self.name.as_ptr()) };
        format!("device {:04x}:{:04x} {}", self.vendor, self.device, name.to_string_lossy())
    }
}
