//! The tables of every platform: rows that clash, rows that never match, replicated registers.

use barexe_core::gt::platform::IpSource;
use barexe_core::gt::registers::access::on_gt;
use barexe_core::gt::registers::mcr::{Replication, Steering};
use barexe_core::gt::setup::engine::{engine_list, gt_list};
use barexe_core::gt::setup::register_list::LIST_CAPACITY;
use barexe_core::gt::setup::workaround::{Change, Place, RuleContext, Scope, Tweak};
use barexe_core::gt::topology::{EuMask, Topology};
use barexe_core::gt::{EngineMask, IpVersion, PLATFORMS, Platform, Stepping, by_name, regs};
use barexe_hal::RegOffset;

/// Every GT a platform can be, with every optional condition on and off, in its first stepping.
fn contexts(platform: &Platform) -> Vec<(u8, RuleContext)> {
    let version = |verx100: u32| IpVersion {
        major: u16::try_from(verx100 / 100).unwrap(),
        minor: u16::try_from(verx100 % 100).unwrap(),
        step: Stepping::A0,
    };
    let (graphics, media) = match platform.ip {
        IpSource::Fixed { graphics, media, .. } => (vec![graphics], vec![media]),
        IpSource::GmdId { graphics, media } => {
            (graphics.iter().copied().map(version).collect(), media.iter().copied().map(version).collect())
        }
    };
    let mut all = Vec::new();
    for graphics in graphics {
        for media in &media {
            for gt in 0..=u8::from(platform.family.gt.has_media_gt) {
                all.extend([false, true].map(|on| (gt, context(platform, gt, graphics, *media, on))));
            }
        }
    }
    all
}

fn context(platform: &Platform, gt: u8, graphics: IpVersion, media: IpVersion, on: bool) -> RuleContext {
    RuleContext {
        is_media_gt: gt != 0,
        has_media_gt: platform.family.gt.has_media_gt,
        graphics,
        media: Some(media),
        first_render_or_compute: (gt == 0).then_some(0),
        flat_ccs: on,
        dss_group_gap: on,
    }
}

fn matches(context: &RuleContext, tweak: &Tweak, engines: EngineMask) -> bool {
    context.holds_for_gt(&tweak.rule, None)
        || engines
            .units()
            .any(|u| context.holds_for_gt(&tweak.rule, Some(u)) || context.holds_for_engine(&tweak.rule, u))
}

#[test]
fn every_row_is_for_some_platform() {
    for platform in &PLATFORMS {
        for tweak in platform.family.gt.tweaks {
            let hit = PLATFORMS
                .iter()
                .filter(|p| core::ptr::eq(p.family, platform.family))
                .any(|p| contexts(p).iter().any(|(gt, context)| matches(context, tweak, p.possible_engines(*gt))));
            assert!(hit, "{} never applies", tweak.id);
        }
        for row in platform.family.gt.whitelist {
            let hit = contexts(platform).iter().any(|(gt, context)| {
                platform.possible_engines(*gt).units().any(|unit| context.holds_for_engine(&row.rule, unit))
            });
            assert!(hit, "{row:?} never applies");
        }
    }
}

/// Two changes clash if they want a bit differently, or disagree on what the register is.
fn clash(a: &Change, b: &Change) -> bool {
    let common = a.clear & b.clear;
    (a.steered, a.masked) != (b.steered, b.masked) || a.set & common != b.set & common
}

