//! The server of the fake.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::{Fake, wire};

use crate::app::App;
use crate::channel::Channel;
use crate::conversation::Posted;
use crate::event::{Outcome, Trigger};
use crate::fault::Rule;
use crate::world::{Account, Call, Limits, Person, World};
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

    const NAME: &'static str = "fake-slack";

    async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<wire::Body>> {
        respond::answer(shared, request).await
    }

    /// Does what is due in Socket Mode, whenever something is.
    async fn beside(shared: Arc<Shared>) {
        loop {
            let (wait, changed) = {
                let mut world = shared.world();
                let next = world.sweep();
                shared.touch();
                let wait = next.map(|next| next.duration_since(world.now()).unwrap_or_default());
                (wait, shared.changed())
            };
            // Others have to get their turn, however close the next thing is.
            let wait = wait.map_or(Duration::from_hours(1), |wait| wait.max(Duration::from_millis(1)));
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }

    fn judges() -> bool {
        specification::load().is_some()
    }

    fn state(&self) -> String {
        format!("{} connections, {} envelopes pending", self.connections(), self.pending())
    }

    fn said(&self) -> Vec<(u64, String)> {
        let line = |said: &Posted| (said.number, format!("in {}: {:?}", said.channel, said.text));
        let all = self.conversations.values().flat_map(|found| found.posted.iter().chain(&found.ephemeral));
        all.map(line).collect()
    }
}

impl Server {
    /// Starts a server on a free port of the loopback address.
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
        let make = |base| World::new(base, specification::load());
        openpact_fake_kit::Server::start(port, make).map(Self)
    }

    /// What a client is given in place of `https://slack.com/api`; files and answers by `response_url` lie on the same
    /// host, below `/files` and `/hooks`, and Socket Mode at `/link`.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.base_url())
    }

    /// The app, with the token of its bot (`xoxb-…`) and its own (`xapp-…`); another call gives it other tokens.
    ///
    /// # Panics
    /// When the tokens are of other kinds: whatever is tested would be wrong about them.
    pub fn app(&self, bot_token: &str, app_token: &str) -> App {
        assert!(bot_token.starts_with("xoxb-") && app_token.starts_with("xapp-"), "tokens of bot and app");
        self.shared().change(|world| {
            let bot_id = "B0FAKEBOT1".to_owned();
            let user = Person {
                id: "U0FAKEBOT1".to_owned(),
                name: "fakebot".to_owned(),
                bot_id: Some(bot_id.clone()),
            };
            world.account = Some(Account {
                bot_token: bot_token.to_owned(),
                app_token: app_token.to_owned(),
                app_id: "A0FAKEAPP1".to_owned(),
                user,
                bot_id,
                revoked: false,
                linked: true,
            });
        });
        App::new(self.shared().clone())
    }

    /// A person, with an id such as `U0ALICE`. Ids of people are what authority comes from; names are not.
    pub fn person(&self, id: &str, name: &str) -> Person {
        self.know(Person { id: id.to_owned(), name: name.to_owned(), bot_id: None })
    }

    /// The bot of another app.
    pub fn other_bot(&self, id: &str, name: &str) -> Person {
        let bot_id = Some(format!("B{}", &id[1..]));
        self.know(Person { id: id.to_owned(), name: name.to_owned(), bot_id })
    }

    fn know(&self, person: Person) -> Person {
        self.shared().change(|world| world.people.insert(person.id.clone(), person.clone()));
        person
    }

    /// A conversation that was made before, by the app or by a test.
    ///
    /// # Panics
    /// Later, when there is none with that id.
    pub fn channel(&self, id: &str) -> Channel {
        Channel::new(self.shared().clone(), id)
    }

    /// Puts limits on requests; at first there are none.
    pub fn limits(&self, limits: Option<Limits>) {
        self.shared().world().limits = limits;
    }

    /// Whether a message with a `client_msg_id` that was there before is the same message again. At first it is not:
    /// Slack's documentation names errors about it, and no promise.
    pub fn deduplicates(&self, on: bool) {
        self.shared().world().deduplicates = on;
    }

    /// How long an acknowledgement may take (3 seconds at first), and after which pauses an event comes again (at once,
    /// after a minute, after five).
    pub fn acknowledgements(&self, within: Duration, retries: &[Duration]) {
        self.shared().change(|world| {
            world.exchange.within = within;
            world.exchange.retries = retries.to_vec();
        });
    }

    /// Gives up all events that were not acknowledged, as Slack does after the last retry.
    pub fn give_up(&self) {
        self.shared().change(|world| world.exchange.give_up());
    }

    /// What became of a command or the press of a button.
    pub fn outcome(&self, trigger: &Trigger) -> Outcome {
        self.shared().world().outcome(trigger)
    }
}
