//! Checks of a manifest's values. Everything in it is text from outside, and much of it is shown to an admin who
//! decides by it, so it must be short and must look like what it is.

use std::collections::BTreeSet;

use openpact_model::id::ComponentName;
use openpact_model::text;
use openpact_model::tool::ToolSpec;
use serde_json::Value;

use super::{
    CredentialRequest, HttpRequest, Kind, MAX_KV_BYTES, MAX_REQUESTS, MAX_SCHEMA_BYTES, MAX_TOOLS, Manifest,
    Problem, Requests,
};

/// The longest one-line text in characters.
const MAX_LINE: usize = 500;

/// The longest address in characters.
const MAX_URL: usize = 2_000;

/// The longest description of a tool in bytes.
const MAX_TOOL_DESCRIPTION: usize = 8 * 1024;

/// The longest name of a tool in characters, the component's name before it included.
const MAX_TOOL_NAME: usize = 64;

/// The most hosts that one credential may go to, and the most methods of one request.
const MAX_ENTRIES: usize = 32;

/// The largest memory that may be asked for, in bytes: what a 32-bit guest can address.
const MAX_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// The longest wall time that may be asked for, in milliseconds.
const MAX_TIME: u64 = 60 * 60 * 1000;

/// A map that the TOML library makes of a date, which no JSON has.
const TOML_DATE: &str = "$__toml_private_datetime";

pub(super) fn wrong(key: impl Into<String>, problem: impl Into<String>) -> Problem {
    Problem::Value { key: key.into(), problem: text::one_line(&problem.into(), 400) }
}

pub(super) fn all(manifest: &Manifest) -> Result<(), Problem> {
    if manifest.publisher.parse::<ComponentName>().is_err() {
        return Err(wrong("publisher", "must be 2 to 64 of a-z, 0-9 and '-', starting with a letter"));
    }
    line("description", &manifest.description)?;
    line("license", &manifest.license)?;
    if let Some(homepage) = &manifest.homepage {
        address("homepage", homepage, &["https://"])?;
    }
    requests(&manifest.requests)?;
    settings(manifest)?;
    tools(manifest)
}

fn requests(requests: &Requests) -> Result<(), Problem> {
    count("requests.http", requests.http.len(), MAX_REQUESTS)?;
    count("requests.websocket", requests.websocket.len(), MAX_REQUESTS)?;
    count("requests.credentials", requests.credentials.len(), MAX_REQUESTS)?;
    count("requests.files", requests.files.len(), MAX_REQUESTS)?;
    let credentials = credentials(&requests.credentials)?;
    for (index, request) in requests.http.iter().enumerate() {
        http(&format!("requests.http[{index}]"), request, &credentials)?;
    }
    for (index, request) in requests.websocket.iter().enumerate() {
        let key = format!("requests.websocket[{index}]");
        address(&format!("{key}.url"), &request.url, &["wss://", "ws://"])?;
        line(&format!("{key}.reason"), &request.reason)?;
        declared(&key, request.credential.as_deref(), &credentials)?;
    }
    let mut mounts = BTreeSet::new();
    for (index, request) in requests.files.iter().enumerate() {
        let key = format!("requests.files[{index}]");
        if request.mount.parse::<ComponentName>().is_err() {
            return Err(wrong(format!("{key}.mount"), "must be the name of a mount, such as \"workspace\""));
        }
        unique(&format!("{key}.mount"), &mut mounts, &request.mount)?;
        line(&format!("{key}.reason"), &request.reason)?;
    }
    range("requests.kv", requests.kv, MAX_KV_BYTES, "bytes")?;
    range("requests.limits.memory", requests.limits.memory, MAX_MEMORY, "bytes")?;
    range("requests.limits.time", requests.limits.time, MAX_TIME, "milliseconds")
}

