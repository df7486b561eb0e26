//! The names of chat platforms and components, wherever the configuration names one.

use openpact_model::id::ComponentName;

use super::Config;
use super::schema::ALIKE;

impl Config {
    /// Every platform that is named and is not there: one sentence each. No error, since its adapter may come later.
    pub(super) fn strange_providers(&self, installed: &[String]) -> Vec<String> {
        let chat = self.chat.providers.keys().map(|name| (format!("chat.providers.{name}"), name));
        let users = self.users.iter().flat_map(|(user, stated)| {
            stated.identities.keys().map(move |name| (format!("users.{user}.identities.{name}"), name))
        });
        let mut named = chat.chain(users).peekable();
        if named.peek().is_none() {
            return Vec::new();
        }
        let known = crate::app::provider_names();
        let strange = named.filter(|(_, name)| !known.iter().chain(installed).any(|other| other == *name));
        strange.map(|(key, name)| sentence(&key, name, &known)).collect()
    }

    /// Every component that is named and is not there: one sentence each. No error, since it may come later.
    pub(super) fn strange_components(&self, installed: &[String]) -> Vec<String> {
        let known: Vec<_> =
            openpact_embedded::components().iter().map(|embedded| embedded.name.to_owned()).collect();
        let strange = self.components.keys().map(ComponentName::as_str);
        let strange = strange.filter(|name| !known.iter().chain(installed).any(|other| other == name));
        let sentence = |name| {
            let hint = near(name, &known).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            format!("'components.{name}' has no effect as long as no component '{name}' is installed{hint}")
        };
        strange.map(sentence).collect()
    }
}

impl Config {
    /// Every rule of a grant that is none: one sentence each. No error, since all others hold.
    pub(super) fn broken_grants(&self) -> Vec<String> {
        let rules = self
            .components
            .iter()
            .flat_map(|(name, component)| component.grants.iter().flatten().map(move |rule| (name, rule)));
        let sentence = |(name, rule): (&ComponentName, &String)| {
            let wrong = rule.parse::<openpact_egress::rule::Rule>().err()?;
            Some(format!("a rule of 'components.{name}.grants' grants nothing ({rule:?}): {wrong}"))
        };
        rules.filter_map(sentence).collect()
    }
}

fn sentence(key: &str, name: &str, known: &[String]) -> String {
    let hint = hint(name, known);
    format!("'{key}' has no effect as long as no adapter '{name}' is installed; {hint}")
}

/// The nearest name, or all of them where none is near.
fn hint(name: &str, known: &[String]) -> String {
    near(name, known).map_or_else(
        || format!("there are {}", known.join(", ")),
        |nearest| format!("did you mean '{nearest}'?"),
    )
}

/// The nearest name, where it is near enough to be meant.
fn near<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let distance = |other: &&String| strsim::jaro_winkler(&name.to_lowercase(), other);
    let nearest = known.iter().max_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.filter(|nearest| distance(nearest) >= ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let known = ["slack".to_owned(), "telegram".to_owned()];
        let sentence = sentence("chat.providers.x", name, &known);
        let start = format!("'chat.providers.x' has no effect as long as no adapter '{name}' is installed");
        assert_eq!(sentence, format!("{start}; {expected}"));
    }

    #[test]
    fn the_nearest_platform_is_suggested_and_else_all_are_listed() {
        check("telegarm", "did you mean 'telegram'?");
        check("Telegram", "did you mean 'telegram'?");
        check("irc", "there are slack, telegram");
    }
}
