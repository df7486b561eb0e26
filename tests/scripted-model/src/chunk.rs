//! The shapes on the wire: chunks of a streamed completion, and a whole one (OpenAI API reference, "Chat completions").

use serde_json::{Map, Value, json};

use crate::script::{Call, Form, Say, Usage};

/// What is to be written for one [`Say`].
pub(crate) enum Step {
    /// One event with this data.
    Event(String),
    /// These bytes.
    Bytes(String),
    /// Nothing, for so many milliseconds.
    Pause(u64),
    /// The connection breaks.
    Cut,
    /// Nothing until the other side leaves.
    Hang,
}

/// A completion as it is streamed.
pub(crate) fn stream(says: &[Say], model: &str, key: &str, form: &Form) -> Vec<Step> {
    let mut steps = vec![event(form, model, &json!({"role": "assistant", "content": ""}), None)];
    let mut index = 0;
    let mut ended = false;
    for say in says {
        match say {
            Say::Text(text) => steps.push(event(form, model, &json!({ "content": text }), None)),
            Say::EchoKey => steps.push(event(form, model, &json!({ "content": key }), None)),
            Say::Reasoning(text) => {
                steps.push(event(form, model, &json!({ "reasoning_content": text }), None));
            }
            Say::Call(call) => {
                calls(&mut steps, std::slice::from_ref(call), &mut index, model, form);
            }
            Say::Calls(several) => calls(&mut steps, several, &mut index, model, form),
            Say::Usage(usage) => {
                let mut chunk = envelope(form, model, "chat.completion.chunk");
                chunk.insert("choices".to_owned(), json!([]));
                chunk.insert("usage".to_owned(), tokens(*usage));
                steps.push(Step::Event(Value::Object(chunk).to_string()));
            }
            Say::Finish(reason) => {
                ended = true;
                steps.push(event(form, model, &json!({}), Some(reason)));
            }
            Say::Pause(milliseconds) => steps.push(Step::Pause(*milliseconds)),
            Say::Raw(data) => steps.push(Step::Event(data.clone())),
            Say::Bytes(bytes) => steps.push(Step::Bytes(bytes.clone())),
            Say::Cut => {
                steps.push(Step::Cut);
                return steps;
            }
            Say::Stop => return steps,
            Say::Hang => {
                steps.push(Step::Hang);
                return steps;
            }
        }
    }
    if !ended {
        // Usage follows the finish reason on the wire, so the reason goes before a usage that was said last.
        let at = steps.len() - usize::from(matches!(says.last(), Some(Say::Usage(_))));
        steps.insert(at, event(form, model, &json!({}), Some(reason(index))));
    }
    if form.done {
        steps.push(Step::Event("[DONE]".to_owned()));
    }
    steps
}

/// The same completion in one piece; `None` where the script breaks the connection before its end.
pub(crate) fn whole(says: &[Say], model: &str, key: &str) -> Option<Value> {
    let mut message = json!({"role": "assistant", "content": null});
    let (mut text, mut reasoning, mut called) = (String::new(), String::new(), Vec::new());
    let (mut finish, mut usage) = (None, Usage::default());
    for say in says {
        match say {
            Say::Text(piece) => text.push_str(piece),
            Say::EchoKey => text.push_str(key),
            Say::Reasoning(piece) => reasoning.push_str(piece),
            Say::Call(call) => called.push(call.clone()),
            Say::Calls(calls) => called.extend(calls.iter().cloned()),
            Say::Usage(stated) => usage = *stated,
            Say::Finish(stated) => finish = Some(stated.clone()),
            Say::Pause(_) | Say::Raw(_) | Say::Bytes(_) => {}
            Say::Cut | Say::Stop | Say::Hang => return None,
        }
    }
    let finish = finish.unwrap_or_else(|| reason(called.len()).to_owned());
    if !text.is_empty() {
        message["content"] = text.into();
    }
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !called.is_empty() {
        let calls = called.iter().map(|call| {
            json!({"id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": call.arguments}})
        });
        message["tool_calls"] = calls.collect();
    }
    let mut body = envelope(&Form::default(), model, "chat.completion");
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish});
    body.insert("choices".to_owned(), json!([choice]));
    body.insert("usage".to_owned(), tokens(usage));
    Some(Value::Object(body))
}

fn reason(calls: usize) -> &'static str {
    if calls > 0 { "tool_calls" } else { "stop" }
}

fn envelope(form: &Form, model: &str, object: &str) -> Map<String, Value> {
    let mut chunk = Map::new();
    if form.envelope {
        chunk.insert("id".to_owned(), "chatcmpl-scripted".into());
        chunk.insert("object".to_owned(), object.into());
        chunk.insert("created".to_owned(), 1_700_000_000.into());
        chunk.insert("model".to_owned(), model.into());
    }
    chunk
}

fn event(form: &Form, model: &str, delta: &Value, finish: Option<&str>) -> Step {
    let mut chunk = envelope(form, model, "chat.completion.chunk");
    chunk.insert("choices".to_owned(), json!([{"index": 0, "delta": delta, "finish_reason": finish}]));
    Step::Event(Value::Object(chunk).to_string())
}

/// The pieces of these calls, in turns: first each call's head, then each call's first piece of arguments, and so on.
fn calls(steps: &mut Vec<Step>, calls: &[Call], index: &mut usize, model: &str, form: &Form) {
    let first = *index;
    *index += calls.len();
    let mut push = |number: usize, mut piece: Value| {
        if form.index {
            piece["index"] = (first + number).into();
        }
        steps.push(event(form, model, &json!({ "tool_calls": [piece] }), None));
    };
    for (number, call) in calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        push(number, json!({"id": call.id, "type": "function", "function": function}));
    }
    let pieces: Vec<Vec<String>> = calls.iter().map(|call| cut(&call.arguments, call.pieces)).collect();
    let longest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..longest {
        for (number, pieces) in pieces.iter().enumerate() {
            if let Some(piece) = pieces.get(round) {
                push(number, json!({"function": {"arguments": piece}}));
            }
        }
    }
}

/// `text` in at most `pieces` pieces of about the same length.
fn cut(text: &str, pieces: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let length = characters.len().div_ceil(pieces.max(1)).max(1);
    characters.chunks(length).map(|piece| piece.iter().collect()).collect()
}

fn tokens(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_into_all_of_its_characters() {
        for (text, pieces) in [("", 2), ("a", 3), ("{\"ä\":1}", 2), ("abcdefg", 3), ("abc", 0)] {
            assert_eq!(cut(text, pieces).concat(), text);
            assert!(cut(text, pieces).len() <= pieces.max(1));
        }
    }
}
