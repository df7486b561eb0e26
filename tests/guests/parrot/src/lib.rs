//! A well-behaved adapter. Its platform is a server of the test: `/me` is the account, `/poll/N` the next messages, one
//! to a line as `ID TEXT`, and `/send/CHANNEL/TEXT` takes a message and answers with its id.
#![cfg(target_family = "wasm")]

use openpact_guest_adapter_kit::bindings::export_adapter;
use openpact_guest_adapter_kit::http::{self, Failure};
use openpact_guest_adapter_kit::{
    AdapterError, AdapterInfo, CommandSpec, Connection, Guest, InteractionId, MessageId, Outbound, Part,
    Piece, RateLimit, SendError, Sent, Target, connected, credentials, inbox, info, log, message, setting,
};

struct Parrot;

/// The longest piece of a message, in characters.
const LENGTH: usize = 64;

impl Guest for Parrot {
    fn describe() -> AdapterInfo {
        info("parrot")
    }

    fn run() -> Result<(), AdapterError> {
        drop(inbox::report(&Connection::Connecting));
        let platform = Platform::new();
        let account = platform.ask("/me")?;
        connected(&account).map_err(|error| AdapterError::Conflict(format!("{error:?}")))?;
        let mut offset = 0_u64;
        loop {
            let news = platform.ask(&format!("/poll/{offset}"))?;
            if news == "over" {
                return Err(AdapterError::Unavailable("the server is over".to_owned()));
            }
            for line in news.lines() {
                let (id, text) = line.split_once(' ').unwrap_or((line, ""));
                inbox::deliver(&message(&account, id, text.to_owned()))
                    .map_err(|error| AdapterError::Protocol(format!("{error:?}")))?;
                offset += 1;
                log::log(log::Level::Info, &format!("delivered {id}"));
            }
        }
    }

    fn render(message: Outbound) -> Vec<Part> {
        let text: String = message.pieces.iter().filter_map(words).collect();
        let characters: Vec<char> = text.chars().collect();
        let pieces = characters.chunks(LENGTH).map(|piece| piece.iter().collect::<String>());
        pieces.map(|plain| Part { body: plain.clone(), plain, files: Vec::new() }).collect()
    }

    fn send_part(target: Target, part: Part, key: String) -> Result<Sent, SendError> {
        let id = Platform::new().act(&format!("/send/{}/{}?key={key}", target.channel, part.body))?;
        Ok(Sent { id, pause: None, moved_to: None })
    }

    fn edit_part(target: Target, id: MessageId, part: Part) -> Result<(), SendError> {
        Platform::new().act(&format!("/edit/{}/{id}/{}", target.channel, part.body)).map(drop)
    }

    fn delete_part(target: Target, id: MessageId) -> Result<(), SendError> {
        Platform::new().act(&format!("/delete/{}/{id}", target.channel)).map(drop)
    }

    fn typing(target: Target) -> Result<(), SendError> {
        Platform::new().act(&format!("/typing/{}", target.channel)).map(drop)
    }

    fn answer_interaction(interaction: InteractionId, answer: Outbound) -> Result<(), SendError> {
        let text: String = answer.pieces.iter().filter_map(words).collect();
        Platform::new().act(&format!("/answer/{interaction}/{text}")).map(drop)
    }

    fn fetch_attachment(id: String, limit: u64) -> Result<Vec<u8>, SendError> {
        let bytes = Platform::new().act(&format!("/file/{id}"))?.into_bytes();
        if bytes.len() as u64 > limit { Err(SendError::TooLarge(bytes.len() as u64)) } else { Ok(bytes) }
    }

    fn register_commands(commands: Vec<CommandSpec>) -> Result<(), AdapterError> {
        let names: Vec<_> = commands.into_iter().map(|command| command.name).collect();
        Platform::new().ask(&format!("/commands/{}", names.join(","))).map(drop)
    }
}

fn words(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Markdown(text) | Piece::Notice(text) => Some(text),
        _ => None,
    }
}

/// The server, as one instance knows it.
struct Platform {
    authority: String,
    authorization: String,
}

impl Platform {
    fn new() -> Self {
        let reference = credentials::reference("token").ok();
        let authorization = reference.map(|it| format!("Bearer {it}")).unwrap_or_default();
        Self { authority: setting("authority"), authorization }
    }

    fn get(&self, path: &str) -> Result<(u16, String), Failure> {
        http::get(&self.authority, path, &self.authorization)
    }

    fn ask(&self, path: &str) -> Result<String, AdapterError> {
        match self.get(path) {
            Ok((200, body)) => Ok(body),
            Ok((401, body)) => Err(AdapterError::Credential(body)),
            Ok((status, _)) => Err(AdapterError::Protocol(status.to_string())),
            Err(failure) => Err(AdapterError::Unavailable(format!("{failure:?}"))),
        }
    }

    fn act(&self, path: &str) -> Result<String, SendError> {
        match self.get(path) {
            Ok((200, body)) => Ok(body),
            Ok((404, body)) => Err(SendError::Gone(body)),
            Ok((429, body)) => {
                let retry_after = body.parse().unwrap_or_default();
                Err(SendError::RateLimited(RateLimit { retry_after, global: false }))
            }
            Ok((status, _)) => Err(SendError::Refused(status.to_string())),
            // It does not look at what the host said: the host has to.
            Err(failure) => Err(SendError::Unavailable(format!("{failure:?}"))),
        }
    }
}

export_adapter!(Parrot with_types_in openpact_guest_adapter_kit::bindings);
