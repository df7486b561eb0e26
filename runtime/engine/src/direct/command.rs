//! What can be said to the engine without a model.

use std::fmt::Write as _;

use openpact_model::tool::ToolSpec;

/// What somebody wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Anything that is not a command.
    Help,
    /// `!tools`.
    List,
    /// `!tool {json}`.
    Run {
        /// The tool.
        tool: &'a str,
        /// The arguments as they were written.
        arguments: &'a str,
    },
}

impl<'a> Command<'a> {
    /// Reads what somebody typed.
    pub(super) fn parse(text: &'a str) -> Self {
        let Some(command) = text.trim().strip_prefix('!') else { return Self::Help };
        let (tool, arguments) = command.split_once([' ', '\t', '\n', '\r', '{']).unwrap_or((command, ""));
        // The brace that ended the name belongs to the arguments.
        let arguments =
            if command[tool.len()..].starts_with('{') { &command[tool.len()..] } else { arguments };
        match (tool, arguments.trim()) {
            ("", _) => Self::Help,
            ("tools", "") => Self::List,
            (tool, "") => Self::Run { tool, arguments: "{}" },
            (tool, arguments) => Self::Run { tool, arguments },
        }
    }
}

/// How this engine is used, and how to get another.
pub(super) fn help() -> String {
    "No model is configured, so I run tools and nothing else.\n\
     \n\
     !tools              lists them with their arguments\n\
     !NAME {\"key\": 1}    runs one, for example: !workspace_write {\"path\": \"notes/a.md\", \"content\": \"hi\"}\n\
     \n\
     To talk in plain language, name a model in the configuration file and start again:\n\
     \n\
     engine:\n  \
       base_url: https://api.openai.com/v1\n  \
       model: gpt-5-mini\n  \
       key: OPENAI_API_KEY\n\
     \n\
     and store the key with: openpact secret set OPENAI_API_KEY\n\
     Any OpenAI-compatible service will do, one on this machine too; `openpact config example` shows how."
        .to_owned()
}

/// The tools with their schemas.
pub(super) fn list(tools: &[ToolSpec]) -> String {
    if tools.is_empty() {
        return "There is no tool that you may use here. `openpact component list` shows what is installed."
            .to_owned();
    }
    let mut text = String::new();
    for tool in tools {
        let schema = serde_json::to_string_pretty(&tool.input_schema).unwrap_or_default();
        let schema = schema.replace('\n', "\n  ");
        writeln!(text, "!{}: {}\n  {schema}\n", tool.name, tool.description)
            .expect("writing to a String cannot fail");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_as_it_stands() {
        let run = |tool, arguments| Command::Run { tool, arguments };
        for (text, command) in [
            ("hello", Command::Help),
            ("", Command::Help),
            ("!", Command::Help),
            ("! {}", Command::Help),
            ("!tools", Command::List),
            ("  !tools \n", Command::List),
            ("!tools {}", run("tools", "{}")),
            ("!workspace_list", run("workspace_list", "{}")),
            ("!a {\"b\": 1}", run("a", "{\"b\": 1}")),
            ("!a{\"b\": 1}", run("a", "{\"b\": 1}")),
            ("!a\n{\n  \"b\": 1\n}", run("a", "{\n  \"b\": 1\n}")),
            ("!a not json", run("a", "not json")),
            ("say !tools", Command::Help),
        ] {
            assert_eq!(Command::parse(text), command, "{text:?}");
        }
    }

    #[test]
    fn the_help_says_how_to_get_a_model() {
        for needed in ["!tools", "base_url", "model", "openpact secret set"] {
            assert!(help().contains(needed), "{needed}");
        }
    }
}
