//! Why a call gave nothing, in the words of the host.

use openpact_sdk::adapter::{AdapterError, RateLimit, SendError};
use openpact_sdk::credentials::Missing;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// The host does not let the request through. Nothing was sent.
    Denied {
        /// The grant that would allow it.
        grant: String,
    },
    /// No connection came about. Nothing was sent.
    Unsent(String),
    /// It broke off, or took too long: it may have been done.
    Broken(String),
    /// Discord asks to wait. Nothing was done.
    Limited(RateLimit),
    /// It is more than Discord takes; the bytes that were sent.
    TooLarge(u64),
    /// Discord says no.
    Refused(Refusal),
    /// What came makes no sense; with the status.
    Garbled(u16, String),
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: u16,
    /// Discord's own code (Opcodes and Status Codes, "JSON Error Codes"); 0 for none in particular.
    pub(crate) code: u64,
    /// What Discord says.
    pub(crate) message: String,
}

/// Why there is no way to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is no reference to the token.
    Token(Missing),
    /// A setting does not do.
    Settings(String),
}

/// Why there is no way to the gateway: there is no reference to the token of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnusableSocket(pub(crate) Missing);

/// Discord's code for an interaction that was answered already.
const ACKNOWLEDGED: u64 = 40_060;

/// What an admin is told when Discord does not know the token.
pub(crate) const TOKEN_REFUSED: &str = "Discord does not know this token. The page of the bot \
     (https://discord.com/developers/applications, Bot, Reset Token) gives a new one; set it with \
     `openpact secret set DISCORD_TOKEN` and start the provider again.";

/// What an admin is told when there is no token.
const TOKEN_MISSING: &str = "The token of the bot is not set. \
     https://discord.com/developers/applications gives one (New Application, Bot, Reset Token); set it with \
     `openpact secret set DISCORD_TOKEN`.";

impl From<Unusable> for AdapterError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Token(missing) => credential(missing, "token"),
            Unusable::Settings(text) => Self::Configuration(text),
        }
    }
}

impl From<UnusableSocket> for AdapterError {
    fn from(UnusableSocket(missing): UnusableSocket) -> Self {
        credential(missing, "gateway-token")
    }
}

fn credential(missing: Missing, name: &str) -> AdapterError {
    match missing {
        Missing::NotGranted => {
            AdapterError::Credential(format!("{TOKEN_MISSING} (It is the credential '{name}' of discord.)"))
        }
        Missing::NotRequested => AdapterError::Configuration(format!(
            "the manifest of this component requests no credential '{name}'"
        )),
    }
}

impl From<Unusable> for SendError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            // Both can be mended while the message waits.
            Unusable::Token(_) => Self::Unavailable(TOKEN_MISSING.to_owned()),
            Unusable::Settings(text) => Self::Unavailable(text),
        }
    }
}

impl Failure {
    /// Whether Discord refuses the token.
    pub(crate) fn is_credential(&self) -> bool {
        matches!(self, Self::Refused(Refusal { status: 401, .. }))
    }

    /// Whether what it is about is not there: a channel, a message, an interaction whose time is over.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_gone())
    }

    /// Whether the same would come of it again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Denied { .. } | Self::TooLarge(_) => true,
            Self::Refused(Refusal { status, .. }) | Self::Garbled(status, _) => *status < 500,
            Self::Unsent(_) | Self::Broken(_) | Self::Limited(_) => false,
        }
    }

    /// Whether it is the answer to an interaction that has one.
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Refused(Refusal { code: ACKNOWLEDGED, .. }))
    }

    /// In a sentence, for the admin.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Denied { grant } => format!(
                "the request to Discord was not let through. The setting api_url widens nothing: an admin has to \
                 grant each address. Add \"{grant}\" to components.discord.grants; the audit log says what was asked"
            ),
            Self::Unsent(text) => format!("Discord cannot be reached: {text}"),
            Self::Broken(text) => format!("the connection to Discord broke off: {text}"),
            Self::Limited(limit) => format!("Discord asks to wait {} ms", limit.retry_after),
            Self::TooLarge(size) => format!("it is too large for Discord ({size} bytes)"),
            Self::Refused(refusal) => refusal.text(),
            Self::Garbled(status, text) => format!("Discord answered {status} with: {text}"),
        }
    }
}

impl Refusal {
    fn text(&self) -> String {
        let Self { status, code, message } = self;
        format!("Discord says {status} ({code}): {message}")
    }

    /// Unknown channel, message, webhook, interaction; any 404 besides.
    fn is_gone(&self) -> bool {
        self.status == 404 || matches!(self.code, 10_003 | 10_008 | 10_015 | 10_062)
    }
}

impl From<Failure> for AdapterError {
    fn from(failure: Failure) -> Self {
        if failure.is_credential() {
            return Self::Credential(TOKEN_REFUSED.to_owned());
        }
        let text = failure.text();
        match failure {
            Failure::Unsent(_) | Failure::Broken(_) | Failure::Limited(_) | Failure::Garbled(500.., _) => {
                Self::Unavailable(text)
            }
            Failure::Refused(refusal) if refusal.status >= 500 => Self::Unavailable(text),
            Failure::Garbled(..) => Self::Protocol(text),
            Failure::Denied { .. } | Failure::Refused(_) | Failure::TooLarge(_) => Self::Configuration(text),
        }
    }
}

/// What became of something that was to be sent.
impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        if failure.is_credential() {
            // The message waits until an admin has set a new token.
            return Self::Unavailable(TOKEN_REFUSED.to_owned());
        }
        let text = failure.text();
        match failure {
            Failure::Denied { .. } => Self::Denied,
            Failure::Limited(limit) => Self::RateLimited(limit),
            Failure::TooLarge(size) => Self::TooLarge(size),
            Failure::Refused(refusal) => refusal.into(),
            // With 503 a server, or a proxy in front of it, says that it has not begun.
            Failure::Unsent(_) | Failure::Garbled(503, _) => Self::Unavailable(text),
            Failure::Broken(_) | Failure::Garbled(..) => Self::Unknown(text),
        }
    }
}

impl From<Refusal> for SendError {
    fn from(refusal: Refusal) -> Self {
        let said = refusal.text();
        if refusal.is_gone() {
            return Self::Gone(format!("there is no such channel, message or interaction any more ({said})"));
        }
        let missing = |right: &str| Self::Refused(format!("{right} ({said})"));
        match (refusal.status, refusal.code) {
            (503, _) => Self::Unavailable(said),
            // It broke while it was being done: nobody knows how far it came.
            (500.., _) => Self::Unknown(said),
            (_, 50_001) => missing(
                "the bot does not see this channel: it has to be a member of the server, with the right View Channel",
            ),
            (_, 50_013) => missing(
                "the bot lacks a right in this channel: it needs Send Messages, Send Messages in Threads, Embed \
                 Links, Attach Files and Read Message History",
            ),
            (_, 50_007) => missing(
                "this person takes no direct messages of the bot: they have to share a server with it and allow them \
                 in their privacy settings",
            ),
            (_, 50_083 | 160_005) => missing(
                "the thread is archived or locked; somebody with the right Manage Threads can open it",
            ),
            (_, 50_005) => missing("only whoever wrote a message can change it"),
            (403, _) => missing("the bot may not do that here; its rights in the channel do not suffice"),
            _ => Self::Refused(said),
        }
    }
}
