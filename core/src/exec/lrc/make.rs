//! Contexts made, moved to another engine, begun anew, shown again, freed.

use super::memory::{free_ggtt_memory, ggtt_memory, show_ggtt_memory};
use super::{Lrc, LrcRequest, RING_BYTES};
use crate::Error;
use crate::context::create::{ContextRequest, VmRoot, rebase, write_context, write_image, write_seqno_page};
use crate::context::descriptor::Descriptor;
use crate::context::layout::{LrcAddrs, LrcLayout};
use crate::context::tables::REGISTER_DWORDS;
use crate::gt::DeviceInfo;
use crate::mem::ggtt::{Ggtt, GgttRange};
use crate::num::usize_of;
use crate::ring::writer::RingState;
use crate::sync::seqno::Seqno;
use barexe_hal::{DmaBuffer, Hal};

impl Lrc {
    /// A context that has never run.
    ///
    /// # Errors
    /// The HAL's, [`Error::Exhausted`]; nothing stays allocated.
    pub fn new<H: Hal>(
        request: &LrcRequest,
        info: &DeviceInfo,
        ggtt: &mut Ggtt<'_>,
        hal: &mut H,
    ) -> Result<Self, Error> {
        let engine = info.engines.get(usize::from(request.engine)).ok_or(Error::invalid("engine", 0))?;
        let format = &info.platform.family.lrc;
        let layout =
            format.layout(engine.class, RING_BYTES).ok_or(Error::invalid("ring size", u64::from(RING_BYTES)))?;
        let memory = ggtt_memory((request.owner, engine.tile, u64::from(layout.total_bytes)), info, ggtt, hal)?;
        let seqno = match ggtt_memory((request.owner, engine.tile, 4096), info, ggtt, hal) {
            Ok(seqno) => seqno,
            Err(error) => {
                free_ggtt_memory(memory, ggtt, hal);
                return Err(error);
            }
        };
        let made = fill(request, info, engine, &layout, &memory, &seqno);
        let Some((addrs, ring, descriptor)) = made else {
            free_ggtt_memory(seqno, ggtt, hal);
            free_ggtt_memory(memory, ggtt, hal);
            return Err(Error::invalid("context layout", u64::from(layout.total_bytes)));
        };
        let ((buffer, range), (seqno_page, seqno_range)) = (memory, seqno);
        hal.publish(&buffer, 0..buffer.len_bytes());
        hal.publish(&seqno_page, 0..seqno_page.len_bytes());
        let start = Seqno::initial_memory();
        let fresh = Self {
            buffer,
            range,
            seqno_page,
            seqno_range,
            layout,
            addrs,
            head_bytes: ring.tail_bytes(),
            submitted_tail: ring.tail_bytes(),
            ring,
            last: start,
            seen: start,
            descriptor,
            id: 0,
            request: *request,
            force_restore: false,
            full: false,
        };
        Ok(fresh)
    }

    /// Gives its memory back. No engine holds it any more.
    pub fn free<H: Hal>(self, ggtt: &mut Ggtt<'_>, hal: &mut H) {
        free_ggtt_memory((self.buffer, self.range), ggtt, hal);
        free_ggtt_memory((self.seqno_page, self.seqno_range), ggtt, hal);
    }

    /// Shows its memory to its engine again, whose GGTT was lost.
    pub fn show<H: Hal>(&self, ggtt: &mut Ggtt<'_>, hal: &mut H) {
        show_ggtt_memory((&self.buffer, &self.range), ggtt, hal);
        show_ggtt_memory((&self.seqno_page, &self.seqno_range), ggtt, hal);
    }

    /// Lets another engine of the same class run the context. No engine has it, and what it saved stays.
    pub fn move_to<H: Hal>(&mut self, engine: u8, info: &DeviceInfo, hal: &mut H) {
        let Some(unit) = info.engines.get(usize::from(engine)) else { return };
        self.request.engine = engine;
        let format = &info.platform.family.lrc;
        let (instance, has_vm) = (u16::from(unit.instance), self.request.vm.is_some());
        self.descriptor = format.descriptor.describe(unit.class, instance, &self.addrs, has_vm);
        let start = usize_of(self.layout.registers);
        let page = start..start.saturating_add(REGISTER_DWORDS.saturating_mul(4));
        hal.observe(&self.buffer, page.clone());
        // The buffer was laid out by this very table when the context was made.
        let _ = rebase(format.table(unit.class), unit.base.get(), &self.buffer, start);
        hal.publish(&self.buffer, page);
        self.force_restore = true;
    }

    /// Makes the context begin anew with its oldest job that is not over. For one that a reset threw off its engine:
    /// what it saved is older than what it did since.
    pub fn rewind<H: Hal>(&mut self, info: &DeviceInfo, hal: &mut H) {
        let Some(engine) = info.engines.get(usize::from(self.request.engine)) else { return };
        let request = context_request(&self.request, engine, &self.layout, &self.addrs);
        // The buffer was laid out for this very image when the context was made.
        let _ = write_image(&info.platform.family.lrc, &self.layout, &request, &self.buffer, 0);
        let _ = self.buffer.write_u32(usize_of(self.layout.ring_head()), self.head_bytes);
        hal.publish(&self.buffer, usize_of(self.layout.registers)..usize_of(self.layout.total_bytes));
        self.force_restore = true;
    }
}

fn context_request<'a>(
    request: &LrcRequest,
    engine: &crate::gt::Engine,
    layout: &LrcLayout,
    addrs: &'a LrcAddrs,
) -> ContextRequest<'a> {
    ContextRequest {
        class: engine.class,
        engine_base: engine.base.get(),
        ring_bytes: layout.ring_bytes,
        lrc: addrs,
        vm: request.vm.map(|(asid, root_descriptor)| VmRoot { asid, root_descriptor }),
        run_alone: false,
        disable_state_cache_perf_fix: false,
        virtual_function: false,
    }
}

fn fill(
    request: &LrcRequest,
    info: &DeviceInfo,
    engine: &crate::gt::Engine,
    layout: &LrcLayout,
    memory: &(DmaBuffer, GgttRange),
    seqno: &(DmaBuffer, GgttRange),
) -> Option<(LrcAddrs, RingState, Descriptor)> {
    let format = &info.platform.family.lrc;
    let addrs = layout.addrs(memory.1.addr(), seqno.1.addr())?;
    let context = context_request(request, engine, layout, &addrs);
    let tail = write_context(format, layout, &context, &memory.0, 0).ok()?;
    write_seqno_page(&seqno.0, 0).ok()?;
    let ring = RingState::new(0, layout.ring_bytes, tail).ok()?;
    let descriptor = format.descriptor.describe(engine.class, u16::from(engine.instance), &addrs, request.vm.is_some());
    Some((addrs, ring, descriptor))
}
