//! What does not wait behind turns: commands, presses of buttons, edits.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use openpact_engine::session::Message;
use openpact_model::chat::{Detail, Event, Happening, Visibility};
use openpact_model::id::SessionId;
use openpact_model::role::{Channel, Role};
use openpact_model::text::one_line;
use openpact_store::inbox::{Edit, Lane, State};

use super::admission::{Admitted, inbound};
use super::interaction::{Told, interaction, pressed};
use super::{Chat, arrival};
use crate::command::{Command, Parsed, parse};
use crate::{Error, Inbound};

/// The detail modes as they are written.
const MODES: [(&str, Detail); 4] = [
    ("simple", Detail::Simple),
    ("thinking", Detail::Thinking),
    ("tools", Detail::Tools),
    ("full", Detail::Full),
];

/// What an owner is told beside, who is not taken for one.
const HELD_BACK: &str = "This adapter may not speak for owners, so here you are a member at most. Use another platform, or \
                         let it, where OpenPact runs: openpact component set NAME asserts_owner true.";

/// What somebody is told whose command was cut off in the middle.
const CUT_OFF: &str = "OpenPact stopped while it worked on this; it may be done, and was not repeated. See how things are \
                       (/sessions, 'openpact user list'), and say it again where it is not done.";

/// What somebody is told who sees a command answered, when what it asked for begins.
const AGAIN: &str = "Trying again.";

/// An event that does not wait behind turns.
pub(super) struct Control<'a> {
    pub(super) channel: &'a Channel,
    pub(super) number: i64,
    pub(super) event: &'a Event,
}

impl Chat {
    /// Something came that does not wait behind turns. Commands that depend on each other keep their order.
    pub(super) fn start_control(&self, number: i64, event: &Event, instance: &str) {
        let channel = arrival::channel(instance, event);
        let command = written(event).map(|text| parse(&text));
        let is_immediate = matches!(&command, Some(Parsed::Command(command)) if command.is_immediate());
        let Some(this) = self.this() else { return };
        let Some(before) = self.lanes.control(&channel, number, is_immediate) else { return };
        self.tasks.spawn(async move {
            before.cancelled().await;
            this.control_until_done(&channel, number).await;
            this.lanes.control_done(&channel, number);
        });
    }

    async fn control_until_done(&self, channel: &Channel, number: i64) {
        let mut failures = 0;
        loop {
            let done = AssertUnwindSafe(self.control_row(channel, number, failures)).catch_unwind().await;
            let Err(error) = done.unwrap_or(Err(Error::Panicked)) else { return };
            tracing::error!(%channel, error = error.chain(), "a command could not be worked on; it waits");
            if self.is_closing() {
                return;
            }
            failures += 1;
            self.rest(failures).await;
        }
    }

    /// Works on it as it is stored now: it may have been done since it was seen.
    async fn control_row(&self, channel: &Channel, number: i64, failures: u32) -> Result<(), Error> {
        let Some(row) = self.store.inbox().get(number).await? else { return Ok(()) };
        if row.lane != Lane::Control || !row.state.is_open() {
            return Ok(());
        }
        let control = Control { channel, number, event: &row.event };
        if row.state == State::Running {
            return self.tell(&control, State::Failed, CUT_OFF).await;
        }
        match AssertUnwindSafe(self.control(&control)).catch_unwind().await.unwrap_or(Err(Error::Panicked)) {
            Err(error) if self.is_hopeless(&row, failures + 1, &error) => {
                self.give_up_control(&control, &row, &error).await
            }
            done => done,
        }
    }

    async fn control(&self, control: &Control<'_>) -> Result<(), Error> {
        let Control { channel, event, .. } = *control;
        let text = written(event);
        match self.admit(channel, event, true).await? {
            Admitted::No { told, event: record } => {
                let told = told.map(Told::Aloud).or_else(|| self.aside(&channel.provider, event));
                self.end(control, State::Refused, told, record).await
            }
            Admitted::Yes { .. } if matches!(event.happening, Happening::Edit(_)) => self.edit(control).await,
            Admitted::Yes { role } => match text {
                Some(text) => self.command(control, role, &text).await,
                None => self.tell(control, State::Answered, "This button does nothing any more.").await,
            },
        }
    }

    async fn edit(&self, control: &Control<'_>) -> Result<(), Error> {
        if let Edit::Turn { running } = self.store.inbox().edit(control.number).await? {
            if let Some(running) = running {
                self.lanes.stop_one(control.channel, running);
            }
            self.start_worker(control.channel, 1);
        }
        Ok(())
    }

    async fn command(&self, control: &Control<'_>, role: Role, text: &str) -> Result<(), Error> {
        let Control { channel, number, event } = *control;
        let inbound = inbound(channel, event, role, text);
        let shared = &self.orchestrator.shared;
        let command = match parse(text) {
            Parsed::Command(command) => command,
            // What would be refused is not explained.
            Parsed::Wrong(_) | Parsed::Text if role < Role::Member => Command::Help,
            Parsed::Wrong(text) => return self.tell(control, State::Answered, &text).await,
            Parsed::Text => {
                return self
                    .tell(control, State::Answered, "There is no such command; /help lists all.")
                    .await;
            }
        };
        let hint = self.people.is_held_back(&self.who(channel, event)).then_some(HELD_BACK);
        if let Some(refused) = shared.refuse(&command, &inbound, hint).await? {
            return self.tell(control, State::Refused, &refused).await;
        }
        if let Some(text) = self.without_thread(control, &command) {
            return self.tell(control, State::Answered, &text).await;
        }
        // What must not happen twice is on disk before it happens.
        let is_once = matches!(command, Command::New { .. } | Command::Approve { .. } | Command::Deny { .. });
        if is_once && !self.store.inbox().begin_once(number).await? {
            return Ok(());
        }
        crate::metric::command(command.name());
        let text = match command {
            Command::Stop => self.stop(channel, number),
            Command::Mode { detail } => self.mode(channel, detail.as_deref()).await?,
            Command::Retry => match self.retry(control, &inbound).await? {
                Some(text) => text,
                None => return Ok(()),
            },
            other => shared.command_text(other, &inbound).await,
        };
        self.tell(control, State::Answered, &text).await
    }

