//! What the recorder takes, what it refuses, and that no label grows without end.

use metrics::{counter, gauge, histogram, with_local_recorder};

use super::*;

fn rendered(record: impl FnOnce()) -> String {
    let metrics = build().unwrap();
    with_local_recorder(metrics.recorder(), record);
    metrics.keep_up();
    metrics.handle.render()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
}

#[test]
fn what_is_listed_is_recorded_with_its_help_and_type() {
    let text = rendered(|| {
        counter!("openpact_turns_total", "outcome" => "ok").increment(2);
        gauge!("openpact_inbox_waiting").set(3);
        histogram!("openpact_turn_duration_seconds").record(0.003);
    });
    has(&text, "openpact_turns_total{outcome=\"ok\"} 2");
    has(&text, "# TYPE openpact_turns_total counter");
    has(&text, "# HELP openpact_turns_total Turns by how they ended.");
    has(&text, "openpact_inbox_waiting 3");
    has(&text, "openpact_turn_duration_seconds_bucket{le=\"0.0025\"} 0");
    has(&text, "openpact_turn_duration_seconds_bucket{le=\"0.005\"} 1");
}

#[test]
fn what_is_not_listed_is_refused_and_counted() {
    let text = rendered(|| {
        counter!("openpact_made_up_total").increment(1);
        gauge!("openpact_turns_total", "outcome" => "ok").set(1);
        histogram!("openpact_inbox_waiting").record(1);
    });
    has(&text, "openpact_metrics_refused_total 3");
    assert!(!text.contains("made_up") && !text.contains("inbox_waiting"), "{text}");
}

#[test]
fn labels_that_are_not_listed_are_dropped_and_others_keep_their_order() {
    let text = rendered(|| {
        for user in 0..100 {
            let labels = [("outcome", "ok".to_owned()), ("user", user.to_string()), ("tool", "t".to_owned())];
            counter!("openpact_tool_calls_total", &labels).increment(1);
        }
    });
    has(&text, "openpact_tool_calls_total{tool=\"t\",outcome=\"ok\"} 100");
}

#[test]
fn a_label_has_no_more_values_than_it_may() {
    let most = crate::names::find("openpact_tool_calls_total").unwrap().labels[0].most;
    let record = |count: usize| {
        move || {
            for tool in 0..count {
                counter!("openpact_tool_calls_total", "tool" => tool.to_string(), "outcome" => "ok")
                    .increment(1);
            }
        }
    };
    let series =
        |text: &str| text.lines().filter(|line| line.starts_with("openpact_tool_calls_total{")).count();
    assert_eq!(series(&rendered(record(most))), most);
    let text = rendered(record(most + 5));
    assert_eq!(series(&text), most + 1);
    has(&text, "openpact_tool_calls_total{tool=\"other\",outcome=\"ok\"} 5");
    has(&text, "openpact_tool_calls_total{tool=\"0\",outcome=\"ok\"} 1");
}

#[test]
fn a_long_value_is_other_and_a_hostile_one_is_escaped() {
    let text = rendered(|| {
        counter!("openpact_turns_total", "outcome" => "x".repeat(VALUE)).increment(1);
        counter!("openpact_turns_total", "outcome" => "y".repeat(VALUE + 1)).increment(1);
        counter!("openpact_turns_total", "outcome" => "a\"} 1\nopenpact_ready 0").increment(1);
    });
    assert!(text.contains(&"x".repeat(VALUE)) && !text.contains("yy"), "{text}");
    has(&text, "openpact_turns_total{outcome=\"other\"} 1");
    assert!(!text.lines().any(|line| line.starts_with("openpact_ready")), "{text}");
}

#[test]
fn measurements_do_not_pile_up_between_two_upkeeps() {
    let metrics = build().unwrap();
    with_local_recorder(metrics.recorder(), || {
        for _ in 0..10_000 {
            histogram!("openpact_turn_duration_seconds").record(0.5);
        }
        metrics.keep_up();
        histogram!("openpact_turn_duration_seconds").record(0.5);
    });
    has(&metrics.handle.render(), "openpact_turn_duration_seconds_count 10001");
}

#[test]
fn the_process_is_measured_when_it_is_asked_for() {
    let metrics = build().unwrap();
    let text = metrics.render("1.2.3", 7);
    has(&text, "openpact_build_info{version=\"1.2.3\"} 1");
    has(&text, "openpact_uptime_seconds 7");
    let memory = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
    assert!(memory.parse::<f64>().unwrap() > 1e6, "{memory}");
    for metric in ALL.iter().filter(|metric| metric.name.starts_with("process_")) {
        assert!(text.contains(&format!("\n{} ", metric.name)), "{} is not in\n{text}", metric.name);
    }
    has(&text, "openpact_metrics_refused_total 0");
}
