//! The server: one thread with its own runtime, so that tests with and without one can use it.

mod wait;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::channel::Channel;
use crate::event::{Outcome, Trigger};
use crate::fault::Rule;
use crate::world::{Account, Limits, Person, World};
use crate::{respond, specification};

/// A running server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the server's thread and the tests share.
pub(crate) struct Shared {
    world: Mutex<World>,
    changed: Notify,
    changed_too: Condvar,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes those who wait for something to happen.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        self.changed.notify_waiters();
        self.changed_too.notify_all();
        changed
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
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let world = World::new(format!("http://{address}"), specification::load());
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            changed: Notify::new(),
            changed_too: Condvar::new(),
        });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("fake-slack".to_owned()).spawn({
            let (shared, stop) = (shared.clone(), stop.clone());
            move || {
                runtime.block_on(stop.run_until_cancelled(serve(listener, shared)));
            }
        })?;
        Ok(Self { address, shared, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client is given in place of `https://slack.com/api`; files and answers by `response_url` lie on the same
    /// host, below `/files` and `/hooks`, and Socket Mode at `/link`.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// The app, with the token of its bot (`xoxb-…`) and its own (`xapp-…`); another call gives it other tokens.
    ///
    /// # Panics
    /// When the tokens are of other kinds: whatever is tested would be wrong about them.
    pub fn app(&self, bot_token: &str, app_token: &str) -> App {
        assert!(bot_token.starts_with("xoxb-") && app_token.starts_with("xapp-"), "tokens of bot and app");
        self.shared.change(|world| {
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
        App::new(self.shared.clone())
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
        self.shared.change(|world| world.people.insert(person.id.clone(), person.clone()));
        person
    }

    /// A conversation that was made before, by the app or by a test.
    ///
    /// # Panics
    /// Later, when there is none with that id.
    pub fn channel(&self, id: &str) -> Channel {
        Channel::new(self.shared.clone(), id)
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, rule: Rule) {
        self.shared.world().faults.add(rule);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// Where the dice of faults with a chance start.
    pub fn seed(&self, seed: u64) {
        self.shared.world().faults.seed(seed);
    }

    /// Puts limits on requests; at first there are none.
    pub fn limits(&self, limits: Option<Limits>) {
        self.shared.world().limits = limits;
    }

    /// Whether a message with a `client_msg_id` that was there before is the same message again. At first it is not:
    /// Slack's documentation names errors about it, and no promise.
    pub fn deduplicates(&self, on: bool) {
        self.shared.world().deduplicates = on;
    }

    /// How long an acknowledgement may take (3 seconds at first), and after which pauses an event comes again (at once,
    /// after a minute, after five).
    pub fn acknowledgements(&self, within: Duration, retries: &[Duration]) {
        self.shared.change(|world| {
            world.exchange.within = within;
            world.exchange.retries = retries.to_vec();
        });
    }

    /// Moves the clock of this server ahead.
    pub fn advance(&self, by: Duration) {
        self.shared.change(|world| world.ahead += by);
    }

    /// What became of a command or the press of a button.
    pub fn outcome(&self, trigger: &Trigger) -> Outcome {
        self.shared.world().outcome(trigger)
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> u64 {
        self.shared.world().count(method)
    }

    /// Looks at everything that the server knows; nothing happens meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world())
    }

    /// Requests and acknowledgements that the description of the API does not allow, and answers and events of the fake
    /// that it does not.
    pub fn violations(&self) -> Vec<String> {
        self.shared.world().violations.clone()
    }

    /// Whether the description of the API is there: if not, nothing is judged.
    pub fn judges(&self) -> bool {
        self.shared.world().specification.is_some()
    }

    /// What happened, for the message of a test that fails.
    pub fn summary(&self) -> String {
        let world = self.shared.world();
        let conversations = world.conversations.values();
        let mut said: Vec<_> =
            conversations.flat_map(|found| found.posted.iter().chain(&found.ephemeral)).collect();
        said.sort_by_key(|said| said.number);
        let last = said.iter().rev().take(20).rev();
        let lines = last.map(|said| format!("  in {}: {:?}", said.channel, said.text)).collect::<Vec<_>>();
        format!(
            "calls {:?}, {} connections, {} envelopes pending, violations {:?}, said last:\n{}",
            world.counts,
            world.connections(),
            world.pending(),
            world.violations,
            lines.join("\n")
        )
    }

    /// Panics if a request, or something of the fake, was not as the API's description says.
    ///
    /// # Panics
    /// As it says.
    pub fn assert_no_violations(&self) {
        assert_eq!(self.violations(), Vec::<String>::new(), "requests that Slack does not describe");
    }

    /// Waits until the thread ends, which it does when the process does.
    pub fn wait_forever(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("the listener was set to non-blocking");
    tokio::spawn(sweep(shared.clone()));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptors left, most likely: others are freed soon.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // A connection that cannot do that still works.
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond::answer(shared.clone(), request));
            // The other side may leave whenever it likes, and faults break the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

/// Does what is due in Socket Mode, whenever something is.
async fn sweep(shared: Arc<Shared>) {
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let wait = {
            let mut world = shared.world();
            let next = world.sweep();
            next.map(|next| next.duration_since(world.now()).unwrap_or_default())
        };
        shared.changed_too.notify_all();
        // Others have to get their turn, however close the next thing is.
        let wait = wait.map_or(Duration::from_hours(1), |wait| wait.max(Duration::from_millis(1)));
        let _ = tokio::time::timeout(wait, changed).await;
    }
}
