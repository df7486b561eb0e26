//! What is said first.

use openpact_model::text::terminal;

use crate::app::{App, HOW_TO_CONFIGURE};
use crate::present::{Output, Style, add};

/// The greeting: who answers, what works, and how to get further.
pub(super) fn text(app: &App, output: Output) -> String {
    let head = output.styled(&format!("OpenPact {}", env!("CARGO_PKG_VERSION")), Style::Bold);
    let data = terminal(&app.root().display().to_string());
    let (about, todo) = app.engine_about();
    let mut text = format!("{head}, data in {data}\nEngine {}\n\n", terminal(&about));
    if app.needs_no_model() {
        text.push_str("Until a model is configured, tools are called by hand:\n");
        text.push_str("  !tools                                                    lists them\n");
        text.push_str(
            "  !workspace_write {\"path\":\"notes/a.md\",\"content\":\"hi\"}     runs one in its sandbox\n\n",
        );
    }
    match todo {
        Some(todo) if todo == HOW_TO_CONFIGURE => {
            let mut first = todo.chars();
            let capital: String = first.next().map(|c| c.to_ascii_uppercase()).into_iter().collect();
            add(&mut text, format_args!("{capital}{}\n\n", first.as_str()));
        }
        Some(todo) => {
            add(
                &mut text,
                format_args!("{} {}\n\n", output.styled("To do:", Style::Yellow), terminal(&todo)),
            );
        }
        None => {}
    }
    text.push_str(&output.styled("/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves.", Style::Dim));
    text.push_str("\n\n");
    text
}
