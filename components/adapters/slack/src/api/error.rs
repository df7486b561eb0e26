//! What went wrong, and what it means: one table of Slack's errors.

use std::time::Duration;

use openpact_sdk::adapter::{AdapterError, RateLimit, SendError};
use openpact_sdk::credentials::Missing;
use openpact_sdk::http;

use super::Token;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The host does not let the request through. Nothing was sent.
    Denied {
        /// The grant that would allow it.
        grant: String,
    },
    /// There is no reference to the token. Nothing was sent.
    NoToken(Token, Missing),
    /// An address that is not Slack's. Nothing was sent.
    Foreign(String),
    /// No connection came about. Nothing was sent.
    Unsent(String),
    /// It broke off, or took too long: it may have been done.
    Broken(String),
    /// It is more than Slack takes, or than was asked for: so many bytes.
    TooLarge(u64),
    /// Slack asks to wait. Nothing was done.
    Limited(Duration),
    /// Slack says no.
    Refused(Refusal),
    /// What came makes no sense; with the status.
    Garbled(u16, String),
}

/// An answer with `ok: false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Slack's word for it.
    pub(crate) error: String,
    /// The scope that is missing.
    pub(crate) needed: Option<String>,
    /// The token that was sent.
    pub(crate) token: Token,
}

/// Why there is no way to Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// A setting does not do.
    Settings(String),
}

/// What an error of Slack's means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The token is no good.
    Credential,
    /// What it is about is not there.
    Gone,
    /// It will not be done; the text says what would help.
    Refused(&'static str),
    /// It is too long.
    TooLarge,
    /// It cannot be done now.
    Unavailable,
}

const INVITE: &str = "the app is not in that channel; somebody there has to invite it with /invite";
const RIGHTS: &str =
    "the workspace's settings do not let the app do that there; an admin of the workspace can";
const SCOPE: &str = "a scope is missing; add it under OAuth & Permissions at https://api.slack.com/apps and install \
     the app again";
const OWN: &str = "that message is not the app's own, or too old to be changed";
const FILES: &str = "the app may not read that file; it needs the scope files:read (OAuth & Permissions at \
     https://api.slack.com/apps), and files on other servers are not Slack's to give";

/// Slack's errors (each method's page under <https://docs.slack.dev/reference/methods>, "Errors"). What is not here is
/// refused in Slack's own word.
const TABLE: &[(Meaning, &[&str])] = &[
    (
        Meaning::Credential,
        &[
            "invalid_auth",
            "not_authed",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "not_allowed_token_type",
        ],
    ),
    (
        Meaning::Gone,
        &[
            "channel_not_found",
            "is_archived",
            "message_not_found",
            "thread_not_found",
            "user_not_found",
            "file_not_found",
            "file_deleted",
            "used_url",
            "expired_url",
            "invalid_thread_ts",
        ],
    ),
    (Meaning::Refused(INVITE), &["not_in_channel", "user_not_in_channel"]),
    (
        Meaning::Refused(RIGHTS),
        &[
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "restricted_action_thread_locked",
            "restricted_action_non_threadable_channel",
            "no_permission",
            "ekm_access_denied",
            "team_access_not_granted",
            "cannot_dm_bot",
            "messages_tab_disabled",
        ],
    ),
    (Meaning::Refused(SCOPE), &["missing_scope"]),
    (Meaning::Refused(OWN), &["cant_update_message", "cant_delete_message", "edit_window_closed"]),
    (Meaning::Refused(FILES), &["access_denied", "not_visible"]),
    (Meaning::TooLarge, &["msg_too_long", "msg_blocks_too_long", "file_too_large", "file_uploads_too_large"]),
    (
        Meaning::Unavailable,
        &[
            "fatal_error",
            "internal_error",
            "service_unavailable",
            "request_timeout",
            "team_added_to_org",
            "org_login_required",
            "message_limit_exceeded",
            "accesslimited",
        ],
    ),
];

fn meaning(error: &str) -> Meaning {
    let found = TABLE.iter().find(|(_, errors)| errors.contains(&error));
    found.map_or(Meaning::Refused(""), |(meaning, _)| *meaning)
}

impl Failure {
    /// What the kit says.
    pub(super) fn of_http(error: http::Error, grant: impl FnOnce() -> String) -> Self {
        match error {
            http::Error::Denied => Self::Denied { grant: grant() },
            http::Error::Invalid(text) | http::Error::Unsent(text) => Self::Unsent(text),
            http::Error::Unavailable(text) | http::Error::Unexpected(text) => Self::Broken(text),
            http::Error::TooLarge(limit) => Self::TooLarge(u64::try_from(limit).unwrap_or(u64::MAX)),
        }
    }

    /// Whether Slack says this word.
    pub(crate) fn says(&self, word: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.error == word)
    }

    /// Whether trying again later may help the receive loop.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unsent(_) | Self::Broken(_) | Self::Limited(_) | Self::Garbled(500.., _) => true,
            Self::Refused(refusal) => meaning(&refusal.error) == Meaning::Unavailable,
            _ => false,
        }
    }

    /// In a sentence, for the admin.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Denied { grant } => format!(
                "the request to Slack was not let through. The setting api_url widens nothing: an admin has to grant \
                 the address. Add \"{grant}\" to components.slack.grants; the audit log says what was asked"
            ),
            Self::NoToken(token, _) => token_missing(*token),
            Self::Foreign(url) => format!("{url:?} is no address of Slack's for this"),
            Self::Unsent(text) => format!("Slack cannot be reached: {text}"),
            Self::Broken(text) => format!("the connection to Slack broke off: {text}"),
            Self::TooLarge(limit) => format!("it is too large ({limit} bytes)"),
            Self::Limited(wait) => format!("Slack asks to wait for {} seconds", wait.as_secs()),
            Self::Refused(refusal) => refusal.text(),
            Self::Garbled(status, text) => format!("Slack answered {status} with: {text}"),
        }
    }
}

