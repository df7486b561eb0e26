//! The component `__NAME__`.

use openpact_sdk::{Effects, Output, Result, Tool, export};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the tool is called with. The comments go into its schema, which the model reads.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Who is greeted.
    name: String,
}

/// Greets.
pub struct Greet;

impl Tool for Greet {
    type Arguments = Arguments;
    const NAME: &'static str = "__WORD___greet";
    const DESCRIPTION: &'static str = "Greets somebody by name.";
    // What it reads and changes. What is not stated counts as the worst.
    const EFFECTS: Effects = Effects::NONE;

    fn call(arguments: Arguments) -> Result<Output> {
        Ok(format!("Hello, {}!", arguments.name).into())
    }
}

export!(Greet);

#[cfg(test)]
mod tests {
    use openpact_sdk::{Error, Output};

    use super::*;

    #[test]
    fn it_greets() {
        assert_eq!(call_tool(Greet::NAME, r#"{"name":"Ada"}"#), Ok(Output::text("Hello, Ada!")));
    }

    #[test]
    fn it_says_what_is_wrong() {
        assert!(matches!(call_tool(Greet::NAME, "{}"), Err(Error::InvalidArguments(_))));
    }
}
