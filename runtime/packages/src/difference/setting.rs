//! Differences in what an admin may set.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Area, Changes};

pub(super) fn compare(changes: &mut Changes, old: Option<&Value>, new: Option<&Value>) {
    let (old, new) = (Parts::of(old), Parts::of(new));
    changes.add(Area::Settings, "settings", old.frame.clone(), new.frame.clone(), None);
    let mut names: Vec<_> = new.names().collect();
    let known: BTreeSet<_> = names.iter().copied().collect();
    let gone = old.names().filter(|name| !known.contains(name));
    names.extend(gone);
    for name in names {
        let (before, after) = (old.property(name), new.property(name));
        let why = widens(before, after);
        let text = |value: Option<&Value>| value.map(super::tool::pretty);
        changes.add(Area::Settings, format!("settings.{name}"), text(before), text(after), why);
    }
}

fn widens(before: Option<&Value>, after: Option<&Value>) -> Option<&'static str> {
    let is_secret = |value: &Value| value.get("secret") == Some(&Value::Bool(true));
    match (before.map(is_secret), after.map(is_secret)) {
        (None | Some(false), Some(true)) => Some("a new credential"),
        (Some(true), Some(false)) => Some("it was a credential, and the component would see its value"),
        _ => None,
    }
}

/// A settings schema: its properties, and the rest of it as text.
struct Parts<'a> {
    frame: Option<String>,
    properties: Option<&'a Map<String, Value>>,
}

impl<'a> Parts<'a> {
    fn of(schema: Option<&'a Value>) -> Self {
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let frame = schema.map(|schema| {
            let mut frame = schema.clone();
            if let Some(frame) = frame.as_object_mut() {
                frame.shift_remove("properties");
            }
            super::tool::pretty(&frame)
        });
        Self { frame, properties }
    }

    fn names(&self) -> impl Iterator<Item = &'a String> {
        self.properties.into_iter().flat_map(Map::keys)
    }

    fn property(&self, name: &str) -> Option<&'a Value> {
        self.properties?.get(name)
    }
}
