//! An adapter that connects, loses its connection, is refused, and is told the commands.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use openpact_model::chat::{Abilities, Info, LengthUnit, Outbound, Part, SendError, Sent, Target};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::*;

/// What the test tells the receive loop to do.
enum Say {
    Report(Connection),
    End(AdapterError),
}

struct Fake {
    info: Info,
    orders: tokio::sync::Mutex<mpsc::UnboundedReceiver<Say>>,
    /// How the registrations of commands end, the first first; then they succeed.
    refusals: std::sync::Mutex<Vec<AdapterError>>,
    registrations: watch::Sender<usize>,
}

/// How an attach goes.
enum Attach {
    Fails,
    Breaks,
    /// It hangs until the gate is opened for it.
    Hangs,
}

struct Program {
    fake: Arc<Fake>,
    load: std::sync::Mutex<Result<(), String>>,
    /// How the attaches go, the first first; then they succeed.
    attaches: std::sync::Mutex<VecDeque<Attach>>,
    gate: Semaphore,
    reports: std::sync::Mutex<Vec<Connection>>,
    attached: watch::Sender<u32>,
    detached: watch::Sender<u32>,
    known: std::sync::Mutex<HashMap<String, String>>,
}

struct Scene {
    program: Arc<Program>,
    adapter: Arc<Adapter>,
    orders: mpsc::UnboundedSender<Say>,
}

impl Scene {
    fn new() -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        let info = Info {
            platform: "fake".to_owned(),
            title: "Fake".to_owned(),
            abilities: Abilities { commands: true, ..Abilities::default() },
            message_length: 100,
            length_unit: LengthUnit::Characters,
            typing_interval: None,
            edit_interval: 0,
            send_interval: 0,
            send_rate: None,
        };
        let fake = Fake {
            info,
            orders: tokio::sync::Mutex::new(ordered),
            refusals: std::sync::Mutex::default(),
            registrations: watch::Sender::new(0),
        };
        let program = Arc::new(Program {
            fake: Arc::new(fake),
            load: std::sync::Mutex::new(Ok(())),
            attaches: std::sync::Mutex::default(),
            gate: Semaphore::new(0),
            reports: std::sync::Mutex::default(),
            attached: watch::Sender::new(0),
            detached: watch::Sender::new(0),
            known: std::sync::Mutex::default(),
        });
        let desk = Arc::new(Front(Arc::clone(&program)));
        let adapter = Arc::new(Adapter::new(desk, "telegram".parse().unwrap()));
        Self { program, adapter, orders }
    }

    fn run(&self) -> (tokio::task::JoinHandle<End>, CancellationToken) {
        let (adapter, stop) = (Arc::clone(&self.adapter), CancellationToken::new());
        let told = stop.clone();
        (tokio::spawn(async move { adapter.run(Arc::default(), told).await }), stop)
    }

    fn say(&self, say: Say) {
        assert!(self.orders.send(say).is_ok());
    }

    fn connect(&self, id: &str) {
        let account = Account { id: id.to_owned(), name: format!("the {id}") };
        self.say(Say::Report(Connection::Connected(account)));
    }

    /// Done when the connection is shown so.
    async fn shown(&self, wanted: &str) -> Shown {
        let mut seen = self.adapter.seen.subscribe();
        loop {
            let shown = self.adapter.connection();
            if shown.about.contains(wanted) {
                return shown;
            }
            seen.changed().await.unwrap();
        }
    }

    async fn registrations(&self, count: usize) {
        self.program.fake.registrations.subscribe().wait_for(|made| *made >= count).await.unwrap();
    }

    fn count(&self) -> (u32, u32, usize) {
        let program = &self.program;
        (*program.attached.borrow(), *program.detached.borrow(), *program.fake.registrations.borrow())
    }
}

struct Front(Arc<Program>);

#[async_trait]
impl Desk for Front {
    async fn load(&self, _: &ComponentName) -> Result<Arc<dyn chat::Adapter>, String> {
        self.0.load.lock().unwrap().clone()?;
        Ok(Arc::clone(&self.0.fake) as Arc<_>)
    }

