//! The fault plan: what goes wrong in a device that is served, as a file of JSON.
//!
//! A list of faults. Each says what it waits for (`match`), which of the matches is the first that goes wrong (`nth`,
//! from 1, 1 if left out), how many go wrong then (`times`: a number or `"always"`, 1 if left out), and how (`action`).
//! `after` names something else that must have happened before matches count: a write to a place in configuration space
//! that means nothing is a way to choose the moment from the other side of the bus.
//!
//! ```json
//! [
//!   { "match": { "read": { "offset": "0x190008" } }, "nth": 3, "action": "all-ones" },
//!   { "match": "msi", "nth": 2, "times": "always", "action": "drop" },
//!   { "match": { "command": { "engine": "bcs0", "name": "MI_FLUSH_DW" } }, "action": { "delay-us": 500 } },
//!   { "match": { "submission": { "engine": "bcs0" } }, "action": "hang" },
//!   { "match": { "reset": { "engine": "bcs0" } }, "action": "drop" },
//!   { "after": { "config-write": { "offset": "0xfc" } }, "match": "msi", "action": "drop" }
//! ]
//! ```
//!
//! | match | narrowed by | action |
//! |---|---|---|
//! | `read`, `config-read` | `offset` | `all-ones`, `value`, `delay-us`, `gone` |
//! | `write`, `config-write` | `offset` | `drop`, `value`, `delay-us`, `gone` |
//! | `dma-read` | `address`, by its page | `all-ones`, `value`, `drop` (refused), `gone` |
//! | `dma-write` | `address`, by its page | `drop`, `value`, `gone` |
//! | `msi` | | `drop`, `delay-us`, `gone` |
//! | `submission` | `engine` | `drop`, `delay-us`, `hang`, `gone` |
//! | `reset` by firmware | `engine` | `drop` (it fails), `gone` |
//! | `command` | `engine`, `name` | `drop`, `delay-us`, `hang`, `gone` |
//!
//! `read` and `write` are of BAR 0; entries of a GGTT that the peer has mapped are not seen. Every fault counts each of
//! its matches; of several faults that are due at once the first in the file acts. A hung engine does nothing until it
//! is reset; a device that is gone stays so, whatever is reset.

use barexe_hal::Nanos;
use barexe_sim::cs::table;
use barexe_sim::spec::EngineClass;
use barexe_sim::{Action, EngineName, Fault, Occasion, Rule};
use core::fmt;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::path::Path;

/// Reads a plan.
///
/// # Errors
/// A sentence with the file's name; for contents also line, column and field.
pub fn read(path: &Path) -> Result<Vec<Fault>, String> {
    let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let plan: Vec<Entry> = serde_json::from_str(&text).map_err(|error| named(&error))?;
    Ok(plan.into_iter().map(|entry| Fault::On(entry.rule)).collect())
}

/// A fault that makes sense.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Raw")]
struct Entry {
    rule: Rule,
}

/// A fault as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "match")]
    what: Match,
    after: Option<Match>,
    #[serde(default = "one")]
    nth: u64,
    #[serde(default)]
    times: Times,
    action: How,
}

const fn one() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Match {
    Read { offset: Option<Number> },
    Write { offset: Option<Number> },
    ConfigRead { offset: Option<Number> },
    ConfigWrite { offset: Option<Number> },
    DmaRead { address: Option<Number> },
    DmaWrite { address: Option<Number> },
    Msi,
    Submission { engine: Option<Engine> },
    Reset { engine: Option<Engine> },
    Command { engine: Option<Engine>, name: Option<String> },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum How {
    AllOnes,
    Value(Number),
    Drop,
    DelayUs(u32),
    Hang,
    Gone,
}

impl TryFrom<Raw> for Entry {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let (occasion, action) = (raw.what.occasion()?, raw.action.action());
        let after = raw.after.as_ref().map(Match::occasion).transpose()?;
        if !action.fits(&occasion) {
            return Err(format!("field `action`: {:?} cannot happen to {:?}", raw.action, raw.what));
        }
        let skip = raw.nth.checked_sub(1).ok_or("field `nth`: matches are counted from 1")?;
        Ok(Self { rule: Rule { after, occasion, skip, times: raw.times.0, action } })
    }
}

impl Match {
    fn occasion(&self) -> Result<Occasion, String> {
        /// A dword of a space of so many bytes.
        fn dword<T: TryFrom<u64>>(offset: Option<&Number>, bytes: u64) -> Result<Option<T>, String> {
            let Some(Number(offset)) = offset else { return Ok(None) };
            let inside = *offset < bytes && offset.is_multiple_of(4);
            let offset = inside.then(|| T::try_from(*offset).ok()).flatten();
            offset.map(Some).ok_or_else(|| format!("field `offset`: not a multiple of 4 below {bytes:#x}"))
        }
        let command = |name: Option<&str>| match name.map(|name| (name, table::by_name(name))) {
            Some((name, None)) => Err(format!("field `name`: {name:?} is no command that is known")),
            Some((_, found)) => Ok(found),
            None => Ok(None),
        };
        let address = |address: &Option<Number>| address.as_ref().map(|number| number.0);
        let engine = |engine: &Option<Engine>| engine.as_ref().map(|engine| engine.0);
        Ok(match self {
            Self::Read { offset } => Occasion::Read(dword(offset.as_ref(), 1 << 32)?),
            Self::Write { offset } => Occasion::Write(dword(offset.as_ref(), 1 << 32)?),
            Self::ConfigRead { offset } => Occasion::ConfigRead(dword(offset.as_ref(), 4096)?),
            Self::ConfigWrite { offset } => Occasion::ConfigWrite(dword(offset.as_ref(), 4096)?),
            Self::DmaRead { address: at } => Occasion::DmaRead(address(at)),
            Self::DmaWrite { address: at } => Occasion::DmaWrite(address(at)),
            Self::Msi => Occasion::Msi,
            Self::Submission { engine: on } => Occasion::Submission(engine(on)),
            Self::Reset { engine: on } => Occasion::Reset(engine(on)),
            Self::Command { engine: on, name } => Occasion::Command(engine(on), command(name.as_deref())?),
        })
    }
}

