//! A fake of Discord's HTTP API and gateway, both version 10, written from the published description
//! (<https://discord.com/developers/docs>) and sharing nothing with the adapter that is tested against it.
//!
//! [`Server::start`] gives a server on a free port of the loopback address. A test makes a [`Bot`], people, a [`Guild`]
//! and channels, lets people talk ([`Channel::say`], [`Draft`]), use commands ([`Channel::command`]) and press buttons
//! ([`Channel::press`]), looks at what the bot said ([`Channel::sent`]), and lets things go wrong ([`Rule`],
//! [`GatewayRule`]). Every request is judged by Discord's own description (an `OpenAPI` document) where that is there;
//! what it does not allow is refused, and noted ([`Server::violations`]). So is every answer of the fake itself. The
//! program `fake-discord` of this crate is the same for shell scripts.
//!
//! Other than the real server: a field that the document does not name is refused, unless a test wants it ignored
//! ([`Server::ignore_unknown_fields`]); a guild has one bot; every bot may do everything in its channels but touch what
//! others wrote; there are no roles, reactions, polls, voice, forums and no commands of a single guild; nothing is
//! sharded; the gateway speaks JSON, compressed as `zlib-stream` when that is asked for.
//!
//! [`Server::violations`]: openpact_fake_kit::Server::violations

mod answer;
mod bot;
mod channel;
mod clock;
mod control;
mod draft;
mod endpoint;
mod fault;
mod gateway;
mod limits;
mod refusal;
mod request;
mod respond;
mod route;
mod server;
mod specification;
mod world;

pub use bot::{Bot, Guild};
pub use channel::Channel;
pub use control::serve as serve_control;
pub use draft::Draft;
pub use fault::{Fault, Limited, Rule};
pub use gateway::{GatewayFault, GatewayRule, Received, Stage};
pub use limits::Limits;
pub use openpact_fake_kit::Chance;
pub use server::Server;
pub use world::{Answered, Button, Call, File, Interaction, Sent, User, World};
