//! An answer on a terminal, as it comes: text as it streams, each tool call on one line.

use std::collections::BTreeMap;
use std::io::Write;

use openpact_engine::Event;
use openpact_model::text::{one_line, terminal};

use crate::present::{Output, Style};

/// The widest that arguments are shown.
const ARGUMENTS: usize = 60;

/// Shows one answer.
pub(super) struct Screen<W: Write> {
    out: W,
    output: Output,
    /// Columns of the terminal.
    width: usize,
    show_tools: bool,
    /// The part whose text was written last.
    part: Option<u32>,
    /// Whether the cursor stands behind something on its line.
    open: bool,
    /// Calls that wait for their answer, by id.
    calls: BTreeMap<String, String>,
    /// Whether the last line tells of calls that run, to be written over by what comes next.
    waiting: bool,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W, output: Output, width: usize, show_tools: bool) -> Self {
        let calls = BTreeMap::new();
        Self { out, output, width: width.max(40), show_tools, part: None, open: false, calls, waiting: false }
    }

    /// Shows what the engine says.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Text { part, text } => {
                if self.part != Some(*part) || self.waiting {
                    self.end_line();
                }
                self.part = Some(*part);
                self.write(&terminal(text));
                self.open = if text.is_empty() { self.open } else { !text.ends_with('\n') };
            }
            Event::ToolCall { id, name, arguments, .. } if self.show_tools => self.call(id, name, arguments),
            Event::ToolResult { id, is_error, text, .. } if self.show_tools => {
                self.result(id, *is_error, text);
            }
            Event::Notice { text } => self.notice(text),
            Event::Error { message, .. } => self.line(&self.output.styled(&terminal(message), Style::Red)),
            _ => {}
        }
    }

    /// Shows what the program itself says.
    pub(super) fn notice(&mut self, text: &str) {
        self.line(&terminal(text));
    }

    /// Ends the line that is open, and takes away the one that tells of calls that run.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.write("\r\u{1b}[K");
        }
        if std::mem::take(&mut self.open) {
            self.write("\n");
        }
    }

    /// What the screen was written to.
    #[cfg(test)]
    fn into_inner(self) -> W {
        self.out
    }

    fn call(&mut self, id: &str, name: &str, arguments: &str) {
        self.end_line();
        let call = format!("{} {}", one_line(name, 64), one_line(arguments, ARGUMENTS));
        self.calls.insert(id.to_owned(), call);
        self.wait();
    }

    fn result(&mut self, id: &str, is_error: bool, text: &str) {
        let call = self.calls.remove(id).unwrap_or_default();
        let sign = if is_error { "✗" } else { "✓" };
        // One line, whatever the terminal's width: what does not fit is cut with a sign.
        let line = one_line(&format!("  {sign} {call} → {}", text.trim()), self.width - 2);
        let style = if is_error { Style::Yellow } else { Style::Dim };
        self.line(&self.output.styled(&line, style));
        self.wait();
    }

    /// Tells of the calls that run, on a line that the next one takes the place of.
    fn wait(&mut self) {
        let line = match (self.calls.len(), self.calls.values().next()) {
            (1, Some(call)) => format!("  · {call} …"),
            (0, _) | (_, None) => return,
            (count, _) => format!("  · {count} tools run …"),
        };
        let line = one_line(&line, self.width - 2);
        self.write(&self.output.styled(&line, Style::Dim));
        self.waiting = true;
    }

    fn line(&mut self, text: &str) {
        self.end_line();
        self.write(text);
        self.write("\n");
    }

    fn write(&mut self, text: &str) {
        // A terminal that is gone is told by the signal that comes with it.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use openpact_engine::event::ErrorKind;

    use super::*;

    fn check(events: &[Event], expected: &str) {
        let output = Output { json: false, colours: false };
        let mut screen = Screen::new(Vec::new(), output, 60, true);
        for event in events {
            screen.event(event);
        }
        screen.end_line();
        assert_eq!(String::from_utf8(screen.into_inner()).unwrap(), expected);
    }

    fn text(part: u32, text: &str) -> Event {
        Event::Text { part, text: text.to_owned() }
    }

    fn call(id: &str) -> Event {
        let (name, arguments) = ("workspace_read".to_owned(), "{\"path\":\"a\"}".to_owned());
        Event::ToolCall { part: 1, id: id.to_owned(), name, arguments }
    }

    fn result(id: &str, is_error: bool, text: &str) -> Event {
        Event::ToolResult { part: 1, id: id.to_owned(), is_error, text: text.to_owned() }
    }

    #[test]
    fn text_streams_and_parts_start_on_their_own_line() {
        check(&[text(0, "Hel"), text(0, "lo"), text(1, "again\n"), text(2, "x")], "Hello\nagain\nx\n");
    }

    #[test]
    fn a_call_is_one_line_that_its_answer_replaces() {
        check(
            &[text(0, "Let me see."), call("a"), result("a", false, "found\nit"), text(2, "There.")],
            "Let me see.\n  · workspace_read {\"path\":\"a\"} …\r\u{1b}[K  ✓ workspace_read {\"path\":\"a\"} → \
             found\\u{a}it\nThere.\n",
        );
    }

    #[test]
    fn parallel_calls_share_the_line_and_each_answer_gets_its_own() {
        let wide = "y".repeat(200);
        check(
            &[call("a"), call("b"), result("a", true, "no"), result("b", false, &wide)],
            &format!(
                "  · workspace_read {{\"path\":\"a\"}} …\r\u{1b}[K  · 2 tools run …\r\u{1b}[K  ✗ workspace_read \
                 {{\"path\":\"a\"}} → no\n  · workspace_read {{\"path\":\"a\"}} …\r\u{1b}[K  ✓ workspace_read \
                 {{\"path\":\"a\"}} → {}…\n",
                "y".repeat(24)
            ),
        );
    }

    #[test]
    fn what_comes_from_outside_cannot_move_the_cursor() {
        check(&[text(0, "\u{1b}[2Jclear\r")], "\\u{1b}[2Jclear\\u{d}\n");
        let message = "broken\u{1b}]0;title\u{7}".to_owned();
        check(&[Event::Error { kind: ErrorKind::Provider, message }], "broken\\u{1b}]0;title\\u{7}\n");
    }
}
