//! Why a tool gives no answer.

use std::fmt;

/// What a tool gives back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tool gave no answer. The texts are for the model: they say what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The arguments do not fit in a way that the schema cannot say.
    InvalidArguments(String),
    /// What was asked for is not there.
    NotFound(String),
    /// Something that was asked for is not allowed.
    Denied(String),
    /// Something that the tool needs does not answer now.
    Unavailable(String),
    /// The tool tried and failed.
    Failed(String),
}

impl Error {
    /// The arguments do not fit in a way that the schema cannot say.
    pub fn invalid_arguments(text: impl Into<String>) -> Self {
        Self::InvalidArguments(text.into())
    }

    /// What was asked for is not there.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::NotFound(text.into())
    }

    /// Something that was asked for is not allowed.
    pub fn denied(text: impl Into<String>) -> Self {
        Self::Denied(text.into())
    }

    /// Something that the tool needs does not answer now.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    /// The tool tried and failed.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// The text for the model.
    pub fn text(&self) -> &str {
        match self {
            Self::InvalidArguments(text)
            | Self::NotFound(text)
            | Self::Denied(text)
            | Self::Unavailable(text)
            | Self::Failed(text) => text,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    /// A file that is missing, or that a grant does not allow, is told apart from a failure.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let text = error.to_string();
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound(text),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied(text),
            ErrorKind::ResourceBusy => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!("JSON: {error}"))
    }
}
