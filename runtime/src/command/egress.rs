//! `openpact egress`.

use jiff::{SignedDuration, Timestamp};
use openpact_model::audit::Verdict;
use openpact_model::clock::{Clock as _, SystemClock};

use crate::cli::Egress;
use crate::control::{EgressFilter, Request};

/// What is asked for.
pub(super) fn request(command: Egress) -> Request {
    match command {
        Egress::Test { url, principal, method } => Request::EgressTest { principal, method, url },
        Egress::Log { principal, verdict, denied, would_deny, since, limit } => {
            let verdict = if denied { Some(Verdict::Denied) } else { verdict };
            let since = since.map(|span| {
                let span = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
                SystemClock.now().checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
            });
            Request::EgressLog(EgressFilter { principal, verdict, would_deny, since, limit })
        }
    }
}
