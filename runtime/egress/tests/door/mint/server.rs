//! An OAuth 2.0 server with rotating refresh tokens, and an API that takes its access tokens. Written from RFC 6749,
//! sharing nothing with the code that it judges but the test's sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::server::{Seen, Server, Step, reply};

/// What the token endpoint does.
#[derive(Clone, PartialEq)]
pub(super) enum Mode {
    Good,
    /// It waits before it answers.
    Held,
    /// Everything as at the start.
    Reset,
    /// It answers this.
    Says(&'static str, Vec<(&'static str, String)>, Vec<u8>),
}

#[derive(Default)]
struct State {
    mode: Option<Mode>,
    number: usize,
    used: Vec<String>,
    forms: Vec<String>,
    sent: Vec<String>,
}

pub(super) struct OauthServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl OauthServer {
    pub(super) async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let own = state.clone();
        let server = Server::start(move |seen| {
            let path = seen.line().split(' ').nth(1).unwrap_or_default().to_owned();
            let mut state = own.lock().unwrap();
            if path.starts_with("/token") { token(&mut state, seen) } else { api(&mut state, &path, seen) }
        })
        .await;
        Self { server, state }
    }

    pub(super) fn set(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        if mode == Mode::Reset {
            state.number = 0;
        }
        state.mode = Some(mode);
    }

    /// The definition of a secret that this server mints, with further members.
    pub(super) fn oauth(&self, more: &str) -> String {
        format!(
            r#"{{"kind":"oauth","token_url":"{}","client_id":"the client","client_secret":"client-secret-of-the-test","refresh_token":"refresh-token-number-0","private":["127.0.0.1"]{more}}}"#,
            self.server.url("/token")
        )
    }

    pub(super) fn api(&self, path: &str) -> String {
        format!("* {} credential=token private=127.0.0.1", self.server.url(path))
    }

    pub(super) fn api_url(&self, path: &str) -> String {
        self.server.url(path)
    }

    pub(super) fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The access tokens that the API got.
    pub(super) fn sent_tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().sent.clone()
    }

    pub(super) fn used_refresh_tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().used.clone()
    }

    pub(super) fn forms(&self) -> Vec<String> {
        self.state.lock().unwrap().forms.clone()
    }

    /// Waits until the token endpoint was asked.
    pub(super) async fn asked(&self) {
        while self.forms().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn json(status: &str, body: &str) -> Vec<Step> {
    vec![Step::Write(reply(status, &[("content-type", "application/json")], body.as_bytes()))]
}

fn token(state: &mut State, seen: &Seen) -> Vec<Step> {
    let form = String::from_utf8(seen.body.clone()).unwrap();
    state.forms.push(form.clone());
    if let Some(Mode::Says(status, headers, body)) = &state.mode {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        return vec![Step::Write(reply(status, &headers, body))];
    }
    if seen.header("content-type") != Some("application/x-www-form-urlencoded")
        || !seen.line().starts_with("POST ")
    {
        return json("400 Bad Request", r#"{"error":"invalid_request"}"#);
    }
    let fields: std::collections::HashMap<_, _> =
        form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    if !is_client(seen, &fields) {
        let body = format!(r#"{{"error":"invalid_client","error_description":"you said {form}"}}"#);
        return json("401 Unauthorized", &body);
    }
    let expected = format!("refresh-token-number-{}", state.number);
    match fields.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some("refresh_token") => {
            let token = fields.get("refresh_token").cloned().unwrap_or_default();
            state.used.push(token.clone());
            if token != expected {
                let body =
                    format!(r#"{{"error":"invalid_grant","error_description":"{token} was used before"}}"#);
                return json("400 Bad Request", &body);
            }
        }
        _ => return json("400 Bad Request", r#"{"error":"unsupported_grant_type"}"#),
    }
    state.number += 1;
    let number = state.number;
    let answer = json(
        "200 OK",
        &format!(
            r#"{{"access_token":"access-token-number-{number}","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-token-number-{number}"}}"#
        ),
    );
    let wait = if state.mode == Some(Mode::Held) { 100 } else { 0 };
    [vec![Step::Wait(Duration::from_millis(wait))], answer].concat()
}

fn is_client(seen: &Seen, fields: &std::collections::HashMap<String, String>) -> bool {
    let field = |name: &str| fields.get(name).map(String::as_str);
    match seen.header("authorization") {
        Some(header) => {
            let pair = "the+client:client-secret-of-the-test";
            header == format!("Basic {}", STANDARD.encode(pair)) && field("client_secret").is_none()
        }
        None => {
            field("client_id") == Some("the client")
                && field("client_secret") == Some("client-secret-of-the-test")
        }
    }
}

fn api(state: &mut State, path: &str, seen: &Seen) -> Vec<Step> {
    let header = seen.header("authorization").unwrap_or_default().to_owned();
    let token = header.strip_prefix("Bearer ").unwrap_or(&header).to_owned();
    let before = state.sent.last().filter(|before| **before != token).cloned();
    state.sent.push(token);
    if let Some(to) = path.strip_prefix("/redirect?to=") {
        return vec![Step::Write(reply("302 Found", &[("location", to)], b""))];
    }
    if let Some(to) = path.strip_prefix("/carry?to=") {
        let to = format!("{to}?t={}", state.sent.last().cloned().unwrap_or_default());
        return vec![Step::Write(reply("302 Found", &[("location", &to)], b""))];
    }
    let before = before.map(|token| format!("Bearer {token}")).unwrap_or_default();
    let body = format!("you sent {header}, before that: {before}");
    vec![Step::Write(reply("200 OK", &[], body.as_bytes()))]
}
