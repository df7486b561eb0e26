//! Patterns that choose files by their path.

use openpact_sdk::{Error, Result};

/// Characters of a pattern.
const LONGEST: usize = 256;

/// A pattern such as `*.md` or `notes/**/*.{md,txt}`. One without a slash is matched against the name alone.
#[derive(Debug)]
pub(crate) struct Glob(String);

impl Glob {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Error::invalid_arguments(format!("glob is longer than {LONGEST} bytes.")));
        }
        fast_glob::validate(text).map_err(|error| {
            Error::invalid_arguments(format!("The glob {text:?} cannot be read: {error}."))
        })?;
        Ok(Self(if text.contains('/') { text.to_owned() } else { format!("**/{text}") }))
    }

    /// Whether `path` is one of those that are meant.
    pub(crate) fn matches(&self, path: &str) -> bool {
        fast_glob::glob_match(&self.0, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_about_the_name() {
        for (glob, path, matches) in [
            ("*.md", "a/b/c.md", true),
            ("*.md", "c.md", true),
            ("*.md", "c.mdx", false),
            ("notes/*.md", "notes/a.md", true),
            ("notes/*.md", "notes/b/a.md", false),
            ("notes/**/*.{md,txt}", "notes/b/a.txt", true),
            ("[ab].txt", "b.txt", true),
        ] {
            assert_eq!(Glob::parse(glob).expect(glob).matches(path), matches, "{glob} {path}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_an_error() {
        for glob in ["a{b", "[a", &"x".repeat(LONGEST + 1)] {
            assert!(matches!(Glob::parse(glob), Err(Error::InvalidArguments(_))), "{glob}");
        }
    }

    #[test]
    fn a_pattern_that_is_made_to_be_slow_ends() {
        let glob = Glob::parse(&"*a".repeat(60)).expect("valid");
        assert!(!glob.matches(&("a".repeat(59) + "b")));
    }
}
