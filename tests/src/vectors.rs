//! Golden vectors: JSON lines with inputs and the outputs of the reference driver.
//!
//! They are read from the folder named by `BAREXE_VECTORS`, else from `tests/data/vectors`, which holds the lines of
//! the platforms that exist here. A full set may be given: lines of other platforms are counted, not checked. A file
//! of which nothing was checked fails its test.

use barexe_core::family::{Family, GEN12, XE2};
use barexe_core::gt::EngineClass;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Platforms that vectors may name (those of the design's list); any other name is an error in the file.
const PLATFORMS: [&str; 9] = ["tgl", "adl", "dg1", "dg2", "pvc", "mtl", "lnl", "bmg", "ptl"];

/// A number written as a string: `0x` and hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Hex {
    /// The number, if it fits 32 bits.
    ///
    /// # Errors
    /// A sentence with the number.
    pub fn dword(self) -> Result<u32, String> {
        u32::try_from(self.0).map_err(|_| format!("{:#x} does not fit a dword", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom(format!("{text} has no 0x")))?;
        u64::from_str_radix(digits, 16).map(Self).map_err(D::Error::custom)
    }
}

/// Dwords written as hex strings.
///
/// # Errors
/// A sentence with the first number that is too large.
pub fn dwords(list: &[Hex]) -> Result<Vec<u32>, String> {
    list.iter().map(|hex| hex.dword()).collect()
}

/// One line of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name for error reports.
    pub id: String,
    #[serde(rename = "in")]
    input: Value,
    out: Value,
}

impl Case {
    /// A text field of the input; empty where it is absent.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.input.get(field).and_then(Value::as_str).unwrap_or("")
    }

    /// Input and output in the shapes of their kind.
    ///
    /// # Errors
    /// What does not fit the shape, fields that it does not know included.
    pub fn parse<I: DeserializeOwned, O: DeserializeOwned>(&self) -> Result<(I, O), String> {
        let input = I::deserialize(&self.input).map_err(|e| format!("input: {e}"))?;
        let out = O::deserialize(&self.out).map_err(|e| format!("output: {e}"))?;
        Ok((input, out))
    }
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Compared and equal.
    Checked,
    /// Belongs to another area; counted under its name.
    Skipped(&'static str),
}

/// The family whose tables encode for a platform, `None` for platforms that do not exist here.
#[must_use]
pub fn family(platform: &str) -> Option<&'static Family> {
    match platform {
        "tgl" | "adl" => Some(&GEN12),
        "lnl" => Some(&XE2),
        _ => None,
    }
}

/// The class of an engine by its name in vectors.
///
/// # Errors
/// A sentence with the unknown name.
pub fn class(name: &str) -> Result<EngineClass, String> {
    match name {
        "render" => Ok(EngineClass::Render),
        "compute" => Ok(EngineClass::Compute),
        "copy" => Ok(EngineClass::Copy),
        "video" => Ok(EngineClass::VideoDecode),
        "video-enhance" => Ok(EngineClass::VideoEnhance),
        "gsc" => Ok(EngineClass::Gsc),
        _ => Err(format!("unknown engine class {name:?}")),
    }
}

/// Compares, with both values in the error.
///
/// # Errors
/// A sentence with both.
pub fn expect_eq<T: PartialEq + core::fmt::LowerHex>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:#x}, want {want:#x}")) }
}

/// Compares lists of dwords, with the first difference in the error.
///
/// # Errors
/// A sentence with index and both values, or both lengths.
pub fn expect_dwords(what: &str, got: &[u32], want: &[u32]) -> Result<(), String> {
    if let Some(at) = got.iter().zip(want).position(|(g, w)| g != w) {
        return Err(format!("{what}: dword {at} differs: got {:#010x?}, want {:#010x?}", got.get(at), want.get(at)));
    }
    if got.len() == want.len() { Ok(()) } else { Err(format!("{what}: got {} dwords, want {}", got.len(), want.len())) }
}

