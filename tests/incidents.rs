//! What happened in this field, and the same tried here: each folder of `tests/incidents` is an incident, with an attack
//! that is run against the program, by a component, a server, a page or a sender of our own writing. `docs/incidents.md`
//! is made from them.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[expect(dead_code, reason = "the tests of chat use the rest of it")]
#[path = "chat"]
mod chat {
    pub(crate) mod program;
    pub(crate) mod secrecy;
    pub(crate) mod several;
    pub(crate) mod stage;
}
#[expect(dead_code, reason = "the tests of installing use the rest of it")]
#[path = "install"]
mod install {
    pub(crate) mod stage;
}
#[expect(dead_code, reason = "the tests of MCP use the rest of it")]
#[path = "../runtime/mcp/tests/server/wire.rs"]
mod wire;

#[path = "incidents/clawhavoc/attack.rs"]
mod clawhavoc;
// Looks up in the files of Linux what listens.
#[cfg(target_os = "linux")]
#[path = "incidents/gateways-open-to-the-internet/attack.rs"]
mod gateways_open_to_the_internet;
#[path = "incidents/injection-in-an-issue-title/attack.rs"]
mod injection_in_an_issue_title;
#[path = "incidents/one-click-takeover/attack.rs"]
mod one_click_takeover;
#[path = "incidents/path-and-symlink-races/attack.rs"]
mod path_and_symlink_races;
#[path = "incidents/postmark-mcp/attack.rs"]
mod postmark_mcp;
#[path = "incidents/secrets-in-tool-configuration/attack.rs"]
mod secrets_in_tool_configuration;
#[path = "incidents/skill-that-sent-memory-and-env/attack.rs"]
mod skill_that_sent_memory_and_env;
#[path = "incidents/strangers-and-forged-system-messages/attack.rs"]
mod strangers_and_forged_system_messages;

const PAGE: &str = "docs/incidents.md";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    /// Its name in a few words.
    what: String,
    /// How large it was, as reported.
    figures: String,
    /// What was done.
    done: String,
    /// What holds here.
    defence: String,
    /// The attacks in the folder's own file: tests, and steps of tests.
    attacks: Vec<String>,
    /// Attacks in other places, as `FILE#TEST`.
    also: Vec<String>,
}

impl Incident {
    /// All attacks, as the file and the test in it.
    fn attacks(&self, name: &str) -> Vec<(String, String)> {
        let own = self.attacks.iter().map(|test| (own_file(name), test.clone()));
        let also = self.also.iter().map(|attack| attack.split_once('#').unwrap());
        own.chain(also.map(|(file, test)| (file.to_owned(), test.to_owned()))).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn own_file(name: &str) -> String {
    format!("tests/incidents/{name}/attack.rs")
}

fn source(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn incidents() -> BTreeMap<String, Incident> {
    let folders = fs::read_dir(root().join("tests/incidents")).unwrap().map(|entry| entry.unwrap());
    folders
        .map(|folder| {
            let text = fs::read_to_string(folder.path().join("incident.toml")).unwrap();
            (folder.file_name().into_string().unwrap(), toml::from_str(&text).unwrap())
        })
        .collect()
}

/// The names of the tests in a file.
fn tests(source: &str) -> BTreeSet<&str> {
    let mut lines = source.lines();
    let mut found = BTreeSet::new();
    while lines.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test")) {
        let function = lines.find_map(|line| line.split_once("fn ")).unwrap().1;
        found.insert(function.split('(').next().unwrap());
    }
    found
}

#[test]
fn every_attack_is_a_test_that_exists() {
    let incidents = incidents();
    assert_eq!(incidents.len(), 9, "one for each case");
    for (name, incident) in &incidents {
        for (file, test) in incident.attacks(name) {
            assert!(source(&file).contains(&format!("fn {test}(")), "{name}: there is no {test} in {file}");
        }
    }
}

#[test]
fn every_incident_is_tried_through_the_program_and_says_how() {
    let modules = source("tests/incidents.rs");
    for (name, incident) in incidents() {
        let module = format!("#[path = \"incidents/{name}/attack.rs\"]\nmod {};", name.replace('-', "_"));
        assert!(modules.contains(&module), "{name}: its attack is run");
        let own = source(&own_file(&name));
        let tests = tests(&own);
        assert!(!tests.is_empty(), "{name}: nothing is tried");
        let silent: Vec<_> =
            tests.into_iter().filter(|test| !incident.attacks.contains(&(*test).to_owned())).collect();
        assert!(silent.is_empty(), "{name}: {silent:?} are not in incident.toml");
    }
}

/// What a file says of itself, as a paragraph.
fn told(source: &str) -> String {
    let lines: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    lines.join(" ")
}

#[test]
fn the_page_says_what_is_tried() {
    let mut page = String::from(
        "# What happened elsewhere, and what holds here\n\n\
         Made from `tests/incidents` by `cargo test --workspace --test incidents`, which also fails when an attack that \
         is named here is no test any more. Each case is run as it happened, against the program itself, with a \
         component, a server, a page or a sender of our own writing. Where that costs little the test also shows that \
         the attack works once it is allowed. All of it is run by `cargo test`.\n",
    );
    for (name, incident) in incidents() {
        let Incident { what, figures, done, defence, .. } = &incident;
        write!(page, "\n## {what}\n\n{done} Reported: {figures}\n\n**What holds here:** {defence}\n")
            .unwrap();
        let file = own_file(&name);
        write!(page, "\n**What is tried:** {}\n\nIn `{file}`:\n\n", told(&source(&file))).unwrap();
        let (own, also): (Vec<_>, Vec<_>) =
            incident.attacks(&name).into_iter().partition(|(place, _)| *place == file);
        for (_, test) in own {
            writeln!(page, "- {}", sentence(&test)).unwrap();
        }
        page.push_str("\nElsewhere:\n\n");
        for (file, test) in also {
            writeln!(page, "- {}, in `{file}`", sentence(&test)).unwrap();
        }
    }
    let path = root().join(PAGE);
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept != page {
        let new = std::env::temp_dir().join("openpact-incidents.md");
        fs::write(&new, &page).unwrap();
        panic!("{PAGE} is stale: copy {} over it", new.display());
    }
}

/// The name of a test, to be read.
fn sentence(test: &str) -> String {
    test.replace('_', " ")
}
