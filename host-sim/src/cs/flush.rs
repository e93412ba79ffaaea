//! `PIPE_CONTROL` and `MI_FLUSH_DW`: post-sync writes, TLB invalidation, notification. Caches are not modelled.
#![expect(clippy::indexing_slicing, reason = "`mi` checks the length of every command before it is looked into")]

use super::access::Space;
use super::spec::ticks;
use super::streamer::{Place, vector};
use super::{Flow, Stop, Streamer};
use crate::bus::Bus;
use crate::spec::EngineClass;

/// What a flush writes when all earlier work is done.
enum PostSync {
    Nothing,
    Value,
    Timestamp,
}

impl Streamer {
    pub(super) fn flush_dw(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        let header = cmd[0];
        if header >> 18 & 1 != 0 {
            self.forget_own_space();
        }
        let post_sync = match header >> 14 & 3 {
            0 => PostSync::Nothing,
            1 => PostSync::Value,
            3 => PostSync::Timestamp,
            _ => return Err(Stop::Instruction(format!("MI_FLUSH_DW {header:#010x}: reserved post-sync operation"))),
        };
        let target = u64::from(cmd[1] & !7) | u64::from(cmd[2]) << 32;
        let (ggtt, target) = if header >> 21 & 1 != 0 {
            (true, self.context_page() + (target & 0xFF8))
        } else {
            (cmd[1] >> 2 & 1 != 0, target)
        };
        let data = u64::from(cmd[3]) | u64::from(cmd.get(4).copied().unwrap_or(0)) << 32;
        self.post_sync(bus, place, post_sync, (ggtt, target), data, if cmd.len() > 4 { 8 } else { 4 })?;
        self.notify(bus, header >> 8 & 1 != 0);
        Ok(Flow::Next)
    }

    pub(super) fn pipe_control(&mut self, bus: &mut dyn Bus, cmd: &[u32], place: Place) -> Result<Flow, Stop> {
        if !matches!(self.class, EngineClass::Render | EngineClass::Compute) {
            return Err(Stop::Instruction(format!("PIPE_CONTROL on a {:?} engine", self.class)));
        }
        let at = |index: usize| cmd.get(index).copied().unwrap_or(0);
        let flags = at(1);
        if flags >> 18 & 1 != 0 {
            self.forget_own_space();
        }
        let post_sync = match flags >> 14 & 3 {
            0 => PostSync::Nothing,
            1 => PostSync::Value,
            2 => return Err(Stop::Instruction(String::from("PIPE_CONTROL: pixel counts are not modelled"))),
            _ => PostSync::Timestamp,
        };
        let target = u64::from(at(2) & !3) | u64::from(at(3)) << 32;
        let (ggtt, target) = if flags >> 21 & 1 != 0 {
            (true, self.context_page() + (target & 0xFF8))
        } else {
            (flags >> 24 & 1 != 0, target)
        };
        let data = u64::from(at(4)) | u64::from(at(5)) << 32;
        self.post_sync(bus, place, post_sync, (ggtt, target), data, 8)?;
        self.notify(bus, flags >> 8 & 1 != 0);
        Ok(Flow::Next)
    }

    fn post_sync(
        &mut self,
        bus: &mut dyn Bus,
        place: Place,
        what: PostSync,
        (ggtt, target): (bool, u64),
        data: u64,
        bytes: usize,
    ) -> Result<(), Stop> {
        let value = match what {
            PostSync::Nothing => return Ok(()),
            PostSync::Value => data,
            PostSync::Timestamp => ticks(self.now_ns(bus)),
        };
        let Some(space) = self.data_space(bus, ggtt, place) else { return Ok(()) };
        match (space, bytes) {
            (_, 8) => self.write64(bus, space, target, value),
            (Space::Ggtt | Space::Ppgtt, _) => self.write32(bus, space, target, value as u32),
        }
    }

    fn forget_own_space(&mut self) {
        if let Some(root) = self.page_root() {
            self.tlb.forget_space(root);
        }
    }

    fn notify(&mut self, bus: &mut dyn Bus, wanted: bool) {
        if wanted {
            self.raise(bus, vector::FLUSH);
        }
    }
}
