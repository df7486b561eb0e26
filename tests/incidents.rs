//! What happened in this field, and what of it is tried here: each folder of `tests/incidents` names an incident and the
//! attacks that are run against the program, and `docs/incidents.md` is made from them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const PAGE: &str = "docs/incidents.md";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    /// What happened.
    what: String,
    /// How large it was, as reported.
    figures: String,
    /// What holds here.
    defence: String,
    /// The attacks, as `FILE#TEST`.
    attacks: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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

#[test]
fn every_attack_is_a_test_that_exists() {
    let incidents = incidents();
    assert_eq!(incidents.len(), 9, "one for each case");
    for (name, incident) in &incidents {
        assert!(!incident.attacks.is_empty(), "{name}: nothing is tried");
        for attack in &incident.attacks {
            let (file, test) = attack.split_once('#').unwrap();
            let source = fs::read_to_string(root().join(file)).unwrap();
            assert!(source.contains(&format!("fn {test}(")), "{name}: there is no {attack}");
        }
    }
}

#[test]
fn the_page_says_what_is_tried() {
    let mut page = String::from(
        "# What happened elsewhere, and what holds here\n\n\
         Made from `tests/incidents` by `cargo test -p openpact --test incidents`, which also fails when an attack that \
         is named here is no test any more. Each attack is run by `cargo test`.\n",
    );
    for incident in incidents().values() {
        let Incident { what, figures, defence, attacks } = incident;
        write!(page, "\n## {what}\n\n{figures}\n\n{defence}\n\nTried by:\n\n").unwrap();
        for attack in attacks {
            let (file, test) = attack.split_once('#').unwrap();
            writeln!(page, "- {}, in `{file}`", test.replace('_', " ")).unwrap();
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
