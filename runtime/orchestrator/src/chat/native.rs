//! Tools that act on delivery itself: `chat_send`.
//!
//! What a model writes can be what somebody else made it write, and what it says elsewhere than to those who read its
//! answer is a way out for whatever it has read. So a message goes into the current channel; elsewhere it goes only on
//! an owner's turn, only while the conversation has read nothing from outside, and only to people who are known here or
//! to places that the configuration names. Nothing that is said to the model adds one.
//!
//! The call is in the journal before it runs and a turn that called tools is never repeated, so a crash sends nothing
//! twice; the parts and the record of them are stored in one step.

mod judge;
mod place;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, Weak};

use async_trait::async_trait;
use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::{Detail, Outbound, Part, Piece, Stage, Target as Address};
use openpact_model::id::{Digest, TurnId};
use openpact_model::port::{AuditSink as _, ToolProvider};
use openpact_model::principal::Principal;
use openpact_model::role::Channel;
use openpact_model::text::one_line;
use openpact_model::tool::{Effects, Reads, ToolCall, ToolFailure, ToolOutput, ToolSpec, Writes};
use openpact_store::outbox::New;
use serde_json::{Value, json};

use super::Chat;
use super::attached::Attached;
use crate::router::Standing;

use judge::{Allowed, By};
pub(super) use place::Target;

pub use place::{NoPlace, Place};

/// The one tool.
const SEND: &str = "chat_send";

/// The names of all tools of delivery itself.
pub const NATIVE: [&str; 1] = [SEND];

/// The kind of the record of every message that a tool sends, or does not.
const KIND: &str = "chat.send";

/// Parts of one such message. An answer may have more: somebody asked for it.
const MOST_PARTS: usize = 20;

/// The longest id of a provider or a target that is taken, in bytes.
const LONGEST: usize = 300;

/// What a model is told of the tool.
const DESCRIPTION: &str = "Sends a message into a chat, in addition to the answer. Without `target` it goes into the \
    current channel. It can go to people who are known here (`user:ID`), and to other channels (`channel:ID`) that the \
    admin has allowed; once the conversation has read text from outside, into the current channel only. The answer of \
    this turn is shown in the current channel by itself: do not send it with this tool.";

/// The provider. It does not keep delivery alive, which knows the router, which knows it.
struct Native {
    chat: Weak<Chat>,
    specs: Arc<[ToolSpec]>,
}

/// What a call asks for.
struct Wanted {
    provider: Option<String>,
    target: Option<Target>,
    message: String,
}

/// A message on its way.
struct Errand {
    channel: Channel,
    account: String,
    /// The call that it comes of.
    call: String,
    parts: Vec<Part>,
    /// The turn that had it sent elsewhere.
    asked: Option<TurnId>,
}

impl Chat {
    /// The tools of delivery itself, for the router.
    pub fn native_tools(self: &Arc<Self>) -> Arc<dyn ToolProvider> {
        Arc::new(Native { chat: Arc::downgrade(self), specs: [spec()].into() })
    }

    /// Where `chat_send` may send to besides, by provider; from now on.
    pub fn set_send_to(&self, places: HashMap<String, BTreeSet<Place>>) {
        *self.send_to.write().unwrap_or_else(PoisonError::into_inner) = places;
    }

