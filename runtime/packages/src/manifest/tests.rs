//! Tests of manifests: what reads back, what each wrong value is told, and every limit from both sides.

use serde_json::json;

use super::*;
use crate::testing::{SOURCE, tool};

const FULL: &str = r#"
name = "github"
version = "1.0.0-rc.1"
publisher = "acme"
description = "Issues and pull requests"
license = "Apache-2.0 OR MIT"
homepage = "https://example.com/github"
kind = "tool"

[[requests.http]]
methods = ["GET", "POST"]
url = "https://api.github.com/repos/**"
reason = "Issues"
credential = "token"

[[requests.websocket]]
url = "wss://live.github.com/"
reason = "Events"
credential = "token"

[[requests.credentials]]
name = "token"
description = "A fine-grained token"
placement = "header Authorization: Bearer {}"
hosts = ["api.github.com", "*.github.com"]

[[requests.files]]
mount = "workspace"
access = "read-write"
reason = "Attachments"

[requests]
kv = 65_536

[requests.limits]
memory = 134_217_728
time = 60_000

[settings]
type = "object"
[settings.properties.owner]
type = "string"
[settings.properties.webhook]
type = "string"
secret = true
"#;

/// The problem of the full manifest after replacing `from` by `to`.
fn problem(from: &str, to: &str) -> String {
    assert!(FULL.contains(from), "'{from}' must be in the text");
    let text = FULL.replacen(from, to, 1);
    Manifest::from_source(&text, vec![tool("read")]).expect_err("must be refused").to_string()
}

fn check(from: &str, to: &str, expected: &str) {
    let problem = problem(from, to);
    assert!(problem.contains(expected), "{from} -> {to}: '{problem}' must contain '{expected}'");
}

fn tools_problem(tools: Vec<ToolSpec>) -> String {
    Manifest::from_source(SOURCE, tools).expect_err("must be refused").to_string()
}

#[test]
fn a_full_manifest_reads_back() {
    let manifest = Manifest::from_source(FULL, vec![tool("read"), tool("github_write")]).unwrap();
    assert_eq!(manifest.requests.http[0].credential.as_deref(), Some("token"));
    assert_eq!(manifest.requests.limits, LimitRequests { memory: Some(134_217_728), time: Some(60_000) });
    assert_eq!(manifest.requests.files[0].access, Access::ReadWrite);
    assert_eq!(manifest.secret_settings(), ["webhook"]);
    let text = manifest.to_text().unwrap();
    assert_eq!(Manifest::from_packed(text.as_bytes()).unwrap(), manifest, "{text}");
}

#[test]
fn a_small_manifest_asks_for_nothing() {
    let manifest = Manifest::from_source(SOURCE, vec![tool("fetch")]).unwrap();
    assert_eq!(manifest.requests, Requests::default());
    assert_eq!(manifest.secret_settings(), Vec::<&str>::new());
    let text = manifest.to_text().unwrap();
    assert_eq!(Manifest::from_packed(text.as_bytes()).unwrap(), manifest, "{text}");
}

#[test]
fn unknown_missing_and_mistyped_keys_are_named() {
    check("license =", "licence =", "licence");
    check("publisher = \"acme\"\n", "", "publisher");
    check("reason = \"Issues\"", "reson = \"Issues\"", "reson");
    check("kv = 65_536", "kv = \"64k\"", "kv");
    check("kv = 65_536", "kv = -1", "kv");
    check("time = 60_000", "tme = 60_000", "tme");
    check("access = \"read-write\"", "access = \"write\"", "read-write");
    check("kind = \"tool\"", "kind = \"script\"", "adapter");
    check("name = \"github\"", "name = \"GitHub\"", "2 to 64 of a-z");
    check("version = \"1.0.0-rc.1\"", "version = \"1.0\"", "version");
    check("homepage = ", "[[tools]]\nhomepage = ", "cannot be read");
}

