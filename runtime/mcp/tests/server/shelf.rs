//! The resources and prompts that the conformance suite asks for.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use openpact_mcp::library::{
    ContentBlock, GetPromptResult, JsonObject, Library, Missing, Prompt, PromptArgument, PromptMessage,
    Resource, ResourceContents, ResourceTemplate, Role,
};
use openpact_model::role::Caller;

/// One red pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// What there is to read.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Of the resource that can be watched; another number is a change.
    pub(crate) revision: AtomicU64,
}

#[async_trait]
impl Library for Shelf {
    async fn resources(&self, _caller: &Caller) -> Vec<Resource> {
        vec![
            Resource::new("test://static-text", "Static text").with_mime_type("text/plain"),
            Resource::new("test://static-binary", "Static binary").with_mime_type("image/png"),
        ]
    }

    async fn templates(&self, _caller: &Caller) -> Vec<ResourceTemplate> {
        let template = ResourceTemplate::new("test://template/{id}/data", "Template");
        vec![template.with_mime_type("application/json")]
    }

    async fn read(&self, _caller: &Caller, uri: &str) -> Result<Vec<ResourceContents>, Missing> {
        let contents = match uri {
            "test://static-text" => {
                let text = "This is the content of the static text resource.";
                ResourceContents::text(text, uri).with_mime_type("text/plain")
            }
            "test://static-binary" => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
            _ => {
                let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
                let id = id.ok_or_else(|| Missing::NotFound(format!("resource '{uri}'")))?;
                let text = format!(r#"{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}"#);
                ResourceContents::text(text, uri).with_mime_type("application/json")
            }
        };
        Ok(vec![contents])
    }

    async fn revision(&self, _caller: &Caller, uri: &str) -> Option<u64> {
        (uri == "test://watched-resource").then(|| self.revision.load(Ordering::Relaxed))
    }

    async fn prompts(&self, _caller: &Caller) -> Vec<Prompt> {
        let prompt = |name: &str, arguments: &[&str]| {
            let arguments =
                arguments.iter().map(|name| PromptArgument::new(*name).with_required(true)).collect();
            Prompt::new(name, Some("For tests."), Some(arguments))
        };
        vec![
            prompt("test_simple_prompt", &[]),
            prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
            prompt("test_prompt_with_image", &[]),
        ]
    }

    async fn prompt(
        &self,
        _caller: &Caller,
        name: &str,
        arguments: &JsonObject,
    ) -> Result<GetPromptResult, Missing> {
        let argument = |name: &str| arguments.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let text = |text: String| PromptMessage::new_text(Role::User, text);
        let content = |content| PromptMessage::new(Role::User, content);
        let messages = match name {
            "test_simple_prompt" => vec![text("This is a simple prompt for testing.".into())],
            "test_prompt_with_arguments" => {
                let (one, other) = (argument("arg1"), argument("arg2"));
                vec![text(format!("Prompt with arguments: arg1='{one}', arg2='{other}'"))]
            }
            "test_prompt_with_embedded_resource" => {
                let embedded =
                    ResourceContents::text("Embedded resource content for testing.", argument("resourceUri"));
                let embedded = embedded.with_mime_type("text/plain");
                let block = ContentBlock::resource(embedded);
                vec![content(block), text("Please process the embedded resource above.".into())]
            }
            "test_prompt_with_image" => {
                let block = ContentBlock::image(PNG, "image/png");
                vec![content(block), text("Please analyze the image above.".into())]
            }
            _ => return Err(Missing::NotFound(format!("prompt '{name}'"))),
        };
        Ok(GetPromptResult::new(messages))
    }
}
