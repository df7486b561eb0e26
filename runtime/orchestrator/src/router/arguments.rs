//! The arguments of a tool call, read from the text that a model wrote: bounded in size and depth, and without the
//! duplicate keys that two readers of one text would understand differently.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How large arguments may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Objects and lists inside each other; the outermost object counts as one. At most 32.
    pub depth: usize,
    /// Values of every kind, those that hold others included.
    pub values: usize,
}

/// The deepest arguments that there can be.
pub(super) const MAX_DEPTH: usize = 32;

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, depth: MAX_DEPTH, values: 20_000 }
    }
}

/// Reads `text` as one JSON object. Models send nothing at all for a tool without parameters, which counts as `{}`.
/// The error is for the model: it says what is wrong and where.
pub(super) fn parse(text: &str, limits: Limits) -> Result<Value, String> {
    if text.len() > limits.bytes {
        return Err(format!("{} bytes of arguments; at most {} are read", text.len(), limits.bytes));
    }
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let values = Cell::new(limits.values);
    let seed = Bounded { left: limits.depth.min(MAX_DEPTH), limits, values: &values };
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("the arguments must be one JSON object, such as {\"path\": \"notes.md\"}".to_owned()),
        Err(error) => Err(format!("the arguments are not the JSON that is wanted: {error}")),
    }
}

/// The levels of a value, and how many values it is made of.
pub(super) fn size(value: &Value) -> (usize, u64) {
    let inner: Vec<(usize, u64)> = match value {
        Value::Array(items) => items.iter().map(size).collect(),
        Value::Object(fields) => fields.values().map(size).collect(),
        _ => return (0, 1),
    };
    let deepest = inner.iter().map(|(levels, _)| *levels).max().unwrap_or(0);
    (deepest + 1, inner.iter().map(|(_, values)| values).sum::<u64>() + 1)
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Bounded<'c> {
    /// How many more levels may open.
    left: usize,
    /// How many more values may come.
    values: &'c Cell<usize>,
    limits: Limits,
}

impl Bounded<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let Some(left) = self.left.checked_sub(1) else {
            let depth = self.limits.depth.min(MAX_DEPTH);
            return Err(E::custom(format_args!("nested deeper than {depth} levels")));
        };
        Ok(Self { left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.values.get().checked_sub(1) {
            Some(left) => self.values.set(left),
            None => return Err(D::Error::custom(format_args!("more than {} values", self.limits.values))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if fields.contains_key(&key) {
                let shown = openpact_model::text::one_line(&key, 64);
                return Err(A::Error::custom(format_args!("the key \"{shown}\" is given twice")));
            }
            let value = access.next_value_seed(inner)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 64, depth: 3, values: 8 };

    #[track_caller]
    fn check(text: &str, expected: Result<Value, &str>) {
        match (parse(text, LIMITS), expected) {
            (Ok(value), Ok(wanted)) => assert_eq!(value, wanted),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error:?} does not say {part:?}"),
            (result, expected) => panic!("{text:?} gave {result:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn nothing_at_all_is_no_arguments() {
        check("", Ok(json!({})));
        check(" \n", Ok(json!({})));
    }

    #[test]
    fn only_an_object_is_taken() {
        check(r#"{"a":[1,-2,3.5,null,true,"x"]}"#, Ok(json!({"a": [1, -2, 3.5, null, true, "x"]})));
        for other in ["[]", "1", "\"x\"", "null"] {
            check(other, Err("one JSON object"));
        }
    }

    #[test]
    fn malformed_text_is_refused_with_the_place() {
        check(r#"{"a":"#, Err("line 1 column 5"));
        check(r#"{"a":1} {"#, Err("trailing characters"));
        check(r#"{"a":1e999}"#, Err("out of range"));
        check(r#"{"a":"\ud800"}"#, Err("column"));
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused() {
        check(r#"{"path":"a","path":"b"}"#, Err("\"path\" is given twice"));
        check(r#"{"x":{"a":1,"a":1}}"#, Err("\"a\" is given twice"));
        check(r#"{"pa\u0074h":"a","path":"b"}"#, Err("\"path\" is given twice"));
    }

    #[test]
    fn the_depth_ends_where_it_says() {
        check(r#"{"a":[[1]]}"#, Ok(json!({"a": [[1]]})));
        check(r#"{"a":[[[1]]]}"#, Err("deeper than 3 levels"));
        let deep = "{\"a\":".repeat(50_000);
        let limits = Limits { bytes: deep.len(), depth: usize::MAX, values: usize::MAX };
        assert!(parse(&deep, limits).unwrap_err().contains("deeper than 32 levels"));
    }

    #[test]
    fn the_number_of_values_ends_where_it_says() {
        check(r#"{"a":[1,2,3],"b":{"c":[]}}"#, Ok(json!({"a": [1, 2, 3], "b": {"c": []}})));
        check(r#"{"a":[1,2,3,4],"b":{"c":[]}}"#, Ok(json!({"a": [1, 2, 3, 4], "b": {"c": []}})));
        check(r#"{"a":[1,2,3,4],"b":{"c":[1]}}"#, Err("more than 8 values"));
        assert_eq!(size(&json!({"a": [1, 2, 3, 4], "b": {"c": []}})), (3, 8));
        assert_eq!(size(&json!(1)), (0, 1));
    }

    #[test]
    fn the_size_ends_where_it_says() {
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(64 - 8));
        assert_eq!(fits.len(), 64);
        assert!(parse(&fits, LIMITS).is_ok());
        let over = format!("{fits} ");
        assert!(parse(&over, LIMITS).unwrap_err().contains("at most 64"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(value in values()) {
            let object = json!({ "value": value });
            prop_assert_eq!(parse(&object.to_string(), Limits::default()), Ok(object));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,64}") {
            let _: Result<Value, String> = parse(&text, Limits::default());
        }
    }
}
