//! Tool calls of a turn: all at once, answered in order.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesOrdered, StreamExt as _};
use openpact_model::id::TurnId;
use openpact_model::port::ToolCaller;
use openpact_model::random::Random;
use openpact_model::tool::ToolAnswer;

use crate::fault::Fault;
use crate::session::Call;
use crate::turn::Stop;

/// How long tools that were told to stop may take until they are left alone. The router stops a tool at once, so this
/// is for what it writes down about that.
const GRACE: Duration = Duration::from_secs(5);

/// What is known of a call that got no answer.
pub(crate) const UNKNOWN: &str =
    "interrupted before the answer came: it is unknown whether this was done; look before doing it again";

/// What is told of a call that was not made.
const NOT_DONE: &str = "not done: the turn was stopped before this began";

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) id: String,
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

/// An id in the form that every provider takes: nine letters and digits.
pub(crate) fn fresh_id(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 9];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// The answers to calls that were all made at once, in the order of the calls. When the turn is stopped, the tools are
/// stopped too; answers that still come within a moment are given, and the others are told to be unknown.
pub(crate) struct Answers<'a> {
    calls: std::slice::Iter<'a, Call>,
    pending: FuturesOrdered<BoxFuture<'a, ToolAnswer>>,
    stop: &'a Stop,
    stopped: Option<Fault>,
    /// What is told of a call that got no answer.
    none: &'static str,
}

impl<'a> Answers<'a> {
    /// Makes the calls, unless the turn is to stop already.
    pub(crate) fn new(
        tools: &'a dyn ToolCaller,
        turn: &'a TurnId,
        calls: &'a [Call],
        stop: &'a Stop,
    ) -> Self {
        if let Err(fault) = stop.check() {
            let pending = FuturesOrdered::new();
            return Self { calls: calls.iter(), pending, stop, stopped: Some(fault), none: NOT_DONE };
        }
        let pending = calls.iter().map(|call| tools.call(turn, &call.name, &call.arguments)).collect();
        Self { calls: calls.iter(), pending, stop, stopped: None, none: UNKNOWN }
    }

    /// The next answer.
    pub(crate) async fn next(&mut self) -> Option<Result> {
        let id = self.calls.next()?.id.clone();
        Some(match self.answer().await {
            Some(answer) => Result { id, is_error: answer.is_error, text: answer.output.as_text() },
            None => Result { id, is_error: true, text: self.none.to_owned() },
        })
    }

    /// Why the turn is to end, if it is.
    pub(crate) fn end(self) -> std::result::Result<(), Fault> {
        // An answer that comes in the same moment as the word to stop does not undo it.
        self.stopped.map_or_else(|| self.stop.check(), Err)
    }

    async fn answer(&mut self) -> Option<ToolAnswer> {
        if self.stopped.is_none() {
            match self.stop.guard(self.pending.next()).await {
                Ok(answer) => return answer,
                Err(fault) => {
                    self.stop.stop_all();
                    self.stopped = Some(fault);
                    return tokio::time::timeout(GRACE, self.pending.next()).await.ok().flatten();
                }
            }
        }
        // The time for stopping is over: what is done already is taken, and nothing is waited for.
        self.pending.next().now_or_never().flatten()
    }
}
