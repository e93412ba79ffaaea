//! The register page of a new context.
//!
//! There is no recorded default image, so each context starts from this synthetic one, with the engine state inhibited
//! from being restored (engines sheet §6.3, §6.4).

use super::tables::{REGISTER_DWORDS, RegisterTable};
use super::{ContextRequest, LrcFormat, slot};
use crate::num::{high32, low32};

/// End of the page's command stream, with the bit that ends a context (engines sheet §6.3).
const END_MARKER: u32 = 0x0500_0001;
/// Bits 3 and 0 with their masks: the engine state is not restored, because none was saved.
const CONTEXT_CONTROL_FRESH: u32 = 0x0009_0009;
/// Bit 7 with its mask.
const CONTEXT_CONTROL_RUN_ALONE: u32 = 0x0080_0080;
/// Enable bit of RING_CTL and valid bit of BB_PER_CTX_PTR.
const ENABLE: u32 = 1;

/// Dwords of a register page, up to the longest table's end; what follows in the image is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterImage {
    dwords: [u32; REGISTER_DWORDS],
}

impl RegisterImage {
    /// The page of a new context. `indirect_cachelines` is the length of its indirect context batch, 0 if it has
    /// none.
    #[must_use]
    pub fn of(format: &LrcFormat, request: &ContextRequest<'_>, indirect_cachelines: u32) -> Self {
        let mut image = Self { dwords: [0; REGISTER_DWORDS] };
        image.lay_out(format.table(request.class), request.engine_base);
        image.set(slot::CONTEXT_CONTROL, context_control(request));
        image.set_ring(request);
        image.set_batches(request, indirect_cachelines);
        image.set_vm(format, request);
        image
    }

    /// The dwords, in order.
    #[must_use]
    pub const fn dwords(&self) -> &[u32; REGISTER_DWORDS] {
        &self.dwords
    }

    /// Headers, register offsets and the end marker; all values stay 0.
    fn lay_out(&mut self, table: &RegisterTable, engine_base: u32) {
        for group in table.groups {
            self.set(group.at, group.header());
        }
        for (at, register) in table.registers() {
            self.set(at, engine_base.wrapping_add(u32::from(register)));
        }
        self.set(table.end, END_MARKER);
    }

    /// Where the ring is. Head and tail are 0: the first submission publishes what the ring holds by then.
    fn set_ring(&mut self, request: &ContextRequest<'_>) {
        self.set(slot::RING_HEAD, 0);
        self.set(slot::RING_TAIL, 0);
        self.set(slot::RING_START, request.lrc.ring.get());
        self.set(slot::RING_CTL, request.ring_bytes.wrapping_sub(4096) | ENABLE);
    }

    fn set_batches(&mut self, request: &ContextRequest<'_>, indirect_cachelines: u32) {
        self.set(slot::BB_PER_CTX_PTR, request.lrc.context_batch.get() | ENABLE);
        if let (Some(batch), 1..=63) = (request.lrc.indirect_batch, indirect_cachelines) {
            self.set(slot::INDIRECT_CTX, batch.get() | indirect_cachelines);
        }
    }

    fn set_vm(&mut self, format: &LrcFormat, request: &ContextRequest<'_>) {
        let Some(vm) = request.vm else { return };
        if format.has_asid {
            self.set(slot::ASID, vm.asid);
        }
        self.set(slot::ROOT_UPPER, high32(vm.root_descriptor));
        self.set(slot::ROOT_LOWER, low32(vm.root_descriptor));
    }

    /// Tables and slots all lie inside the page, which the tests of both check.
    fn set(&mut self, dword: usize, value: u32) {
        if let Some(place) = self.dwords.get_mut(dword) {
            *place = value;
        }
    }
}

