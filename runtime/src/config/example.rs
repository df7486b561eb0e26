//! The example file: every key with its description, commented out, with its default or an example behind it.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::Schema;

/// The widest line of a description.
const WIDTH: usize = 118;

/// The key of a mapping's schema that gives a name to show its values under.
const NAMED: &str = "x-example-name";

const HEAD: &str = "\
The configuration of OpenPact, every key with its default or an example.

It lives in DATA/secure/config.yaml, or where --config or OPENPACT_CONFIG says; a fresh data directory needs none.
To set a key, take the '#' in front of it away, and those of the keys that it stands under. An environment variable
sets one too: OPENPACT_ENGINE__MODEL is 'model' in 'engine'. '${NAME}' in a value is replaced by that variable.

This file is generated: 'openpact config example' prints it, 'openpact config schema' prints its JSON schema, and
'openpact config check' says what is wrong with yours.";

/// The whole file.
pub(super) fn text(schema: &Schema) -> String {
    let mut text = String::new();
    comment(&mut text, HEAD, 0);
    keys(&mut text, schema.root(), None, 0);
    text
}

/// The keys of one object, each with an empty line before it where it begins a section. `default` is what the object
/// is when nothing of it is written.
fn keys(text: &mut String, schema: &Value, default: Option<&Value>, depth: usize) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, schema) in properties {
        if depth == 0 {
            text.push('\n');
        }
        let default = default.and_then(|default| default.get(key)).or_else(|| schema.get("default"));
        property(text, key, schema, default.filter(|default| !default.is_null()), depth);
    }
}

fn property(text: &mut String, key: &str, schema: &Value, default: Option<&Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        comment(text, description, depth);
    }
    let named = schema.get(NAMED).and_then(Value::as_str);
    let example = schema.get("examples").and_then(|examples| examples.get(0));
    let below = below(schema);
    if has_keys(below) {
        line(text, &format!("{indent}#{key}:"));
        keys(text, below, default, depth + 1);
    } else if let (Some(name), Some(below)) = (named, schema.get("additionalProperties")) {
        line(text, &format!("{indent}#{key}:"));
        line(text, &format!("{indent}  #{name}:"));
        keys(text, below, None, depth + 2);
    } else {
        let default = default.filter(|default| !is_empty(default));
        let shown = default.or(example).map_or_else(String::new, |value| format!(" {}", flow(value)));
        line(text, &format!("{indent}#{key}:{shown}"));
    }
}

/// Where the keys of a property are described: in itself, or in the alternatives of an optional one.
fn below(schema: &Value) -> &Value {
    let choices = schema.get("anyOf").and_then(Value::as_array);
    choices.into_iter().flatten().find(|choice| has_keys(choice)).unwrap_or(schema)
}

fn has_keys(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|keys| !keys.is_empty())
}

/// Whether a default says so little that an example says more.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// A value on one line: JSON is YAML, and plain words need no quotes.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if !map.is_empty() => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether YAML reads the text as itself without quotes.
fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "/.-_:".contains(c)) && !text.ends_with(':');
    let word =
        !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    first && safe && word && text.parse::<f64>().is_err()
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}

/// Paragraphs are kept, line ends within them are not.
fn comment(text: &mut String, description: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    for (index, paragraph) in description.split("\n\n").enumerate() {
        if index > 0 {
            line(text, &format!("{indent}#"));
        }
        for words in wrapped(&paragraph.replace('\n', " "), WIDTH - indent.len()) {
            line(text, &format!("{indent}# {words}"));
        }
    }
}

/// `line` in pieces of at most `width` characters, cut at spaces.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
