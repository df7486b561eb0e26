//! The audit log.

use openpact_model::audit::Verdict;
use openpact_model::text::one_line;
use serde_json::Value;

use super::table::Table;
use super::{Output, Style};
use crate::control::{Chain, Entry};

/// A page of entries.
pub(super) fn entries(output: Output, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no entries\n".to_owned();
    }
    let mut table = Table::new(&["NUMBER", "TIME (UTC)", "KIND", "WHO", "WHAT", "VERDICT", "MORE"]);
    for entry in entries {
        let number = entry.number.to_string();
        let time = entry.time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let more: Vec<_> = entry.event.detail.iter().map(|(key, value)| fact(key, value)).collect();
        table.styled([
            (&number, Some(Style::Dim)),
            (&time, Some(Style::Dim)),
            (&entry.event.kind, None),
            (&entry.event.actor, None),
            (&one_line(&entry.event.subject, 48), None),
            verdict(entry.event.verdict),
            (&more.join(" "), Some(Style::Dim)),
        ]);
    }
    table.text(output)
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

/// One further fact; texts without quotes, since nothing of this is read by programs.
fn fact(key: &str, value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{key}={value}"), |text| format!("{key}={text}"))
}

fn verdict(verdict: Verdict) -> (&'static str, Option<Style>) {
    match verdict {
        Verdict::Allowed => ("allowed", Some(Style::Green)),
        Verdict::Denied => ("denied", Some(Style::Red)),
        Verdict::Failed => ("failed", Some(Style::Yellow)),
    }
}
