//! Power domains: what must be awake for which register (engines sheet §2.4).

use crate::spec::{Domain, GT_RANGE, MEDIA_SHIFT, Platform};
use std::collections::BTreeMap;

/// How the acknowledge registers behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// Acknowledge follows the request after this many nanoseconds.
    After(u64),
    /// It never follows.
    Stuck,
    /// It reads all ones: the part is not reliable.
    AllOnes,
}

/// One domain: its registers, what was asked, and since when.
#[derive(Clone, Copy, Debug)]
struct Line {
    domain: Domain,
    request: u32,
    ack: u32,
    wanted: bool,
    /// State before the last request, and the instant from which `wanted` holds.
    before: bool,
    since_ns: u64,
}

impl Line {
    const fn awake(&self, now_ns: u64, mode: AckMode) -> bool {
        match mode {
            AckMode::After(delay) if now_ns >= self.since_ns.saturating_add(delay) => self.wanted,
            AckMode::After(_) => self.before,
            AckMode::Stuck | AckMode::AllOnes => false,
        }
    }
}

/// `RC_CONTROL`, one for each GT: whether domains that nobody holds may sleep (engines sheet §13.6).
const RC_CONTROL: u32 = 0xA090;
/// Its bits that let them: hardware control, render C6.
const RC_ON: u32 = 1 << 31 | 1 << 18;

/// All domains of a part.
#[derive(Clone, Debug)]
pub(crate) struct Forcewake {
    lines: Vec<Line>,
    pub(crate) mode: AckMode,
    media_gt: bool,
    /// Domains that nobody holds sleep: those of the main GT or of the only one, and those of the media GT.
    sleeps: [bool; 2],
    /// The same after power-on, as the machine's firmware left it.
    at_boot: bool,
}

impl Forcewake {
    pub(crate) fn new(platform: &Platform, sleeps: bool) -> Self {
        let legacy = platform.version < 1270;
        let mut lines: BTreeMap<Domain, (u32, u32)> = BTreeMap::new();
        lines.insert(Domain::Gt, (0xA188, if legacy { 0x13_0044 } else { 0xDFC }));
        lines.insert(Domain::Render, (0xA278, 0xD84));
        if platform.media_gt {
            lines.insert(Domain::MediaGt, (MEDIA_SHIFT + 0xA188, MEDIA_SHIFT + 0xDFC));
        }
        let shift = if platform.media_gt { MEDIA_SHIFT } else { 0 };
        for engine in &platform.engines {
            match engine.domain {
                Domain::Vdbox(n) => {
                    let n = u32::from(n) * 4;
                    lines.insert(engine.domain, (shift + 0xA540 + n, shift + 0xD50 + n));
                }
                Domain::Vebox(n) => {
                    let n = u32::from(n) * 4;
                    lines.insert(engine.domain, (shift + 0xA560 + n, shift + 0xD70 + n));
                }
                Domain::Gsc => {
                    lines.insert(engine.domain, (shift + 0xA618, shift + 0xDF8));
                }
                Domain::Gt | Domain::MediaGt | Domain::Render => {}
            }
        }
        let line = |(domain, (request, ack))| Line { domain, request, ack, wanted: false, before: false, since_ns: 0 };
        let lines = lines.into_iter().map(line).collect();
        let mode = AckMode::After(2_000);
        Self { lines, mode, media_gt: platform.media_gt, sleeps: [sleeps; 2], at_boot: sleeps }
    }

    /// Looks at a write that has reached storage: it may let a GT's domains sleep, or keep them awake.
    pub(crate) const fn written(&mut self, offset: u32, value: u32) {
        let [main, media] = &mut self.sleeps;
        match offset {
            RC_CONTROL => *main = value & RC_ON == RC_ON,
            _ if offset == MEDIA_SHIFT + RC_CONTROL => *media = value & RC_ON == RC_ON,
            _ => {}
        }
    }

    /// A GT was reset: its domains sleep as after power-on.
    pub(crate) const fn reset(&mut self, media: bool) {
        let [main, of_media] = &mut self.sleeps;
        *(if media { of_media } else { main }) = self.at_boot;
    }

    /// Whether a domain sleeps while nobody holds it.
    const fn may_sleep(&self, domain: Domain) -> bool {
        let [main, media] = self.sleeps;
        let of_media = matches!(domain, Domain::MediaGt | Domain::Vdbox(_) | Domain::Vebox(_) | Domain::Gsc);
        if self.media_gt && of_media { media } else { main }
    }

    /// An acknowledge or request register.
    pub(crate) fn read(&self, offset: u32, now_ns: u64) -> Option<u32> {
        let line = self.lines.iter().find(|line| line.request == offset || line.ack == offset)?;
        Some(match self.mode {
            _ if line.request == offset => u32::from(line.wanted),
            AckMode::AllOnes => u32::MAX,
            mode @ (AckMode::After(_) | AckMode::Stuck) => u32::from(line.awake(now_ns, mode)),
        })
    }