#[test]
fn wrong_values_are_told_with_their_key() {
    check("publisher = \"acme\"", "publisher = \"Acme Inc\"", "publisher: must be");
    check(
        "description = \"Issues and pull requests\"",
        "description = \" \"",
        "description: must not be empty",
    );
    check("\"Issues and pull requests\"", "\"a\\u202eb\"", "description: must be one line");
    check("\"Issues and pull requests\"", "\"a\\nb\"", "description: must be one line");
    check("https://example.com/github", "http://example.com/", "homepage: must start with https://");
    check("https://example.com/github", "javascript:alert(1)", "homepage: must start with https://");
    check("[\"GET\", \"POST\"]", "[]", "requests.http[0].methods");
    check("[\"GET\", \"POST\"]", "[\"get\"]", "requests.http[0].methods");
    check("[\"GET\", \"POST\"]", "[\"GET\", \"*\"]", "requests.http[0].methods");
    check("https://api.github.com/repos/**", "ftp://api.github.com/", "requests.http[0].url");
    check("https://api.github.com/repos/**", "https://a b/", "requests.http[0].url");
    check("https://api.github.com/repos/**", "https://a/ credential=x", "requests.http[0].url");
    check(
        "credential = \"token\"",
        "credential = \"other\"",
        "requests.http[0].credential: 'other' is not stated",
    );
    check("wss://live.github.com/", "https://live.github.com/", "requests.websocket[0].url");
    check("name = \"token\"", "name = \"to ken\"", "requests.credentials[0].name");
    check("[\"api.github.com\", \"*.github.com\"]", "[]", "requests.credentials[0].hosts");
    check("\"*.github.com\"", "\"evil.com/x\"", "requests.credentials[0].hosts");
    check("mount = \"workspace\"", "mount = \"../etc\"", "requests.files[0].mount");
    check("mount = \"workspace\"", "mount = \"/\"", "requests.files[0].mount");
    check("secret = true", "secret = \"yes\"", "settings.properties.webhook.secret");
    check("secret = true", "secret = true\ndefault = \"x\"", "must not have a default");
    check("type = \"string\"\nsecret", "type = \"integer\"\nsecret", "must have type = \"string\"");
    check("[settings]\ntype = \"object\"", "[settings]\ntype = \"array\"", "settings: must be a JSON Schema");
    check(
        "[settings.properties.owner]",
        "[settings.properties.owner]\ndefault = 2020-01-01",
        "a date without quotes",
    );
}

#[test]
fn what_is_there_twice_is_refused() {
    let mount = "[[requests.files]]\nmount = \"workspace\"\naccess = \"read\"\nreason = \"x\"\n\n[requests]";
    check("[requests]", mount, "requests.files[1].mount: 'workspace' is there twice");
    let block = "[[requests.credentials]]\nname = \"token\"\ndescription = \"x\"\nplacement = \"x\"\nhosts = [\"a\"]\n";
    check("[[requests.files]]", &format!("{block}\n[[requests.files]]"), "'token' is there twice");
}

#[test]
fn numbers_have_limits_on_both_sides() {
    let accepts = |from: &str, to: &str| {
        let text = FULL.replacen(from, to, 1);
        Manifest::from_source(&text, vec![tool("read")]).unwrap();
    };
    for (key, now, most) in
        [("kv", "65_536", MAX_KV_BYTES), ("memory", "134_217_728", 1 << 32), ("time", "60_000", 3_600_000)]
    {
        let now = format!("{key} = {now}");
        accepts(&now, &format!("{key} = 1"));
        accepts(&now, &format!("{key} = {most}"));
        check(&now, &format!("{key} = 0"), "must be 1 to");
        check(&now, &format!("{key} = {}", most + 1), "must be 1 to");
    }
}

#[test]
fn texts_and_lists_have_limits_on_both_sides() {
    let described = |length: usize| FULL.replacen("Issues and pull requests", &"ä".repeat(length), 1);
    Manifest::from_source(&described(500), vec![tool("read")]).unwrap();
    assert!(Manifest::from_source(&described(501), vec![tool("read")]).is_err());

    let request = "[[requests.http]]\nmethods = [\"*\"]\nurl = \"https://a/\"\nreason = \"x\"\n";
    let many = |count: usize| format!("{SOURCE}\n{}", request.repeat(count));
    Manifest::from_source(&many(MAX_REQUESTS), vec![tool("read")]).unwrap();
    assert!(Manifest::from_source(&many(MAX_REQUESTS + 1), vec![tool("read")]).is_err());

    let padded = |size: usize| format!("{SOURCE}#{}", "x".repeat(size - SOURCE.len() - 1));
    Manifest::from_source(&padded(MAX_BYTES), vec![tool("read")]).unwrap();
    let long = Manifest::from_source(&padded(MAX_BYTES + 1), vec![tool("read")]);
    assert_eq!(long, Err(Problem::TooLong { size: MAX_BYTES + 1 }));
    let long = Manifest::from_packed(&vec![b'#'; MAX_BYTES + 1]);
    assert_eq!(long, Err(Problem::TooLong { size: MAX_BYTES + 1 }));
}

#[test]
fn a_tool_component_has_tools_and_an_adapter_has_none() {
    assert!(tools_problem(vec![]).contains("lists at least one tool"));
    let adapter = SOURCE.replace("\"tool\"", "\"adapter\"");
    Manifest::from_source(&adapter, vec![]).unwrap();
    assert!(
        Manifest::from_source(&adapter, vec![tool("x")])
            .unwrap_err()
            .to_string()
            .contains("an adapter has none")
    );
    let numbered = |count: usize| (0..count).map(|i| tool(&format!("t{i}"))).collect::<Vec<_>>();
    Manifest::from_source(SOURCE, numbered(MAX_TOOLS)).unwrap();
    assert!(tools_problem(numbered(MAX_TOOLS + 1)).contains("129 entries"));
}

