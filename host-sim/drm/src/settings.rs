//! What a node is like.

use barexe_sim::Platform;

/// The choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The part that is simulated.
    pub platform: Platform,
    /// Engines execute. If not, work is taken and never runs: for runs that show what depends on execution.
    pub execution: bool,
}

impl Settings {
    /// By `BAREXE_PLATFORM` (Tiger Lake if unset) and `BAREXE_EXECUTION` (`off`).
    ///
    /// # Errors
    /// What a variable says and means nothing.
    pub fn from_environment() -> Result<Self, String> {
        let platform = std::env::var("BAREXE_PLATFORM");
        let execution = std::env::var("BAREXE_EXECUTION");
        Self::parse(platform.as_deref().unwrap_or("tgl"), execution.as_deref().unwrap_or("on"))
    }

    /// By the values of those variables.
    ///
    /// # Errors
    /// As there.
    pub fn parse(platform: &str, execution: &str) -> Result<Self, String> {
        let found = Platform::by_name(platform);
        let platform = found.ok_or_else(|| format!("no platform `{platform}` is simulated (BAREXE_PLATFORM)"))?;
        let execution = match execution {
            "on" | "1" => true,
            "off" | "0" => false,
            other => return Err(format!("`{other}` is neither on nor off (BAREXE_EXECUTION)")),
        };
        Ok(Self { platform, execution })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_or_refused() {
        assert_eq!(Settings::parse("lnl", "on").unwrap().platform.name, "lnl");
        assert!(!Settings::parse("tgl", "off").unwrap().execution);
        assert!(Settings::parse("tgl", "maybe").unwrap_err().contains("BAREXE_EXECUTION"));
        assert!(Settings::parse("vax", "on").unwrap_err().contains("`vax`"));
    }
}
