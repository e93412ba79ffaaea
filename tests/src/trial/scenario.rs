//! What is stated about a scenario.

use super::board::Need;
use super::stage::Trial;

/// A scenario: what it states, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// `s47_and_what_it_shows`: the name of its test.
    pub name: &'static str,
    /// Requirements (`R3`), defects (`D18`) and oddities (`M9`) that break it if they are broken or come back.
    pub holds: &'static [&'static str],
    /// Sub-cases it checks on every platform.
    pub cases: u32,
    /// What a platform must have.
    pub needs: &'static [Need],
    /// What it does.
    pub play: fn(&mut Trial<'_>),
}

impl Scenario {
    /// Its number in the sheet; none for a test of a rule that no scenario shows.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        let rest = self.name.strip_prefix('s')?;
        let digits = rest.split('_').next()?;
        digits.parse().ok()
    }

    /// What it shows, in words.
    #[must_use]
    pub fn title(&self) -> String {
        let words =
            if self.number().is_some() { self.name.split_once('_').map_or("", |(_, rest)| rest) } else { self.name };
        words.replace('_', " ")
    }
}

/// The table of a chapter: `ALL`, and a test for each scenario.
///
/// ```text
/// scenarios! {
///     s47_a_map_inside_a_mapping_leaves_both_ends { cases: 3, holds: [R3, D18] }
///     s72_a_cut_mapping_waits_for_batches { cases: 2, holds: [R57], needs: [Need::Execution] }
/// }
/// ```
///
/// A function of the same name takes a [`Trial`] and does it.
#[macro_export]
macro_rules! scenarios {
    ($($name:ident { cases: $cases:literal, holds: [$($holds:ident),* $(,)?] $(, needs: [$($need:expr),+ $(,)?])? })+) => {
        /// The scenarios of this chapter.
        pub(crate) const ALL: &[$crate::trial::Scenario] = &[$($crate::trial::Scenario {
            name: stringify!($name),
            holds: &[$(stringify!($holds)),*],
            cases: $cases,
            needs: &[$($($need),+)?],
            play: $name,
        }),+];

        mod tests {
            $(#[test]
            fn $name() {
                $crate::trial::run(super::ALL, stringify!($name));
            })+
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_title_come_from_the_name() {
        let of = |name| Scenario { name, holds: &[], cases: 0, needs: &[], play: |_| {} };
        let known = of("s47_a_map_inside");
        assert_eq!((known.number(), known.title().as_str()), (Some(47), "a map inside"));
        let rule = of("syncs_are_released");
        assert_eq!((rule.number(), rule.title().as_str()), (None, "syncs are released"));
    }
}
