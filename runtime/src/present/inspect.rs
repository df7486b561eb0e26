//! What a package says about itself.

use std::path::Path;

use openpact_egress::rule::Rule;
use openpact_model::text::one_line;
use openpact_packages::{Inspection, Manifest};

use super::{Output, Style, add};
use crate::config::unit::Size;

/// Everything that an admin wants to know before trusting it. Nothing in here is proven.
pub(crate) fn inspection(output: Output, file: &Path, inspection: &Inspection) -> String {
    let mut page = Page { output, text: String::new() };
    page.line("file", &format!("{} ({})", file.display(), Size(inspection.size).about()));
    page.line("digest", &inspection.digest.to_string());
    if let Some(manifest) = &inspection.manifest {
        page.manifest(manifest);
    }
    page.list("imports", &imports(&inspection.imports));
    page.list("exports", &inspection.exports);
    page.marked("would be refused", &inspection.refusals, Style::Red);
    page.marked("warning", &inspection.warnings, Style::Yellow);
    page.text
}

struct Page {
    output: Output,
    text: String,
}

impl Page {
    fn line(&mut self, head: &str, value: &str) {
        add(&mut self.text, format_args!("{head:<12}{}\n", one_line(value, 400)));
    }

    fn list(&mut self, head: &str, items: &[String]) {
        for (index, item) in items.iter().enumerate() {
            self.line(if index == 0 { head } else { "" }, item);
        }
        if items.is_empty() {
            self.line(head, "none");
        }
    }

    fn marked(&mut self, head: &str, items: &[String], style: Style) {
        for item in items {
            let head = self.output.styled(&format!("{head}:"), style);
            add(&mut self.text, format_args!("{head} {}\n", one_line(item, 400)));
        }
    }

    fn manifest(&mut self, manifest: &Manifest) {
        self.line("name", &format!("{} {} ({})", manifest.name, manifest.version, manifest.kind));
        self.line(
            "publisher",
            &format!("{} (as it says itself; 'component verify' proves it)", manifest.publisher),
        );
        self.line("about", &manifest.description);
        self.line("licence", &manifest.license);
        if let Some(homepage) = &manifest.homepage {
            self.line("homepage", homepage);
        }
        let tools: Vec<_> = manifest
            .tools
            .iter()
            .map(|tool| {
                let effects = serde_json::to_value(tool.effects).unwrap_or_default();
                let word = |key: &str| effects[key].as_str().unwrap_or("?").to_owned();
                format!(
                    "{} (reads {}, writes {})",
                    manifest.full_tool_name(&tool.name),
                    word("reads"),
                    word("writes")
                )
            })
            .collect();
        self.list("tools", &tools);
        self.list("asks for", &requests(manifest));
    }
}

/// What every toolchain links, with nothing behind it but what is granted.
const BASELINE: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The imports that say something, and how many others there are.
fn imports(all: &[String]) -> Vec<String> {
    let is_baseline = |name: &&String| BASELINE.iter().any(|prefix| name.starts_with(prefix));
    let (baseline, telling): (Vec<_>, Vec<_>) = all.iter().partition(is_baseline);
    let rest = format!("{} of the WASI baseline, which reach nothing by themselves", baseline.len());
    telling.into_iter().cloned().chain((!baseline.is_empty()).then_some(rest)).collect()
}

/// Everything that a manifest asks for, one sentence each.
fn requests(manifest: &Manifest) -> Vec<String> {
    let asked = &manifest.requests;
    let with = |credential: &Option<String>| {
        credential.as_ref().map(|name| format!(", with the credential '{name}'")).unwrap_or_default()
    };
    let files = asked
        .files
        .iter()
        .map(|file| format!("the folder /{}, {}: {}", file.mount, file.access, file.reason));
    let http = asked.http.iter().map(|http| {
        let asked = format!("{} {}", http.methods.join(","), http.url);
        let asked = asked.parse::<Rule>().map_or(asked, |rule| rule.labelled());
        format!("{asked}{}: {}", with(&http.credential), http.reason)
    });
    let sockets = asked.websocket.iter().map(|socket| {
        format!("a connection to {}{}: {}", socket.url, with(&socket.credential), socket.reason)
    });
    let credentials = asked.credentials.iter().map(|credential| {
        let hosts = credential.hosts.join(", ");
        format!(
            "the credential '{}' as '{}' to {hosts}: {}",
            credential.name, credential.placement, credential.description
        )
    });
    let kv = asked.kv.iter().map(|bytes| format!("{} in the key-value store", Size(*bytes)));
    let memory = asked.limits.memory.iter().map(|bytes| format!("{} of memory for a call", Size(*bytes)));
    let time = asked.limits.time.iter().map(|time| format!("{time} ms for a call"));
    files.chain(http).chain(sockets).chain(credentials).chain(kv).chain(memory).chain(time).collect()
}
