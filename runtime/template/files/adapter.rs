//! The adapter `__NAME__`: it speaks one platform's protocol, and nothing else.
//!
//! The platform here is a small one, to be replaced by yours: `GET /me` names the account, `GET /messages?after=ID` waits
//! for the next messages, and `POST /messages` sends one.

use std::time::Duration;

use openpact_sdk::adapter::inbox::{self, Account, Connection};
use openpact_sdk::adapter::{
    Abilities, Adapter, AdapterError, AdapterInfo, Audience, Channel, Happening, InboundEvent, InboundMessage,
    LengthUnit, Occasion, Outbound, Part, Piece, SendError, Sender, SenderKind, Sent, Target,
};
use openpact_sdk::http::{self, Request};
use openpact_sdk::{credentials, export_adapter, serde_json};
use serde::Deserialize;

const BASE: &str = "https://chat.example.com/v1";

/// The longest message of the platform, in characters.
const LENGTH: usize = 4_000;

/// The adapter.
pub struct Platform;

#[derive(Deserialize)]
struct Me {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    channel: String,
    sender: String,
    name: String,
    text: String,
    /// In milliseconds since 1970.
    time: u64,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

impl Adapter for Platform {
    fn describe() -> AdapterInfo {
        AdapterInfo {
            platform: "__NAME__".to_owned(),
            title: "__NAME__".to_owned(),
            abilities: Abilities::empty(),
            message_length: LENGTH as u32,
            length_unit: LengthUnit::Characters,
            typing_interval: None,
            edit_interval: 1_000,
            send_interval: 0,
            send_rate: None,
        }
    }

    fn run() -> Result<(), AdapterError> {
        let refused = |error: inbox::Error| AdapterError::Protocol(format!("{error:?}"));
        let me: Me = get("/me")?;
        let account = Account { id: me.id, name: me.name };
        inbox::report(Connection::Connected(account.clone())).map_err(refused)?;
        let mut after = String::new();
        loop {
            let messages: Vec<Message> = get(&format!("/messages?after={after}"))?;
            for message in messages {
                after.clone_from(&message.id);
                // Only what is on the host's disk counts as received.
                inbox::deliver(event(&account.id, message)).map_err(refused)?;
            }
        }
    }

    fn render(message: Outbound) -> Vec<Part> {
        let text: Vec<_> = message.pieces.iter().filter_map(text).collect();
        let characters: Vec<char> = text.join("\n").chars().collect();
        let parts = characters.chunks(LENGTH).map(|part| part.iter().collect::<String>());
        parts.map(|text| Part { body: text.clone(), plain: text, files: vec![] }).collect()
    }

    fn send_part(target: Target, part: Part, key: String) -> Result<Sent, SendError> {
        let body = serde_json::json!({ "channel": target.channel, "text": part.body, "key": key });
        let request = Request::post(format!("{BASE}/messages")).json(&body);
        let answer = request.and_then(|request| signed(request).send()).map_err(not_sent)?;
        let made: Made = answer.successful().and_then(|answer| answer.json()).map_err(not_sent)?;
        Ok(Sent { id: made.id, pause: None, moved_to: None })
    }
}

/// The host puts the token in the place of the reference, on the way out.
fn signed(request: Request) -> Request {
    match credentials::reference("token") {
        Ok(reference) => request.header("authorization", format!("Bearer {reference}")),
        Err(_) => request,
    }
}

fn get<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, AdapterError> {
    let request = signed(Request::get(format!("{BASE}{path}"))).timeout(Duration::from_secs(60));
    let answer = request.send().map_err(|error| AdapterError::Unavailable(format!("{error:?}")))?;
    let answer = answer.successful().and_then(|answer| answer.json());
    answer.map_err(|error| AdapterError::Protocol(format!("{error:?}")))
}

fn not_sent(error: http::Error) -> SendError {
    match error {
        http::Error::Denied => SendError::Denied,
        http::Error::Unsent(why) => SendError::Unavailable(why),
        // It may have been done: the host tries again with the same key.
        http::Error::Unavailable(why) => SendError::Unknown(why),
        other => SendError::Refused(format!("{other:?}")),
    }
}

fn text(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Markdown(text) | Piece::Notice(text) => Some(text),
        _ => None,
    }
}

fn event(account: &str, message: Message) -> InboundEvent {
    InboundEvent {
        account: account.to_owned(),
        id: message.id.clone(),
        revision: 0,
        time: message.time,
        // Who is unknown to the platform counts as the least trusted.
        channel: Channel { id: message.channel, thread: None, name: None, audience: Audience::Public },
        sender: Sender {
            id: message.sender,
            display_name: message.name,
            handle: None,
            kind: SenderKind::Person,
        },
        happening: Happening::Message(InboundMessage {
            id: message.id,
            text: message.text,
            others: false,
            attachments: vec![],
            reply_to: None,
            occasion: Occasion::EveryMessage,
        }),
    }
}

export_adapter!(Platform);

#[cfg(test)]
mod tests {
    use openpact_sdk::adapter::{Detail, Stage};

    use super::*;

    #[test]
    fn a_long_message_becomes_several_parts() {
        let pieces = vec![Piece::Markdown("x".repeat(LENGTH + 1))];
        let message = Outbound { pieces, buttons: vec![], detail: Detail::Simple, stage: Stage::Complete };
        let parts = Platform::render(message);
        assert_eq!(parts.iter().map(|part| part.body.len()).collect::<Vec<_>>(), [LENGTH, 1]);
    }

    #[test]
    fn a_message_becomes_an_event_of_its_account() {
        let message = r#"{"id":"7","channel":"c","sender":"s","name":"Ada","text":"Hello","time":1}"#;
        let event = event("me", serde_json::from_str(message).unwrap());
        assert_eq!((event.account.as_str(), event.id.as_str(), event.sender.id.as_str()), ("me", "7", "s"));
    }
}
