//! Asking for what must not be seen.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::app::read_secret;
use crate::control::Hidden;
use crate::exit::{Code, Failure};

/// Standard input without echo, until dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Where the terminal is gone there is no echo to bring back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Asks on the terminal, without echo.
pub(super) fn ask(prompt: &str) -> Result<Hidden, Failure> {
    let wrong =
        |error: io::Error| Failure::new(Code::Failed, format!("the terminal cannot be read: {error}"));
    let silent = Silent::begin().map_err(|error| wrong(error.into()))?;
    let mut err = io::stderr().lock();
    write!(err, "{prompt}").and_then(|()| err.flush()).map_err(wrong)?;
    let mut text = String::new();
    let read = io::stdin().read_line(&mut text);
    drop(silent);
    read.map_err(wrong)?;
    Ok(Hidden::without_line_end(text))
}

/// The passphrase of a key that there is.
pub(super) fn existing(file: Option<&Path>) -> Result<Hidden, Failure> {
    match file {
        Some(file) => from_file(file),
        None if io::stdin().is_terminal() => ask("passphrase of the key: "),
        None => Err(nobody()),
    }
}

/// A passphrase for a new key, asked for twice.
pub(super) fn fresh(file: Option<&Path>) -> Result<Hidden, Failure> {
    match file {
        Some(file) => from_file(file),
        None if io::stdin().is_terminal() => {
            let first = ask("passphrase for the new key: ")?;
            if first != ask("the same again: ")? {
                return Err(Failure::new(Code::Usage, "the two passphrases differ; nothing was made"));
            }
            Ok(first)
        }
        None => Err(nobody()),
    }
}

fn from_file(file: &Path) -> Result<Hidden, Failure> {
    read_secret(file).map_err(|why| Failure::new(Code::Failed, why))
}

fn nobody() -> Failure {
    let message = "there is no terminal to ask for a passphrase; give it with --passphrase-file, or make the key with \
                   --unencrypted where whoever can read the file may sign";
    Failure::new(Code::Usage, message)
}
