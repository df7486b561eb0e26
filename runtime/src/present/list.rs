//! Publishers, secrets and grants.

use openpact_model::principal::Principal;
use openpact_model::text::{one_line, terminal};

use super::table::{Table, in_full};
use super::{Output, Style, add, status};
use crate::control::lifecycle::Revocation;
use crate::control::{Grant, Minting, Provider, Publisher, Secret};

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
    text.push_str(&in_full(providers.iter().map(|one| (one.name.as_str(), one.about.as_str()))));
    for provider in providers {
        if let Some(todo) = &provider.todo {
            add(&mut text, format_args!("{}: {}\n", one_line(&provider.name, 64), terminal(todo)));
        }
    }
    text
}

/// The publishers.
pub(super) fn publishers(output: Output, publishers: &[Publisher]) -> String {
    let mut table = Table::new(&["PUBLISHER", "MAY PUBLISH", "KEY", "ADDED", "UPDATES"]);
    for publisher in publishers {
        let added = publisher.added.map_or_else(|| "built in".to_owned(), day);
        let updates = match (publisher.retired, publisher.auto_update) {
            (Some(when), _) => format!("none: replaced {}", day(when)),
            (None, true) if publisher.added.is_some() => "go live by themselves".to_owned(),
            (None, true) => "come with the program".to_owned(),
            (None, false) => "wait for you".to_owned(),
        };
        table.row([&publisher.name, &publisher.prefixes.join(", "), &publisher.key, &added, &updates]);
    }
    table.text(output)
}

/// What counts no more.
pub(super) fn revocations(output: Output, revocations: &[Revocation]) -> String {
    if revocations.is_empty() {
        return "nothing is revoked\n".to_owned();
    }
    let mut table = Table::new(&["REVOKED", "WHAT", "BY", "SINCE", "REASON"]);
    for one in revocations {
        table.row([&one.kind, &one.value, &one.said_by, &day(one.added), &one.reason]);
    }
    table.text(output)
}

/// The secrets; never a value.
pub(super) fn secrets(output: Output, secrets: &[Secret]) -> String {
    if secrets.is_empty() {
        return "no secrets; 'openpact secret set NAME' stores one\n".to_owned();
    }
    let mut table = Table::new(&["SECRET", "KIND", "MAY BE USED BY", "GOES TO", "STORED", "LAST USED"]);
    for secret in secrets {
        let own = secret.principals.iter().map(Principal::to_string);
        let configured = secret.configured.iter().map(|principal| format!("{principal} (configuration)"));
        let users: Vec<_> = own.chain(configured).collect();
        let users = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
        let stored = if secret.readable { day(secret.updated) } else { "key lost: set it again".to_owned() };
        let used = secret.last_used.map_or_else(|| "never".to_owned(), day);
        let hosts: Vec<_> = secret.hosts.iter().map(ToString::to_string).collect();
        let hosts = if hosts.is_empty() { "as granted".to_owned() } else { hosts.join(", ") };
        let kind = secret.minting.as_ref().map_or("plain", |minting| &minting.from);
        table.row([secret.name.as_str(), kind, &users, &hosts, &stored, &used]);
    }
    let mut text = table.text(output);
    for secret in secrets {
        if let Some(minting) = &secret.minting {
            add(&mut text, format_args!("{}: {}\n", secret.name, minted(output, minting)));
        }
    }
    text
}

/// How it stands with a secret that the host mints.
fn minted(output: Output, minting: &Minting) -> String {
    let at = one_line(&minting.endpoint, 200);
    let last =
        minting.last.map_or_else(|| "nothing minted yet".to_owned(), |last| format!("last at {}", day(last)));
    let next = minting.renew.map_or_else(String::new, |renew| format!(", the next after {}", day(renew)));
    match &minting.problem {
        None => format!("minted at {at}; {last}{next}"),
        Some(why) => {
            let failed = output.styled("not minted", Style::Red);
            format!("{failed} at {at}: {}", terminal(why))
        }
    }
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
pub(super) fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
