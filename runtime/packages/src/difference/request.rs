//! Differences in what a manifest requests.

use super::list::{Pair, pairs};
use super::{Area, Changes};
use crate::manifest::{
    CredentialRequest, FileRequest, HttpRequest, LimitRequests, Requests, WebsocketRequest,
};

const NEW: Option<&str> = Some("a new request");

pub(super) fn compare(changes: &mut Changes, old: &Requests, new: &Requests) {
    // Taken apart so that a request that is added one day cannot be forgotten here.
    let Requests { http, websocket, credentials, files, kv, limits } = new;
    for pair in pairs(&old.http, http, |old, new| old.url == new.url) {
        entry(changes, "requests.http".to_owned(), &pair, http_text, http_widens);
    }
    for pair in pairs(&old.websocket, websocket, |old, new| old.url == new.url) {
        entry(changes, "requests.websocket".to_owned(), &pair, websocket_text, websocket_widens);
    }
    for pair in pairs(&old.credentials, credentials, |old, new| old.name == new.name) {
        let what = named("requests.credentials", &pair, |request| &request.name);
        entry(changes, what, &pair, credential_text, credential_widens);
    }
    for pair in pairs(&old.files, files, |old, new| old.mount == new.mount) {
        let what = named("requests.files", &pair, |request| &request.mount);
        entry(changes, what, &pair, file_text, file_widens);
    }
    number(changes, "requests.kv", "bytes", old.kv, *kv);
    let LimitRequests { memory, time } = limits;
    number(changes, "requests.limits.memory", "bytes", old.limits.memory, *memory);
    number(changes, "requests.limits.time", "milliseconds", old.limits.time, *time);
}

/// Notes the difference between the two sides of one request; `widens` judges one that both have.
fn entry<T>(
    changes: &mut Changes,
    what: String,
    pair: &Pair<'_, T>,
    text: impl Fn(&T) -> String,
    widens: impl Fn(&T, &T) -> Option<&'static str>,
) {
    let why = match (pair.old, pair.new) {
        (Some(old), Some(new)) => widens(old, new),
        (None, _) => NEW,
        (_, None) => None,
    };
    changes.add(Area::Requests, what, pair.old.map(&text), pair.new.map(&text), why);
}

fn named<T>(list: &str, pair: &Pair<'_, T>, name: impl Fn(&T) -> &String) -> String {
    let name = pair.new.or(pair.old).map(name);
    format!("{list}.{}", name.map_or("", String::as_str))
}

fn number(changes: &mut Changes, what: &str, unit: &str, old: Option<u64>, new: Option<u64>) {
    let why = match (old, new) {
        (None, Some(_)) => NEW,
        (Some(old), Some(new)) if new > old => Some("more than before"),
        _ => None,
    };
    let text = |value: Option<u64>| value.map(|value| format!("{value} {unit}"));
    changes.add(Area::Requests, what, text(old), text(new), why);
}

fn with_credential(credential: Option<&String>) -> String {
    credential.map_or_else(String::new, |name| format!(" with the credential '{name}'"))
}

/// Whether a credential goes where it did not go.
fn credential_goes_along(old: Option<&String>, new: Option<&String>) -> Option<&'static str> {
    (new.is_some() && old != new).then_some("a credential goes there that did not")
}

fn http_text(request: &HttpRequest) -> String {
    let HttpRequest { methods, url, reason, credential } = request;
    format!("{} {url}{}: {reason}", methods.join(","), with_credential(credential.as_ref()))
}

fn http_widens(old: &HttpRequest, new: &HttpRequest) -> Option<&'static str> {
    let had = |method: &String| old.methods.iter().any(|known| known == "*" || known == method);
    if !new.methods.iter().all(had) {
        return Some("more methods");
    }
    credential_goes_along(old.credential.as_ref(), new.credential.as_ref())
}

fn websocket_text(request: &WebsocketRequest) -> String {
    let WebsocketRequest { url, reason, credential } = request;
    format!("{url}{}: {reason}", with_credential(credential.as_ref()))
}

fn websocket_widens(old: &WebsocketRequest, new: &WebsocketRequest) -> Option<&'static str> {
    credential_goes_along(old.credential.as_ref(), new.credential.as_ref())
}

fn credential_text(request: &CredentialRequest) -> String {
    let CredentialRequest { name: _, description, placement, hosts } = request;
    format!("{placement} to {}: {description}", hosts.join(", "))
}

fn credential_widens(old: &CredentialRequest, new: &CredentialRequest) -> Option<&'static str> {
    if !new.hosts.iter().all(|host| old.hosts.contains(host)) {
        return Some("it goes to more hosts");
    }
    (old.placement != new.placement).then_some("it is put into another place")
}

fn file_text(request: &FileRequest) -> String {
    let FileRequest { mount: _, access, reason } = request;
    format!("{access}: {reason}")
}

fn file_widens(old: &FileRequest, new: &FileRequest) -> Option<&'static str> {
    (new.access > old.access).then_some("it may write where it could only read")
}
