//! What a node is like.

use barexe_sim::{Fault, Platform};

/// The choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The part that is simulated.
    pub platform: Platform,
    /// Engines execute. If not, work is taken and never runs: for runs that show what depends on execution.
    pub execution: bool,
    /// What the simulated GPU complains of is told on standard error.
    pub complain: bool,
    /// What goes wrong in the simulated GPU, from when the node is there.
    pub faults: Vec<Fault>,
    /// The file in which what the client does is recorded, if it is. `%p` in its name is the process's number.
    pub record: Option<String>,
}

impl Settings {
    /// By `BAREXE_PLATFORM` (Tiger Lake if unset), `BAREXE_EXECUTION` (`off`), `BAREXE_COMPLAIN` (`on`) and
    /// `BAREXE_RECORD` (a file).
    ///
    /// # Errors
    /// What a variable says and means nothing.
    pub fn from_environment() -> Result<Self, String> {
        let value = |name: &str, unset: &str| std::env::var(name).unwrap_or_else(|_| unset.into());
        let switches = [value("BAREXE_EXECUTION", "on"), value("BAREXE_COMPLAIN", "off")];
        let settings = Self::parse(&value("BAREXE_PLATFORM", "tgl"), switches.each_ref().map(String::as_str))?;
        Ok(Self { record: Self::recording(), ..settings })
    }

    /// The file that `BAREXE_RECORD` names, if it does.
    #[must_use]
    pub fn recording() -> Option<String> {
        std::env::var("BAREXE_RECORD").ok().filter(|file| !file.is_empty())
    }

    /// By the values of the first three of those variables; nothing is recorded.
    ///
    /// # Errors
    /// As there.
    pub fn parse(platform: &str, [execution, complain]: [&str; 2]) -> Result<Self, String> {
        let found = Platform::by_name(platform);
        let platform = found.ok_or_else(|| format!("no platform `{platform}` is simulated (BAREXE_PLATFORM)"))?;
        let (execution, complain) = (switch("BAREXE_EXECUTION", execution)?, switch("BAREXE_COMPLAIN", complain)?);
        Ok(Self { platform, execution, complain, faults: Vec::new(), record: None })
    }
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" | "1" => Ok(true),
        "off" | "0" => Ok(false),
        other => Err(format!("`{other}` is neither on nor off ({name})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_or_refused() {
        assert_eq!(Settings::parse("lnl", ["on", "off"]).unwrap().platform.name, "lnl");
        assert!(!Settings::parse("tgl", ["off", "on"]).unwrap().execution);
        assert!(Settings::parse("tgl", ["maybe", "on"]).unwrap_err().contains("BAREXE_EXECUTION"));
        assert!(Settings::parse("vax", ["on", "on"]).unwrap_err().contains("`vax`"));
    }
}