fn http(key: &str, request: &HttpRequest, credentials: &BTreeSet<&str>) -> Result<(), Problem> {
    let methods = &request.methods;
    let any = methods.len() == 1 && methods[0] == "*";
    let named = !methods.is_empty()
        && methods.len() <= MAX_ENTRIES
        && methods.iter().all(|method| {
            (1..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        });
    if !any && !named {
        return Err(wrong(
            format!("{key}.methods"),
            "must list methods such as [\"GET\", \"POST\"], or be [\"*\"]",
        ));
    }
    address(&format!("{key}.url"), &request.url, &["https://", "http://"])?;
    line(&format!("{key}.reason"), &request.reason)?;
    declared(key, request.credential.as_deref(), credentials)
}

fn credentials(requests: &[CredentialRequest]) -> Result<BTreeSet<&str>, Problem> {
    let mut names = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let key = format!("requests.credentials[{index}]");
        let first = request.name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let rest = request.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !first || !rest || request.name.len() > 64 {
            let rule = "must be 1 to 64 letters, digits, '_' and '-', starting with a letter";
            return Err(wrong(format!("{key}.name"), rule));
        }
        unique(&format!("{key}.name"), &mut names, &request.name)?;
        line(&format!("{key}.description"), &request.description)?;
        line(&format!("{key}.placement"), &request.placement)?;
        let hosts = format!("{key}.hosts");
        if request.hosts.is_empty() {
            return Err(wrong(hosts, "must name the hosts that the credential goes to"));
        }
        count(&hosts, request.hosts.len(), MAX_ENTRIES)?;
        for host in &request.hosts {
            if host.is_empty()
                || host.len() > 255
                || host.contains(|c: char| !is_visible_ascii(c) || "/@?#".contains(c))
            {
                return Err(wrong(hosts, "must hold host names alone, such as \"api.example.com\""));
            }
        }
    }
    Ok(names)
}

fn declared(key: &str, credential: Option<&str>, credentials: &BTreeSet<&str>) -> Result<(), Problem> {
    match credential {
        Some(name) if !credentials.contains(name) => Err(wrong(
            format!("{key}.credential"),
            format!("'{name}' is not stated under [[requests.credentials]]; state it there"),
        )),
        _ => Ok(()),
    }
}

fn settings(manifest: &Manifest) -> Result<(), Problem> {
    let Some(schema) = &manifest.settings else { return Ok(()) };
    object_schema("settings", schema)?;
    let Some(properties) = schema.get("properties") else { return Ok(()) };
    let Some(properties) = properties.as_object() else {
        return Err(wrong("settings.properties", "must be a table of schemas"));
    };
    for (name, property) in properties {
        let key = format!("settings.properties.{}", text::one_line(name, 64));
        if name.is_empty() || name.len() > 64 || name.contains(|c| !is_visible_ascii(c)) {
            return Err(wrong(key, "must have a name of 1 to 64 visible ASCII characters"));
        }
        match property.get("secret") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                if property.get("type").and_then(Value::as_str) != Some("string") {
                    return Err(wrong(key, "is secret, so it must have type = \"string\""));
                }
                if property.get("default").is_some() {
                    return Err(wrong(
                        key,
                        "is secret, so it must not have a default: everyone can read this file",
                    ));
                }
            }
            Some(_) => return Err(wrong(format!("{key}.secret"), "must be true or false")),
        }
    }
    Ok(())
}

fn tools(manifest: &Manifest) -> Result<(), Problem> {
    match (manifest.kind, manifest.tools.len()) {
        (Kind::Tool, 0) => {
            return Err(wrong("tools", "is empty: a component of kind tool lists at least one tool"));
        }
        (Kind::Adapter, 1..) => return Err(wrong("tools", "must be empty: an adapter has none")),
        (_, many) => count("tools", many, MAX_TOOLS)?,
    }
    let mut names = BTreeSet::new();
    for (index, spec) in manifest.tools.iter().enumerate() {
        let key = format!("tools[{index}]");
        tool(&key, spec)?;
        // `read` and `web_read` of a component `web` are offered under one name.
        let full = manifest.full_tool_name(&spec.name);
        if full.len() > MAX_TOOL_NAME {
            let problem = format!("'{full}' is longer than {MAX_TOOL_NAME} characters; shorten it");
            return Err(wrong(format!("{key}.name"), problem));
        }
        if names.contains(&full) {
            return Err(wrong(format!("{key}.name"), format!("'{full}' is there twice")));
        }
        names.insert(full);
    }
    Ok(())
}