    /// A masked write of a request register; whether it was one.
    pub(crate) fn write(&mut self, offset: u32, value: u32, now_ns: u64) -> bool {
        let mode = self.mode;
        let Some(line) = self.lines.iter_mut().find(|line| line.request == offset) else { return false };
        if value >> 16 & 1 != 0 {
            line.before = line.awake(now_ns, mode);
            line.wanted = value & 1 != 0;
            line.since_ns = now_ns;
        }
        true
    }

    pub(crate) fn is_awake(&self, domain: Domain, now_ns: u64) -> bool {
        let awake = |line: &Line| line.domain == domain && line.awake(now_ns, self.mode);
        !self.may_sleep(domain) || self.lines.iter().any(awake)
    }

    /// Domains that something asked to be awake.
    pub(crate) fn wanted(&self) -> Vec<Domain> {
        self.lines.iter().filter(|line| line.wanted).map(|line| line.domain).collect()
    }
}

/// Whether a register of a GT decides what may sleep, by its offset in the main GT.
pub(crate) const fn is_policy(relative: u32) -> bool {
    relative == RC_CONTROL
}

/// The domain that a register needs; none for those that are always reachable.
pub(crate) fn needed(platform: &Platform, offset: u32) -> Option<Domain> {
    const ALWAYS: [u32; 8] = [0xD8C, 0xA188, 0xDFC, 0xA278, 0xD84, 0xA618, 0xDF8, 0x941C];
    if let Some((engine, _)) = Platform::owner(offset) {
        return Some(engine.domain);
    }
    let (relative, domain) = match offset.checked_sub(MEDIA_SHIFT) {
        Some(relative) if platform.media_gt && relative < GT_RANGE => (relative, Domain::MediaGt),
        _ => (offset, Domain::Gt),
    };
    let wake = (0xA540..0xA580).contains(&relative) || (0xD50..0xD90).contains(&relative);
    (relative < GT_RANGE && !wake && !ALWAYS.contains(&relative)).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acknowledge_follows_the_request_after_its_delay() {
        let mut forcewake = Forcewake::new(&Platform::lnl(), true);
        assert!(forcewake.write(0xA188, 0x0001_0001, 100));
        assert_eq!(forcewake.read(0xDFC, 100), Some(0));
        assert_eq!(forcewake.read(0xDFC, 3_000), Some(1));
        assert!(!forcewake.is_awake(Domain::Render, 3_000));
        forcewake.write(0xA188, 0x0001_0000, 4_000);
        assert_eq!((forcewake.read(0xDFC, 4_000), forcewake.read(0xDFC, 9_000)), (Some(1), Some(0)));
        forcewake.write(0x38_A618, 0x0001_0001, 10_000);
        assert_eq!(forcewake.read(0x38_0DF8, 20_000), Some(1), "the GSC engine's");
        forcewake.mode = AckMode::AllOnes;
        assert_eq!(forcewake.read(0xDFC, 9_000), Some(u32::MAX));
    }

    #[test]
    fn nothing_sleeps_where_the_gt_may_not() {
        let mut forcewake = Forcewake::new(&Platform::lnl(), true);
        forcewake.written(RC_CONTROL, 0);
        assert!(forcewake.is_awake(Domain::Render, 0) && !forcewake.is_awake(Domain::Vdbox(0), 0));
        forcewake.written(MEDIA_SHIFT + RC_CONTROL, 0);
        assert!(forcewake.is_awake(Domain::Vdbox(0), 0));
        // Hardware control, timeout mode, render C6: as drivers without firmware switch it on.
        forcewake.written(RC_CONTROL, 0x9004_0000);
        assert!(!forcewake.is_awake(Domain::Gt, 0) && forcewake.is_awake(Domain::Gsc, 0));
        forcewake.reset(true);
        assert!(!forcewake.is_awake(Domain::Gsc, 0), "as after power-on");
        assert!(Forcewake::new(&Platform::tgl(), false).is_awake(Domain::Vebox(0), 0));
    }

    #[test]
    fn registers_need_the_domain_of_their_engine_or_gt() {
        let (tgl, lnl) = (Platform::tgl(), Platform::lnl());
        assert_eq!(needed(&tgl, 0x2030), Some(Domain::Render));
        assert_eq!(needed(&tgl, 0x2_2030), Some(Domain::Gt));
        assert_eq!(needed(&tgl, 0x1D_0030), Some(Domain::Vdbox(2)));
        assert_eq!(needed(&tgl, 0x1D_3F10), Some(Domain::Vdbox(2)), "clock gating of a video decoder");
        assert_eq!(needed(&lnl, 0x11_A030), Some(Domain::Gsc));
        assert_eq!(needed(&lnl, 0x38_4000), Some(Domain::MediaGt));
        assert_eq!(needed(&tgl, 0x19_0010), None);
        assert_eq!((needed(&lnl, 0xD8C), needed(&lnl, 0x38_0D8C)), (None, None));
    }
}
