//! Where a call may lead that gives its tool an address.
//!
//! A request to read a page can carry data out: in its path, its query, its host. So a session that holds private things
//! reaches only addresses that its owner wrote in it. Two things hold that up. A tool whose schema marks an argument as an
//! address (`"format": "uri"`, or another of [`FORMATS`]) is not run with another one. And whatever a tool's schema says,
//! a grant for any site lets its component reach nothing in this call but addresses of the owner that stand in its
//! arguments: the door to the network compares what is really asked for.

use std::collections::BTreeSet;

use openpact_model::text::one_line;
use openpact_model::tool::Reach;
use serde_json::Value;

use super::address;

/// The formats of JSON Schema that are addresses (2020-12, Validation, section 7.3.5), and one that people write.
const FORMATS: [&str; 5] = ["uri", "uri-reference", "iri", "iri-reference", "url"];

/// The arguments of one tool that are addresses. Rather too many than too few: a name that is marked at one place of the
/// schema is an address at every place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    names: BTreeSet<String>,
    /// Something without a name is marked, so every text counts.
    all: bool,
    refers: bool,
}

/// The texts of a call's arguments.
struct Texts<'a> {
    all: Vec<&'a str>,
    marked: Vec<&'a str>,
}

impl Marks {
    /// Reads the schema of a tool.
    pub(super) fn of(schema: &Value) -> Self {
        let mut marks = Self::default();
        marks.read(schema, None);
        // What a reference leads to may be found under any name.
        marks.all |= marks.refers && !marks.names.is_empty();
        marks
    }

    fn read(&mut self, schema: &Value, name: Option<&str>) {
        match schema {
            Value::Array(schemas) => schemas.iter().for_each(|schema| self.read(schema, name)),
            Value::Object(keywords) => {
                let format = keywords.get("format").and_then(Value::as_str);
                if format.is_some_and(|format| FORMATS.contains(&format)) {
                    match name {
                        Some(name) => drop(self.names.insert(name.to_owned())),
                        None => self.all = true,
                    }
                }
                self.refers |= keywords.contains_key("$ref") || keywords.contains_key("$dynamicRef");
                for (keyword, inner) in keywords {
                    match (keyword.as_str(), inner) {
                        ("properties", Value::Object(properties)) => {
                            properties.iter().for_each(|(name, schema)| self.read(schema, Some(name)));
                        }
                        // What they hold may be used, or found, under any name.
                        ("$defs" | "definitions" | "patternProperties" | "additionalProperties", inner) => {
                            self.read(inner, None);
                        }
                        (_, inner) => self.read(inner, name),
                    }
                }
            }
            _ => {}
        }
    }

    fn texts<'a>(&self, arguments: &'a Value) -> Texts<'a> {
        let mut texts = Texts { all: Vec::new(), marked: Vec::new() };
        self.collect(arguments, self.all, &mut texts);
        texts
    }

    fn collect<'a>(&self, value: &'a Value, is_marked: bool, texts: &mut Texts<'a>) {
        match value {
            Value::String(text) => {
                texts.all.push(text);
                if is_marked {
                    texts.marked.push(text);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, is_marked, texts)),
            Value::Object(fields) => {
                for (name, inner) in fields {
                    self.collect(inner, is_marked || self.names.contains(name), texts);
                }
            }
            _ => {}
        }
    }

    /// The addresses that stand in the arguments, each a whole text.
    pub(super) fn addresses(&self, arguments: &Value) -> BTreeSet<String> {
        self.texts(arguments).all.into_iter().filter_map(address::normal).collect()
    }

    /// What a call with these arguments may reach, where a person wrote `written` of their addresses.
    ///
    /// # Errors
    /// A sentence about the first marked argument that is none of them.
    pub(super) fn keep_to(&self, arguments: &Value, written: BTreeSet<String>) -> Result<Reach, String> {
        let is_written =
            |text: &&str| address::normal(text).is_some_and(|address| written.contains(&address));
        match self.texts(arguments).marked.into_iter().find(|text| !is_written(text)) {
            Some(text) => Err(unwritten(text)),
            None => Ok(Reach::Only(written.into())),
        }
    }

    /// The arguments with each marked address in the form in which it is compared, so that no tool reads another one in
    /// it. Fragments, which are never sent, stay.
    pub(super) fn normalise(&self, arguments: &mut Value) {
        self.rewrite(arguments, self.all);
    }

    fn rewrite(&self, value: &mut Value, is_marked: bool) {
        match value {
            Value::String(text) if is_marked => {
                let Some(address) = address::normal(text) else { return };
                *text = match text.split_once('#') {
                    Some((_, fragment)) => format!("{address}#{fragment}"),
                    None => address,
                };
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item, is_marked)),
            Value::Object(fields) => {
                for (name, inner) in fields {
                    let is_marked = is_marked || self.names.contains(name);
                    self.rewrite(inner, is_marked);
                }
            }
            _ => {}
        }
    }
}

