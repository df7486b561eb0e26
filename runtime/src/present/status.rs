//! `openpact status`.

use openpact_model::text::{one_line, terminal};

use super::component;
use super::table::Table;
use super::{Output, Style, add};
use crate::control::{State, Status};

/// The whole page.
pub(super) fn text(output: Output, status: &Status) -> String {
    let process = status.process.map_or_else(
        || "no process serves it now; 'openpact chat' starts one".to_owned(),
        |process| format!("process {process} serves it"),
    );
    let mut text = format!("{}\n", output.styled(&format!("OpenPact {}", status.version), Style::Bold));
    add(&mut text, format_args!("data directory  {} ({process})\n", terminal(&status.data)));
    add(&mut text, format_args!("configuration   {}\n\n", terminal(&status.config)));
    let mut parts = Table::new(&["PART", "STATE", "ABOUT"]);
    for part in &status.parts {
        parts.styled([(&part.name, None), state(part.state), (&part.about, None)]);
    }
    text.push_str(&parts.text(output));
    text.push('\n');
    text.push_str(&component::table(output, &status.components));
    let todo: Vec<_> = status.parts.iter().filter_map(|part| Some((part, part.todo.as_ref()?))).collect();
    if !todo.is_empty() {
        add(&mut text, format_args!("\n{}\n", output.styled("What to do", Style::Bold)));
    }
    for (part, todo) in todo {
        add(
            &mut text,
            format_args!("- {}: {}\n", one_line(&part.name, 40), terminal(todo).replace('\n', "\n  ")),
        );
    }
    text
}

/// A state as a cell.
pub(super) fn state(state: State) -> (&'static str, Option<Style>) {
    match state {
        State::Running => ("running", Some(Style::Green)),
        State::Off => ("off", Some(Style::Dim)),
        State::Failed => ("failed", Some(Style::Red)),
    }
}