fn tool(key: &str, spec: &ToolSpec) -> Result<(), Problem> {
    let first = spec.name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = spec.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !first || !rest || spec.name.len() > MAX_TOOL_NAME {
        let problem = format!("'{}' must be 1 to 64 of a-z, 0-9 and '_', starting with a letter", spec.name);
        return Err(wrong(format!("{key}.name"), problem));
    }
    if let Some(title) = &spec.title {
        line(&format!("{key}.title"), title)?;
    }
    let description = format!("{key}.description");
    if spec.description.trim().is_empty() {
        return Err(wrong(description, "must say what the tool does: the model chooses by it"));
    }
    if spec.description.len() > MAX_TOOL_DESCRIPTION {
        return Err(wrong(description, format!("is longer than {MAX_TOOL_DESCRIPTION} bytes; shorten it")));
    }
    // A person who reviews the tool must see everything that the model sees.
    if text::terminal(&spec.description) != spec.description {
        return Err(wrong(description, "has control characters or invisible marks; take them out"));
    }
    object_schema(&format!("{key}.input_schema"), &spec.input_schema)?;
    match &spec.output_schema {
        Some(schema) => object_schema(&format!("{key}.output_schema"), schema),
        None => Ok(()),
    }
}

pub(super) fn schema_size(size: usize, key: impl FnOnce() -> String) -> Result<(), Problem> {
    if size > MAX_SCHEMA_BYTES {
        return Err(wrong(
            key(),
            format!("has {size} bytes, more than the {MAX_SCHEMA_BYTES} that are allowed"),
        ));
    }
    Ok(())
}

fn object_schema(key: &str, schema: &Value) -> Result<(), Problem> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(wrong(key, "must be a JSON Schema with type = \"object\""));
    }
    schema_size(schema.to_string().len(), || key.to_owned())?;
    if has_bad_text(schema) {
        return Err(wrong(
            key,
            "has a date without quotes, control characters or invisible marks; take them out",
        ));
    }
    Ok(())
}

/// Whether a text or a key somewhere in `value` has characters that a reviewer would not see.
fn has_bad_text(value: &Value) -> bool {
    let bad = |text: &str| text::terminal(text) != text;
    match value {
        Value::String(text) => bad(text),
        Value::Array(values) => values.iter().any(has_bad_text),
        Value::Object(entries) => {
            entries.iter().any(|(key, value)| key == TOML_DATE || bad(key) || has_bad_text(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn line(key: &str, value: &str) -> Result<(), Problem> {
    if value.trim().is_empty() {
        return Err(wrong(key, "must not be empty"));
    }
    if text::one_line(value, MAX_LINE) != value {
        let problem = format!("must be one line of at most {MAX_LINE} characters, without invisible ones");
        return Err(wrong(key, problem));
    }
    Ok(())
}

fn address(key: &str, value: &str, schemes: &[&str]) -> Result<(), Problem> {
    let scheme = schemes.iter().any(|scheme| value.len() > scheme.len() && value.starts_with(scheme));
    if !scheme || value.len() > MAX_URL || value.contains(|c| !is_visible_ascii(c)) {
        let rule = format!(
            "must start with {} and have no spaces; at most {MAX_URL} ASCII characters",
            schemes.join(" or ")
        );
        return Err(wrong(key, rule));
    }
    Ok(())
}

fn is_visible_ascii(c: char) -> bool {
    c.is_ascii_graphic()
}

fn count(key: &str, count: usize, most: usize) -> Result<(), Problem> {
    if count > most {
        return Err(wrong(key, format!("has {count} entries, more than the {most} that are allowed")));
    }
    Ok(())
}

fn range(key: &str, value: Option<u64>, most: u64, unit: &str) -> Result<(), Problem> {
    match value {
        Some(value) if value == 0 || value > most => Err(wrong(key, format!("must be 1 to {most} {unit}"))),
        _ => Ok(()),
    }
}

fn unique<'a>(key: &str, seen: &mut BTreeSet<&'a str>, value: &'a str) -> Result<(), Problem> {
    if !seen.insert(value) {
        return Err(wrong(key, format!("'{value}' is there twice")));
    }
    Ok(())
}
