//! From chunks of a completion to the pieces of an answer. Takes what servers in the field send, not only what the
//! reference says: fields may be missing, null or of another type, and what is unknown is passed over.

use serde_json::{Map, Value, json};

use super::refused;
use crate::builtin::provider::{Delta, Echo, Failure, Reason, Usage};
use crate::session::Call;

/// The fields in which servers send reasoning.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

/// Puts the chunks of one answer together.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    calls: Vec<Pending>,
    finish: Option<String>,
    usage: Option<Usage>,
    /// The reasoning so far, and the field that it came in.
    reasoning: Option<(&'static str, String)>,
    /// Whether the answer has an end mark.
    ended: bool,
    /// Whether anything came that is a chunk.
    any: bool,
}

/// A call that is still coming in.
#[derive(Debug, Default)]
struct Pending {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// What else the server said about it, such as a signature that it wants to see again.
    extra: Map<String, Value>,
}

impl Decoder {
    /// Takes one event, which may be several that a server failed to part.
    pub(super) fn event(&mut self, data: &[String], deltas: &mut impl Extend<Delta>) -> Result<(), Failure> {
        let joined = data.join("\n");
        if data.len() > 1 && serde_json::from_str::<Value>(&joined).is_err() {
            return data.iter().try_for_each(|line| self.take(line, deltas));
        }
        self.take(&joined, deltas)
    }

    /// Whether everything that makes an answer complete has come.
    pub(super) fn is_finished(&self) -> bool {
        self.ended || self.finish.is_some()
    }

    /// Whether nothing more is to come.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether nothing came that belongs to an answer.
    pub(super) fn is_fresh(&self) -> bool {
        !self.any
    }

    /// Takes a whole completion, which some servers send although a stream was asked for.
    pub(super) fn whole(&mut self, body: &Value, deltas: &mut impl Extend<Delta>) -> Result<(), Failure> {
        self.chunk(body, deltas)?;
        if body["choices"].as_array().is_none_or(Vec::is_empty) {
            return Err(Failure::nonsense(
                "the endpoint answered JSON that is no completion: check the address (does it end in /v1?)",
            ));
        }
        self.ended = true;
        Ok(())
    }

