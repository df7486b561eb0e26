//! A configuration that is read again while the program runs: what takes effect at once, what waits for a new start.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use openpact_egress::{Door, Grant};
use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use serde_json::Value;

use super::provider::Nudge;
use super::{App, Parts, deployment, secret};
use crate::config::Config;
use crate::config::chat::{Pace, Respond};
use crate::config::components::Component;
use crate::exit::{Code, Failure};
use crate::supervise::Rest;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// The keys that changed and hold now.
    pub(crate) applied: Vec<String>,
    /// The keys that changed and hold after a new start.
    pub(crate) later: Vec<String>,
}

impl App {
    /// Takes over what can change while the program runs: everything is made ready first, and then it holds all at once.
    ///
    /// # Errors
    /// When something in it cannot be used; everything is as before.
    pub(crate) async fn reload(&self, new: Config) -> Result<Reloaded, Failure> {
        // No grant changes meanwhile, and no provider is told anything.
        let _granting = self.grants_changing.lock().await;
        let _ordering = self.providers_changing.lock().await;
        let old = self.config();
        let adapters: BTreeSet<_> = self.adapters().await?.into_iter().collect();
        let parts = self.parts().await?;
        let (merged, reloaded) = merge(&old, &new, &adapters);
        self.replace_config(Arc::new(merged));
        match self.prepare().await {
            Ok(ready) => {
                self.commit(parts, &old, &adapters, ready);
                // What an admin let through was judged by the grants of before.
                self.end_counting("the configuration was read again").await;
            }
            Err(failure) => {
                self.replace_config(old);
                return Err(failure);
            }
        }
        Ok(reloaded)
    }

    fn replace_config(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Everything of the new configuration that can fail. What changes the people comes last: it does so whole or not
    /// at all, and nothing behind it fails.
    async fn prepare(&self) -> Result<Ready, Failure> {
        let ready = Ready { doors: self.doors().await?, rests: self.rests().await? };
        self.renew_people().await?;
        Ok(ready)
    }

    /// The doors of all components, each with what it is given now; every component is judged.
    async fn doors(&self) -> Result<Vec<(Arc<Door>, Vec<Grant>)>, Failure> {
        let (parts, grants) = (self.parts().await?, self.grants(None).await?);
        let mut doors = Vec::new();
        for name in parts.components.names() {
            let component = parts.components.find(&name)?;
            let Some(manifest) = component.manifest() else { continue };
            let (stated, principal) = (self.stated(&name), Principal::Component(name.clone()));
            let built = deployment::build_grants(&grants, &principal, manifest, &stated);
            let judged = built.and_then(|own| deployment::judge_settings(manifest, &stated).map(|()| own));
            let own = judged
                .map_err(|why| Failure::new(Code::Configuration, format!("'components.{name}': {why}")))?;
            doors.extend(component.door().map(|door| (Arc::clone(door), own)));
        }
        Ok(doors)
    }

    /// Makes the parts follow. Nothing here can fail.
    fn commit(&self, parts: &Parts, old: &Config, adapters: &BTreeSet<ComponentName>, ready: Ready) {
        let config = self.config();
        parts.configured.set_users(secret::configured(&config, self.all_given()));
        self.renew_details();
        self.renew_asserting(&parts.components);
        for (door, grants) in ready.doors {
            door.set_grants(grants);
        }
        let changed = |name: &ComponentName| Start::of(old, name) != Start::of(&config, name);
        let anew: Vec<_> = adapters.iter().filter(|name| changed(name)).collect();
        let nudge = |name: &ComponentName| if anew.contains(&name) { Nudge::Anew } else { Nudge::None };
        self.order_providers(ready.rests, nudge);
    }
}

/// What an adapter is started with, of all that the configuration says of it. The rest holds at once, and its
/// connection stays.
#[derive(PartialEq)]
struct Start<'a> {
    component: Option<Component>,
    pace: Pace,
    respond_all: BTreeSet<&'a str>,
}

impl<'a> Start<'a> {
    fn of(config: &'a Config, name: &ComponentName) -> Self {
        let component = config.components.get(name).cloned();
        let component = component.map(|component| Component { asserts_owner: None, ..component });
        let provider = config.chat.providers.get(name.as_str());
        let channels = provider.into_iter().flat_map(|provider| &provider.channels);
        let all = channels.filter(|(_, channel)| channel.respond == Respond::All);
        Self {
            component: component.filter(|component| *component != Component::default()),
            pace: provider.map(|provider| provider.pace).unwrap_or_default(),
            respond_all: all.map(|(id, _)| id.as_str()).collect(),
        }
    }
}

/// What was made ready of a new configuration.
struct Ready {
    doors: Vec<(Arc<Door>, Vec<Grant>)>,
    rests: Vec<(ComponentName, Option<Rest>)>,
}