#[test]
fn no_two_rows_want_a_register_differently() {
    for platform in &PLATFORMS {
        for (gt, context) in contexts(platform) {
            for unit in platform.possible_engines(gt).units() {
                let rows = platform.family.gt.tweaks.iter();
                let rows = rows
                    .filter(|t| context.holds_for_engine(&t.rule, unit) || context.holds_for_gt(&t.rule, Some(unit)));
                let rows: Vec<_> = rows.map(|t| (t.id, t.change)).collect();
                for (n, (id, change)) in rows.iter().enumerate() {
                    for (other_id, other) in &rows[..n] {
                        let same = change.place.register(Some(unit)) == other.place.register(Some(unit));
                        assert!(!same || !clash(change, other), "{id} and {other_id} on {unit:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_change_sets_no_bit_outside_its_field_and_masked_ones_keep_to_16_bits() {
    for tweak in PLATFORMS.iter().flat_map(|p| p.family.gt.tweaks) {
        let Change { masked, clear, set, .. } = tweak.change;
        assert!(clear != 0 && set & !clear == 0, "{}", tweak.id);
        assert!(!masked || clear <= 0xFFFF, "{}", tweak.id);
        assert!(!tweak.source.is_empty() && !tweak.id.is_empty());
    }
}

#[test]
fn steered_rows_are_exactly_those_of_replicated_registers() {
    for platform in &PLATFORMS {
        for (gt, context) in contexts(platform) {
            for tweak in platform.family.gt.tweaks {
                let Place::Gt(offset) = tweak.change.place else { continue };
                if matches(&context, tweak, platform.possible_engines(gt)) {
                    let replicated = platform.family.gt.mcr.replication(on_gt(gt, RegOffset::at(offset))).is_some();
                    // The sheet tunes E18C and its neighbours as replicated; so do the ranges.
                    assert_eq!(tweak.change.steered, replicated, "{} {offset:#x} on GT {gt}", tweak.id);
                }
            }
        }
    }
}

#[test]
fn replicated_ranges_do_not_overlap() {
    for platform in &PLATFORMS {
        let ranges = platform.family.gt.mcr.ranges;
        for (n, a) in ranges.iter().enumerate() {
            assert!(a.first <= a.last);
            assert!(ranges[..n].iter().all(|b| a.last < b.first || b.last < a.first), "{a:x?}");
        }
    }
}

#[test]
fn the_largest_lists_fit_and_the_whitelists_fit_their_slots() {
    for platform in &PLATFORMS {
        let format = &platform.family.gt;
        for (gt, context) in contexts(platform) {
            let engines = platform.possible_engines(gt);
            assert!(gt_list(format, &context, engines).unwrap().iter().count() <= LIST_CAPACITY);
            for unit in engines.units() {
                assert!(engine_list(format, &context, unit, 4).is_ok());
                let slots = format.whitelist.iter().filter(|row| context.holds_for_engine(&row.rule, unit)).count();
                assert!(slots <= 12);
            }
        }
    }
}

#[test]
fn scopes_name_classes_the_platform_has() {
    for platform in &PLATFORMS {
        let all = platform.possible_engines(0).union(platform.possible_engines(1));
        for tweak in platform.family.gt.tweaks {
            if let Scope::Class(class) | Scope::GtPerEngine(class) | Scope::GtPerEvenEngine(class) = tweak.rule.scope {
                assert!(all.has_class(class), "{}", tweak.id);
            }
        }
    }
}

const TOPOLOGY: Topology = Topology {
    geometry_dss: [1 << 9, 0, 0],
    compute_dss: [1 << 9, 0, 0],
    eus: EuMask::Simd16(0xFF),
    l3_banks: 1 << 6,
    mirror_fuse3: 0x0004_0000,
    first_media_slice_lives: false,
};

#[test]
fn live_copies_are_those_of_the_sheet() {
    // engines sheet §2 checks: DSS 9, bank 6 and its node; memory node 2; the second media slice.
    let copy = |name, reg| by_name(name).unwrap().family.gt.mcr.live_copy(RegOffset::at(reg), &TOPOLOGY);
    let at = |group, instance| Steering { group, instance };
    assert_eq!(copy("tgl", 0x9550), at(1, 3));
    assert_eq!(copy("tgl", 0xB100), at(0, 2));
    assert_eq!(copy("lnl", 0xE7C8), at(2, 1));
    assert_eq!(copy("lnl", 0xB158), at(1, 2));
    assert_eq!(copy("lnl", 0xB004), at(0, 1));
    assert_eq!(copy("lnl", 0x1000), at(1, 0));
    assert_eq!(copy("lnl", 0x38_8160), at(1, 0));
    assert_eq!(copy("lnl", 0x8800), at(0, 0));
    assert_eq!(copy("lnl", 0x2000), at(0, 0), "not replicated");
}

#[test]
fn selector_words_are_those_of_the_sheet() {
    // engines sheet §2 checks.
    let word = |name, group, instance| by_name(name).unwrap().family.gt.mcr.read_selector(Steering { group, instance });
    assert_eq!(word("lnl", 2, 3), 0x8000_0203);
    assert_eq!(word("tgl", 1, 2), 0x8A00_0000);
}

#[test]
fn steering_names_live_copies_whatever_the_fuses_say() {
    let blank = Topology { geometry_dss: [0; 3], compute_dss: [0; 3], l3_banks: 0, mirror_fuse3: 0, ..TOPOLOGY };
    for platform in &PLATFORMS {
        for range in platform.family.gt.mcr.ranges {
            let copy = platform.family.gt.mcr.live_copy(RegOffset::at(range.first), &blank);
            if range.replication != Replication::Gpmxmt && range.replication != Replication::Dss {
                assert_eq!(copy, Steering { group: 0, instance: 0 }, "{range:x?}");
            }
        }
    }
}

#[test]
fn the_media_view_shifts_only_what_lies_below_0x40000() {
    // engines sheet §2 checks.
    let media = |offset| on_gt(1, RegOffset::at(offset)).get();
    assert_eq!((media(0x30), media(0x3_FFFC), media(0x4_0000)), (0x38_0030, 0x3B_FFFC, 0x4_0000));
    assert_eq!(media(0x1C_0030), 0x1C_0030);
    assert_eq!(on_gt(0, regs::GMD_ID).get(), 0xD8C);
}
