//! The body of a request (OpenAI API reference, "Create chat completion").

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::builtin::provider::{Echo, Request, Said};
use crate::image::Image;
use crate::session::Call;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// What the endpoint was found to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Whether it takes `stream_options`.
    pub(super) stream_options: bool,
    /// Whether it wants `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { stream_options: true, completion_tokens: false }
    }
}

impl Dialect {
    /// What to ask differently after a refusal of these words; `None` where they name nothing that can be changed.
    pub(super) fn without(self, words: &str) -> Option<Self> {
        let changed = Self {
            stream_options: self.stream_options && !words.contains("stream_options"),
            completion_tokens: self.completion_tokens || words.contains("max_completion_tokens"),
        };
        (changed != self).then_some(changed)
    }
}

impl<'a> Body<'a> {
    pub(super) fn new(request: &'a Request, dialect: Dialect) -> Self {
        let mut messages = Vec::with_capacity(request.messages.len() + 1);
        if !request.system.is_empty() {
            messages.push(json!({"role": "system", "content": request.system}));
        }
        messages.extend(request.messages.iter().map(message));
        let tool = |tool: &openpact_model::tool::ToolSpec| {
            json!({"type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.input_schema}})
        };
        Self {
            model: &request.model,
            messages,
            tools: request.tools.iter().map(tool).collect(),
            stream: true,
            stream_options: dialect.stream_options.then_some(StreamOptions { include_usage: true }),
            max_tokens: request.max_output.filter(|_| !dialect.completion_tokens),
            max_completion_tokens: request.max_output.filter(|_| dialect.completion_tokens),
        }
    }
}

fn message(said: &Said) -> Value {
    match said {
        // An array is for messages with images alone: some servers take nothing but a text.
        Said::User { text, images } if images.is_empty() => json!({"role": "user", "content": text}),
        Said::User { text, images } => {
            let mut parts = vec![json!({"type": "text", "text": text})];
            parts.extend(images.iter().map(image));
            json!({"role": "user", "content": parts})
        }
        Said::Tool { id, text } => json!({"role": "tool", "tool_call_id": id, "content": text}),
        Said::Assistant { text, calls, echo } => assistant(text, calls, echo),
    }
}

/// An image within a message (OpenAI API reference, "Images and vision": a data URL in Base64).
fn image(image: &Image) -> Value {
    let mut url = format!("data:{};base64,", image.format().media_type());
    BASE64_STANDARD.encode_string(image.bytes(), &mut url);
    json!({"type": "image_url", "image_url": {"url": url}})
}

fn assistant(text: &str, calls: &[Call], echo: &Echo) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    // Null is for a message of calls alone; some servers take no empty text there.
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
    message.insert("content".to_owned(), content);
    if let Some(Value::Object(fields)) = echo.get("message") {
        message.extend(fields.clone());
    }
    if !calls.is_empty() {
        let calls = calls.iter().enumerate().map(|(at, call)| {
            let mut value = json!({"id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": arguments(&call.arguments)}});
            let extra = echo.get("calls").and_then(|calls| calls.get(at.to_string()));
            if let (Value::Object(value), Some(Value::Object(extra))) = (&mut value, extra) {
                value.extend(extra.clone());
            }
            value
        });
        message.insert("tool_calls".to_owned(), calls.collect());
    }
    Value::Object(message)
}

/// The arguments of an earlier call. Many servers parse them, and refuse the whole conversation over one that is no
/// JSON object; so such a text is wrapped, and the model still sees what it wrote.
fn arguments(text: &str) -> String {
    if text.trim().is_empty() {
        return "{}".to_owned();
    }
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => text.to_owned(),
        Err(_) => json!({ "malformed": text }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_objects_stand_as_arguments() {
        for (text, sent) in [
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("", "{}"),
            ("{\"a\": ", "{\"malformed\":\"{\\\"a\\\": \"}"),
            ("[1]", "{\"malformed\":\"[1]\"}"),
        ] {
            assert_eq!(arguments(text), sent);
        }
    }

    #[test]
    fn images_are_parts_of_the_message_and_a_text_alone_is_a_text() {
        let said = |images| message(&Said::User { text: "look".to_owned(), images });
        assert_eq!(said(vec![]), json!({"role": "user", "content": "look"}));
        let image = Image::new(crate::image::Format::Webp, b"RIFF".to_vec());
        let parts = json!([{"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklGRg=="}}]);
        assert_eq!(said(vec![image]), json!({"role": "user", "content": parts}));
    }

    #[test]
    fn what_the_provider_wants_to_see_again_is_in_its_message() {
        let call = Call { id: "a".to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        let echo = json!({"message": {"reasoning_content": "hm"}, "calls": {"0": {"extra_content": 1}}});
        let Value::Object(echo) = echo else { unreachable!() };
        let sent = assistant("", &[call], &echo);
        assert_eq!(sent["reasoning_content"], "hm");
        assert_eq!(sent["tool_calls"][0]["extra_content"], 1);
        assert_eq!(sent["content"], Value::Null);
    }

    #[test]
    fn an_endpoint_that_refuses_a_field_is_asked_without_it_once() {
        let first = Dialect::default();
        let second = first.without("Unrecognized request argument supplied: stream_options").unwrap();
        assert!(!second.stream_options);
        assert_eq!(second.without("stream_options"), None);
        let words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        assert!(first.without(words).unwrap().completion_tokens);
        assert_eq!(first.without("something else"), None);
    }
}
