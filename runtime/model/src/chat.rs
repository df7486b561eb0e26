//! Chat platforms as the runtime sees them: what adapters report, what they are told to send, and the ports between
//! adapters and the rest. The words are those of `wit/chat`; what a platform calls them is the adapter's own business.

mod adapter;
mod connection;
mod event;
mod message;

pub use adapter::{
    Abilities, Adapter, AdapterError, CommandOption, CommandSpec, Info, LengthUnit, SendError,
};
pub use connection::{Account, Connection, DeliverError, Inbox};
pub use event::{
    Attachment, Author, AuthorKind, ButtonPress, CommandUse, Event, Happening, Message, Occasion, Place,
    Quoted, ThreadStart, Visibility,
};
pub use message::{
    Button, ButtonStyle, Detail, File, Outbound, Part, Piece, Sent, Stage, Target, ToolState, ToolUse,
};
