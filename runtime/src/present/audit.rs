//! The audit log.

use openpact_model::audit::Verdict;
use openpact_model::text::one_line;
use serde_json::Value;

use super::{Output, Style, add};
use crate::control::{Chain, Entry};

/// The most of one fact that is shown, in characters; `--json` has all of it.
const FACT: usize = 4000;

/// A page of entries: who did what to what, how that ended and why; below it whatever else is known, uncut.
pub(super) fn entries(output: Output, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no entries\n".to_owned();
    }
    entries.iter().map(|entry| one(output, entry)).collect()
}

fn one(output: Output, entry: &Entry) -> String {
    let event = &entry.event;
    let (verdict, style) = verdict(event.verdict);
    let verdict = style.map_or_else(|| verdict.to_owned(), |style| output.styled(verdict, style));
    let who = output.styled(&one_line(&event.actor, FACT), Style::Bold);
    let when = format!("#{} {} UTC", entry.number, entry.time.strftime("%Y-%m-%d %H:%M:%S"));
    let mut text =
        format!("{who}  {}  {}  {verdict}", one_line(&event.kind, FACT), one_line(&event.subject, FACT));
    if let Some(why) = event.detail.get("why") {
        add(&mut text, format_args!(": {}", plain(why)));
    }
    add(&mut text, format_args!("  {}\n", output.styled(&when, Style::Dim)));
    for (key, value) in event.detail.iter().filter(|(key, _)| *key != "why") {
        let fact = format!("    {}: {}", one_line(key, FACT), plain(value));
        add(&mut text, format_args!("{}\n", output.styled(&fact, Style::Dim)));
    }
    text
}

/// Whether the chain is whole.
pub(super) fn chain(output: Output, chain: &Chain) -> String {
    match &chain.broken {
        None if !chain.sealed && chain.entries > 0 => {
            let state = output.styled("NOT SEALED", Style::Red);
            format!(
                "the audit chain is {state}: {} entries, each bound to the one before it, but the local key \
                 (secure/keys/master.key) is not the one that sealed its end, so nobody can tell whether entries \
                 were cut off there\n",
                chain.entries
            )
        }
        None => {
            let state = output.styled("intact", Style::Green);
            format!(
                "the audit chain is {state}: {} entries, each bound to the one before it\n",
                chain.entries
            )
        }
        Some((number, why)) => {
            let state = output.styled("BROKEN", Style::Red);
            let why = one_line(why, 200);
            format!(
                "the audit chain is {state} at entry {number} of {}: {why}\nwhat stands from there on was changed \
                 outside of OpenPact; keep a copy of the data directory and compare it with a backup\n",
                chain.entries
            )
        }
    }
}

/// A value on one line; texts without quotes, since nothing of this is read by programs.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| one_line(&value.to_string(), FACT), |text| one_line(text, FACT))
}

fn verdict(verdict: Verdict) -> (&'static str, Option<Style>) {
    match verdict {
        Verdict::Allowed => ("allowed", Some(Style::Green)),
        Verdict::Denied => ("denied", Some(Style::Red)),
        Verdict::Failed => ("failed", Some(Style::Yellow)),
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::audit::Event;

    use super::*;

    #[test]
    fn an_entry_says_who_what_how_and_why_first_and_cuts_nothing() {
        let long = "x".repeat(300);
        let event = Event::new("tool.call", "telegram:1\u{1b}[2J", "tool:web_fetch", Verdict::Denied)
            .with("rule", long.as_str())
            .with("why", "no grant\nallows it");
        let (time, hash) = ("2026-01-02T03:04:05Z".parse().unwrap(), String::new());
        let output = Output { json: false, colours: false };
        let text = entries(output, &[Entry { number: 7, time, event, hash }]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let places =
            ["telegram:1", "tool.call", "tool:web_fetch", "denied: no grant", "#7 2026-01-02 03:04:05 UTC"];
        let places = places.map(|part| lines[0].find(part).unwrap_or_else(|| panic!("{part} in {text}")));
        assert!(places.is_sorted(), "{text}");
        assert_eq!(lines[1], format!("    rule: {long}"));
    }
}
