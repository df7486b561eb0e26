//! What can go wrong while a package is made.

use crate::manifest;
use crate::refusal::Refusal;
use crate::statement;

/// Packing, signing or reading a key failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package would be refused wherever it is installed, so it is not made.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The statement would be refused wherever it is shown, so it is not made.
    #[error(transparent)]
    Statement(#[from] statement::Refusal),
    /// The manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] manifest::Problem),
    /// The component has a manifest already.
    #[error(
        "the component has been packed already: pack the file that cargo built, not one with a manifest inside"
    )]
    AlreadyPacked,
    /// A text is no key.
    #[error("this is no {what}: {rule}")]
    NotAKey {
        /// What was to be read.
        what: &'static str,
        /// What it has to look like.
        rule: &'static str,
    },
    /// The secret key is encrypted and no password was given.
    #[error("the secret key is encrypted: give its password")]
    PasswordMissing,
    /// A password was given for a secret key that has none.
    #[error("the secret key is not encrypted: leave the password out")]
    PasswordNotNeeded,
    /// The password is wrong, or the file was changed.
    #[error("the secret key cannot be opened: the password is wrong, or the file is damaged")]
    WrongPassword,
    /// An empty or overlong password.
    #[error("a password has 1 to 1,024 bytes: choose another, or make a key without one")]
    BadPassword,
    /// The signature library failed.
    #[error("{doing} failed")]
    Minisign {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: minisign::PError,
    },
}
