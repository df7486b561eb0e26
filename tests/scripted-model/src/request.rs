//! What came in: what is kept of it, what the real service would refuse, and whether it fits an expectation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::script::Expect;

/// One request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// The status that it was answered with.
    pub status: u16,
}

impl Recorded {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The messages of the body.
    pub fn messages(&self) -> Vec<Value> {
        self.json()["messages"].as_array().cloned().unwrap_or_default()
    }

    /// Whether `text` stands in its path, its body or one of its headers but `authorization`.
    pub fn mentions(&self, text: &str) -> bool {
        let headers = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        self.path.contains(text)
            || self.body.contains(text)
            || headers.into_iter().any(|(name, value)| name.contains(text) || value.contains(text))
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

/// A refusal: the status and the body.
pub(crate) type Refusal = (u16, Value);

/// The error shape of the service.
pub(crate) fn refusal(status: u16, kind: &str, code: &str, message: &str) -> Refusal {
    (status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

/// Refuses what the real service refuses.
pub(crate) fn check(body: &Value, models: &[String]) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(refusal(400, "invalid_request_error", "invalid_request", message));
    let Some(model) = body["model"].as_str().filter(|model| !model.is_empty()) else {
        return invalid("you must provide a model parameter");
    };
    if !models.is_empty() && models.iter().all(|known| known != model) {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(refusal(404, "invalid_request_error", "model_not_found", &message));
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if tool["type"] != "function" || name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return invalid("Invalid 'tools[].function.name': it has to match ^[a-zA-Z0-9_-]{1,64}$");
        }
        if tool["function"]["parameters"]["type"] != "object" {
            return invalid("Invalid schema for function: schema must have type 'object'");
        }
    }
    if body.get("tools").is_some_and(|tools| tools.as_array().is_none_or(Vec::is_empty)) {
        return invalid("Invalid 'tools': empty array");
    }
    messages(body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()).or_else(|why| invalid(&why))
}

/// Every call is answered at once, and every answer has its call.
fn messages(messages: &[Value]) -> Result<(), String> {
    if messages.is_empty() {
        return Err("'messages' must not be empty".to_owned());
    }
    let mut open = BTreeSet::<&str>::new();
    for message in messages {
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                return Err("messages with role 'tool' must be a response to a preceding message with \
                            'tool_calls'"
                    .to_owned());
            }
        } else if let Some(id) = open.first() {
            return Err(unanswered(id));
        }
        if !["system", "developer", "user", "assistant", "tool"].contains(&role) {
            return Err(format!("Invalid value: '{role}' in messages[].role"));
        }
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !message["content"].is_string() && !message["content"].is_array() && calls.is_empty() {
            return Err("Invalid value for 'content': expected a string, got null".to_owned());
        }
        for part in message["content"].as_array().into_iter().flatten() {
            check_part(role, part)?;
        }
        for call in calls {
            let id = call["id"].as_str().unwrap_or_default();
            if call["type"] != "function" || !call["function"]["arguments"].is_string() {
                return Err("Invalid type for 'messages[].tool_calls[].function.arguments'".to_owned());
            }
            if id.is_empty() || !open.insert(id) {
                return Err(format!("Invalid 'messages[].tool_calls[].id': '{id}'"));
            }
        }
    }
    open.first().map_or(Ok(()), |id| Err(unanswered(id)))
}

/// A part of a message is a text, and only a person sends images (API reference, "Create chat completion").
fn check_part(role: &str, part: &Value) -> Result<(), String> {
    match part["type"].as_str().unwrap_or_default() {
        "text" if part["text"].is_string() => Ok(()),
        "image_url" if role == "user" => check_image(part["image_url"]["url"].as_str().unwrap_or_default()),
        other => Err(format!("Invalid value: '{other}' in messages[].content[].type of role '{role}'")),
    }
}

/// An image is an address, or one of four kinds in Base64 with its padding.
fn check_image(url: &str) -> Result<(), String> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    let kinds = ["png", "jpeg", "gif", "webp"];
    let data = kinds.iter().find_map(|kind| url.strip_prefix(&format!("data:image/{kind};base64,")));
    let digit = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let is_data = |data: &str| {
        let digits = data.trim_end_matches('=');
        !digits.is_empty()
            && data.len().is_multiple_of(4)
            && data.len() - digits.len() <= 2
            && digits.chars().all(digit)
    };
    if data.is_some_and(is_data) {
        Ok(())
    } else {
        Err("Invalid 'image_url': a URL or data was expected".to_owned())
    }
}