impl Refusal {
    /// What it is to whoever sent so many bytes.
    pub(super) fn to(self, size: usize) -> Failure {
        match meaning(&self.error) {
            Meaning::TooLarge => Failure::TooLarge(size as u64),
            _ => Failure::Refused(self),
        }
    }

    /// One without more to say than its word.
    pub(crate) fn of(error: &str, token: Token) -> Self {
        Self { error: error.to_owned(), needed: None, token }
    }

    fn text(&self) -> String {
        let scope = self.needed.as_ref().map(|scope| format!(": {scope}")).unwrap_or_default();
        match meaning(&self.error) {
            Meaning::Credential => self.token_refused(),
            Meaning::Refused("") => format!("Slack says: {}{scope}", self.error),
            Meaning::Refused(help) => format!("{help} (Slack says: {}{scope})", self.error),
            _ => format!("Slack says: {}{scope}", self.error),
        }
    }

    /// What an admin is told when Slack does not take the token.
    fn token_refused(&self) -> String {
        let Self { error, token, .. } = self;
        let wrong_kind = match (error.as_str(), token) {
            ("not_allowed_token_type", Token::App) => " It is of another kind: this one begins with xapp-.",
            ("not_allowed_token_type", Token::Bot) => " It is of another kind: this one begins with xoxb-.",
            _ => "",
        };
        format!("Slack refuses the {} ({error}).{wrong_kind} {}", token.title(), token.help())
    }
}

impl Token {
    fn title(self) -> &'static str {
        match self {
            Self::App => "app-level token",
            Self::Bot => "bot token",
        }
    }

    /// Where to get it, and how to set it.
    fn help(self) -> &'static str {
        match self {
            Self::App => {
                "Generate one with the scope connections:write at https://api.slack.com/apps (Basic Information, \
                 App-Level Tokens); set it with `openpact secret set SLACK_APP_TOKEN` and start the provider again."
            }
            Self::Bot => {
                "Install the app at https://api.slack.com/apps (OAuth & Permissions), which shows it; set it with \
                 `openpact secret set SLACK_BOT_TOKEN` and start the provider again."
            }
        }
    }
}

fn token_missing(token: Token) -> String {
    format!("The {} is not set. {}", token.title(), token.help())
}

/// Why there is no Socket Mode: somebody switched it off.
pub(crate) fn link_disabled() -> AdapterError {
    AdapterError::Configuration(
        "Socket Mode is switched off for this app. Switch it on at https://api.slack.com/apps (Socket Mode) and start \
         the provider again."
            .to_owned(),
    )
}

impl From<Unusable> for AdapterError {
    fn from(Unusable::Settings(text): Unusable) -> Self {
        Self::Configuration(text)
    }
}

impl From<Unusable> for SendError {
    fn from(Unusable::Settings(text): Unusable) -> Self {
        // It can be mended while the message waits.
        Self::Unavailable(text)
    }
}

impl From<Failure> for AdapterError {
    fn from(failure: Failure) -> Self {
        let text = failure.text();
        match failure {
            _ if failure.is_passing() => Self::Unavailable(text),
            Failure::NoToken(_, Missing::NotRequested) => {
                Self::Configuration("the manifest of this component does not request its tokens".to_owned())
            }
            Failure::NoToken(_, Missing::NotGranted) => Self::Credential(text),
            Failure::Refused(refusal) if meaning(&refusal.error) == Meaning::Credential => {
                Self::Credential(text)
            }
            Failure::Denied { .. } | Failure::Refused(_) => Self::Configuration(text),
            _ => Self::Protocol(text),
        }
    }
}

/// What became of something that was to be done.
impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        let text = failure.text();
        match failure {
            Failure::Denied { .. } => Self::Denied,
            Failure::Foreign(_) => Self::Refused(text),
            Failure::TooLarge(limit) => Self::TooLarge(limit),
            // Slack limits each method and channel by itself; where others are told to wait too, the host sees that.
            Failure::Limited(wait) => {
                let retry_after = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                Self::RateLimited(RateLimit { retry_after, global: false })
            }
            Failure::Refused(refusal) => match meaning(&refusal.error) {
                // The message waits until an admin has set a new token.
                Meaning::Credential | Meaning::Unavailable => Self::Unavailable(text),
                Meaning::Gone => Self::Gone(text),
                // Where bytes were sent, Slack's word for too many is Failure::TooLarge already.
                Meaning::Refused(_) | Meaning::TooLarge => Self::Refused(text),
            },
            // With 503 a server, or a proxy in front of it, says that it has not begun.
            Failure::NoToken(..) | Failure::Unsent(_) | Failure::Garbled(503, _) => Self::Unavailable(text),
            Failure::Broken(_) | Failure::Garbled(..) => Self::Unknown(text),
        }
    }
}
