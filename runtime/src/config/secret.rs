//! Names of secrets in the configuration.

use std::borrow::Cow;

use openpact_model::secret::SecretName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of a secret. Whatever else is written there is not repeated in the error, since it may well be the
/// secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) SecretName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(
                "this has to be the name of a secret (letters A-Z, digits and '_'), never its value; store the value \
                 with 'openpact secret set NAME' and write NAME here",
            )
        })
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "SecretName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,63}$" })
    }
}
