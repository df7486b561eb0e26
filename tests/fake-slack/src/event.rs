//! What the app is told: events, commands, presses of buttons.

use std::time::SystemTime;

use openpact_fake_kit::clock;
use serde::Serialize;
use serde_json::{Value, json};

use crate::exchange::Envelope;
use crate::world::{DOMAIN, TEAM, World};

/// A command or the press of a button, as a test holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Its id on this server.
    pub id: String,
    /// What opens a view, for three seconds.
    pub trigger_id: String,
    /// Where answers go, five times within half an hour.
    pub response_url: String,
}

/// What became of a command or of the press of a button.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It waits for an acknowledgement.
    Pending,
    /// It was acknowledged, with this payload (null without one).
    Acknowledged(Value),
    /// It was not acknowledged in time: the person is told so, and it does not come again.
    TimedOut,
    /// There was no connection: the person is told so, and it does not come again.
    NotDelivered,
}

/// A command or the press of a button, as the server keeps it.
pub(crate) struct Interaction {
    pub(crate) channel: String,
    pub(crate) user: String,
    /// The message whose button it was.
    pub(crate) message: Option<String>,
    pub(crate) at: SystemTime,
    pub(crate) answers: u32,
    pub(crate) opened: bool,
    pub(crate) outcome: Outcome,
}

impl Interaction {
    fn trigger(id: &str, base: &str) -> Trigger {
        Trigger {
            id: id.to_owned(),
            trigger_id: format!("{id}.100000.{:032x}", 0xFA4E),
            response_url: format!("{base}/hooks/actions/{TEAM}/{id}/secret{id}"),
        }
    }
}

impl World {
    /// Tells the app of an event; gives the id of the event.
    pub(crate) fn emit(&mut self, sample: &str, event: &Value) -> String {
        let number = self.number();
        let event_id = format!("Ev0FAKE{number:05}");
        let account = self.account();
        let channel = event["channel"].as_str().or_else(|| event["item"]["channel"].as_str());
        let channel = channel.map(str::to_owned);
        let payload = json!({
            "token": "verification-token",
            "team_id": TEAM,
            "context_team_id": TEAM,
            "context_enterprise_id": null,
            "api_app_id": account.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": clock::seconds(self.now()),
            "authorizations": [{"enterprise_id": null, "team_id": TEAM, "user_id": account.user.id, "is_bot": true, "is_enterprise_install": false}],
            "is_ext_shared_channel": false,
            "event_context": format!("4-fake{number}"),
        });
        self.judge(sample, &payload["event"]);
        self.deliver("events_api", payload, channel, None);
        event_id
    }

    /// Holds an event against the published sample.
    fn judge(&mut self, sample: &str, event: &Value) {
        let Some(specification) = self.specification.clone() else { return };
        self.complain(specification.judge_event(sample, event));
    }

    /// Puts something on its way.
    pub(crate) fn deliver(
        &mut self,
        kind: &str,
        payload: Value,
        channel: Option<String>,
        interaction: Option<String>,
    ) {
        let (id, since) = (self.exchange.next_id(), self.now());
        let accepts = kind != "events_api";
        let kind = kind.to_owned();
        self.exchange.enqueue(Envelope {
            id,
            kind,
            payload,
            accepts,
            attempt: 0,
            channel,
            interaction,
            since,
        });
    }

    /// A person uses a command.
    pub(crate) fn command(&mut self, channel: &str, user: &str, command: &str, text: &str) -> Trigger {
        let trigger = self.interact(channel, user, None);
        let name = self.conversation(channel).name.clone();
        let payload = json!({
            "token": "verification-token",
            "team_id": TEAM,
            "team_domain": DOMAIN,
            "channel_id": channel,
            "channel_name": if name.is_empty() { "directmessage" } else { name.as_str() },
            "user_id": user,
            "user_name": self.handle(user),
            "command": command,
            "text": text,
            "api_app_id": self.account().app_id,
            "is_enterprise_install": "false",
            "response_url": trigger.response_url,
            "trigger_id": trigger.trigger_id,
        });
        let mut judged = payload.clone();
        // The sample has it as a boolean; what is delivered is a form's text.
        judged["is_enterprise_install"] = false.into();
        self.judge("SlashCommandPayload", &judged);
        self.offer("slash_commands", payload, channel, &trigger);
        trigger
    }

