//! Lines from a person or a pipe, read on a thread of their own: reading blocks, and nothing else may wait for it.

use std::io::{self, BufRead as _, Read as _};
use std::sync::mpsc;

use rustyline::config::{BellStyle, Configurer as _};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};
use tokio::sync::mpsc as answers;

/// The longest line that is taken from a pipe, in bytes; the orchestrator's own limit is lower and says so.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C at the prompt.
    Interrupt,
    /// The end: Ctrl-D, or the pipe is empty.
    End,
    /// A line that cannot be taken, and after which others may come; one sentence.
    Unfit(String),
    /// It cannot be read; one sentence.
    Broken(String),
}

/// A thread that reads one line each time it is asked.
pub(super) struct Lines {
    ask: mpsc::Sender<()>,
    answers: answers::UnboundedReceiver<Input>,
}

impl Lines {
    /// Lines with editing and a history that ends with the program.
    pub(super) fn from_terminal(prompt: String) -> io::Result<Self> {
        Self::start(move || {
            let config = Config::builder().auto_add_history(true).build();
            let mut editor: Editor<(), MemHistory> = match Editor::with_history(config, MemHistory::new()) {
                Ok(editor) => editor,
                Err(error) => {
                    return Box::new(move || Input::Broken(error.to_string())) as Box<dyn FnMut() -> Input>;
                }
            };
            editor.set_bell_style(BellStyle::None);
            Box::new(move || match editor.readline(&prompt) {
                Ok(line) => Input::Line(line),
                Err(ReadlineError::Eof) => Input::End,
                Err(ReadlineError::Interrupted) => Input::Interrupt,
                Err(error) => Input::Broken(error.to_string()),
            })
        })
    }

    /// Lines as they come.
    pub(super) fn from_pipe() -> io::Result<Self> {
        Self::start(|| Box::new(|| read_line(&mut io::stdin().lock())))
    }

    /// The next line. Dropping this future loses nothing: the line comes at the next call.
    pub(super) async fn next(&mut self) -> Input {
        if self.answers.is_empty() && self.ask.send(()).is_err() {
            return Input::End;
        }
        self.answers.recv().await.unwrap_or(Input::End)
    }

    fn start(make: impl FnOnce() -> Box<dyn FnMut() -> Input> + Send + 'static) -> io::Result<Self> {
        let (ask, asked) = mpsc::channel();
        let (answer, answers) = answers::unbounded_channel();
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let mut read = make();
            while asked.recv().is_ok() {
                if answer.send(read()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ask, answers })
    }
}

/// One line of a pipe.
fn read_line(mut from: &mut dyn io::BufRead) -> Input {
    let mut line = Vec::new();
    match (&mut from).take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
        Ok(0) => return Input::End,
        Ok(_) => {}
        Err(error) => return Input::Broken(error.to_string()),
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if u64::try_from(line.len()) == Ok(MAX_LINE_BYTES) {
        return match from.skip_until(b'\n') {
            Ok(_) => Input::Unfit(format!("a line has more than {MAX_LINE_BYTES} bytes and is left out")),
            Err(error) => Input::Broken(error.to_string()),
        };
    }
    match String::from_utf8(line) {
        Ok(line) => Input::Line(line.trim_end_matches('\r').to_owned()),
        Err(_) => Input::Unfit("a line is no text (UTF-8) and is left out".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        loop {
            let input = read_line(&mut bytes);
            let last = !matches!(input, Input::Line(_) | Input::Unfit(_));
            inputs.push(input);
            if last {
                return inputs;
            }
        }
    }

    #[test]
    fn lines_end_with_any_line_end_or_with_the_input() {
        let line = |text: &str| Input::Line(text.to_owned());
        assert_eq!(all(b"a\r\n\nb"), [line("a"), line(""), line("b"), Input::End]);
        assert_eq!(all(b""), [Input::End]);
        assert!(matches!(&all(b"\xff\na")[..], [Input::Unfit(why), Input::Line(next), Input::End]
            if why.contains("UTF-8") && next == "a"));
    }

    #[test]
    fn a_line_without_end_is_not_collected_for_ever() {
        let longest = usize::try_from(MAX_LINE_BYTES).unwrap();
        let mut fits = vec![b'x'; longest - 1];
        fits.push(b'\n');
        assert!(matches!(&all(&fits)[..], [Input::Line(line), Input::End] if line.len() == longest - 1));
        let mut long = vec![b'x'; longest + 5];
        assert!(matches!(&all(&long)[..], [Input::Unfit(_), Input::End]));
        long.extend_from_slice(b"\nb\n");
        assert!(matches!(&all(&long)[..], [Input::Unfit(_), Input::Line(next), Input::End] if next == "b"));
    }
}
