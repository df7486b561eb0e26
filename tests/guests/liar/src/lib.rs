//! Answers calls of tools that it does not list, and with texts that are not what they should be.
#![cfg(target_family = "wasm")]

mod component {
    use openpact_guest_kit::bindings::exports::openpact::tool::tools::{
        Content, Guest, Image, Outcome, Tool, ToolError,
    };

    struct Component;

    impl Guest for Component {
        fn list_tools() -> Vec<Tool> {
            ["json", "structured", "image", "pieces", "invalid", "missing", "denied", "unavailable"]
                .map(openpact_guest_kit::listed)
                .into()
        }

        fn call_tool(name: String, _: String) -> Result<Outcome, ToolError> {
            let outcome = |content, structured| Ok(Outcome { content, structured });
            match name.as_str() {
                "json" => outcome(vec![Content::Json("{\"half\":".to_owned())], None),
                "structured" => outcome(vec![], Some("[1,".to_owned())),
                "image" => {
                    let image = Image { data: vec![0, 255], media_type: "image/png".to_owned() };
                    outcome(vec![Content::Image(image)], None)
                }
                "pieces" => outcome(vec![Content::Text(String::new()); 100_000], None),
                "invalid" => Err(ToolError::InvalidArguments("a".to_owned())),
                "missing" => Err(ToolError::NotFound("b".to_owned())),
                "denied" => Err(ToolError::Denied("c".to_owned())),
                "unavailable" => Err(ToolError::Unavailable("d".to_owned())),
                other => outcome(vec![Content::Text(format!("{other} ran"))], None),
            }
        }
    }

    openpact_guest_kit::bindings::export_component!(Component with_types_in openpact_guest_kit::bindings);
}
