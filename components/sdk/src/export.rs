//! What [`export!`](crate::export!) expands to. Not for direct use.

use crate::{Error, Output, Result, Tool};

#[cfg(target_family = "wasm")]
pub use crate::bindings;
#[cfg(target_family = "wasm")]
pub use wasm::{list, outcome};

/// Makes a component of these tools.
///
/// It also defines, for tests and for `tools.json`, `list_tools()` and `call_tool(name, arguments)`, which do natively
/// what the component's exports do.
#[macro_export]
macro_rules! export {
    ($($tool:ty),+ $(,)?) => {
        /// The tools, in the order in which they are shown.
        pub fn list_tools() -> ::std::vec::Vec<$crate::Description> {
            ::std::vec![$($crate::describe::<$tool>()),+]
        }

        /// Calls one of them by its name with arguments as JSON text.
        ///
        /// # Errors
        /// The tool's own, or invalid arguments.
        pub fn call_tool(name: &str, arguments: &str) -> $crate::Result<$crate::Output> {
            $(
                if name == <$tool as $crate::Tool>::NAME {
                    return $crate::export::call::<$tool>(arguments);
                }
            )+
            ::std::result::Result::Err($crate::export::unknown(name))
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::export::bindings::exports::openpact::tool::tools;

            struct Component;

            impl tools::Guest for Component {
                fn list_tools() -> ::std::vec::Vec<tools::Tool> {
                    $crate::export::list(self::list_tools())
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::std::result::Result<tools::Outcome, tools::ToolError> {
                    $crate::export::outcome(self::call_tool(&name, &arguments))
                }
            }

            $crate::export::bindings::export_component!(Component with_types_in $crate::export::bindings);
        };
    };
}

/// Calls `T` with JSON text.
///
/// # Errors
/// The tool's own, or that the arguments do not fit.
pub fn call<T: Tool>(arguments: &str) -> Result<Output> {
    match serde_json::from_str(arguments) {
        Ok(arguments) => T::call(arguments),
        Err(error) => Err(Error::invalid_arguments(error.to_string())),
    }
}

/// There is no such tool.
pub fn unknown(name: &str) -> Error {
    Error::not_found(format!("this component has no tool {name:?}"))
}

#[cfg(target_family = "wasm")]
mod wasm {
    use crate::bindings::exports::openpact::tool::tools;
    use crate::{Body, Content, Description, Error, Output, Reads, Result, Writes};

    /// The list as the host gets it.
    pub fn list(tools: Vec<Description>) -> Vec<tools::Tool> {
        tools.into_iter().map(tool).collect()
    }

    fn tool(tool: Description) -> tools::Tool {
        let reads = match tool.effects.reads {
            Reads::Nothing => tools::Reads::Nothing,
            Reads::Private => tools::Reads::Private,
            Reads::Untrusted => tools::Reads::Untrusted,
        };
        let writes = match tool.effects.writes {
            Writes::Nothing => tools::Writes::Nothing,
            Writes::Local => tools::Writes::Local,
            Writes::External => tools::Writes::External,
        };
        tools::Tool {
            name: tool.name,
            title: tool.title,
            description: tool.description,
            input_schema: tool.input_schema.to_string(),
            output_schema: tool.output_schema.map(|schema| schema.to_string()),
            effects: tools::Effects { reads, writes },
        }
    }

    /// The answer as the host gets it.
    pub fn outcome(result: Result<Output>) -> std::result::Result<tools::Outcome, tools::ToolError> {
        let (content, structured) = result.map_err(failure)?.into_parts();
        let content = content.into_iter().map(piece).collect();
        Ok(tools::Outcome { content, structured: structured.map(|value| value.to_string()) })
    }

    fn piece(piece: Content) -> tools::Content {
        match piece {
            Content::Text(text) => tools::Content::Text(text),
            Content::Json(value) => tools::Content::Json(value.to_string()),
            Content::Image { data, media_type } => tools::Content::Image(tools::Image { data, media_type }),
            Content::Link(link) => tools::Content::ResourceLink(tools::Link {
                uri: link.uri,
                name: link.name,
                description: link.description,
                media_type: link.media_type,
            }),
            Content::Audio { data, media_type } => tools::Content::Audio(tools::Audio { data, media_type }),
            Content::Embedded(embedded) => tools::Content::Embedded(tools::Embedded {
                uri: embedded.uri,
                media_type: embedded.media_type,
                body: match embedded.body {
                    Body::Text(text) => tools::Body::Text(text),
                    Body::Blob(data) => tools::Body::Blob(data),
                },
            }),
        }
    }

    fn failure(error: Error) -> tools::ToolError {
        match error {
            Error::InvalidArguments(text) => tools::ToolError::InvalidArguments(text),
            Error::NotFound(text) => tools::ToolError::NotFound(text),
            Error::Denied(text) => tools::ToolError::Denied(text),
            Error::Unavailable(text) => tools::ToolError::Unavailable(text),
            Error::Failed(text) => tools::ToolError::Failed(text),
        }
    }
}