#[test]
fn tool_names_are_words_and_unique_in_full() {
    for bad in ["", "Read", "1read", "_read", "read-file", "web:read", "réad"] {
        assert!(tools_problem(vec![tool(bad)]).contains("tools[0].name"), "'{bad}' must be refused");
    }
    // "web_" goes before it.
    Manifest::from_source(SOURCE, vec![tool(&"a".repeat(60))]).unwrap();
    assert!(tools_problem(vec![tool(&"a".repeat(61))]).contains("longer than 64"));
    assert!(tools_problem(vec![tool("read"), tool("read")]).contains("'web_read' is there twice"));
    assert!(tools_problem(vec![tool("read"), tool("web_read")]).contains("'web_read' is there twice"));
}

#[test]
fn the_full_name_of_a_tool_starts_with_the_component() {
    let text = SOURCE.replace("\"web\"", "\"web-search\"");
    let manifest = Manifest::from_source(&text, vec![tool("find")]).unwrap();
    for (name, full) in [
        ("find", "web_search_find"),
        ("web_search_find", "web_search_find"),
        ("web_search", "web_search"),
        ("web_searching", "web_search_web_searching"),
        ("web_find", "web_search_web_find"),
    ] {
        assert_eq!(manifest.full_tool_name(name), full);
    }
}

#[test]
fn descriptions_and_schemas_show_everything_to_a_reviewer() {
    let described = |text: &str| ToolSpec { description: text.to_owned(), ..tool("read") };
    Manifest::from_source(SOURCE, vec![described("Two\nlines\tand a tab")]).unwrap();
    Manifest::from_source(SOURCE, vec![described(&"x".repeat(8192))]).unwrap();
    for bad in ["", " \n", "hidden\u{200b}", "\u{1b}[8m", "tag\u{e0041}", &"x".repeat(8193)] {
        assert!(
            tools_problem(vec![described(bad)]).contains("tools[0].description"),
            "{bad:?} must be refused"
        );
    }
    let schema = |schema: Value| ToolSpec { input_schema: schema, ..tool("read") };
    for bad in [
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!({"type": "string"}),
        json!({"type": ["object"]}),
        json!({"type": "object", "title": "a\u{202e}b"}),
        json!({"type": "object", "properties": {"a\u{200b}": {}}}),
        json!({"type": "object", "x": "y".repeat(MAX_SCHEMA_BYTES)}),
    ] {
        assert!(
            tools_problem(vec![schema(bad.clone())]).contains("tools[0].input_schema"),
            "must be refused: {bad}"
        );
    }
    let output = ToolSpec { output_schema: Some(json!({"type": "string"})), ..tool("read") };
    assert!(tools_problem(vec![output]).contains("tools[0].output_schema"));
    let overhead = json!({"type": "object", "x": ""}).to_string().len();
    let longest = json!({"type": "object", "x": "y".repeat(MAX_SCHEMA_BYTES - overhead)});
    Manifest::from_source(SOURCE, vec![schema(longest)]).unwrap();
}

#[test]
fn a_source_does_not_state_tools() {
    let text = format!(
        "{SOURCE}\n[[tools]]\nname = \"x\"\ndescription = \"x\"\ninput_schema = '{{\"type\":\"object\"}}'\n"
    );
    let problem = Manifest::from_source(&text, vec![tool("read")]).unwrap_err().to_string();
    assert!(problem.contains("tools: is written by `component pack`"), "{problem}");
    assert_eq!(Manifest::from_packed(text.as_bytes()).unwrap().tools[0].name, "x");
}

#[test]
fn a_packed_manifest_is_checked_like_a_source() {
    assert_eq!(Manifest::from_packed(b"name = \"\xff\""), Err(Problem::NoText));
    let tools = "\n[[tools]]\nname = \"x\"\ndescription = \"x\"\ninput_schema = '{'\n";
    let problem = Manifest::from_packed(format!("{SOURCE}{tools}").as_bytes()).unwrap_err().to_string();
    assert!(problem.contains("tools[0].input_schema: is no JSON"), "{problem}");
    let nested = format!(
        "{SOURCE}\n[[tools]]\nname = \"x\"\ndescription = \"x\"\ninput_schema = '{}'\n",
        "[".repeat(10_000)
    );
    assert!(Manifest::from_packed(nested.as_bytes()).is_err(), "deep JSON does not use up the stack");
    let nested = format!("{SOURCE}\nx = {}", "[".repeat(100_000));
    assert!(Manifest::from_packed(nested.as_bytes()).is_err(), "deep TOML does not use up the stack");
}

#[test]
fn what_the_parser_shows_cannot_write_on_a_terminal() {
    let problem = Manifest::from_source("name = \"a\u{9b}31mb\"\n", vec![]).unwrap_err().to_string();
    assert!(!problem.contains('\u{9b}'), "{problem:?}");
}
