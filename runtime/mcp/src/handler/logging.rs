//! Lines of a tool's log for the client whose call it is: those that it asked for, and none until it has asked. With
//! sessions it asks once (specification 2025-11-25, server/utilities/logging), without them with each request
//! (2026-07-28, `_meta`, `io.modelcontextprotocol/logLevel`).
#![expect(deprecated, reason = "the protocol will do away with logging; clients of today use it")]

use std::sync::{Mutex, PoisonError};

use openpact_model::tool::{LogLevel, LogLine};
use rmcp::model::{
    JsonObject, LoggingLevel, LoggingMessageNotificationParam, RequestMetaObject, ServerCapabilities,
};

/// The least level that a session asked for.
#[derive(Default)]
pub(super) struct Logged(Mutex<Option<LoggingLevel>>);

impl Logged {
    pub(super) fn set(&self, level: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(level);
    }

    /// The least level of the lines that the client wants of a request: what this says, or else its session.
    pub(super) fn least(&self, request: &RequestMetaObject) -> Option<LogLevel> {
        let session = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        request.log_level().or(session).and_then(least)
    }
}

/// What tools log is never more than an error, so who wants more than that wants nothing.
fn least(level: LoggingLevel) -> Option<LogLevel> {
    match level {
        LoggingLevel::Debug | LoggingLevel::Info => Some(LogLevel::Info),
        LoggingLevel::Notice | LoggingLevel::Warning => Some(LogLevel::Warn),
        LoggingLevel::Error => Some(LogLevel::Error),
        LoggingLevel::Critical | LoggingLevel::Alert | LoggingLevel::Emergency => None,
    }
}

/// The line in the words of the protocol.
pub(super) fn message(tool: &str, line: LogLine) -> LoggingMessageNotificationParam {
    let level = match line.level {
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Warn => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
    };
    LoggingMessageNotificationParam::new(level, line.text.into()).with_logger(tool)
}

pub(super) fn enabled(mut capabilities: ServerCapabilities) -> ServerCapabilities {
    capabilities.logging = Some(JsonObject::default());
    capabilities
}
