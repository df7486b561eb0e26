//! Tool calls that ran when the program died. Whether they did what they were to do is not known; they are reported
//! so, in the next turn of their session, and never run again.

use openpact_model::audit::{Event, Verdict};
use openpact_model::id::SessionId;
use openpact_model::port::AuditSink as _;
use openpact_store::Store;
use openpact_store::journal::Intent;
use serde_json::{Value, json};

use crate::Error;

/// Where the reports wait in the settings, by session.
const SCOPE: &str = "session-interrupted";

/// Kept of one session; who has more has other worries.
const MOST: usize = 20;

/// Takes the interrupted calls over from the journal.
pub(crate) async fn collect(store: &Store) -> Result<(), Error> {
    for intent in store.journal().interrupted().await? {
        tracing::warn!(tool = intent.tool, call = %intent.call, "a tool call was cut off by the end of the program");
        if let Err(error) = store.record(event(&intent)).await {
            tracing::error!(%error, "an interrupted call could not be audited");
        }
        if let Some(session) = &intent.session {
            let mut tools = read(store, session).await?;
            if tools.len() < MOST {
                tools.push(intent.tool);
                store.settings().set(SCOPE, session.as_str(), json!(tools)).await?;
            }
        }
    }
    Ok(())
}

/// The tools whose calls were cut off in `session` and were not reported yet.
pub(crate) async fn read(store: &Store, session: &SessionId) -> Result<Vec<String>, Error> {
    let stored = store.settings().get(SCOPE, session.as_str()).await?;
    let tools = stored.as_ref().and_then(Value::as_array).into_iter().flatten();
    Ok(tools.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// They were reported.
pub(crate) async fn forget(store: &Store, session: &SessionId) -> Result<(), Error> {
    store.settings().remove(SCOPE, session.as_str()).await?;
    Ok(())
}

/// For the person.
pub(crate) fn notice(tools: &[String]) -> String {
    format!(
        "OpenPact stopped while {} ran. Whether it did its work is not known, and it was not repeated.",
        tools.join(", ")
    )
}

/// For the model.
pub(crate) fn note(tools: &[String]) -> String {
    format!(
        "Since the last turn of this conversation the program stopped while these tool calls ran: {}. Their outcome is \
         unknown and they were not repeated. Do not repeat them either before you have looked what they did.",
        tools.join(", ")
    )
}

fn event(intent: &Intent) -> Event {
    let mut event = Event::new("tool.call.unknown", "runtime", &intent.tool, Verdict::Failed)
        .with("call", intent.call.as_str())
        .with("turn", intent.turn.as_str())
        .with("principal", intent.principal.to_string())
        .with("outcome", "unknown");
    if let Some(session) = &intent.session {
        event = event.with("session", session.as_str());
    }
    if let Some(digest) = intent.digest {
        event = event.with("digest", digest.to_string());
    }
    event
}
