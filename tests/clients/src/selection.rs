//! Which programs and subtests to run: `PROGRAM` or `PROGRAM@SUBTEST`, where a subtest may have `*` and `?` in it.

use core::str::FromStr;
use wildmatch::WildMatch;

/// One choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Name of the program.
    pub program: String,
    /// Which of its subtests; `None`: all.
    pub subtests: Option<WildMatch>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (program, subtests) = match text.split_once('@') {
            Some((program, subtest)) => (program, Some(WildMatch::new(subtest))),
            None => (text, None),
        };
        if program.is_empty() || program.contains('/') {
            return Err(format!("{text:?} is no PROGRAM or PROGRAM@SUBTEST"));
        }
        Ok(Self { program: program.into(), subtests })
    }
}

impl Selection {
    /// Whether this subtest is chosen.
    #[must_use]
    pub fn has(&self, subtest: &str) -> bool {
        self.subtests.as_ref().is_none_or(|pattern| pattern.matches(subtest))
    }

    /// The choices in a file: one a line, what follows `#` is for readers.
    ///
    /// # Errors
    /// The first line that is no choice.
    pub fn read_all(text: &str) -> Result<Vec<Self>, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_alone_means_all_of_it() {
        let all: Selection = "xe_vm".parse().unwrap();
        let some: Selection = "xe_vm@bind-*".parse().unwrap();
        assert!(all.has("bind-once") && all.has("x"));
        assert!(some.has("bind-once") && !some.has("unbind-all"));
        assert!("@x".parse::<Selection>().is_err() && "/bin/sh".parse::<Selection>().is_err());
    }

    #[test]
    fn a_file_may_say_why() {
        let read = Selection::read_all("# all\nxe_vm  # of it\n\nxe_query@*\n").unwrap();
        assert_eq!(read.len(), 2);
    }
}
