//! The environment, read once.

use std::collections::BTreeMap;

/// The prefix of our variables.
const PREFIX: &str = "OPENPACT_";

/// The variables of this process as they were at start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the variables of this process. Those that are not UTF-8 are left out.
    pub(crate) fn read() -> Self {
        let variables = std::env::vars_os();
        Self(
            variables
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of one variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The variables that set a configuration key: the variable's name, the parts of the key in lower case, and the
    /// value. Only names with `__` count: an orchestrator that knows a service called "openpact" sets
    /// `OPENPACT_PORT` and the like by itself.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Vec<String>, &str)> {
        self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?;
            key.contains("__").then(|| {
                let parts = key.split("__").map(str::to_ascii_lowercase).collect();
                (name.as_str(), parts, value.as_str())
            })
        })
    }

    /// Whether colours are welcome (<https://no-color.org>).
    pub(crate) fn colours(&self) -> bool {
        self.get("NO_COLOR").is_none_or(str::is_empty) && self.get("TERM") != Some("dumb")
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}
