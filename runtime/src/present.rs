//! Answers as people read them, and as programs do.

mod audit;
mod component;
mod egress;
mod inspect;
mod lifecycle;
mod list;
mod mcp;
mod status;
mod table;
mod user;

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use openpact_model::text::terminal;
use serde::Serialize;
use serde_json::json;

use crate::control::Reply;

pub(crate) use inspect::inspection;
pub(crate) use status::banner;

/// Where output goes and how it may look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON value instead of text.
    pub(crate) json: bool,
    /// Whether standard output takes colours.
    pub(crate) colours: bool,
}

/// A colour or a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// What works.
    Green,
    /// What should be looked at.
    Yellow,
    /// What does not work.
    Red,
}

impl Output {
    /// Colours only where standard output is a terminal and nobody objects.
    pub(crate) fn new(json: bool, colours_welcome: bool) -> Self {
        Self { json, colours: colours_welcome && !json && io::stdout().is_terminal() }
    }

    /// Whether a person reads what is printed.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// `text` in a style, where styles are shown.
    pub(crate) fn styled(self, text: &str, style: Style) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Red => 31,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Shows an answer.
    pub(crate) fn reply(self, reply: &Reply) {
        if !self.json {
            return print(&self.text(reply));
        }
        match reply {
            Reply::Status(status) => value(status),
            Reply::Components(all) => value(&json!({ "components": all })),
            Reply::Providers(all) => value(&json!({ "providers": all })),
            Reply::Called(called) => value(called),
            Reply::Users(all) => value(all),
            Reply::McpClients(all) => value(&json!({ "clients": all })),
            Reply::McpToken(token) => value(token),
            Reply::Stream => {}
            Reply::Publishers(all) => value(&json!({ "publishers": all })),
            Reply::Offer(offer) => value(offer),
            Reply::Description(all) => value(all),
            Reply::Revocations(all) => value(&json!({ "revocations": all })),
            Reply::Secrets(all) => value(&json!({ "secrets": all })),
            Reply::Grants(all) => value(&json!({ "grants": all })),
            Reply::EgressLog(all) => value(&json!({ "requests": all })),
            Reply::EgressTest(test) => value(test),
            Reply::Audit(entries) => value(&json!({ "entries": entries })),
            Reply::Chain(chain) => value(chain),
            Reply::Done { message, warning } => {
                value(&json!({ "message": message, "warning": warning }));
            }
        }
    }

    fn text(self, reply: &Reply) -> String {
        match reply {
            Reply::Status(status) => status::text(self, status),
            Reply::Components(components) => component::list(self, components),
            Reply::Providers(providers) => list::providers(self, providers),
            Reply::Called(called) => component::called(self, called),
            Reply::Users(all) => user::list(self, all),
            Reply::McpClients(clients) => mcp::clients(self, clients),
            Reply::McpToken(token) => mcp::token(token),
            Reply::Stream => String::new(),
            Reply::Publishers(publishers) => list::publishers(self, publishers),
            Reply::Offer(offer) => lifecycle::offer(self, offer),
            Reply::Description(all) => lifecycle::description(self, all),
            Reply::Revocations(all) => list::revocations(self, all),
            Reply::Secrets(secrets) => list::secrets(self, secrets),
            Reply::Grants(grants) => list::grants(self, grants),
            Reply::EgressLog(requests) => egress::log(self, requests),
            Reply::EgressTest(test) => egress::test(self, test),
            Reply::Audit(entries) => audit::entries(self, entries),
            Reply::Chain(chain) => audit::chain(self, chain),
            Reply::Done { message, warning } => self.done(message, warning.as_deref()),
        }
    }

    fn done(self, message: &str, warning: Option<&str>) -> String {
        let mut text = format!("{}\n", terminal(message));
        if let Some(warning) = warning {
            let head = self.styled("warning:", Style::Yellow);
            add(&mut text, format_args!("{head} {}\n", terminal(warning)));
        }
        text
    }
}

/// Adds to a text without a detour.
pub(crate) fn add(text: &mut String, more: fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a String cannot fail");
}

/// Shows a value as JSON.
pub(crate) fn value<T: Serialize>(value: &T) {
    let text = serde_json::to_string_pretty(value).expect("what is answered can always be written as JSON");
    print(&format!("{text}\n"));
}

/// Writes to standard output. Where nobody reads any more (`| head`) the rest is of no use to anybody.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("error: standard output cannot be written: {error}"));
        }
        _ => {}
    }
}

/// Writes one line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
