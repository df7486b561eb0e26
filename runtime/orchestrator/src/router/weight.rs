//! How much work a schema can make, found out before it is used. A schema comes with a component and decides what our
//! own validator does with text that a model wrote: without a bound, forty short definitions that name each other
//! twice keep a processor busy for ever, and a long chain of them ends the program for want of stack.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// JSON levels of a schema.
const MAX_NESTING: usize = 64;

/// Subschemas that may be looked at inside each other for one value, its parts included: the stack has room for them.
const MAX_LEVELS: usize = 200;

/// Subschemas that may be looked at for one value, its parts not included.
const MAX_PLACE: u64 = 2_000;

/// Keywords whose subschemas, one or a list, apply to the same value.
const SAME_VALUE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Keywords whose subschemas, an object of them by name, apply to the same value.
const SAME_VALUE_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];

/// Keywords whose subschemas, one or a list, apply to the parts of a value.
const PART: [&str; 8] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];

/// Keywords whose subschemas, an object of them by name, apply to the parts of a value.
const PARTS_BY_NAME: [&str; 2] = ["properties", "patternProperties"];

/// References whose target depends on more than the place where they stand, and what they need.
const UNSUPPORTED: [&str; 5] =
    ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"];

/// What checking a value takes.
#[derive(Clone, Copy)]
struct Weight {
    /// Subschemas that are looked at.
    steps: u64,
    /// Subschemas that are looked at inside each other.
    levels: usize,
}

/// The most subschemas that are looked at for a value of 0, 1, … `depth` levels, with one part of each kind at every
/// level. The error is for the author of the schema.
pub(super) fn weigh(schema: &Value, depth: usize) -> Result<Vec<u64>, String> {
    if is_deeper(schema, MAX_NESTING) {
        return Err(format!("it is nested deeper than {MAX_NESTING} levels"));
    }
    let nodes = reachable(schema)?;
    let mut scale = Scale { root: schema, known: HashMap::new(), left: 0 };
    let mut steps = Vec::with_capacity(depth + 1);
    // From flat values to deep ones, so that what the parts take is known when a value is weighed.
    for left in 0..=depth {
        scale.left = left;
        for node in &nodes {
            let weight = scale.weigh(node, 0)?;
            if left == 0 && weight.steps > MAX_PLACE {
                return Err(format!("checking one value against it would take more than {MAX_PLACE} steps"));
            }
            if weight.levels > MAX_LEVELS {
                return Err(too_deep());
            }
        }
        steps.push(scale.weigh(schema, 0)?.steps);
    }
    Ok(steps)
}

/// Weighs subschemas, each once for every number of levels that a value may still have.
struct Scale<'s> {
    root: &'s Value,
    left: usize,
    /// By address and levels left; `None` while it is being weighed.
    known: HashMap<(*const Value, usize), Option<Weight>>,
}

impl<'s> Scale<'s> {
    /// `level` bounds our own stack.
    fn weigh(&mut self, schema: &'s Value, level: usize) -> Result<Weight, String> {
        let key = (std::ptr::from_ref(schema), self.left);
        match self.known.get(&key) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err("a part of it refers to itself for one and the same value".to_owned()),
            None if level > MAX_LEVELS => return Err(too_deep()),
            None => self.known.insert(key, None),
        };
        let mut sum = Weight { steps: 1, levels: 0 };
        for subschema in same_value(self.root, schema)? {
            sum.add(self.weigh(subschema, level + 1)?);
        }
        if let Some(left) = self.left.checked_sub(1) {
            for part in parts(schema) {
                let known = self.known.get(&(std::ptr::from_ref(part), left)).copied().flatten();
                sum.add(known.ok_or_else(|| "a part of it cannot be reached".to_owned())?);
            }
        }
        sum.levels += 1;
        self.known.insert(key, Some(sum));
        Ok(sum)
    }
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.levels = self.levels.max(other.levels);
    }
}

/// Every subschema that a value or a part of it may be checked against.
fn reachable(root: &Value) -> Result<Vec<&Value>, String> {
    let mut seen = HashSet::new();
    let (mut nodes, mut waiting) = (Vec::new(), vec![root]);
    while let Some(schema) = waiting.pop() {
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        nodes.push(schema);
        if let Some(name) = UNSUPPORTED.into_iter().find(|name| schema.get(name).is_some()) {
            return Err(format!(
                "{name} is not supported; refer to a part of the schema by its path, such as \"#/$defs/a\""
            ));
        }
        if schema.get("$id").is_some() && !std::ptr::eq(schema, root) {
            return Err("$id is supported only at the top".to_owned());
        }
        waiting.extend(same_value(root, schema)?);
        waiting.extend(parts(schema));
    }
    Ok(nodes)
}

