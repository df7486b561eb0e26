//! Publishers, secrets and grants.

use openpact_model::principal::Principal;
use openpact_model::text::{one_line, terminal};

use super::table::Table;
use super::{Output, add, status};
use crate::control::{Grant, Provider, Publisher, Secret};

/// The chat platforms, and what to do about them.
pub(super) fn providers(output: Output, providers: &[Provider]) -> String {
    if providers.is_empty() {
        return "no chat platforms\n".to_owned();
    }
    let mut table = Table::new(&["PROVIDER", "STATE", "ABOUT"]);
    for provider in providers {
        table.styled([(&provider.name, None), status::state(provider.state), (&provider.about, None)]);
    }
    let mut text = table.text(output);
    for provider in providers {
        if let Some(todo) = &provider.todo {
            add(&mut text, format_args!("{}: {}\n", one_line(&provider.name, 64), terminal(todo)));
        }
    }
    text
}

/// The publishers.
pub(super) fn publishers(output: Output, publishers: &[Publisher]) -> String {
    let mut table = Table::new(&["PUBLISHER", "MAY PUBLISH", "KEY", "ADDED"]);
    for publisher in publishers {
        let added = publisher.added.map_or_else(|| "built in".to_owned(), day);
        table.row([&publisher.name, &publisher.prefixes.join(", "), &publisher.key, &added]);
    }
    table.text(output)
}

/// The secrets; never a value.
pub(super) fn secrets(output: Output, secrets: &[Secret]) -> String {
    if secrets.is_empty() {
        return "no secrets; 'openpact secret set NAME' stores one\n".to_owned();
    }
    let mut table = Table::new(&["SECRET", "MAY BE USED BY", "STORED", "LAST USED"]);
    for secret in secrets {
        let own = secret.principals.iter().map(Principal::to_string);
        let configured = secret.configured.iter().map(|principal| format!("{principal} (configuration)"));
        let users: Vec<_> = own.chain(configured).collect();
        let users = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
        let stored = if secret.readable { day(secret.updated) } else { "key lost: set it again".to_owned() };
        let used = secret.last_used.map_or_else(|| "never".to_owned(), day);
        table.row([secret.name.as_str(), &users, &stored, &used]);
    }
    table.text(output)
}

/// The grants.
pub(super) fn grants(output: Output, grants: &[Grant]) -> String {
    if grants.is_empty() {
        return "no grants: nothing reaches the network\n".to_owned();
    }
    let mut table = Table::new(&["NUMBER", "PRINCIPAL", "RULE", "SECRET", "FROM"]);
    for grant in grants {
        let number = grant.id.map(|id| id.to_string()).unwrap_or_default();
        let secret = grant.secret.as_ref().map(ToString::to_string).unwrap_or_default();
        table.row([&number, &grant.principal.to_string(), &grant.shown(), &secret, &grant.origin]);
    }
    table.text(output)
}

/// The date, UTC.
fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
