//! A configuration as it was written: values with their places, before any meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::environment::Environment;
use super::error::{Error, Place, Problem};
use super::schema::Schema;
use super::wording;

/// A configuration as it was written.
pub(super) struct Document {
    file: PathBuf,
    /// The values.
    pub(super) value: Value,
    /// Where each key stands, by its path, such as `components.web.grants[0]`.
    places: BTreeMap<String, Place>,
}

impl Document {
    /// Reads YAML. Keys without a value count as not written.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Error> {
        let mut document =
            Self { file: file.to_owned(), value: Value::Object(Map::new()), places: BTreeMap::new() };
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(document);
        }
        let tree: Spanned<Tree> = serde_saphyr::from_str(text).map_err(|error| document.syntax(&error))?;
        let at = document.place_of(&tree);
        document.value = document.take(tree, "").unwrap_or_else(|| Value::Object(Map::new()));
        if document.value.is_object() {
            return Ok(document);
        }
        let message =
            "a configuration has to be a mapping: lines such as 'engine:' with keys below".to_owned();
        Err(Error::Syntax(Problem { place: at, message }))
    }

    /// Sets what the environment says.
    pub(super) fn apply(&mut self, environment: &Environment, schema: &Schema) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (variable, parts, text) in environment.keys() {
            let place = Place::Variable(variable.to_owned());
            match schema.locate(&parts) {
                Ok(path) => self.set(&path, schema.scalar(&path, text), &place),
                Err(message) => problems.push(Problem { place, message }),
            }
        }
        problems
    }

    /// Replaces `${NAME}` in values by what the environment says.
    pub(super) fn substitute(&mut self, environment: &Environment, schema: &Schema) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut value = std::mem::take(&mut self.value);
        walk(&mut value, &mut Vec::new(), &mut |path, value| {
            let Value::String(text) = value else { return };
            if !text.contains("${") {
                return;
            }
            match expand(text, environment) {
                Ok(text) => *value = schema.scalar(path, &text),
                Err(message) => problems.push(self.problem(&join(path), message)),
            }
        });
        self.value = value;
        problems
    }

    /// Turns the values into what they mean.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let path = error.path().to_string();
            let message = format!("'{path}': {}", wording::plain(&error.into_inner().to_string()));
            Error::Problems(vec![self.problem(&path, message)])
        })
    }

    /// A problem at the key of that path, or at the nearest one above it that was written.
    pub(super) fn problem(&self, path: &str, message: String) -> Problem {
        let mut place = self.places.get(path);
        let mut rest = path;
        while place.is_none() && !rest.is_empty() {
            rest = &rest[..rest.rfind(['.', '[']).unwrap_or(0)];
            place = self.places.get(rest);
        }
        let top = || Place::File { path: self.file.clone(), line: 0, column: 0 };
        Problem { place: place.cloned().unwrap_or_else(top), message }
    }

    fn set(&mut self, path: &[String], value: Value, place: &Place) {
        let Some((last, above)) = path.split_last() else { return };
        let mut target = &mut self.value;
        for part in above {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            target = target
                .as_object_mut()
                .expect("made an object above")
                .entry(part.clone())
                .or_insert(Value::Null);
        }
        if !target.is_object() {
            *target = Value::Object(Map::new());
        }
        target.as_object_mut().expect("made an object above").insert(last.clone(), value);
        self.places.insert(join(path), place.clone());
    }

    /// Takes the values out of the tree and notes the places; `None` for nothing.
    fn take(&mut self, tree: Spanned<Tree>, path: &str) -> Option<Value> {
        Some(match tree.value {
            Tree::Scalar(Value::Null) => return None,
            Tree::Scalar(value) => value,
            Tree::Sequence(items) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let path = format!("{path}[{index}]");
                    self.places.insert(path.clone(), self.place_of(&item));
                    self.take(item, &path).unwrap_or(Value::Null)
                });
                Value::Array(items.collect())
            }
            Tree::Mapping(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let path =
                        if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    self.places.insert(path.clone(), self.place_of(&key));
                    if let Some(value) = self.take(value, &path) {
                        map.insert(key.value, value);
                    }
                }
                Value::Object(map)
            }
        })
    }

    fn place_of<T>(&self, spanned: &Spanned<T>) -> Place {
        let at = spanned.referenced;
        Place::File { path: self.file.clone(), line: at.line(), column: at.column() }
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> Error {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        let place = Place::File { path: self.file.clone(), line, column };
        let text = error.without_snippet().to_string();
        let message = format!("this is not valid YAML: {}", text.lines().next().unwrap_or_default());
        Error::Syntax(Problem { place, message })
    }
}

/// A path as [`serde_path_to_error`] writes it.
pub(super) fn join(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// Calls `visit` for every scalar with its path.
fn walk(value: &mut Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &mut Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key.clone());
                walk(value, path, visit);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter_mut().enumerate() {
                path.push(format!("[{index}]"));
                walk(value, path, visit);
                path.pop();
            }
        }
        scalar => visit(path, scalar),
    }
}

/// Replaces `${NAME}`; `$${` stands for `${` itself.
fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            expanded.push_str(&rest[..at - 1]);
            expanded.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        expanded.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end = inner
            .find('}')
            .ok_or("there is a '${' without '}' (write '$${' for the characters themselves)")?;
        let name = &inner[..end];
        let value = environment.get(name).ok_or_else(|| {
            format!("the environment variable '{name}' that '${{{name}}}' names is not set")
        })?;
        expanded.push_str(value);
        rest = &inner[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// YAML as it stands.
enum Tree {
    Scalar(Value),
    Sequence(Vec<Spanned<Tree>>),
    Mapping(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Mapping(entries))
    }
}
