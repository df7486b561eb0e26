//! Section `development`: for machines on which components are made.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For machines on which components are made. Leave it out everywhere else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Development {
    /// A folder whose packages (`*.wasm`, as 'openpact component pack' makes them) run without a signature. What they
    /// reach is granted as ever. 'openpact component update NAME' takes the last build; new names come at a start.
    #[schemars(example = &"/home/me/unsigned")]
    pub(crate) unsigned: Option<PathBuf>,
}

impl Development {
    /// What does not go together: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        match &self.unsigned {
            Some(folder) if !folder.is_absolute() => {
                vec![("development.unsigned", "'development.unsigned' has to be an absolute path".to_owned())]
            }
            _ => Vec::new(),
        }
    }
}
