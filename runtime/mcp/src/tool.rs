//! Tools and their answers in the words of the protocol.

use std::borrow::Cow;
use std::sync::Arc;

use openpact_model::tool::{Body, Content, Reads, ToolAnswer, ToolSpec, Writes};
use rmcp::model::{
    CallToolResult, ContentBlock, JsonObject, Resource, ResourceContents, Tool, ToolAnnotations,
};
use serde_json::Value;

/// A tool as it is listed.
pub(crate) fn listed(spec: ToolSpec) -> Tool {
    let changes = spec.effects.writes != Writes::Nothing;
    let mut tool = Tool::default();
    tool.name = Cow::Owned(spec.name);
    tool.title.clone_from(&spec.title);
    tool.description = Some(Cow::Owned(spec.description));
    tool.input_schema = Arc::new(object(spec.input_schema));
    tool.output_schema = spec.output_schema.map(|schema| Arc::new(object(schema)));
    tool.annotations = Some(ToolAnnotations::from_raw(
        spec.title,
        Some(!changes),
        // What a tool that writes does to what is there it does not declare, so the worst is said.
        changes.then_some(true),
        None,
        Some(spec.effects.reads == Reads::Untrusted || spec.effects.writes == Writes::External),
    ));
    tool
}

/// What a tool answered; a failure of its own too.
pub(crate) fn answered(answer: ToolAnswer) -> CallToolResult {
    let mut result = CallToolResult::default();
    result.content = answer.output.content.into_iter().map(block).collect();
    result.structured_content = answer.output.structured;
    result.is_error = Some(answer.is_error);
    result
}

fn block(piece: Content) -> ContentBlock {
    match piece {
        Content::Text { text } => ContentBlock::text(text),
        Content::Json { value } => ContentBlock::text(value.to_string()),
        Content::Image { data, media_type } => ContentBlock::image(data, media_type),
        Content::Audio { data, media_type } => ContentBlock::audio(data, media_type),
        Content::ResourceLink { uri, name, description, media_type } => {
            let mut link = Resource::new(uri, name);
            link.description = description;
            link.mime_type = media_type;
            ContentBlock::resource_link(link)
        }
        Content::Embedded { uri, media_type, body } => {
            let contents = match body {
                Body::Text(text) => ResourceContents::text(text, uri),
                Body::Blob(blob) => ResourceContents::blob(blob, uri),
            };
            ContentBlock::resource(match media_type {
                Some(media_type) => contents.with_mime_type(media_type),
                None => contents,
            })
        }
    }
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(object) => object,
        // The router takes no other schemas.
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::tool::{Effects, ToolOutput};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(reads: Reads, writes: Writes, expected: &Value) {
        let spec = ToolSpec {
            name: "t".into(),
            title: None,
            description: "d".into(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            effects: Effects { reads, writes },
        };
        let tool = serde_json::to_value(listed(spec)).unwrap();
        assert_eq!(&tool["annotations"], expected, "{reads:?} {writes:?}");
    }

    #[test]
    fn effects_become_hints() {
        let reading = |open: bool| json!({"readOnlyHint": true, "openWorldHint": open});
        let writing =
            |open: bool| json!({"readOnlyHint": false, "destructiveHint": true, "openWorldHint": open});
        check(Reads::Nothing, Writes::Nothing, &reading(false));
        check(Reads::Private, Writes::Nothing, &reading(false));
        check(Reads::Untrusted, Writes::Nothing, &reading(true));
        check(Reads::Nothing, Writes::Local, &writing(false));
        check(Reads::Nothing, Writes::External, &writing(true));
    }

    #[test]
    fn every_kind_of_content_has_its_words() {
        let output = ToolOutput {
            content: vec![
                Content::text("a"),
                Content::Json { value: json!({"b": 1}) },
                Content::Image { data: "AA==".into(), media_type: "image/png".into() },
                Content::Audio { data: "AA==".into(), media_type: "audio/wav".into() },
                Content::ResourceLink {
                    uri: "u:1".into(),
                    name: "n".into(),
                    description: None,
                    media_type: None,
                },
                Content::Embedded {
                    uri: "u:2".into(),
                    media_type: Some("text/plain".into()),
                    body: Body::Text("x".into()),
                },
                Content::Embedded { uri: "u:3".into(), media_type: None, body: Body::Blob("AA==".into()) },
            ],
            structured: Some(json!({"b": 1})),
        };
        let result = serde_json::to_value(answered(ToolAnswer { is_error: false, output })).unwrap();
        let kinds: Vec<_> = result["content"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
        assert_eq!(kinds, ["text", "text", "image", "audio", "resource_link", "resource", "resource"]);
        assert_eq!(result["content"][5]["resource"]["text"], "x");
        assert_eq!(result["content"][6]["resource"]["blob"], "AA==");
        assert_eq!(result["structuredContent"], json!({"b": 1}));
        assert_eq!(result["isError"], false);
    }
}
