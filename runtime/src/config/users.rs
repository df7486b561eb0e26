//! Section `users`: who may speak to the assistant, and as what.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use openpact_model::role::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::components::RoleName;

/// The longest name of a person, and the longest identifier of an account, in bytes.
const LONGEST: usize = 128;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// What they may do.
    #[schemars(with = "RoleName", example = &"owner")]
    pub(crate) role: Role,
    /// Their accounts by platform: the identifiers that never change, not the names that are shown. Whoever writes
    /// without being known is told a code, and 'openpact user list' shows the identifier.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "telegram": ["123456789"] }]))]
    pub(crate) identities: BTreeMap<String, Vec<Identifier>>,
}

/// A platform's identifier of an account; a number may be written without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Identifier(pub(crate) String);

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an identifier is a text or a whole number")]
        enum Written {
            Number(i64),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        }))
    }
}

impl JsonSchema for Identifier {
    fn schema_name() -> Cow<'static, str> {
        "Identifier".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// What cannot be meant: the key, and a sentence.
pub(super) fn contradictions(users: &BTreeMap<String, User>) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut owners: HashMap<(&str, &str), &str> = HashMap::new();
    for (name, user) in users {
        if !is_plain(name) {
            let message = format!(
                "'users': '{name}' is no name of a person: 1 to {LONGEST} bytes on one line, without spaces at the ends"
            );
            problems.push((format!("users.{name}"), message));
        }
        for (provider, accounts) in &user.identities {
            let key = format!("users.{name}.identities.{provider}");
            for account in accounts {
                if !is_plain(&account.0) {
                    let message = format!(
                        "'{key}': an identifier is what the platform itself calls the account, 1 to {LONGEST} bytes"
                    );
                    problems.push((key.clone(), message));
                } else if let Some(other) = owners.insert((provider, &account.0), name) {
                    let message =
                        format!("'{key}': the account '{}' is stated for '{other}' already", account.0);
                    problems.push((key.clone(), message));
                }
            }
        }
    }
    problems
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}
