//! `openpact:host/settings`.

use openpact_bindings::v0_1_0::openpact::host::settings::Host;
use serde_json::{Map, Value};

use crate::state::State;

/// What the admin set for a component, with the defaults of its manifest.
pub(crate) struct Settings {
    /// The values as JSON text, by key.
    values: Map<String, Value>,
    /// The keys that are credentials. Whatever the admin wrote there stays out of the sandbox.
    secret: Vec<String>,
}

impl Settings {
    pub(crate) fn new(schema: Option<&Value>, secret: &[&str], set: &Map<String, Value>) -> Self {
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let defaults = properties.into_iter().flatten();
        let defaults =
            defaults.filter_map(|(key, schema)| Some((key.clone(), schema.get("default")?.clone())));
        let mut values: Map<String, Value> = defaults.collect();
        values.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
        Self { values, secret: secret.iter().map(|key| (*key).to_owned()).collect() }
    }

    fn is_secret(&self, key: &str) -> bool {
        self.secret.iter().any(|secret| secret == key)
    }
}

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.usable("openpact:host/settings")?;
        if self.settings.is_secret(&key) {
            let reference = self.references.as_ref().and_then(|references| references.reference(&key).ok());
            return Ok(reference.map(|reference| Value::String(reference).to_string()));
        }
        Ok(self.settings.values.get(&key).map(Value::to_string))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_set_goes_before_the_default() {
        let schema = json!({"properties": {"a": {"default": 1}, "b": {"default": 2}, "c": {}}});
        let set = Map::from_iter([("b".to_owned(), json!("own"))]);
        let settings = Settings::new(Some(&schema), &["k"], &set);
        assert_eq!(settings.values.get("a"), Some(&json!(1)));
        assert_eq!(settings.values.get("b"), Some(&json!("own")));
        assert_eq!(settings.values.get("c"), None);
        assert!(settings.is_secret("k") && !settings.is_secret("a"));
    }
}
