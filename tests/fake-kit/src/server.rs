//! The server: one thread with its own runtime, so that tests with and without one can use it.

mod wait;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::DerefMut;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;

use crate::chance::{Dice, Rule};
use crate::ledger::Ledger;
use crate::wire::Body;

/// Everything that a fake knows, and how it answers.
pub trait Fake: DerefMut<Target = Ledger<Self::Rule, Self::Call>> + Send + Sized + 'static {
    /// When something goes wrong.
    type Rule: Rule;

    /// A request, once it has been answered.
    type Call;

    /// Its name.
    const NAME: &'static str;

    /// Answers a request; an error breaks the connection.
    fn answer(
        shared: Arc<Shared<Self>>,
        request: Request<Incoming>,
    ) -> impl Future<Output = io::Result<Response<Body>>> + Send;

    /// What the server does beside answering.
    fn beside(_: Arc<Shared<Self>>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether the published description is there.
    fn judges() -> bool;

    /// How it stands, for the message of a test that fails.
    fn state(&self) -> String;

    /// What was sent, each with its number in the order of all, for the same.
    fn said(&self) -> Vec<(u64, String)>;
}

/// A running server. It stops when this is dropped.
pub struct Server<F> {
    address: SocketAddr,
    shared: Arc<Shared<F>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the server's thread and the tests share.
pub struct Shared<F> {
    world: Mutex<F>,
    changed: Notify,
    changed_too: Condvar,
}

impl<F> Shared<F> {
    /// Everything that is known; nothing happens meanwhile.
    pub fn world(&self) -> MutexGuard<'_, F> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for something to happen.
    pub fn touch(&self) {
        self.changed.notify_waiters();
        self.changed_too.notify_all();
    }

    /// Changes something, and wakes those who wait for something to happen.
    pub fn change<T>(&self, change: impl FnOnce(&mut F) -> T) -> T {
        let changed = change(&mut self.world());
        self.touch();
        changed
    }

    /// The next change after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl<F: Fake> Server<F> {
    /// Starts a server on this port of the loopback address; with 0, on a free one. `make` is given its address as a URL.
    ///
    /// # Errors
    /// When the port or a thread is not to be had.
    pub fn start(port: u16, make: impl FnOnce(String) -> F) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let world = Mutex::new(make(format!("http://{address}")));
        let shared = Arc::new(Shared { world, changed: Notify::new(), changed_too: Condvar::new() });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(F::NAME.to_owned()).spawn({
            let (shared, stop) = (shared.clone(), stop.clone());
            move || {
                runtime.block_on(stop.run_until_cancelled(serve(listener, shared)));
            }
        })?;
        Ok(Self { address, shared, stop, thread: Some(thread) })
    }

    /// What the server's thread and the tests share.
    pub fn shared(&self) -> &Arc<Shared<F>> {
        &self.shared
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, rule: F::Rule) {
        self.shared.world().faults.add(rule);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// Where the dice of faults with a chance start.
    pub fn seed(&self, seed: u64) {
        self.shared.world().dice = Dice::new(seed);
    }

    /// Moves the clock of this server ahead.
    pub fn advance(&self, by: Duration) {
        self.shared.change(|world| world.advance(by));
    }

    /// How often something was asked for.
    pub fn count(&self, name: &str) -> u64 {
        self.shared.world().count(name)
    }

    /// Looks at everything that the server knows; nothing happens meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&F) -> T) -> T {
        look(&self.shared.world())
    }

    /// What came that the description of the API does not allow, and what the fake itself sent that it does not.
    pub fn violations(&self) -> Vec<String> {
        self.shared.world().violations().to_vec()
    }

    /// Panics if there are [`Server::violations`].
    ///
    /// # Panics
    /// As it says.
    pub fn assert_no_violations(&self) {
        assert_eq!(
            self.violations(),
            Vec::<String>::new(),
            "{}: what its description does not allow",
            F::NAME
        );
    }

    /// Whether the description of the API is there: if not, nothing is judged.
    pub fn judges(&self) -> bool {
        F::judges()
    }

    /// What happened, for the message of a test that fails.
    pub fn summary(&self) -> String {
        let world = self.shared.world();
        let mut said = world.said();
        said.sort();
        let last = said[said.len().saturating_sub(20)..].iter().map(|(_, said)| format!("  {said}"));
        format!(
            "calls {:?}, {}, violations {:?}, sent last:\n{}",
            world.counts(),
            world.state(),
            world.violations(),
            last.collect::<Vec<_>>().join("\n")
        )
    }
}

impl<F> Drop for Server<F> {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

async fn serve<F: Fake>(listener: std::net::TcpListener, shared: Arc<Shared<F>>) {
    let listener = TcpListener::from_std(listener).expect("the listener was set to non-blocking");
    tokio::spawn(F::beside(shared.clone()));
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
            let service = service_fn(|request| F::answer(shared.clone(), request));
            // The other side may leave whenever it likes, and faults break the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}