/// Counts of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases compared, by platform, or by kind where a case names no platform.
    pub checked: BTreeMap<String, usize>,
    /// Cases not compared, by platform or area.
    pub skipped: BTreeMap<String, usize>,
    /// Cases that differ, or make no sense.
    pub failures: Vec<String>,
}

impl Tally {
    /// Cases compared.
    #[must_use]
    pub fn checked_total(&self) -> usize {
        self.checked.values().sum()
    }

    fn count(&mut self, case: &Case, group: &str, verdict: Result<Verdict, String>) {
        let (counts, key) = match verdict {
            Ok(Verdict::Checked) => (&mut self.checked, group),
            Ok(Verdict::Skipped(area)) => (&mut self.skipped, area),
            Err(why) => {
                self.failures.push(format!("{}: {why}", case.id));
                return;
            }
        };
        let count = counts.entry(key.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// One line for people, and an error unless something was checked and nothing failed.
    ///
    /// # Errors
    /// The failures, the first ten in full.
    pub fn conclude(&self, file: &str) -> Result<String, String> {
        let summary = format!(
            "{file}: {} cases checked {:?}, skipped {:?}, failed {}",
            self.checked_total(),
            self.checked,
            self.skipped,
            self.failures.len()
        );
        if self.checked_total() == 0 || !self.failures.is_empty() {
            let first: Vec<&str> = self.failures.iter().take(10).map(String::as_str).collect();
            return Err(format!("{summary}\n{}", first.join("\n")));
        }
        Ok(summary)
    }
}

/// Applies `check` to every case of `text`, one per line. `check` gets the family, `None` where a case names no platform.
pub fn check_lines(text: &str, check: impl Fn(&Case, Option<&'static Family>) -> Result<Verdict, String>) -> Tally {
    each_line(text, |case, known| match (known, known.and_then(family)) {
        (Some(other), None) => Ok(Verdict::Skipped(other)),
        (_, family) => check(case, family),
    })
}

/// Applies `check` to every case of `text`, with the platform it names.
fn each_line(text: &str, check: impl Fn(&Case, Option<&'static str>) -> Result<Verdict, String>) -> Tally {
    let mut tally = Tally::default();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = match serde_json::from_str(line) {
            Ok(case) => case,
            Err(error) => {
                tally.failures.push(format!("line {}: {error}", index.saturating_add(1)));
                continue;
            }
        };
        let platform = case.text("platform");
        let known = PLATFORMS.into_iter().find(|name| *name == platform);
        let group = known.unwrap_or_else(|| case.text("kind")).to_owned();
        let verdict = match known {
            None if !platform.is_empty() => Err(format!("unknown platform {platform:?}")),
            _ => check(&case, known),
        };
        tally.count(&case, &group, verdict);
    }
    tally
}

/// The folder vectors are read from.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("BAREXE_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/vectors")), PathBuf::from)
}

/// Checks a whole file of the vector folder; see [`check_lines`].
///
/// # Errors
/// A file that cannot be read, a case that differs, or nothing that could be checked.
pub fn check_file(
    file: &str,
    check: impl Fn(&Case, Option<&'static Family>) -> Result<Verdict, String>,
) -> Result<String, String> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    check_lines(&text, check).conclude(file)
}

/// Checks a whole file in which every case names a platform; see [`check_lines`]. Every platform that exists here must
/// have a case.
///
/// # Errors
/// As [`check_file`], or a platform without a case.
pub fn check_built_platforms(
    file: &str,
    check: impl Fn(&Case, Option<&'static Family>) -> Result<Verdict, String>,
) -> Result<String, String> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    conclude_by_platform(&check_lines(&text, check), file)
}

/// Checks a whole file of cases that need no family, so that every platform counts as built. `check` gets the name.
///
/// # Errors
/// As [`check_built_platforms`].
pub fn check_every_platform(
    file: &str,
    check: impl Fn(&Case, &str) -> Result<Verdict, String>,
) -> Result<String, String> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let tally = each_line(&text, |case, platform| check(case, platform.ok_or("no platform")?));
    conclude_by_platform(&tally, file)
}

fn conclude_by_platform(tally: &Tally, file: &str) -> Result<String, String> {
    tally.conclude(file)?;
    let count = |counts: &BTreeMap<String, usize>, name: &str| counts.get(name).copied().unwrap_or(0);
    let missing = barexe_core::gt::PLATFORMS.iter().find(|built| count(&tally.checked, built.name) == 0);
    if let Some(built) = missing {
        return Err(format!("{file}: no case for {}", built.name));
    }
    let lines = PLATFORMS.iter().map(|name| {
        let (run, not_built) = (count(&tally.checked, name), count(&tally.skipped, name));
        format!("{name}: run {run}, not yet built {not_built}")
    });
    Ok(format!("{file}\n{}", lines.collect::<Vec<_>>().join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"a","in":{"platform":"tgl"},"out":{}}"#;

    #[test]
    fn a_file_of_which_nothing_was_checked_fails() {
        let other = LINE.replace("tgl", "pvc");
        for text in ["", "\n\n", &other] {
            assert!(check_lines(text, |_, _| Ok(Verdict::Checked)).conclude("f").is_err(), "{text}");
        }
        assert!(check_lines(LINE, |_, _| Ok(Verdict::Skipped("later"))).conclude("f").is_err());
        assert!(check_lines(LINE, |_, _| Ok(Verdict::Checked)).conclude("f").is_ok());
    }

    #[test]
    fn one_difference_fails_the_file_and_names_the_case() {
        let tally = check_lines(&format!("{LINE}\n{LINE}"), |_, _| Err("differs".into()));
        let report = tally.conclude("f").unwrap_err();
        assert!(report.contains("a: differs") && report.contains("failed 2"), "{report}");
    }

    #[test]
    fn lines_of_other_platforms_are_counted_and_unknown_names_are_failures() {
        let text = format!("{LINE}\n{}\n{}", LINE.replace("tgl", "pvc"), LINE.replace("tgl", "nope"));
        let tally = check_lines(&text, |_, family| {
            assert!(family.is_some());
            Ok(Verdict::Checked)
        });
        assert_eq!((tally.checked_total(), tally.skipped["pvc"], tally.failures.len()), (1, 1, 1));
    }

    #[test]
    fn a_built_platform_without_a_case_fails_a_file_of_platforms() {
        let conclude = |text: &str| conclude_by_platform(&check_lines(text, |_, _| Ok(Verdict::Checked)), "f");
        assert_eq!(conclude(LINE).unwrap_err(), "f: no case for lnl");
        let report = conclude(&[LINE, &LINE.replace("tgl", "lnl"), &LINE.replace("tgl", "dg2")].join("\n")).unwrap();
        assert!(report.contains("tgl: run 1, not yet built 0"), "{report}");
        assert!(report.contains("dg2: run 0, not yet built 1"), "{report}");
    }

    #[test]
    fn a_line_that_is_no_case_is_a_failure() {
        for line in ["{", r#"{"id":"a","in":{}}"#, r#"{"id":"a","in":{},"out":{},"more":1}"#] {
            assert_eq!(check_lines(line, |_, _| Ok(Verdict::Checked)).failures.len(), 1, "{line}");
        }
    }

    #[test]
    fn hex_needs_its_prefix_and_its_width() {
        let parse = |text: &str| serde_json::from_str::<Hex>(text);
        assert_eq!(parse(r#""0xffffffffffffffff""#).unwrap(), Hex(u64::MAX));
        assert!(parse(r#""12""#).is_err() && parse("12").is_err() && parse(r#""0xg""#).is_err());
        assert!(Hex(1 << 32).dword().is_err());
    }

    #[test]
    fn the_first_difference_of_two_lists_is_named() {
        assert!(expect_dwords("x", &[1, 2], &[1, 2]).is_ok());
        assert!(expect_dwords("x", &[1, 2], &[1, 3]).unwrap_err().contains("dword 1"));
        assert!(expect_dwords("x", &[1], &[1, 2]).unwrap_err().contains("want 2"));
    }
}
