//! What can go wrong on the way out and back, told apart by whose fault it was.

use std::fmt;
use std::time::Duration;

use openpact_model::port::PortError;

/// Why a request was not sent, or its answer did not arrive. `Display` is one line for the guest and names no secret,
/// no address and no rule; what the admin needs is in [`Denial::admin`] and in the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no. Nothing was sent to this host.
    #[error("{0}")]
    Denied(Denial),
    /// The host's name leads to an address that must not be connected to.
    #[error("{host} is at an address that may not be connected to")]
    Prohibited {
        /// The host as it was asked for.
        host: String,
        /// What the admin is told: the address, what it is, and the rule that would allow it.
        admin: Hidden,
    },
    /// The request cannot be sent as it is, whoever asks for it.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Too many requests under the rule's rate.
    #[error("too many requests; try again in {} s", retry.as_secs().max(1))]
    RateLimited {
        /// When the next one passes.
        retry: Duration,
    },
    /// The host's name has no address.
    #[error("the name {host} was not found")]
    Dns {
        /// The name.
        host: String,
    },
    /// No connection came about.
    #[error("no connection to {host}: {why}")]
    Connect {
        /// The host.
        host: String,
        /// Short: `refused`, `unreachable`.
        why: &'static str,
    },
    /// The other side could not prove who it is, or speaks no TLS that we accept.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// What was wrong with the certificate or the handshake.
        why: String,
    },
    /// It took too long.
    #[error("timed out after {} ms {phase}", after.as_millis())]
    Timeout {
        /// While what.
        phase: Phase,
        /// The limit that was reached.
        after: Duration,
    },
    /// It was larger than allowed.
    #[error("{part} is larger than {limit} bytes")]
    TooLarge {
        /// Which part.
        part: Part,
        /// The limit.
        limit: u64,
    },
    /// Too many redirects in a row.
    #[error("more than {0} redirects")]
    TooManyRedirects(u8),
    /// The other side broke off or broke the protocol.
    #[error("the answer of {host} broke off or made no sense: {why}")]
    Remote {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
    /// The other side answered, but not by opening a WebSocket.
    #[error("{host} did not open a WebSocket: {why}")]
    Refused {
        /// The host.
        host: String,
        /// What it answered.
        why: String,
    },
    /// As many WebSocket connections are open as this principal may have.
    #[error("{0} connections are open, and no more may be; close one first")]
    TooManyConnections(usize),
    /// The WebSocket connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The guest's own request body failed.
    #[error("the request body broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The audit log cannot be written, so nothing may happen.
    #[error("the audit log cannot be written; requests are stopped")]
    Audit(#[source] PortError),
    /// A fault of ours, or of the configuration; the text says what to do.
    #[error("{0}")]
    Setup(String),
}

/// A denial: what the guest is told, and what the admin is told.
#[derive(Debug, thiserror::Error)]
#[error("denied: {reason}")]
pub struct Denial {
    /// One line for the guest.
    pub reason: String,
    /// More for the admin.
    pub admin: Hidden,
}

/// Text for the admin alone. `Debug` does not show it: what a guest is told of an error may include that form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// What happened in detail, such as the name of the secret that was about to leave.
    pub detail: Option<String>,
    /// The rule that would have allowed it, ready to paste.
    pub rule: Option<String>,
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// What was under way when the time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a place: too many exchanges of this principal at once.
    Queue,
    /// Finding the address, connecting, and the TLS handshake.
    Connect,
    /// Waiting for the head of the answer.
    FirstByte,
    /// Waiting for more of the answer.
    BetweenBytes,
    /// The whole exchange.
    Total,
    /// Waiting for the rest of a WebSocket message.
    Message,
    /// Waiting for the other side to take a WebSocket message.
    Sending,
    /// Waiting for any sign of life on a WebSocket connection.
    Silence,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "waiting for other requests to end",
            Self::Connect => "while connecting",
            Self::FirstByte => "waiting for the answer to begin",
            Self::BetweenBytes => "waiting for more of the answer",
            Self::Total => "for the whole exchange",
            Self::Message => "waiting for the rest of a message",
            Self::Sending => "waiting for a message to be taken",
            Self::Silence => "waiting for a sign of life",
        })
    }
}

/// Which part of an exchange was too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The request's body.
    Request,
    /// The answer's headers.
    ResponseHeaders,
    /// The answer's body, decoded.
    Response,
    /// One WebSocket message, in either direction.
    Message,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "the request body",
            Self::ResponseHeaders => "the head of the answer",
            Self::Response => "the answer",
            Self::Message => "the message",
        })
    }
}

impl Error {
    /// A denial with nothing more to say to the admin.
    pub(crate) fn denied(reason: impl Into<String>) -> Self {
        Self::Denied(Denial { reason: reason.into(), admin: Hidden::default() })
    }

    /// A stable word for the audit log and for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Prohibited { .. } => "prohibited-address",
            Self::Invalid(_) => "invalid-request",
            Self::RateLimited { .. } => "rate-limited",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { phase, .. } => match phase {
                Phase::Queue => "timeout-queue",
                Phase::Connect => "timeout-connect",
                Phase::FirstByte => "timeout-first-byte",
                Phase::BetweenBytes => "timeout-between-bytes",
                Phase::Total => "timeout-total",
                Phase::Message => "timeout-message",
                Phase::Sending => "timeout-sending",
                Phase::Silence => "timeout-silence",
            },
            Self::TooLarge { part, .. } => match part {
                Part::Request => "request-too-large",
                Part::ResponseHeaders => "response-headers-too-large",
                Part::Response => "response-too-large",
                Part::Message => "message-too-large",
            },
            Self::TooManyRedirects(_) => "too-many-redirects",
            Self::Remote { .. } => "remote",
            Self::Refused { .. } => "websocket-refused",
            Self::TooManyConnections(_) => "too-many-connections",
            Self::Closed => "closed",
            Self::Body(_) => "request-body",
            Self::Audit(_) => "audit",
            Self::Setup(_) => "setup",
        }
    }

    /// Whether a rule, a limit or a guard said no, rather than the world.
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::Denied(_)
                | Self::Prohibited { .. }
                | Self::Invalid(_)
                | Self::RateLimited { .. }
                | Self::TooManyConnections(_)
        )
    }

    /// What only the admin is told.
    pub fn admin(&self) -> Option<&Hidden> {
        match self {
            Self::Denied(denial) => Some(&denial.admin),
            Self::Prohibited { admin, .. } => Some(admin),
            _ => None,
        }
    }
}
