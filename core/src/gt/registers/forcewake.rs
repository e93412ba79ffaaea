//! Forcewake: keeping power domains awake while their registers are used (engines sheet §2.4).

use super::access::{GtIndex, Registers, on_gt};
use crate::Error;
use crate::gt::platform::units::EngineMask;
use crate::gt::{EngineClass, regs};
use barexe_hal::{Clock, Mmio, Nanos, RegOffset};

/// Time a domain has to wake or to fall asleep.
const ACK_TIMEOUT: Nanos = Nanos::from_millis(50);
/// The kernel's request bit, masked.
const WAKE: u32 = 0x0001_0001;
/// The same bit, cleared.
const SLEEP: u32 = 0x0001_0000;

/// Ids of the domains.
const GT: u8 = 0;
const RENDER: u8 = 1;
const VDBOX0: u8 = 3;
const VEBOX0: u8 = 11;
const DOMAINS: u8 = 15;

/// Domains of both GTs, by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Domains([u16; 2]);

impl Domains {
    /// No domain.
    pub const NONE: Self = Self([0; 2]);

    /// The GT domains of the first `gt_count` GTs: all that may be woken before the fuses are read.
    #[must_use]
    pub const fn gt_only(gt_count: u8) -> Self {
        if gt_count > 1 { Self([1 << GT; 2]) } else { Self([1 << GT, 0]) }
    }

    /// All domains of GT `gt` with these engines.
    #[must_use]
    pub fn of_gt(gt: GtIndex, engines: EngineMask) -> Self {
        let start: u16 = if gt == 0 { 1 << GT | 1 << RENDER } else { 1 << GT };
        let bits = engines.units().fold(start, |bits, unit| match unit.class {
            EngineClass::VideoDecode => bits | 1 << VDBOX0.wrapping_add(unit.instance & 7),
            EngineClass::VideoEnhance => bits | 1 << VEBOX0.wrapping_add(unit.instance & 3),
            EngineClass::Render | EngineClass::Copy | EngineClass::Compute | EngineClass::Gsc => bits,
        });
        if gt == 0 { Self([bits, 0]) } else { Self([0, bits]) }
    }

    /// The domains of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a | c, b | d])
    }

    /// The domains of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a & !c, b & !d])
    }

    /// GT and domain id, in ascending order.
    fn iter(self) -> impl DoubleEndedIterator<Item = (GtIndex, u8)> {
        let [main, media] = self.0;
        (0..DOMAINS << 1).filter_map(move |n| {
            let (gt, id) = if n < DOMAINS { (0, n) } else { (1, n.wrapping_sub(DOMAINS)) };
            let bits = if gt == 0 { main } else { media };
            if bits >> id & 1 != 0 { Some((gt, id)) } else { None }
        })
    }
}

/// Request and acknowledge register of a domain.
fn registers(ack_gt: RegOffset, gt: GtIndex, id: u8) -> (RegOffset, RegOffset) {
    let nth = |first: RegOffset, from: u8| first.offset(u32::from(id.wrapping_sub(from)) << 2);
    let (request, ack) = match id {
        GT => (regs::FORCEWAKE_GT, ack_gt),
        RENDER => (regs::FORCEWAKE_RENDER, regs::FORCEWAKE_ACK_RENDER),
        id if id < VEBOX0 => (nth(regs::FORCEWAKE_VDBOX0, VDBOX0), nth(regs::FORCEWAKE_ACK_VDBOX0, VDBOX0)),
        _ => (nth(regs::FORCEWAKE_VEBOX0, VEBOX0), nth(regs::FORCEWAKE_ACK_VEBOX0, VEBOX0)),
    };
    (on_gt(gt, request), on_gt(gt, ack))
}

/// Wakes the domains of `wanted` that are not in `held`: requests all, then waits for all.
///
/// `held` takes each one up when it is requested, so that after a failure [`release`] undoes what was begun.
///
/// # Errors
/// [`Error::TimedOut`] after 50 ms, [`Error::DeviceGone`] on an all-ones acknowledge, [`Error::Interrupted`].
pub fn wake<H: Mmio + Clock>(regs: &mut Registers<'_, H>, wanted: Domains, held: &mut Domains) -> Result<(), Error> {
    let ack_gt = regs.format().forcewake_ack_gt;
    let new = wanted.without(*held);
    for (gt, id) in new.iter() {
        regs.write(registers(ack_gt, gt, id).0, WAKE);
    }
    *held = held.union(new);
    for (gt, id) in new.iter() {
        regs.poll_until(registers(ack_gt, gt, id).1, 1, 1, ACK_TIMEOUT)?;
    }
    Ok(())
}

/// Lets the domains of `held` sleep, the last woken first, and waits for their acknowledges.
///
/// Never fails: a domain that does not answer in time is left, as is one of a device that is gone.
pub fn release<H: Mmio + Clock>(regs: &mut Registers<'_, H>, held: &mut Domains) {
    let ack_gt = regs.format().forcewake_ack_gt;
    for (gt, id) in held.iter().rev() {
        regs.write(registers(ack_gt, gt, id).0, SLEEP);
    }
    for (gt, id) in held.iter().rev() {
        // A refused or late acknowledge changes nothing for a driver on its way out.
        let _late = regs.poll_until(registers(ack_gt, gt, id).1, 1, 0, ACK_TIMEOUT);
    }
    *held = Domains::NONE;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(domains: Domains, ack_gt: RegOffset) -> std::vec::Vec<(u32, u32)> {
        domains.iter().map(|(gt, id)| registers(ack_gt, gt, id)).map(|(r, a)| (r.get(), a.get())).collect()
    }

    #[test]
    fn domains_follow_the_engines_of_the_gt() {
        // VCS0, VCS2, VECS0 and the fixed two.
        let domains = Domains::of_gt(0, EngineMask(1 << 0 | 1 << 10 | 1 << 12 | 1 << 18));
        let want = [(0xA188, 0x13_0044), (0xA278, 0xD84), (0xA540, 0xD50), (0xA548, 0xD58), (0xA560, 0xD70)];
        assert_eq!(requests(domains, regs::FORCEWAKE_ACK_GT_LEGACY), want);
    }

    #[test]
    fn the_media_gt_uses_the_shifted_view_and_has_no_render_domain() {
        let domains = Domains::of_gt(1, EngineMask(1 << 10 | 1 << 18));
        let want = [(0x38_A188, 0x38_0DFC), (0x38_A540, 0x38_0D50), (0x38_A560, 0x38_0D70)];
        assert_eq!(requests(domains, regs::FORCEWAKE_ACK_GT), want);
    }
}
