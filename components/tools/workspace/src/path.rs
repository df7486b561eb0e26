//! Paths inside the workspace.

use openpact_sdk::{Error, Result};

/// Bytes of a whole path.
const PATH: usize = 1024;
/// Bytes of one name; leaves room for the name of a temporary file (255 on every common file system).
const NAME: usize = 200;
/// Folders inside each other.
const DEPTH: usize = 32;
/// The end of the names of temporary files.
const TEMPORARY: &str = ".openpact-tmp";
/// Where deleted things go.
pub(crate) const TRASH: &str = ".trash";

/// A path that names something inside the workspace: names joined by `/`, none of them `..`. Empty is the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relative(String);

impl Relative {
    /// A path to a file or a folder, and not the workspace itself.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = Self::folder(text)?;
        if path.0.is_empty() {
            return Err(Error::invalid_arguments(
                "The path is empty: name something inside the workspace, such as \"notes/today.md\".",
            ));
        }
        if text.ends_with('/') {
            return Err(Error::invalid_arguments(format!(
                "The path {text:?} ends with \"/\": leave that out."
            )));
        }
        Ok(path)
    }

    /// A path to a folder: `""` and `"."` are the workspace, and a slash at the end does no harm.
    pub(crate) fn folder(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::invalid_arguments(format!("The path {text:?} {why}")));
        if text.len() > PATH {
            return Err(Error::invalid_arguments(format!("The path is longer than {PATH} bytes.")));
        }
        if text.starts_with('/') {
            return refuse(
                "starts with \"/\": paths are relative to the workspace, such as \"notes/today.md\".",
            );
        }
        if text.contains('\\') {
            return refuse("contains \"\\\": put \"/\" between folders.");
        }
        if text.chars().any(is_deceptive) {
            return refuse("contains a control character or a mark that changes the direction of text.");
        }
        let body = text.strip_suffix('/').unwrap_or(text);
        let mut names = Vec::new();
        for name in body.split('/') {
            match name {
                "." => {}
                "" if body.is_empty() => {}
                "" => return refuse("contains \"//\": write one \"/\" between two names."),
                ".." => return refuse("contains \"..\": no path leads out of the workspace."),
                name if name.len() > NAME => {
                    return refuse(&format!("contains a name that is longer than {NAME} bytes."));
                }
                name if name.ends_with(TEMPORARY) => return refuse("names a temporary file of this tool."),
                name => names.push(name),
            }
        }
        if names.len() > DEPTH {
            return refuse(&format!("is more than {DEPTH} folders deep."));
        }
        Ok(Self(names.join("/")))
    }

    /// The path as text; empty for the workspace.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that it is in.
    pub(crate) fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default())
    }

    /// This path and each folder on the way to it, from the top.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Self> {
        let ends =
            self.0.match_indices('/').map(|(at, _)| at).chain((!self.0.is_empty()).then_some(self.0.len()));
        ends.map(|end| Self(self.0[..end].to_owned()))
    }

    /// The path of `name` in this folder. For names that the folder itself lists.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self(if self.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// Whether it is `other` or inside it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&other.0)
            .is_some_and(|rest| other.0.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it is the trash or in it.
    pub(crate) fn is_trash(&self) -> bool {
        self.is_within(&Self(TRASH.to_owned()))
    }

    /// An error when it is the trash or in it.
    pub(crate) fn outside_trash(&self) -> Result<()> {
        if self.is_trash() {
            return Err(Error::denied(format!(
                "{TRASH:?} holds what was deleted: move things out of it, and write nothing there."
            )));
        }
        Ok(())
    }

    /// The temporary file by way of which this one is replaced.
    pub(crate) fn temporary(&self) -> Self {
        self.parent().join(&format!(".{}{TEMPORARY}", self.name()))
    }
}

/// Whether a name in a folder is a temporary file's.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}

/// A path with its control characters escaped, for names that these tools did not make.
pub(crate) fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for c in path.chars() {
        if is_deceptive(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

/// Characters that make a name look like another: controls, and the marks of Unicode's bidirectional algorithm (UAX 9).
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_names_joined_by_slashes() {
        for (text, expected) in
            [("a", "a"), ("./a/b.md", "a/b.md"), ("a/./b", "a/b"), ("...", "..."), ("ä ö/x", "ä ö/x")]
        {
            assert_eq!(Relative::parse(text).map(|path| path.0), Ok(expected.to_owned()), "{text:?}");
        }
        for (text, expected) in [("", ""), (".", ""), ("./", ""), ("a/", "a")] {
            assert_eq!(Relative::folder(text).map(|path| path.0), Ok(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn what_leads_out_or_misleads_is_refused_with_a_reason() {
        let deep = "a/".repeat(DEPTH) + "a";
        let long_name = "n".repeat(NAME + 1);
        let long = "n/".repeat(PATH / 2) + "n";
        for (text, reason) in [
            ("", "empty"),
            (".", "empty"),
            ("a/", "leave that out"),
            ("/etc/passwd", "relative"),
            ("//a", "relative"),
            ("..", "no path leads out"),
            ("a/../../b", "no path leads out"),
            ("a/..", "no path leads out"),
            ("a\\..\\b", "between folders"),
            ("\\\\host\\share", "between folders"),
            ("a//b", "one \"/\""),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a\u{202e}txt.exe", "direction"),
            (&deep, "folders deep"),
            (&long_name, "longer than"),
            (&long, "longer than"),
            (".a.openpact-tmp", "temporary"),
            ("/", "relative"),
        ] {
            let error = Relative::parse(text).expect_err(text);
            assert!(
                matches!(&error, Error::InvalidArguments(why) if why.contains(reason)),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn limits_hold_from_the_inside_too() {
        assert!(Relative::parse(&("a/".repeat(DEPTH - 1) + "a")).is_ok());
        assert!(Relative::parse(&"n".repeat(NAME)).is_ok());
    }

    #[test]
    fn steps_lead_from_the_top_to_the_path() {
        let steps = |text| Relative::folder(text).expect(text).steps().map(|step| step.0).collect::<Vec<_>>();
        assert_eq!(steps("a/b/c"), ["a", "a/b", "a/b/c"]);
        assert!(steps("").is_empty());
    }

    #[test]
    fn a_name_that_starts_alike_is_not_inside() {
        let path = |text| Relative::folder(text).expect(text);
        assert!(
            path("a/b").is_within(&path("a"))
                && path("a").is_within(&path("a"))
                && path("a").is_within(&path(""))
        );
        assert!(!path("ab").is_within(&path("a")) && !path("a").is_within(&path("a/b")));
        assert!(path(".trash/1").is_trash() && !path(".trashed").is_trash());
    }
}
