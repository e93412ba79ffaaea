//! `PIPE_CONTROL` and `MI_FLUSH_DW`: post-sync writes, TLB invalidation, notification. Caches are not modelled.
#![expect(clippy::indexing_slicing, reason = "the table of commands allows each only with dwords for all its fields")]

use super::store::qword_address;
use crate::bus::Bus;
use crate::cs::access::Space;
use crate::cs::spec::ticks;
use crate::cs::streamer::{Place, vector};
use crate::cs::{Flow, Stop, Streamer};
use crate::spec::EngineClass;

/// What a flush writes when all earlier work is done.
enum PostSync {
    Nothing,
    Value,
    Timestamp,
}

/// Where it writes.
struct Target {
    /// None where the command asks for more than its batch may: nothing is written then.
    space: Option<Space>,
    address: u64,
    bytes: usize,
}

/// Flags of the 3D pipeline, which a compute engine does not have (commands sheet §2.5).
const ONLY_3D: u32 = 1 << 12 | 1 << 0 | 1 << 28 | 1 << 13 | 1 << 1 | 1 << 17 | 1 << 25 | 1 << 4 | 1 << 19;

fn wrong(text: &str) -> Stop {
    Stop::Instruction(String::from(text))
}

impl Streamer {
    pub(in crate::cs) fn flush_dw(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        let what = match header >> 14 & 3 {
            0 => PostSync::Nothing,
            1 => PostSync::Value,
            3 => PostSync::Timestamp,
            _ => return Err(wrong("reserved post-sync operation")),
        };
        if header >> 22 & 1 != 0 {
            return Err(wrong("protected memory is not simulated"));
        }
        if header >> 18 & 1 != 0 {
            self.forget_own_space();
        }
        let address = u64::from(cmd[1] & !7) | u64::from(cmd[2]) << 32;
        let data = u64::from(cmd[3]) | u64::from(cmd.get(4).copied().unwrap_or(0)) << 32;
        let bytes = if cmd.len() > 4 { 8 } else { 4 };
        let (index, ggtt) = (header >> 21 & 1 != 0, cmd[1] >> 2 & 1 != 0);
        if !matches!(what, PostSync::Nothing) {
            let target = self.target(bus, place, (index, ggtt), address, bytes);
            self.post_sync(bus, what, &target, data)?;
        }
        self.notify(bus, header >> 8 & 1 != 0);
        Ok(Flow::Next)
    }

    pub(in crate::cs) fn pipe_control(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let flags = cmd[1];
        let what = match flags >> 14 & 3 {
            0 => PostSync::Nothing,
            1 => PostSync::Value,
            2 => return Err(wrong("pixel counts are not simulated")),
            _ => PostSync::Timestamp,
        };
        if flags & (1 << 23 | 1 << 22) != 0 {
            return Err(wrong("writes to registers and protected memory are not simulated"));
        }
        if self.class == EngineClass::Compute && flags & ONLY_3D != 0 {
            let text =
                format!("flags {:#x} belong to the 3D pipeline, which this engine does not have", flags & ONLY_3D);
            return Err(Stop::Instruction(text));
        }
        if flags >> 18 & 1 != 0 {
            self.forget_own_space();
        }
        match *cmd {
            [_, _, low, high, data_low, data_high] if !matches!(what, PostSync::Nothing) => {
                let address = u64::from(low & !3) | u64::from(high) << 32;
                let (index, ggtt) = (flags >> 21 & 1 != 0, flags >> 24 & 1 != 0);
                let target = self.target(bus, place, (index, ggtt), address, 8);
                self.post_sync(bus, what, &target, u64::from(data_low) | u64::from(data_high) << 32)?;
            }
            [_, _] if !matches!(what, PostSync::Nothing) => {
                return Err(wrong("the short form has no address to write to"));
            }
            _ => {}
        }
        self.notify(bus, flags >> 8 & 1 != 0);
        Ok(Flow::Next)
    }

    /// Where a post-sync write goes: into the context's own status page, which each context may write, or to an
    /// address.
    fn target(
        &mut self,
        bus: &mut dyn Bus,
        place: Place,
        (index, ggtt): (bool, bool),
        address: u64,
        bytes: usize,
    ) -> Target {
        if index {
            return Target { space: Some(Space::Ggtt), address: self.context_page() + (address & 0xFFC), bytes };
        }
        Target { space: self.data_space(bus, ggtt, place), address, bytes }
    }

    fn post_sync(&mut self, bus: &mut dyn Bus, what: PostSync, target: &Target, data: u64) -> Result<(), Stop> {
        let value = match what {
            PostSync::Nothing => return Ok(()),
            PostSync::Value => data,
            PostSync::Timestamp => ticks(self.now_ns(bus)),
        };
        let Some(space) = target.space else { return Ok(()) };
        if target.bytes == 4 {
            return self.write32(bus, space, target.address, value as u32);
        }
        qword_address(target.address)?;
        self.write64(bus, space, target.address, value)
    }

    /// Translations of the running context's address space are not used any more.
    pub(in crate::cs) fn forget_own_space(&mut self) {
        if let Some(running) = self.running.filter(|running| running.root.is_some()) {
            self.tlb.forget_space(running.space);
        }
    }

    fn notify(&mut self, bus: &mut dyn Bus, wanted: bool) {
        if wanted {
            self.raise(bus, vector::FLUSH);
        }
    }
}
