//! The adapters that speak for owners: whom others report is a member at most.

use std::collections::BTreeSet;

use openpact_model::id::ComponentName;
use openpact_packages::manifest::Kind;

use super::App;
use super::component::Components;

impl App {
    /// The adapters that speak for owners now: those that come with the program and those that an admin lets, whoever
    /// signed them.
    pub(super) fn asserting(&self, components: &Components) -> BTreeSet<String> {
        let embedded: Vec<_> = openpact_embedded::components().iter().map(|one| one.name).collect();
        let stated = |name: &ComponentName| self.stated(name).asserts_owner;
        let all = asserting(components.of_kind(Kind::Adapter), &embedded, stated);
        all.iter().map(ToString::to_string).collect()
    }

    /// Makes the adapters that speak for owners those that now may.
    pub(super) fn renew_asserting(&self, components: &Components) {
        if let Some(service) = self.service.get() {
            service.chat.set_asserts_owner(self.asserting(components));
        }
    }
}

/// Those of `adapters` that are stated to speak for owners, or come with the program where nothing is stated.
fn asserting(
    adapters: Vec<ComponentName>,
    embedded: &[&str],
    stated: impl Fn(&ComponentName) -> Option<bool>,
) -> Vec<ComponentName> {
    let speaks = |name: &ComponentName| stated(name).unwrap_or_else(|| embedded.contains(&name.as_str()));
    adapters.into_iter().filter(speaks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_of_others_speaks_for_no_owner_until_an_admin_says_so() {
        let adapters = ["discord", "telegram", "telegram-of-others"].map(|name| name.parse().unwrap());
        let stated = |says: fn(&str) -> Option<bool>| {
            let names = asserting(adapters.to_vec(), &["discord", "telegram", "workspace"], |name| {
                says(name.as_str())
            });
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(stated(|_| None), ["discord", "telegram"]);
        let says = |name: &str| match name {
            "discord" => Some(false),
            "telegram-of-others" => Some(true),
            _ => None,
        };
        assert_eq!(stated(says), ["telegram", "telegram-of-others"]);
    }
}
