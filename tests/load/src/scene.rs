//! The runtime without its program: store, people, router, engine, orchestrator, delivery.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use openpact_engine::direct;
use openpact_model::chat::{
    Account, Adapter as _, Author, AuthorKind, Connection, Event, Happening, Inbox as _, Message, Occasion,
    Place, Visibility,
};
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::port::{ToolCaller, ToolProvider};
use openpact_model::random::{Random, SystemRandom};
use openpact_model::role::Role;
use openpact_orchestrator::chat::{self, Chat, Pace};
use openpact_orchestrator::people::{self, Identity, Person, Rates, Unknown};
use openpact_orchestrator::router::{self, Rate};
use openpact_store::{DataDirectory, Store};
use serde_json::json;

use crate::adapter::Platform;
use crate::measure::{Spent, Watch, now};
use crate::tool::Still;

/// Deliveries that are under way at once; an adapter has its own few.
const DELIVERIES: usize = 256;
/// No limit.
const WIDE: Rate = Rate { burst: 1_000_000, per_minute: 1_000_000 };

/// Everything, on a data directory of its own.
pub(crate) struct Scene {
    chat: Arc<Chat>,
    store: Store,
    platform: Arc<Platform>,
    still: Arc<Still>,
    next: AtomicUsize,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("openpact-load-{name}-")).tempdir();
        let folder = folder.expect("a folder can be made");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let directory = DataDirectory::acquire(&folder.path().join("data")).expect("it is new");
        let store = Store::open(&directory, Arc::clone(&clock), Arc::clone(&random)).expect("it is new");
        let people = people(&store, &clock, &random).await;
        let still = Still::new();
        let rates = router::Rates { user: WIDE, tool: WIDE, tools: BTreeMap::new() };
        let ports = router::Ports {
            store: store.clone(),
            secrets: store.secrets(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let policy = router::Config { rates, deadline: crate::PATIENCE, ..router::Config::default() };
        let router = policy.build(ports, vec![Arc::clone(&still) as Arc<dyn ToolProvider>]).expect("it fits");
        let engine = direct::Engine::new(direct::Ports {
            store: store.clone(),
            tools: Arc::clone(&router) as Arc<dyn ToolCaller>,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        });
        let ports = openpact_orchestrator::Ports {
            people: Arc::clone(&people),
            store: store.clone(),
            engine: Arc::new(engine),
            router,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            ai_data: directory.ai_data(),
        };
        let orchestrator = openpact_orchestrator::Config::default().build(ports).await.expect("it fits");
        let config = chat::Config {
            asserts_owner: ["memory".to_owned(), "mute".to_owned()].into(),
            queue: usize::MAX,
            ..chat::Config::default()
        };
        let ports =
            chat::Ports { store: store.clone(), orchestrator: Arc::new(orchestrator), people, clock, random };
        let chat = config.build(ports).await.expect("it is new");
        let platform = Platform::new("memory", false);
        attach(&chat, &platform).await;
        Self { chat, store, platform, still, next: AtomicUsize::new(0), _folder: folder }
    }

    /// Sends messages into one chat, each when the one before it was answered; how long each took until its answer was
    /// sent.
    pub(crate) async fn one_by_one(&self, chat: &str, text: &str, messages: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(messages);
        for _ in 0..messages {
            let (before, sent) = (self.platform.sent_to(chat).0, self.platform.count());
            let start = now();
            self.deliver("memory", chat, text).await;
            self.platform.until(sent + 1).await;
            let (after, when) = self.platform.sent_to(chat);
            assert_eq!(after, before + 1, "one answer to one message");
            times.push(when.expect("it was sent").duration_since(start));
        }
        times
    }

    /// Sends `each` messages into each of `chats` chats, all at once, and waits until all are answered.
    pub(crate) async fn round(&self, name: &str, chats: usize, each: usize) -> Spent {
        let before = self.platform.count();
        let watch = Watch::start();
        self.send("memory", name, chats, each, "hello").await;
        self.platform.until(before + chats * each).await;
        watch.stop(chats * each)
    }

    /// Has so many chats call the tool that stands still, and waits until all do.
    pub(crate) async fn stand_still(&self, chats: usize) {
        self.send("memory", "owner-still", chats, 1, "!stand_still {}").await;
        let standing = self.still.standing.acquire_many(u32::try_from(chats).expect("they are few"));
        let standing = tokio::time::timeout(crate::PATIENCE, standing).await.expect("every tool is called");
        standing.expect("it is never closed").forget();
    }

    /// A second adapter, of which no call that sends ever ends; messages wait for it in so many chats.
    pub(crate) async fn mute(&self, chats: usize) {
        let mute = Platform::new("mute", true);
        attach(&self.chat, &mute).await;
        self.send("mute", "mute", chats, 1, "hello").await;
        mute.until_sending(chats.min(chat::Config::default().sends)).await;
    }

    /// One commit of the store by itself, many times: what the disk alone takes.
    pub(crate) async fn commits(&self, count: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let start = now();
            self.store.settings().set("load", "number", json!(number)).await.expect("it is stored");
            times.push(start.elapsed());
        }
        times
    }

    /// Sends over the chats in turn.
    async fn send(&self, at: &'static str, name: &str, chats: usize, each: usize, text: &str) {
        let numbers = (0..each).flat_map(|_| 0..chats);
        stream::iter(numbers)
            .for_each_concurrent(DELIVERIES, |number| async move {
                self.deliver(at, &format!("{name}-{number}"), text).await;
            })
            .await;
    }

    async fn deliver(&self, at: &str, chat: &str, text: &str) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.chat.deliver(at, event(number, chat, text)).await.expect("it is taken");
    }
}

