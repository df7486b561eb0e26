//! A tool needs a token. The admin first writes it where tools of others kept it, then stores it properly; the server
//! that the token is for says it back in every way, and the tool passes on all that it hears.

use std::fs;

use openpact_test_guests::FETCH;
use serde_json::json;

use crate::chat::secrecy;
use crate::install::stage::{Place, Publisher, Site, answer, requests};

const TOKEN: &str = "pm-8f1d5c3a-97e2-4b60-a1c5";

/// A server that says the credential of every request back, in the way that its path names.
fn mirror() -> Site {
    Site::answering(|request| {
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization"));
        let line = line.unwrap_or_default();
        let page = format!("{} {line}", request.lines().next().unwrap_or_default());
        match request.split(' ').nth(1).unwrap_or_default() {
            "/headers" => answer("200 OK", &format!("x-echo: {line}\r\n"), &page),
            "/error" => answer("500 Internal Server Error", "", &format!("<h1>{page}</h1>")),
            "/chunked" => {
                let chunks = page.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte)));
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
                format!("{head}{}0\r\n\r\n", chunks.collect::<String>()).into_bytes()
            }
            "/base64" => answer("200 OK", "", &format!("{page} {}", secrecy::base64(page.as_bytes()))),
            _ => answer("200 OK", "", &page),
        }
    })
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[test]
fn a_literal_where_a_name_belongs_is_refused_and_not_said_again() {
    let acme = Publisher::new("acme");
    let place = Place::with_mail(&acme);
    for configuration in [
        format!("components:\n  mail:\n    credentials: {{ token: \"{TOKEN}\" }}\n"),
        format!("engine:\n  model: m\n  key: \"{TOKEN}\"\n"),
    ] {
        place.configure(&configuration);
        let ended = place.run(&["config", "check"]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.err.contains("openpact secret set"), "{ended:?}");
        assert!(!ended.err.contains(TOKEN), "{ended:?}");
    }
    // In a setting that the tool calls a secret: the tool does not run at all.
    place.configure(&format!("components:\n  mail:\n    settings: {{ key: \"{TOKEN}\" }}\n"));
    let ended = place.run(&["component", "call", "mail", "get", "{}"]);
    assert!(ended.code == Some(1) && ended.err.contains("its setting 'key' is a secret"), "{ended:?}");
    assert!(!ended.err.contains(TOKEN), "{ended:?}");
    place.configure("");
    for key in ["credentials.token", "settings.key"] {
        let ended = place.run(&["component", "set", "mail", key, TOKEN]);
        assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
        assert!(!ended.err.contains(TOKEN) && !ended.out.contains(TOKEN), "{ended:?}");
    }
    secrecy::search(TOKEN, &secrecy::files(&place.data()));
    place.good(&["audit", "verify"]);
}

#[test]
fn a_token_that_is_said_back_is_in_no_answer_no_log_and_no_file() {
    let (acme, mirror) = (Publisher::new("acme"), mirror());
    let place = Place::with(&acme);
    let service = place.serve();
    fs::write(place.path("token"), TOKEN).unwrap();
    let token = place.path("token");
    place.good(&[
        "secret",
        "set",
        "MAIL_TOKEN",
        "--file",
        token.to_str().unwrap(),
        "--for",
        "component:mail",
    ]);
    fs::remove_file(token).unwrap();
    let asks = requests(&format!("GET http://{}/**", mirror.address)).replace("mail.example", "127.0.0.1");
    let file = place
        .package("mail.wasm", &acme.component("mail", "1.0.0", &asks, FETCH, &["reflection", "get", "page"]));
    let rule = format!("{} credential=token", mirror.rule("/**"));
    place.good(&["component", "install", &file, "--grant", &rule, "--secret", "token=MAIL_TOKEN"]);
    let mut said = Vec::new();
    for path in ["/body", "/headers", "/chunked", "/base64", "/error"] {
        let control = format!("GET {path}");
        // Not all of it, since what the tool is asked is on record.
        let marks = json!({"value_reversed": reversed(&TOKEN[3..]), "control_reversed": reversed(&control)});
        let told = place.good(&["component", "call", "mail", "reflection", &mirror.with(path, marks)]);
        assert!(told.contains("Bearer [REDACTED:MAIL_TOKEN]"), "{path}: {told}");
        assert!(told.trim_start().starts_with("0 "), "the value is in the tool's memory: {told}");
        assert!(!told.trim_start().starts_with("0 0 "), "the search finds what is there: {told}");
        said.push((path.to_owned(), told.into_bytes()));
    }
    // The server really had it each time.
    let heard = mirror.heard();
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|request| request.contains(&format!("Bearer {TOKEN}"))));
    for command in [
        ["secret", "list"].as_slice(),
        &["component", "status", "mail"],
        &["grant", "list", "component:mail"],
        &["egress", "log"],
        &["audit", "show", "--limit", "1000"],
        &["status"],
        &["config", "check"],
    ] {
        said.push((command.join(" "), place.good(command).into_bytes()));
        said.push((command.join(" "), place.json(command).to_string().into_bytes()));
    }
    drop(service);
    said.extend(secrecy::files(&place.data()));
    said.push(("the log".to_owned(), fs::read(place.path("service.log")).unwrap()));
    secrecy::search(TOKEN, &said);
    let sent = place.records("egress.request");
    assert!(sent.iter().filter(|event| event["verdict"] == "allowed").count() >= 5, "{sent:?}");
    place.good(&["audit", "verify"]);
}
