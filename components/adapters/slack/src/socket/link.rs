//! The connections themselves. Tests put a script in their place.

use std::time::Duration;

use openpact_sdk::serde_json::{self, Value, json};
use openpact_sdk::websocket::{self, Close, Message, Socket};
use slack_morphism::api::SlackApiAppsConnectionOpenResponse;

use crate::api::{Api, Exchange, Failure, OPEN, Payload};
use crate::missed::Fields;
use openpact_text::foreign::shortened;

/// Opens connections.
pub(super) trait Dial {
    /// A connection.
    type Link: Link;

    /// Asks Slack for an address, and connects to it.
    fn dial(&self) -> Result<Self::Link, Failure>;

    /// Asks who somebody is; gives `user` of `users.info`.
    fn user(&self, id: &str) -> Result<Value, Failure>;

    /// Asks what was said; gives the answer.
    fn history(&self, method: &str, fields: Fields) -> Result<Value, Failure>;
}

/// A connection.
pub(super) trait Link {
    /// What comes next.
    fn receive(&self, timeout: Duration) -> Received;

    /// Sends a text; where that fails, the next `receive` tells.
    fn send(&self, text: &str);

    /// Ends it.
    fn close(self);
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing, in this time.
    Nothing,
    /// A text.
    Text(String),
    /// The connection is gone, for this reason.
    Lost(String),
}

/// Socket Mode by way of the host.
pub(super) struct Sockets {
    /// The Web API.
    pub(super) api: Api,
}

impl Dial for Sockets {
    type Link = Socket;

    fn dial(&self) -> Result<Socket, Failure> {
        let answer = self.api.call(OPEN, Payload::Json(json!({})))?;
        let open: SlackApiAppsConnectionOpenResponse = serde_json::from_value(answer)
            .map_err(|error| Failure::Garbled(200, format!("no address for a connection: {error}")))?;
        let url = open.url.0;
        Socket::connect(url.as_str()).map_err(|error| match error {
            websocket::Error::Denied(_) => {
                // The address holds a ticket: only where it leads is told.
                let mut place = url.clone();
                place.set_query(None);
                Failure::Denied { grant: format!("GET {place}") }
            }
            other => Failure::Unsent(shortened(&said(&other))),
        })
    }

    fn user(&self, id: &str) -> Result<Value, Failure> {
        let mut answer = self.api.call("users.info", Payload::Form(vec![("user", id.to_owned())]))?;
        Ok(answer["user"].take())
    }

    fn history(&self, method: &str, fields: Fields) -> Result<Value, Failure> {
        self.api.read(method, fields)
    }
}

impl Link for Socket {
    fn receive(&self, timeout: Duration) -> Received {
        match Self::receive(self, timeout) {
            Ok(Some(Message::Text(text))) => Received::Text(text),
            Ok(Some(Message::Binary(_)) | None) => Received::Nothing,
            Ok(Some(Message::Closed(None))) => Received::Lost("Slack closed the connection".to_owned()),
            Ok(Some(Message::Closed(Some(Close { code, reason })))) => {
                Received::Lost(format!("Slack closed the connection ({code} {})", shortened(&reason)))
            }
            Err(error) => Received::Lost(shortened(&said(&error))),
        }
    }

    fn send(&self, text: &str) {
        // What is closed or broken the next `receive` tells.
        let _ = self.send_text(text);
    }

    fn close(self) {
        let reason = Close { code: 1_000, reason: String::new() };
        // It may be closed from the other side already.
        let _ = Self::close(self, Some(reason));
    }
}

fn said(error: &websocket::Error) -> String {
    match error {
        websocket::Error::Invalid(why)
        | websocket::Error::Denied(why)
        | websocket::Error::Connect(why)
        | websocket::Error::Broken(why) => why.clone(),
        websocket::Error::TooLarge(limit) => format!("a message was larger than {limit} bytes"),
        websocket::Error::Closed => "the connection is closed".to_owned(),
    }
}
