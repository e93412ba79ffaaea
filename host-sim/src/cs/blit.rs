//! Copy and fill (commands sheet §1.7): linear surfaces. Tiled layouts are refused, not guessed.
#![expect(clippy::indexing_slicing, reason = "`blit` checks the length of every command before it is looked into")]

use super::access::Space;
use super::{Flow, Stop, Streamer, decode};
use crate::bus::Bus;
use crate::spec::EngineClass;

/// Most bytes one command may move here. The largest a driver or a known client asks for is 8 MiB; a limit keeps a
/// mad command from holding the simulation up.
const LIMIT: u64 = 256 << 20;

/// Bytes moved per nanosecond of virtual time.
const BYTES_PER_NS: u64 = 16;

/// A rectangle of bytes: rows of `width` bytes, `pitch` apart.
#[derive(Clone, Copy)]
struct Rows {
    start: u64,
    pitch: u64,
}

impl Rows {
    const fn row(&self, index: u64) -> u64 {
        self.start.wrapping_add(self.pitch.wrapping_mul(index))
    }
}

const fn wide(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// Bytes per pixel of a depth code.
fn pixel_bytes(codes: &[u64], code: u32) -> Result<u64, Stop> {
    let unknown = || Stop::Instruction(format!("blit: colour depth {code} does not exist"));
    codes.get(code as usize).copied().filter(|bytes| *bytes != 0).ok_or_else(unknown)
}

fn not_modelled(what: &str) -> Stop {
    Stop::Instruction(format!("blit: {what} is not modelled"))
}

/// Corners of a rectangle in pixels: x and y of the first, size.
fn corners(first: u32, last: u32) -> Result<(u64, u64, u64, u64), Stop> {
    let (x1, y1) = (u64::from(first & 0xFFFF), u64::from(first >> 16));
    let (x2, y2) = (u64::from(last & 0xFFFF), u64::from(last >> 16));
    match (x2.checked_sub(x1), y2.checked_sub(y1)) {
        (Some(width), Some(height)) => Ok((x1, y1, width, height)),
        _ => Err(Stop::Instruction(String::from("blit: second corner lies before the first"))),
    }
}

impl Streamer {
    pub(super) fn blit(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<Flow, Stop> {
        let header = cmd.first().copied().unwrap_or(0);
        if self.class != EngineClass::Copy {
            // On the GSC engine the same type holds packets for firmware that is not here; elsewhere nothing.
            return Ok(Flow::Next);
        }
        let (opcode, new) = (decode::blit_opcode(header), self.spec.mem_copy);
        let fill_dwords = if new { 16 } else { 11 };
        match (opcode, cmd.len()) {
            (0x41, 12 | 22) => self.block_copy(bus, cmd)?,
            (0x42, 10) => self.fast_copy(bus, cmd)?,
            (0x44, dwords) if !new && dwords == fill_dwords => self.fast_color(bus, cmd)?,
            // Compression state has no bytes here, so moving it moves nothing.
            (0x48, 5) if new => {}
            (0x53, 10) if !new => self.src_copy(bus, cmd)?,
            (0x5A, 10) if new => self.mem_copy(bus, cmd)?,
            (0x5B, 7) if new => self.mem_set(bus, cmd)?,
            (0x41 | 0x42 | 0x44 | 0x48 | 0x53 | 0x5A | 0x5B, _) => {
                let text = format!("{} {header:#010x} does not exist on this part", decode::name(self.class, header));
                return Err(Stop::Instruction(text));
            }
            _ => {}
        }
        Ok(Flow::Next)
    }

    fn copy_rows(&mut self, bus: &mut dyn Bus, to: Rows, from: Rows, width: u64, height: u64) -> Result<(), Stop> {
        self.charge(width, height)?;
        let mut row = vec![0; width as usize];
        for index in 0..height {
            self.read(bus, Space::Ppgtt, from.row(index), &mut row)?;
            self.write(bus, Space::Ppgtt, to.row(index), &row)?;
        }
        Ok(())
    }

    fn fill_rows(&mut self, bus: &mut dyn Bus, to: Rows, pattern: &[u8], width: u64, height: u64) -> Result<(), Stop> {
        self.charge(width, height)?;
        let row: Vec<u8> = pattern.iter().copied().cycle().take(width as usize).collect();
        for index in 0..height {
            self.write(bus, Space::Ppgtt, to.row(index), &row)?;
        }
        Ok(())
    }

    /// Virtual time for moving bytes, and the limit.
    fn charge(&mut self, width: u64, height: u64) -> Result<(), Stop> {
        let bytes = width.saturating_mul(height);
        // Rows of no width cost their iteration.
        if bytes > LIMIT || (width == 0 && height > LIMIT) {
            return Err(not_modelled(&format!("moving {bytes:#x} bytes in one command")));
        }
        self.spend_ns(bytes / BYTES_PER_NS);
        Ok(())
    }

    fn fast_copy(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        if cmd[0] >> 13 & 3 != 0 || cmd[0] >> 20 & 3 != 0 {
            return Err(not_modelled("a tiled surface"));
        }
        let tile4_bits = cmd[1] >> 30;
        if tile4_bits != if self.spec.mem_copy { 3 } else { 0 } {
            return Err(Stop::Instruction(format!("XY_FAST_COPY_BLT: Tile4 bits are {tile4_bits} on this part")));
        }
        let bytes = pixel_bytes(&[1, 2, 0, 4, 8, 16], cmd[1] >> 24 & 7)?;
        let (x, y, width, height) = corners(cmd[2], cmd[3])?;
        let (to_pitch, from_pitch) = (u64::from(cmd[1] & 0xFFFF), u64::from(cmd[7] & 0xFFFF));
        let (from_x, from_y) = (u64::from(cmd[6] & 0xFFFF), u64::from(cmd[6] >> 16));
        let to = Rows { start: wide(cmd[4], cmd[5]).wrapping_add(y * to_pitch + x * bytes), pitch: to_pitch };
        let from =
            Rows { start: wide(cmd[8], cmd[9]).wrapping_add(from_y * from_pitch + from_x * bytes), pitch: from_pitch };
        self.copy_rows(bus, to, from, width * bytes, height)
    }

    fn src_copy(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        if cmd[0] & (1 << 15 | 1 << 11) != 0 {
            return Err(not_modelled("a tiled surface"));
        }
        if cmd[1] >> 16 & 0xFF != 0xCC {
            return Err(not_modelled("a raster operation other than copy"));
        }
        let bytes = pixel_bytes(&[1, 2, 2, 4], cmd[1] >> 24 & 3)?;
        let (x, y, width, height) = corners(cmd[2], cmd[3])?;
        let (to_pitch, from_pitch) = (u64::from(cmd[1] & 0xFFFF), u64::from(cmd[7] & 0xFFFF));
        let (from_x, from_y) = (u64::from(cmd[6] & 0xFFFF), u64::from(cmd[6] >> 16));
        let to = Rows { start: wide(cmd[4], cmd[5]).wrapping_add(y * to_pitch + x * bytes), pitch: to_pitch };
        let from =
            Rows { start: wide(cmd[8], cmd[9]).wrapping_add(from_y * from_pitch + from_x * bytes), pitch: from_pitch };
        self.copy_rows(bus, to, from, width * bytes, height)
    }

    fn block_copy(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        let long = self.spec.mem_copy;
        if (cmd.len() == 22) != long {
            return Err(Stop::Instruction(format!("XY_BLOCK_COPY_BLT of {} dwords on this part", cmd.len())));
        }
        if cmd[1] >> 30 != 0 || cmd[8] >> 30 != 0 {
            return Err(not_modelled("a tiled surface"));
        }
        let bytes = pixel_bytes(&[1, 2, 4, 8, 12, 16], cmd[0] >> 19 & 7)?;
        let (x, y, width, height) = corners(cmd[2], cmd[3])?;
        let pitch = |dword: u32| u64::from(dword & 0x3_FFFF) + 1;
        let offset = |dword: u32| (u64::from(dword & 0x3FFF), u64::from(dword >> 16 & 0x3FFF));
        let (to_dx, to_dy) = offset(cmd[6]);
        let (from_dx, from_dy) = offset(cmd[11]);
        let (from_x, from_y) = (u64::from(cmd[7] & 0xFFFF), u64::from(cmd[7] >> 16));
        let start = |base: u64, pitch: u64, x: u64, y: u64| base.wrapping_add(y * pitch + x * bytes);
        let to = Rows { start: start(wide(cmd[4], cmd[5]), pitch(cmd[1]), x + to_dx, y + to_dy), pitch: pitch(cmd[1]) };
        let from = Rows {
            start: start(wide(cmd[9], cmd[10]), pitch(cmd[8]), from_x + from_dx, from_y + from_dy),
            pitch: pitch(cmd[8]),
        };
        self.copy_rows(bus, to, from, width * bytes, height)
    }

    fn fast_color(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        if cmd[1] >> 30 != 0 {
            return Err(not_modelled("a tiled surface"));
        }
        let bytes = pixel_bytes(&[1, 2, 4, 8, 0, 16], cmd[0] >> 19 & 7)?;
        let (x, y, width, height) = corners(cmd[2], cmd[3])?;
        let pitch = u64::from(cmd[1] & 0x3_FFFF) + 1;
        let colour: Vec<u8> = cmd[7..11].iter().flat_map(|dword| dword.to_le_bytes()).take(bytes as usize).collect();
        let to = Rows { start: wide(cmd[4], cmd[5]).wrapping_add(y * pitch + x * bytes), pitch };
        self.fill_rows(bus, to, &colour, width * bytes, height)
    }

    fn mem_copy(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        let (page_mode, matrix) = (cmd[0] >> 19 & 1 != 0, cmd[0] >> 17 & 1 != 0);
        let unit = if page_mode { 256 } else { 1 };
        let width = (u64::from(cmd[1] & if page_mode { 0xFF_FFFF } else { 0x3_FFFF }) + 1) * unit;
        let height = if matrix { u64::from(cmd[2] & 0x3_FFFF) + 1 } else { 1 };
        let from = Rows { start: wide(cmd[5], cmd[6]), pitch: u64::from(cmd[3] & 0x3_FFFF) + 1 };
        let to = Rows { start: wide(cmd[7], cmd[8]), pitch: u64::from(cmd[4] & 0x3_FFFF) + 1 };
        if page_mode && (from.start | to.start) & 0xFF != 0 {
            return Err(Stop::Instruction(String::from("MEM_COPY: page mode with unaligned addresses")));
        }
        self.copy_rows(bus, to, from, width, height)
    }

    fn mem_set(&mut self, bus: &mut dyn Bus, cmd: &[u32]) -> Result<(), Stop> {
        let matrix = cmd[0] >> 17 & 1 != 0;
        let width = u64::from(cmd[1] & 0xFF_FFFF) + 1;
        let height = if matrix { u64::from(cmd[2] & 0x3_FFFF) + 1 } else { 1 };
        let to = Rows { start: wide(cmd[4], cmd[5]), pitch: u64::from(cmd[3] & 0x3_FFFF) + 1 };
        self.fill_rows(bus, to, &[(cmd[6] >> 24) as u8], width, height)
    }
}
