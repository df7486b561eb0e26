//! Chat adapters. Needs the feature `adapter`, and `kind = "adapter"` in the manifest.
//!
//! An adapter speaks one platform's protocol and nothing else: it implements [`Adapter`] and becomes a component by
//! [`export_adapter!`](crate::export_adapter!). The types are those of `wit/chat/chat.wit`, where every word is
//! explained; they are there natively too, so that an adapter's tests need no host.
//!
//! ```
//! use openpact_sdk::adapter::{self, Adapter, AdapterError, AdapterInfo, Outbound, Part, SendError, Sent, Target};
//!
//! struct Nowhere;
//!
//! impl Adapter for Nowhere {
//!     fn describe() -> AdapterInfo {
//!         AdapterInfo {
//!             platform: "nowhere".to_owned(),
//!             title: "Nowhere".to_owned(),
//!             abilities: adapter::Abilities::empty(),
//!             message_length: 4_096,
//!             length_unit: adapter::LengthUnit::Characters,
//!             typing_interval: None,
//!             edit_interval: 1_000,
//!             send_interval: 0,
//!             send_rate: None,
//!         }
//!     }
//!
//!     fn run() -> Result<(), AdapterError> {
//!         Err(AdapterError::Unavailable("there is nobody here".to_owned()))
//!     }
//!
//!     fn render(_: Outbound) -> Vec<Part> {
//!         vec![]
//!     }
//!
//!     fn send_part(_: Target, _: Part, _: String) -> Result<Sent, SendError> {
//!         Err(SendError::Gone("there is nobody here".to_owned()))
//!     }
//! }
//!
//! openpact_sdk::export_adapter!(Nowhere);
//! ```

#[doc(hidden)]
pub mod bindings;
pub mod inbox;

pub use bindings::exports::openpact::chat::adapter::{
    Abilities, AdapterError, AdapterInfo, CommandOption, CommandSpec, LengthUnit, RateLimit, SendError,
};
pub use bindings::openpact::chat::events::{
    Attachment, Audience, ButtonPress, Channel, CommandUse, Happening, InboundEvent, InboundMessage,
    Occasion, Quoted, Sender, SenderKind, ThreadStart,
};
pub use bindings::openpact::chat::rendering::{
    Button, ButtonStyle, Detail, Outbound, Part, Piece, Sent, Stage, ToolCall, ToolState,
};
pub use bindings::openpact::chat::types::{File, Target};

/// A chat adapter. A type without fields stands for it: [`run`](Self::run) is one long call, and every other function
/// runs in a fresh instance of its own, beside it. What two of them share goes through [`kv`](crate::kv).
///
/// What has a default need not be written: the default says that the platform cannot do it, and then
/// [`describe`](Self::describe) must not claim it.
pub trait Adapter {
    /// What the adapter is. Calls nothing of the host.
    fn describe() -> AdapterInfo;

    /// The receive loop: connects, turns what the platform sends into events, gives each to [`inbox::deliver`], and
    /// acknowledges it to the platform only when that has returned without an error.
    ///
    /// # Errors
    /// Why it ended; the host decides by it whether it is started again.
    fn run() -> Result<(), AdapterError>;

    /// Puts a message into the platform's form: as many parts as it needs, each within its limits. The same message
    /// gives the same parts. Calls nothing of the host.
    fn render(message: Outbound) -> Vec<Part>;

    /// Sends a part. `key` is the same whenever the same part is sent again.
    ///
    /// # Errors
    /// Whether it is to be tried again, and when.
    fn send_part(target: Target, part: Part, key: String) -> Result<Sent, SendError>;

