//! Who may say something, before it costs anything.

use std::time::{Duration, Instant};

use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::{AuthorKind, Event, Visibility};
use openpact_model::role::{Audience, Channel, Role, Sender};
use openpact_model::text::one_line;
use openpact_store::inbox::Lane;

use super::Chat;
use super::lane::Room;
use crate::Error;
use crate::message::Inbound;
use crate::people::{Admission, Pace, Who};

/// What becomes of an event.
pub(super) enum Admitted {
    /// It goes on.
    Yes {
        /// What its sender may do.
        role: Role,
    },
    /// It does not.
    No {
        /// What the sender is told, if anything.
        told: Option<String>,
        /// What is recorded, where it is not already.
        event: Option<audit::Event>,
    },
}

/// What an event meets when it comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is taken.
    Taken {
        /// Whether it took a place among the messages that its sender may send.
        is_charged: bool,
    },
    /// It is by somebody unknown, and nobody is to hear of it.
    Stranger,
    /// Its sender writes too fast.
    TooFast {
        /// What to tell them, if anything.
        told: Option<String>,
    },
    /// Too much waits in its channel.
    Full {
        /// Whether this is the first to meet that.
        is_first: bool,
    },
}

/// The oldest message that counts as written when it was; an older one counts as written then.
const LONGEST_BACKLOG: Duration = Duration::from_hours(24);

impl Chat {
    /// What an event meets when it comes, before it takes a place that others wait for. All of this is in memory.
    pub(super) fn screen(&self, channel: &Channel, event: &Event, lane: Lane) -> Met {
        let who = self.who(channel, event);
        let is_stop = super::control::is_stop(event);
        let room = || match lane {
            Lane::Turn => self.lanes.room(channel, self.config.queue.max(1)),
            // What ends a flood is taken while the flood is not.
            Lane::Control => {
                let most = self.config.controls.max(1);
                self.lanes.control_room(channel, most.saturating_mul(if is_stop { 2 } else { 1 }))
            }
        };
        let Some(role) = self.people.judge(&who).role() else {
            // Only where nobody else reads it are they answered. Alone they write no more often than a guest; in the
            // channel of others they take nothing of its rate.
            let is_charged = event.place.visibility == Visibility::Direct;
            let is_taken = room() == Room::Free
                && self.is_answered(&channel.provider, event)
                && (!is_charged || self.people.take_at(&who, Role::Guest, self.said_at(event)) == Pace::Fine);
            return if is_taken { Met::Taken { is_charged } } else { Met::Stranger };
        };
        let role = if event.author.kind == AuthorKind::Bot { Role::Guest } else { role };
        // What ends a turn is taken at any pace, from those who may end it, as long as there is one.
        let is_free = is_stop && role != Role::Guest && self.lanes.is_busy(channel);
        if !is_free && let Pace::TooFast { told } = self.people.take_at(&who, role, self.said_at(event)) {
            return Met::TooFast { told };
        }
        match room() {
            Room::Free => Met::Taken { is_charged: !is_free },
            room => Met::Full { is_first: room == Room::Full },
        }
    }

    /// An event was taken that had come before.
    pub(super) fn give_back(&self, channel: &Channel, event: &Event) {
        self.people.give_back(&self.who(channel, event));
    }

    /// Takes note of a stranger who is not answered.
    pub(super) async fn note_stranger(&self, channel: &Channel, event: &Event) {
        if let Err(error) = self.people.admit(&self.who(channel, event)).await {
            tracing::error!(error = error.chain(), "the refusal of a stranger could not be recorded");
        }
    }

    /// When something was said, by our clock; now, where its platform says nothing that can be.
    fn said_at(&self, event: &Event) -> Instant {
        let now = self.clock.monotonic();
        let time = i64::try_from(event.time).unwrap_or(i64::MAX);
        let age = self.clock.now().as_millisecond().saturating_sub(time);
        let age = u64::try_from(age).ok().filter(|_| time > 0).map_or(Duration::ZERO, Duration::from_millis);
        now.checked_sub(age.min(LONGEST_BACKLOG)).unwrap_or(now)
    }

    /// Whether an event goes on, when its time has come. `is_first` says that this is not asked of it again.
    pub(super) async fn admit(
        &self,
        channel: &Channel,
        event: &Event,
        is_first: bool,
    ) -> Result<Admitted, Error> {
        let who = self.who(channel, event);
        let role = match self.people.admit(&who).await? {
            Admission::Known { role, name } => {
                if role == Role::Owner {
                    self.remember_owner(channel, event, &name).await;
                }
                role
            }
            Admission::Default { role } => role,
            Admission::Stranger => return self.stranger(&who, event).await,
        };
        if is_first && let Some(refused) = self.guard_loop(channel, event).await? {
            return Ok(refused);
        }
        let role = if event.author.kind == AuthorKind::Bot { Role::Guest } else { role };
        Ok(Admitted::Yes { role })
    }

    async fn stranger(&self, who: &Who<'_>, event: &Event) -> Result<Admitted, Error> {
        // Programs are not asked in, and two of them would greet each other for ever.
        if event.author.kind == AuthorKind::Bot {
            return Ok(Admitted::No { told: None, event: None });
        }
        let greeting = self.people.greet(who).await?;
        if let Some(greeting) = &greeting {
            self.announce(who, greeting);
        }
        Ok(Admitted::No { told: greeting.map(|greeting| greeting.text), event: None })
    }

    /// Stops programs that answer each other: without a person in between, only so many are answered. All threads of a
    /// channel count together, since a program can begin a new one each time.
    async fn guard_loop(&self, channel: &Channel, event: &Event) -> Result<Option<Admitted>, Error> {
        let channels = self.store.chat_channels();
        let whole = Channel { thread: None, ..channel.clone() };
        if event.author.kind == AuthorKind::Person {
            if channels.get(&whole).await?.bots > 0 {
                channels.forget_bots(&whole).await?;
            }
            return Ok(None);
        }
        let count = channels.count_bot(&whole, self.config.bot_quiet).await?;
        let most = self.config.bot_exchanges;
        // The first one that is too many is recorded; the others are the same.
        Ok((count > most).then(|| {
            let event = (count == most + 1).then(|| refusal(channel, event, "a loop of programs"));
            Admitted::No { told: None, event }
        }))
    }

    pub(super) fn who<'a>(&self, channel: &'a Channel, event: &'a Event) -> Who<'a> {
        Who {
            provider: &channel.provider,
            user: &event.author.id,
            display_name: &event.author.display_name,
            channel,
            visibility: event.place.visibility,
            asserts_owner: self.asserts_owner(&channel.provider),
        }
    }
}

/// A message as the orchestrator takes it.
pub(super) fn inbound(channel: &Channel, event: &Event, role: Role, text: &str) -> Inbound {
    let is_private = role == Role::Owner && event.place.visibility == Visibility::Direct;
    Inbound {
        channel: channel.clone(),
        sender: Sender {
            provider: channel.provider.clone(),
            user: event.author.id.clone(),
            display_name: event.author.display_name.clone(),
        },
        role,
        audience: if is_private { Audience::Private } else { Audience::Group },
        text: text.to_owned(),
        turn: None,
    }
}

/// The record of a message that was refused.
pub(super) fn refusal(channel: &Channel, event: &Event, reason: &str) -> audit::Event {
    let actor = one_line(&format!("{}:{}", channel.provider, event.author.id), 128);
    audit::Event::new("message.refuse", actor, one_line(&channel.to_string(), 200), Verdict::Denied)
        .with("reason", reason)
        .with("event", one_line(&event.id, 128))
        .with("display_name", one_line(&event.author.display_name, 80))
}