    async fn send_for(&self, call: &ToolCall) -> Result<ToolOutput, ToolFailure> {
        let wanted = Wanted::read(&call.arguments)?;
        let standing = self.orchestrator.shared.router.standing(&call.turn).await.map_err(|error| {
            tracing::error!(error = error.chain(), "a message was not sent: its turn is not known");
            ToolFailure::Host("the store does not answer".to_owned())
        })?;
        let standing = standing.ok_or_else(|| ToolFailure::Denied("this turn is not running".to_owned()))?;
        let here = standing.channel.as_ref();
        let provider = wanted.provider.as_deref().or_else(|| here.map(|here| here.provider.as_str()));
        let provider = provider.ok_or_else(|| {
            invalid("there is no current channel: 'provider' and 'target' have to say where it goes")
        })?;
        let attached = self.attached(provider).ok_or_else(|| self.unknown(provider))?;
        let allowed = match self.judge(provider, wanted.target.as_ref(), &standing, &call.caller) {
            Ok(allowed) => allowed,
            Err(judge::Refused::Missing) => {
                return Err(invalid(
                    "'target' has to say where it goes: the current channel is another provider's",
                ));
            }
            Err(judge::Refused::Denied { subject, why }) => {
                let record =
                    record(call, &standing, &subject, Verdict::Denied).with("why", one_line(&why, 300));
                self.store.record(record).await.map_err(|error| {
                    tracing::error!(%error, "a message that was refused could not be audited");
                    ToolFailure::Host("the audit log could not be written".to_owned())
                })?;
                return Err(ToolFailure::Denied(why));
            }
        };
        self.queue(call, &standing, attached, allowed, wanted.message).await
    }

    async fn queue(
        &self,
        call: &ToolCall,
        standing: &Standing,
        attached: Arc<Attached>,
        allowed: Allowed,
        message: String,
    ) -> Result<ToolOutput, ToolFailure> {
        let provider = attached.instance();
        let away = || {
            let text = format!("{provider} is not connected now; nothing was sent. Try again later");
            ToolFailure::Unavailable(text)
        };
        let account = attached.accounts.current().ok_or_else(away)?;
        let bytes = message.len();
        let hash = Digest::of(message.as_bytes());
        let parts = rendered(&attached, message).await?;
        let count = parts.len();
        let record = record(call, standing, &allowed.channel.to_string(), Verdict::Allowed)
            .with("by", allowed.by.word())
            .with("bytes", bytes)
            .with("sha256", hash.to_string())
            .with("parts", count);
        let Some(this) = self.this() else { return Err(away()) };
        let told = allowed.told(count);
        let key = call.id.as_str().to_owned();
        // Where it cannot be delivered, that is told where it was asked for.
        let asked = (allowed.by != By::Current).then(|| call.turn.clone());
        // To its end, even if the call is given up: what is stored as being sent has to be sent.
        let stored = self.tasks.spawn(async move {
            let errand = Errand { channel: allowed.channel, account, call: key, parts, asked };
            this.store_errand(&attached, errand, record).await
        });
        match stored.await {
            Ok(Ok(())) => Ok(ToolOutput::text(told)),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a message was not stored");
                Err(ToolFailure::Host("the message could not be stored".to_owned()))
            }
            Err(error) => {
                tracing::error!(%error, "storing a message broke");
                Err(ToolFailure::Host("the message could not be stored".to_owned()))
            }
        }
    }

    /// Stores the parts with their record, and has them sent.
    async fn store_errand(
        &self,
        attached: &Arc<Attached>,
        errand: Errand,
        record: audit::Event,
    ) -> Result<(), openpact_store::Error> {
        let Errand { mut channel, account, call, parts, asked } = errand;
        let moved = attached.moved.lock().await;
        if let Some(now) = moved.get(&channel.channel) {
            channel.channel.clone_from(now);
        }
        let new = |(index, part)| New {
            instance: channel.provider.clone(),
            target: Address {
                account: account.clone(),
                channel: channel.channel.clone(),
                thread: channel.thread.clone(),
                reply_to: None,
            },
            part,
            key: format!("{call}-{index}"),
        };
        let parts = parts.into_iter().enumerate().map(new).collect();
        let first = self.store.outbox().insert_recorded(parts, asked.as_ref(), record).await?;
        drop(moved);
        self.hand_over(&channel, first, Some(Arc::clone(attached))).await;
        Ok(())
    }

    fn unknown(&self, provider: &str) -> ToolFailure {
        let mut connected: Vec<String> = super::lock(&self.adapters).keys().cloned().collect();
        connected.sort();
        let connected = match connected.as_slice() {
            [] => "none is".to_owned(),
            names => names.join(", "),
        };
        let shown = one_line(provider, 80);
        ToolFailure::Unavailable(format!(
            "no chat platform '{shown}' is connected now; connected: {connected}"
        ))
    }
}

