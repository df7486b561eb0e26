//! How a command ends: the exit codes, all of them, and the failures that carry one.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// What `openpact --help` says about them.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    it was tried and failed; the message says what to do
  2    the command line is wrong
  3    the configuration is wrong
  4    denied, refused or not verified: a signature, a role, a grant, a broken audit chain
  5    another process holds the data directory and does not answer, or has to be used instead
  130  stopped by a signal";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// It was tried and failed.
    Failed,
    /// The command line is wrong in a way that only showed later.
    Usage,
    /// The configuration is wrong.
    Configuration,
    /// Denied, refused or not verified.
    Refused,
    /// Another process holds the data directory.
    Held,
    /// Stopped by a signal.
    Interrupted,
}

impl Code {
    /// The number that the shell sees.
    pub fn number(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Refused => 4,
            Self::Held => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        code.number().into()
    }
}

/// Why a command did not do what it was asked. The message is for the person who asked, and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// How the program ends.
    pub code: Code,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure with a message of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure that another error explains, with all its causes.
    pub fn of(code: Code, error: &dyn Error) -> Self {
        Self { code, message: chain(error) }
    }

    /// Turns any error into a plain failure.
    pub fn failed<E: Error>(error: E) -> Self {
        Self::of(Code::Failed, &error)
    }

    /// As [`Failure::failed`], with what was attempted before it.
    pub fn doing<E: Error>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(Code::Failed, format!("{what}: {}", chain(&error)))
    }
}

/// An error with all its causes on one line. A cause whose text the error above it already ends with is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !more.is_empty() && !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
