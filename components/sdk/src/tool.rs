//! What a tool is.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Output, Result, schema_of};

/// What a tool reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Nothing that is not in its arguments, or nothing that matters.
    Nothing,
    /// Things that belong to the owner.
    Private,
    /// Text that others wrote.
    Untrusted,
}

/// What a tool changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writes {
    /// Nothing.
    Nothing,
    /// Files and memory of this assistant.
    Local,
    /// The world outside.
    External,
}

/// What a tool declares about itself. The admin approves it, the host decides by it who may call the tool when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// What it reads.
    pub reads: Reads,
    /// What it changes.
    pub writes: Writes,
}

impl Effects {
    /// Reads and writes nothing: it computes.
    pub const NONE: Self = Self { reads: Reads::Nothing, writes: Writes::Nothing };

    /// These effects.
    pub const fn new(reads: Reads, writes: Writes) -> Self {
        Self { reads, writes }
    }
}

/// One tool. A type without fields stands for it: every call runs in a fresh instance, so that there is no state to
/// hold; what must outlive a call goes to [`kv`](crate::kv) or to a granted file.
pub trait Tool {
    /// The arguments. Doc comments of their fields are shown to the model; give the type
    /// `#[serde(deny_unknown_fields)]`, so that a misspelt argument is an error and not ignored.
    type Arguments: DeserializeOwned + JsonSchema;

    /// The name: `[a-z][a-z0-9_]*`, at most 64 characters, starting with the component's name (with `_` for `-`).
    const NAME: &'static str;

    /// A name for people.
    const TITLE: Option<&'static str> = None;

    /// What the tool does, for the model.
    const DESCRIPTION: &'static str;

    /// What it reads and changes. There is no default, since the default would have to be the worst.
    const EFFECTS: Effects;

    /// The schema of [`Output::structured`], if the tool answers so: `Some(schema_of::<Answer>())`.
    fn output_schema() -> Option<Value> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    /// Whatever keeps the tool from answering; the text is for the model.
    fn call(arguments: Self::Arguments) -> Result<Output>;
}

/// A tool as it is listed. As JSON, an element of `tools.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// [`Tool::NAME`].
    pub name: String,
    /// [`Tool::TITLE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// [`Tool::DESCRIPTION`].
    pub description: String,
    /// JSON Schema of [`Tool::Arguments`].
    pub input_schema: Value,
    /// [`Tool::output_schema`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// [`Tool::EFFECTS`].
    pub effects: Effects,
}

/// How `T` is listed.
pub fn describe<T: Tool>() -> Description {
    let mut input_schema = schema_of::<T::Arguments>();
    if let Value::Object(object) = &mut input_schema {
        // The doc comment of the type is for the author; the model has the tool's description.
        object.remove("description");
    }
    Description {
        name: T::NAME.to_owned(),
        title: T::TITLE.map(str::to_owned),
        description: T::DESCRIPTION.to_owned(),
        input_schema,
        output_schema: T::output_schema(),
        effects: T::EFFECTS,
    }
}