/// The text of a message, whatever form it has.
fn text(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    content.as_str().map_or_else(|| parts.collect::<Vec<_>>().join("\n"), str::to_owned)
}

fn unanswered(id: &str) -> String {
    format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {id}"
    )
}

impl Expect {
    /// What does not fit; nothing where all does.
    pub(crate) fn difference(&self, request: &Recorded, body: &Value) -> Option<String> {
        let model = body["model"].as_str().unwrap_or_default();
        if let Some(expected) = self.model.as_deref().filter(|expected| *expected != model) {
            return Some(format!("expected the model '{expected}', got '{model}'"));
        }
        let stream = body["stream"].as_bool().unwrap_or(false);
        if let Some(expected) = self.stream.filter(|expected| *expected != stream) {
            return Some(format!("expected stream = {expected}, got {stream}"));
        }
        let last = body["messages"].as_array().and_then(|messages| messages.last()).unwrap_or(&Value::Null);
        let role = last["role"].as_str().unwrap_or_default();
        if let Some(expected) = self.last_role.as_deref().filter(|expected| *expected != role) {
            return Some(format!("expected a last message of '{expected}', got one of '{role}'"));
        }
        let said = text(&last["content"]);
        if let Some(missing) = self.last_contains.iter().find(|text| !said.contains(*text)) {
            return Some(format!("expected '{missing}' in the last message, got '{said}'"));
        }
        if let Some(missing) = self.contains.iter().find(|text| !request.body.contains(*text)) {
            return Some(format!("expected '{missing}' in the body"));
        }
        if let Some(present) = self.lacks.iter().find(|text| request.body.contains(*text)) {
            return Some(format!("expected no '{present}' in the body"));
        }
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
        let images = parts.filter(|part| part["type"] == "image_url").count();
        if let Some(expected) = self.images.filter(|expected| *expected != images) {
            return Some(format!("expected {expected} images, got {images}"));
        }
        let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        let offered = |name: &String| tools.iter().any(|tool| tool["function"]["name"] == name.as_str());
        let missing = self.tools.iter().find(|name| !offered(name))?;
        Some(format!("expected the tool '{missing}' on offer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(messages: &Value) -> Option<u16> {
        check(&json!({"model": "m", "messages": messages}), &[]).err().map(|(status, _)| status)
    }

    #[test]
    fn calls_and_their_results_go_together() {
        let user = json!({"role": "user", "content": "hi"});
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}]});
        let result = json!({"role": "tool", "tool_call_id": "a", "content": "ok"});
        assert_eq!(refused(&json!([user, call, result])), None);
        assert_eq!(refused(&json!([user, call])), Some(400), "a call without its result");
        assert_eq!(refused(&json!([user, call, user, result])), Some(400), "something between");
        assert_eq!(refused(&json!([user, result])), Some(400), "a result without its call");
        assert_eq!(refused(&json!([user, call, result, result])), Some(400), "a result twice");
        assert_eq!(refused(&json!([])), Some(400), "nothing said");
    }

    #[test]
    fn parts_are_texts_and_images_of_a_person() {
        let said = |role: &str, part: Value| refused(&json!([{"role": role, "content": [part]}]));
        let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        assert_eq!(said("user", json!({"type": "text", "text": "a"})), None);
        assert_eq!(said("user", json!({"type": "text"})), Some(400));
        assert_eq!(said("user", image("data:image/png;base64,aGk=")), None);
        assert_eq!(said("user", image("https://example.com/a.png")), None);
        assert_eq!(said("assistant", image("data:image/png;base64,aGk=")), Some(400));
        for url in
            ["", "data:image/bmp;base64,aGk=", "data:image/png;base64,", "data:image/png;base64,aGk", "aGk="]
        {
            assert_eq!(said("user", image(url)), Some(400), "{url}");
        }
    }

    #[test]
    fn models_and_tools_are_checked() {
        let body = |extra: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        };
        let known = vec!["m".to_owned()];
        assert!(check(&body(json!({})), &known).is_ok());
        assert_eq!(check(&body(json!({"model": "n"})), &known).unwrap_err().0, 404);
        assert_eq!(check(&body(json!({"tools": []})), &known).unwrap_err().0, 400);
        let tool = |name: &str| json!([{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]);
        assert!(check(&body(json!({"tools": tool(&"a".repeat(64))})), &known).is_ok());
        assert_eq!(check(&body(json!({"tools": tool(&"a".repeat(65))})), &known).unwrap_err().0, 400);
    }
}
