//! Keeps the house in order: what the documents say exists, dependencies point one way, files stay readable.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a source file may have; tests and benches aside.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// All files of the project below `folder`, but for what builds and runs leave behind.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders are readable") {
        let path = entry.expect("folders are readable").path();
        let name = path.file_name().expect("entries have names").to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "data" | ".git" | "node_modules") {
                files(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn project_files(extension: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    let mut files: Vec<_> = found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("sources are text");
            (path.strip_prefix(&root).expect("it lies below").to_string_lossy().into_owned(), text)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there must be .{extension} files");
    files
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent = project_files("rs").into_iter().filter(|(_, text)| !text.starts_with("//!"));
    complain(&silent.map(|(path, _)| format!("{path}: starts without //!")).collect::<Vec<_>>());
}

#[test]
fn source_files_stay_readable() {
    let is_test = |path: &str| {
        path.starts_with("tests/")
            || path.contains("/tests/")
            || path.contains("/benches/")
            || path.ends_with("/tests.rs")
    };
    let long = project_files("rs")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| {
            (path, text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("").lines().count())
        })
        .filter(|(_, lines)| *lines > MAX_LINES);
    complain(
        &long.map(|(path, lines)| format!("{path}: {lines} lines, split it by meaning")).collect::<Vec<_>>(),
    );
}

#[test]
fn no_module_hides_in_a_mod_file() {
    let hidden = project_files("rs").into_iter().filter(|(path, _)| path.ends_with("/mod.rs"));
    complain(&hidden.map(|(path, _)| format!("{path}: name the file after the module")).collect::<Vec<_>>());
}

/// Text between backticks, and link targets, that name something in this repository: they start with a top-level
/// folder, or are a file name with a known ending at the top.
fn named_paths(text: &str) -> Vec<String> {
    const FOLDERS: [&str; 9] =
        ["runtime/", "wit/", "components/", "scripts/", "config/", "tests/", "docs/", ".ci/", "benches/"];
    let in_backticks = text.split('`').skip(1).step_by(2);
    let in_links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    in_backticks
        .chain(in_links)
        .map(|name| name.split('#').next().unwrap_or("").trim())
        .filter(|name| FOLDERS.iter().any(|folder| name.starts_with(folder)))
        .filter(|name| !name.contains([' ', '*', '<', '{', '$', '|']) && !name.contains("NAME"))
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect()
}

#[test]
fn documents_name_only_what_exists() {
    let root = root();
    let mut problems = Vec::new();
    for (path, text) in project_files("md") {
        let paths = named_paths(&text);
        if path == "ARCHITECTURE.md" {
            assert!(paths.len() > 15, "the code map must name the code");
        }
        let dead = paths.into_iter().filter(|named| !root.join(named).exists());
        problems.extend(dead.map(|named| format!("{path}: names {named}, which does not exist")));
    }
    complain(&problems);
}

/// Who may use whom among our own crates, at run time.
fn allowed_dependencies() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("openpact-model", vec![]),
        ("openpact-bindings", vec![]),
        ("openpact-guest-build", vec![]),
        ("openpact-template", vec![]),
        ("openpact-store", vec!["model"]),
        ("openpact-packages", vec!["model"]),
        ("openpact-egress", vec!["model"]),
        ("openpact-lifecycle", vec!["model", "packages", "store"]),
        ("openpact-embedded", vec!["model", "packages"]),
        ("openpact-host", vec!["model", "bindings", "packages", "egress"]),
        ("openpact-engine", vec!["model", "egress", "store"]),
        ("openpact-orchestrator", vec!["model", "egress", "store", "engine"]),
        ("openpact-health", vec!["model"]),
        ("openpact-control", vec!["model", "packages"]),
        ("openpact-mcp", vec!["model", "store", "orchestrator"]),
        (
            "openpact",
            vec![
                "model",
                "store",
                "egress",
                "packages",
                "embedded",
                "host",
                "engine",
                "orchestrator",
                "mcp",
                "health",
                "control",
                "lifecycle",
                "template",
            ],
        ),
    ])
}

#[test]
fn dependencies_point_one_way() {
    let allowed = allowed_dependencies();
    let mut problems = Vec::new();
    let mut seen = 0;
    for (path, text) in project_files("toml") {
        if !path.starts_with("runtime/") || !path.ends_with("Cargo.toml") {
            continue;
        }
        seen += 1;
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        let Some(allowed) = allowed.get(name) else {
            problems.push(format!("{path}: {name} has no place in the order of crates"));
            continue;
        };
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let ours =
            dependencies.into_iter().flat_map(toml::Table::keys).filter_map(|d| d.strip_prefix("openpact-"));
        let wrong = ours.filter(|dependency| !allowed.contains(dependency));
        problems
            .extend(wrong.map(|dependency| format!("{path}: {name} must not know openpact-{dependency}")));
    }
    assert_eq!(seen, allowed.len(), "every crate of the order must exist");
    complain(&problems);
}

/// Libraries that only one part of the house may use, outside of tests.
const OWNED: [(&str, &[&str]); 9] = [
    ("wasmtime", &["openpact-bindings", "openpact-host"]),
    ("wasmtime-wasi", &["openpact-bindings", "openpact-host"]),
    ("wasmtime-wasi-http", &["openpact-bindings", "openpact-host"]),
    ("reqwest", &["openpact-egress"]),
    ("rusqlite", &["openpact-store"]),
    ("minisign", &["openpact-packages"]),
    ("clap", &["openpact"]),
    ("axum", &["openpact-health", "openpact-mcp"]),
    ("rmcp", &["openpact-mcp"]),
];

#[test]
fn libraries_have_owners() {
    let mut problems = Vec::new();
    for (path, text) in project_files("toml") {
        if !path.starts_with("runtime/") || !path.ends_with("Cargo.toml") {
            continue;
        }
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else {
            continue;
        };
        let foreign = OWNED
            .iter()
            .filter(|(library, owners)| dependencies.contains_key(*library) && !owners.contains(&name));
        problems.extend(foreign.map(|(library, owners)| format!("{path}: {library} belongs to {owners:?}")));
    }
    complain(&problems);
}

#[test]
fn nothing_left_open() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore]")];
    let mut problems = Vec::new();
    for (path, text) in project_files("rs") {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                problems.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn the_readme_names_the_commands_that_the_gate_runs() {
    let root = root();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let gate = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(readme.contains("cargo run --release -- chat"), "README: the main job in one command");
    assert!(readme.contains("\ncargo test\n"), "README: the tests in one command");
    assert!(gate.contains("\ncargo test --locked\n"), ".ci/run: the same tests");
}