    async fn attach(&self, _: Arc<dyn chat::Adapter>) -> Result<(), String> {
        self.0.attached.send_modify(|count| *count += 1);
        let how = self.0.attaches.lock().unwrap().pop_front();
        match how {
            None => Ok(()),
            Some(Attach::Fails) => Err("the store is full".to_owned()),
            Some(Attach::Breaks) => panic!("the attach breaks"),
            Some(Attach::Hangs) => {
                self.0.gate.acquire().await.unwrap().forget();
                Ok(())
            }
        }
    }

    fn detach(&self, _: &ComponentName) {
        self.0.detached.send_modify(|count| *count += 1);
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(Postbox(Arc::clone(&self.0)))
    }

    fn commands(&self) -> Vec<CommandSpec> {
        let (name, description) = ("help".to_owned(), "shows this".to_owned());
        vec![CommandSpec { name, description, options: Vec::new() }]
    }

    async fn known_commands(&self, _: &ComponentName, account: &str) -> Option<String> {
        self.0.known.lock().unwrap().get(account).cloned()
    }

    async fn registered(&self, _: &ComponentName, account: &str, commands: String) {
        self.0.known.lock().unwrap().insert(account.to_owned(), commands);
        self.0.fake.registrations.send_modify(|count| *count += 1);
    }
}

struct Postbox(Arc<Program>);

#[async_trait]
impl Inbox for Postbox {
    async fn deliver(&self, _: &str, _: Event) -> Result<(), DeliverError> {
        Ok(())
    }

    async fn report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError> {
        assert_eq!(instance, "telegram");
        if matches!(&connection, Connection::Connected(account) if account.id == "foreign") {
            return Err(DeliverError::WrongAccount);
        }
        self.0.reports.lock().unwrap().push(connection);
        Ok(())
    }
}

