//! Asking the model once, with everything that may go wrong on the way.

use futures::StreamExt as _;

use super::Work;
use crate::builtin::compaction;
use crate::builtin::provider::{Again, Delta, Echo, Failure, Limits, Reason, Request, Said, Usage};
use crate::fault::Fault;
use crate::session::{Body, Call};

/// How many times a conversation is made smaller because the provider says that it is too long.
const SQUEEZES: u32 = 3;

/// What came of one request.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) reason: Reason,
    pub(super) echo: Echo,
    /// Whether the person saw some of it.
    visible: bool,
    usage: Option<Usage>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            text: String::new(),
            calls: Vec::new(),
            reason: Reason::Done,
            echo: Echo::new(),
            visible: false,
            usage: None,
        }
    }
}

/// Why there is no whole answer.
enum Trouble {
    /// The provider's side.
    Failure(Failure),
    /// The turn is to end.
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Work {
    /// Asks until there is an answer, and gives up where that is hopeless. Nothing is asked again once the person has
    /// seen some of an answer; what they saw is kept.
    pub(super) async fn ask(&mut self) -> Result<Heard, Fault> {
        let (mut failures, mut squeezes) = (0, 0);
        loop {
            let mut heard = Heard::default();
            let request = self.request(self.history.said());
            let outcome = self.hear(&request, &mut heard, true).await;
            self.account(&request, &heard).await?;
            let failure = match outcome {
                Ok(()) => return Ok(heard),
                Err(Trouble::Fault(fault)) => return Err(self.give_up(heard, fault).await),
                Err(Trouble::Failure(failure)) if heard.visible => {
                    return Err(self.give_up(heard, failure.into()).await);
                }
                Err(Trouble::Failure(failure)) => failure,
            };
            if failure.too_long && squeezes < SQUEEZES {
                squeezes += 1;
                self.measure.learn_too_long(compaction::bytes(&request));
                self.fit().await?;
                continue;
            }
            failures += 1;
            if !self.may_retry(&failure, &mut failures).await? {
                return Err(failure.into());
            }
        }
    }

    /// Asks for one text, beside the conversation.
    pub(in crate::builtin) async fn ask_aside(
        &mut self,
        system: &str,
        text: String,
    ) -> Result<Result<String, Failure>, Fault> {
        let mut failures = 0;
        loop {
            let mut heard = Heard::default();
            let said = vec![Said::User(text.clone())];
            let request = Request { system: system.to_owned(), tools: Vec::new(), ..self.request(said) };
            let outcome = self.hear(&request, &mut heard, false).await;
            self.account(&request, &heard).await?;
            let failure = match outcome {
                Ok(()) if heard.text.trim().is_empty() => Failure::nonsense("the model answered nothing"),
                Ok(()) => return Ok(Ok(heard.text)),
                Err(Trouble::Fault(fault)) => return Err(fault),
                Err(Trouble::Failure(failure)) => failure,
            };
            failures += 1;
            if !self.may_retry(&failure, &mut failures).await? {
                return Ok(Err(failure));
            }
        }
    }

    /// Waits until the next attempt, with another model where this one does not answer; says whether there is one.
    async fn may_retry(&mut self, failure: &Failure, failures: &mut u32) -> Result<bool, Fault> {
        let wait = self.shared.config.retry.wait(failure.again, *failures, &*self.shared.random);
        if let Some(wait) = wait {
            tracing::info!(why = failure.message, ?wait, "the model is asked again");
            self.stop.guard(tokio::time::sleep(wait)).await?;
            return Ok(true);
        }
        if failure.again == Again::Never {
            return Ok(false);
        }
        let Some(fallback) = self.fallback.take() else { return Ok(false) };
        tracing::warn!(why = failure.message, model = self.model, fallback, "another model is asked instead");
        self.model = fallback;
        *failures = 0;
        Ok(true)
    }

    pub(super) fn request(&self, messages: Vec<Said>) -> Request {
        Request {
            model: self.model.clone(),
            system: self.turn.system.clone(),
            messages,
            tools: self.tools.clone(),
            max_output: self.shared.config.max_output,
        }
    }

    /// Sends one request and listens to the answer, which is shown as it comes in.
    async fn hear(&mut self, request: &Request, heard: &mut Heard, show: bool) -> Result<(), Trouble> {
        let Self { shared, stop, sink, .. } = self;
        let config = &shared.config;
        let idle = config.idle;
        // The door waits a little longer than the loop, whose word on silence is the clearer one.
        let limits = Limits { idle: idle + std::time::Duration::from_secs(5), total: config.deadline };
        let quiet = |_elapsed| Fault::too_quiet(idle);
        let asked = tokio::time::timeout(idle, shared.provider.answer(request, limits));
        let mut answer = stop.guard(asked).await?.map_err(quiet)??;
        loop {
            let next = stop.guard(tokio::time::timeout(idle, answer.next())).await?;
            match next.map_err(quiet)?.unwrap_or_else(|| Err(Failure::cut()))? {
                Delta::Reasoning(text) if show => {
                    heard.visible = true;
                    sink.reasoning(text);
                }
                Delta::Alive | Delta::Reasoning(_) => {}
                Delta::Text(text) => {
                    heard.text.push_str(&text);
                    if show {
                        heard.visible = true;
                        sink.text(text);
                    }
                }
                Delta::Call(call) => heard.calls.push(call),
                Delta::Usage(usage) => heard.usage = Some(usage),
                Delta::End { reason, echo } => {
                    heard.reason = reason;
                    heard.echo = echo;
                    return Ok(());
                }
            }
        }
    }

    /// Writes down what a request took.
    async fn account(&mut self, request: &Request, heard: &Heard) -> Result<(), Fault> {
        let Some(usage) = &heard.usage else { return Ok(()) };
        self.measure.learn(compaction::bytes(request), usage.input);
        let cost = self.shared.config.cost(&request.model, usage);
        self.shared.conversations.used(&self.session.id, usage, cost).await?;
        self.sink.usage(usage.input, usage.output, usage.cached);
        Ok(())
    }

    /// Keeps what the person saw of an answer that has no end. Its calls were not made, so they are not kept.
    async fn give_up(&mut self, heard: Heard, fault: Fault) -> Fault {
        if heard.text.is_empty() {
            return fault;
        }
        let body = Body::Assistant { text: heard.text, calls: Vec::new() };
        self.keep(body, Echo::new()).await.err().unwrap_or(fault)
    }
}
