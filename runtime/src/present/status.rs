//! `openpact status`, and what `openpact start` says first.

use openpact_model::text::{one_line, terminal};

use super::component;
use super::table::{Table, in_full};
use super::{Output, Style, add};
use crate::control::{Serving, State, Status};

/// The whole page.
pub(super) fn text(output: Output, status: &Status) -> String {
    let mut text = format!("{}\n", output.styled(&format!("OpenPact {}", status.version), Style::Bold));
    add(&mut text, format_args!("{}\n", process(output, status)));
    places(&mut text, status);
    text.push_str(&parts(output, status));
    text.push('\n');
    text.push_str(&component::table(output, &status.components));
    todo(output, &mut text, status);
    text
}

/// What `openpact start` says at a terminal: where everything is, what is missing, how to end it.
pub(crate) fn banner(output: Output, status: &Status) -> String {
    let name = output.styled(&format!("OpenPact {}", status.version), Style::Bold);
    let process = status.process.unwrap_or_default();
    let mut text = format!("{name} is running (process {process}). Ctrl-C ends it in good order.\n");
    places(&mut text, status);
    text.push_str(&parts(output, status));
    todo(output, &mut text, status);
    text.push('\n');
    text
}

fn process(output: Output, status: &Status) -> String {
    let Some(process) = status.process else {
        let not = output.styled("not running", Style::Yellow);
        return format!("{not}; start it with: openpact start");
    };
    let what = match status.serving {
        Some(Serving::Chat) => "openpact chat, which connects no chat platforms; for those: openpact start",
        Some(Serving::Mcp) => {
            "openpact mcp, which an editor started: close it there, or end the process, before openpact start"
        }
        Some(Serving::Start) | None => "openpact start",
    };
    let running = output.styled("running", Style::Green);
    let uptime = status.uptime.map(span).unwrap_or_default();
    format!("{running} for {uptime} as process {process} ({what})")
}

fn places(text: &mut String, status: &Status) {
    add(text, format_args!("data directory  {}\n", terminal(&status.data)));
    add(text, format_args!("configuration   {}\n\n", terminal(&status.config)));
}

fn parts(output: Output, status: &Status) -> String {
    let mut parts = Table::new(&["PART", "STATE", "ABOUT"]);
    for part in &status.parts {
        parts.styled([(&part.name, None), state(part.state), (&part.about, None)]);
    }
    let mut text = parts.text(output);
    let full = in_full(status.parts.iter().map(|part| (part.name.as_str(), part.about.as_str())));
    if !full.is_empty() {
        add(&mut text, format_args!("\n{full}"));
    }
    text
}

fn todo(output: Output, text: &mut String, status: &Status) {
    let todo: Vec<_> = status.parts.iter().filter_map(|part| Some((part, part.todo.as_ref()?))).collect();
    if !todo.is_empty() {
        add(text, format_args!("\n{}\n", output.styled("What to do", Style::Bold)));
    }
    for (part, todo) in todo {
        let todo = terminal(todo).replace('\n', "\n  ");
        add(text, format_args!("- {}: {todo}\n", one_line(&part.name, 40)));
    }
}

/// A state as a cell.
pub(super) fn state(state: State) -> (&'static str, Option<Style>) {
    match state {
        State::Running => ("running", Some(Style::Green)),
        State::Ready => ("ready", Some(Style::Dim)),
        State::Starting => ("starting", Some(Style::Yellow)),
        State::Waiting => ("waits", Some(Style::Yellow)),
        State::Off => ("off", Some(Style::Dim)),
        State::Failed => ("failed", Some(Style::Red)),
    }
}

/// Seconds for people, in the two largest units that fit.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d 0 h"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }
}
