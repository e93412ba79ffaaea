//! What the program is asked to do: words of the image's command line.

/// What to do beside the first run over all engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `jobs=N`: how many small jobs follow, shared among the engines.
    pub jobs: u32,
    /// `rules`: the HAL's conformance suite comes first.
    pub rules: bool,
    /// `measure`: register round trips and the way to the interrupt handler are measured.
    pub measure: bool,
    /// `display`: firmware's display is played, whose entries of the GGTT must survive.
    pub display: bool,
    /// `unverified`: parts whose driver rests on assumptions are driven too.
    pub unverified: bool,
    /// `reboot`: the machine is reset after the first run, and runs again.
    pub reboot: bool,
    /// `window`: configuration space is reached through the chipset's window, not by ports.
    pub window: bool,
    /// `exit`: an application that firmware started ends the virtual machine, not only itself.
    pub exit: bool,
}

impl Plan {
    /// Nothing beside the first run.
    pub const FIRST_RUN: Self = Self {
        jobs: 0,
        rules: false,
        measure: false,
        display: false,
        unverified: false,
        reboot: false,
        window: false,
        exit: false,
    };

    /// Reads a command line. The first word that means nothing is given back.
    ///
    /// # Errors
    /// That word.
    pub fn parse(line: &str) -> Result<Self, &str> {
        let mut plan = Self::FIRST_RUN;
        for word in line.split_ascii_whitespace() {
            plan.take(word).ok_or(word)?;
        }
        Ok(plan)
    }

    fn take(&mut self, word: &str) -> Option<()> {
        match word {
            "rules" => self.rules = true,
            "measure" => self.measure = true,
            "display" => self.display = true,
            "unverified" => self.unverified = true,
            "reboot" => self.reboot = true,
            "window" => self.window = true,
            "exit" => self.exit = true,
            _ => self.jobs = word.strip_prefix("jobs=")?.parse().ok()?,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_order_and_unknown_ones_given_back() {
        assert_eq!(Plan::parse(" "), Ok(Plan::FIRST_RUN));
        let want = Plan { jobs: 10_000, rules: true, unverified: true, ..Plan::FIRST_RUN };
        assert_eq!(Plan::parse("unverified  jobs=10000 rules"), Ok(want));
        for wrong in ["jobs=", "jobs=-1", "rule", "jobs=5000000000"] {
            assert_eq!(Plan::parse(wrong), Err(wrong));
        }
    }
}
