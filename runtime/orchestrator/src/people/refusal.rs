//! Why somebody was not let in, turned down or removed. `Display` is for whoever asked for it.

use openpact_model::role::Role;

/// Why a change was not made. Names and accounts in it are escaped already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The text cannot be a code.
    #[error("this is no code; a code has 8 letters and digits, such as K7QF-3M9T")]
    NotACode,
    /// No request has that code.
    #[error(
        "no request is open with this code: it was used or turned down already, its time is over, or it is mistyped; 'openpact user list' shows the open requests"
    )]
    NoSuchCode,
    /// The code is too old.
    #[error("this code has expired; whoever has it gets a new one with their next message")]
    Expired,
    /// Too many codes were tried.
    #[error("too many codes were tried; try again in {seconds} s")]
    TooManyAttempts {
        /// When there is a place again.
        seconds: u64,
    },
    /// The configuration states the account.
    #[error("{account} belongs to '{name}' in the configuration; change it there, under 'users'")]
    StatedAccount {
        /// The account.
        account: String,
        /// Whose it is.
        name: String,
    },
    /// The configuration states the person.
    #[error("'{name}' is stated in the configuration; change it there, under 'users'")]
    StatedPerson {
        /// Who it is.
        name: String,
    },
    /// Somebody is there under that name with another role.
    #[error(
        "'{name}' is there already, as {role}; choose the same role, or another name, or remove '{name}' first"
    )]
    OtherRole {
        /// Who it is.
        name: String,
        /// What they are.
        role: Role,
    },
    /// The account is let in already.
    #[error("{account} is let in already")]
    Known {
        /// The account.
        account: String,
    },
    /// The name is none.
    #[error("a name has 1 to 128 bytes on one line, without spaces at the ends")]
    Name,
    /// Nobody is called so.
    #[error("there is nobody called '{name}'; 'openpact user list' shows everybody")]
    Nobody {
        /// What was asked for.
        name: String,
    },
}