impl How {
    fn action(&self) -> Action {
        match self {
            Self::AllOnes => Action::AllOnes,
            Self::Value(value) => Action::Value(value.0),
            Self::Drop => Action::Drop,
            Self::DelayUs(by) => Action::Delay(Nanos::from_micros(u64::from(*by))),
            Self::Hang => Action::Hang,
            Self::Gone => Action::Gone,
        }
    }
}

/// A number, or its text in hexadecimal.
#[derive(Clone, Copy, Debug)]
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or hexadecimal text like \"0x190010\"")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                let digits = text.strip_prefix("0x").unwrap_or_default();
                let value = u64::from_str_radix(digits, 16);
                value.map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// How many matches go wrong.
#[derive(Clone, Copy, Debug)]
struct Times(u64);

impl Default for Times {
    fn default() -> Self {
        Self(1)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Times;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or \"always\"")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Times, E> {
                Ok(Times(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Times, E> {
                let always = (text == "always").then_some(Times(u64::MAX));
                always.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An engine by its short name and number.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Engine(EngineName);

impl TryFrom<String> for Engine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        use EngineClass::{Compute, Copy, Other, Render, VideoDecode, VideoEnhance};
        let of_class = |class: EngineClass| {
            let number = text.strip_prefix(class.short_name())?.parse().ok()?;
            Some(Self((class, number)))
        };
        let classes = [Render, Copy, Compute, VideoDecode, VideoEnhance, Other];
        classes
            .into_iter()
            .find_map(of_class)
            .ok_or_else(|| format!("field `engine`: {text:?} is no engine like \"bcs0\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Vec<Rule>, String> {
        let plan: Result<Vec<Entry>, _> = serde_json::from_str(text);
        plan.map(|plan| plan.into_iter().map(|entry| entry.rule).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_plan_of_the_page_is_read() {
        let page = include_str!("faults.rs").lines().filter_map(|line| line.strip_prefix("//! "));
        let json: Vec<&str> = page.skip_while(|line| *line != "[").take_while(|line| *line != "```").collect();
        let rules = plan(&json.join("\n")).unwrap();
        let bcs0 = Some((EngineClass::Copy, 0));
        let rule = |occasion, skip, times, action| Rule { after: None, occasion, skip, times, action };
        let delay = Action::Delay(Nanos::from_micros(500));
        assert_eq!(
            rules,
            [
                rule(Occasion::Read(Some(0x19_0008)), 2, 1, Action::AllOnes),
                rule(Occasion::Msi, 1, u64::MAX, Action::Drop),
                rule(Occasion::Command(bcs0, Some("MI_FLUSH_DW")), 0, 1, delay),
                rule(Occasion::Submission(bcs0), 0, 1, Action::Hang),
                rule(Occasion::Reset(bcs0), 0, 1, Action::Drop),
                Rule { after: Some(Occasion::ConfigWrite(Some(0xFC))), ..rule(Occasion::Msi, 0, 1, Action::Drop) },
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_field() {
        let rows = [
            ("{}", "invalid type: map", "line 1"),
            ("[\n{\"match\": \"msi\"}]", "missing field `action`", "line 2"),
            ("[{\"match\": \"msi\",\n\"action\": \"drop\", \"who\": 1}]", "unknown field `who`", "line 2"),
            ("[{\"match\": {\"read\": {\n\"at\": 1}}, \"action\": \"gone\"}]", "unknown field `at`", "line 2"),
            ("[{\"match\": {\"reads\": {}},\"action\": \"gone\"}]", "unknown variant `reads`", "line 1"),
            ("[{\"match\": \"msi\", \"action\": \"hang\"}]", "field `action`: Hang cannot happen to Msi", "line 1"),
            ("[{\"match\": {\"reset\": {}}, \"action\": \"hang\"}]", "Hang cannot happen to Reset", "line 1"),
            ("[{\"match\": \"msi\", \"nth\": 0, \"action\": \"drop\"}]", "field `nth`", "line 1"),
            ("[{\"match\": \"msi\", \"times\": \"never\", \"action\": \"drop\"}]", "\"always\"", "line 1"),
            ("[{\"match\": {\"read\": {\"offset\": \"190010\"}}, \"action\": \"gone\"}]", "0x190010", "line 1"),
            ("[{\"match\": {\"config-read\": {\"offset\": 4096}}, \"action\": \"gone\"}]", "field `offset`", "line 1"),
            (
                "[{\"match\": {\"submission\": {\"engine\": \"gpu\"}}, \"action\": \"hang\"}]",
                "field `engine`",
                "line 1",
            ),
            ("[{\"after\": \"now\", \"match\": \"msi\", \"action\": \"drop\"}]", "unknown variant `now`", "line 1"),
            ("[{\"match\": {\"command\": {\"name\": \"NOP\"}}, \"action\": \"hang\"}]", "field `name`", "line 1"),
        ];
        for (text, part, line) in rows {
            let error = plan(text).unwrap_err();
            assert!(error.contains(part) && error.contains(line), "{text}: {error}");
        }
    }
}
