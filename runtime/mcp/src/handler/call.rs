//! One call of a tool by a client: a turn of its own, with its progress, its log and its end.

use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::port::ToolCaller as _;
use openpact_model::tool::{Content, LogLine, Progress, ProgressSink};
use openpact_orchestrator::router::{Opening, Router};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ProgressNotificationParam, ProgressToken, ResourceContents,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Handler, logging, too_often};
use crate::bucket::Place;
use crate::tool;

/// Reports and lines that wait for a client that reads slowly; more are dropped.
const REPORTS: usize = 32;
/// How long a client may take to accept one of them; then this call tells it no more.
const PATIENCE: Duration = Duration::from_secs(1);

impl Handler {
    /// Calls a tool. A failure of the tool's own is an answer; a tool that is not there for this client is an error of
    /// the protocol (specification 2025-11-25, server/tools, "Error Handling").
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let (client, router) = (&self.client, &self.shared.router);
        if !client.may_use(&request.name) {
            return Err(self.refuse(&request.name).await);
        }
        let known = router.tool(&client.caller, &request.name).is_some();
        let arguments = Value::Object(request.arguments.unwrap_or_default()).to_string();
        let (progress, mut reports) = self.reports(&request.name, &context);
        let session = Some(client.session.clone());
        // Its prompt is its own; what it has read here, the session knows.
        let opening = Opening {
            progress,
            session,
            is_private: false,
            ..Opening::new(client.caller.clone(), &context.ct)
        };
        // Closed when this future is dropped, and then what runs is cancelled.
        let turn = router.open_turn(opening);
        let answering = router.call(turn.id(), &request.name, &arguments);
        tokio::pin!(answering);
        let answer = loop {
            tokio::select! {
                biased;
                () = client.revoked.cancelled() => {
                    return Err(ErrorData::invalid_request("this client's access was taken back", None));
                }
                Some(said) = reports.receiver.recv() => reports.tell(said, &client.revoked).await,
                answer = &mut answering => break answer,
            }
        };
        while let Ok(said) = reports.receiver.try_recv() {
            reports.tell(said, &client.revoked).await;
        }
        let outcome = if answer.is_error { "failed" } else { "ok" };
        metrics::counter!("openpact_mcp_calls_total", "outcome" => outcome).increment(1);
        if known {
            return Ok(tool::answered(answer));
        }
        // The router refused it and recorded that.
        let text = answer.output.content.into_iter().find_map(|piece| match piece {
            Content::Text { text } => Some(text),
            _ => None,
        });
        Err(ErrorData::invalid_params(format!("Unknown tool: {}", text.unwrap_or_default()), None))
    }

    /// Where the call tells what this client asked to hear, and how that gets there.
    fn reports(&self, tool: &str, context: &RequestContext<RoleServer>) -> (ProgressSink, Reports) {
        let (sender, receiver) = mpsc::channel(REPORTS);
        let token = context.meta.get_progress_token();
        // A client that reads too slowly misses reports, but never stops a tool.
        let mut sink = match &token {
            Some(_) => {
                let sender = sender.clone();
                ProgressSink::new(move |progress| drop(sender.try_send(Said::Progress(progress))))
            }
            None => ProgressSink::default(),
        };
        if let Some(least) = self.logged.least(&context.meta) {
            sink = sink.with_log(least, move |line| drop(sender.try_send(Said::Line(line))));
        }
        (sink, Reports { receiver, token, tool: tool.to_owned(), peer: context.peer.clone() })
    }

    /// Somebody asked for a tool that the client's own list does not have.
    async fn refuse(&self, name: &str) -> ErrorData {
        if self.shared.reads.take(self.client.actor()) == Place::None {
            return too_often();
        }
        let shown = openpact_model::text::one_line(&self.shared.router.redacted(name), 80);
        let event = Event::new("tool.call", self.client.actor(), shown.clone(), Verdict::Denied)
            .with("outcome", "not-for-this-client");
        match self.record(event).await {
            Ok(()) => ErrorData::invalid_params(format!("Unknown tool: there is no tool '{shown}'"), None),
            Err(error) => error,
        }
    }
}

/// What a call says while it runs.
enum Said {
    Progress(Progress),
    Line(LogLine),
}

/// What one call says, on its way to the client that asked for it.
struct Reports {
    receiver: mpsc::Receiver<Said>,
    /// The client's own mark for reports of progress; it goes to nobody else.
    token: Option<ProgressToken>,
    tool: String,
    peer: Peer<RoleServer>,
}

impl Reports {
    /// Tells it, unless the client takes too long or is revoked: then it hears no more of this call.
    async fn tell(&mut self, said: Said, revoked: &CancellationToken) {
        if in_time(self.say(said), revoked).await {
            return;
        }
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
    }

    async fn say(&self, said: Said) {
        let told = match (said, &self.token) {
            (Said::Progress(progress), Some(token)) => {
                let mut told = ProgressNotificationParam::new(token.clone(), progress.done);
                told.total = progress.total;
                told.message = progress.message;
                self.peer.notify_progress(told).await
            }
            (Said::Progress(_), None) => return,
            (Said::Line(line), _) => {
                #[expect(deprecated, reason = "clients of today use it")]
                let telling = self.peer.notify_logging_message(logging::message(&self.tool, line));
                telling.await
            }
        };
        if let Err(error) = told {
            tracing::debug!(%error, "what a call says could not be told");
        }
    }
}

/// Whether `telling` ends before the patience with the client does, and before it is revoked.
async fn in_time(telling: impl Future<Output = ()>, revoked: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = revoked.cancelled() => false,
        told = tokio::time::timeout(PATIENCE, telling) => told.is_ok(),
    }
}

/// A resource without the values of secrets.
pub(super) fn redacted(router: &Router, mut contents: ResourceContents) -> ResourceContents {
    match &mut contents {
        ResourceContents::TextResourceContents { text, .. } => *text = router.redacted(text),
        // A mark in the middle of base64 would leave broken bytes, so all of them go.
        ResourceContents::BlobResourceContents { blob, .. } if router.redacted(blob) != *blob => blob.clear(),
        _ => {}
    }
    contents
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_not_waited_for() {
        let revoked = CancellationToken::new();
        assert!(in_time(ready(()), &revoked).await);
        assert!(!in_time(pending(), &revoked).await, "it ends, though nobody takes it");
        let almost = PATIENCE.checked_sub(Duration::from_millis(1)).unwrap();
        let slow = async { tokio::time::sleep(almost).await };
        assert!(in_time(slow, &revoked).await);
        revoked.cancel();
        assert!(!in_time(ready(()), &revoked).await, "who is revoked hears nothing");
    }
}