#[async_trait]
impl ToolProvider for Native {
    fn principal(&self) -> Principal {
        Principal::Runtime
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    fn leaves(&self, _tool: &str, arguments: &Value, here: Option<&Channel>) -> bool {
        // What cannot be read goes nowhere: the call itself says why.
        let Ok(wanted) = Wanted::read(arguments) else { return false };
        let is_here = |here: &Channel| {
            let is_provider = wanted.provider.as_ref().is_none_or(|provider| *provider == here.provider);
            is_provider && wanted.target.as_ref().is_none_or(|target| target.is(here))
        };
        !here.is_some_and(is_here)
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        let ending = || ToolFailure::Unavailable("OpenPact is shutting down".to_owned());
        self.chat.upgrade().ok_or_else(ending)?.send_for(&call).await
    }
}

impl Wanted {
    /// Reads arguments that fit the schema.
    fn read(arguments: &Value) -> Result<Self, ToolFailure> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        let message = text("message").unwrap_or_default();
        if message.trim().is_empty() {
            return Err(invalid("'message' is empty: there is nothing to send"));
        }
        let target = text("target").map(str::parse::<Target>).transpose();
        let target = target.map_err(|why| invalid(&format!("'target': {why}")))?;
        Ok(Self { provider: text("provider").map(str::to_owned), target, message: message.to_owned() })
    }
}

/// The message in the platform's form.
async fn rendered(attached: &Attached, message: String) -> Result<Vec<Part>, ToolFailure> {
    let outbound = Outbound {
        pieces: vec![Piece::Markdown(message)],
        buttons: Vec::new(),
        detail: Detail::Simple,
        stage: Stage::Complete,
    };
    let provider = attached.instance();
    // What an adapter says of its failure is for the log: it can hold what others wrote.
    let parts = attached.render(&outbound).await.map_err(|error| {
        tracing::warn!(provider, %error, "a message of a tool could not be rendered");
        ToolFailure::Unavailable(format!(
            "the message could not be put into the form of {provider}; nothing was sent. The log says why"
        ))
    })?;
    match parts.len() {
        0 => Err(ToolFailure::Failed(format!(
            "nothing of this message can be seen on {provider}; it was not sent"
        ))),
        1..=MOST_PARTS => Ok(parts),
        count => Err(ToolFailure::Failed(format!(
            "this would be {count} messages on {provider}, and at most {MOST_PARTS} are sent at once; nothing was sent. \
             Say it in fewer words"
        ))),
    }
}

fn record(call: &ToolCall, standing: &Standing, subject: &str, verdict: Verdict) -> audit::Event {
    let sender = &call.caller.sender;
    let actor = one_line(&format!("{}:{}", sender.provider, sender.user), 128);
    let event = audit::Event::new(KIND, actor, one_line(subject, 200), verdict)
        .with("call", call.id.as_str())
        .with("turn", call.turn.as_str())
        .with("role", call.caller.role.to_string())
        .with("private", standing.is_private);
    match &standing.channel {
        Some(here) => event.with("from", one_line(&here.to_string(), 200)),
        None => event,
    }
}

fn invalid(why: &str) -> ToolFailure {
    ToolFailure::InvalidArguments(why.to_owned())
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: SEND.to_owned(),
        title: Some("Send a message".to_owned()),
        description: DESCRIPTION.to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "provider": {
                    "type": "string", "minLength": 1, "maxLength": LONGEST,
                    "description": "The chat platform, such as telegram. That of the current channel unless given.",
                },
                "target": {
                    "type": "string", "minLength": 1, "maxLength": LONGEST,
                    "description": "Where it goes: user:ID, channel:ID or an ID. The current channel unless given.",
                },
                "message": {
                    "type": "string", "minLength": 1,
                    "description": "The message, as Markdown.",
                },
            },
            "required": ["message"],
            "additionalProperties": false,
        }),
        output_schema: None,
        effects: Effects { reads: Reads::Nothing, writes: Writes::External },
    }
}
