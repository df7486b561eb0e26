//! The list of metrics against what the crates record and what the dashboard shows: nothing is recorded that is not
//! described, nothing is shown that is not recorded.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use openpact_health::names::{ALL, Kind, Metric, find};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sources of the crates in `runtime`, without their tests.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "tests" | "benches" | "target" | "examples") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            found.push((path, text));
        }
    }
}

/// A use of one of the facade's macros: which, and what stands between its parentheses.
fn uses(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for name in ["counter!(", "gauge!(", "histogram!("] {
        for (start, _) in text.match_indices(name) {
            let is_word = text[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
            let inside = &text[start + name.len()..];
            let mut depth = 1;
            let end = inside.find(|c| {
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            if !is_word {
                found.push((&name[..name.len() - 2], &inside[..end.unwrap()]));
            }
        }
    }
    found
}

/// The name and the labels of a use; `None` where the name is not written there.
fn named(inside: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = inside.trim_start().strip_prefix('"')?.split_once('"')?;
    let before_arrows = rest.split("=>").collect::<Vec<_>>();
    let labels = before_arrows[..before_arrows.len() - 1].iter().map(|part| {
        let part =
            part.trim_end().strip_suffix('"').unwrap_or_else(|| panic!("a label has no name in {inside}"));
        &part[part.rfind('"').unwrap() + 1..]
    });
    Some((name, labels.collect()))
}

fn kind_of(metric: &Metric) -> &'static str {
    match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

#[test]
fn whatever_is_recorded_is_listed_as_it_is_recorded() {
    let mut files = Vec::new();
    sources(&root().join("runtime"), &mut files);
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in &files {
        for (kind, inside) in uses(text) {
            let mut problem = |what: String| problems.push(format!("{}: {what}", path.display()));
            let Some((name, labels)) = named(inside) else {
                problem(format!("write the metric's name into {kind}!({inside})"));
                continue;
            };
            seen.insert(name.to_owned());
            let Some(metric) = find(name) else {
                problem(format!("{name} is not in runtime/health/src/names.rs"));
                continue;
            };
            if kind_of(metric) != kind {
                problem(format!("{name} is a {}, not a {kind}", kind_of(metric)));
            }
            let listed: Vec<&str> = metric.labels.iter().map(|label| label.key).collect();
            if labels != listed {
                problem(format!("{name} has the labels {listed:?}, not {labels:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    let unused = ALL.iter().filter(|metric| {
        let is_foreign =
            metric.name.starts_with("process_") || metric.name == "openpact_metrics_refused_total";
        !is_foreign && !seen.contains(metric.name)
    });
    let unused: Vec<&str> = unused.map(|metric| metric.name).collect();
    assert!(unused.is_empty(), "listed, but nobody records them: {unused:?}");
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let mut names = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(names.insert(name), "{name} is listed twice");
        assert!(name.starts_with("openpact_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        let unit = metric.unit.as_str();
        assert!(unit == "count" || name.contains(unit), "{name} does not name its unit, {unit}");
        assert!(metric.help.ends_with('.') && metric.help.len() > 10, "{name}: {}", metric.help);
        if let Kind::Histogram(buckets) = metric.kind {
            assert!(buckets.is_sorted_by(|a, b| a < b) && buckets.len() <= 20, "{name}");
        }
    }
}

#[test]
fn the_number_of_series_is_bounded_and_no_label_names_a_person() {
    let mut all = 0;
    for metric in ALL {
        let series: usize = metric.labels.iter().map(|label| label.most + 1).product();
        let each = if let Kind::Histogram(buckets) = metric.kind { buckets.len() + 3 } else { 1 };
        all += series * each;
        for label in metric.labels {
            let is_personal =
                ["user", "channel", "chat", "sender", "session", "turn", "message", "id", "url", "host"]
                    .contains(&label.key);
            assert!(!is_personal, "{}: {} has no end of values", metric.name, label.key);
        }
    }
    assert!(all < 20_000, "{all} series are more than a scrape should have");
}

/// Every query of a dashboard, at any depth.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "expr" || key == "query" || key == "definition" => {
                        found.push(text.clone());
                    }
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_shows_only_what_is_recorded() {
    let text = fs::read_to_string(root().join("config/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let mut shown = BTreeSet::new();
    for query in &found {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("openpact_") || word.starts_with("process_")) {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| word.strip_suffix(end))
                .find(|base| find(base).is_some_and(|metric| matches!(metric.kind, Kind::Histogram(_))));
            let metric =
                find(base.unwrap_or(word)).unwrap_or_else(|| panic!("{word} in {query} is no metric"));
            if metric.kind == Kind::Counter {
                let is_rate = query.contains("rate(") || query.contains("increase(");
                assert!(is_rate, "{query}: a counter means nothing but by how it grows");
            }
            shown.insert(metric.name);
        }
        let labels = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
        for label in labels.flat_map(|labels| labels.split(',').map(str::trim)).filter(|label| *label != "le")
        {
            let is_known = ALL.iter().any(|metric| metric.labels.iter().any(|known| known.key == label));
            assert!(is_known || label == "instance", "{query}: no metric has the label {label}");
        }
    }
    assert!(shown.len() > 20, "a dashboard that is worth opening: {shown:?}");
    let ids = dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_i64().unwrap());
    let ids: Vec<i64> = ids.collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each panel has a number of its own");
}

/// Prometheus itself reads the queries, as the expressions of rules.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "promtool is started here; the runtime does not use this crate"
)]
fn prometheus_understands_every_query_of_the_dashboard() {
    let text = fs::read_to_string(root().join("config/grafana-dashboard.json")).unwrap();
    let mut found = Vec::new();
    queries(&serde_json::from_str(&text).unwrap(), &mut found);
    found.retain(|query| query != "prometheus" && !query.starts_with("label_values("));
    let plain = |query: &String| query.replace("$__rate_interval", "5m").replace("$instance", ".*");
    let check = |queries: &[String]| {
        let rules = queries.iter().enumerate();
        let rules =
            rules.map(|(number, query)| json!({ "record": format!("r{number}"), "expr": plain(query) }));
        let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
        let file = tempfile::NamedTempFile::new().unwrap();
        // JSON is YAML.
        fs::write(file.path(), rules.to_string()).unwrap();
        let promtool = openpact_test_programs::promtool()?;
        let output =
            std::process::Command::new(promtool).args(["check", "rules"]).arg(file.path()).output().unwrap();
        Some((output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap()))
    };
    let Some((is_good, said)) = check(&found) else { return };
    assert!(is_good, "{said}");
    assert!(said.contains(&format!("{} rules found", found.len())), "{said}");
    let (is_good, said) = check(&["sum by (rate(".to_owned()]).unwrap();
    assert!(!is_good, "it does refuse what is wrong: {said}");
}