#[async_trait]
impl chat::Adapter for Fake {
    fn instance(&self) -> &'static str {
        "telegram"
    }

    fn info(&self) -> &Info {
        &self.info
    }

    async fn run(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError {
        let mut orders = self.orders.lock().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return AdapterError::Stopped,
                order = orders.recv() => match order.unwrap() {
                    Say::End(error) => return error,
                    Say::Report(connection) => drop(inbox.report("telegram", connection).await),
                },
            }
        }
    }

    async fn register_commands(&self, commands: &[CommandSpec]) -> Result<(), AdapterError> {
        assert_eq!(commands[0].name, "help");
        let mut refusals = self.refusals.lock().unwrap();
        if refusals.is_empty() { Ok(()) } else { Err(refusals.remove(0)) }
    }

    async fn render(&self, _: &Outbound) -> Result<Vec<Part>, SendError> {
        unreachable!("nothing is sent here")
    }

    async fn send_part(&self, _: &Target, _: &Part, _: &str) -> Result<Sent, SendError> {
        unreachable!("nothing is sent here")
    }

    async fn edit_part(&self, _: &Target, _: &str, _: &Part) -> Result<(), SendError> {
        unreachable!("nothing is sent here")
    }

    async fn delete_part(&self, _: &Target, _: &str) -> Result<(), SendError> {
        unreachable!("nothing is sent here")
    }

    async fn typing(&self, _: &Target) -> Result<(), SendError> {
        unreachable!("nothing is sent here")
    }

    async fn answer_interaction(&self, _: &str, _: &Outbound) -> Result<(), SendError> {
        unreachable!("nothing is sent here")
    }

    async fn fetch_attachment(&self, _: &str, _: u64) -> Result<Vec<u8>, SendError> {
        unreachable!("nothing is sent here")
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_is_what_the_connection_says_now() {
    let scene = Scene::new();
    let (run, stop) = scene.run();
    scene.say(Say::Report(Connection::Connecting));
    assert_eq!(scene.shown("it connects").await.state, State::Starting);
    scene.connect("bot\u{1b}[2J");
    let shown = scene.shown("connected as").await;
    assert_eq!(shown.state, State::Running);
    assert!(!shown.account.unwrap().contains('\u{1b}'));
    scene.say(Say::Report(Connection::Lost("the line is cut".to_owned())));
    assert_eq!(scene.shown("the line is cut").await.state, State::Starting);
    scene.connect("bot");
    scene.shown("the bot").await;
    stop.cancel();
    run.await.unwrap();
    // Whoever asks after the end is not told that it is connected.
    assert!(matches!(scene.program.reports.lock().unwrap().last(), Some(Connection::Lost(_))));
    assert_eq!(scene.adapter.connection().state, State::Starting);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_belongs_to_another_is_not_shown_as_connected() {
    let scene = Scene::new();
    let (run, stop) = scene.run();
    scene.connect("foreign");
    scene.say(Say::Report(Connection::Lost("x".to_owned())));
    scene.shown("lost").await;
    stop.cancel();
    run.await.unwrap();
    assert_eq!(scene.count(), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_trouble_it_stays_attached_and_after_a_refusal_it_does_not() {
    let scene = Scene::new();
    for (error, kind, attached, detached) in [
        (AdapterError::Unavailable("503".to_owned()), Kind::Trouble, 1, 0),
        (AdapterError::Broken("trap".to_owned()), Kind::Trouble, 1, 0),
        (AdapterError::Protocol("a page of HTML".to_owned()), Kind::Nonsense, 1, 0),
        (AdapterError::Conflict("409".to_owned()), Kind::Conflict, 1, 0),
        (AdapterError::Credential("401".to_owned()), Kind::Admin, 1, 1),
        (AdapterError::Configuration("base_url".to_owned()), Kind::Admin, 2, 2),
    ] {
        let why = error.to_string();
        scene.say(Say::End(error));
        let end = scene.run().0.await.unwrap();
        assert_eq!((end.kind, end.why), (kind, why.clone()));
        assert_eq!(scene.count(), (attached, detached, 0), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_loaded_is_the_admins() {
    let scene = Scene::new();
    *scene.program.load.lock().unwrap() = Err("its setting 'base_url' is no address".to_owned());
    let end = scene.run().0.await.unwrap();
    assert_eq!((end.kind, end.why.as_str()), (Kind::Admin, "its setting 'base_url' is no address"));
    assert_eq!(scene.count(), (0, 0, 0));
    *scene.program.load.lock().unwrap() = Ok(());
    let (run, stop) = scene.run();
    scene.connect("bot");
    scene.shown("connected").await;
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn resting_gives_back_what_was_attached_once() {
    let scene = Scene::new();
    let (run, stop) = scene.run();
    scene.connect("bot");
    scene.shown("connected").await;
    stop.cancel();
    run.await.unwrap();
    assert_eq!(scene.count().1, 0, "what waits is still sent while the program ends");
    scene.adapter.rest().await;
    scene.adapter.rest().await;
    assert_eq!(scene.count().1, 1);
}

#[tokio::test(start_paused = true)]
async fn the_platform_is_told_the_commands_once_for_each_account() {
    let scene = Scene::new();
    let (run, stop) = scene.run();
    for (id, told) in [("one", 1), ("two", 2), ("one", 2), ("two", 2)] {
        scene.connect(id);
        scene.shown(id).await;
        scene.registrations(told).await;
    }
    stop.cancel();
    run.await.unwrap();
    // Later runs know what was told before.
    let (run, stop) = scene.run();
    scene.connect("one");
    scene.shown("one").await;
    scene.connect("three");
    scene.registrations(3).await;
    stop.cancel();
    run.await.unwrap();
    assert_eq!(scene.count().2, 3);
    let known = scene.program.known.lock().unwrap();
    assert!(known.values().all(|text| text.contains("shows this")));
}

#[tokio::test(start_paused = true)]
async fn commands_that_are_not_taken_are_told_again_later_and_the_receiver_goes_on() {
    let scene = Scene::new();
    let busy = || AdapterError::Unavailable("429".to_owned());
    *scene.program.fake.refusals.lock().unwrap() = vec![busy(), busy()];
    let (run, stop) = scene.run();
    scene.connect("bot");
    scene.registrations(1).await;
    assert!(!run.is_finished());
    stop.cancel();
    run.await.unwrap();
}

/// Done when it was detached so often.
async fn detached(scene: &Scene, times: u32) {
    scene.program.detached.subscribe().wait_for(|count| *count >= times).await.unwrap();
}

/// It is attached anew and connects.
async fn comes_back(scene: &Scene) {
    let (run, stop) = scene.run();
    scene.connect("bot");
    scene.shown("connected as").await;
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_attach_that_fails_or_breaks_is_undone() {
    for (how, words) in [(Attach::Fails, "the store is full"), (Attach::Breaks, "a defect of the program")] {
        let scene = Scene::new();
        scene.program.attaches.lock().unwrap().push_back(how);
        let end = scene.run().0.await.unwrap();
        assert_eq!(end.kind, Kind::Trouble);
        assert!(end.why.contains(words), "{}", end.why);
        assert_eq!(scene.count().1, 1, "what it left behind would be in the way of every later try");
        comes_back(&scene).await;
        assert_eq!(scene.count().0, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attach_that_hangs_holds_up_neither_a_look_nor_an_order_and_is_undone_when_it_ends() {
    let scene = Scene::new();
    scene.program.attaches.lock().unwrap().push_back(Attach::Hangs);
    let (run, stop) = scene.run();
    scene.program.attached.subscribe().wait_for(|count| *count == 1).await.unwrap();
    let begun = Instant::now();
    assert_eq!(scene.adapter.connection().state, State::Starting);
    stop.cancel();
    run.await.unwrap();
    scene.adapter.rest().await;
    assert_eq!((begun.elapsed().as_secs(), scene.count().1), (0, 0));
    // The next run waits: two of one name must not be attached.
    let (run, stop) = scene.run();
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert_eq!(scene.count().0, 1);
    scene.program.gate.add_permits(1);
    detached(&scene, 1).await;
    scene.connect("bot");
    scene.shown("connected as").await;
    assert_eq!((scene.count().0, scene.count().1), (2, 1));
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_leaves_no_half_attach() {
    let scene = Scene::new();
    scene.program.attaches.lock().unwrap().extend([Attach::Hangs, Attach::Hangs]);
    let (run, _stop) = scene.run();
    scene.program.attached.subscribe().wait_for(|count| *count == 1).await.unwrap();
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    // Cut off and told to rest: the attach ends, and is undone.
    scene.adapter.rest().await;
    scene.program.gate.add_permits(1);
    detached(&scene, 1).await;
    // Cut off alone, as at the end of the program: it stays attached, and what waits is still sent.
    let (run, _stop) = scene.run();
    scene.program.attached.subscribe().wait_for(|count| *count == 2).await.unwrap();
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    scene.program.gate.add_permits(1);
    comes_back(&scene).await;
    assert_eq!((scene.count().0, scene.count().1), (2, 1));
}

/// Counts the lines of the log that a person sees by default.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::INFO {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_told_again_and_again_is_one_line_in_the_log() {
    let lines = Lines::default();
    // With one subscriber alone, a place that logs is first judged by the thread that comes by first, and other tests'
    // threads have none (tracing-core, `Dispatchers::rebuilder`).
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let scene = Scene::new();
    let (run, stop) = scene.run();
    for turn in 0..100 {
        scene.say(Say::Report(Connection::Lost(format!("reason {turn}"))));
    }
    for _ in 0..100 {
        scene.connect("bot");
    }
    scene.shown("connected as").await;
    scene.connect("other");
    scene.shown("the other").await;
    // Lost, connected, and another account.
    assert_eq!(lines.0.load(Ordering::Relaxed), 3);
    stop.cancel();
    run.await.unwrap();
}
