//! From how a function of an adapter ended to what its caller is told.

use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter;
use openpact_model::chat::{AdapterError, SendError};
use openpact_model::text::one_line;
use openpact_model::tool::{Limit, ToolFailure};

use crate::ledger::Ledger;

/// The longest text of an adapter's own error, in characters.
const MAX_TEXT: usize = 500;
/// The longest wait that an adapter may ask for: a day, in milliseconds.
const MAX_WAIT: u64 = 86_400_000;

/// What an adapter said itself. Where the host refused it a request and it blames the platform, the host knows better:
/// asking again does not help, a grant does.
pub(super) fn said(error: adapter::SendError, ledger: &Ledger) -> SendError {
    let shown = |text: String| one_line(&text, MAX_TEXT);
    let error = match error {
        adapter::SendError::RateLimited(limit) => {
            SendError::RateLimited { retry_after: limit.retry_after.min(MAX_WAIT), global: limit.global }
        }
        adapter::SendError::Unavailable(why) => SendError::Unavailable(shown(why)),
        adapter::SendError::Unknown(why) => SendError::Unknown(shown(why)),
        adapter::SendError::Gone(why) => SendError::Gone(shown(why)),
        adapter::SendError::Refused(why) => SendError::Refused(shown(why)),
        adapter::SendError::Denied => SendError::Denied,
        adapter::SendError::TooLarge(bytes) => SendError::TooLarge(bytes),
    };
    let blames = matches!(error, SendError::Unavailable(_) | SendError::Unknown(_) | SendError::Refused(_));
    if !blames {
        return error;
    }
    match ledger.out_of_requests() {
        Some(failure) => SendError::Broken(words(failure)),
        None if ledger.was_denied() => SendError::Denied,
        None => error,
    }
}

/// How a function ended that gave no answer. Where a request had left, what came of it is not known.
pub(super) fn ended(failure: ToolFailure, ledger: &Ledger) -> SendError {
    let uncertain = |why: String| {
        if ledger.requests() == 0 { SendError::Unavailable(why) } else { SendError::Unknown(why) }
    };
    match failure {
        ToolFailure::Denied(_) => SendError::Denied,
        ToolFailure::Cancelled | ToolFailure::Stopped => uncertain("the adapter was stopped".into()),
        ToolFailure::LimitReached { limit: Limit::Time, value } => {
            uncertain(format!("it took longer than {value} ms"))
        }
        ToolFailure::Unavailable(why) => uncertain(why),
        failure => SendError::Broken(words(failure)),
    }
}

/// Why a receive loop, or the registration of commands, ended.
pub(super) fn loop_said(error: adapter::AdapterError, ledger: &Ledger) -> AdapterError {
    let shown = |text: String| one_line(&text, MAX_TEXT);
    let error = match error {
        adapter::AdapterError::Credential(why) => AdapterError::Credential(shown(why)),
        adapter::AdapterError::Configuration(why) => AdapterError::Configuration(shown(why)),
        adapter::AdapterError::Conflict(why) => AdapterError::Conflict(shown(why)),
        adapter::AdapterError::Unavailable(why) => AdapterError::Unavailable(shown(why)),
        adapter::AdapterError::Protocol(why) => AdapterError::Protocol(shown(why)),
    };
    let blames = matches!(error, AdapterError::Unavailable(_) | AdapterError::Protocol(_));
    if !blames {
        return error;
    }
    match ledger.out_of_requests() {
        Some(failure) => AdapterError::Broken(words(failure)),
        None if ledger.was_denied() => denied(),
        None => error,
    }
}

/// As [`ended`], for a loop or the registration of commands.
pub(super) fn loop_ended(failure: ToolFailure) -> AdapterError {
    match failure {
        ToolFailure::Denied(_) => denied(),
        ToolFailure::Cancelled | ToolFailure::Stopped => AdapterError::Stopped,
        ToolFailure::LimitReached { limit: Limit::Time, value } => {
            AdapterError::Unavailable(format!("it took longer than {value} ms"))
        }
        ToolFailure::Unavailable(why) => AdapterError::Unavailable(why),
        failure => AdapterError::Broken(words(failure)),
    }
}