async fn attach(chat: &Arc<Chat>, platform: &Arc<Platform>) {
    chat.attach(Arc::clone(platform) as Arc<_>, Pace::default()).await.expect("it is the first of its name");
    let account = Account { id: format!("{}-bot", platform.instance()), name: "bot".to_owned() };
    chat.report(platform.instance(), Connection::Connected(account)).await.expect("it is its own");
}

/// One owner; everybody else is a guest, as in most chats of a bot that many talk to.
async fn people(store: &Store, clock: &Arc<dyn Clock>, random: &Arc<dyn Random>) -> Arc<people::People> {
    let identity = |provider: &str| Identity { provider: provider.to_owned(), user: "owner".to_owned() };
    let owner = Person {
        name: "owner".to_owned(),
        role: Role::Owner,
        identities: vec![identity("memory"), identity("mute")],
    };
    let guest = || Unknown { role: Some(Role::Guest), ..Unknown::default() };
    let config = people::Config {
        people: vec![owner],
        defaults: BTreeMap::from([("memory".to_owned(), guest()), ("mute".to_owned(), guest())]),
        rates: Rates { person: WIDE, guest: WIDE, channel: WIDE },
        ..people::Config::default()
    };
    let ports = people::Ports { store: store.clone(), clock: Arc::clone(clock), random: Arc::clone(random) };
    config.build(ports).await.expect("it fits")
}

/// A direct message. In chats named `owner…` the owner speaks, in every other one a guest of its own.
fn event(number: usize, chat: &str, text: &str) -> Event {
    let at = if chat.starts_with("mute") { "mute" } else { "memory" };
    let user = if chat.starts_with("owner") { "owner" } else { chat };
    Event {
        account: format!("{at}-bot"),
        id: number.to_string(),
        revision: 0,
        time: 1_800_000_000_000,
        place: Place { id: chat.to_owned(), thread: None, name: None, visibility: Visibility::Direct },
        author: Author {
            id: user.to_owned(),
            display_name: user.to_owned(),
            handle: None,
            kind: AuthorKind::Person,
        },
        happening: Happening::Message(Message {
            id: number.to_string(),
            text: text.to_owned(),
            others: false,
            attachments: Vec::new(),
            reply_to: None,
            occasion: Occasion::Direct,
        }),
    }
}