    /// What somebody is told who used a command that is about one conversation where the platform does not say which:
    /// how to say it so that it does.
    fn without_thread(&self, control: &Control<'_>, command: &Command) -> Option<String> {
        let Control { channel, event, .. } = *control;
        let is_shared = event.place.visibility != Visibility::Direct && channel.thread.is_none();
        if !is_shared || !command.is_of_conversation() {
            return None;
        }
        let attached = self.attached(&channel.provider)?;
        let name = command.name();
        attached.adapter.info().abilities.threads_only.then(|| match command {
            Command::New { .. } => "Here whatever is said to me outside a thread begins a new conversation, in a thread \
                                    of its own. To begin anew in a thread, mention me there and write /new behind it."
                .to_owned(),
            _ => format!(
                "Here each thread is a conversation of its own, and /{name} was used in none. Mention me in the \
                 thread that you mean, and write /{name} behind it."
            ),
        })
    }

    fn stop(&self, channel: &Channel, number: i64) -> String {
        match self.lanes.stop(channel, number) {
            None => "Nothing is running here.".to_owned(),
            Some(0) => "Stopping.".to_owned(),
            Some(1) => "Stopping. One message still waits.".to_owned(),
            Some(waiting) => format!("Stopping. {waiting} messages still wait."),
        }
    }

    async fn mode(&self, channel: &Channel, wanted: Option<&str>) -> Result<String, Error> {
        let channels = self.store.chat_channels();
        let Some(wanted) = wanted else {
            let mode = self.detail(channel).await?;
            return Ok(format!(
                "The mode here is {}; /mode simple, thinking, tools or full changes it.",
                name(mode)
            ));
        };
        let found = MODES.into_iter().find(|(name, _)| wanted.eq_ignore_ascii_case(name));
        let Some((name, mode)) = found else {
            let shown = one_line(wanted, 40);
            return Ok(format!("There is no mode '{shown}'; there are simple, thinking, tools and full."));
        };
        channels.set_mode(channel, mode).await?;
        Ok(format!("The mode here is now {name}."))
    }

    /// Has the last message of the channel run again; says why not, where it does not. Where that is a command that the
    /// platform keeps open, it is answered, too; else the answer to the message is enough.
    async fn retry(&self, control: &Control<'_>, inbound: &Inbound) -> Result<Option<String>, Error> {
        let Control { channel, number, event } = *control;
        let inbox = self.store.inbox();
        let Some(last) = inbox.newest(channel).await? else {
            return Ok(Some("There is nothing here that could run again.".to_owned()));
        };
        if matches!(last.state, State::Received | State::Running) {
            return Ok(Some("The last message is still being worked on; /stop ends that.".to_owned()));
        }
        // It runs with the authority of its author, which is not everybody's to use.
        if last.event.author.id != event.author.id && inbound.role != Role::Owner {
            return Ok(Some("Only whoever wrote the last message can have it run again.".to_owned()));
        }
        if let (Some(session), Some(after)) = (&last.session, last.after)
            && self.is_end_of(channel, session, after).await?
        {
            self.orchestrator.shared.engine.rewind(session, last.before).await?;
        }
        let is_kept_open = interaction(event).is_some();
        let state = if is_kept_open { State::Running } else { State::Answered };
        if inbox.again(last.number, number, state).await? {
            self.start_worker(channel, 1);
            return Ok(is_kept_open.then(|| AGAIN.to_owned()));
        }
        Ok(Some("There is nothing here that could run again.".to_owned()))
    }

    /// Whether the channel talks in that session and nothing was said in it after that message.
    async fn is_end_of(&self, channel: &Channel, session: &SessionId, number: i64) -> Result<bool, Error> {
        let shared = &self.orchestrator.shared;
        if self.store.sessions().active(channel).await?.as_ref() != Some(session) {
            return Ok(false);
        }
        if shared.engine.get_session(session).await?.is_none() {
            return Ok(false);
        }
        let newest = shared.engine.messages(session, None, 1).await?;
        Ok(newest.last().is_some_and(|message: &Message| message.number == number))
    }
}

/// The command that an event stands for, as it is written.
fn written(event: &Event) -> Option<String> {
    match &event.happening {
        Happening::Message(message) => Some(message.text.clone()),
        Happening::Command(used) => Some(format!("/{} {}", used.name, used.arguments)),
        Happening::Button(press) => pressed(&press.value),
        Happening::Edit(_) | Happening::Thread(_) => None,
    }
}

/// Whether an event stops what runs.
pub(super) fn is_stop(event: &Event) -> bool {
    // A button can only say what it was made to say, which is not that.
    let is_said = matches!(event.happening, Happening::Message(_) | Happening::Command(_));
    is_said && written(event).is_some_and(|text| parse(&text) == Parsed::Command(Command::Stop))
}

fn name(mode: Detail) -> &'static str {
    MODES.iter().find(|(_, detail)| *detail == mode).map_or("simple", |(name, _)| name)
}
