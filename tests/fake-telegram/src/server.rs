//! The server of the fake.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::{Fake, wire};

use crate::bot::Bot;
use crate::fault::Rule;
use crate::world::{Account, Call, Flood, Sent, User, World};
use crate::{respond, specification};

/// A running server. It stops when this is dropped.
pub struct Server(openpact_fake_kit::Server<World>);

pub(crate) type Shared = openpact_fake_kit::Shared<World>;

impl Deref for Server {
    type Target = openpact_fake_kit::Server<World>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Fake for World {
    type Rule = Rule;
    type Call = Call;

    const NAME: &'static str = "fake-telegram";

    async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<wire::Body>> {
        respond::answer(shared, request).await
    }

    fn judges() -> bool {
        specification::load().is_some()
    }

    fn state(&self) -> String {
        format!("{} updates unconfirmed", self.pending())
    }

    fn said(&self) -> Vec<(u64, String)> {
        let rooms = self.bots.values().flat_map(|account| account.room.values());
        let line = |sent: &Sent| (sent.number, format!("to {}: {:?}", sent.chat, sent.text));
        rooms.flat_map(|room| &room.sent).map(line).collect()
    }
}

impl Server {
    /// Starts a server on a free port of the loopback address. What a client is given in place of
    /// `https://api.telegram.org` is its `base_url`.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts a server on this port of the loopback address.
    ///
    /// # Errors
    /// When the port or a thread is not to be had.
    pub fn start_on(port: u16) -> io::Result<Self> {
        openpact_fake_kit::Server::start(port, |_| World::default()).map(Self)
    }

    /// A new bot with that token, such as `123456:secret`: its id is the number.
    ///
    /// # Panics
    /// When the token has no number in front.
    pub fn bot(&self, token: &str) -> Bot {
        let id = token.split_once(':').and_then(|(id, _)| id.parse().ok());
        let id: i64 = id.expect("a token is a number, a colon and a secret");
        let user =
            User { id, name: "Fake".to_owned(), username: Some(format!("fake{id}_bot")), is_bot: true };
        self.shared().world().bots.insert(token.to_owned(), Account::new(user));
        Bot::new(self.shared().clone(), token)
    }

    /// A person. Ids of people are what authority comes from; names are not.
    pub fn user(&self, id: i64, name: &str) -> User {
        User { id, name: name.to_owned(), username: Some(format!("user{id}")), is_bot: false }
    }

    /// Puts limits on sending; at first there are none.
    pub fn flood(&self, limits: Option<Flood>) {
        self.shared().world().flood = limits;
    }

    /// What was sent to that chat, in order.
    pub fn sent(&self, chat: i64) -> Vec<Sent> {
        self.shared().world().sent(chat)
    }
}