/// What holds from now on, and what became of each key that changed.
fn merge(old: &Config, new: &Config, adapters: &BTreeSet<ComponentName>) -> (Config, Reloaded) {
    let mut merged = old.clone();
    merged.users = new.users.clone();
    merged.chat = new.chat.clone();
    merged.log = new.log.clone();
    merged.limits.shutdown = new.limits.shutdown;
    let names: BTreeSet<_> = old.components.keys().chain(new.components.keys()).cloned().collect();
    for name in names {
        let stated = new.components.get(&name).cloned().unwrap_or_default();
        let before = old.components.get(&name).cloned().unwrap_or_default();
        // An adapter is loaded anew; of a tool that is loaded, the grants can change and nothing else.
        let after = if adapters.contains(&name) {
            stated
        } else {
            Component { grants: stated.grants, credentials: stated.credentials, ..before }
        };
        if after == Component::default() && !new.components.contains_key(&name) {
            merged.components.remove(&name);
        } else {
            merged.components.insert(name, after);
        }
    }
    let (before, now, wanted) = (value(old), value(&merged), value(new));
    let reloaded = Reloaded { applied: differences(&before, &now), later: differences(&now, &wanted) };
    (merged, reloaded)
}

fn value(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// The keys whose values differ, two levels deep: `engine.model`, `components.telegram`.
fn differences(a: &Value, b: &Value) -> Vec<String> {
    let nothing = Value::Null;
    let at = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for section in keys(a, b) {
        let (left, right) = (at(a, &section), at(b, &section));
        if left == right {
            continue;
        }
        let below = keys(&left, &right);
        if below.is_empty() {
            found.push(section);
            continue;
        }
        let differ = |key: &String| left.get(key).unwrap_or(&nothing) != right.get(key).unwrap_or(&nothing);
        found.extend(below.into_iter().filter(differ).map(|key| format!("{section}.{key}")));
    }
    found
}

fn keys(a: &Value, b: &Value) -> BTreeSet<String> {
    [a, b].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let environment = crate::config::environment::Environment::default();
        Config::parse(std::path::Path::new("config.yaml"), text, &environment).unwrap()
    }

    #[track_caller]
    fn check(old: &str, new: &str, applied: &[&str], later: &[&str]) -> Config {
        let adapters = ["telegram".parse().unwrap()].into();
        let (merged, reloaded) = merge(&config(old), &config(new), &adapters);
        assert_eq!((reloaded.applied, reloaded.later), (strings(applied), strings(later)), "{new}");
        merged
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_safe_holds_at_once_and_the_rest_waits() {
        check("", "", &[], &[]);
        check("", "log: { level: debug }", &["log.level"], &[]);
        check("", "engine: { max_steps: 3 }", &[], &["engine.max_steps"]);
        let merged = check(
            "limits: { instances: 9 }",
            "limits: { instances: 8, shutdown: 3s }\nusers: { alice: { role: owner } }",
            &["limits.shutdown", "users.alice"],
            &["limits.instances"],
        );
        assert_eq!((merged.limits.instances, merged.limits.shutdown.0.as_secs()), (9, 3));
    }

    #[test]
    fn an_adapter_is_started_anew_for_what_it_was_started_with_alone() {
        let starts = |old: &str, new: &str| {
            let (old, new) = (config(old), config(new));
            let name = "telegram".parse().unwrap();
            Start::of(&old, &name) != Start::of(&new, &name)
        };
        let provider = |what: &str| format!("chat: {{ providers: {{ telegram: {{ {what} }} }} }}");
        let component = |what: &str| format!("components: {{ telegram: {{ {what} }} }}");
        for same in ["stream: true", "default: guest", "send_to: ['user:7']", "enabled: true"] {
            assert!(!starts("", &provider(same)), "{same}");
            assert!(!starts(&provider(same), ""), "{same}");
        }
        for same in ["detail: full", "stream: true", "default: guest", "respond: addressed"] {
            assert!(!starts("", &provider(&format!("channels: {{ '7': {{ {same} }} }}"))), "{same}");
        }
        assert!(!starts("", &component("asserts_owner: false")));
        for other in ["pace: { per_second: 3 }", "channels: { '7': { respond: all } }"] {
            assert!(starts("", &provider(other)), "{other}");
            assert!(starts(&provider(other), ""), "{other}");
        }
        assert!(starts("", &component("settings: { base_url: 'https://a' }")));
        assert!(starts("", "components: { telegram: { kv: 1MiB } }"));
    }

    #[test]
    fn an_adapter_changes_whole_and_a_tool_in_its_grants_alone() {
        let telegram = "components: { telegram: { enabled: false, settings: { base_url: 'https://a' } } }";
        check("", telegram, &["components.telegram"], &[]);
        check(telegram, "", &["components.telegram"], &[]);
        let both = "components: { web: { kv: 1MiB, grants: ['GET https://a.example/**'] } }";
        let merged = check("", both, &["components.web"], &["components.web"]);
        let web = &merged.components[&"web".parse().unwrap()];
        assert!(web.kv.is_none() && web.grants.is_some());
        // Grants that are stated no more are not stated: those of the admin count again.
        let merged = check(both, "components: { web: { kv: 1MiB } }", &["components.web"], &[]);
        assert!(merged.components[&"web".parse().unwrap()].grants.is_none());
    }
}