/// What a model is told whose address nobody wrote.
fn unwritten(address: &str) -> String {
    let shown = one_line(address, 200);
    format!(
        "this conversation holds private things, so only addresses that its owner wrote in it are fetched, to the letter, \
         and {shown} is none of them. Ask the owner to send the address as a message, with https://, and then fetch exactly \
         that"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn marked(schema: &Value, arguments: &Value) -> Vec<String> {
        Marks::of(schema).texts(arguments).marked.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn marked_arguments_are_found_wherever_they_stand() {
        let uri = json!({"type": "string", "format": "uri"});
        let arguments = json!({"url": "a", "urls": ["b", "c"], "in": {"url": "d"}, "text": "e"});
        let simple = json!({"type": "object", "properties": {"url": uri, "text": {"type": "string"}}});
        assert_eq!(marked(&simple, &arguments), ["a", "d"]);
        let list =
            json!({"properties": {"urls": {"type": "array", "items": {"anyOf": [{"type": "null"}, uri]}}}});
        assert_eq!(marked(&list, &arguments), ["b", "c"]);
        for schema in [
            json!({"$defs": {"x": uri}, "properties": {"url": {"$ref": "#/$defs/x"}}}),
            json!({"properties": {"url": uri, "text": {"$ref": "#/properties/url"}}}),
            json!({"additionalProperties": uri}),
            json!({"patternProperties": {"^u": {"format": "iri"}}}),
        ] {
            assert_eq!(marked(&schema, &arguments), ["a", "b", "c", "d", "e"], "{schema}");
        }
        let other = json!({"properties": {"url": {"type": "string", "format": "date"}}});
        assert!(marked(&other, &arguments).is_empty());
        // An argument that is itself called `format` or `properties` is no mark.
        let names = json!({"properties": {"format": {"enum": ["uri"]}, "properties": {"type": "string"}}});
        assert_eq!(Marks::of(&names), Marks::default());
    }

    #[test]
    fn every_marked_address_must_be_written_and_the_others_widen_nothing() {
        let marks = Marks::of(&json!({"properties": {"url": {"format": "uri"}}}));
        let written = || BTreeSet::from(["https://a.example/x".to_owned()]);
        let both = json!({"url": "https://A.example/x#y", "also": "https://b.example/"});
        assert_eq!(marks.addresses(&both).len(), 2);
        assert_eq!(marks.keep_to(&both, written()), Ok(Reach::Only(written().into())));
        for url in ["https://a.example/x?memory", "https://b.example/", "a.example/x", "not an address"] {
            let error = marks.keep_to(&json!({"url": url}), written()).expect_err(url);
            assert!(error.contains(url) && error.contains("send the address"), "{error}");
        }
        let shown =
            marks.keep_to(&json!({"url": "https://a\n\u{202e}".repeat(100)}), written()).expect_err("long");
        assert!(!shown.contains('\n') && shown.len() < 700, "{shown}");
    }

    #[test]
    fn a_tool_gets_the_address_that_was_compared() {
        let marks = Marks::of(&json!({"properties": {"url": {"format": "uri"}}}));
        let mut arguments =
            json!({"url": "HTTPS://Bücher.example/x/../ä#part", "text": "HTTPS://Bücher.example"});
        marks.normalise(&mut arguments);
        assert_eq!(arguments["url"], "https://xn--bcher-kva.example/%C3%A4#part");
        assert_eq!(arguments["text"], "HTTPS://Bücher.example");
        let mut other = json!({"url": "mailto:a@b.example"});
        marks.normalise(&mut other);
        assert_eq!(other["url"], "mailto:a@b.example");
    }
}
