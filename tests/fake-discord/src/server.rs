//! The server: one thread with its own runtime, so that tests with and without one can use it.

use std::collections::BTreeMap;
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

use crate::bot::Bot;
use crate::dice::Dice;
use crate::fault::Rule;
use crate::gateway::{GatewayRule, intent};
use crate::limits::Limits;
use crate::specification::{self, Specification};
use crate::world::{Account, Interaction, Sent, User, World};
use crate::{clock, respond};

/// A running server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the server's thread and the tests share.
pub(crate) struct Shared {
    world: Mutex<World>,
    changed: Notify,
    changed_too: Condvar,
    pub(crate) specification: Option<Arc<Specification>>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for something to happen.
    pub(crate) fn touch(&self) {
        self.changed.notify_waiters();
        self.changed_too.notify_all();
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
        let world = World { base: format!("http://{address}"), ..World::default() };
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            changed: Notify::new(),
            changed_too: Condvar::new(),
            specification: specification::load(),
        });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("fake-discord".to_owned()).spawn({
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

    /// Its address as a URL, without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a client is given in place of `https://discord.com/api/v10`.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/v10", self.address)
    }

    /// What a client is told in place of `wss://gateway.discord.gg`. Sessions are resumed at `/resume` below it.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// A new bot with that id, which is that of its application too, and that token. All privileged intents are
    /// switched on for it.
    pub fn bot(&self, id: u64, token: &str) -> Bot {
        let user = User { id, name: format!("Fake{id}"), is_bot: true };
        let account = Account {
            user: user.clone(),
            revoked: false,
            privileged: intent::PRIVILEGED,
            commands: BTreeMap::new(),
            starts: 0,
            last_start: None,
        };
        let mut world = self.shared.world();
        world.users.insert(id, user);
        world.bots.insert(token.to_owned(), account);
        drop(world);
        Bot::new(self.shared.clone(), token, id)
    }

    /// A person. Ids of people are what authority comes from; names are not.
    pub fn user(&self, id: u64, name: &str) -> User {
        let user = User { id, name: name.to_owned(), is_bot: false };
        self.shared.world().users.insert(id, user.clone());
        user
    }

    /// Somebody else's bot.
    pub fn other_bot(&self, id: u64, name: &str) -> User {
        let user = User { id, name: name.to_owned(), is_bot: true };
        self.shared.world().users.insert(id, user.clone());
        user
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, rule: Rule) {
        self.shared.world().faults.add(rule);
    }

    /// Lets something go wrong on the gateway from now on.
    pub fn gateway_fault(&self, rule: GatewayRule) {
        self.shared.world().gateway_faults.add(rule);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        let mut world = self.shared.world();
        world.faults.clear();
        world.gateway_faults.clear();
    }

    /// Where the dice of faults with a chance start.
    pub fn seed(&self, seed: u64) {
        self.shared.world().dice = Dice::new(seed);
    }

    /// Sets limits; at first there are none.
    pub fn limits(&self, limits: Limits) {
        self.shared.world().limits = limits;
    }

    /// From now on, fields that the description does not name are passed over, as by the real server; at first they are
    /// refused and noted. Stock clients send some.
    pub fn ignore_unknown_fields(&self) {
        self.shared.world().tolerant = true;
    }

    /// The interval of heartbeats that connections from now on are asked for; at first it is that of the real server,
    /// 41.25 seconds.
    pub fn heartbeat_interval(&self, interval: Duration) {
        self.shared.world().heartbeat = Some(interval);
    }

    /// Moves the clock of this server ahead.
    pub fn advance(&self, by: Duration) {
        self.shared.world().ahead += by;
        self.shared.touch();
    }

    /// What the bot said in that channel, in order.
    pub fn sent(&self, channel: u64) -> Vec<Sent> {
        self.shared.world().sent(channel)
    }

    /// How often an operation was asked for, by its name in the description: `create_message`.
    pub fn count(&self, operation: &str) -> u64 {
        self.shared.world().count(operation)
    }

    /// An interaction, with what the bot answered.
    ///
    /// # Panics
    /// When there is none with that id.
    pub fn interaction(&self, id: u64) -> Interaction {
        self.look(|world| world.interaction(id).cloned()).expect("an interaction that a person began")
    }

    /// Looks at everything that the server knows; nothing happens meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world())
    }

    /// Requests that the description of the API does not allow, and answers of the fake that it does not.
    pub fn violations(&self) -> Vec<String> {
        self.shared.world().violations.clone()
    }

    /// Whether the description of the API is there: if not, nothing is judged.
    pub fn judges(&self) -> bool {
        self.shared.specification.is_some()
    }

    /// Waits until `check` gives something, looking at every change.
    ///
    /// # Panics
    /// When that takes longer than `deadline`; the message says what was waited for and what was sent.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&World) -> Option<T>,
    ) -> T {
        match self.try_wait_for(deadline, &mut check).await {
            Some(found) => found,
            None => panic!("waited {deadline:?} in vain for {what}:\n{}", self.summary()),
        }
    }

    /// The same, and `None` when it takes longer.
    pub async fn try_wait_for<T>(
        &self,
        deadline: Duration,
        mut check: impl FnMut(&World) -> Option<T>,
    ) -> Option<T> {
        let until = tokio::time::Instant::now() + deadline;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = check(&self.shared.world()) {
                return Some(found);
            }
            tokio::time::timeout_at(until, changed).await.ok()?;
        }
    }

    /// The same for tests without a runtime.
    ///
    /// # Panics
    /// As [`Server::wait_for`].
    pub fn wait<T>(&self, what: &str, deadline: Duration, check: impl FnMut(&World) -> Option<T>) -> T {
        match self.try_wait(deadline, check) {
            Some(found) => found,
            None => panic!("waited {deadline:?} in vain for {what}:\n{}", self.summary()),
        }
    }

    /// The same, and `None` when it takes longer.
    pub fn try_wait<T>(&self, deadline: Duration, mut check: impl FnMut(&World) -> Option<T>) -> Option<T> {
        let until = clock::now() + deadline;
        let mut world = self.shared.world();
        loop {
            if let Some(found) = check(&world) {
                return Some(found);
            }
            let left = until.duration_since(clock::now()).ok()?;
            let waited = self.shared.changed_too.wait_timeout(world, left);
            world = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What happened, for the message of a test that fails.
    pub fn summary(&self) -> String {
        let world = self.shared.world();
        let mut sent: Vec<_> = world.rooms.values().flat_map(|room| &room.sent).collect();
        sent.sort_by_key(|sent| sent.number);
        let last = sent.iter().rev().take(20).rev();
        let lines = last.map(|sent| format!("  to {}: {:?}", sent.channel, sent.content));
        let opcodes: Vec<u64> = world.received.iter().map(|received| received.opcode).collect();
        format!(
            "calls {:?}, {} connections, opcodes {:?}, violations {:?}, sent last:\n{}",
            world.counts,
            world.connections,
            &opcodes[opcodes.len().saturating_sub(50)..],
            world.violations,
            lines.collect::<Vec<_>>().join("\n")
        )
    }

    /// Panics if a request, or an answer of the fake, was not as the API's description says.
    ///
    /// # Panics
    /// As it says.
    pub fn assert_no_violations(&self) {
        assert_eq!(self.violations(), Vec::<String>::new(), "requests that Discord's API does not describe");
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
