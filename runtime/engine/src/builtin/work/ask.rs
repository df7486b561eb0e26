//! Asking the model once, with everything that may go wrong on the way.

use futures::StreamExt as _;

use super::Work;
use crate::builtin::compaction;
use crate::builtin::history::Entry;
use crate::builtin::provider::{Again, Delta, Echo, Failure, Limits, Reason, Request, Said, Usage};
use crate::builtin::redaction::{self, Pieces};
use crate::event::ErrorKind;
use crate::fault::Fault;
use crate::session::{Body, Call};

/// How many times a conversation is made smaller because the provider says that it is too long.
const SQUEEZES: u32 = 3;

/// What the model is told where the provider did not take the images.
const REFUSED: &str = "[The images could not be shown to you: the provider refused them. Say so.]";

/// What the model is told where it takes none.
pub(super) const TAKES_NONE: &str =
    "[The images cannot be shown to you: this model takes none. Say so; another model may.]";

/// The most bytes that one answer may have: text, reasoning and calls.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// What came of one request.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) reason: Reason,
    pub(super) echo: Echo,
    /// Whether the person saw some of it.
    visible: bool,
    /// Bytes so far.
    bytes: usize,
    usage: Option<Usage>,
}

impl Heard {
    /// Takes a piece into account. What is beyond the limit is cut off it, and is an error once the piece is kept.
    fn count(&mut self, piece: &mut String) -> Result<(), Fault> {
        let left = MAX_ANSWER_BYTES - self.bytes;
        let whole = piece.len() <= left;
        piece.truncate(piece.floor_char_boundary(left));
        self.bytes += piece.len();
        if whole { Ok(()) } else { Err(too_much()) }
    }
}

fn too_much() -> Fault {
    let message = format!(
        "stopped: the model's answer is longer than {} MiB; what came is kept. Ask for less at once, or choose another \
         model",
        MAX_ANSWER_BYTES / (1024 * 1024)
    );
    Fault::new(ErrorKind::Provider, message)
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            text: String::new(),
            calls: Vec::new(),
            reason: Reason::Done,
            echo: Echo::new(),
            visible: false,
            bytes: 0,
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
            if failure.sightless && self.blind(&failure) {
                continue;
            }
            failures += 1;
            if !self.may_retry(&failure, &mut failures).await? {
                return Err(failure.into());
            }
        }
    }

    /// Takes images out of what the model is told, after a refusal: first those of earlier turns, which nobody waits for,
    /// then all, of which the person and the model are told. They are not sent again in later turns either. Says whether
    /// there were any.
    fn blind(&mut self, failure: &Failure) -> bool {
        let has_any = |entries: &[Entry]| entries.iter().any(|entry| !entry.images.is_empty());
        let entries = &mut self.history.entries;
        let is_user = |entry: &Entry| matches!(entry.body, Body::User { .. });
        let now = entries.iter().rposition(is_user).unwrap_or_default();
        if has_any(&entries[..now]) {
            tracing::info!(why = failure.message, "the images of earlier turns are left out");
            entries[..now].iter_mut().for_each(|entry| entry.images.clear());
            self.shared.sight.forget(&self.session.id, ..entries[now].number);
            return true;
        }
        if !has_any(entries) {
            return false;
        }
        tracing::warn!(why = failure.message, model = self.model, "the images are left out");
        self.sink.notice(format!(
            "The images were left out, since the provider refused them: {}.",
            failure.message
        ));
        self.hide(REFUSED);
        self.shared.sight.forget(&self.session.id, ..);
        true
    }

    /// Leaves all images out, and tells the model why.
    pub(super) fn hide(&mut self, why: &str) {
        let entries = &mut self.history.entries;
        for entry in entries.iter_mut().filter(|entry| !entry.images.is_empty()) {
            entry.images.clear();
            if let Body::User { text } = &mut entry.body {
                text.push('\n');
                text.push_str(why);
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
            let said = vec![Said::User { text: text.clone(), images: Vec::new() }];
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

    /// Sends one request and listens to the answer, which is shown as it comes in. Nothing of what it gives holds the
    /// value of a secret, however that was spread over the events.
    async fn hear(&mut self, request: &Request, heard: &mut Heard, show: bool) -> Result<(), Trouble> {
        let redactor = self.shared.redactor();
        let (mut said, mut thought) = (Pieces::new(&redactor), Pieces::new(&redactor));
        let mut outcome = self.listen(request, heard, show, (&mut said, &mut thought)).await;
        self.say(heard, said.finish(), show);
        self.think(thought.finish(), show);
        for call in &mut heard.calls {
            redaction::call(&redactor, call);
        }
        redaction::echo(&redactor, &mut heard.echo);
        if let Err(Trouble::Failure(failure)) = &mut outcome {
            redaction::text(&redactor, &mut failure.message);
        }
        outcome
    }

    fn say(&mut self, heard: &mut Heard, piece: String, show: bool) {
        heard.text.push_str(&piece);
        if show && !piece.is_empty() {
            self.sink.text(piece);
        }
    }

    fn think(&mut self, piece: String, show: bool) {
        if show && !piece.is_empty() {
            self.sink.reasoning(piece);
        }
    }

    /// The answer as it comes. What the pieces hold back is left in them.
    async fn listen(
        &mut self,
        request: &Request,
        heard: &mut Heard,
        show: bool,
        (said, thought): (&mut Pieces, &mut Pieces),
    ) -> Result<(), Trouble> {
        let Self { shared, stop, .. } = &*self;
        let config = &shared.config;
        let idle = config.idle;
        // The door waits a little longer than the loop, whose word on silence is the clearer one.
        let limits = Limits { idle: idle + std::time::Duration::from_secs(5), total: config.deadline };
        let quiet = |_elapsed| Fault::too_quiet(idle);
        let asked = tokio::time::timeout(idle, shared.provider.answer(request, limits));
        let mut answer = stop.guard(asked).await?.map_err(quiet)??;
        loop {
            let next = self.stop.guard(tokio::time::timeout(idle, answer.next())).await?;
            match next.map_err(quiet)?.unwrap_or_else(|| Err(Failure::cut()))? {
                Delta::Alive => {}
                Delta::Reasoning(mut text) => {
                    let counted = heard.count(&mut text);
                    heard.visible |= show;
                    self.think(thought.push(text), show);
                    counted?;
                }
                Delta::Text(mut text) => {
                    let counted = heard.count(&mut text);
                    heard.visible |= show;
                    self.say(heard, said.push(text), show);
                    counted?;
                }
                Delta::Call(mut call) => {
                    for part in [&mut call.id, &mut call.name, &mut call.arguments] {
                        heard.count(part)?;
                    }
                    heard.calls.push(call);
                }
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