    /// Puts another part in the place of one that was sent. Not possible unless written.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    fn edit_part(_target: Target, _id: String, _part: Part) -> Result<(), SendError> {
        Err(cannot("change a message"))
    }

    /// Takes back a part that was sent. Not possible unless written.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    fn delete_part(_target: Target, _id: String) -> Result<(), SendError> {
        Err(cannot("take back a message"))
    }

    /// Shows once that an answer is being written. Not possible unless written.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    fn typing(_target: Target) -> Result<(), SendError> {
        Err(cannot("show that somebody is typing"))
    }

    /// Answers the use of a command or a button. Not possible unless written.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    fn answer_interaction(_interaction: String, _answer: Outbound) -> Result<(), SendError> {
        Err(cannot("answer an interaction"))
    }

    /// The bytes of an attachment, if there are at most `limit`. Not possible unless written.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    fn fetch_attachment(_id: String, _limit: u64) -> Result<Vec<u8>, SendError> {
        Err(cannot("fetch files yet"))
    }

    /// Makes these the commands that the platform offers, and takes away others. Does nothing unless written.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn register_commands(_commands: Vec<CommandSpec>) -> Result<(), AdapterError> {
        Ok(())
    }
}

impl Piece {
    /// Whether a channel that wants to see so much is shown this piece. The host has decided already; an adapter holds
    /// to what it decided.
    pub fn is_shown(&self, detail: Detail) -> bool {
        match self {
            Self::Reasoning(_) => matches!(detail, Detail::Thinking | Detail::Full),
            Self::ToolCall(_) => matches!(detail, Detail::Tools | Detail::Full),
            Self::Markdown(_) | Self::Notice(_) | Self::File(_) => true,
        }
    }
}

fn cannot(what: &str) -> SendError {
    SendError::Refused(format!("this adapter cannot {what}"))
}

/// Makes a component of an [`Adapter`](crate::adapter::Adapter). Natively it expands to nothing.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::adapter::{
                Adapter, AdapterError, AdapterInfo, CommandSpec, Outbound, Part, SendError, Sent, Target,
            };

            struct Component;

            impl $crate::adapter::bindings::exports::openpact::chat::adapter::Guest for Component {
                fn describe() -> AdapterInfo {
                    <$adapter as Adapter>::describe()
                }

                fn run() -> ::std::result::Result<(), AdapterError> {
                    <$adapter as Adapter>::run()
                }

                fn render(message: Outbound) -> ::std::vec::Vec<Part> {
                    <$adapter as Adapter>::render(message)
                }

                fn send_part(
                    target: Target,
                    part: Part,
                    key: ::std::string::String,
                ) -> ::std::result::Result<Sent, SendError> {
                    <$adapter as Adapter>::send_part(target, part, key)
                }

                fn edit_part(
                    target: Target,
                    id: ::std::string::String,
                    part: Part,
                ) -> ::std::result::Result<(), SendError> {
                    <$adapter as Adapter>::edit_part(target, id, part)
                }

                fn delete_part(
                    target: Target,
                    id: ::std::string::String,
                ) -> ::std::result::Result<(), SendError> {
                    <$adapter as Adapter>::delete_part(target, id)
                }

                fn typing(target: Target) -> ::std::result::Result<(), SendError> {
                    <$adapter as Adapter>::typing(target)
                }

                fn answer_interaction(
                    interaction: ::std::string::String,
                    answer: Outbound,
                ) -> ::std::result::Result<(), SendError> {
                    <$adapter as Adapter>::answer_interaction(interaction, answer)
                }

                fn fetch_attachment(
                    id: ::std::string::String,
                    limit: u64,
                ) -> ::std::result::Result<::std::vec::Vec<u8>, SendError> {
                    <$adapter as Adapter>::fetch_attachment(id, limit)
                }

                fn register_commands(
                    commands: ::std::vec::Vec<CommandSpec>,
                ) -> ::std::result::Result<(), AdapterError> {
                    <$adapter as Adapter>::register_commands(commands)
                }
            }

            $crate::adapter::bindings::export_adapter_component!(
                Component with_types_in $crate::adapter::bindings
            );
        };
    };
}