fn denied() -> AdapterError {
    AdapterError::Configuration(
        "no grant allows a request that it makes; the audit log says which, and an admin can grant it".into(),
    )
}

/// A failure without the words "the tool broke".
pub(super) fn words(failure: ToolFailure) -> String {
    match failure {
        ToolFailure::Broken(why) | ToolFailure::Failed(why) => why,
        failure => failure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_a_request() -> Ledger {
        let ledger = Ledger::for_tests();
        assert!(ledger.request());
        ledger
    }

    #[test]
    fn a_message_may_be_out_once_a_request_was_made() {
        let late = || ToolFailure::LimitReached { limit: Limit::Time, value: 7 };
        assert!(matches!(ended(late(), &Ledger::for_tests()), SendError::Unavailable(_)));
        assert!(matches!(ended(late(), &with_a_request()), SendError::Unknown(_)));
        assert!(matches!(ended(ToolFailure::Cancelled, &with_a_request()), SendError::Unknown(_)));
        let busy = || ToolFailure::Unavailable("no place".into());
        assert_eq!(ended(busy(), &Ledger::for_tests()), SendError::Unavailable("no place".into()));
        assert_eq!(loop_ended(busy()), AdapterError::Unavailable("no place".into()));
        let trap = ToolFailure::Broken("wasm `unreachable` instruction executed".into());
        assert_eq!(
            ended(trap, &with_a_request()),
            SendError::Broken("wasm `unreachable` instruction executed".into())
        );
    }

    #[test]
    fn a_missing_grant_is_not_blamed_on_the_platform() {
        let ledger = with_a_request();
        let error = || adapter::SendError::Unavailable("connection failed".into());
        assert_eq!(said(error(), &ledger), SendError::Unavailable("connection failed".into()));
        ledger.denied();
        assert_eq!(said(error(), &ledger), SendError::Denied);
        let gone = said(adapter::SendError::Gone("chat".into()), &ledger);
        assert_eq!(gone, SendError::Gone("chat".into()), "an answer of the platform stays one");
        let lost = adapter::AdapterError::Unavailable("x".into());
        assert!(matches!(loop_said(lost, &ledger), AdapterError::Configuration(_)));
    }

    #[test]
    fn the_limit_of_requests_is_no_missing_grant() {
        let ledger = Ledger::for_tests();
        while ledger.request() {}
        // The refusal reaches the guest as an ordinary denial too.
        ledger.denied();
        let SendError::Broken(why) = said(adapter::SendError::Unavailable("denied".into()), &ledger) else {
            panic!("it is a limit");
        };
        let limit = ToolFailure::LimitReached { limit: Limit::Requests, value: 500 };
        assert_eq!(why, limit.to_string());
        let ended = loop_said(adapter::AdapterError::Unavailable("denied".into()), &ledger);
        assert_eq!(ended, AdapterError::Broken(why));
        let gone = said(adapter::SendError::Gone("chat".into()), &ledger);
        assert_eq!(gone, SendError::Gone("chat".into()), "an answer of the platform stays one");
    }

    #[test]
    fn words_and_waits_are_bounded() {
        let limit = adapter::RateLimit { retry_after: u64::MAX, global: true };
        let limited = said(adapter::SendError::RateLimited(limit), &Ledger::for_tests());
        assert_eq!(limited, SendError::RateLimited { retry_after: MAX_WAIT, global: true });
        let SendError::Refused(text) =
            said(adapter::SendError::Refused("\u{1b}[2J".repeat(1000)), &Ledger::for_tests())
        else {
            panic!("must be refused");
        };
        assert!(!text.contains('\u{1b}') && text.chars().count() < 5000, "{text}");
    }
}