    /// What is left to say, now that the answer is complete.
    pub(super) fn finish(&mut self) -> Vec<Delta> {
        let mut echo = Echo::new();
        let mut deltas = Vec::new();
        if let Some((field, text)) = self.reasoning.take() {
            echo.insert("message".to_owned(), json!({ field: text }));
        }
        let mut extras = Map::new();
        for (at, pending) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let Pending { id, name, arguments, extra, .. } = pending;
            if !extra.is_empty() {
                extras.insert(at.to_string(), Value::Object(extra));
            }
            deltas.push(Delta::Call(Call { id, name, arguments }));
        }
        if !extras.is_empty() {
            echo.insert("calls".to_owned(), Value::Object(extras));
        }
        deltas.extend(self.usage.take().map(Delta::Usage));
        let reason = match self.finish.as_deref() {
            Some("length" | "max_tokens") => Reason::Length,
            Some("content_filter" | "safety") => Reason::Filter,
            _ => Reason::Done,
        };
        deltas.push(Delta::End { reason, echo });
        deltas
    }

    fn take(&mut self, text: &str, deltas: &mut impl Extend<Delta>) -> Result<(), Failure> {
        match text.trim() {
            "" => return Ok(()),
            "[DONE]" => {
                self.ended = true;
                return Ok(());
            }
            _ => {}
        }
        let chunk: Value = serde_json::from_str(text).map_err(|_| {
            Failure::nonsense(
                "the endpoint sent a piece of an answer that is not JSON: it is no OpenAI-compatible service, or \
                 something on the way damages its answers",
            )
        })?;
        self.chunk(&chunk, deltas)
    }

    fn chunk(&mut self, chunk: &Value, deltas: &mut impl Extend<Delta>) -> Result<(), Failure> {
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(refused::in_stream(chunk));
        }
        if let Some(usage) = usage(&chunk["usage"]) {
            self.usage = Some(usage);
        }
        self.any = true;
        let choice = &chunk["choices"][0];
        let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        self.reasoning(delta, deltas);
        content(&delta["content"], deltas);
        // A refusal is what the model says instead of an answer.
        content(&delta["refusal"], deltas);
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            self.piece(piece);
        }
        if let Some(reason) = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason.to_owned());
        }
        Ok(())
    }

    fn reasoning(&mut self, delta: &Value, deltas: &mut impl Extend<Delta>) {
        let sent = REASONING.into_iter().find_map(|field| {
            let text = delta[field].as_str().filter(|text| !text.is_empty())?;
            Some((field, text))
        });
        let Some((field, text)) = sent else { return };
        self.reasoning.get_or_insert_with(|| (field, String::new())).1.push_str(text);
        deltas.extend([Delta::Reasoning(text.to_owned())]);
    }

    /// Takes a piece of a call. It belongs to the call of its index; without one, to the call of its id, and without
    /// that to the last one. Some servers give every call the index 0 and part them by their ids.
    fn piece(&mut self, piece: &Value) {
        let index = piece["index"].as_u64();
        let id = piece["id"].as_str().unwrap_or_default();
        let function = &piece["function"];
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().rposition(|call| call.id == id),
        };
        let known = known.filter(|at| {
            let other = &self.calls[*at].id;
            id.is_empty() || other.is_empty() || other == id
        });
        let at = known.unwrap_or_else(|| {
            self.calls.push(Pending { index, ..Pending::default() });
            self.calls.len() - 1
        });
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            function["name"].as_str().unwrap_or_default().clone_into(&mut call.name);
        }
        match &function["arguments"] {
            Value::Null => {}
            Value::String(text) => call.arguments.push_str(text),
            other => call.arguments.push_str(&other.to_string()),
        }
        for (key, value) in piece.as_object().into_iter().flatten() {
            if !["index", "id", "type", "function"].contains(&key.as_str()) && !value.is_null() {
                call.extra.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Content is a text, or a list of parts.
fn content(content: &Value, deltas: &mut impl Extend<Delta>) {
    match content {
        Value::String(text) if !text.is_empty() => deltas.extend([Delta::Text(text.clone())]),
        Value::Array(parts) => {
            for part in parts {
                self::content(&part["text"], deltas);
                for thought in part["thinking"].as_array().into_iter().flatten() {
                    if let Some(text) = thought["text"].as_str().filter(|text| !text.is_empty()) {
                        deltas.extend([Delta::Reasoning(text.to_owned())]);
                    }
                }
            }
        }
        _ => {}
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let number = |value: &Value| value.as_u64();
    let input = number(&usage["prompt_tokens"])?;
    let cached = number(&usage["prompt_tokens_details"]["cached_tokens"])
        .or_else(|| number(&usage["prompt_cache_hit_tokens"]))
        .unwrap_or(0);
    Some(Usage { input, output: number(&usage["completion_tokens"]).unwrap_or(0), cached })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[Value]) -> Vec<Delta> {
        let mut decoder = Decoder::default();
        let mut deltas = Vec::new();
        for chunk in chunks {
            decoder.event(&[chunk.to_string()], &mut deltas).unwrap();
        }
        deltas.extend(decoder.finish());
        deltas
    }

    fn calls(chunks: &[Value]) -> Vec<(String, String, String)> {
        let deltas = decode(chunks).into_iter().filter_map(|delta| match delta {
            Delta::Call(call) => Some((call.id, call.name, call.arguments)),
            _ => None,
        });
        deltas.collect()
    }

    fn piece(piece: &Value) -> Value {
        json!({"choices": [{"delta": {"tool_calls": [piece]}}]})
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn pieces_of_parallel_calls_find_their_call() {
        let chunks = [
            piece(&json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": ""}})),
            piece(&json!({"index": 1, "id": "b", "function": {"name": "y", "arguments": "{"}})),
            piece(&json!({"index": 0, "function": {"arguments": "{\"k\":"}})),
            piece(&json!({"index": 1, "function": {"arguments": "}"}})),
            piece(&json!({"index": 0, "function": {"arguments": "1}"}})),
        ];
        assert_eq!(calls(&chunks), [call("a", "x", "{\"k\":1}"), call("b", "y", "{}")]);
    }

    #[test]
    fn calls_are_told_apart_without_a_proper_index() {
        let none = [
            piece(&json!({"id": "a", "function": {"name": "x", "arguments": "{"}})),
            piece(&json!({"function": {"arguments": "}"}})),
            piece(&json!({"id": "b", "function": {"name": "x", "arguments": {"k": 1}}})),
        ];
        assert_eq!(calls(&none), [call("a", "x", "{}"), call("b", "x", "{\"k\":1}")]);
        let zero = [
            piece(&json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "{}"}})),
            piece(&json!({"index": 0, "id": "b", "function": {"name": "y", "arguments": "{"}})),
            piece(&json!({"index": 0, "function": {"arguments": "}"}})),
        ];
        assert_eq!(calls(&zero), [call("a", "x", "{}"), call("b", "y", "{}")]);
    }

    #[test]
    fn what_a_server_wants_to_see_again_is_kept() {
        let deltas = decode(&[
            json!({"choices": [{"delta": {"reasoning_content": "hm"}}]}),
            json!({"choices": [{"delta": {"reasoning_content": "m"}}]}),
            piece(&json!({"index": 0, "id": "a", "function": {"name": "x"}, "extra_content": {"s": 1}})),
        ]);
        let Some(Delta::End { echo, .. }) = deltas.last() else { panic!("{deltas:?}") };
        let expected =
            json!({"message": {"reasoning_content": "hmm"}, "calls": {"0": {"extra_content": {"s": 1}}}});
        assert_eq!(Value::Object(echo.clone()), expected);
    }

    #[test]
    fn content_may_be_parts_and_chunks_may_be_bare() {
        let deltas = decode(&[
            json!({}),
            json!({"choices": []}),
            json!({"choices": [{"delta": {"content": null}}]}),
            json!({"choices": [{"delta": {"content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "yes"}]}, "finish_reason": "unheard_of"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": null}}),
        ]);
        let expected = [
            Delta::Reasoning("hm".to_owned()),
            Delta::Text("yes".to_owned()),
            Delta::Usage(Usage { input: 3, output: 0, cached: 0 }),
            Delta::End { reason: Reason::Done, echo: Echo::new() },
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn events_that_were_not_parted_are_read_one_by_one() {
        let mut decoder = Decoder::default();
        let chunk = |text: &str| json!({"choices": [{"delta": {"content": text}}]}).to_string();
        let mut deltas = Vec::new();
        decoder.event(&[chunk("a"), chunk("b"), "[DONE]".to_owned()], &mut deltas).unwrap();
        assert_eq!(deltas, [Delta::Text("a".to_owned()), Delta::Text("b".to_owned())]);
        assert!(decoder.is_ended());
    }
}
