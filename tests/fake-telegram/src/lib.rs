//! A fake of the Telegram Bot API, written from its published description (<https://core.telegram.org/bots/api>) and
//! sharing nothing with the adapter that is tested against it.
//!
//! [`Server::start`] gives a server on a free port of the loopback address. A test makes a [`Bot`] by its token, people
//! and chats, lets people talk ([`Chat::say`], [`Draft`]), looks at what the bot sent ([`Chat::sent`]), and lets things
//! go wrong ([`Rule`], [`Fault`]). Every request is judged by the description where that is there
//! ([`Server::violations`]), and so is every answer of the fake itself. The program `fake-telegram` of this crate is
//! the same for shell scripts.
//!
//! Other than the real server: a bot is in every chat that a test makes for it, and its privacy mode is off; entities that the platform finds by
//! itself are found only in what people say; the old `parse_mode: Markdown` is refused; nothing but text is sent by
//! bots.
//!
//! [`Server::violations`]: openpact_fake_kit::Server::violations

mod album;
mod bot;
mod chat;
mod control;
mod draft;
mod fault;
mod markup;
mod method;
mod parameters;
mod refusal;
mod respond;
mod server;
mod specification;
mod world;

pub use album::Album;
pub use bot::Bot;
pub use chat::Chat;
pub use control::serve as serve_control;
pub use draft::Draft;
pub use fault::{Fault, Rule};
pub use markup::Entity;
pub use server::Server;
pub use world::{Call, Flood, Sent, Update, User, World};