const fn context_control(request: &ContextRequest<'_>) -> u32 {
    if request.run_alone { CONTEXT_CONTROL_FRESH | CONTEXT_CONTROL_RUN_ALONE } else { CONTEXT_CONTROL_FRESH }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::create::VmRoot;
    use crate::context::create::tests::{addrs, request};
    use crate::family::{Family, GEN12, XE2};
    use crate::gt::EngineClass;

    fn image(family: &Family, class: EngineClass, edit: fn(&mut ContextRequest<'_>), lines: u32) -> [u32; 192] {
        let lrc = addrs(&family.lrc.layout(class, 0x4000).unwrap());
        let mut request = request(class, &lrc);
        edit(&mut request);
        *RegisterImage::of(&family.lrc, &request, lines).dwords()
    }

    /// Engines sheet §6, Checks: T12X for BCS0.
    #[test]
    fn tgl_copy_page_is_that_of_the_sheet() {
        let page = image(&GEN12, EngineClass::Copy, |_| (), 0);
        let want = [
            (0, 0),
            (1, 0x1108_1019),
            (2, 0x22244),
            (4, 0x22034),
            (6, 0x22030),
            (8, 0x22038),
            (0xA, 0x2203C),
            (0xC, 0x22168),
            (0x1A, 0x222B4),
            (0x21, 0x1108_1011),
            (0x22, 0x223A8),
            (0x32, 0x22270),
            (0x34, 0x0500_0001),
        ];
        for (dword, value) in want {
            assert_eq!(page[dword], value, "dword {dword:#x}");
        }
        assert!(page[0x35..].iter().all(|d| *d == 0));
    }

    /// Engines sheet §6, Checks: T12R and the indirect pointer of RCS0.
    #[test]
    fn tgl_render_page_is_that_of_the_sheet() {
        let page = image(&GEN12, EngineClass::Render, |r| r.engine_base = 0x2000, 2);
        let want = [
            (0x51, 0x1108_1065),
            (0x52, 0x2588),
            (0xB4, 0x2068),
            (0xB6, 0x2084),
            (0xB9, 0x0500_0001),
            (slot::INDIRECT_CTX, 0x0101_2002),
            (slot::BB_PER_CTX_PTR, 0x0101_3001),
        ];
        for (dword, value) in want {
            assert_eq!(page[dword], value, "dword {dword:#x}");
        }
    }

    /// Engines sheet §6, Checks: LNL BCS0.
    #[test]
    fn lnl_copy_page_has_the_values_of_the_sheet() {
        let page = image(&XE2, EngineClass::Copy, |_| (), 0);
        assert_eq!(page[slot::CONTEXT_CONTROL], 0x0009_0009);
        assert_eq!((page[slot::RING_START], page[slot::RING_CTL]), (0x0100_0000, 0x3001));
        assert_eq!((page[slot::BB_PER_CTX_PTR], page[slot::INDIRECT_CTX]), (0x0100_6001, 0));
        assert_eq!((page[slot::RING_HEAD], page[slot::RING_TAIL]), (0, 0));
    }

    #[test]
    fn run_alone_adds_bit_7_with_its_mask() {
        let page = image(&XE2, EngineClass::Copy, |r| r.run_alone = true, 0);
        assert_eq!(page[slot::CONTEXT_CONTROL], 0x0089_0089);
    }

    #[test]
    fn the_address_space_id_is_stored_only_where_the_family_has_one() {
        let with_vm: fn(&mut ContextRequest<'_>) =
            |r| r.vm = Some(VmRoot { asid: 0x12345, root_descriptor: 0x12_3456_701B });
        let vm_slots = |page: [u32; 192]| (page[slot::ASID], page[slot::ROOT_UPPER], page[slot::ROOT_LOWER]);
        assert_eq!(vm_slots(image(&XE2, EngineClass::Copy, with_vm, 0)), (0x12345, 0x12, 0x3456_701B));
        assert_eq!(vm_slots(image(&GEN12, EngineClass::Copy, with_vm, 0)), (0, 0x12, 0x3456_701B));
        assert_eq!(vm_slots(image(&XE2, EngineClass::Copy, |_| (), 0)), (0, 0, 0));
    }
}
