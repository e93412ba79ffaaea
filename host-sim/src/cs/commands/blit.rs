//! The fields of copies and fills (commands sheet §1.7): linear surfaces.
//!
//! Tiled layouts, compression, protected content, multisampling and raster operations stop the engine: they are not
//! simulated, and leaving one out would leave wrong bytes behind.
#![expect(clippy::indexing_slicing, reason = "the table of commands allows each only with dwords for all its fields")]

use super::transfer::{Rows, Source, Transfer};
use crate::bus::Bus;
use crate::cs::streamer::Place;
use crate::cs::{Flow, Stop, Streamer, decode};
use crate::ppgtt::Access;

/// Largest coordinate: they are signed.
const COORDINATE: u32 = 0x7FFF;
/// Fields of a surface dword that only mean something for what is not simulated: auxiliary mode 20:18, encryption 21,
/// control surface 28, compression 29.
const SPECIAL_SURFACE: u32 = 0xF << 18 | 3 << 28;

const fn wide(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

fn wrong(text: &str) -> Stop {
    Stop::Instruction(String::from(text))
}

fn not_simulated(what: &str) -> Stop {
    Stop::Instruction(format!("{what} is not simulated"))
}

/// Refuses a command with one of these bits set.
fn refuse(dword: u32, bits: u32, what: &str) -> Result<(), Stop> {
    if dword & bits == 0 { Ok(()) } else { Err(not_simulated(what)) }
}

/// Bytes per pixel of a depth code.
fn pixel_bytes(codes: &[u64], code: u32) -> Result<u64, Stop> {
    let unknown = || Stop::Instruction(format!("colour depth {code} does not exist"));
    codes.get(code as usize).copied().filter(|bytes| *bytes != 0).ok_or_else(unknown)
}

/// A rectangle in pixels.
#[derive(Clone, Copy)]
struct Rectangle {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
}

fn point(dword: u32) -> Result<(u64, u64), Stop> {
    let (x, y) = (dword & 0xFFFF, dword >> 16);
    if x.max(y) > COORDINATE {
        return Err(Stop::Instruction(format!("coordinates ({x}, {y}) are beyond {COORDINATE}")));
    }
    Ok((u64::from(x), u64::from(y)))
}

/// The rectangle between two corners; the second is exclusive.
fn rectangle(first: u32, last: u32) -> Result<Rectangle, Stop> {
    let ((x, y), (x2, y2)) = (point(first)?, point(last)?);
    match (x2.checked_sub(x), y2.checked_sub(y)) {
        (Some(width), Some(height)) => Ok(Rectangle { x, y, width, height }),
        _ => Err(wrong("the second corner lies before the first")),
    }
}

/// The rows that begin at a pixel of a surface.
const fn rows(base: u64, pitch: u64, (x, y): (u64, u64), pixel: u64) -> Rows {
    Rows { start: base.wrapping_add(y * pitch + x * pixel), pitch }
}

/// Refuses rows that run into each other.
fn check_pitch(rows: Rows, width: u64, height: u64) -> Result<(), Stop> {
    if height > 1 && rows.pitch < width {
        return Err(Stop::Instruction(format!("rows of {width} bytes do not fit a pitch of {}", rows.pitch)));
    }
    Ok(())
}

impl Streamer {
    /// Executes a blitter command: a copy or fill begins. The slice has one of the lengths that the table of commands
    /// allows on this part.
    pub(in crate::cs) fn blit(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        if place == Place::Context {
            return Err(wrong("context batches do not copy"));
        }
        match decode::blit_opcode(cmd[0]) {
            0x41 => self.block_copy(cmd)?,
            0x42 => self.fast_copy(cmd)?,
            0x44 => self.fast_color(cmd)?,
            0x48 => self.ctrl_surf_copy(bus, cmd)?,
            0x53 => self.src_copy(cmd)?,
            0x5A => self.mem_copy(cmd)?,
            _ => self.mem_set(cmd)?,
        }
        Ok(Flow::Next)
    }

    fn copy(&mut self, to: Rows, from: Rows, width: u64, height: u64) -> Result<(), Stop> {
        check_pitch(to, width, height)?;
        check_pitch(from, width, height)?;
        self.transfer = Transfer::new(Source::Rows(from), to, width, height);
        Ok(())
    }

    fn fill(&mut self, to: Rows, (pattern, len): ([u8; 16], usize), width: u64, height: u64) -> Result<(), Stop> {
        check_pitch(to, width, height)?;
        self.transfer = Transfer::new(Source::Pattern(pattern, len), to, width, height);
        Ok(())
    }

    fn fast_copy(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        refuse(cmd[0], 3 << 13 | 3 << 20, "a tiled surface")?;
        let (tile4, xe2) = (cmd[1] >> 30, self.spec.mem_copy);
        if tile4 != if xe2 { 3 } else { 0 } {
            return Err(Stop::Instruction(format!("the Tile4 bits cannot be {tile4} on this part")));
        }
        refuse(cmd[1], u32::from(xe2) << 17, "an encrypted surface")?;
        let pixel = pixel_bytes(&[1, 2, 0, 4, 8, 16], cmd[1] >> 24 & 7)?;
        let (to_pitch, from_pitch) = (u64::from(cmd[1] & 0xFFFF), u64::from(cmd[7] & 0xFFFF));
        if !(to_pitch | from_pitch).is_multiple_of(4) {
            return Err(wrong("a pitch is not a multiple of 4"));
        }
        let Rectangle { x, y, width, height } = rectangle(cmd[2], cmd[3])?;
        let to = rows(wide(cmd[4], cmd[5]), to_pitch, (x, y), pixel);
        let from = rows(wide(cmd[8], cmd[9]), from_pitch, point(cmd[6])?, pixel);
        self.copy(to, from, width * pixel, height)
    }

    fn src_copy(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        refuse(cmd[0], 1 << 15 | 1 << 11, "a tiled surface")?;
        if cmd[1] >> 16 & 0xFF != 0xCC {
            return Err(not_simulated("a raster operation other than copy"));
        }
        let pixel = pixel_bytes(&[1, 2, 2, 4], cmd[1] >> 24 & 3)?;
        if pixel == 4 && cmd[0] >> 20 & 3 != 3 {
            return Err(not_simulated("writing only some channels of a pixel"));
        }
        let Rectangle { x, y, width, height } = rectangle(cmd[2], cmd[3])?;
        let to = rows(wide(cmd[4], cmd[5]), u64::from(cmd[1] & 0xFFFF), (x, y), pixel);
        let from = rows(wide(cmd[8], cmd[9]), u64::from(cmd[7] & 0xFFFF), point(cmd[6])?, pixel);
        self.copy(to, from, width * pixel, height)
    }

    fn block_copy(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        refuse(cmd[0], 7 << 9 | 3 << 12, "a resolve or a multisampled surface")?;
        for surface in [cmd[1], cmd[8]] {
            refuse(surface, 3 << 30, "a tiled surface")?;
            refuse(surface, SPECIAL_SURFACE, "a compressed or encrypted surface")?;
        }
        if let [clear_from, _, clear_to, ..] = *cmd.get(12..).unwrap_or_default() {
            refuse(clear_from | clear_to, 1 << 5, "a clear colour")?;
        }
        let pixel = pixel_bytes(&[1, 2, 4, 8, 12, 16], cmd[0] >> 19 & 7)?;
        let Rectangle { x, y, width, height } = rectangle(cmd[2], cmd[3])?;
        let pitch = |surface: u32| u64::from(surface & 0x3_FFFF) + 1;
        let moved =
            |(x, y): (u64, u64), offset: u32| (x + u64::from(offset & 0x3FFF), y + u64::from(offset >> 16 & 0x3FFF));
        let to = rows(wide(cmd[4], cmd[5]), pitch(cmd[1]), moved((x, y), cmd[6]), pixel);
        let from = rows(wide(cmd[9], cmd[10]), pitch(cmd[8]), moved(point(cmd[7])?, cmd[11]), pixel);
        self.copy(to, from, width * pixel, height)
    }

    fn fast_color(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        refuse(cmd[0], 3 << 12, "a fast clear")?;
        refuse(cmd[1], 3 << 30, "a tiled surface")?;
        refuse(cmd[1], SPECIAL_SURFACE, "a compressed or encrypted surface")?;
        let pixel = pixel_bytes(&[1, 2, 4, 8, 12, 16], cmd[0] >> 19 & 7)?;
        let Rectangle { x, y, width, height } = rectangle(cmd[2], cmd[3])?;
        let corner = (x + u64::from(cmd[6] & 0x3FFF), y + u64::from(cmd[6] >> 16 & 0x3FFF));
        let mut colour = [[0; 4]; 4];
        for (bytes, dword) in colour.iter_mut().zip(&cmd[7..11]) {
            *bytes = dword.to_le_bytes();
        }
        let mut pattern = [0; 16];
        pattern.copy_from_slice(colour.as_flattened());
        let to = rows(wide(cmd[4], cmd[5]), u64::from(cmd[1] & 0x3_FFFF) + 1, corner, pixel);
        self.fill(to, (pattern, pixel as usize), width * pixel, height)
    }

    fn mem_copy(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        let (page_mode, matrix) = (cmd[0] >> 19 & 1 != 0, cmd[0] >> 17 & 1 != 0);
        refuse(cmd[0], 1 << 18, "this kind of copy")?;
        refuse(cmd[9], 1 << 25 | 1, "encryption")?;
        let from = Rows { start: wide(cmd[5], cmd[6]), pitch: u64::from(cmd[3] & 0x3_FFFF) + 1 };
        let to = Rows { start: wide(cmd[7], cmd[8]), pitch: u64::from(cmd[4] & 0x3_FFFF) + 1 };
        let (unit, field) = if page_mode { (256, 0xFF_FFFF) } else { (1, 0x3_FFFF) };
        if cmd[1] & !field != 0 {
            return Err(Stop::Instruction(format!("width {:#x} has too many bits", cmd[1])));
        }
        if page_mode && matrix {
            return Err(not_simulated("a matrix in page mode"));
        }
        if page_mode && (from.start | to.start) & 0xFF != 0 {
            return Err(wrong("page mode with addresses that are no multiples of 256"));
        }
        let height = if matrix { u64::from(cmd[2] & 0x3_FFFF) + 1 } else { 1 };
        self.copy(to, from, (u64::from(cmd[1]) + 1) * unit, height)
    }

    fn mem_set(&mut self, cmd: &[u32]) -> Result<(), Stop> {
        refuse(cmd[0], 1 << 18, "this kind of fill")?;
        let matrix = cmd[0] >> 17 & 1 != 0;
        let width = u64::from(cmd[1] & 0xFF_FFFF) + 1;
        let height = if matrix { u64::from(cmd[2] & 0x3_FFFF) + 1 } else { 1 };
        let to = Rows { start: wide(cmd[4], cmd[5]), pitch: u64::from(cmd[3] & 0x3_FFFF) + 1 };
        self.fill(to, ([(cmd[6] >> 24) as u8; 16], 16), width, height)
    }

    /// Moves compression bytes: eight for each page of main memory. An indirect side gives the main memory, whose bytes
    /// are found by page; a direct side gives memory that holds them. That data is never stored compressed here does
    /// not matter: the bytes are kept as they are written.
    fn ctrl_surf_copy(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        let pages = u64::from(cmd[0] >> 9 & 0x3FF) + 1;
        let (from_direct, to_direct) = (cmd[0] >> 21 & 1 != 0, cmd[0] >> 20 & 1 != 0);
        let address = |low: u32, high: u32| wide(low, high & 0x01FF_FFFF);
        let (from, to) = (address(cmd[1], cmd[2]), address(cmd[3], cmd[4]));
        for (direct, address) in [(from_direct, from), (to_direct, to)] {
            let unit = if direct { 8 } else { 4096 };
            if !address.is_multiple_of(unit) {
                return Err(Stop::Instruction(format!("address {address:#x} is not a multiple of {unit}")));
            }
        }
        for index in 0..pages {
            let bytes = self.read_compression(bus, from_direct, from, index)?;
            self.write_compression(bus, to_direct, to, index, bytes)?;
        }
        Ok(())
    }

    fn read_compression(&mut self, bus: &mut dyn Bus, direct: bool, base: u64, index: u64) -> Result<u64, Stop> {
        if direct {
            let mut bytes = [0; 8];
            self.read(bus, crate::cs::access::Space::Ppgtt, base.wrapping_add(index * 8), &mut bytes)?;
            return Ok(u64::from_le_bytes(bytes));
        }
        let page = self.page_of(bus, base.wrapping_add(index * 4096), Access::Read)?;
        page.map_or(Ok(0), |page| bus.compression(page).ok_or_else(no_compression))
    }

    fn write_compression(
        &mut self,
        bus: &mut dyn Bus,
        direct: bool,
        base: u64,
        index: u64,
        bytes: u64,
    ) -> Result<(), Stop> {
        if direct {
            return self.write64(bus, crate::cs::access::Space::Ppgtt, base.wrapping_add(index * 8), bytes);
        }
        let page = self.page_of(bus, base.wrapping_add(index * 4096), Access::Write)?;
        let Some(page) = page else { return Ok(()) };
        bus.compression(page).ok_or_else(no_compression)?;
        bus.set_compression(page, bytes);
        Ok(())
    }
}

fn no_compression() -> Stop {
    wrong("compression is off on this part")
}
