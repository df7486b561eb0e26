//! Delivery with a fake platform that keeps what it was sent, however often the program dies.

mod announcing;
mod answering;
mod arriving;
mod attaching;
mod crash;
mod deciding;
mod files;
mod interacting;
mod native;
mod order;
mod platform;
mod sending;
mod streaming;
mod who;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openpact_engine::{Engine, direct};
use openpact_model::chat::{Adapter, Inbox as _, Outbound};
use openpact_model::clock::Clock;
use openpact_model::port::{ToolCaller, ToolProvider};
use openpact_model::random::SystemRandom;
use openpact_model::role::{Channel, Role};
use openpact_model::tool::{Reads, ToolOutput, Writes};

use super::*;
use crate::bucket::Rate;
use crate::people::{self, Identity, Person};
use crate::testing::{Puppet, Tools, World, tool};
use crate::{Config as OrchestratorConfig, router};

use platform::{Platform, message};

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Puppet,
    Direct,
}

/// One life of the program.
struct Scene {
    chat: Arc<Chat>,
    engine: Arc<Puppet>,
    tools: Arc<Tools>,
    platform: Arc<Platform>,
}

fn config() -> Config {
    Config {
        asserts_owner: BTreeSet::from(["fake".to_owned()]),
        backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(4),
        ..Config::default()
    }
}

fn channel(name: &str) -> Channel {
    Channel { provider: "fake".into(), channel: name.into(), thread: None }
}

/// Who may speak, so often.
fn stated(rate: Rate) -> people::Config {
    let person = |name: &str, user: &str, role| Person {
        name: name.into(),
        role,
        identities: vec![Identity { provider: "fake".into(), user: user.into() }],
    };
    people::Config {
        people: vec![
            person("anna", "owner", Role::Owner),
            person("ben", "member", Role::Member),
            person("bot", "bot", Role::Owner),
        ],
        rates: people::Rates { person: rate, guest: rate, channel: rate },
        ..people::Config::default()
    }
}

async fn people(world: &World) -> Arc<People> {
    let ports = people::Ports {
        store: world.store.clone(),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
    };
    stated(Rate { burst: 100_000, per_minute: 100_000 }).build(ports).await.unwrap()
}

impl Scene {
    async fn start(world: &World, platform: &Arc<Platform>, kind: Kind, config: Config) -> Self {
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let specs = ["note", "slow"].map(|name| tool(name, Reads::Nothing, Writes::Local));
        let tools = Tools::new("tools", specs.into(), |call| async move {
            if call.tool == "slow" {
                std::future::pending::<()>().await;
            }
            Ok(ToolOutput::text(call.arguments["text"].as_str().unwrap_or("nothing")))
        });
        let ports = router::Ports {
            store: world.store.clone(),
            secrets: world.store.secrets(),
            clock: Arc::clone(&clock),
            random: Arc::new(SystemRandom),
        };
        let provider = Arc::clone(&tools) as Arc<dyn ToolProvider>;
        let router = router::Config::default().build(ports, vec![provider]).unwrap();
        let caller = Arc::clone(&router) as Arc<dyn ToolCaller>;
        let puppet = Puppet::new(world.store.clone(), Arc::clone(&caller));
        let engine: Arc<dyn Engine> = match kind {
            Kind::Puppet => Arc::clone(&puppet) as Arc<dyn Engine>,
            Kind::Direct => Arc::new(direct::Engine::new(direct::Ports {
                store: world.store.clone(),
                tools: caller,
                clock: Arc::clone(&clock),
                random: Arc::new(SystemRandom),
            })),
        };
        let people = people(world).await;
        let ports = orchestrator_ports(world, engine, router, &people);
        let orchestrator = OrchestratorConfig::default().build(ports).await.unwrap();
        let ports = Ports {
            store: world.store.clone(),
            orchestrator: Arc::new(orchestrator),
            people,
            clock,
            random: Arc::new(SystemRandom),
        };
        let chat = config.build(ports).await.unwrap();
        let scene = Self { chat, engine: puppet, tools, platform: Arc::clone(platform) };
        scene.chat.attach(Arc::clone(platform) as Arc<dyn Adapter>, Pace::default()).await.unwrap();
        scene.chat.report("fake", platform::connected("me")).await.unwrap();
        scene
    }

    async fn deliver(&self, event: Event) {
        self.chat.deliver("fake", event).await.unwrap();
    }

    /// The owner, alone.
    async fn say(&self, place: &str, id: &str, text: &str) {
        self.deliver(message(place, id, text)).await;
    }

    /// Waits until the inbox is empty and nothing waits to be sent.
    async fn settled(&self) {
        loop {
            let counts = self.chat.counts().await.unwrap();
            if counts.received + counts.running + counts.waiting == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn state(&self, world: &World, number: i64) -> String {
        let row = world.store.inbox().get(number).await.unwrap();
        // Of what is refused when it comes nothing is kept but that it came.
        row.map_or("refused".to_owned(), |row| format!("{:?}", row.state).to_lowercase())
    }
}

fn orchestrator_ports(
    world: &World,
    engine: Arc<dyn Engine>,
    router: Arc<router::Router>,
    people: &Arc<People>,
) -> crate::Ports {
    crate::Ports {
        store: world.store.clone(),
        engine,
        router,
        people: Arc::clone(people),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
        ai_data: world.ai_data(),
    }
}

/// Lives once and is killed when `act` is done: tasks end where they are, and only what is on disk is left.
fn live<F, Fut>(world: World, platform: &Arc<Platform>, kind: Kind, config: Config, act: F) -> World
where
    F: FnOnce(Scene) -> Fut,
    Fut: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let scene = Scene::start(&world, platform, kind, config).await;
        act(scene).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    world.crash()
}
