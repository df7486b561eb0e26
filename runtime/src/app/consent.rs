//! An admin's yes to a component: what it gets of what it asks for, beside the rules in the admin's own words.

use std::collections::BTreeMap;

use openpact_lifecycle::request::{self, What};
use openpact_model::secret::SecretName;
use openpact_packages::Manifest;
use openpact_store::component::Granted;
use serde_json::{Map, Value};

use super::grant;
use crate::config::components::{Access, Component as Stated};
use crate::config::secret;
use crate::config::unit::Size;
use crate::control::Grant;
use crate::control::lifecycle::Consent;
use crate::exit::{Code, Failure, chain};

/// How much a folder may hold where the admin says nothing.
const QUOTA: Size = Size::mib(64);

/// What a yes comes to.
pub(super) struct Yes {
    /// The grants that are new.
    pub(super) grants: Vec<Granted>,
    /// What the component is given beside its grants.
    pub(super) given: Stated,
    /// What to mind.
    pub(super) notes: Vec<String>,
}

/// What `consent` comes to for a component. Without a choice it is everything that the component asks for, but of an
/// update only what the version `before` did not ask for: about the rest the admin has decided already.
///
/// # Errors
/// Where something is named that the component does not ask for, or a rule is none.
pub(super) fn consented(
    manifest: &Manifest,
    before: Option<&Manifest>,
    consent: &Consent,
    has: &[Grant],
    given: Stated,
    configured: bool,
) -> Result<Yes, Failure> {
    let asks = request::of(manifest);
    let old: Vec<_> = before.map(request::of).unwrap_or_default().into_iter().map(|ask| ask.what).collect();
    let (chosen, own) = match &consent.only {
        None => (asks.into_iter().filter(|ask| !old.contains(&ask.what)).collect(), Vec::new()),
        Some(only) => choose(asks, only)?,
    };
    let mut yes = Yes { grants: Vec::new(), given, notes: Vec::new() };
    secrets(manifest, &consent.secrets, &mut yes.given)?;
    let mut rules = own;
    for ask in chosen {
        match ask.what {
            What::Network { rule } => rules.push(rule),
            What::Files { mount, writable } => give_folder(&mut yes.given, mount, writable),
            What::KeyValue { quota } => yes.given.kv = Some(Size(quota)),
        }
    }
    if configured && !rules.is_empty() {
        let name = &manifest.name;
        yes.notes.push(format!(
            "the configuration states what '{name}' reaches ('components.{name}.grants'), so no rule was granted"
        ));
        return Ok(yes);
    }
    for rule in rules {
        let rule = checked(manifest, &rule)?;
        if has.iter().all(|grant| grant.rule != rule) && yes.grants.iter().all(|grant| grant.rule != rule) {
            yes.grants.push(Granted { rule, secret: None });
        }
    }
    Ok(yes)
}

/// The requests that are named by their labels, and the rules in the admin's own words.
fn choose(
    asks: Vec<request::Request>,
    only: &[String],
) -> Result<(Vec<request::Request>, Vec<String>), Failure> {
    let (rules, labels): (Vec<_>, Vec<_>) = only.iter().cloned().partition(|text| text.contains(' '));
    if let Some(wrong) = labels.iter().find(|label| asks.iter().all(|ask| ask.label != **label)) {
        let known: Vec<_> = asks.iter().map(|ask| ask.label.as_str()).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        let message =
            format!("'{wrong}' is not what it asks for; it asks for {known}, and a rule has a space in it");
        return Err(Failure::new(Code::Usage, message));
    }
    Ok((asks.into_iter().filter(|ask| labels.contains(&ask.label)).collect(), rules))
}

fn secrets(
    manifest: &Manifest,
    named: &BTreeMap<String, SecretName>,
    given: &mut Stated,
) -> Result<(), Failure> {
    for (credential, name) in named {
        if manifest.requests.credentials.iter().all(|request| request.name != *credential) {
            let message = format!("'{}' does not ask for a credential '{credential}'", manifest.name);
            return Err(Failure::new(Code::Usage, message));
        }
        given.credentials.insert(credential.clone(), secret::Name(name.clone()));
    }
    Ok(())
}

