//! What the test guests share. They do not use the SDK: a hostile component would not either.
#![cfg(target_family = "wasm")]

pub use serde_json::{Value, json};

#[doc(hidden)]
pub mod bindings {
    //! The generated bindings.
    wit_bindgen::generate!({
        path: ["../../../wit/io", "../../../wit/host", "../../../wit/tool"],
        world: "openpact:tool/tool-component",
        pub_export_macro: true,
        default_bindings_module: "openpact_guest_kit::bindings",
        export_macro_name: "export_component",
        generate_all,
    });
}

pub use bindings::openpact::host::{credentials, kv, log, settings, websocket};
pub use bindings::wasi::io::poll;

pub mod memory;

/// What a tool of a test guest gives: text, or why not.
pub type Answer = Result<String, String>;

/// Makes a component of a table of tools, each a function from its arguments to an [`Answer`].
#[macro_export]
macro_rules! tools {
    ($($name:literal => $tool:path),+ $(,)?) => {
                const _: () = {
            use $crate::bindings::exports::openpact::tool::tools;

            struct Component;

            impl tools::Guest for Component {
                fn list_tools() -> ::std::vec::Vec<tools::Tool> {
                    ::std::vec![$($crate::listed($name)),+]
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::std::result::Result<tools::Outcome, tools::ToolError> {
                    let arguments = $crate::arguments(&arguments)?;
                    match name.as_str() {
                        $($name => $crate::outcome($tool(&arguments)),)+
                        _ => ::std::result::Result::Err(tools::ToolError::NotFound(name)),
                    }
                }
            }

            $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

#[doc(hidden)]
pub use wasm::{arguments, listed, outcome};

mod wasm {
    use serde_json::Value;

    use crate::Answer;
    use crate::bindings::exports::openpact::tool::tools;

    /// A tool of that name with nothing special about it.
    pub fn listed(name: &str) -> tools::Tool {
        tools::Tool {
            name: name.to_owned(),
            title: None,
            description: format!("A test tool: {name}."),
            input_schema: "{\"type\":\"object\"}".to_owned(),
            output_schema: None,
            effects: tools::Effects { reads: tools::Reads::Nothing, writes: tools::Writes::Nothing },
        }
    }

    /// The arguments as a value.
    pub fn arguments(text: &str) -> Result<Value, tools::ToolError> {
        serde_json::from_str(text).map_err(|error| tools::ToolError::InvalidArguments(error.to_string()))
    }

    /// An answer as the interface has it.
    pub fn outcome(answer: Answer) -> Result<tools::Outcome, tools::ToolError> {
        match answer {
            Ok(text) => Ok(tools::Outcome { content: vec![tools::Content::Text(text)], structured: None }),
            Err(why) => Err(tools::ToolError::Failed(why)),
        }
    }
}
