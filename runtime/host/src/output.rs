//! From what a guest answered to what the caller gets: sizes and JSON checked, texts bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openpact_bindings::v0_1_0::exports::openpact::tool::tools;
use openpact_model::tool::{Body, Content, Effects, Limit, Reads, ToolFailure, ToolOutput, ToolSpec, Writes};
use serde_json::Value;

/// The longest text in characters of a tool's own error.
const MAX_ERROR: usize = 8 * 1024;
/// What one piece of an answer counts beside its text, so that a million empty pieces are no small answer.
const PIECE_BYTES: usize = 64;

/// The answer of a tool, at most `max` bytes.
pub(crate) fn answer(
    result: Result<tools::Outcome, tools::ToolError>,
    max: u64,
) -> Result<ToolOutput, ToolFailure> {
    let outcome = result.map_err(own_error)?;
    if size(&outcome) > max {
        return Err(ToolFailure::LimitReached { limit: Limit::Result, value: max });
    }
    let structured = outcome.structured.map(|text| json(&text, "its structured answer")).transpose()?;
    let content = outcome.content.into_iter().map(piece).collect::<Result<_, _>>()?;
    Ok(ToolOutput { content, structured })
}

/// The tools that a guest lists. `Err` says what is wrong with which.
pub(crate) fn listed(tools: Vec<tools::Tool>) -> Result<Vec<ToolSpec>, String> {
    tools.into_iter().map(spec).collect()
}

fn size(outcome: &tools::Outcome) -> u64 {
    let pieces = outcome.content.iter().map(|piece| {
        PIECE_BYTES
            + match piece {
                tools::Content::Text(text) | tools::Content::Json(text) => text.len(),
                tools::Content::Image(image) => image.data.len() + image.media_type.len(),
                tools::Content::Audio(audio) => audio.data.len() + audio.media_type.len(),
                tools::Content::Embedded(embedded) => {
                    let body = match &embedded.body {
                        tools::Body::Text(text) => text.len(),
                        tools::Body::Blob(data) => data.len(),
                    };
                    embedded.uri.len() + embedded.media_type.as_ref().map_or(0, String::len) + body
                }
                tools::Content::ResourceLink(link) => {
                    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                    link.uri.len()
                        + link.name.len()
                        + optional(&link.description)
                        + optional(&link.media_type)
                }
            }
    });
    let structured = outcome.structured.as_ref().map_or(0, String::len);
    (pieces.sum::<usize>() + structured) as u64
}

fn piece(piece: tools::Content) -> Result<Content, ToolFailure> {
    Ok(match piece {
        tools::Content::Text(text) => Content::Text { text },
        tools::Content::Json(text) => Content::Json { value: json(&text, "a piece of its answer")? },
        tools::Content::Image(image) => {
            Content::Image { data: STANDARD.encode(image.data), media_type: image.media_type }
        }
        tools::Content::ResourceLink(link) => Content::ResourceLink {
            uri: link.uri,
            name: link.name,
            description: link.description,
            media_type: link.media_type,
        },
        tools::Content::Audio(audio) => {
            Content::Audio { data: STANDARD.encode(audio.data), media_type: audio.media_type }
        }
        tools::Content::Embedded(embedded) => Content::Embedded {
            uri: embedded.uri,
            media_type: embedded.media_type,
            body: match embedded.body {
                tools::Body::Text(text) => Body::Text(text),
                tools::Body::Blob(data) => Body::Blob(STANDARD.encode(data)),
            },
        },
    })
}

fn json(text: &str, what: &str) -> Result<Value, ToolFailure> {
    serde_json::from_str(text).map_err(|error| ToolFailure::Broken(format!("{what} is no JSON: {error}")))
}

fn own_error(error: tools::ToolError) -> ToolFailure {
    match error {
        tools::ToolError::InvalidArguments(text) => ToolFailure::InvalidArguments(bounded(text)),
        tools::ToolError::NotFound(text) => ToolFailure::NotFound(bounded(text)),
        tools::ToolError::Denied(text) => ToolFailure::Denied(bounded(text)),
        tools::ToolError::Unavailable(text) => ToolFailure::Unavailable(bounded(text)),
        tools::ToolError::Failed(text) => ToolFailure::Failed(bounded(text)),
    }
}

fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_ERROR) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn spec(tool: tools::Tool) -> Result<ToolSpec, String> {
    let schema = |text: &str, which: &str| {
        serde_json::from_str::<Value>(text)
            .map_err(|error| format!("the {which} schema of the tool '{}' is no JSON: {error}", tool.name))
    };
    Ok(ToolSpec {
        input_schema: schema(&tool.input_schema, "input")?,
        output_schema: tool.output_schema.as_deref().map(|text| schema(text, "output")).transpose()?,
        effects: Effects {
            reads: match tool.effects.reads {
                tools::Reads::Nothing => Reads::Nothing,
                tools::Reads::Private => Reads::Private,
                tools::Reads::Untrusted => Reads::Untrusted,
            },
            writes: match tool.effects.writes {
                tools::Writes::Nothing => Writes::Nothing,
                tools::Writes::Local => Writes::Local,
                tools::Writes::External => Writes::External,
            },
        },
        title: tool.title,
        description: tool.description,
        name: tool.name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: Vec<tools::Content>, structured: Option<&str>) -> Result<ToolOutput, ToolFailure> {
        answer(Ok(tools::Outcome { content, structured: structured.map(str::to_owned) }), 1000)
    }

    #[test]
    fn the_limit_holds_from_both_sides() {
        let text = |bytes| vec![tools::Content::Text("x".repeat(bytes))];
        assert!(check(text(1000 - PIECE_BYTES), None).is_ok());
        let over = ToolFailure::LimitReached { limit: Limit::Result, value: 1000 };
        assert_eq!(check(text(1001 - PIECE_BYTES), None), Err(over.clone()));
        assert_eq!(check(vec![tools::Content::Text(String::new()); 16], None), Err(over), "pieces count too");
    }

    #[test]
    fn json_is_checked() {
        let good = check(vec![tools::Content::Json("[1]".into())], Some("{\"a\":1}")).unwrap();
        assert_eq!(good.structured, Some(serde_json::json!({"a": 1})));
        for bad in ["", "{", "1 2", "nul"] {
            assert!(matches!(
                check(vec![tools::Content::Json(bad.into())], None),
                Err(ToolFailure::Broken(_))
            ));
            assert!(matches!(check(vec![], Some(bad)), Err(ToolFailure::Broken(_))));
        }
        let deep = "[".repeat(500);
        assert!(matches!(check(vec![], Some(&deep)), Err(ToolFailure::Broken(_))));
    }

    #[test]
    fn the_words_of_an_error_are_bounded() {
        let long = answer(Err(tools::ToolError::Failed("ä".repeat(100_000))), 1000).unwrap_err();
        let ToolFailure::Failed(text) = long else { panic!("must be the tool's own") };
        assert_eq!(text.chars().count(), MAX_ERROR + 1);
    }

    #[test]
    fn a_schema_that_is_no_json_names_its_tool() {
        let tool = tools::Tool {
            name: "draw".into(),
            title: None,
            description: String::new(),
            input_schema: "{".into(),
            output_schema: None,
            effects: tools::Effects { reads: tools::Reads::Nothing, writes: tools::Writes::Nothing },
        };
        assert!(listed(vec![tool]).unwrap_err().contains("'draw'"));
    }
}