fn give_folder(given: &mut Stated, mount: String, writable: bool) {
    let access = if writable { Access::ReadWrite } else { Access::Read };
    let folder = given.mounts.entry(mount.clone()).or_default();
    folder.path.get_or_insert_with(|| mount.into());
    folder.quota.get_or_insert(QUOTA);
    folder.access = Some(access);
}

/// A rule as the door would take it, in its canonical words.
pub(super) fn checked(manifest: &Manifest, rule: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(Code::Usage, why);
    let parsed: openpact_egress::rule::Rule =
        rule.parse().map_err(|error| wrong(format!("'{rule}' is no rule: {}", chain(&error))))?;
    let grant = Grant {
        id: None,
        principal: openpact_model::principal::Principal::Component(manifest.name.clone()),
        any_site: parsed.is_any_site(),
        rule: parsed.to_string(),
        secret: None,
        origin: String::new(),
    };
    grant::build(&grant, manifest, &BTreeMap::new()).map_err(wrong)?;
    Ok(grant.rule)
}

/// What a component is given with one key changed. The key has dots; grants are not among it.
///
/// # Errors
/// Where there is no such key, or the value does not fit it.
pub(super) fn changed(given: &Stated, key: &str, value: Option<Value>) -> Result<Stated, Failure> {
    let wrong = |why: String| Failure::new(Code::Usage, why);
    let head = key.split('.').next().unwrap_or_default();
    if head == "grants" || head == "enabled" {
        let message = "'openpact grant add' and 'openpact component enable' change that".to_owned();
        return Err(wrong(message));
    }
    let mut document = super::lifecycle::to_value(given)?;
    put(&mut document, key, value).map_err(|why| wrong(format!("'{key}': {why}")))?;
    let mut given: Stated = serde_path_to_error::deserialize(without_nothing(document))
        .map_err(|error| wrong(format!("'{key}': {}: {}", error.path(), error.inner())))?;
    for folder in given.mounts.values_mut().filter(|folder| folder.path.is_some()) {
        folder.quota.get_or_insert(QUOTA);
    }
    Ok(given)
}

/// Writes `value` at `key`, or takes the key away.
fn put(document: &mut Value, key: &str, value: Option<Value>) -> Result<(), String> {
    let mut place = document;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            return Err("a part of the key is empty".to_owned());
        }
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let map = place.as_object_mut().ok_or_else(|| format!("there is nothing below '{part}'"))?;
        if parts.peek().is_none() {
            match value {
                Some(value) => map.insert(part.to_owned(), value),
                None => map.remove(part),
            };
            return Ok(());
        }
        place = map.entry(part.to_owned()).or_insert(Value::Null);
    }
    Err("it is empty".to_owned())
}

/// Without the keys that say nothing: a missing key and one that is null are the same.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nothing(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_set_and_taken_away_and_nothing_else_changes() {
        let given = changed(&Stated::default(), "credentials.token", Some(json!("MAIL_TOKEN"))).unwrap();
        let given = changed(&given, "settings.units", Some(json!("metric"))).unwrap();
        let given = changed(&given, "mounts.workspace.path", Some(json!("notes"))).unwrap();
        assert_eq!(given.credentials["token"].0.as_str(), "MAIL_TOKEN");
        assert_eq!(given.settings["units"], "metric");
        assert!(given.mounts["workspace"].quota.is_some(), "a folder needs nothing but its path");
        let given = changed(&given, "settings.units", None).unwrap();
        assert!(given.settings.is_empty() && given.mounts.contains_key("workspace"));
        for (key, value) in [
            ("colour", json!(1)),
            ("kv", json!("much")),
            ("", json!(1)),
            ("grants", json!([])),
            ("a..b", json!(1)),
        ] {
            assert!(changed(&Stated::default(), key, Some(value)).is_err(), "{key}");
        }
    }
}