    /// A person presses a button.
    pub(crate) fn press(&mut self, channel: &str, user: &str, message: &Value, action: &Value) -> Trigger {
        let ts = message["ts"].as_str().unwrap_or_default().to_owned();
        let trigger = self.interact(channel, user, Some(ts.clone()));
        let mut action = action.clone();
        action["action_ts"] = self.ts().into();
        let name = self.conversation(channel).name.clone();
        let handle = self.handle(user);
        let mut container =
            json!({"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false});
        if let Some(thread) = message.get("thread_ts") {
            container["thread_ts"] = thread.clone();
        }
        let payload = json!({
            "type": "block_actions",
            "user": {"id": user, "username": handle, "name": handle, "team_id": TEAM},
            "api_app_id": self.account().app_id,
            "token": "verification-token",
            "container": container,
            "trigger_id": trigger.trigger_id,
            "team": {"id": TEAM, "domain": DOMAIN},
            "enterprise": null,
            "is_enterprise_install": false,
            "channel": {"id": channel, "name": if name.is_empty() { "directmessage" } else { name.as_str() }},
            "message": message,
            "state": {"values": {}},
            "response_url": trigger.response_url,
            "actions": [action],
        });
        self.judge("BlockActionPayload", &payload);
        self.offer("interactive", payload, channel, &trigger);
        trigger
    }

    /// Interactions are delivered at once or not at all.
    fn offer(&mut self, kind: &str, payload: Value, channel: &str, trigger: &Trigger) {
        if self.exchange.takes() {
            self.deliver(kind, payload, Some(channel.to_owned()), Some(trigger.id.clone()));
        } else {
            self.settle(&trigger.id, Outcome::NotDelivered);
        }
    }

    fn interact(&mut self, channel: &str, user: &str, message: Option<String>) -> Trigger {
        let id = self.number().to_string();
        let trigger = Interaction::trigger(&id, &self.base);
        let interaction = Interaction {
            channel: channel.to_owned(),
            user: user.to_owned(),
            message,
            at: self.now(),
            answers: 0,
            opened: false,
            outcome: Outcome::Pending,
        };
        self.interactions.insert(id, interaction);
        trigger
    }

    /// Says what became of an interaction.
    pub(crate) fn settle(&mut self, id: &str, outcome: Outcome) {
        if let Some(interaction) = self.interactions.get_mut(id) {
            interaction.outcome = outcome;
        }
    }

    /// What became of a command or the press of a button.
    pub fn outcome(&self, trigger: &Trigger) -> Outcome {
        self.interactions.get(&trigger.id).map_or(Outcome::Pending, |found| found.outcome.clone())
    }

    fn handle(&self, user: &str) -> String {
        self.people.get(user).map(|person| person.name.to_lowercase()).unwrap_or_default()
    }

    /// What is due on the side of Socket Mode; says when the next thing is.
    pub(crate) fn sweep(&mut self) -> Option<SystemTime> {
        let now = self.now();
        let next = self.exchange.sweep(now);
        for id in std::mem::take(&mut self.exchange.overdue) {
            self.settle(&id, Outcome::TimedOut);
        }
        next
    }

    /// Takes an acknowledgement, as it came.
    pub(crate) fn acknowledge(&mut self, message: &Value) {
        let Some(id) = message["envelope_id"].as_str() else {
            self.complain([format!("Socket Mode: an acknowledgement names no envelope: {message}")]);
            return;
        };
        let Some(envelope) = self.exchange.acknowledge(id) else { return };
        let payload = message["payload"].clone();
        let said = payload.as_object().is_some_and(|payload| !payload.is_empty());
        if said && !envelope.accepts {
            self.complain([format!("Socket Mode: an event was answered with {payload}")]);
        }
        let Some(interaction) = envelope.interaction else { return };
        self.settle(&interaction, Outcome::Acknowledged(payload.clone()));
        if said && envelope.kind == "slash_commands" {
            let answered = crate::hook::answer(self, &interaction, payload, "acknowledgement");
            self.complain(
                answered.err().map(|why| format!("Socket Mode: the answer is no message: {}", why.error)),
            );
        }
    }
}
