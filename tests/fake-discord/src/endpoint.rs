//! What the operations do. What they take and give is described at <https://discord.com/developers/docs>.

pub(crate) mod channel;
pub(crate) mod command;
mod compose;
pub(crate) mod interaction;
pub(crate) mod me;
pub(crate) mod message;
pub(crate) mod thread;
pub(crate) mod webhook;

use serde_json::Value;

use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

/// What an operation gives.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn created(body: Value) -> Self {
        Self { status: 201, body }
    }

    pub(crate) fn nothing() -> Self {
        Self { status: 204, body: Value::Null }
    }
}

pub(crate) type Answer = Result<Reply, Refusal>;
pub(crate) type Handler = fn(&mut World, &Request) -> Answer;
