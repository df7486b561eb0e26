//! The schema of a tool's arguments: JSON Schema 2020-12, compiled once, nothing fetched.

use jsonschema::{Draft, PatternOptions, Validator};
use openpact_model::text::one_line;
use serde_json::Value;

use super::{arguments, weight};

/// The longest schema in bytes. A schema comes with a signed component, but a model reads it with every turn.
const MAX_BYTES: usize = 128 * 1024;

/// More mistakes than this are counted, not told.
const MAX_TOLD: usize = 5;

/// Where mistakes are told one by one, more than this many steps are not taken for it: telling them takes every way
/// through the schema, while a check goes through none twice.
const MAX_STEPS: u64 = 200_000;

/// A compiled schema.
pub(super) struct Schema {
    validator: Validator,
    /// What a check takes at most, by the levels of the arguments.
    steps: Vec<u64>,
}

impl Schema {
    /// Compiles `schema`. The error is for the author of the tool.
    pub(super) fn compile(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() {
            return Err("the schema of the arguments must be a JSON object".to_owned());
        }
        let bytes = schema.to_string().len();
        if bytes > MAX_BYTES {
            return Err(format!("the schema has {bytes} bytes; at most {MAX_BYTES} are taken"));
        }
        let steps = weight::weigh(schema, arguments::MAX_DEPTH)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            // The engine of linear time: no pattern of a schema can be made to run for ever by what a model writes.
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map_err(|error| one_line(&error.to_string(), 400))?;
        Ok(Self { validator, steps })
    }

    /// Whether `arguments` fit. The error is for the model and names the place of each mistake.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), String> {
        if self.validator.is_valid(arguments) {
            return Ok(());
        }
        let (levels, values) = arguments::size(arguments);
        let steps = self.steps.get(levels).map_or(u64::MAX, |steps| steps.saturating_mul(values));
        if steps > MAX_STEPS {
            return Err("they do not fit the tool's schema, which is too involved to say where".to_owned());
        }
        let mut told = Vec::new();
        let mut more = 0_usize;
        for error in self.validator.iter_errors(arguments) {
            if told.len() == MAX_TOLD {
                more += 1;
                continue;
            }
            let path = error.instance_path().as_str();
            let place = if path.is_empty() { "/" } else { path };
            // Masked: a value may be long, and the model knows what it wrote.
            told.push(format!("{}: {}", one_line(place, 120), one_line(&error.masked().to_string(), 240)));
        }
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        Err(told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::compile(&json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "pattern": "^[a-z/]+$" },
                "lines": { "type": "array", "items": { "type": "integer", "minimum": 1 } },
                "mode": { "enum": ["overwrite", "append"] },
            },
            "required": ["path"],
            "additionalProperties": false,
        }))
        .unwrap()
    }

    #[track_caller]
    fn check(arguments: &Value, parts: &[&str]) {
        match schema().check(arguments) {
            Ok(()) => assert!(parts.is_empty(), "{arguments} was taken"),
            Err(error) => {
                assert!(!parts.is_empty(), "{arguments} was refused: {error}");
                for part in parts {
                    assert!(error.contains(part), "{error:?} does not say {part:?}");
                }
            }
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        check(&json!({"path": "a", "lines": [1, 2]}), &[]);
        check(&json!({}), &["/:", "\"path\" is a required property"]);
        check(&json!({"path": "a", "lines": [1, 0]}), &["/lines/1:", "minimum"]);
        check(&json!({"path": 1, "mode": "x"}), &["/path:", "/mode:", "; "]);
        check(&json!({"path": "a", "extra": 1}), &["extra"]);
    }

    #[test]
    fn a_long_value_is_not_repeated_to_the_model() {
        let error = schema().check(&json!({"path": "X".repeat(10_000)})).unwrap_err();
        assert!(error.len() < 400 && !error.contains("XXXX"), "{error}");
    }

    #[test]
    fn many_mistakes_are_counted() {
        let lines = vec![0; 9];
        check(&json!({"path": "a", "lines": lines}), &["/lines/4", "and 4 more"]);
    }

    #[test]
    fn nothing_is_fetched() {
        for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
            assert!(Schema::compile(&json!({"$ref": reference})).is_err(), "{reference}");
        }
    }

    #[test]
    fn a_broken_schema_is_refused() {
        for bad in [
            json!([]),
            json!(true),
            json!({"type": "thing"}),
            json!({"properties": 1}),
            json!({"pattern": "("}),
            json!({"$ref": "#/$defs/none"}),
            json!({"description": "x".repeat(MAX_BYTES)}),
        ] {
            assert!(Schema::compile(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_cannot_be_made_to_run_for_ever() {
        let schema = Schema::compile(&json!({"properties": {"a": {"pattern": "^(a+)+$"}}})).unwrap();
        let arguments = json!({"a": format!("{}!", "a".repeat(50_000))});
        assert!(schema.check(&arguments).is_err());
        assert!(Schema::compile(&json!({"pattern": "^(?=a)(a+)+$"})).is_err());
    }

    #[test]
    fn a_schema_may_refer_to_itself_one_level_down() {
        assert!(Schema::compile(&json!({"$ref": "#"})).is_err());
        let tree = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        let schema = Schema::compile(&tree).unwrap();
        assert!(schema.check(&json!({"child": {"child": {}}})).is_ok());
        assert!(schema.check(&json!({"child": {"child": 1}})).unwrap_err().contains("/child/child"));
    }

    #[test]
    fn a_schema_of_many_ways_is_checked_all_the_same() {
        let tree = json!({
            "properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}},
            "additionalProperties": false,
        });
        let schema = Schema::compile(&tree).unwrap();
        let nested = |inner, levels| (0..levels).fold(inner, |inner, _| json!({ "a": inner }));
        let levels = arguments::MAX_DEPTH - 1;
        assert!(schema.check(&nested(json!({}), levels)).is_ok());
        // Telling where would take two to the power of thirty-one ways.
        assert!(schema.check(&nested(json!({"b": 1}), levels)).unwrap_err().contains("too involved"));
        assert!(schema.check(&nested(json!({"b": 1}), 2)).unwrap_err().contains("/a:"));
    }

    #[test]
    fn the_deepest_check_that_is_taken_fits_the_stack() {
        // Near the limit of levels, with the deepest arguments; the stack is that of a thread of the runtime.
        let inner =
            (0..4).fold(json!({"properties": {"a": {"$ref": "#"}}}), |inner, _| json!({ "allOf": [inner] }));
        let schema = Schema::compile(&inner).unwrap();
        let deepest = (1..arguments::MAX_DEPTH).fold(json!({}), |inner, _| json!({ "a": inner }));
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let check = thread.spawn(move || schema.check(&deepest)).unwrap();
        assert_eq!(check.join().unwrap(), Ok(()));
    }

    #[test]
    fn many_values_that_must_differ_are_compared_in_time() {
        let schema = Schema::compile(&json!({"properties": {"a": {"uniqueItems": true}}})).unwrap();
        let items: Vec<Value> =
            (0..arguments::Limits::default().values / 2 - 2).map(|n| json!({ "n": n })).collect();
        assert!(schema.check(&json!({ "a": items })).is_ok());
    }
}
