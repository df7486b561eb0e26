//! What the test adapters share. They do not use the SDK: a hostile component would not either.
#![cfg(target_family = "wasm")]

#[doc(hidden)]
pub mod bindings {
    //! The generated bindings.
    wit_bindgen::generate!({
        path: ["../../../wit/io", "../../../wit/host", "../../../wit/chat"],
        world: "openpact:chat/adapter-component",
        pub_export_macro: true,
        default_bindings_module: "openpact_guest_adapter_kit::bindings",
        export_macro_name: "export_adapter",
        generate_all,
    });
}

pub use bindings::exports::openpact::chat::adapter::{
    Abilities, AdapterError, AdapterInfo, CommandSpec, Guest, InteractionId, LengthUnit, MessageId, Outbound,
    Part, RateLimit, SendError, Sent, Target,
};
pub use bindings::openpact::chat::events::{
    Audience, Channel, Happening, InboundEvent, InboundMessage, Occasion, Sender, SenderKind,
};
pub use bindings::openpact::chat::inbox::{self, Account, Connection, DeliverError};
pub use bindings::openpact::chat::rendering::Piece;
pub use bindings::openpact::host::{credentials, kv, log, settings, websocket};

pub mod http;

/// The text of a setting; empty where it is not set.
pub fn setting(key: &str) -> String {
    let text = settings::get(key).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What both adapters say about themselves.
pub fn info(platform: &str) -> AdapterInfo {
    AdapterInfo {
        platform: platform.to_owned(),
        title: "A test adapter".to_owned(),
        abilities: Abilities::EDIT | Abilities::TYPING,
        message_length: 64,
        length_unit: LengthUnit::Characters,
        typing_interval: Some(4000),
        edit_interval: 1000,
        send_interval: 0,
        send_rate: Some(30),
    }
}

/// A message of one person in one channel.
pub fn message(account: &str, id: &str, text: String) -> InboundEvent {
    InboundEvent {
        account: account.to_owned(),
        id: id.to_owned(),
        revision: 0,
        time: 1_700_000_000_000,
        channel: Channel { id: "room".to_owned(), thread: None, name: None, audience: Audience::Direct },
        sender: Sender {
            id: "42".to_owned(),
            display_name: "Somebody".to_owned(),
            handle: None,
            kind: SenderKind::Person,
        },
        happening: Happening::Message(InboundMessage {
            id: id.to_owned(),
            text,
            others: false,
            attachments: Vec::new(),
            reply_to: None,
            occasion: Occasion::Direct,
        }),
    }
}

/// Reports an account by its id.
pub fn connected(account: &str) -> Result<(), DeliverError> {
    let account = Account { id: account.to_owned(), name: "the bot".to_owned() };
    inbox::report(&Connection::Connected(account))
}

/// Tells the test something.
pub fn tell(text: &str) {
    // Where it is refused the test sees that nothing came.
    drop(inbox::report(&Connection::Lost(text.to_owned())));
}