/// The subschemas that apply to the same value.
fn same_value<'s>(root: &'s Value, schema: &'s Value) -> Result<Vec<&'s Value>, String> {
    let mut found: Vec<&Value> = subschemas(schema, &SAME_VALUE, &SAME_VALUE_BY_NAME).collect();
    if let Some(reference) = schema.get("$ref") {
        found.push(resolve(root, reference)?);
    }
    Ok(found)
}

/// The subschemas that apply to parts of the value.
fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    subschemas(schema, &PART, &PARTS_BY_NAME)
}

fn subschemas<'s>(
    schema: &'s Value,
    plain: &'static [&str],
    named: &'static [&str],
) -> impl Iterator<Item = &'s Value> {
    let plain = plain.iter().filter_map(|name| schema.get(*name)).flat_map(one_or_list);
    let named = named.iter().filter_map(|name| schema.get(*name)?.as_object());
    plain.chain(named.flat_map(serde_json::Map::values))
}

fn one_or_list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        other => vec![other],
    }
}

fn resolve<'s>(root: &'s Value, reference: &Value) -> Result<&'s Value, String> {
    let text = reference.as_str().unwrap_or_default();
    let shown = openpact_model::text::one_line(text, 120);
    let Some(pointer) = text.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Err(format!(
            "the reference \"{shown}\" leads out of it; only such as \"#/$defs/a\" are taken"
        ));
    };
    // A path with percent signs is decoded by the validator and not here; nobody needs one.
    let target = if pointer.contains('%') { None } else { root.pointer(pointer) };
    target.ok_or_else(|| format!("the reference \"{shown}\" leads nowhere"))
}

/// Whether the value has more than `levels` levels. Looks no deeper than that.
pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return false,
    };
    levels == 0 || inner.into_iter().any(|value| is_deeper(value, levels - 1))
}

fn too_deep() -> String {
    format!("checking a value against it could go through more than {MAX_LEVELS} levels")
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[track_caller]
    fn refused(schema: &Value, part: &str) {
        let error = weigh(schema, 32).unwrap_err();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }

    /// Definitions of which each names the next one `times` times.
    fn doubling(count: usize, times: usize) -> Value {
        let mut definitions = Map::new();
        for number in 0..count {
            let next = json!({ "$ref": format!("#/$defs/d{}", number + 1) });
            definitions.insert(format!("d{number}"), json!({ "anyOf": vec![next; times] }));
        }
        definitions.insert(format!("d{count}"), json!({ "type": "integer" }));
        json!({ "$defs": definitions, "properties": { "a": { "$ref": "#/$defs/d0" } } })
    }

    #[test]
    fn everyday_schemas_are_light() {
        let flat =
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"anyOf": [{}, {}]}}});
        assert_eq!(weigh(&flat, 2).unwrap(), [1, 5, 5]);
        let tree = json!({"$defs": {"n": {"properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}},
            "$ref": "#/$defs/n"});
        weigh(&tree, 32).expect("a tree is taken");
    }

    #[test]
    fn definitions_that_double_are_refused_before_they_hurt() {
        weigh(&doubling(8, 2), 32).expect("256 ways are few");
        refused(&doubling(40, 2), "more than 2000 steps");
        // Where nothing refers to them they cost nothing.
        let mut unused = doubling(40, 2);
        unused["properties"] = json!({});
        weigh(&unused, 32).expect("it is never looked at");
    }

    #[test]
    fn what_goes_round_in_circles_is_refused() {
        refused(&json!({"$ref": "#"}), "refers to itself");
        refused(&json!({"allOf": [{"not": {"$ref": "#"}}]}), "refers to itself");
        refused(
            &json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "items": {"$ref": "#/$defs/a"}}),
            "itself",
        );
    }

    #[test]
    fn what_needs_too_much_stack_is_refused() {
        refused(&doubling(1000, 1), "more than 200 levels");
        let nested = (0..70).fold(json!({}), |inner, _| json!({ "not": inner }));
        refused(&nested, "nested deeper than 64");
        let long =
            (0..20).fold(json!({"properties": {"a": {"$ref": "#"}}}), |inner, _| json!({ "allOf": [inner] }));
        refused(&long, "more than 200 levels");
    }

    #[test]
    fn references_stay_inside_and_are_plain() {
        for out in ["https://x/y.json", "other.json", "other.json#/a", "#anchor", ""] {
            refused(&json!({ "properties": {"a": {"$ref": out}} }), "leads out");
        }
        for nowhere in ["#/$defs/none", "#/%24defs/a"] {
            refused(&json!({"$defs": {"a": {}}, "items": {"$ref": nowhere}}), "leads nowhere");
        }
        refused(&json!({"items": {"$dynamicRef": "#a"}}), "$dynamicRef is not supported");
        refused(&json!({"items": {"$id": "https://x/"}}), "$id is supported only at the top");
        weigh(&json!({"$id": "https://x/", "properties": {"$id": {"type": "string"}, "$ref": {}}}), 32)
            .expect("a property may have any name");
    }
}
