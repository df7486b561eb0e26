//! Section `log`: what is written to the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is written to the log, which goes to standard error. Known secrets are taken out of every line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// How much: `error`, `warn`, `info`, `debug` or `trace`, and per module as in `info,openpact_egress=debug`.
    /// `--log-level` overrides it. Not set: `info` for `openpact start`, else `warn`.
    #[schemars(example = &"info")]
    pub(crate) level: Option<String>,
    /// How.
    pub(crate) format: Format,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether a level can be understood.
///
/// # Errors
/// One sentence that names the part that cannot.
pub(crate) fn check_level(text: &str) -> Result<(), String> {
    let parses = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let is_level = |word: &str| !word.is_empty() && parses(word);
    for part in text.split(',').map(str::trim) {
        let word = part.split_once('=').map_or(part, |(_, level)| level);
        if !is_level(word) {
            return Err(format!(
                "'{part}' is not a log level: use error, warn, info, debug or trace, and per module as in \
                 'info,openpact_egress=debug'"
            ));
        }
    }
    Ok(())
}

impl Log {
    /// How much is written, by a service or by one command.
    pub(crate) fn level(&self, service: bool) -> &str {
        self.level.as_deref().unwrap_or(if service { "info" } else { "warn" })
    }

    /// What does not go together: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let wrong = self.level.as_deref().and_then(|level| check_level(level).err());
        wrong.map(|message| ("log.level", message)).into_iter().collect()
    }
}
