//! A component with one tool.

use openpact_sdk::{Effects, Output, Result, Tool, export};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Who is greeted.
    name: String,
}

struct Greet;

impl Tool for Greet {
    type Arguments = Arguments;
    const NAME: &'static str = "hello_greet";
    const DESCRIPTION: &'static str = "Greets somebody by name.";
    const EFFECTS: Effects = Effects::NONE;

    fn call(arguments: Arguments) -> Result<Output> {
        Ok(format!("Hello, {}!", arguments.name).into())
    }
}

export!(Greet);
